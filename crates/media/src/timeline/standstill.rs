//! A source's clock that stands still, or as good as, while its frames keep coming: they are put on arrival instead,
//! so that hub time goes on, until the clock runs again.

use std::time::Duration;

use super::SourceClock;
use super::mapping::since;
use super::unroll::unroll;
use crate::{TimeDelta, TrackId};

/// Arrival over which the stamps are watched.
const WINDOW: TimeDelta = TimeDelta::from_secs(2);
/// Where a rare track began a window, it is given up after this.
const LONGEST_WINDOW: TimeDelta = TimeDelta::from_secs(30);
/// Stamps that got no further than this part of arrival stand still, if the frames were not just held up.
const CREEP: i64 = 8;
/// Frames of one track that it takes to tell.
const FRAMES: i64 = 16;
/// Frames of no track follow each other so fast: where these do, it is the stamps, not the network, that lag.
const SHORTEST_FRAME: TimeDelta = TimeDelta::from_millis(2);
/// A step back over this is a jump: what was seen before it says nothing.
const BACKWARD: TimeDelta = TimeDelta::from_millis(500);

/// The stamps of some time, by one track whose frames are counted and all that came beside it.
#[derive(Clone, Copy, Debug)]
struct Window {
    track: TrackId,
    since: Duration,
    /// The track's first and newest stamp, unrolled.
    first: i64,
    last: i64,
    /// The greatest stamp of all tracks.
    peak: i64,
    frames: i64,
}

/// The clock that a connection's frames go by.
#[derive(Clone, Debug, Default)]
pub(super) struct Standstill {
    window: Option<Window>,
    /// The newest stamp, unrolled, and the newest of a frame that was taken.
    newest: Option<i64>,
    reference: Option<i64>,
    /// While the clock stands still: since when, and the stamp of that moment.
    stopped: Option<(Duration, i64)>,
}

impl Standstill {
    /// The unrolled stamp of a frame that arrives now, or the one that arrival gives it while the clock stands
    /// still; `reference` helps to unroll the first one. Also whether the clock has just been found to stand.
    pub(super) fn stamp(
        &mut self,
        now: Duration,
        track: TrackId,
        raw: u64,
        clock: SourceClock,
        reference: Option<i64>,
    ) -> (i64, bool) {
        let raw = unroll(raw, clock.bits, self.reference.or(reference));
        self.newest = Some(raw);
        let stands = self.watch(now, track, raw, clock);
        match self.stopped {
            Some((then, stamp)) => (stamp.saturating_add(since(then, now).to_scale(clock.scale)), stands),
            None => (raw, false),
        }
    }

    /// The newest frame was taken: stamps that wrap are unrolled to be near its own.
    pub(super) fn taken(&mut self) {
        self.reference = self.newest;
    }

    /// Watches a stamp; true where the clock is found to stand still that ran before.
    fn watch(&mut self, now: Duration, track: TrackId, raw: i64, clock: SourceClock) -> bool {
        let fresh = Window { track, since: now, first: raw, last: raw, peak: raw, frames: 0 };
        let units = |span: TimeDelta| span.to_scale(clock.scale);
        let window = self.window.get_or_insert(fresh);
        if track == window.track {
            if raw < window.last.saturating_sub(units(BACKWARD)) {
                self.window = Some(fresh);
                return false;
            }
            window.last = raw;
            window.frames += 1;
        }
        window.peak = window.peak.max(raw);
        let passed = since(window.since, now);
        if passed < WINDOW {
            return false;
        }
        let progress = TimeDelta::from_scale(window.peak.saturating_sub(window.first), clock.scale);
        let Window { since: began, first, frames, .. } = *window;
        if progress.times(CREEP) >= passed {
            self.window = Some(fresh);
            if progress.times(2) >= passed && progress <= passed.times(2) {
                self.stopped = None;
            }
            return false;
        }
        if frames < FRAMES && passed < LONGEST_WINDOW {
            return false;
        }
        self.window = Some(fresh);
        let stands = frames >= FRAMES && progress < SHORTEST_FRAME.times(frames) && self.stopped.is_none();
        if stands {
            self.stopped = Some((began, first));
        }
        stands
    }
}
