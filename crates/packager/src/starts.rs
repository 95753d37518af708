//! Where a viewer of a rung may start.

use media::{Frame, TimeDelta, Timestamp};

use crate::cut::Part;
use crate::program::Passed;

/// How often a viewer of a stream without video may start.
const SOUND_START: TimeDelta = TimeDelta::from_millis(500);
/// Pictures are taken for gone once sound is this much ahead of them: viewers may start without them.
const GONE: TimeDelta = TimeDelta::from_secs(2);

/// Key frames of the pictures; where there are none, or they are gone, sound twice a second.
#[derive(Debug, Default)]
pub(crate) struct Starts {
    last: Option<Timestamp>,
    /// The end of the newest picture.
    pictures_end: Option<Timestamp>,
}

/// What a frame is to those who join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// A viewer may start here.
    pub(crate) start: bool,
    /// It is a picture of the track that leads.
    pub(crate) picture: bool,
}

impl Starts {
    /// Takes the next frame that has passed.
    pub(crate) fn push(&mut self, passed: Passed, has_video: bool, frame: &Frame) -> Place {
        let picture = has_video && passed.part == Part::Lead;
        let due = self.last.is_none_or(|last| frame.dts - last >= SOUND_START);
        let start = match passed.part {
            Part::Lead if picture => frame.key,
            _ if passed.join => frame.key,
            Part::Lead => due,
            Part::Follow => due && self.pictures_end.is_none_or(|end| frame.dts - end > GONE),
            Part::Ride => false,
        };
        if start {
            self.last = Some(frame.dts);
        }
        if picture {
            self.pictures_end = Some(frame.dts + frame.duration);
        }
        Place { start, picture }
    }
}
