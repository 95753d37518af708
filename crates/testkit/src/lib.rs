//! Sample frames, golden files and a bad network, for tests only.
//!
//! [`clip`] is a real, decodable H.264 and AAC stream; `samples` has short streams of the other codecs. A broken
//! sample is a broken build, so these panic instead of returning errors. [`relay`] stands between two programs on
//! loopback and loses, delays and reorders what they send each other.

mod clip;
mod golden;
pub mod relay;
pub mod samples;

pub use clip::{Clip, clip};
pub use golden::golden;
