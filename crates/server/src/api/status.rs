//! How a stream is doing.

use std::time::{Duration, SystemTime};

use media::TimeDelta;
use publisher::config::Protocols;
use publisher::{PushSnapshot, RenditionStatus, RuntimeStatus, SourceStatus, StreamStatus};
use serde::Serialize;
use utoipa::ToSchema;

use super::streams::Origin;
use crate::control::{Control, Entry};

/// Without a frame for this long a stream is shown as silent.
const SILENT: Duration = Duration::from_secs(3);

/// What of a stream comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StreamState)]
enum State {
    /// Media comes in.
    Live,
    /// A source is there and sends nothing.
    Silent,
    /// No source is there.
    Waiting,
    /// The stream does not run.
    #[default]
    Stopped,
}

/// The states of a stream that runs, the best first.
const STATES: [State; 3] = [State::Live, State::Silent, State::Waiting];

/// How a stream is doing. With a ladder, `source`, `tracks`, `bits_per_second` and `gop_ms` are those of the best rung that media
/// comes from. One that does not run has nothing but its name.
#[derive(Default, Serialize, ToSchema)]
#[schema(as = StreamStatus)]
pub(super) struct Stream {
    code: String,
    origin: Origin,
    /// It was stopped and is not to run; `state` says whether it does.
    stopped: bool,
    /// Of a ladder, the best that any rung has.
    state: State,
    /// Unix time in milliseconds of its start.
    since_ms: Option<u64>,
    /// The rungs of its ladder in the order of the configuration; one where it has none.
    renditions: Vec<Rendition>,
    source: Option<Source>,
    tracks: Vec<Track>,
    bits_per_second: u64,
    gop_ms: Option<u64>,
    viewers: usize,
    /// Packets that did not reach them, as players of RTSP report it, or as they were given up over SRT.
    viewers_lost: u64,
    warnings: Vec<String>,
    last_error: Option<LastError>,
    timeline: Timeline,
    /// Paths of its outputs, from the root of this server.
    outputs: Outputs,
    /// Where it is pushed to.
    #[schema(value_type = Vec<PushState>)]
    pushes: Vec<PushSnapshot>,
}

/// A rung of a ladder.
#[derive(Serialize, ToSchema)]
#[schema(as = RenditionStatus)]
struct Rendition {
    name: String,
    /// What the configuration says of it.
    width: Option<u32>,
    height: Option<u32>,
    bitrate_kbps: Option<u32>,
    /// As for the stream.
    state: State,
    source: Option<Source>,
    tracks: Vec<Track>,
    bits_per_second: u64,
    gop_ms: Option<u64>,
    warnings: Vec<String>,
    last_error: Option<LastError>,
    /// Frames too late, against the other tracks, for MPEG-TS.
    late: u64,
    /// Paths that play this rung alone, from the root of this server.
    outputs: Outputs,
}

/// Who feeds it.
#[derive(Serialize, ToSchema)]
struct Source {
    protocol: String,
    peer: Option<String>,
    agent: Option<String>,
    since_ms: u64,
    /// Packets of it that did not reach us, where it sends by UDP.
    lost: u64,
}

/// A track of the source.
#[derive(Serialize, ToSchema)]
struct Track {
    kind: &'static str,
    codec: &'static str,
    /// RFC 6381, as in playlists.
    codec_string: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    frame_rate: Option<f64>,
    sample_rate: Option<u32>,
    channels: Option<u32>,
}

/// What the source's timestamps asked for, since the stream was started.
#[derive(Default, Serialize, ToSchema)]
struct Timeline {
    epochs: u64,
    gaps: u64,
    repaired: u64,
    dropped: u64,
    /// Silent access units that stood in for sound that did not come.
    silence: u64,
    /// Frames too late, against the other tracks, for MPEG-TS.
    late: u64,
}

/// The last thing that went wrong at the input.
#[derive(Serialize, ToSchema)]
struct LastError {
    at_ms: u64,
    message: String,
}

/// Paths; null where an output is off.
#[derive(Default, Serialize, ToSchema)]
struct Outputs {
    hls: Option<String>,
    dash: Option<String>,
    mpegts: Option<String>,
    /// Path of the RTMP URL; the rest of it is that of the listener.
    rtmp: Option<String>,
    /// The same of RTSP.
    rtsp: Option<String>,
    /// The query of the SRT URL.
    srt: Option<String>,
}

/// How a stream is doing that is there; `status` where it runs.
pub(super) fn stream(control: &Control, entry: &Entry, status: Option<StreamStatus>) -> Stream {
    let code = entry.stream.code.to_string();
    let (origin, stopped) = (entry.origin.into(), entry.stopped);
    let Some(status) = status else { return Stream { code, origin, stopped, ..Stream::default() } };
    let RuntimeStatus { pushes } = control.service().runtime_status(&status.code).unwrap_or_default();
    let renditions: Vec<Rendition> =
        status.renditions.into_iter().map(|rung| rendition(&code, status.protocols, rung)).collect();
    let states = renditions.iter().map(|rung| rung.state);
    Stream {
        state: STATES
            .into_iter()
            .find(|state| states.clone().any(|of| of == *state))
            .unwrap_or(State::Waiting),
        renditions,
        since_ms: Some(unix_ms(status.since)),
        source: status.source.map(source),
        tracks: status.media.tracks.iter().map(track).collect(),
        bits_per_second: status.media.bits_per_second,
        gop_ms: status.media.gop.map(milliseconds),
        viewers: status.viewers,
        viewers_lost: status.viewers_lost,
        warnings: status.warnings,
        last_error: status.last_error.map(last_error),
        timeline: Timeline {
            epochs: status.media.timeline.epochs,
            gaps: status.media.timeline.gaps,
            repaired: status.media.timeline.repaired,
            dropped: status.media.timeline.dropped,
            silence: status.media.silence,
            late: status.late_frames,
        },
        outputs: outputs(&code, status.protocols),
        pushes,
        code,
        origin,
        stopped,
    }
}

