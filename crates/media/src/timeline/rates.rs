//! The frame rates that pictures come in, and which of them a measured step means.

use crate::{Rational, TimeDelta};

/// Preferred first: short measurements of rounded stamps cannot tell 30 from 30000/1001.
const COMMON: [(u32, u32); 16] = [
    (25, 1),
    (30, 1),
    (50, 1),
    (60, 1),
    (24, 1),
    (30_000, 1001),
    (60_000, 1001),
    (24_000, 1001),
    (15, 1),
    (25, 2),
    (15_000, 1001),
    (48, 1),
    (48_000, 1001),
    (100, 1),
    (120, 1),
    (120_000, 1001),
];

/// The fastest rate taken for one.
const FASTEST: i64 = 300;

/// The rate whose step is `step`, give or take `error`: a common one, else a whole number per second.
pub(super) fn find(step: TimeDelta, error: TimeDelta) -> Option<Rational> {
    let whole = TimeDelta::from_secs(1).ticks().saturating_add(step.ticks() / 2).checked_div(step.ticks())?;
    let whole = u32::try_from(whole).ok().map(|rate| (rate, 1));
    COMMON
        .into_iter()
        .chain(whole)
        .filter_map(|(num, den)| Rational::new(num, den))
        .filter(|rate| is_plausible(*rate))
        .find(|rate| (rate.period() - step).abs() <= error)
}

/// Whether pictures come at such a rate at all: from one in ten seconds to 300 a second.
pub(super) fn is_plausible(rate: Rational) -> bool {
    let period = rate.period();
    period >= TimeDelta::from_scale(1, FASTEST as u32) && period <= TimeDelta::from_secs(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(step_nanos: i64, error_nanos: i64) -> Option<(u32, u32)> {
        let nanos = |value| TimeDelta::from_scale(value, 1_000_000_000);
        find(nanos(step_nanos), nanos(error_nanos)).map(|rate| (rate.num, rate.den))
    }

    #[test]
    fn common_rates_are_told_apart_when_the_measure_is_good() {
        assert_eq!(found(33_333_333, 5_000), Some((30, 1)));
        assert_eq!(found(33_366_667, 5_000), Some((30_000, 1001)));
        assert_eq!(found(41_708_333, 5_000), Some((24_000, 1001)));
        assert_eq!(found(16_683_333, 5_000), Some((60_000, 1001)));
    }

    #[test]
    fn whole_rates_are_preferred_when_it_is_not() {
        assert_eq!(found(33_360_000, 125_000), Some((30, 1)));
        assert_eq!(found(41_700_000, 125_000), Some((24, 1)));
    }

    #[test]
    fn odd_whole_rates_are_found_and_others_are_not() {
        assert_eq!(found(142_857_142, 5_000), Some((7, 1)));
        assert_eq!(found(37_000_000, 5_000), None);
        assert_eq!(found(0, 5_000), None);
        assert_eq!(found(1, 5_000), None);
        assert_eq!(found(i64::MIN, i64::MAX), None);
    }
}
