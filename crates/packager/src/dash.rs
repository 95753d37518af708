//! DASH, ISO/IEC 23009-1: what a stream's MPD says.
//!
//! [`render`] turns a plain snapshot into text. Segments are addressed by their exact times (SegmentTimeline,
//! 5.3.9.6): a player computes nothing from the wall clock, and a segment is announced when it can be fetched.
//! `availabilityStartTime` is always the zero of Unix time, so that media time is Unix time, and neither a new
//! epoch nor a restart moves what was announced before.

mod form;
mod mpd;
mod texts;
mod timeline;

use media::{Kind, Rational, TimeDelta, Timestamp};

pub use mpd::render;
pub(crate) use texts::Texts;

/// Name of the MPD.
pub const MANIFEST: &str = "index.mpd";

/// What a live MPD says (5.3.1).
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    /// Unix time at which this version was made, told to the millisecond.
    pub publish_time: Timestamp,
    /// A player asks for the next version not sooner than after this time.
    pub minimum_update_period: TimeDelta,
    /// How far back from the live edge segments can be fetched.
    pub time_shift_buffer_depth: TimeDelta,
    /// How far behind the live edge players ought to play; with less than two segments they stall.
    pub suggested_presentation_delay: TimeDelta,
    /// No [`Piece`] is longer.
    pub max_segment_duration: TimeDelta,
    /// Media time that a player of any representation has to hold before it starts, if it is sent at exactly
    /// [`Representation::bandwidth`].
    pub min_buffer_time: TimeDelta,
    /// The periods, oldest first.
    pub periods: Vec<Period>,
}

/// A stretch of media whose tracks and clock do not break (5.3.2): an epoch of the stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Period {
    /// Unique in the MPD and the same in each version of it.
    pub id: String,
    /// Unix time of its first sample, told to the microsecond. It ends where the next one starts.
    pub start: TimeDelta,
    /// What can be chosen from.
    pub sets: Vec<AdaptationSet>,
}

/// Representations of the same content that a player may switch between (5.3.3).
#[derive(Clone, PartialEq, Debug)]
pub struct AdaptationSet {
    /// Unique in the period, and the same for the same content in all periods.
    pub id: u32,
    /// Pictures or sound. A set of [`Kind::Data`] is left out.
    pub kind: Kind,
    /// Language as a BCP 47 tag. It is left out where it has not the form of one.
    pub language: Option<String>,
    /// The segments of all representations begin and end at the same times.
    pub segment_alignment: bool,
    /// Type of the stream access point, 1 to 3, that every segment of every representation starts with (5.3.5.2);
    /// none where one does not.
    pub sap: Option<u8>,
    /// What the set consists of.
    pub representations: Vec<Representation>,
}

/// One encoding of the content (5.3.5).
///
/// Its texts go into the MPD as they are, escaped; they may not hold control characters, which XML has no way to
/// tell (XML 1.0 2.2), nor `id` any white space.
#[derive(Clone, PartialEq, Debug)]
pub struct Representation {
    /// Unique in the period.
    pub id: String,
    /// Bits per second, for [`Manifest::min_buffer_time`] to hold; told up to 2³² - 1, which is what the attribute
    /// can hold.
    pub bandwidth: u64,
    /// RFC 6381 string of its format.
    pub codecs: String,
    /// Facts about pictures; none for sound.
    pub picture: Option<Picture>,
    /// Facts about sound; none for pictures.
    pub sound: Option<Sound>,
    /// Units per second of the times in [`Representation::timeline`] and in the segments; at least 1.
    pub timescale: u32,
    /// The time in the segments that is the period's start, in units of the timescale.
    pub presentation_time_offset: u64,
    /// URL of the initialization segment, relative to the MPD.
    pub initialization: String,
    /// URL of a segment, relative to the MPD, with `$Time$` for the time it starts at (5.3.9.4.4).
    pub media: String,
    /// The segments that can be fetched, oldest first. A representation without any is left out.
    pub timeline: Vec<Piece>,
}

/// Facts about pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures per second, where it is known.
    pub frame_rate: Option<Rational>,
}

/// Facts about sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sound {
    /// Samples per second.
    pub sample_rate: u32,
    /// Channels. Left out where there are more than 8 or the number is not known (0).
    pub channels: u32,
}

/// One segment. Where its end is not the start of the next one, media is missing (or twice there).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Presentation time of its first sample in units of the timescale.
    pub t: u64,
    /// Sum of the durations of its samples in units of the timescale.
    pub d: u64,
}

impl Manifest {
    /// Whether nothing is left to play. Such an MPD has no Period, and the schema wants one: it is not to be served.
    pub fn is_empty(&self) -> bool {
        !self.periods.iter().any(Period::is_told)
    }
}

impl Period {
    fn is_told(&self) -> bool {
        self.sets.iter().any(AdaptationSet::is_told)
    }
}

impl AdaptationSet {
    fn is_told(&self) -> bool {
        self.kind != Kind::Data && self.told().next().is_some()
    }

    /// The representations that have a segment.
    fn told(&self) -> impl Iterator<Item = &Representation> {
        self.representations.iter().filter(|representation| !representation.timeline.is_empty())
    }
}
