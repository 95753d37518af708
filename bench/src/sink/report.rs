//! What a sink reports.

use std::fmt;

use serde::Serialize;

use super::{Counts, Options};
use crate::stats::{FULL, percentile, rounded};
use crate::usage::{Measured, Usage};

/// The result of one run of a sink; the names are those of players, which it stands beside in a table.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) mode: &'static str,
    pub(crate) url: String,
    pub(crate) n: usize,
    pub(crate) secs: u64,
    /// Publishers that ended in the window.
    pub(crate) dead: usize,
    /// Publishers at 95 % of the whole stream's rate or more.
    pub(crate) full_rate: usize,
    pub(crate) bytes: u64,
    pub(crate) gbit_per_s: f64,
    /// Bytes in a second of the middle publisher.
    pub(crate) rate_med: Option<f64>,
    #[serde(flatten)]
    pub(crate) usage: Usage,
}

impl Report {
    /// From what each had brought when the window began, and when it was over.
    pub(super) fn new(options: &Options, before: &Counts, after: &Counts, measured: &Measured) -> Self {
        let secs = options.secs;
        let brought = |(number, &bytes): (&u64, &u64)| bytes - before.get(number).copied().unwrap_or(0);
        let bytes: u64 = after.iter().map(brought).sum();
        let mut rates: Vec<f64> = after.iter().map(|each| brought(each) as f64 / secs as f64).collect();
        let middle = percentile(&mut rates, 0.5);
        let whole = options.expect.or(middle).unwrap_or(0.0);
        let gigabits = bytes as f64 * 8e-9;
        Self {
            mode: "rtmp-sink",
            url: options.url.to_string(),
            n: options.n,
            secs,
            dead: before.keys().filter(|&number| !after.contains_key(number)).count(),
            full_rate: rates.iter().filter(|&&rate| rate > 0.0 && rate >= FULL * whole).count(),
            bytes,
            gbit_per_s: rounded(gigabits / secs as f64),
            rate_med: middle.map(rounded),
            usage: measured.usage(options.n, gigabits),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, url, n, secs, dead, full_rate, .. } = self;
        write!(f, "{mode} {url}: {n} publishers, {secs} s")?;
        write!(f, "\n  publishers   {full_rate} at full rate, {dead} ended")?;
        write!(f, "\n  rate         {:.4} Gbit/s", self.gbit_per_s)?;
        self.usage.fmt(f)
    }
}
