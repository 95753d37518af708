//! What a stream is made of: tracks and the facts about them that outputs announce.

use std::fmt;

use crate::{Codec, TICKS_PER_SECOND, TimeDelta};

/// A track's number within its stream, given by the ingest and kept for the life of an epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TrackId(pub u16);

impl TrackId {
    /// The one video track that most sources have.
    pub const VIDEO: Self = Self(0);
    /// The first audio track.
    pub const AUDIO: Self = Self(1);
}

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "track {}", self.0)
    }
}

/// What a track holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Neither, or unknown to us: carried as it is by outputs that can.
    Data,
}

/// One track and its codec configuration. A change of configuration makes a new `Track` with the same id.
#[derive(Clone, PartialEq, Debug)]
pub struct Track {
    /// Its number within the stream.
    pub id: TrackId,
    /// Codec and configuration as seen in the bitstream.
    pub codec: Codec,
}

/// A ratio of two whole numbers; the denominator is never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rational {
    /// Above the line.
    pub num: u32,
    /// Below the line, at least 1.
    pub den: u32,
}

impl Rational {
    /// `num/den`, none where the ratio is zero or has no value.
    pub fn new(num: u32, den: u32) -> Option<Self> {
        (num > 0 && den > 0).then_some(Self { num, den })
    }

    /// The value, for display and playlists.
    pub fn as_f64(self) -> f64 {
        f64::from(self.num) / f64::from(self.den)
    }

    /// The time between two events at this rate, rounded to the nearest tick.
    pub fn period(self) -> TimeDelta {
        let num = i64::from(self.num);
        TimeDelta::from_ticks((TICKS_PER_SECOND.saturating_mul(i64::from(self.den)) + num / 2) / num)
    }
}

/// Facts about pictures, from the bitstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VideoInfo {
    /// Width of the shown picture in pixels, after cropping.
    pub width: u32,
    /// Height of the shown picture in pixels, after cropping.
    pub height: u32,
    /// Pictures per second as the bitstream states it; many streams do not.
    pub frame_rate: Option<Rational>,
}

/// Facts about sound, from the bitstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioInfo {
    /// Samples per second of the decoded sound (the clock of the samples in an access unit).
    pub sample_rate: u32,
    /// Channels of the decoded sound.
    pub channels: u32,
    /// Samples in one access unit at `sample_rate`, where the codec fixes that number.
    pub samples_per_frame: Option<u32>,
}
