//! Clients that ask for one file after the other: HLS players, and GET loops without a pause.
//!
//! One thread serves them all. Of a media file only the head is copied; the kernel drops the rest, as for the players of
//! an endless stream.

mod connection;
mod hls;
mod report;
mod round;

use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};

use crate::load::{Load, Schedule};
use crate::net::{self, Poller};
use crate::progress::Progress;
use crate::target::Target;
use crate::usage::{Watch, Watched};
use connection::{Buffers, Connection, Turn};

pub(crate) use report::Report;

/// Longest wait for a connection to have something.
const TURN: Duration = Duration::from_millis(2);
/// Time between two looks for clients that have waited long enough.
const ROUND: Duration = Duration::from_millis(5);

/// Who plays HLS.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct HlsOptions {
    /// The playlist; `{i}` in the path becomes the client's number modulo --streams
    pub(crate) url: Target,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) watched: Watched,
}

/// Who asks for files, and for which.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GetOptions {
    /// Files of one server; each connection asks for one after the other
    #[arg(required = true, value_name = "URL")]
    pub(crate) urls: Vec<Target>,
    /// How many connections
    #[arg(short, long, value_name = "CONNECTIONS", default_value_t = 16)]
    pub(crate) n: usize,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    pub(crate) secs: u64,
    /// Seconds before that
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    pub(crate) warmup: f64,
    #[command(flatten)]
    pub(crate) watched: Watched,
}

/// What a file is to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Read.
    Playlist,
    /// Dropped unseen.
    Segment,
}

/// What a client does next.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Next {
    /// Asks for that path.
    Get(Kind, String),
    /// Nothing before then.
    Wait(Instant),
}

/// One client's mind; the connection is none of its business.
trait Agent {
    /// What to do now.
    fn next(&mut self, now: Instant) -> Next;
    /// The file that it asked for has come; a segment's body is empty.
    fn done(&mut self, body: &[u8], took: Duration, now: Instant, tally: &mut Tally);
}

/// What all clients did in the window.
#[derive(Default, Debug)]
struct Tally {
    requests: u64,
    errors: u64,
    /// Segments that took longer than they last.
    late: u64,
    /// Segments that left the playlist before they were asked for.
    gaps: u64,
    bytes: u64,
    playlist_ms: Vec<f64>,
    segment_ms: Vec<f64>,
    first_error: Option<String>,
}

impl Tally {
    fn error(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }
}

/// Plays HLS, and says how it went.
pub(crate) fn hls(options: &HlsOptions, watch: Watch, progress: &Progress) -> anyhow::Result<Report> {
    options.url.expect("http")?;
    let streams = options.load.streams;
    let agent = |number: usize| hls::Player::new(options.url.numbered(number % streams).path);
    let what = Run { mode: "hls", target: &options.url, load: &options.load };
    what.run(agent, watch, progress)
}

/// Asks for files without a pause, and says how it went.
pub(crate) fn get(options: &GetOptions, watch: Watch, progress: &Progress) -> anyhow::Result<Report> {
    let first = options.urls.first().ok_or_else(|| anyhow!("a URL is needed"))?;
    first.expect("http")?;
    let one_server = options.urls.iter().all(|url| url.address == first.address);
    ensure!(one_server, "all files of one run are on one server");
    let paths: Rc<[String]> = options.urls.iter().map(|url| url.path.clone()).collect();
    let agent = |number| round::Round::new(Rc::clone(&paths), number);
    // All connections at once.
    let load = Load { n: options.n, secs: options.secs, warmup: options.warmup, rate: 1e6, streams: 1 };
    Run { mode: "http-get", target: first, load: &load }.run(agent, watch, progress)
}

struct Run<'a> {
    mode: &'static str,
    target: &'a Target,
    load: &'a Load,
}

impl Run<'_> {
    fn run<A: Agent>(
        &self,
        agent: impl Fn(usize) -> A,
        watch: Watch,
        progress: &Progress,
    ) -> anyhow::Result<Report> {
        net::allow_connections(self.load.n)?;
        let schedule = self.load.schedule()?;
        progress.say(format_args!(
            "{} clients of {}: measuring for {} s, {:.1} s from now",
            self.load.n,
            self.target,
            self.load.secs,
            schedule.lead().as_secs_f64()
        ));
        let (tally, measured) = thread::scope(|scope| {
            let measured = scope.spawn(|| watch.measure(schedule.window));
            let tally = self.fetch(agent, schedule);
            (tally, measured.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
        });
        Ok(Report::new(self.mode, self.target, self.load, tally?, &measured?))
    }

    /// Serves all clients until the window is over.
    fn fetch<A: Agent>(&self, agent: impl Fn(usize) -> A, schedule: Schedule) -> anyhow::Result<Tally> {
        let poller = Poller::new()?;
        let mut clients: Vec<Connection<A>> = (0..self.load.n)
            .map(|number| Connection::new(number, agent(number), schedule.start_of(number)))
            .collect();
        let mut turn = Turn { poller: &poller, target: self.target, tally: Tally::default() };
        let mut buffers = Buffers::new();
        let mut ready = Vec::new();
        let (mut measuring, mut looked) = (false, Instant::now());
        while Instant::now() < schedule.window.end() {
            let now = Instant::now();
            if !measuring && now >= schedule.window.start {
                measuring = true;
                turn.tally = Tally::default();
            }
            if now - looked > ROUND {
                looked = now;
                clients.iter_mut().for_each(|client| client.go_on(now, &mut turn));
            }
            poller.wait(TURN, &mut ready)?;
            for &event in &ready {
                clients[event.number].serve(event, &mut buffers, &mut turn);
            }
        }
        Ok(turn.tally)
    }
}
