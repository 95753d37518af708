//! Ingest: from a protocol's session to the hub, one module per protocol.

pub(crate) mod file;
mod intake;
mod pace;
pub(crate) mod rtmp;
pub(crate) mod rtsp;
