//! Several servers measured in turn, and what comes of it as a table.
//!
//! Runs interleave: one of each server, then one of each again, so that what else the machine does meanwhile falls on
//! all alike. A figure is the median of its runs with the least and the greatest; a ratio is that of two figures of the
//! same round.

mod child;
mod machine;
mod options;
mod outcome;
mod render;
mod server;
mod workload;

use std::fs;
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value};

use crate::progress::Progress;
use crate::sink::Sink;
use crate::usage::Watch;
pub(crate) use child::end_with_parent;
pub(crate) use options::Options;

use child::Child;
use machine::Machine;
use outcome::{Outcome, Table};
use server::Server;
use workload::Workload;

/// The name of the row of `ref-serve`.
const REFERENCE: &str = "reference";
/// Feeds end after this time, should nobody end them.
const FEED_SECS: u64 = 6 * 3600;

/// Measures everything and prints it.
pub(crate) fn run(options: &Options, json: bool, progress: &Progress) -> anyhow::Result<()> {
    let outcome = options.measure(progress)?;
    let as_json = serde_json::to_string(&outcome)?;
    if let Some(file) = &options.save {
        fs::write(file, format!("{as_json}\n")).with_context(|| file.display().to_string())?;
    }
    let mut out = io::stdout();
    if json {
        writeln!(out, "{as_json}")?;
    } else {
        write!(out, "{}", render::markdown(&outcome))?;
    }
    Ok(())
}

impl Options {
    fn measure(&self, progress: &Progress) -> anyhow::Result<Outcome> {
        self.check()?;
        let sinks = self.sinks()?;
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
                tables.push(self.table(workload, &servers, &sinks, progress)?);
            }
        }
        for (feed, server) in &mut feeds {
            ensure!(feed.is_running(), "{server}: the feed ended before the table did");
        }
        Ok(Outcome { machine: Machine::look()?, runs: self.runs, secs: self.secs, tables })
    }

    /// Listens where servers publish to.
    fn sinks(&self) -> anyhow::Result<Vec<Sink>> {
        let urls = self.servers.iter().filter_map(|server| server.sink.as_ref());
        urls.map(|url| Sink::open(url, self.reading.batch_ms)).collect()
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

    fn table(
        &self,
        workload: Workload,
        servers: &[&Server],
        sinks: &[Sink],
        progress: &Progress,
    ) -> anyhow::Result<Table> {
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
                let sink = sinks.iter().find(|sink| server.sink.as_ref() == Some(sink.url()));
                let report = workload.measure(self, server, sink, watch.clone(), &progress.part(&part));
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
        Ok(Table::new(self, workload, rows))
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
        Workload::HttpTs.measure(self, &server, None, watch, progress)
    }

    fn rest(&self) -> anyhow::Result<()> {
        thread::sleep(Duration::try_from_secs_f64(self.pause)?);
        Ok(())
    }
}
