//! Elementary streams that nothing here parses: MPEG-2 video, SCTE-35, DVB subtitles, teletext, KLV, …
//!
//! Access units are as they came, but for the times in splice information sections (SCTE 35), which are those of the frames: hub
//! time, in 90 kHz of 33 bits.

use bytes::Bytes;

/// What an MPEG-TS program map says of the stream (ISO/IEC 13818-1 2.4.4.8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// `stream_type`, ISO/IEC 13818-1 table 2-34.
    pub stream_type: u8,
    /// The descriptors of its `ES_info` loop, as they came.
    pub descriptors: Bytes,
}
