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

impl Config {
    /// What it is, for people, as far as `stream_type` alone tells.
    pub(crate) fn name(&self) -> &'static str {
        match self.stream_type {
            0x01 => "MPEG-1 video",
            0x02 => "MPEG-2 video",
            0x10 => "MPEG-4 video",
            0x86 => "SCTE-35",
            _ => "data",
        }
    }

    /// Whether it has pictures, of a codec that nothing here reads.
    pub fn is_video(&self) -> bool {
        matches!(self.stream_type, 0x01 | 0x02 | 0x10)
    }
}
