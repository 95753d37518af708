//! FLV: tags, and the tracks and frames that are in them; [`Demux`] reads them, [`mux`] writes them.
//!
//! The body of an FLV tag and that of an RTMP media message are the same bytes ("Adobe Flash Video File Format
//! Specification" 10.1, annex E.4), and Enhanced RTMP v1 and v2 added to both.

mod audio;
mod demux;
mod enhanced;
pub mod file;
pub mod mux;
mod script;
mod track;
mod video;

pub use demux::Demux;
pub use enhanced::FourCc;
pub use script::Metadata;

use bytes::Bytes;

use media::{Codec, TrackId};

/// What a tag holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TagKind {
    /// `TagType` 8.
    Audio,
    /// `TagType` 9.
    Video,
    /// `TagType` 18: a name and a value in AMF0.
    Script,
}

impl TagKind {
    /// From `TagType` (E.4.1), none for other types.
    pub fn from_type(tag_type: u8) -> Option<Self> {
        match tag_type {
            8 => Some(Self::Audio),
            9 => Some(Self::Video),
            18 => Some(Self::Script),
            _ => None,
        }
    }

    /// `TagType`, which is also the `message type id` of the RTMP message.
    pub fn tag_type(self) -> u8 {
        match self {
            Self::Audio => 8,
            Self::Video => 9,
            Self::Script => 18,
        }
    }
}

/// One tag, or one RTMP message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag {
    /// What the body is.
    pub kind: TagKind,
    /// Decode time in milliseconds, wrapping at 32 bits.
    pub timestamp_ms: u32,
    /// The body, from `AudioTagHeader`, `VideoTagHeader` or the script's name on.
    pub body: Bytes,
}

/// What comes out of tags.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Media {
    /// A track, before its first frame and again when its configuration has changed.
    Track {
        /// Its number: 0 is video and 1 audio; track n of a multitrack stream is 2n and 2n + 1.
        id: TrackId,
        /// Codec and configuration.
        codec: Codec,
    },
    /// One access unit.
    Frame {
        /// The track it belongs to, announced before.
        track: TrackId,
        /// Decode time in milliseconds, wrapping at 32 bits.
        dts_ms: u32,
        /// Nanoseconds, below a millisecond, that the peer adds to the decode time (Enhanced RTMP v2,
        /// `TimestampOffsetNano`); 0 from most.
        dts_offset_ns: u32,
        /// Presentation time less decode time, in milliseconds.
        cts_ms: i32,
        /// Decoding may start here, by the bitstream and not by the flag in the tag.
        key: bool,
        /// The payload in the form of [`media::Frame::data`].
        data: Bytes,
    },
    /// `onMetaData` and the like.
    Metadata(Metadata),
    /// Something is left out for want of support; said once for each kind of it.
    Unsupported {
        /// For the user to read.
        what: String,
    },
}
