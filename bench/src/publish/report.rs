//! What publishers report.

use std::fmt;

use serde::Serialize;

use super::{Options, Sent};
use crate::stats::rounded;
use crate::usage::{Measured, Usage};

/// The result of one run of publishers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: &'static str,
    pub(crate) url: String,
    pub(crate) n: usize,
    pub(crate) secs: u64,
    /// Publishers that were cut off.
    pub(crate) dead: usize,
    pub(crate) bytes: u64,
    pub(crate) gbit_per_s: f64,
    pub(crate) bytes_per_stream_s: f64,
    /// How late the latest frame was sent; more than a few ms say that this tool had too little time.
    pub(crate) max_behind_ms: f64,
    #[serde(flatten)]
    pub(crate) usage: Usage,
}

impl Report {
    pub(super) fn new(options: &Options, sent: &Sent, measured: &Measured) -> Self {
        let (n, secs) = (options.n, options.secs);
        let gigabits = sent.bytes as f64 * 8e-9;
        Self {
            mode: "rtmp-publish",
            url: options.url.to_string(),
            n,
            secs,
            dead: sent.dead,
            bytes: sent.bytes,
            gbit_per_s: rounded(gigabits / secs as f64),
            bytes_per_stream_s: rounded(sent.bytes as f64 / secs as f64 / n as f64),
            max_behind_ms: rounded(sent.behind.as_secs_f64() * 1e3),
            usage: measured.usage(n, gigabits),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, url, n, secs, dead, .. } = self;
        write!(f, "{mode} {url}: {n} publishers, {secs} s")?;
        write!(f, "\n  publishers   {} to the end, {dead} cut off", n - dead)?;
        write!(f, "\n  rate         {:.4} Gbit/s", self.gbit_per_s)?;
        write!(
            f,
            "; each {:.1} kB/s, at most {:.1} ms late",
            self.bytes_per_stream_s / 1e3,
            self.max_behind_ms
        )?;
        self.usage.fmt(f)
    }
}
