//! Fragmented MP4 as CMAF has it (ISO/IEC 23000-19): one track per file, an initialization segment and media
//! segments, for DASH and for HLS with fMP4. Box syntax is that of ISO/IEC 14496-12.
//!
//! [`init_segment`] makes `ftyp` and `moov` from a codec configuration. [`segment_head`] makes everything of a media
//! segment that comes before its samples' bytes; these follow as slices of the frames themselves, which [`payload`]
//! picks, so that no payload is ever copied here. [`timescale`] is the clock on which a track's samples are whole
//! numbers. Nothing here reads a clock or keeps state: where segments begin is the caller's matter.
//!
//! Inside: `boxes` writes boxes, `init` the movie, `entry` the sample entry of each codec, `segment` the fragment.
//!
//! Example, to be run with `cargo run --example`: `cmaf_sample` writes a file of testkit's clips, for tools and players
//! to judge.

mod boxes;
mod entry;
mod init;
mod payload;
mod segment;
mod support;
mod timescale;

pub use init::init_segment;
pub use payload::payload;
pub use segment::{Sample, Segment, segment_head};
pub use support::{Unsupported, codec_string, supports};
pub use timescale::timescale;

/// `track_ID` of the one track (ISO/IEC 14496-12 8.3.2).
const TRACK_ID: u32 = 1;
