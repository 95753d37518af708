//! SRT: one UDP port for who plays and who publishes.
//!
//! A port is a socket for each core, and the system sends what comes from one address to the same of them always
//! (SO_REUSEPORT). So each is served by a task of its own, a shard, which shares nothing with the others: it answers
//! strangers, and has connections of its own.

mod link;
mod port;
mod receive;
mod send;
mod shard;
mod socket;
mod timers;
mod wish;

pub(crate) use port::Ports;
pub use port::SrtListener;
