//! The source that is on: its epoch, its one offset, and what is known of its delays and key frames.

use std::time::Duration;

use super::keys::Keys;
use super::lag::Lags;
use super::mapping::{Head, Mapping, lag};
use super::wall::Wall;
use super::{Anchor, Arrival, Epoch, FeedId, SourceClock};
use crate::{TimeDelta, Timestamp};

/// A rung whose frames come so much earlier or later than the source's ever did has another clock.
const SAME_CLOCK: TimeDelta = TimeDelta::from_secs(1);

/// A rung that is put on the key frame nearest to its arrival, up to a second off, comes no earlier than this.
const AHEAD: TimeDelta = TimeDelta::from_millis(1500);

/// The running epoch of one source.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The epoch as outputs see it.
    pub(super) epoch: Epoch,
    /// Which source of the stream it is.
    pub(super) generation: u64,
    /// The connection whose jumps open epochs; none when it left and nobody could take its place.
    pub(super) leader: Option<FeedId>,
    /// The clock of the leader.
    pub(super) clock: SourceClock,
    /// The one offset.
    pub(super) mapping: Mapping,
    /// The end of the epoch before, which no frame may precede.
    pub(super) floor: Option<Timestamp>,
    /// How far the source has come.
    pub(super) head: Head,
    /// When a frame of any of its connections was taken last.
    pub(super) heard: Duration,
    /// The last unrolled stamp of its clock.
    pub(super) reference: i64,
    /// Where key frames were.
    pub(super) keys: Keys,
    lags: Lags,
    wall: Wall,
}

/// What opens an epoch: the frame of a leader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) leader: FeedId,
    pub(super) generation: u64,
    pub(super) clock: SourceClock,
    pub(super) raw: i64,
    pub(super) now: Duration,
}

impl Source {
    /// An epoch that begins with the frame in `opening`, after `before`.
    pub(super) fn begin(
        epoch: Epoch,
        opening: Opening,
        floor: Option<Timestamp>,
        before: Option<&Self>,
    ) -> Self {
        let Opening { leader, generation, clock, raw, now } = opening;
        Self {
            epoch,
            generation,
            leader: Some(leader),
            clock,
            mapping: Mapping { scale: clock.scale, origin: raw, at: epoch.start },
            floor,
            head: Head { time: epoch.start, at: now },
            heard: now,
            reference: raw,
            keys: Keys::default(),
            lags: Lags::default(),
            wall: before.map(|source| source.wall.next()).unwrap_or_default(),
        }
    }

    /// The settled wall clock.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.wall.anchor()
    }

    /// The least delay of the last seconds.
    pub(super) fn least(&self) -> Option<TimeDelta> {
        self.lags.min()
    }

    /// The hub time that arrival says for a frame that comes now and was not held up.
    pub(super) fn by_arrival(&self, now: Duration) -> Timestamp {
        match self.least() {
            Some(least) => Timestamp::from_duration(now) - least,
            None => self.head.expected(now),
        }
    }

    /// Whether arrival agrees that a frame that comes now has hub time `time`.
    pub(super) fn agrees(&self, now: Duration, time: Timestamp) -> bool {
        let lag = lag(now, time);
        self.lags.min().is_none_or(|min| lag >= min - SAME_CLOCK)
            && self.lags.max().is_none_or(|max| lag <= max + SAME_CLOCK)
    }

    /// Another connection leads, with its clock and its offset. Delays of another offset do not compare to the tenth of a
    /// second, which matters to the wall clock; they still tell its clock from another one.
    pub(super) fn hand_over(&mut self, leader: FeedId, clock: SourceClock, mapping: Mapping) {
        if self.mapping != mapping {
            self.wall.hand_over();
        }
        (self.leader, self.clock, self.mapping) = (Some(leader), clock, mapping);
    }

    /// Whether a frame that comes now comes so much earlier than its hub time `time` that a rung of this source is ahead
    /// of the others: it was put in its place amid a burst.
    pub(super) fn is_overtaken(&self, now: Duration, time: Timestamp) -> bool {
        self.least().is_some_and(|least| lag(now, time) < least - AHEAD)
    }

    /// Takes in when a frame of hub time `time` arrived on the clock of the source; an anchor where it is new. What comes
    /// on other clocks says nothing: its place on hub time was itself found by arrival.
    pub(super) fn observe(&mut self, now: Arrival, time: Timestamp) -> Option<Anchor> {
        if time >= self.head.time {
            self.head = Head { time, at: now.mono };
        }
        self.lags.observe(now.mono, lag(now.mono, time));
        self.wall.observe(now, time, self.epoch.start)
    }
}
