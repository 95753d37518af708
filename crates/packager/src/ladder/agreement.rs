//! Which lanes have their key frames beside those of the others: the majority is the measure.

use media::TimeDelta;

use super::lane::EXACT;

/// Where a lane's key frames are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Keys {
    /// So much later than the slots begin, for those of the leading rung are there.
    At(TimeDelta),
    /// Nowhere near: its slots begin without.
    Elsewhere,
}

impl Keys {
    fn agrees(self, other: Self) -> bool {
        match (self, other) {
            (Self::At(one), Self::At(other)) => (one - other).abs() <= EXACT,
            _ => false,
        }
    }
}

/// What a lane says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vote {
    pub(super) lane: usize,
    pub(super) keys: Keys,
    /// It began there more than once.
    pub(super) is_settled: bool,
}

/// The lanes that differ from what most have. Where as many have one as another, the leading rung's is the measure, which
/// is the first that sent. What may be chance is no reason to name anyone.
pub(super) fn odd_ones(votes: &[Vote]) -> Vec<usize> {
    let count = |keys: Keys| votes.iter().filter(|other| keys.agrees(other.keys)).count();
    let leads = |keys: Keys| keys.agrees(Keys::At(TimeDelta::ZERO));
    let measure = votes.iter().map(|vote| vote.keys).max_by_key(|&keys| (count(keys), leads(keys)));
    let Some(measure) = measure else { return Vec::new() };
    let (with, against): (Vec<&Vote>, Vec<&Vote>) = votes.iter().partition(|vote| vote.keys.agrees(measure));
    if !with.iter().any(|vote| vote.is_settled) {
        return Vec::new();
    }
    against.into_iter().filter(|vote| vote.is_settled).map(|vote| vote.lane).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odd(keys_ms: &[Option<i64>]) -> Vec<usize> {
        let keys = |ms: &Option<i64>| ms.map_or(Keys::Elsewhere, |ms| Keys::At(TimeDelta::from_millis(ms)));
        let vote = |(lane, keys)| Vote { lane, keys, is_settled: true };
        odd_ones(&keys_ms.iter().map(keys).enumerate().map(vote).collect::<Vec<_>>())
    }

    #[test]
    fn most_are_right_and_of_equals_who_leads() {
        assert_eq!(odd(&[]), []);
        assert_eq!(odd(&[Some(0), Some(3), Some(-400)]), [2]);
        assert_eq!(odd(&[Some(0), Some(400), Some(402)]), [0], "who leads is the odd one");
        assert_eq!(odd(&[Some(400), Some(0)]), [0]);
        assert_eq!(odd(&[Some(0), Some(400), Some(400), Some(0)]), [1, 2]);
        assert_eq!(odd(&[Some(0), None, None]), [1, 2], "those that are elsewhere have nothing in common");
    }

    #[test]
    fn chance_names_nobody_but_counts() {
        let at = |ms| Keys::At(TimeDelta::from_millis(ms));
        let vote = |lane, ms, is_settled| Vote { lane, keys: at(ms), is_settled };
        assert_eq!(odd_ones(&[vote(0, 0, true), vote(1, 400, false)]), []);
        assert_eq!(odd_ones(&[vote(0, 0, true), vote(1, 400, false), vote(2, 400, false)]), []);
        assert_eq!(odd_ones(&[vote(0, 0, true), vote(1, 400, true), vote(2, 400, false)]), [0]);
    }
}
