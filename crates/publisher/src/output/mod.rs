//! Outputs: from carriers to the peers, one module per protocol, and the carriers that they share.

pub(crate) mod account;
pub(crate) mod answer;
pub(crate) mod apart;
pub(crate) mod carrier;
pub(crate) mod cutting;
pub(crate) mod dash;
pub(crate) mod disk;
mod files;
pub(crate) mod hls;
pub(crate) mod join;
pub(crate) mod memory;
pub(crate) mod mpegts;
pub(crate) mod persist;
mod resource;
pub(crate) mod rtmp;
pub(crate) mod rtsp;
mod run;
pub(crate) mod segmented;
pub(crate) mod srt;
pub(crate) mod ts;
mod viewers;

/// What is said of a rung whose key frames are not where those of most others are.
fn misaligned(output: &str) -> String {
    format!(
        "its key frames are not at the same times as those of the other renditions: its {output} segments begin beside \
         theirs, and players may show a jump when they switch; have the encoder set key frames at fixed times"
    )
}
