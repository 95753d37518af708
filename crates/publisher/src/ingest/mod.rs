//! Ingest: from a protocol's session to the hub, one module per protocol.

pub(crate) mod buffer;
pub(crate) mod file;
mod intake;
pub(crate) mod mpegts;
mod pace;
pub(crate) mod rtmp;
pub(crate) mod rtsp;
pub(crate) mod srt;
pub(crate) mod udp;
