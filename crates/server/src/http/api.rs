//! What the page shows, as JSON. It is made for the page of the same version and promises nothing to others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use media::TimeDelta;
use publisher::config::Protocols;
use publisher::{Code, PushSnapshot, RenditionStatus, RuntimeStatus, SourceStatus, StreamStatus};
use serde::Serialize;

use super::{Site, answer};
use crate::panics;

/// Without a frame for this long a stream is shown as silent.
const SILENT: Duration = Duration::from_secs(3);
const LIVE: &str = "live";
const SILENT_STATE: &str = "silent";
const WAITING: &str = "waiting";
/// The states of a stream, the best first.
const STATES: [&str; 3] = [LIVE, SILENT_STATE, WAITING];

#[derive(Serialize)]
struct Overview {
    version: &'static str,
    /// Unix time of the answer.
    now_ms: u64,
    /// Scheme, host and port to publish to, where RTMP listens.
    rtmp: Option<String>,
    /// The same of RTSP.
    rtsp: Option<String>,
    /// The same of SRT, whose streams are named by a query.
    srt: Option<String>,
    streams: Vec<Stream>,
}

/// A stream. With a ladder, `source`, `tracks`, `bits_per_second` and `gop_ms` are those of the best rung that media comes
/// from.
#[derive(Serialize)]
struct Stream {
    code: String,
    /// `live`: media comes in; `silent`: a source is there and sends nothing; `waiting`: no source. Of a ladder, the best
    /// that any rung has.
    state: &'static str,
    since_ms: u64,
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
    /// Where it is pushed to, as at `/api/v1/streams/<code>/runtime`.
    pushes: Vec<PushSnapshot>,
}

#[derive(Serialize)]
struct Rendition {
    name: String,
    /// What the configuration says of it.
    width: Option<u32>,
    height: Option<u32>,
    bitrate_kbps: Option<u32>,
    /// As for the stream.
    state: &'static str,
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

#[derive(Serialize)]
struct Source {
    protocol: String,
    peer: Option<String>,
    agent: Option<String>,
    since_ms: u64,
    /// Packets of it that did not reach us, where it sends by UDP.
    lost: u64,
}

#[derive(Serialize)]
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
#[derive(Serialize)]
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

#[derive(Serialize)]
struct LastError {
    at_ms: u64,
    message: String,
}

#[derive(Serialize)]
struct Limits {
    #[serde(flatten)]
    limits: BTreeMap<&'static str, Limit>,
    /// Sessions that ended because of an error of ours.
    panics: u64,
}

#[derive(Serialize)]
struct Limit {
    limit: u64,
    /// How much of it is taken, where that is a number of the whole service.
    now: Option<u64>,
    /// How often something was refused, or somebody sent away, because of it.
    refused: u64,
}

#[derive(Serialize)]
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

/// `/api/v1/streams`.
pub(super) async fn streams(State(site): State<Arc<Site>>) -> Response {
    let overview = Overview {
        version: env!("CARGO_PKG_VERSION"),
        now_ms: unix_ms(SystemTime::now()),
        rtmp: site.urls.rtmp(),
        rtsp: site.urls.rtsp(),
        srt: site.urls.srt(),
        streams: site.service.statuses().into_iter().map(|status| stream(&site, status)).collect(),
    };
    json(overview)
}

/// `/api/v1/streams/<code>/runtime`: the contract's status of what the stream pushes. A stream that pushes nothing, or does
/// not run, has an empty list.
pub(super) async fn of_stream(State(site): State<Arc<Site>>, Path(call): Path<String>) -> Response {
    let code = call.strip_suffix("/runtime").and_then(|code| code.parse::<Code>().ok());
    match code {
        Some(code) => json(site.service.runtime_status(&code).unwrap_or_default()),
        None => answer::not_found("the API has no such call; there is /api/v1/streams/<code>/runtime"),
    }
}

fn json(value: impl Serialize) -> Response {
    ([(header::CACHE_CONTROL, "no-store"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(value))
        .into_response()
}

/// `/api/v1/limits`: each limit by its name in the configuration, and how often the program itself failed.
pub(super) async fn limits(State(site): State<Arc<Site>>) -> Response {
    let limits = site.service.limits().into_iter().map(|limit| {
        let shown = Limit { limit: limit.limit, now: limit.now, refused: limit.refused };
        (limit.name, shown)
    });
    let limits = Limits { limits: limits.collect(), panics: panics::count() };
    json(limits)
}

fn stream(site: &Site, status: StreamStatus) -> Stream {
    let RuntimeStatus { pushes } = site.service.runtime_status(&status.code).unwrap_or_default();
    let code = status.code.to_string();
    let renditions: Vec<Rendition> =
        status.renditions.into_iter().map(|rung| rendition(&code, status.protocols, rung)).collect();
    let states = renditions.iter().map(|rung| rung.state);
    Stream {
        state: STATES.into_iter().find(|state| states.clone().any(|of| of == *state)).unwrap_or(WAITING),
        renditions,
        since_ms: unix_ms(status.since),
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
    }
}

fn rendition(code: &str, protocols: Protocols, status: RenditionStatus) -> Rendition {
    let config = status.config;
    Rendition {
        state: match (&status.source, status.silent_for) {
            (None, _) => WAITING,
            (Some(_), Some(silent)) if silent < SILENT => LIVE,
            (Some(_), _) => SILENT_STATE,
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

fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
