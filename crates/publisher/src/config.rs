//! What the service is told to do: listeners, output settings, streams. Plain values without serde; the
//! configuration file and the API have types of their own in `server` and end here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::code::Code;

mod directories;
mod ladder;
mod network;
mod outputs;
mod play_auth;
mod push;
mod srt;

pub use self::srt::SrtCall;
pub use crate::limits::Limits;
pub use ::srt::KeyLength;
pub use directories::overlap;
pub use ladder::{AbrRepMeta, DEFAULT_RENDITION, Rendition};
pub use network::Network;
pub use outputs::Output;
pub use play_auth::PlayAuth;
pub use push::Push;

/// A text that must not be shown: stream keys and passphrases. `Debug` and `Display` print stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for comparing and signing only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where one protocol listens. The same port serves ingest and play.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listener {
    /// Off: the listener is not opened.
    pub enabled: bool,
    /// Address to bind; none is every address, IPv4 and IPv6.
    pub listen_host: Option<IpAddr>,
    /// TCP or UDP port; 0 lets the system choose, for tests.
    pub port: u16,
}

/// The listeners that streams share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listeners {
    /// RTMP, 1935 by default.
    pub rtmp: Listener,
    /// RTMP over TLS, off and 1936 by default. It needs [`Settings::tls`].
    pub rtmps: Listener,
    /// RTSP, 8554 by default.
    pub rtsp: Listener,
    /// RTSP over TLS, off and 8322 by default. It needs [`Settings::tls`].
    pub rtsps: Listener,
    /// UDP ports for media of RTSP, 20000 to 20999 by default: two for all players of an address of ours, and two for each
    /// track of a publisher.
    pub rtsp_udp_ports: RangeInclusive<u16>,
    /// SRT, 9999 by default.
    pub srt: Listener,
    /// SRT receiver latency, 120 ms by default.
    pub srt_latency: Duration,
    /// SRT passphrase for every stream without one of its own.
    pub srt_passphrase: Option<Secret>,
}

/// What listeners for TLS show: files in PEM, which are read again when they change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// The certificate, and behind it those that lead to whom clients trust.
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// Settings of a segmented output (HLS or DASH).
#[derive(Clone, PartialEq, Debug)]
pub struct Segmented {
    /// Where segments and playlists are also written; none keeps them in memory only.
    pub dir: Option<PathBuf>,
    /// Segment length to aim at, at least 1 s.
    pub segment: Duration,
    /// Segments in the playlist, at least 3.
    pub window: usize,
    /// Segments kept beyond the window and its after-life.
    pub history: usize,
    /// Delete a segment's file once it may go.
    pub ephemeral: bool,
}

/// What HLS segments are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum SegmentType {
    /// MPEG-TS, which every player takes for H.264 and AAC.
    Ts,
    /// Fragmented MP4.
    Fmp4,
    /// MPEG-TS, but fragmented MP4 where a track has a codec that players do not take from MPEG-TS.
    #[default]
    Auto,
}

/// Everything the service needs besides its streams.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Shared listeners.
    pub listeners: Listeners,
    /// What those of them show that speak TLS.
    pub tls: Option<Tls>,
    /// HLS output.
    pub hls: Segmented,
    /// What HLS segments are.
    pub hls_segment_type: SegmentType,
    /// DASH output. Its directory is apart from that of HLS.
    pub dash: Segmented,
    /// Accept a publisher for any code that no stream is configured for, from loopback only.
    pub open_publish: bool,
    /// How long a player waits for the first media, 5 s by default.
    pub join_timeout: Duration,
    /// A publisher that sends no media for this long is dropped, 5 s by default.
    pub publish_timeout: Duration,
    /// An HLS viewer that asks for nothing for this long has left, 30 s by default.
    pub viewer_idle: Duration,
    /// A viewer of HLS or DASH whose session an operator ended is refused for this long, 60 s by default.
    pub kick_time: Duration,
    /// A push that has no media to send is ended after this long, until there is some, 30 s by default.
    pub push_idle: Duration,
    /// How viewers that have a connection are served.
    pub fan_out: FanOut,
    /// What peers may make us hold.
    pub limits: Limits,
    /// What viewers need of streams that say nothing of their own.
    pub play_auth: PlayAuth,
    /// Proxies whose word on whom they serve counts; none by default.
    pub trusted_proxies: Vec<Network>,
}

/// How viewers that have a connection are served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FanOut {
    /// Threads; none is one per core.
    pub workers: Option<usize>,
    /// What comes within this time leaves with one write, 40 ms by default; zero writes each
    /// picture at once, and sound as [`FanOut::sound_at_once`] says.
    pub merge_window: Duration,
    /// Without a merge window: sound leaves at once as well. Off by default: it then waits for the next picture,
    /// 50 ms at most, which halves the cost.
    pub sound_at_once: bool,
    /// A viewer that was too slow, was skipped and did not catch up for this long is sent away, 10 s by default.
    pub slow_viewer_timeout: Duration,
}

/// One source of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Input {
    /// Where the media comes from.
    pub source: Source,
    /// Lower is preferred.
    pub priority: u32,
}

