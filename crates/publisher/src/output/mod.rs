//! Outputs: from carriers to the peers, one module per protocol, and the carriers that they share.

pub(crate) mod answer;
pub(crate) mod disk;
pub(crate) mod hls;
mod join;
pub(crate) mod memory;
pub(crate) mod mpegts;
mod resource;
pub(crate) mod ts;
mod viewers;
