//! What clients that fetch files report.

use std::fmt;

use serde::Serialize;

use super::Tally;
use crate::load::Load;
use crate::stats::{percentile, rounded};
use crate::target::Target;
use crate::usage::{Measured, Usage};

/// The result of one run of clients that fetch files.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: &'static str,
    pub(crate) url: String,
    pub(crate) n: usize,
    pub(crate) secs: u64,
    pub(crate) requests_per_s: f64,
    pub(crate) segments: usize,
    pub(crate) playlists: usize,
    pub(crate) errors: u64,
    /// Segments that took longer to fetch than the playlist's target duration.
    pub(crate) late: u64,
    /// Segments that left the playlist before they were asked for.
    pub(crate) gaps: u64,
    pub(crate) gbit_per_s: f64,
    /// From the request to the last byte.
    pub(crate) list_p50_ms: Option<f64>,
    pub(crate) list_p99_ms: Option<f64>,
    pub(crate) seg_p50_ms: Option<f64>,
    pub(crate) seg_p99_ms: Option<f64>,
    #[serde(flatten)]
    pub(crate) usage: Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
}

impl Report {
    pub(super) fn new(
        mode: &'static str,
        target: &Target,
        load: &Load,
        mut tally: Tally,
        measured: &Measured,
    ) -> Self {
        let gigabits = tally.bytes as f64 * 8e-9;
        let secs = load.secs as f64;
        let at = |values: &mut Vec<f64>, share| percentile(values, share).map(rounded);
        Self {
            mode,
            url: target.to_string(),
            n: load.n,
            secs: load.secs,
            requests_per_s: rounded(tally.requests as f64 / secs),
            segments: tally.segment_ms.len(),
            playlists: tally.playlist_ms.len(),
            errors: tally.errors,
            late: tally.late,
            gaps: tally.gaps,
            gbit_per_s: rounded(gigabits / secs),
            list_p50_ms: at(&mut tally.playlist_ms, 0.5),
            list_p99_ms: at(&mut tally.playlist_ms, 0.99),
            seg_p50_ms: at(&mut tally.segment_ms, 0.5),
            seg_p99_ms: at(&mut tally.segment_ms, 0.99),
            usage: measured.usage(load.n, gigabits),
            first_error: tally.first_error,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, url, n, secs, segments, playlists, errors, late, gaps, .. } = self;
        write!(f, "{mode} {url}: {n} connections, {secs} s")?;
        write!(f, "\n  requests     {:.1} per second, {:.3} Gbit/s", self.requests_per_s, self.gbit_per_s)?;
        if let (Some(p50), Some(p99)) = (self.list_p50_ms, self.list_p99_ms) {
            write!(f, "\n  playlists    {playlists}: {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        if let (Some(p50), Some(p99)) = (self.seg_p50_ms, self.seg_p99_ms) {
            write!(f, "\n  files        {segments}: {p50:.1} ms, p99 {p99:.1} ms")?;
        }
        write!(f, "\n  trouble      {errors} errors, {late} late, {gaps} missed")?;
        self.usage.fmt(f)?;
        if let Some(error) = &self.first_error {
            write!(f, "\n  first error  {error}")?;
        }
        Ok(())
    }
}
