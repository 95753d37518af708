//! What goes into a [`Timeline`](super::Timeline) and what comes out of it.

use std::time::Duration;

use bytes::Bytes;

use crate::{Frame, Rational, TimeDelta, Timestamp, TrackId};

/// When a frame came in, on both clocks of the machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Time since an origin that the process chose once; never goes back.
    pub mono: Duration,
    /// Unix time; an operator or NTP may step it.
    pub wall: Timestamp,
}

/// One connection that feeds the stream; a ladder has several.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FeedId(pub u32);

/// The clock in which a source states its timestamps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SourceClock {
    /// Units per second.
    pub scale: u32,
    /// Bits after which the stamps wrap to zero; 63 and more never wrap.
    pub bits: u32,
}

impl SourceClock {
    /// RTMP and FLV: milliseconds in 32 bits (Adobe RTMP 1.0, 4).
    pub const RTMP: Self = Self { scale: 1000, bits: 32 };
    /// MPEG-TS: 90 kHz in 33 bits (ISO/IEC 13818-1, 2.4.3.7).
    pub const MPEGTS: Self = Self { scale: 90_000, bits: 33 };

    /// RTP: a clock rate of the payload format's choice in 32 bits (RFC 3550, 5.1).
    pub const fn rtp(rate: u32) -> Self {
        Self { scale: rate, bits: 32 }
    }
}

/// Whether a connection is a source of its own or one more connection of a running ladder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// A new source: its first frame opens a new epoch, and the connections of the old source are no longer
    /// heard.
    Source,
    /// Another connection of the source that is running. Where no connection of it is open any more, it is a
    /// new source all the same.
    Rung,
}

/// How the frames of a track follow each other, as its codec configuration says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pace {
    /// Sound: each frame lasts `samples_per_frame` at `sample_rate`, where the codec fixes that number.
    Audio {
        /// Samples per second.
        sample_rate: u32,
        /// Samples in one access unit.
        samples_per_frame: Option<u32>,
    },
    /// Pictures, at a frame rate that the bitstream states; it is measured where it does not.
    Video {
        /// Pictures per second.
        frame_rate: Option<Rational>,
    },
    /// No grid: the stamps are taken as they are.
    #[default]
    Free,
}

/// One access unit as the source sent it, its timestamps untouched.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample {
    /// The connection that it came on.
    pub feed: FeedId,
    /// The track it belongs to; one number means the same track on every connection of the stream.
    pub track: TrackId,
    /// Decode time in units of the feed's [`SourceClock`]; wraps.
    pub dts: u64,
    /// Presentation time minus decode time, in the same units.
    pub cts: i64,
    /// Decoding may start here; see [`Frame::key`].
    pub key: bool,
    /// The payload; see [`Frame::data`].
    pub data: Bytes,
}

/// A run of hub time in which the stamps of one source were continuous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epoch {
    /// Counts from 0 for the life of the stream.
    pub id: u64,
    /// Hub time of the frame that opened it. Frames of other tracks may lie a little before, never before the end
    /// of the epoch before.
    pub start: Timestamp,
}

/// One pair of hub time and wall-clock time; the others of the epoch follow from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor {
    /// A hub time.
    pub media: Timestamp,
    /// The Unix time that belongs to it.
    pub wall: Timestamp,
}

impl Anchor {
    /// The Unix time of a hub time.
    pub fn wall_of(&self, time: Timestamp) -> Timestamp {
        self.wall + (time - self.media)
    }

    /// Unix time minus hub time.
    pub fn lag(&self) -> TimeDelta {
        self.wall - self.media
    }
}

/// What became of one [`Sample`]. Its parts take effect in the order of the fields.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Step {
    /// A new epoch begins, and its wall clock is not settled yet.
    pub epoch: Option<Epoch>,
    /// The wall clock of the running epoch has settled, or was anchored anew because it drifted.
    pub anchor: Option<Anchor>,
    /// The frame on hub time; none where it was dropped, which [`Stats`] counts.
    pub frame: Option<Frame>,
}

/// What a timeline has done since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Epochs opened.
    pub epochs: u64,
    /// Holes in a track's stamps that were taken for loss.
    pub gaps: u64,
    /// Frames with a timestamp that had to be changed beyond the grid: it did not rise, or PTS was before DTS.
    pub repaired: u64,
    /// Frames dropped: stamps of a source or an epoch that is over, or too far off to repair.
    pub dropped: u64,
    /// Times a grid was moved because the stamps had drifted away from it.
    pub rephased: u64,
    /// Times the wall clock of a running epoch was anchored anew because it had drifted.
    pub reanchored: u64,
    /// Times the stamps of a connection stood still while its frames kept coming, and arrival took their place.
    pub standstills: u64,
}