fn rendition(code: &str, protocols: Protocols, status: RenditionStatus) -> Rendition {
    let config = status.config;
    Rendition {
        state: match (&status.source, status.silent_for) {
            (None, _) => State::Waiting,
            (Some(_), Some(silent)) if silent < SILENT => State::Live,
            (Some(_), _) => State::Silent,
        },
        source: status.source.map(source),
        tracks: status.media.tracks.iter().map(track).collect(),
        bits_per_second: status.media.bits_per_second,
        gop_ms: status.media.gop.map(milliseconds),
        warnings: status.warnings,
        last_error: status.last_error.map(last_error),
        late: status.late_frames,
        outputs: outputs(&format!("{code}@{}", config.name), protocols),
        name: config.name,
        width: config.width,
        height: config.height,
        bitrate_kbps: config.bitrate_kbps,
    }
}

fn outputs(address: &str, protocols: Protocols) -> Outputs {
    let path = |on: bool, file: &str| on.then(|| format!("/{address}/{file}"));
    Outputs {
        hls: path(protocols.hls, "index.m3u8"),
        dash: path(protocols.dash, "index.mpd"),
        mpegts: path(protocols.mpegts, "mpegts"),
        rtmp: protocols.rtmp.then(|| format!("/live/{address}")),
        rtsp: protocols.rtsp.then(|| format!("/live/{address}")),
        srt: protocols.srt.then(|| format!("?streamid=live/{address}")),
    }
}

fn source(source: SourceStatus) -> Source {
    Source {
        protocol: source.protocol.to_string(),
        peer: source.peer.map(|peer| peer.to_string()),
        agent: source.agent,
        since_ms: unix_ms(source.since),
        lost: source.lost,
    }
}

fn last_error((at, message): (SystemTime, String)) -> LastError {
    LastError { at_ms: unix_ms(at), message }
}

fn track(status: &hub::TrackStatus) -> Track {
    let codec = &status.track.codec;
    let (video, audio) = (codec.video(), codec.audio());
    // Many encoders do not state a frame rate; then it is what the frames show.
    let stated = video.and_then(|video| video.frame_rate).map(media::Rational::as_f64);
    let measured = || {
        let seconds = status.frame_duration.as_secs_f64();
        (seconds > 0.0).then(|| 1.0 / seconds)
    };
    Track {
        kind: match codec.kind() {
            media::Kind::Video => "video",
            media::Kind::Audio => "audio",
            media::Kind::Data => "data",
        },
        codec: codec.name(),
        codec_string: codec.codec_string(),
        width: video.map(|video| video.width),
        height: video.map(|video| video.height),
        frame_rate: video.and_then(|_| stated.or_else(measured)),
        sample_rate: audio.map(|audio| audio.sample_rate),
        channels: audio.map(|audio| audio.channels),
    }
}

fn milliseconds(delta: TimeDelta) -> u64 {
    (delta.as_secs_f64() * 1000.0).round() as u64
}

pub(super) fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A destination as `publisher::PushSnapshot` has it in JSON.
#[derive(ToSchema)]
#[schema(as = PushState)]
#[expect(dead_code, reason = "it is the description of another type, which knows nothing of descriptions")]
pub(super) struct PushState {
    /// Tells two destinations with one URL apart.
    id: u64,
    /// Without its secrets.
    url: String,
    status: PushStateName,
    /// The attempt under way, or last made.
    attempt: u32,
    #[schema(format = DateTime)]
    connected_at: Option<String>,
    /// The last five, oldest first.
    #[schema(required = false)]
    errors: Vec<PushError>,
    /// Why it does not push, or did not last time.
    reason: Option<String>,
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    rendition: Option<String>,
    comment: Option<String>,
    /// What the other system has acknowledged.
    bytes_sent: u64,
    bits_per_second: u64,
    skipped_gops: u64,
    queue_delay_ms: u64,
    #[schema(format = DateTime)]
    idle_since: Option<String>,
    rtmp_acknowledged: Option<u32>,
    #[schema(required = false)]
    warnings: Vec<String>,
}

/// Where a destination stands.
#[derive(ToSchema)]
#[schema(as = PushStateName, rename_all = "lowercase")]
#[expect(dead_code, reason = "it is the description of another type")]
enum PushStateName {
    Starting,
    Active,
    Reconnecting,
    Failed,
}

/// Something that went wrong.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is the description of another type")]
struct PushError {
    message: String,
    #[schema(format = DateTime)]
    at: String,
}
