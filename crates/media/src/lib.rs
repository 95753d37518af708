//! The words of the house: time, tracks, frames, codec configurations and the timeline.
//!
//! Everything here is pure: no clock, no socket, no allocation that a peer could make unbounded. Every other
//! crate speaks in these types, and this crate knows nothing of any other.

pub mod bits;
pub mod codec;
mod error;
mod frame;
pub mod nal;
mod time;
pub mod timeline;
mod track;

pub use codec::Codec;
pub use error::Error;
pub use frame::Frame;
pub use time::{TICKS_PER_SECOND, TimeDelta, Timestamp};
pub use track::{AudioInfo, Kind, Rational, Track, TrackId, VideoInfo};
