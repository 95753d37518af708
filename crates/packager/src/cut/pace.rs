//! How the tracks go on: where the leading one is, and where it would be by the clock of the others.

use media::{TimeDelta, Timestamp};

use super::{HOLE, Part, Timing};

/// Tracks are interleaved within this much of each other; more is not a skew but a break.
const MAX_SKEW: TimeDelta = TimeDelta::from_secs(5);
/// A frame lasts no longer than this when nothing says how long it does.
const MAX_STEP: TimeDelta = TimeDelta::from_secs(1);
/// The first frame of a track without a grid is taken to last this long.
const FIRST_STEP: TimeDelta = TimeDelta::from_millis(40);

/// What is known of the tracks since the last join.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// Decode time of the newest frame of the leading track.
    last: Option<Timestamp>,
    /// Its distance to the one before, or its own duration.
    step: TimeDelta,
    /// The end of that frame.
    lead_end: Option<Timestamp>,
    /// How much later than decoded the newest key frame is shown.
    delay: TimeDelta,
    /// How much earlier than the leading track the others arrive for the same time. Where they arrive later it is zero:
    /// nothing would be there yet at a time that is counted on from theirs.
    skew: TimeDelta,
    /// Newest time of a following track since the last leading frame.
    followed: Option<Timestamp>,
    /// The end of everything sent, on the leading track's clock.
    reach: Option<Timestamp>,
}

impl Pace {
    /// Nothing is known but where the media ended.
    pub(super) fn until(end: Option<Timestamp>) -> Self {
        Self { reach: end, ..Self::default() }
    }

    /// The time of a frame on the leading track's clock: what that track would be at, if it were there.
    pub(super) fn place(&self, dts: Timestamp, part: Part) -> Timestamp {
        if part == Part::Lead { dts } else { dts - self.skew }
    }

    /// Takes note of a frame at its [`Pace::place`].
    pub(super) fn note(&mut self, time: Timestamp, frame: &Timing, part: Part) {
        let end = match part {
            Part::Lead => self.note_lead(frame),
            Part::Follow => {
                self.followed = self.followed.max(Some(frame.dts));
                time + frame.duration
            }
            Part::Ride => return,
        };
        self.reach = self.reach.max(Some(end));
    }

    fn note_lead(&mut self, frame: &Timing) -> Timestamp {
        // Behind a hole in the media there is nothing to compare with.
        let hole = self.lead_end.is_some_and(|end| frame.dts - end > HOLE);
        if let Some(followed) = self.followed.take().filter(|_| !hole) {
            self.skew = (followed - frame.dts).clamp(TimeDelta::ZERO, MAX_SKEW);
        }
        let own = (frame.duration > TimeDelta::ZERO).then_some(frame.duration);
        let step = self.last.map(|last| frame.dts - last).or(own);
        self.step = step.unwrap_or(FIRST_STEP).clamp(TimeDelta::ZERO, MAX_STEP);
        self.last = Some(frame.dts);
        if frame.key {
            self.delay = frame.pts - frame.dts;
        }
        let end = frame.dts + own.unwrap_or(self.step);
        self.lead_end = Some(end);
        end
    }

    /// How far the leading track is behind `time`; without end where it was never heard.
    pub(super) fn silence(&self, time: Timestamp) -> TimeDelta {
        self.lead_end.map_or(TimeDelta::MAX, |end| time - end)
    }

    /// The end of the media: of the leading track, unless it is `gone` behind the others.
    pub(super) fn end(&self, gone: TimeDelta) -> Option<Timestamp> {
        let reach = self.reach?;
        Some(self.lead_end.filter(|&end| reach - end <= gone).unwrap_or(reach))
    }

    /// The end of everything sent.
    pub(super) fn reach(&self) -> Option<Timestamp> {
        self.reach
    }

    /// The likely distance to the next leading frame.
    pub(super) fn step(&self) -> TimeDelta {
        self.step
    }

    /// How much later than decoded the newest key frame is shown.
    pub(super) fn delay(&self) -> TimeDelta {
        self.delay
    }
}
