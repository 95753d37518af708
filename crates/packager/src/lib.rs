//! Carriers, cut, window and texts: from a stream's frames to what outputs send.
//!
//! The path through this crate: [`ts::Carrier`] muxes the frames of a rung into [`ts::Chunk`]s, which viewers of endless
//! TS read; [`ladder::Segmenter`] cuts the rungs of a ladder at the same places, led by [`cut::Cutter`]; the window
//! numbers the segments, lists them and lets them go; [`hls`] is the text about them.
//!
//! A container is one carrier module, a kind of text one module beside [`hls`]: both stay ignorant of each
//! other. Nothing here reads a clock, opens a file or names a runtime; what changes comes back as a value.

pub mod cmaf;
pub mod cut;
pub mod dash;
mod date;
pub mod hls;
pub mod ladder;
mod measure;
pub mod pace;
mod program;
pub mod rtmp;
pub mod rtp;
pub mod segment;
mod settings;
mod starts;
pub mod ts;
mod window;

pub use date::utc;
pub use program::Omitted;
pub use settings::{Rung, Settings};
