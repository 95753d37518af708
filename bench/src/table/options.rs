//! What a user says about a table.

use std::path::PathBuf;

use anyhow::{bail, ensure};

use super::REFERENCE;
use super::server::Server;
use super::workload::Workload;
use crate::load::Load;
use crate::play::Reading;
use crate::usage::Watched;

/// Below the options.
const EXAMPLES: &str = "\
A server is its name and what can be done with it:
  pid=PID        its process, children included; may be given again. Without it there is no CPU and no memory
  feed=URL       an RTMP URL that --file is published to all the while, with the clock in its pictures
  http-ts=URL    viewers of an endless transport stream
  http-flv=URL   the same of FLV
  rtmp=URL       viewers over RTMP
  push=URL       in place of those: the server publishes to this URL, as often as there would be viewers. It is
                 listened at for as long as the table takes
  rtsp=URL       viewers over RTSP, with RTP in the same connection
  rtsp-udp=URL   the same with RTP over UDP, and what is lost of it
  hls=URL        players of a playlist
  get=URL        GET loops; may be given again: one file after the other
  publish=URL    RTMP publishers of --file, with {i} for their number

Examples:
  rillcast-bench --pin 1 table --core 0 --reference 40 --file film.flv \\
    --server rillcast,pid=4711,feed=rtmp://127.0.0.1/live/x,http-ts=http://127.0.0.1:8080/x/mpegts \\
    --server mine,pid=4712,feed=rtmp://127.0.0.1:1936/live/x,http-ts=http://127.0.0.1:8081/live/x.ts
  rillcast-bench --pin 1 table --core 0 --file film.flv --publishers 100 \\
    --server rillcast,pid=4711,publish=rtmp://127.0.0.1/live/s{i} \\
    --server mine,pid=4712,publish=rtmp://127.0.0.1:1936/live/s{i}";

/// What is compared, and how.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// A server, as NAME,KEY=VALUE,…: see below
    #[arg(long = "server", value_name = "SERVER", required = true)]
    pub(crate) servers: Vec<Server>,
    /// Measure beside each endless stream the cheapest fan-out there can be, with that many milliseconds between two
    /// writes to a viewer (40 where none are given); it runs on --core
    #[arg(long, value_name = "MS", num_args = 0..=1, default_missing_value = "40")]
    pub(crate) reference: Option<u64>,
    /// The core that all servers are pinned to
    #[arg(long, value_name = "CORE")]
    pub(crate) core: Option<usize>,
    /// Whose figures the ratios are against: the reference where there is one, else the last server
    #[arg(long, value_name = "NAME")]
    pub(crate) base: Option<String>,
    /// Runs of each server and kind of load
    #[arg(long, value_name = "RUNS", default_value_t = 5)]
    pub(crate) runs: usize,
    /// Viewers of streams and of HLS
    #[arg(short = 'n', long = "n", value_name = "VIEWERS", default_value_t = 1000)]
    pub(crate) viewers: usize,
    /// Connections of GET loops
    #[arg(long, value_name = "CONNECTIONS", default_value_t = 16)]
    pub(crate) connections: usize,
    /// Publishers of `publish=`
    #[arg(long, value_name = "PUBLISHERS", default_value_t = 100)]
    pub(crate) publishers: usize,
    /// The FLV file that `publish=` and `feed=` send
    #[arg(long, value_name = "FLV")]
    pub(crate) file: Option<PathBuf>,
    /// Seconds that a run measures
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) secs: u64,
    /// Seconds between the last client's start and the measuring
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) warmup: f64,
    /// Clients that start in a second
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500.0)]
    pub(crate) rate: f64,
    /// Seconds between two runs, for the servers to clear up
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    pub(crate) pause: f64,
    /// Seconds between the start of `feed=` and the first run
    #[arg(long, value_name = "SECONDS", default_value_t = 8.0)]
    pub(crate) settle: f64,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// What the headings end with
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Write the JSON to this file too
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Print Markdown, as is done without --json too
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

impl Options {
    /// Fails where that cannot be measured.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        ensure!(self.runs > 0, "--runs is at least 1");
        let names: Vec<&str> = self.servers.iter().map(|server| server.name.as_str()).collect();
        for (at, name) in names.iter().enumerate() {
            ensure!(*name != REFERENCE && !names[..at].contains(name), "two servers are called {name}");
        }
        if let Some(base) = &self.base {
            let known = names.contains(&base.as_str()) || base == REFERENCE && self.reference.is_some();
            ensure!(known, "--base {base}: no server is called that");
        }
        let sends =
            self.servers.iter().any(|server| server.feed.is_some() || server.knows(Workload::Publish));
        ensure!(!sends || self.file.is_some(), "feed= and publish= need --file");
        if !self.servers.iter().any(|server| Workload::ALL.into_iter().any(|workload| server.knows(workload)))
        {
            bail!("nothing to measure: give a server a URL, as http-ts=http://…");
        }
        Ok(())
    }

    /// Whom to watch of a server.
    pub(super) fn watched(&self, pid: Vec<u32>) -> Watched {
        Watched { pid, core: self.core }
    }

    /// So many clients, as those of all servers come.
    pub(super) fn load(&self, n: usize) -> Load {
        Load { n, secs: self.secs, warmup: self.warmup, rate: self.rate, streams: 1 }
    }
}
