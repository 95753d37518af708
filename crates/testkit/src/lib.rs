//! Sample frames and golden files, for tests only.
//!
//! [`clip`] is a real, decodable H.264 and AAC stream; `samples` has short streams of the other codecs. A broken
//! sample is a broken build, so everything here panics instead of returning errors.

mod clip;
mod golden;
pub mod samples;

pub use clip::{Clip, clip};
pub use golden::golden;
