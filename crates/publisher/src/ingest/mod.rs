//! Ingest: from a protocol's session to the hub, one module per protocol.

pub(crate) mod file;
mod intake;
#[cfg_attr(not(test), expect(dead_code, reason = "the inputs that use it come next"))]
pub(crate) mod mpegts;
mod pace;
pub(crate) mod rtmp;
pub(crate) mod rtsp;
