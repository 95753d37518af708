//! One track of one connection: whether its next stamp goes on from the last, and where it was.

use std::time::Duration;

use super::grid::{Grid, Slot};
use super::mapping::{Head, Mapping, lag, since};
use super::{Pace, SourceClock};
use crate::{TimeDelta, Timestamp};

/// A step forward over this must be explained by arrival, or it is a jump.
pub(super) const FORWARD: TimeDelta = TimeDelta::from_secs(1);
/// A step back over this is a jump; a smaller one is repaired.
pub(super) const BACKWARD: TimeDelta = TimeDelta::from_millis(500);
/// Tracks of one source lie no farther apart than this: multiplexers interleave within a second or two.
const REACH: TimeDelta = TimeDelta::from_secs(10);
/// Where a stamp may belong to the epoch before or to this one, how much this one is preferred.
const PREFERENCE: TimeDelta = TimeDelta::from_millis(250);
/// The longest step that a slow but regular track may repeat.
const SLOWEST: TimeDelta = TimeDelta::from_secs(10);

/// The last frame taken.
#[derive(Clone, Copy, Debug)]
struct Last {
    mapping: Mapping,
    /// Its time before the grid, and how far it was from the one before.
    time: Timestamp,
    step: TimeDelta,
    /// The greatest time so far.
    peak: Timestamp,
    /// Its monotonic arrival.
    at: Duration,
}

/// How a stamp stands to those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relation {
    /// It goes on; after a gap that arrival explains, or without.
    Continues {
        /// Over a second is missing.
        gap: bool,
    },
    /// The track's own stamps have jumped.
    Jumps,
    /// The source has gone elsewhere, and this is still, or only ever was, on another clock.
    Strays,
}

/// A track's state.
#[derive(Clone, Debug)]
pub(super) struct Track {
    pace: Pace,
    grid: Grid,
    last: Option<Last>,
    /// An offset of its own, for a track whose clock has nothing to do with that of the others.
    pub(super) own: Option<Mapping>,
    /// Since when its stamps stray.
    pub(super) stray_since: Option<Duration>,
    /// Since when its frames show again what was sent before it was put elsewhere.
    pub(super) repeats_since: Option<Duration>,
}

impl Track {
    /// A track of which nothing came yet.
    pub(super) fn new() -> Self {
        Self {
            pace: Pace::Free,
            grid: Grid::Free,
            last: None,
            own: None,
            stray_since: None,
            repeats_since: None,
        }
    }

    /// How its frames follow each other.
    pub(super) fn pace(&self) -> Pace {
        self.pace
    }

    /// Sets how its frames follow each other; a change makes a new grid.
    pub(super) fn set_pace(&mut self, pace: Pace, clock: SourceClock) {
        if self.pace != pace {
            self.pace = pace;
            self.grid = Grid::new(pace, clock);
        }
    }

    /// Forgets what belongs to an epoch that is over, but where the track was.
    pub(super) fn begin(&mut self) {
        self.own = None;
        self.stray_since = None;
    }

    /// Whether nothing of it was taken with this offset yet.
    pub(super) fn is_elsewhere(&self, mapping: &Mapping) -> bool {
        self.last.is_none_or(|last| last.mapping != *mapping)
    }

    /// How a stamp of hub time `mapping.hub(raw)` stands to those before it; `least` is the source's least delay.
    pub(super) fn relation(
        &self,
        raw: i64,
        mapping: &Mapping,
        now: Duration,
        head: &Head,
        least: Option<TimeDelta>,
    ) -> Relation {
        let time = mapping.hub(raw);
        match &self.last {
            Some(last) if last.mapping == *mapping => self.step(last, time, now, head, least),
            last => {
                let here = head.distance(time, now);
                let there = last.map(|last| {
                    let before = Head { time: last.time, at: last.at };
                    before.distance(last.mapping.hub(raw), now)
                });
                if here <= REACH && there.is_none_or(|there| here <= there + PREFERENCE) {
                    Relation::Continues { gap: false }
                } else {
                    Relation::Strays
                }
            }
        }
    }

    fn step(
        &self,
        last: &Last,
        time: Timestamp,
        now: Duration,
        head: &Head,
        least: Option<TimeDelta>,
    ) -> Relation {
        if time < last.peak - BACKWARD {
            return Relation::Jumps;
        }
        if time - last.peak <= FORWARD {
            return Relation::Continues { gap: false };
        }
        let step = time - last.time;
        let passed = step <= since(last.at, now) + FORWARD;
        let others_are_there = time <= head.expected(now) + FORWARD;
        // After a stall the frames that were kept arrive at once, and those that were lost are missing amid them:
        // nothing comes earlier than frames of this source came before.
        let was_late = least.is_some_and(|least| lag(now, time) >= least - FORWARD);
        let slow = step <= SLOWEST && step.ticks() <= last.step.ticks().saturating_add(last.step.ticks() / 2);
        if passed || others_are_there || was_late {
            return Relation::Continues { gap: self.pace != Pace::Free && !slow };
        }
        if slow { Relation::Continues { gap: false } } else { Relation::Jumps }
    }

    /// Takes a frame of hub time `time`, and tells its place on the grid.
    pub(super) fn take(
        &mut self,
        time: Timestamp,
        mapping: Mapping,
        clock: SourceClock,
        now: Duration,
    ) -> Slot {
        let before = self.last.filter(|last| last.mapping == mapping);
        if before.is_none() {
            self.grid = Grid::new(self.pace, clock);
        }
        self.last = Some(Last {
            mapping,
            time,
            step: before.map_or(TimeDelta::ZERO, |last| time - last.time),
            peak: before.map_or(time, |last| last.peak.max(time)),
            at: now,
        });
        self.stray_since = None;
        self.grid.place(time)
    }

    /// The presentation time that belongs to a place; see [`Grid::presentation`].
    pub(super) fn presentation(&self, slot: &Slot, time: Timestamp, delay: TimeDelta) -> Timestamp {
        self.grid.presentation(slot, time, delay)
    }
}
