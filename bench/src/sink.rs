//! A server that is pushed to: it lets everybody publish, and counts what comes.
//!
//! Like the players it costs little: once media has begun, the kernel drops the bytes, and all connections are read in
//! batches, so that who pushes does not pay for waking us at each write.

mod connection;
mod report;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::progress::Progress;
use crate::target::Target;
use crate::usage::{Watch, Watched, Window, sleep_until};
use connection::{Buffers, Connection};

pub(crate) use report::Report;

/// All have to publish within this time; one that failed once tries again after a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who is waited for, and how long is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where it listens; application and stream may be any
    pub(crate) url: Target,
    /// How many publishers
    #[arg(short, long, value_name = "PUBLISHERS", default_value_t = 1)]
    pub(crate) n: usize,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) secs: u64,
    /// Seconds before that, from when all publish
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) warmup: f64,
    /// Milliseconds between two batches of reads
    #[arg(long, value_name = "MS", default_value_t = 10)]
    pub(crate) batch_ms: u64,
    /// Bytes in a second that the whole stream has; a publisher with 95 % of it is at full rate
    #[arg(long, value_name = "BYTES")]
    pub(crate) expect: Option<f64>,
    #[command(flatten)]
    pub(crate) watched: Watched,
}

/// Waits for the publishers, and says what they brought and cost.
pub(crate) fn run(options: &Options, watch: Watch, progress: &Progress) -> anyhow::Result<Report> {
    Sink::open(&options.url, options.batch_ms)?.measure(options, watch, progress)
}

/// Bytes of the publishers that are there now, by the number of their connection.
type Counts = BTreeMap<u64, u64>;

/// A sink that listens until it is dropped.
pub(crate) struct Sink {
    url: Target,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    counts: Mutex<Counts>,
    stop: AtomicBool,
}

impl Shared {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink {
    /// Listens at the address of the URL.
    pub(crate) fn open(url: &Target, batch_ms: u64) -> anyhow::Result<Self> {
        url.expect("rtmp")?;
        ensure!(batch_ms > 0, "--batch-ms is at least 1");
        let listener = TcpListener::bind(url.address).with_context(|| url.to_string())?;
        listener.set_nonblocking(true)?;
        let shared = Arc::<Shared>::default();
        let thread = {
            let (shared, batch) = (Arc::clone(&shared), Duration::from_millis(batch_ms));
            thread::Builder::new().name("sink".into()).spawn(move || serve(&listener, &shared, batch))?
        };
        Ok(Self { url: url.clone(), shared, thread: Some(thread) })
    }

    /// The URL that it was opened with.
    pub(crate) fn url(&self) -> &Target {
        &self.url
    }

    /// Waits for as many publishers as `options` say, and measures. Where it listens was said before.
    pub(crate) fn measure(
        &self,
        options: &Options,
        watch: Watch,
        progress: &Progress,
    ) -> anyhow::Result<Report> {
        ensure!(options.n > 0 && options.secs > 0, "-n and --secs are at least 1");
        let warmup = Duration::try_from_secs_f64(options.warmup)?;
        progress.say(format_args!("{}: waiting for {} publishers", self.url, options.n));
        let asked = Instant::now();
        while self.shared.counts().len() < options.n {
            let there = self.shared.counts().len();
            ensure!(asked.elapsed() < PATIENCE, "{there} of {} publishers came", options.n);
            thread::sleep(Duration::from_millis(50));
        }
        let window = Window { start: Instant::now() + warmup, secs: options.secs };
        progress.say(format_args!(
            "all publish: measuring for {} s, {:.0} s from now",
            options.secs, options.warmup
        ));
        sleep_until(window.start);
        let before = self.shared.counts().clone();
        let measured = watch.measure(window)?;
        sleep_until(window.end());
        let after = self.shared.counts().clone();
        Ok(Report::new(options, &before, &after, &measured))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it counted was told before.
            let _ = thread.join();
        }
    }
}

/// Takes publishers and their bytes, once in each `batch`.
fn serve(listener: &TcpListener, shared: &Shared, batch: Duration) {
    let start = Instant::now();
    let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
    let mut buffers = Buffers::new();
    let mut next = 0;
    while !shared.stop.load(Ordering::Relaxed) {
        while let Ok((socket, _)) = listener.accept() {
            // One that goes away at once is no publisher.
            connections.extend(Connection::new(socket, start).ok().map(|connection| (next, connection)));
            next += 1;
        }
        connections.retain(|_, connection| connection.serve(&mut buffers).is_ok());
        let publishing = connections.iter().filter(|(_, connection)| connection.publishes());
        *shared.counts() = publishing.map(|(&number, connection)| (number, connection.received)).collect();
        thread::sleep(batch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish;

    #[test]
    fn who_is_published_to_counts_what_was_sent() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url: Target = format!("rtmp://127.0.0.1:{port}/live/x{{i}}").parse().unwrap();
        let sink = Sink::open(&url, 1).unwrap();
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/server/assets/demo.flv");
        let watched = Watched::default();
        let publishers = publish::Options {
            url: url.clone(),
            file,
            n: 3,
            secs: 3,
            warmup: 0.0,
            no_stamp: true,
            phases: 1,
            watched: watched.clone(),
        };
        let options =
            Options { url, n: 3, secs: 1, warmup: 0.2, batch_ms: 1, expect: None, watched: watched.clone() };
        let progress = Progress::new(false);
        let (sent, report) = thread::scope(|scope| {
            let sent = scope.spawn(|| {
                publish::run(&publishers, Watch::start(&watched).unwrap(), &Progress::new(false)).unwrap()
            });
            let report = sink.measure(&options, Watch::start(&watched).unwrap(), &progress).unwrap();
            (sent.join().unwrap(), report)
        });
        assert_eq!((report.n, report.dead), (3, 0));
        assert!(report.bytes > 0 && report.bytes < sent.bytes, "{report:?}");
    }
}
