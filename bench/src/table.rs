//! Several servers measured in turn, and what comes of it as a table.
//!
//! Runs interleave: one of each server, then one of each again, so that what else the machine does meanwhile falls on
//! all alike. A figure is the median of its runs with the least and the greatest; a ratio is that of two figures of the
//! same round.

mod child;
mod machine;
mod render;
mod server;
mod workload;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::load::Load;
use crate::play::Reading;
use crate::progress::Progress;
use crate::stats::{Spread, rounded};
use crate::usage::{Watch, Watched};
pub(crate) use child::end_with_parent;

use child::Child;
use machine::Machine;
use server::Server;
use workload::Workload;

/// The name of the row of `ref-serve`.
const REFERENCE: &str = "reference";
/// Feeds end after this time, should nobody end them.
const FEED_SECS: u64 = 6 * 3600;

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
    /// Print Markdown, as is done without --json too
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

const EXAMPLES: &str = "\
A server is its name and what can be done with it:
  pid=PID        its process, children included; may be given again. Without it there is no CPU and no memory
  feed=URL       an RTMP URL that --file is published to all the while, with the clock in its pictures
  http-ts=URL    viewers of an endless transport stream
  http-flv=URL   the same of FLV
  rtmp=URL       viewers over RTMP
  rtsp=URL       viewers over RTSP
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

/// The result.
#[derive(Debug, Serialize)]
struct Outcome {
    machine: Machine,
    runs: usize,
    secs: u64,
    tables: Vec<Table>,
}

/// One kind of load on all servers that know it.
#[derive(Debug, Serialize)]
struct Table {
    workload: Workload,
    /// Clients.
    n: usize,
    /// The field that ratios are of.
    headline: &'static str,
    /// The row that ratios are against.
    base: Option<String>,
    rows: Vec<Row>,
}

/// One server in a table.
#[derive(Debug, Serialize)]
struct Row {
    server: String,
    /// Of the headline, to the base's of the same round.
    ratio: Option<Spread>,
    /// Of each field that is a number in every run.
    figures: BTreeMap<String, Spread>,
    /// What each run reported.
    runs: Vec<Map<String, Value>>,
}

/// Measures everything and prints it.
pub(crate) fn run(options: &Options, json: bool, progress: &Progress) -> anyhow::Result<()> {
    let outcome = options.measure(progress)?;
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(&outcome)?)?;
    } else {
        write!(out, "{}", render::markdown(&outcome))?;
    }
    Ok(())
}

impl Options {
    fn measure(&self, progress: &Progress) -> anyhow::Result<Outcome> {
        self.check()?;
        let mut feeds = self.feed()?;
        if !feeds.is_empty() {
            progress.say(format_args!(
                "{} feeds started; {} s for the servers to settle",
                feeds.len(),
                self.settle
            ));
            thread::sleep(Duration::try_from_secs_f64(self.settle)?);
        }
        let mut tables = Vec::new();
        for workload in Workload::ALL {
            let servers: Vec<&Server> = self.servers.iter().filter(|server| server.knows(workload)).collect();
            if !servers.is_empty() {
                tables.push(self.table(workload, &servers, progress)?);
            }
        }
        for (feed, server) in &mut feeds {
            ensure!(feed.is_running(), "{server}: the feed ended before the table did");
        }
        Ok(Outcome { machine: Machine::look()?, runs: self.runs, secs: self.secs, tables })
    }

