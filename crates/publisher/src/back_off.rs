//! How long to wait before what failed is tried again. Without a clock and without chance: both are arguments.

use std::time::Duration;

/// Counts attempts that failed one after another. Delays double from the first one to the longest.
#[derive(Clone, Debug)]
pub(crate) struct BackOff {
    first: Duration,
    longest: Duration,
    failures: u32,
    works_since: Option<Duration>,
}

impl BackOff {
    /// What works for so long begins anew: what failed before does not count any more.
    pub(crate) const HEALTHY: Duration = Duration::from_secs(60);

    /// No delay is longer than `longest`, unless the first is.
    pub(crate) fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest: longest.max(first), failures: 0, works_since: None }
    }

    /// It works from now on.
    pub(crate) fn works(&mut self, now: Duration) {
        self.works_since = Some(now);
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Duration) {
        if self.is_healthy(now) {
            self.failures = 0;
        }
    }

    /// It has ended, and that is no failure.
    pub(crate) fn ends(&mut self, now: Duration) {
        self.tick(now);
        self.works_since = None;
    }

    /// It has failed. What was healthy until now has not failed in this sense: counting begins anew there.
    pub(crate) fn fails(&mut self, now: Duration) {
        let is_healthy = self.is_healthy(now);
        self.ends(now);
        self.failures = self.failures.saturating_add(u32::from(!is_healthy));
    }

    /// Attempts that failed one after another.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The wait before the next attempt. `jitter`, a random number from 0 to 1, says where it is between half of what the
    /// failures ask for and all of it: twenty that failed together do not come back together.
    pub(crate) fn delay(&self, jitter: f64) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
        let delay = self.first.saturating_mul(1 << doublings).min(self.longest);
        delay.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }

    fn is_healthy(&self, now: Duration) -> bool {
        self.works_since.is_some_and(|since| now.saturating_sub(since) >= Self::HEALTHY)
    }
}

/// A number from 0 to 1 out of random bytes.
pub(crate) fn jitter(random: [u8; 32]) -> f64 {
    let [low, high, ..] = random;
    f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn delays_double_from_the_first_to_the_longest() {
        let mut back_off = BackOff::new(SECOND, SECOND * 30);
        let delays = [(); 7].map(|()| {
            back_off.fails(SECOND);
            back_off.delay(1.0).as_secs()
        });
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
        back_off.failures = u32::MAX;
        back_off.fails(SECOND);
        assert_eq!(back_off.delay(1.0), SECOND * 30);
        let mut patient = BackOff::new(SECOND * 300, SECOND * 60);
        patient.fails(SECOND);
        patient.fails(SECOND);
        assert_eq!(patient.delay(1.0), SECOND * 300, "no less than what was asked for");
    }

    #[test]
    fn jitter_takes_up_to_half_of_a_delay_and_adds_nothing() {
        let back_off = BackOff::new(SECOND * 5, SECOND * 60);
        let delays = [0.0, 0.5, 1.0, 7.0, -7.0].map(|jitter| back_off.delay(jitter).as_millis());
        assert_eq!(delays, [2500, 3750, 5000, 5000, 2500]);
        let ends = [0, 0xff].map(|byte| jitter([byte; 32]));
        assert_eq!(ends, [0.0, 1.0]);
    }

    #[test]
    fn a_healthy_minute_is_where_counting_begins_anew() {
        let mut back_off = BackOff::new(SECOND, SECOND * 30);
        back_off.fails(SECOND);
        back_off.fails(SECOND);
        back_off.works(SECOND);
        back_off.fails(SECOND * 60);
        assert_eq!(back_off.failures(), 3, "a second short of it");
        back_off.works(SECOND * 100);
        back_off.fails(SECOND * 160);
        assert_eq!((back_off.failures(), back_off.delay(1.0)), (0, SECOND));
        back_off.fails(SECOND * 170);
        assert_eq!(back_off.failures(), 1, "it did not work again");
    }
}
