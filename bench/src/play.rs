//! Players that pull an endless stream: HTTP, RTMP, RTSP over TCP and UDP, SRT.
//!
//! Each is cheap, so that one core of them loads one core of any server. After the first media the kernel drops the
//! bytes ([`crate::net::discard`]), and most clients are read in batches, so that the server does not pay for a wake-up
//! of ours with each write. A few are *probes*: a second thread reads their bytes at once and looks for the publisher's
//! stamps.

mod client;
mod group;
mod http;
mod report;
mod rtmp;
mod rtsp;
mod srt;
mod udp;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail};
use bytes::BytesMut;

use crate::load::{Load, Schedule};
use crate::net;
use crate::progress::Progress;
use crate::target::Target;
use crate::usage::{Watch, Watched};

use client::Outcome;
pub(crate) use report::Report;

/// What to play with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// GET of a stream without an end, FLV or TS.
    HttpPull,
    /// RTMP `play`.
    RtmpPlay,
    /// RTSP with RTP interleaved in the same connection.
    RtspPlay,
    /// RTSP with RTP over UDP.
    RtspPlayUdp,
    /// SRT.
    SrtPlay,
}

impl Kind {
    /// The name of the mode.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HttpPull => "http-pull",
            Self::RtmpPlay => "rtmp-play",
            Self::RtspPlay => "rtsp-play",
            Self::RtspPlayUdp => "rtsp-play-udp",
            Self::SrtPlay => "srt-play",
        }
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::HttpPull => "http",
            Self::RtmpPlay => "rtmp",
            Self::RtspPlay | Self::RtspPlayUdp => "rtsp",
            Self::SrtPlay => "srt",
        }
    }

    /// Open files of a player: over UDP those of two tracks.
    fn sockets(self) -> usize {
        if self == Self::RtspPlayUdp { 5 } else { 1 }
    }

    /// Plays with these numbers and URLs until the window is over.
    fn play(
        self,
        address: SocketAddr,
        players: Vec<(usize, Target)>,
        schedule: Schedule,
        batch: Option<Duration>,
    ) -> anyhow::Result<Vec<Outcome>> {
        if self == Self::SrtPlay {
            return srt::run(address, players, schedule, batch);
        }
        let connected = players.into_iter().map(|(number, url)| Ok((number, self.protocol(url)?)));
        group::run(address, connected.collect::<anyhow::Result<_>>()?, schedule, batch)
    }

    /// What is said over the connection of a player.
    fn protocol(self, target: Target) -> anyhow::Result<Box<dyn Protocol>> {
        Ok(match self {
            Self::HttpPull => Box::new(http::Pull::new(target)),
            Self::RtmpPlay => Box::new(rtmp::Play::new(&target)?),
            Self::RtspPlay => Box::new(rtsp::Play::new(target, None)),
            Self::RtspPlayUdp => Box::new(rtsp::Play::new(target, Some(udp::Media::default()))),
            Self::SrtPlay => bail!("SRT has no connection of TCP"),
        })
    }
}

/// Who plays, and how.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// The stream; `{i}` in the path becomes the client's number modulo --streams
    pub(crate) url: Target,
    #[command(flatten)]
    pub(crate) load: Load,
    #[command(flatten)]
    pub(crate) watched: Watched,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How clients read.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reading {
    /// Clients that read their bytes at once and look for the publisher's stamps
    #[arg(long, value_name = "CLIENTS", default_value_t = 10)]
    pub(crate) probes: usize,
    /// Milliseconds between two batches of reads of all other clients
    #[arg(long, value_name = "MS", default_value_t = 10)]
    pub(crate) batch_ms: u64,
    /// Bytes in a second that the whole stream has; a client with 95 % of it is at full rate
    ///
    /// Without it the middle client's rate counts, which hides that all are slow.
    #[arg(long, value_name = "BYTES")]
    pub(crate) expect: Option<f64>,
}

/// What a protocol does up to the first media. After that the bytes are only counted.
trait Protocol: Send {
    /// The connection stands: what to send first.
    fn open(&mut self, out: &mut BytesMut);
    /// The next bytes; whether media has begun with them.
    fn input(&mut self, bytes: &[u8], out: &mut BytesMut) -> anyhow::Result<bool>;
    /// When the stream was asked for.
    fn asked(&self) -> Option<Instant>;
    /// Bytes in all that were received; what is due for them.
    fn received(&mut self, _total: u64, _out: &mut BytesMut) {}
    /// The sockets that media comes by, where it does not come by the connection.
    fn media(&mut self) -> Option<&mut udp::Media> {
        None
    }
}

/// Plays, and says how it went.
pub(crate) fn run(
    kind: Kind,
    options: &Options,
    watch: Watch,
    progress: &Progress,
) -> anyhow::Result<Report> {
    options.url.expect(kind.scheme())?;
    let (n, load) = (options.load.n, &options.load);
    net::allow_connections(n * kind.sockets())?;
    let schedule = load.schedule()?;
    let mut groups = [(true, Vec::new()), (false, Vec::new())];
    // Probes are spread over all who come.
    let every = n.div_ceil(options.reading.probes.clamp(1, n));
    for number in 0..n {
        let probe = options.reading.probes > 0 && number % every == 0;
        groups[usize::from(!probe)].1.push((number, options.url.numbered(number % load.streams)));
    }
    progress.say(format_args!(
        "{n} clients of {}: measuring for {} s, {:.0} s from now",
        options.url,
        load.secs,
        schedule.lead().as_secs_f64()
    ));
    let batch = Duration::from_millis(options.reading.batch_ms);
    let address = options.url.address;
    let (outcomes, measured) = thread::scope(|scope| {
        let groups = groups.map(|(probe, clients)| {
            scope.spawn(move || kind.play(address, clients, schedule, (!probe).then_some(batch)))
        });
        let measured = watch.measure(schedule.window);
        let outcomes = groups.map(|group| group.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked"))));
        (outcomes, measured)
    });
    let mut clients = Vec::with_capacity(n);
    for outcome in outcomes {
        clients.extend(outcome?);
    }
    Ok(Report::new(kind, options, clients, &measured?))
}
