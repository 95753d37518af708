//! Stamps put back on their grid: sound on its sample clock, pictures on their frame rate.

use std::ops::RangeInclusive;

use super::audio::Audio;
use super::rates;
use super::video::Video;
use super::{Pace, SourceClock};
use crate::{Rational, TimeDelta, Timestamp};

/// How long frames of sound last.
const FRAME: RangeInclusive<TimeDelta> = TimeDelta::from_millis(1)..=TimeDelta::from_secs(1);

/// The place of one frame on its track's grid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// Decode time.
    pub(super) dts: Timestamp,
    /// How long the frame lasts, zero where unknown.
    pub(super) duration: TimeDelta,
    /// Frames are missing before this one.
    pub(super) hole: bool,
    /// The grid was moved.
    pub(super) rephased: bool,
    /// `dts` is a point of the grid.
    pub(super) snapped: bool,
}

impl Slot {
    /// The stamp as it is.
    pub(super) fn raw(time: Timestamp) -> Self {
        Self { dts: time, duration: TimeDelta::ZERO, hole: false, rephased: false, snapped: false }
    }
}

/// The grid of one track in one epoch.
#[derive(Clone, Debug)]
pub(super) enum Grid {
    /// A sample clock.
    Audio(Audio),
    /// A frame rate, known or to be measured.
    Video(Video),
    /// None.
    Free,
}

impl Grid {
    /// The grid that a pace asks for, for stamps of a clock.
    pub(super) fn new(pace: Pace, clock: SourceClock) -> Self {
        match pace {
            Pace::Audio { sample_rate, samples_per_frame: Some(samples) } => {
                match Rational::new(sample_rate, samples).filter(|rate| FRAME.contains(&rate.period())) {
                    Some(rate) => Self::Audio(Audio::new(rate)),
                    None => Self::Free,
                }
            }
            Pace::Video { frame_rate } => {
                let unit = TimeDelta::from_scale(1, clock.scale);
                Self::Video(Video::new(frame_rate.filter(|rate| rates::is_plausible(*rate)), unit))
            }
            Pace::Audio { .. } | Pace::Free => Self::Free,
        }
    }

    /// The place of the next frame, whose stamp says `time`.
    pub(super) fn place(&mut self, time: Timestamp) -> Slot {
        match self {
            Self::Audio(audio) => audio.place(time),
            Self::Video(video) => video.place(time),
            Self::Free => Slot::raw(time),
        }
    }

    /// The presentation time of the frame in `slot`, whose stamps say `time` and `time + delay`.
    pub(super) fn presentation(&self, slot: &Slot, time: Timestamp, delay: TimeDelta) -> Timestamp {
        match self {
            Self::Video(video) if slot.snapped => video.nearest(time + delay).unwrap_or(slot.dts + delay),
            _ => slot.dts + delay,
        }
    }
}
