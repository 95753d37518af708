//! Where the source's key frames were, so that a rung that comes back can be put on them.

use std::collections::VecDeque;

use crate::{TimeDelta, Timestamp};

/// How many are remembered: more than arrive while a rung is late.
const HISTORY: usize = 16;
/// A key frame farther off than this is another one.
const REACH: TimeDelta = TimeDelta::from_secs(1);

/// Key frames are expected at their distance so many times in a row.
const FORESIGHT: i64 = 16;

/// Key frames of two connections that are no farther apart are of one picture: their stamps were rounded differently.
const SAME: TimeDelta = TimeDelta::from_millis(10);

/// The presentation times of the last key frames, on whichever connection they came first, rising.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    times: VecDeque<Timestamp>,
}

impl Keys {
    /// Takes a key frame in.
    pub(super) fn push(&mut self, pts: Timestamp) {
        if self.times.back().is_some_and(|last| pts <= *last + SAME) {
            return;
        }
        if self.times.len() == HISTORY {
            self.times.pop_front();
        }
        self.times.push_back(pts);
    }

    /// Whether one is expected at that time, or was there.
    pub(super) fn are_likely(&self, pts: Timestamp) -> bool {
        self.nearest(pts).is_some_and(|key| (key - pts).abs() <= SAME)
    }

    /// Whether it is not known yet when the next one comes.
    pub(super) fn are_few(&self) -> bool {
        self.times.len() == 1
    }

    /// The key frame nearest to `time`: one that was, or one that comes where they keep their distance, for the rung may
    /// be ahead of the others, or the leader may have been silent for a while.
    pub(super) fn nearest(&self, time: Timestamp) -> Option<Timestamp> {
        let next = self.expected(time);
        let known = self.times.iter().copied().chain(next);
        known.min_by_key(|key| (*key - time).abs()).filter(|key| (*key - time).abs() <= REACH)
    }

    /// The key frame after all known ones that is nearest to `time`.
    fn expected(&self, time: Timestamp) -> Option<Timestamp> {
        let (gop, last) = (self.gop()?, *self.times.back()?);
        let count = (time - last).ticks().saturating_add(gop.ticks() / 2) / gop.ticks().max(1);
        (count <= FORESIGHT).then(|| last + gop.times(count.max(1)))
    }

    /// The distance that most key frames keep. None: there is no such.
    fn gop(&self) -> Option<TimeDelta> {
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let mut gaps: Vec<TimeDelta> = pairs.map(|(before, after)| *after - *before).collect();
        gaps.sort_unstable();
        let usual = *gaps.get(gaps.len() / 2)?;
        let like_it = gaps.iter().filter(|gap| (**gap - usual).abs() <= SAME).count();
        (like_it * 2 > gaps.len()).then_some(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_or_the_next_to_come() {
        let ms = |value| Timestamp::from_scale(value, 1000);
        let mut keys = Keys::default();
        assert_eq!(keys.nearest(ms(0)), None);
        for n in 0..40 {
            keys.push(ms(n * 2000));
            keys.push(ms(n * 2000 + 1));
        }
        keys.push(ms(100));
        assert_eq!(keys.times.len(), HISTORY);
        assert_eq!(keys.nearest(ms(70_300)), Some(ms(70_000)));
        assert_eq!(keys.nearest(ms(79_700)), Some(ms(80_000)));
        assert_eq!(keys.nearest(ms(81_500)), Some(ms(82_000)));
        assert_eq!(keys.nearest(ms(200_000)), None, "too far to be foreseen");
        assert_eq!(Keys { times: [ms(0), ms(9000)].into() }.nearest(ms(14_000)), None);
        let one_is_missing = Keys { times: [ms(0), ms(2000), ms(4000), ms(8000)].into() };
        assert_eq!(one_is_missing.nearest(ms(10_100)), Some(ms(10_000)));
        let irregular = Keys { times: [ms(0), ms(2000), ms(2700), ms(6000)].into() };
        assert_eq!(irregular.nearest(ms(8100)), None, "nothing can be foreseen");
    }
}
