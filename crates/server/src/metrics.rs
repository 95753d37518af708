//! `/metrics`: what Prometheus reads, named in `docs/metrics.md`. A series is there for as long as its stream is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use publisher::session::Role;
use publisher::{PushSnapshot, RenditionStatus, Service, SessionTotals, StreamMeasures, StreamStatus};

use crate::http::Site;
use crate::panics;

mod process;
mod text;

use text::{Kind, Text};

/// The form of the answer, Prometheus' "text-based format".
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Without a frame for this long no media comes in.
const SILENT_SECONDS: f64 = 3.0;

/// The answer to GET.
pub(crate) async fn answer(State(site): State<Arc<Site>>) -> Response {
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, render(&site.service)).into_response()
}

fn render(service: &Service) -> String {
    let mut text = Text::default();
    let version = [("version", env!("CARGO_PKG_VERSION").to_owned())];
    text.family("rillcast_build_info", Kind::Gauge, "The version that runs; always 1.", [(version, 1)]);
    let statuses = service.statuses();
    sources(&mut text, &statuses);
    timelines(&mut text, &statuses);
    let measures = service.measures();
    sessions(&mut text, &measures);
    segments(&mut text, &measures);
    pushes(&mut text, service, &statuses);
    limits(&mut text, service);
    process::render(&mut text);
    text.into_string()
}

/// What comes in.
fn sources(text: &mut Text, statuses: &[StreamStatus]) {
    let rungs =
        || statuses.iter().flat_map(|stream| stream.renditions.iter().map(move |rung| (stream, rung)));
    let labels = |(stream, rung): &(&StreamStatus, &RenditionStatus)| {
        [("stream", stream.code.to_string()), ("rendition", rung.config.name.clone())]
    };
    let is_live = |rung: &RenditionStatus| {
        rung.source.is_some() && rung.silent_for.is_some_and(|silent| silent.as_secs_f64() < SILENT_SECONDS)
    };
    let up = rungs().map(|of| (labels(&of), u64::from(is_live(of.1))));
    text.family("rillcast_source_up", Kind::Gauge, "Whether media of the rendition comes in.", up);
    let age = rungs().filter_map(|of| Some((labels(&of), of.1.silent_for?.as_secs_f64())));
    text.family(
        "rillcast_source_last_frame_age_seconds",
        Kind::Gauge,
        "Time since its last frame came.",
        age,
    );
    let rate = rungs().map(|of| (labels(&of), of.1.media.bits_per_second));
    text.family("rillcast_source_bits_per_second", Kind::Gauge, "Payload over the last 5 s.", rate);
    let frames = rungs().flat_map(|of| {
        of.1.media.tracks.iter().map(move |track| {
            let [stream, rendition] = labels(&of);
            let codec = track.track.codec.name().to_owned();
            ([stream, rendition, ("track", track.track.id.to_string()), ("codec", codec)], track.frames)
        })
    });
    let help = "Frames that came in of a track; begins anew with each epoch.";
    text.family("rillcast_source_frames_total", Kind::Counter, help, frames);
    let late = rungs().map(|of| (labels(&of), of.1.late_frames));
    let help = "Frames too late, against the other tracks, for MPEG-TS.";
    text.family("rillcast_late_frames_total", Kind::Counter, help, late);
}

/// What the timestamps of sources asked for.
fn timelines(text: &mut Text, statuses: &[StreamStatus]) {
    type Of = fn(&StreamStatus) -> u64;
    let counters: [(&str, &str, Of); 6] = [
        ("rillcast_timeline_epochs_total", "Times the source really broke.", |of| of.media.timeline.epochs),
        ("rillcast_timeline_gaps_total", "Holes in timestamps that were taken for loss.", |of| {
            of.media.timeline.gaps
        }),
        ("rillcast_timeline_repaired_total", "Frames whose timestamp had to be changed.", |of| {
            of.media.timeline.repaired
        }),
        ("rillcast_timeline_dropped_total", "Frames whose timestamp could not be repaired.", |of| {
            of.media.timeline.dropped
        }),
        ("rillcast_timeline_standstills_total", "Times timestamps stood still while frames came.", |of| {
            of.media.timeline.standstills
        }),
        ("rillcast_silence_frames_total", "Silent frames that stood in for sound.", |of| of.media.silence),
    ];
    for (name, help, of) in counters {
        let all = statuses.iter().map(|stream| ([("stream", stream.code.to_string())], of(stream)));
        text.family(name, Kind::Counter, help, all);
    }
}

