//! Ingest: from a protocol's session to the hub, one module per protocol.

pub(crate) mod file;
mod intake;
pub(crate) mod rtmp;
