//! SRT: one UDP port for who plays and who publishes.
//!
//! A port is a socket for each core, and the system sends what comes from one address to the same of them always
//! (SO_REUSEPORT). So each is served by a task of its own, a shard, which shares nothing with the others: it answers
//! strangers, and has connections of its own.

mod link;
mod port;
pub(crate) mod receive;
mod repeats;
pub(crate) mod send;
mod shard;
mod socket;
mod timers;
mod wish;

pub(crate) use port::Ports;
pub use port::SrtListener;

/// What a peer says that it is.
pub(crate) fn version(version: u32) -> String {
    let [_, major, minor, patch] = version.to_be_bytes();
    format!("SRT {major}.{minor}.{patch}")
}
