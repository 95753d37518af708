//! Fuzz targets for everything that decodes a peer's bytes.
//!
//! A target is a function that takes any bytes and panics where a promise is broken: the decoder's own panics, and
//! what each module here lists beyond them. `fuzz_targets/` has the thin programs that libFuzzer runs; `corpus/` has
//! inputs worth keeping, which the tests run through the same functions.

mod access_units;
mod amf0;
mod chunks;
mod client;
mod codec_configs;
mod flv;
mod http_head;
mod input;
mod messages;
mod mpegts_demux;
mod rtcp;
mod rtp_packets;
mod rtp_payloads;
mod rtsp_session;
mod sdp;
mod session;
mod srt_connection;
mod srt_listener;
mod srt_packets;
mod timeline;

pub use access_units::access_units;
pub use amf0::amf0;
pub use chunks::chunks;
pub use client::client;
pub use codec_configs::codec_configs;
pub use flv::{flv_file, flv_tags};
pub use http_head::http_head;
pub use messages::messages;
pub use mpegts_demux::mpegts_demux;
pub use rtcp::rtcp;
pub use rtp_packets::rtp_packets;
pub use rtp_payloads::rtp_payloads;
pub use rtsp_session::rtsp_session;
pub use sdp::sdp;
pub use session::session;
pub use srt_connection::srt_connection;
pub use srt_listener::srt_listener;
pub use srt_packets::srt_packets;
pub use timeline::timeline;

use rtmp::Limits;

/// A target by its name, which is also that of its program and of its folder in `corpus/`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 20] = [
    ("access_units", access_units),
    ("amf0", amf0),
    ("chunks", chunks),
    ("client", client),
    ("codec_configs", codec_configs),
    ("flv_file", flv_file),
    ("flv_tags", flv_tags),
    ("http_head", http_head),
    ("messages", messages),
    ("mpegts_demux", mpegts_demux),
    ("rtcp", rtcp),
    ("rtp_packets", rtp_packets),
    ("rtp_payloads", rtp_payloads),
    ("rtsp_session", rtsp_session),
    ("sdp", sdp),
    ("session", session),
    ("srt_connection", srt_connection),
    ("srt_listener", srt_listener),
    ("srt_packets", srt_packets),
    ("timeline", timeline),
];

/// The default limits, or for an odd `choice` ones that a few bytes exceed.
fn limits(choice: u8) -> Limits {
    if choice & 1 == 0 {
        return Limits::default();
    }
    Limits {
        media_bytes: 600,
        command_bytes: 200,
        partial_bytes: 900,
        chunk_streams: 3,
        message_streams: 2,
        held_bytes: 500,
        amf: rtmp::amf0::Limits { depth: 3, values: 20, string_bytes: 40 },
        ..Limits::default()
    }
}
