//! How fast one core copies memory.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::stats::rounded;

/// The result: gigabytes per second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Report {
    mode: &'static str,
    /// Between two buffers that fit into a cache of the core.
    l2_256k_gb_per_s: f64,
    /// Between two buffers that fit into none.
    ram_64m_gb_per_s: f64,
}

/// Copies for that long each.
pub(crate) fn run(each: Duration) -> Report {
    Report {
        mode: "ref-memcpy",
        l2_256k_gb_per_s: copy(256 << 10, each),
        ram_64m_gb_per_s: copy(64 << 20, each),
    }
}

fn copy(bytes: usize, time: Duration) -> f64 {
    let from = vec![1u8; bytes];
    let mut to = vec![0u8; bytes];
    let start = Instant::now();
    let mut copied = 0;
    while start.elapsed() < time {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        copied += bytes;
    }
    rounded(copied as f64 / start.elapsed().as_nanos() as f64)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:.1} GB/s in cache, ", self.mode, self.l2_256k_gb_per_s)?;
        write!(f, "{:.1} GB/s in memory", self.ram_64m_gb_per_s)
    }
}
