//! The promise to outputs: decode times rise within each track for ever, and nothing comes before its epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mapping::{Head, since};
use crate::{TICKS_PER_SECOND, TimeDelta, Timestamp, TrackId};

/// The least that decode times rise: one unit of MPEG-TS, so that they rise there too.
pub(super) const LEAST_STEP: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND / 90_000);

/// What went out so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    last: BTreeMap<TrackId, Timestamp>,
    end: Option<Head>,
}

impl Output {
    /// The end of all that went out.
    pub(super) fn end(&self) -> Option<Timestamp> {
        self.end.map(|end| end.time)
    }

    /// Where an epoch begins whose first frame arrives now: at the end, plus the time since the last arrival.
    pub(super) fn next_start(&self, now: Duration) -> Option<Timestamp> {
        self.end.map(|end| end.time + since(end.at, now))
    }

    /// How far a decode time lies before the track's last one; negative where it is after it.
    pub(super) fn behind(&self, track: TrackId, dts: Timestamp) -> TimeDelta {
        self.last.get(&track).map_or(TimeDelta::from_ticks(i64::MIN), |last| *last - dts)
    }

    /// The least decode time that the track's next frame may have; none at the end of time.
    pub(super) fn least(&self, track: TrackId) -> Option<Timestamp> {
        let Some(last) = self.last.get(&track) else { return Some(Timestamp::from_ticks(i64::MIN)) };
        let least = *last + LEAST_STEP;
        (least - *last == LEAST_STEP).then_some(least)
    }

    /// Notes a frame that goes out.
    pub(super) fn push(&mut self, track: TrackId, dts: Timestamp, duration: TimeDelta, now: Duration) {
        self.last.insert(track, dts);
        let end = dts + duration.max(LEAST_STEP);
        let time = self.end.map_or(end, |before| before.time.max(end));
        self.end = Some(Head { time, at: now });
    }
}
