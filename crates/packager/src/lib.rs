//! Carriers, cut, window and playlists: from a stream's frames to what outputs send.
//!
//! The path through this crate: [`ts::Carrier`] muxes frames into [`ts::Chunk`]s and asks the [`cut::Cutter`]
//! where segments begin; [`segment::Builder`] puts the chunks of a segment together; [`window::Window`] numbers
//! the segments, lists them and lets them go; [`hls`] and [`dash`] are the texts about them. Viewers of endless
//! TS read the same chunks and ignore the cuts.
//!
//! A container is one carrier module, a kind of text one module, as [`hls`] and [`dash`] are: both stay ignorant of each
//! other. Nothing here reads a clock, opens a file or names a runtime; what changes comes back as a value.

pub mod cut;
pub mod dash;
mod date;
pub mod hls;
mod measure;
pub mod segment;
mod settings;
pub mod ts;
pub mod window;
