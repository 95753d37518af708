//! How fast packets leave (draft-sharabayko-srt 5.1).

use std::time::Duration;

use crate::Bandwidth;

/// How far behind the rate a burst may catch up.
const CATCH_UP: Duration = Duration::from_millis(10);
/// Over how long the rate of the input is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// When the next packet may leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    bandwidth: Bandwidth,
    /// Bytes per second; none while it is not limited or not known.
    rate: Option<u64>,
    next: Duration,
    window_start: Duration,
    window_bytes: u64,
    last_window: u64,
}

impl Pacer {
    pub(super) fn new(now: Duration, bandwidth: Bandwidth) -> Self {
        let rate = match bandwidth {
            Bandwidth::Unlimited => None,
            Bandwidth::Max(rate) => Some(rate),
            Bandwidth::Input { rate, overhead } => rate.map(|rate| more(rate, overhead)),
        };
        let rate = rate.map(|rate| rate.max(1));
        Self { bandwidth, rate, next: now, window_start: now, window_bytes: 0, last_window: 0 }
    }

    /// So many bytes came to be sent, their headers among them.
    pub(super) fn note_input(&mut self, now: Duration, bytes: usize) {
        let Bandwidth::Input { rate: None, overhead } = self.bandwidth else { return };
        self.window_bytes += bytes as u64;
        let passed = now.saturating_sub(self.window_start);
        if passed >= WINDOW {
            let measured = (u128::from(self.window_bytes) * 1_000_000 / passed.as_micros().max(1)) as u64;
            self.rate = Some(more(measured.max(self.last_window), overhead).max(1));
            (self.window_start, self.window_bytes, self.last_window) = (now, 0, measured);
        }
    }

    /// When the next packet may leave; none where there is no limit.
    pub(super) fn next(&self) -> Option<Duration> {
        self.rate.map(|_| self.next)
    }

    pub(super) fn may_send(&self, now: Duration) -> bool {
        self.rate.is_none() || self.next <= now
    }

    /// So many bytes left, their headers among them.
    pub(super) fn note_sent(&mut self, now: Duration, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let gap = Duration::from_nanos((bytes as u64).saturating_mul(1_000_000_000) / rate);
        self.next = self.next.max(now.saturating_sub(CATCH_UP)).saturating_add(gap);
    }
}

fn more(rate: u64, percent: u8) -> u64 {
    rate.saturating_add(rate / 100 * u64::from(percent))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_in_a_second(pacer: &mut Pacer, from: Duration) -> usize {
        let mut bytes = 0;
        for ms in 0..1000 {
            let now = from + Duration::from_millis(ms);
            while pacer.may_send(now) {
                pacer.note_sent(now, 1000);
                bytes += 1000;
            }
        }
        bytes
    }

    #[test]
    fn the_rate_is_kept_in_steps_of_a_millisecond() {
        let mut pacer = Pacer::new(Duration::ZERO, Bandwidth::Max(5_000_000));
        let bytes = sent_in_a_second(&mut pacer, Duration::ZERO);
        assert!((4_990_000..5_060_000).contains(&bytes), "{bytes}");
        assert!(Pacer::new(Duration::ZERO, Bandwidth::Unlimited).may_send(Duration::ZERO));
    }

    #[test]
    fn the_input_is_measured() {
        let mut pacer = Pacer::new(Duration::ZERO, Bandwidth::Input { rate: None, overhead: 25 });
        for ms in 0..=1000 {
            assert_eq!(pacer.next(), None);
            pacer.note_input(Duration::from_millis(ms), 1000);
        }
        let bytes = sent_in_a_second(&mut pacer, Duration::from_secs(1));
        assert!((1_240_000..1_270_000).contains(&bytes), "{bytes}");
    }
}
