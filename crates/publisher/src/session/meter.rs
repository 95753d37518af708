//! How much a session moved lately.

use std::time::Duration;

/// Seconds that are looked back over.
const SECONDS: usize = 8;
/// A session that moved nothing for this long is idle.
const IDLE: u64 = 3;

/// Bytes of the last seconds, second by second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: [u64; SECONDS],
    /// The second, since the session was opened, that the newest of them are of.
    second: u64,
    /// The last second in which anything moved.
    moved: Option<u64>,
}

impl Meter {
    /// Counts bytes at this time since the session was opened.
    pub(super) fn add(&mut self, at: Duration, bytes: u64) {
        self.turn(at.as_secs());
        self.bytes[place(self.second)] += bytes;
        self.moved = Some(self.second);
    }

    /// Bits per second over the last 8 s, or since the session was opened.
    pub(super) fn bits_per_second(&mut self, at: Duration) -> u64 {
        self.turn(at.as_secs());
        let whole = Duration::from_secs(self.second.min(SECONDS as u64 - 1));
        let over = whole + Duration::from_nanos(at.subsec_nanos().into());
        // In its first moments a session has no rate.
        let over = over.max(Duration::from_secs(1)).as_millis();
        let bits = u128::from(self.bytes.iter().sum::<u64>()) * 8000;
        u64::try_from(bits / over).unwrap_or(u64::MAX)
    }

    /// Whether nothing moved for a while.
    pub(super) fn is_idle(&self, at: Duration) -> bool {
        at.as_secs().saturating_sub(self.moved.unwrap_or(0)) >= IDLE
    }

    /// Forgets what is too old.
    fn turn(&mut self, second: u64) {
        let passed = second.saturating_sub(self.second).min(SECONDS as u64);
        for later in 1..=passed {
            self.bytes[place(self.second + later)] = 0;
        }
        if passed == SECONDS as u64 {
            self.bytes = [0; SECONDS];
        }
        self.second = self.second.max(second);
    }
}

/// Where a second is kept.
fn place(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::default();
        assert_eq!(meter.bits_per_second(ms(0)), 0);
        for tick in 0..200 {
            meter.add(ms(tick * 100), 1000);
        }
        let rate = meter.bits_per_second(ms(19_999));
        assert!((79_900..=80_100).contains(&rate), "{rate}");
        assert_eq!(meter.bits_per_second(ms(20_000)), 80_000, "seven whole seconds and none of the eighth");
        assert_eq!(meter.bits_per_second(ms(40_000)), 0);
        meter.add(ms(3_600_000), 700);
        assert_eq!(meter.bits_per_second(ms(3_600_000)), 800, "what came long before is forgotten");
    }

    #[test]
    fn one_that_moves_nothing_is_idle() {
        let mut meter = Meter::default();
        assert!(!meter.is_idle(ms(2_900)) && meter.is_idle(ms(3_000)));
        meter.add(ms(10_000), 1);
        assert!(!meter.is_idle(ms(12_900)) && meter.is_idle(ms(13_000)));
    }
}
