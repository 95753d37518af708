//! RTMP publishers: one FLV file, over and over in real time, to any number of streams.

mod connection;
mod report;
mod source;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use bytes::BytesMut;
use rtmp::message::Message;

use crate::net;
use crate::progress::Progress;
use crate::target::Target;
use crate::usage::{Watch, Watched, Window, sleep_until};
use connection::Connection;
use source::Source;

pub(crate) use report::Report;

/// Connections are opened by that many threads, for some servers drop a publisher that is silent for two seconds while
/// others are still opened.
const OPENERS: usize = 32;
/// Time over which the phases are spread: a frame of 25 per second.
const FRAME: Duration = Duration::from_millis(40);
/// Longest time that no connection is looked at.
const TURN: Duration = Duration::from_millis(20);
/// Time between two looks at what servers say.
const LISTEN: Duration = Duration::from_millis(500);

/// Who publishes what.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where to; `{i}` in the path becomes the publisher's number, which several need
    pub(crate) url: Target,
    /// What to send: FLV, such as ffmpeg makes. Its last frame should join its first
    #[arg(long, value_name = "FLV")]
    pub(crate) file: PathBuf,
    /// How many publishers
    #[arg(short, long, value_name = "PUBLISHERS", default_value_t = 1)]
    pub(crate) n: usize,
    /// Seconds that are measured
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    pub(crate) secs: u64,
    /// Seconds before that
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    pub(crate) warmup: f64,
    /// Put no clock into the pictures; players then know no latency
    #[arg(long)]
    pub(crate) no_stamp: bool,
    /// The publishers send in that many groups, one shortly after the other, and not all at once
    #[arg(long, value_name = "GROUPS", default_value_t = 8)]
    pub(crate) phases: usize,
    #[command(flatten)]
    pub(crate) watched: Watched,
}

/// Publishes, and says how it went.
pub(crate) fn run(options: &Options, watch: Watch, progress: &Progress) -> anyhow::Result<Report> {
    options.url.expect("rtmp")?;
    ensure!(options.n > 0 && options.secs > 0, "-n and --secs are at least 1");
    let numbered = options.url.path.contains("{i}");
    ensure!(options.n == 1 || numbered, "{} publishers need {{i}} in the URL", options.n);
    net::allow_connections(options.n)?;
    let source = Source::read(&options.file).with_context(|| options.file.display().to_string())?;
    progress.say(format_args!("{} publishers to {}: connecting", options.n, options.url));
    let connections = open(options)?;
    let start = Instant::now() + Duration::from_millis(100);
    let warmup = Duration::try_from_secs_f64(options.warmup)?;
    let window = Window { start: start + warmup, secs: options.secs };
    progress
        .say(format_args!("all publish: measuring for {} s, {:.0} s from now", options.secs, options.warmup));
    let (sent, measured) = thread::scope(|scope| {
        let measured = scope.spawn(|| watch.measure(window));
        let sender = Sender::new(options, &source, connections, start);
        (sender.run(window), measured.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))))
    });
    Ok(Report::new(options, &sent, &measured?))
}

fn open(options: &Options) -> anyhow::Result<Vec<Connection>> {
    let targets: Vec<Target> = (0..options.n).map(|number| options.url.numbered(number)).collect();
    thread::scope(|scope| {
        let openers: Vec<_> = targets
            .chunks(options.n.div_ceil(OPENERS))
            .map(|targets| {
                scope.spawn(|| targets.iter().map(Connection::open).collect::<anyhow::Result<Vec<_>>>())
            })
            .collect();
        let mut connections = Vec::with_capacity(options.n);
        for opener in openers {
            connections.extend(opener.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))?);
        }
        Ok(connections)
    })
}

/// What was sent in the window.
struct Sent {
    bytes: u64,
    dead: usize,
    behind: Duration,
}

/// All publishers and where each group of them is in the file.
struct Sender<'a> {
    source: &'a Source,
    stamped: bool,
    connections: Vec<Connection>,
    start: Instant,
    /// Tag and round of each phase.
    places: Vec<(usize, u64)>,
    /// How late the latest tag was.
    behind: Duration,
}

impl<'a> Sender<'a> {
    fn new(options: &Options, source: &'a Source, connections: Vec<Connection>, start: Instant) -> Self {
        let phases = options.phases.clamp(1, options.n);
        let places = vec![(0, 0); phases];
        Self { source, stamped: !options.no_stamp, connections, start, places, behind: Duration::ZERO }
    }

    fn total(&self) -> u64 {
        self.connections.iter().map(|connection| connection.sent).sum()
    }

    /// Sends until the window is over.
    fn run(mut self, window: Window) -> Sent {
        let mut before = None;
        let mut listened = Instant::now();
        loop {
            let now = Instant::now();
            if now >= window.start && before.is_none() {
                before = Some(self.total());
            }
            if now >= window.end() {
                break;
            }
            let mut next = now + TURN;
            for phase in 0..self.places.len() {
                next = next.min(self.send_what_is_due(phase, now));
            }
            if now - listened > LISTEN {
                listened = now;
                self.connections.iter_mut().for_each(Connection::listen);
            }
            sleep_until(next);
        }
        let dead = self.connections.iter().filter(|connection| !connection.is_alive()).count();
        Sent { bytes: self.total() - before.unwrap_or(0), dead, behind: self.behind }
    }

    /// Sends all tags of a phase whose time has come; when the next one's comes.
    fn send_what_is_due(&mut self, phase: usize, now: Instant) -> Instant {
        let lag = FRAME * phase as u32 / self.places.len() as u32;
        loop {
            let (at, round) = self.places[phase];
            let tag = &self.source.tags[at];
            let time_ms = u64::from(tag.time_ms) + round * u64::from(self.source.duration_ms);
            let due = self.start + Duration::from_millis(time_ms) + lag;
            if due > now {
                return due;
            }
            self.behind = self.behind.max(now - due);
            self.places[phase] = match at + 1 {
                end if end == self.source.tags.len() => (0, round + 1),
                next => (next, round),
            };
            if round == 0 || !tag.once {
                // The timestamp wraps at 32 bits (RTMP 1.0 5.3.1).
                let message = tag.message(time_ms as u32, self.stamped);
                self.send(phase, tag.chunk_stream, message);
            }
        }
    }

    fn send(&mut self, phase: usize, chunk_stream: u32, mut message: Message) {
        let step = self.places.len();
        let mut chunks = BytesMut::new();
        for connection in self.connections.iter_mut().skip(phase).step_by(step) {
            // The same bytes for all whose message stream has the same number, as it nearly always has.
            if chunks.is_empty() || message.stream != connection.stream {
                message.stream = connection.stream;
                chunks.clear();
                connection.encoder.encode(chunk_stream, &message, &mut chunks);
            }
            connection.send(&chunks);
        }
    }
}
