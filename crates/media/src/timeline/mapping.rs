//! From the stamps of a source to hub time: one offset, and the extrapolation by arrival that checks it.

use std::time::Duration;

use crate::{TimeDelta, Timestamp};

/// The one offset of a source: its unrolled stamp `origin` is the hub time `at`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mapping {
    /// Units per second of the source's clock.
    pub(super) scale: u32,
    /// An unrolled stamp.
    pub(super) origin: i64,
    /// Its hub time.
    pub(super) at: Timestamp,
}

impl Mapping {
    /// The hub time of an unrolled stamp.
    pub(super) fn hub(&self, raw: i64) -> Timestamp {
        self.at + TimeDelta::from_scale(raw.saturating_sub(self.origin), self.scale)
    }
}

/// How far a source had come at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Hub time.
    pub(super) time: Timestamp,
    /// Monotonic arrival.
    pub(super) at: Duration,
}

impl Head {
    /// The hub time that a frame arriving now should have, had the source gone on in real time.
    pub(super) fn expected(&self, now: Duration) -> Timestamp {
        self.time + since(self.at, now)
    }

    /// How far `time`, arriving now, is from what was expected.
    pub(super) fn distance(&self, time: Timestamp, now: Duration) -> TimeDelta {
        (time - self.expected(now)).abs()
    }
}

/// The time from `then` to `now`, never negative.
pub(super) fn since(then: Duration, now: Duration) -> TimeDelta {
    TimeDelta::from(now.saturating_sub(then))
}

/// How much later than its hub time a frame arrived, on the monotonic clock; the zero point means nothing.
pub(super) fn lag(now: Duration, time: Timestamp) -> TimeDelta {
    Timestamp::from_duration(now) - time
}
