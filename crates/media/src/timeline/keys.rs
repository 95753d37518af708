//! Where the source's key frames were, so that a rung that comes back can be put on them.

use std::collections::VecDeque;

use crate::{TimeDelta, Timestamp};

/// How many are remembered: more than arrive while a rung is late.
const HISTORY: usize = 16;
/// A key frame farther off than this is another one.
const REACH: TimeDelta = TimeDelta::from_secs(1);

/// The presentation times of the last key frames of the leading feed, rising.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    times: VecDeque<Timestamp>,
}

impl Keys {
    /// Takes a key frame in.
    pub(super) fn push(&mut self, pts: Timestamp) {
        if self.times.back().is_some_and(|last| pts <= *last) {
            return;
        }
        if self.times.len() == HISTORY {
            self.times.pop_front();
        }
        self.times.push_back(pts);
    }

    /// The key frame nearest to `time`: one that was, or the one that comes next where they keep their distance,
    /// for the rung may be ahead of the others.
    pub(super) fn nearest(&self, time: Timestamp) -> Option<Timestamp> {
        let mut latest = self.times.iter().rev();
        let next = match (latest.next(), latest.next()) {
            (Some(last), Some(before)) => Some(*last + (*last - *before)),
            _ => None,
        };
        self.times
            .iter()
            .copied()
            .chain(next)
            .min_by_key(|key| (*key - time).abs())
            .filter(|key| (*key - time).abs() <= REACH)
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
        (0..40).for_each(|n| keys.push(ms(n * 2000)));
        keys.push(ms(100));
        assert_eq!(keys.times.len(), HISTORY);
        assert_eq!(keys.nearest(ms(70_300)), Some(ms(70_000)));
        assert_eq!(keys.nearest(ms(79_700)), Some(ms(80_000)));
        assert_eq!(keys.nearest(ms(81_500)), None);
    }
}
