//! Media time: one clock for every track, fine enough to be exact for all of them.
//!
//! A tick is 1/705 600 000 s. That number is divisible by every frame rate in use (24, 25, 30, 50, 60 and
//! their 1000/1001 variants), by every audio sample rate (7 350 … 192 000 Hz), by 90 000 and by 1 000. So a
//! sample duration is always a whole number of ticks, tracks of different rates share one clock, and times of
//! different scales cannot be added by mistake, for there is only one scale inside. Foreign scales (90 kHz,
//! milliseconds, sample rates) exist at the edges alone, through [`Timestamp::from_scale`] and
//! [`Timestamp::to_scale`].

use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::time::Duration;

/// Ticks of [`Timestamp`] and [`TimeDelta`] in one second.
pub const TICKS_PER_SECOND: i64 = 705_600_000;

/// A point on a stream's media clock.
///
/// Hub time starts at the Unix time of the stream's start and never goes back, so the 64 bits reach to the year
/// 2384. Arithmetic saturates: a hostile timestamp yields a wrong time, never a panic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// A signed distance between two [`Timestamp`]s. Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeDelta(i64);

/// `value` in units of `1/scale` s as ticks, rounded to the nearest, saturating.
fn ticks_from(value: i64, scale: u32) -> i64 {
    let scale = i128::from(scale.max(1));
    let ticks = i128::from(value) * i128::from(TICKS_PER_SECOND);
    clamp((ticks + scale / 2).div_euclid(scale))
}

/// Ticks as units of `1/scale` s, rounded to the nearest, saturating.
fn ticks_to(ticks: i64, scale: u32) -> i64 {
    let per_second = i128::from(TICKS_PER_SECOND);
    clamp((i128::from(ticks) * i128::from(scale) + per_second / 2).div_euclid(per_second))
}

fn clamp(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl Timestamp {
    /// Zero of the clock.
    pub const ZERO: Self = Self(0);

    /// From raw ticks of 1/[`TICKS_PER_SECOND`] s.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// From a count of `1/scale` s, rounded to the nearest tick.
    pub fn from_scale(value: i64, scale: u32) -> Self {
        Self(ticks_from(value, scale))
    }

    /// From the time since the Unix epoch (or any other zero).
    pub fn from_duration(duration: Duration) -> Self {
        Self(TimeDelta::from(duration).0)
    }

    /// Raw ticks of 1/[`TICKS_PER_SECOND`] s.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// As a count of `1/scale` s, rounded to the nearest.
    pub fn to_scale(self, scale: u32) -> i64 {
        ticks_to(self.0, scale)
    }

    /// Seconds, for display only.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / TICKS_PER_SECOND as f64
    }
}

impl TimeDelta {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest distance that can be told.
    pub const MAX: Self = Self(i64::MAX);

    /// From raw ticks of 1/[`TICKS_PER_SECOND`] s.
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// From a count of `1/scale` s, rounded to the nearest tick.
    pub fn from_scale(value: i64, scale: u32) -> Self {
        Self(ticks_from(value, scale))
    }

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(TICKS_PER_SECOND / 1000))
    }

    /// From whole seconds.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(TICKS_PER_SECOND))
    }

    /// From fractional seconds; not a number is zero.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * TICKS_PER_SECOND as f64).round() as i64)
    }

    /// Raw ticks of 1/[`TICKS_PER_SECOND`] s.
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// As a count of `1/scale` s, rounded to the nearest.
    pub fn to_scale(self, scale: u32) -> i64 {
        ticks_to(self.0, scale)
    }

    /// Seconds, for rates and display.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / TICKS_PER_SECOND as f64
    }

    /// The distance without its sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// `count` times this distance.
    pub const fn times(self, count: i64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// As a [`Duration`], zero where negative.
    pub fn to_duration(self) -> Duration {
        let ticks = u64::try_from(self.0).unwrap_or(0);
        let per_second = TICKS_PER_SECOND as u64;
        let nanos = u128::from(ticks % per_second) * 1_000_000_000 / u128::from(per_second);
        Duration::new(ticks / per_second, u32::try_from(nanos).unwrap_or(999_999_999))
    }
}

impl From<Duration> for TimeDelta {
    fn from(duration: Duration) -> Self {
        Self(clamp(
            (duration.as_nanos() as i128).saturating_mul(i128::from(TICKS_PER_SECOND)) / 1_000_000_000,
        ))
    }
}

impl Add<TimeDelta> for Timestamp {
    type Output = Self;
    fn add(self, delta: TimeDelta) -> Self {
        Self(self.0.saturating_add(delta.0))
    }
}

impl AddAssign<TimeDelta> for Timestamp {
    fn add_assign(&mut self, delta: TimeDelta) {
        *self = *self + delta;
    }
}

impl Sub<TimeDelta> for Timestamp {
    type Output = Self;
    fn sub(self, delta: TimeDelta) -> Self {
        Self(self.0.saturating_sub(delta.0))
    }
}

impl Sub for Timestamp {
    type Output = TimeDelta;
    fn sub(self, other: Self) -> TimeDelta {
        TimeDelta(self.0.saturating_sub(other.0))
    }
}

impl Add for TimeDelta {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for TimeDelta {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for TimeDelta {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl SubAssign for TimeDelta {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for TimeDelta {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

impl fmt::Debug for TimeDelta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", self.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_rate_in_use_divides_a_second() {
        for scale in [
            24, 25, 30, 50, 60, 120, 1000, 7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100,
            48000, 64000, 88200, 90000, 96000, 192_000,
        ] {
            assert_eq!(TICKS_PER_SECOND % scale, 0, "{scale}");
        }
        for (numerator, denominator) in [(24000, 1001), (30000, 1001), (60000, 1001), (120_000, 1001)] {
            assert_eq!(TICKS_PER_SECOND * denominator % numerator, 0, "{numerator}/{denominator}");
        }
    }

    #[test]
    fn extremes_saturate() {
        let last = Timestamp::from_ticks(i64::MAX);
        assert_eq!(last + TimeDelta::MAX, last);
        assert_eq!(Timestamp::from_scale(i64::MAX, 1), last);
        assert_eq!(TimeDelta::from_ticks(i64::MIN).abs(), TimeDelta::MAX);
        assert_eq!(TimeDelta::from_ticks(i64::MIN).to_duration(), Duration::ZERO);
        assert_eq!(TimeDelta::from(Duration::MAX), TimeDelta::MAX);
    }

    proptest! {
        /// Within three hundred years of the clock's zero.
        #[test]
        fn foreign_scales_survive_the_round_trip(
            seconds in -10_000_000_000i64..10_000_000_000, rest in 0i64..192_000, scale in 1u32..=192_000,
        ) {
            let value = seconds * i64::from(scale) + rest % i64::from(scale);
            prop_assert_eq!(Timestamp::from_scale(value, scale).to_scale(scale), value);
        }
    }
}
