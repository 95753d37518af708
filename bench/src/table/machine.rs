//! What the figures were measured on.

use std::fmt;
use std::fs;
use std::thread;

use anyhow::Context as _;
use serde::Serialize;

/// The machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    pub(super) kernel: String,
}

impl Machine {
    /// This machine.
    pub(super) fn look() -> anyhow::Result<Self> {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("no Linux")?;
        let cores = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
        Ok(Self {
            cpu: model.map_or("an unknown CPU", |(_, name)| name.trim()).to_owned(),
            // Not what this process is pinned to.
            cores: cores.max(thread::available_parallelism().map_or(1, usize::from)),
            kernel: kernel.trim().to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.cpu, self.cores, self.kernel)
    }
}