/// Where the media of an input comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// An encoder connects to one of our listeners.
    Publish,
    /// A file is read in real time.
    File {
        /// A transport stream or an FLV file: what it holds says which.
        path: PathBuf,
        /// Begin again at its end, timestamps going on.
        looped: bool,
        /// The program of a transport stream; without it the first with sound or pictures.
        program: Option<u16>,
    },
    /// A transport stream comes in datagrams.
    Datagrams(Datagrams),
    /// A transport stream is called for, over SRT.
    Srt(SrtCall),
    /// An FLV file that is in memory: the demo clip.
    Clip {
        /// The file's bytes.
        flv: &'static [u8],
    },
}

/// A transport stream in datagrams of UDP, as it is or in RTP: what comes says which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagrams {
    /// What it is called in status and log.
    pub url: String,
    /// A multicast group, or an address of ours; the unspecified one is every address. And the port.
    pub address: SocketAddr,
    /// Where the group is joined; without it the system chooses.
    pub interface: Option<Interface>,
    /// Datagrams of others than this one are not taken; a group of IPv4 is joined for this source alone.
    pub source: Option<IpAddr>,
    /// Bytes that the system may hold for us, 2 MiB by default.
    pub buffer_bytes: usize,
    /// The program that is taken; without it the first with sound or pictures.
    pub program: Option<u16>,
}

impl Datagrams {
    /// Bytes that the system may hold by default.
    pub const BUFFER_BYTES: usize = 2 << 20;
}

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Interface {
    /// By its name.
    Name(String),
    /// By an address that it has.
    Address(IpAddr),
}

/// Which outputs a stream has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocols {
    /// HLS at `/<code>/index.m3u8`.
    pub hls: bool,
    /// DASH at `/<code>/index.mpd`.
    pub dash: bool,
    /// RTSP play.
    pub rtsp: bool,
    /// RTMP play.
    pub rtmp: bool,
    /// SRT play.
    pub srt: bool,
    /// HTTP MPEG-TS at `/<code>/mpegts`.
    pub mpegts: bool,
}

impl Protocols {
    /// All off.
    pub const NONE: Self =
        Self { hls: false, dash: false, rtsp: false, rtmp: false, srt: false, mpegts: false };
    /// What this version can deliver: all.
    pub const BUILT: Self = Self { hls: true, dash: true, rtsp: true, rtmp: true, srt: true, mpegts: true };
}

/// One stream as configured.
#[derive(Clone, PartialEq, Debug)]
pub struct Stream {
    /// Its name in every URL.
    pub code: Code,
    /// Sources, at least one.
    pub inputs: Vec<Input>,
    /// The rungs of its ladder, at most [`Rendition::MAX`] with different names; none is one rung, named
    /// [`DEFAULT_RENDITION`]. Several are fed by publishers only. See [`Stream::check_ladder`].
    pub renditions: Vec<Rendition>,
    /// Outputs.
    pub protocols: Protocols,
    /// Where it is pushed to; two with one URL are two.
    pub pushes: Vec<Push>,
    /// What a publisher must give as `?key=`; none admits every publisher.
    pub stream_key: Option<Secret>,
    /// What callers over SRT encrypt with, 10 to 79 bytes; none for that of the listener.
    pub srt_passphrase: Option<Secret>,
    /// Whether a publisher with the right key replaces the one that is sending.
    pub takeover: bool,
    /// What viewers need.
    pub play_auth: PlayAuth,
}

impl Default for Listeners {
    fn default() -> Self {
        let listener = |port| Listener { enabled: true, listen_host: None, port };
        Self {
            rtmp: listener(1935),
            rtmps: Listener { enabled: false, ..listener(1936) },
            rtsp: listener(8554),
            rtsps: Listener { enabled: false, ..listener(8322) },
            rtsp_udp_ports: 20_000..=20_999,
            srt: listener(9999),
            srt_latency: Duration::from_millis(120),
            srt_passphrase: None,
        }
    }
}

impl Default for Segmented {
    fn default() -> Self {
        Self { dir: None, segment: Duration::from_secs(2), window: 12, history: 0, ephemeral: true }
    }
}

impl Default for FanOut {
    fn default() -> Self {
        let (merge_window, slow_viewer_timeout) = (Duration::from_millis(40), Duration::from_secs(10));
        Self { workers: None, merge_window, sound_at_once: false, slow_viewer_timeout }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listeners: Listeners::default(),
            tls: None,
            hls: Segmented::default(),
            hls_segment_type: SegmentType::default(),
            dash: Segmented::default(),
            open_publish: false,
            join_timeout: Duration::from_secs(5),
            publish_timeout: Duration::from_secs(5),
            viewer_idle: Duration::from_secs(30),
            kick_time: Duration::from_secs(60),
            push_idle: Duration::from_secs(30),
            fan_out: FanOut::default(),
            limits: Limits::default(),
            play_auth: PlayAuth::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl Stream {
    /// A stream that waits for a publisher and has every output of this version.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            inputs: vec![Input { source: Source::Publish, priority: 0 }],
            renditions: Vec::new(),
            protocols: Protocols::BUILT,
            pushes: Vec::new(),
            stream_key: None,
            srt_passphrase: None,
            takeover: true,
            play_auth: PlayAuth::default(),
        }
    }
}
