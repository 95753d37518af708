//! A grid of equal steps on hub time, and the watch over stamps that lean away from it.

use crate::{Rational, TICKS_PER_SECOND, TimeDelta, Timestamp};

/// How far a stamp may lie from its grid point: 1 ms is what rounding to milliseconds does to two stamps, the
/// one that set the grid and this one; the rest is what drift does until the grid follows.
pub(super) const TOLERANCE: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND / 800);

/// Points at `zero + n / rate`, exact however large `n` is.
#[derive(Clone, Debug)]
pub(super) struct Ruler {
    rate: Rational,
    zero: Timestamp,
    /// The last point that was used; the first one to use is point 0.
    pub(super) index: i64,
}

impl Ruler {
    /// A grid whose first point is `zero`.
    pub(super) fn new(rate: Rational, zero: Timestamp) -> Self {
        Self { rate, zero, index: -1 }
    }

    /// Steps per second.
    pub(super) fn rate(&self) -> Rational {
        self.rate
    }

    /// The length of a step, rounded to the nearest tick.
    pub(super) fn period(&self) -> TimeDelta {
        self.rate.period()
    }

    /// How far a stamp may lie from its grid point; less than usual where the steps are short.
    pub(super) fn tolerance(&self) -> TimeDelta {
        TOLERANCE.min(TimeDelta::from_ticks(self.period().ticks() / 4))
    }

    /// The time of point `index`.
    pub(super) fn at(&self, index: i64) -> Timestamp {
        let num = i128::from(self.rate.num);
        let units = i128::from(index) * i128::from(self.rate.den) * i128::from(TICKS_PER_SECOND);
        let ticks = (units + num / 2).div_euclid(num);
        self.zero + TimeDelta::from_ticks(clamp(ticks))
    }

    /// The point nearest to `time`.
    pub(super) fn nearest(&self, time: Timestamp) -> i64 {
        let step = i128::from(self.rate.den) * i128::from(TICKS_PER_SECOND);
        let units = i128::from((time - self.zero).ticks()) * i128::from(self.rate.num);
        clamp((units + step / 2).div_euclid(step))
    }

    /// Begins anew with point 0 at `zero`.
    pub(super) fn restart(&mut self, zero: Timestamp) {
        *self = Self::new(self.rate, zero);
    }

    /// Moves all points.
    pub(super) fn shift(&mut self, by: TimeDelta) {
        self.zero += by;
    }
}

fn clamp(value: i128) -> i64 {
    value.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// Deviations that must agree before the grid moves.
const WITNESSES: usize = 16;
/// Rounding to milliseconds spreads the deviations over 1 ms; what is wider is jitter.
const ROUNDING: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND * 12 / 10_000);
/// The middle of rounded stamps may be this far off: half a millisecond comes from the stamp that set the grid.
const LEAN: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND * 6 / 10_000);
/// The same for the least deviation of jittering stamps, all on one side.
const LEAST: TimeDelta = TimeDelta::from_ticks(TICKS_PER_SECOND * 25 / 100_000);

/// The last deviations of stamps from their grid points.
#[derive(Clone, Debug, Default)]
pub(super) struct Drift {
    seen: [TimeDelta; WITNESSES],
    count: usize,
}

impl Drift {
    /// Takes one deviation in; how far the grid should move, where the last ones agree that it should.
    pub(super) fn observe(&mut self, deviation: TimeDelta) -> Option<TimeDelta> {
        self.seen[self.count % WITNESSES] = deviation;
        self.count += 1;
        if self.count < WITNESSES {
            return None;
        }
        let shift = self.lean()?;
        self.count = 0;
        Some(shift)
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    fn lean(&self) -> Option<TimeDelta> {
        let min = *self.seen.iter().min()?;
        let max = *self.seen.iter().max()?;
        if max - min <= ROUNDING {
            let middle = min + TimeDelta::from_ticks((max - min).ticks() / 2);
            return (middle.abs() > LEAN).then_some(middle);
        }
        if min > LEAST {
            return Some(min);
        }
        (max < -LEAST).then_some(max)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn points_do_not_drift() {
        let ruler = Ruler::new(Rational { num: 37_800, den: 1152 }, Timestamp::ZERO);
        assert_eq!(ruler.at(37_800 * 1000), Timestamp::from_scale(1_152_000, 1));
    }

    #[test]
    fn rounding_alone_moves_nothing() {
        let mut drift = Drift::default();
        for n in 0..1000i64 {
            let micros = (n * 367 % 1000) - 1000;
            assert_eq!(drift.observe(TimeDelta::from_scale(micros, 1_000_000)), None);
        }
    }

    #[test]
    fn one_outlier_moves_nothing_and_a_lasting_lean_does() {
        let mut drift = Drift::default();
        for n in 0..64 {
            let ms = if n % 15 == 0 { 20 } else { 0 };
            assert_eq!(drift.observe(TimeDelta::from_millis(ms)), None);
        }
        let moved = (0..16).find_map(|_| drift.observe(TimeDelta::from_millis(-2)));
        assert_eq!(moved, Some(TimeDelta::from_millis(-2)));
    }

    proptest! {
        #[test]
        fn nearest_finds_each_point(num in 1u32..200_000, den in 1u32..5000, index in 0i64..1_000_000) {
            let ruler = Ruler::new(Rational { num, den }, Timestamp::from_scale(7, 3));
            prop_assert_eq!(ruler.nearest(ruler.at(index)), index);
        }

        #[test]
        fn it_is_total(num in 1u32.., den in 1u32.., zero: i64, time: i64, index: i64) {
            let ruler = Ruler::new(Rational { num, den }, Timestamp::from_ticks(zero));
            ruler.at(index);
            ruler.nearest(Timestamp::from_ticks(time));
        }
    }
}