/// Publishers and viewers.
fn sessions(text: &mut Text, measures: &[StreamMeasures]) {
    type Of = fn(&SessionTotals) -> u64;
    let families: [(&str, Role, Kind, &str, Of); 9] = [
        ("rillcast_publishers", Role::Publisher, Kind::Gauge, "Sources that are there.", |of| of.open),
        ("rillcast_source_sessions_total", Role::Publisher, Kind::Counter, "Sources that came.", |of| {
            of.open + of.ended
        }),
        ("rillcast_source_bytes_total", Role::Publisher, Kind::Counter, "Bytes that came in.", |of| of.bytes),
        (
            "rillcast_source_lost_packets_total",
            Role::Publisher,
            Kind::Counter,
            "Packets that did not come.",
            |of| of.packets_lost,
        ),
        ("rillcast_viewers", Role::Viewer, Kind::Gauge, "Viewers that are there.", |of| of.open),
        ("rillcast_viewer_sessions_total", Role::Viewer, Kind::Counter, "Viewers that came.", |of| {
            of.open + of.ended
        }),
        ("rillcast_viewer_bytes_total", Role::Viewer, Kind::Counter, "Bytes that went out.", |of| of.bytes),
        ("rillcast_viewer_skipped_gops_total", Role::Viewer, Kind::Counter, "Skips of slow viewers.", |of| {
            of.skips
        }),
        (
            "rillcast_viewer_lost_packets_total",
            Role::Viewer,
            Kind::Counter,
            "Packets that viewers lost.",
            |of| of.packets_lost,
        ),
    ];
    for (name, role, kind, help, of) in families {
        let all = measures.iter().flat_map(|stream| {
            let totals = stream.sessions.iter().filter(|(of, ..)| *of == role);
            totals.map(|(_, protocol, totals)| {
                let labels = [("stream", stream.code.to_string()), ("protocol", protocol.to_string())];
                (labels, of(totals))
            })
        });
        text.family(name, kind, help, all);
    }
}

/// HLS and DASH.
fn segments(text: &mut Text, measures: &[StreamMeasures]) {
    let all = || {
        measures.iter().flat_map(|stream| {
            let outputs = [("hls", stream.hls), ("dash", stream.dash)];
            outputs.into_iter().filter_map(|(output, totals)| {
                Some(([("stream", stream.code.to_string()), ("output", output.to_owned())], totals?))
            })
        })
    };
    let made = all().map(|(labels, totals)| (labels, totals.made));
    text.family("rillcast_segments_total", Kind::Counter, "Segments made, of all tracks.", made);
    let age = all().map(|(labels, totals)| (labels, totals.newest.as_secs_f64()));
    text.family("rillcast_segment_age_seconds", Kind::Gauge, "Time since the newest was finished.", age);
}

/// Destinations. What names them is their URL as people may see it.
fn pushes(text: &mut Text, service: &Service, statuses: &[StreamStatus]) {
    const STATES: [publisher::PushStatus; 4] = [
        publisher::PushStatus::Starting,
        publisher::PushStatus::Active,
        publisher::PushStatus::Reconnecting,
        publisher::PushStatus::Failed,
    ];
    let all: Vec<(String, PushSnapshot)> = statuses
        .iter()
        .flat_map(|stream| {
            let pushes = service.runtime_status(&stream.code).unwrap_or_default().pushes;
            pushes.into_iter().map(|push| (stream.code.to_string(), push))
        })
        .collect();
    let labels = |(stream, push): &(String, PushSnapshot)| {
        [("stream", stream.clone()), ("push", push.id.to_string()), ("url", push.url.clone())]
    };
    let states = all.iter().flat_map(|of| {
        STATES.into_iter().map(move |state| {
            let [stream, push, url] = labels(of);
            let name = format!("{state:?}").to_lowercase();
            ([stream, push, url, ("state", name)], u64::from(of.1.status == state))
        })
    });
    text.family("rillcast_push_state", Kind::Gauge, "1 for the state that the destination has.", states);
    let bytes = all.iter().map(|of| (labels(of), of.1.bytes_sent));
    text.family("rillcast_push_bytes_total", Kind::Counter, "Bytes that its system has acknowledged.", bytes);
    let skipped = all.iter().map(|of| (labels(of), of.1.skipped_gops));
    text.family("rillcast_push_skipped_gops_total", Kind::Counter, "GOPs that it was too slow for.", skipped);
    let delay = all.iter().map(|of| (labels(of), of.1.queue_delay_ms as f64 / 1000.0));
    text.family(
        "rillcast_push_delay_seconds",
        Kind::Gauge,
        "Age of the oldest media not acknowledged.",
        delay,
    );
}

fn limits(text: &mut Text, service: &Service) {
    let all = service.limits();
    let labels = |name: &str| [("limit", name.to_owned())];
    let bounds = all.iter().map(|limit| (labels(limit.name), limit.limit));
    text.family("rillcast_limit", Kind::Gauge, "The bound, by its name in the configuration.", bounds);
    let taken = all.iter().filter_map(|limit| Some((labels(limit.name), limit.now?)));
    text.family("rillcast_limit_taken", Kind::Gauge, "How much of it is taken.", taken);
    let refused = all.iter().map(|limit| (labels(limit.name), limit.refused));
    text.family("rillcast_limit_refused_total", Kind::Counter, "How often it refused something.", refused);
    let panics = [([], panics::count())];
    text.family("rillcast_panics_total", Kind::Counter, "Sessions that ended by an error of ours.", panics);
}