    fn check(&self) -> anyhow::Result<()> {
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

    /// Starts a publisher for each server that wants one.
    fn feed(&self) -> anyhow::Result<Vec<(Child, &str)>> {
        let mut feeds = Vec::new();
        for server in &self.servers {
            let (Some(url), Some(file)) = (&server.feed, &self.file) else { continue };
            let (file, secs) = (file.display().to_string(), FEED_SECS.to_string());
            let arguments = ["rtmp-publish", &url.to_string(), "--file", &file, "--secs", &secs];
            feeds.push((Child::start(&arguments)?, server.name.as_str()));
        }
        Ok(feeds)
    }

    fn table(&self, workload: Workload, servers: &[&Server], progress: &Progress) -> anyhow::Result<Table> {
        let reference = self.reference.filter(|_| workload.is_endless());
        let watches = servers
            .iter()
            .map(|server| Watch::start(&self.watched(server.pids.clone())).context(server.name.clone()))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let mut runs: Vec<Vec<Map<String, Value>>> = vec![Vec::new(); servers.len()];
        let mut reference_runs = Vec::new();
        for round in 1..=self.runs {
            let part = |name: &str| format!("{workload}, run {round} of {}, {name}", self.runs);
            for ((server, watch), runs) in servers.iter().zip(&watches).zip(&mut runs) {
                let part = part(&server.name);
                let report = workload.measure(self, server, watch.clone(), &progress.part(&part));
                runs.push(report.context(part)?);
                self.rest()?;
            }
            if let Some(tick) = reference {
                let part = part(REFERENCE);
                let rate = runs[0].last().and_then(|run| run.get("rate_med")?.as_f64());
                let report = self.measure_reference(tick, rate, &progress.part(&part));
                reference_runs.push(report.context(part)?);
                self.rest()?;
            }
        }
        let names = servers.iter().map(|server| server.name.clone());
        let mut rows: Vec<(String, Vec<_>)> = names.zip(runs).collect();
        rows.extend(reference.map(|tick| (format!("{REFERENCE}, {tick} ms"), reference_runs)));
        Ok(self.put_together(workload, rows))
    }

    /// One run of the cheapest fan-out, at the rate that viewers had of the first server.
    fn measure_reference(
        &self,
        tick: u64,
        bytes_per_s: Option<f64>,
        progress: &Progress,
    ) -> anyhow::Result<Map<String, Value>> {
        let rate =
            bytes_per_s.filter(|&rate| rate > 0.0).context("the server before it delivered nothing")?;
        // It ends by itself, should nobody end it.
        let secs = self.viewers as f64 / self.rate + self.warmup + self.secs as f64 + 30.0;
        let (tick, bps, secs) = (tick.to_string(), (rate * 8.0).to_string(), (secs as u64).to_string());
        let mut arguments = vec!["ref-serve", "--tick", &tick, "--bps", &bps, "--secs", &secs];
        let core = self.core.map(|core| core.to_string());
        arguments.extend(core.iter().flat_map(|core| ["--pin", core]));
        let mut child = Child::start(&arguments)?;
        let url = child.first_line().context("the reference did not start")?;
        let server = Server::reference(REFERENCE, child.pid(), url.parse()?);
        let watch = Watch::start(&self.watched(server.pids.clone()))?;
        Workload::HttpTs.measure(self, &server, watch, progress)
    }

    fn put_together(&self, workload: Workload, rows: Vec<(String, Vec<Map<String, Value>>)>) -> Table {
        let wanted = match &self.base {
            Some(base) => rows.iter().position(|(name, _)| name.split(',').next() == Some(base)),
            None => rows.len().checked_sub(1).filter(|&last| last > 0),
        };
        let headline = workload.headline();
        let of_base: Vec<Option<f64>> =
            wanted.iter().flat_map(|&base| &rows[base].1).map(|run| run.get(headline)?.as_f64()).collect();
        let base = wanted.map(|base| rows[base].0.clone());
        let rows = rows.into_iter().map(|(server, runs)| {
            let ratios = runs.iter().zip(&of_base).filter_map(|(run, &base)| {
                let (own, base) = (run.get(headline)?.as_f64()?, base.filter(|&base| base > 0.0)?);
                Some(rounded(own / base))
            });
            let ratio = Spread::of(ratios).filter(|_| base.as_ref() != Some(&server));
            Row { ratio, figures: figures(&runs), server, runs }
        });
        Table { workload, n: workload.clients(self), headline, rows: rows.collect(), base }
    }

    fn watched(&self, pid: Vec<u32>) -> Watched {
        Watched { pid, core: self.core }
    }

    fn load(&self, n: usize) -> Load {
        Load { n, secs: self.secs, warmup: self.warmup, rate: self.rate, streams: 1 }
    }

    fn rest(&self) -> anyhow::Result<()> {
        thread::sleep(Duration::try_from_secs_f64(self.pause)?);
        Ok(())
    }
}

/// The spread of each field that is a number in every run.
fn figures(runs: &[Map<String, Value>]) -> BTreeMap<String, Spread> {
    let Some(first) = runs.first() else { return Default::default() };
    let spread = |field: &String| {
        let values: Option<Vec<f64>> = runs.iter().map(|run| run.get(field)?.as_f64()).collect();
        Some((field.clone(), Spread::of(values?)?))
    };
    first.keys().filter_map(spread).collect()
}
