//! The sections `fan_out` and `limits`.

use std::ops::RangeInclusive;
use std::time::Duration;

use publisher::config::{FanOut, Limits};

use super::read::Section;

/// Bounds of counts: of zero nothing could be served.
const COUNT: RangeInclusive<u64> = 1..=10_000_000;
/// Bounds of `workers`; 0 is one per core.
const WORKERS: RangeInclusive<u64> = 0..=1024;
/// Bounds of `merge_window_ms`: over a second, players that are at the live edge run dry.
const MERGE_WINDOW_MS: RangeInclusive<u64> = 0..=1000;
/// Bounds of times in seconds.
const SECONDS: RangeInclusive<f64> = 0.1..=3600.0;
/// Bounds of `request_head_bytes`: under 1 KiB no browser gets through.
const HEAD_BYTES: RangeInclusive<u64> = 1024..=(1 << 20);
/// Bounds of `viewer_queue_bytes`: less than a GOP of any stream makes every viewer skip.
const QUEUE_BYTES: RangeInclusive<u64> = (1 << 20)..=(4 << 30);
/// Bounds of what one RTMP message may have: the length in a chunk header has 24 bits.
const MESSAGE_BYTES: RangeInclusive<u64> = 1024..=((1 << 24) - 1);
/// Bounds of what all messages under way may have.
const PENDING_BYTES: RangeInclusive<u64> = 1024..=(1 << 30);
/// Bounds of `amf_depth`: decoding uses the stack.
const DEPTH: RangeInclusive<u64> = 1..=64;

/// Reads `fan_out`.
pub(super) fn fan_out(mut section: Section<'_>) -> FanOut {
    let default = FanOut::default();
    let workers = section.item("workers").and_then(|item| item.whole(WORKERS));
    let window = section.item("merge_window_ms").and_then(|item| item.whole(MERGE_WINDOW_MS));
    let sound = section.item("sound_at_once").and_then(|item| item.flag());
    let slow = seconds(&mut section, "slow_viewer_timeout_sec");
    section.close();
    FanOut {
        workers: workers.and_then(|workers| usize::try_from(workers).ok()).filter(|&workers| workers > 0),
        merge_window: window.map_or(default.merge_window, Duration::from_millis),
        sound_at_once: sound.unwrap_or(default.sound_at_once),
        slow_viewer_timeout: slow.unwrap_or(default.slow_viewer_timeout),
    }
}

/// Reads `limits`.
pub(super) fn limits(mut section: Section<'_>) -> Limits {
    let mut limits = Limits::default();
    if let Some(time) = seconds(&mut section, "handshake_timeout_sec") {
        limits.handshake_timeout = time;
    }
    for (name, place, range) in [
        ("connections", &mut limits.connections, COUNT),
        ("connections_per_address", &mut limits.connections_per_address, COUNT),
        ("request_head_bytes", &mut limits.request_head_bytes, HEAD_BYTES),
        ("publishers_in_handshake", &mut limits.publishers_in_handshake, COUNT),
        ("viewers_per_stream", &mut limits.viewers_per_stream, COUNT),
        ("viewer_queue_bytes", &mut limits.viewer_queue_bytes, QUEUE_BYTES),
        ("rtmp_message_bytes", &mut limits.rtmp_message_bytes, MESSAGE_BYTES),
        ("rtmp_pending_bytes", &mut limits.rtmp_pending_bytes, PENDING_BYTES),
        ("rtmp_chunk_streams", &mut limits.rtmp_chunk_streams, COUNT),
        ("amf_bytes", &mut limits.amf_bytes, MESSAGE_BYTES),
        ("amf_depth", &mut limits.amf_depth, DEPTH),
        ("amf_values", &mut limits.amf_values, COUNT),
    ] {
        if let Some(value) = section.item(name).and_then(|item| item.whole(range)) {
            *place = value;
        }
    }
    section.close();
    limits
}

fn seconds(section: &mut Section<'_>, name: &'static str) -> Option<Duration> {
    section.item(name).and_then(|item| item.decimal(SECONDS)).map(Duration::from_secs_f64)
}
