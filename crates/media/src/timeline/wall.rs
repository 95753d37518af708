//! The wall clock of an epoch.
//!
//! Its anchor is the least (arrival − media time) of the epoch's first seconds, so that a burst at the start puts
//! nothing into the future. Once settled it stays, for outputs have announced it; only a drift over half a second
//! moves it.
//!
//! Drift is how the delay of the source changes. Where a connection with another offset takes the lead, its own delay is
//! the measure from then on: a rung that came back was put on the nearest key frame of the others, and comes up to a
//! second sooner or later than they.

use std::time::Duration;

use super::lag::Lags;
use super::{Anchor, Arrival};
use crate::{TimeDelta, Timestamp};

/// Without a significantly lower delay for so long, the clock is settled.
const QUIET: Duration = Duration::from_secs(1);
/// It is settled after this in any case.
const PATIENCE: Duration = Duration::from_secs(5);
/// A difference up to here is not worth a change of what viewers see.
const SIGNIFICANT: TimeDelta = TimeDelta::from_millis(50);
/// A difference over this in the least delay of a whole window is drift.
const DRIFT: TimeDelta = TimeDelta::from_millis(500);

#[derive(Clone, Debug)]
struct Settling {
    opened: Duration,
    quiet_since: Duration,
    /// The delay that the next significant one must undercut.
    mark: TimeDelta,
    least: TimeDelta,
}

/// The wall clock of the running epoch.
#[derive(Clone, Debug, Default)]
pub(super) struct Wall {
    settling: Option<Settling>,
    anchor: Option<Anchor>,
    /// What the last epoch with a settled clock had.
    previous: Option<TimeDelta>,
    /// Delays of the source.
    lags: Lags,
    /// The least of them at the time of the anchor. None: another offset holds, and the next window tells.
    usual: Option<TimeDelta>,
}

impl Wall {
    /// The clock of the epoch that follows this one: not settled.
    pub(super) fn next(&self) -> Self {
        let previous = self.anchor.map(|anchor| anchor.lag()).or(self.previous);
        Self { previous, ..Self::default() }
    }

    /// The settled anchor.
    pub(super) fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// Another offset holds for the source.
    pub(super) fn hand_over(&mut self) {
        (self.lags, self.usual) = (Lags::default(), None);
    }

    /// Takes a frame of hub time `media` in, in an epoch that began at `start`; an anchor where it is new.
    pub(super) fn observe(&mut self, now: Arrival, media: Timestamp, start: Timestamp) -> Option<Anchor> {
        let lag = now.wall - media;
        let new = match self.anchor {
            None => self.settle(now.mono, lag).map(|lag| {
                self.usual = Some(lag);
                Anchor { media: start, wall: start + lag }
            }),
            Some(anchor) => self.drift(now.mono, lag).map(|drift| {
                let lag = anchor.lag() + drift;
                Anchor { media, wall: media + lag }
            }),
        };
        self.anchor = new.or(self.anchor);
        new
    }

    /// How far the delay has moved, where that is worth an anchor.
    fn drift(&mut self, now: Duration, lag: TimeDelta) -> Option<TimeDelta> {
        let least = self.lags.observe(now, lag)?;
        let usual = *self.usual.get_or_insert(least);
        let drift = Some(least - usual).filter(|drift| drift.abs() > DRIFT)?;
        self.usual = Some(least);
        Some(drift)
    }

    fn settle(&mut self, now: Duration, lag: TimeDelta) -> Option<TimeDelta> {
        let state =
            self.settling.get_or_insert(Settling { opened: now, quiet_since: now, mark: lag, least: lag });
        state.least = state.least.min(lag);
        if lag < state.mark - SIGNIFICANT {
            state.mark = lag;
            state.quiet_since = now;
        }
        let quiet = now.saturating_sub(state.quiet_since) >= QUIET;
        if !quiet && now.saturating_sub(state.opened) < PATIENCE {
            return None;
        }
        let least = state.least;
        let kept = self.previous.filter(|previous| (least - *previous).abs() <= SIGNIFICANT);
        Some(kept.unwrap_or(least))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64, media_ms: i64, wall: &mut Wall) -> Option<Anchor> {
        let time = Duration::from_millis(ms);
        let now = Arrival { mono: time, wall: Timestamp::from_duration(time) };
        wall.observe(now, Timestamp::from_scale(media_ms, 1000), Timestamp::ZERO)
    }

    #[test]
    fn it_settles_after_a_quiet_second() {
        let mut wall = Wall::default();
        assert_eq!(at(0, 0, &mut wall), None);
        assert_eq!(at(900, 1000, &mut wall), None);
        assert_eq!(at(1800, 1900, &mut wall), None);
        let anchor = at(1900, 1950, &mut wall).unwrap();
        assert_eq!(anchor.lag(), TimeDelta::from_millis(-100));
    }

    #[test]
    fn it_settles_after_five_seconds_though_delays_still_fall() {
        let mut wall = Wall::default();
        for ms in (0..5000).step_by(100) {
            assert_eq!(at(ms, ms as i64 * 2, &mut wall), None);
        }
        assert_eq!(at(5000, 10_000, &mut wall).unwrap().lag(), TimeDelta::from_secs(-5));
    }

    #[test]
    fn a_new_epoch_within_50_ms_of_the_old_clock_keeps_it() {
        let mut wall = Wall::default();
        at(0, 0, &mut wall);
        at(1000, 1000, &mut wall);
        let mut near = wall.next();
        assert_eq!(near.anchor(), None);
        at(2000, 2040, &mut near);
        assert_eq!(at(3000, 3040, &mut near).unwrap().lag(), TimeDelta::ZERO);
        let mut far = near.next();
        at(4000, 4090, &mut far);
        assert_eq!(at(5000, 5090, &mut far).unwrap().lag(), TimeDelta::from_millis(-90));
    }

    #[test]
    fn single_late_frames_are_no_drift() {
        let mut wall = Wall::default();
        at(0, 0, &mut wall);
        at(1000, 1000, &mut wall);
        for ms in (1000..60_000).step_by(100) {
            let late = if ms % 500 == 0 { 3000 } else { 0 };
            assert_eq!(at(ms, ms as i64 - late, &mut wall), None);
        }
    }
}
