//! A byte rate over the last seconds, without a clock of its own.

use std::collections::VecDeque;
use std::time::Duration;

/// How far back the rate looks.
const WINDOW: Duration = Duration::from_secs(5);
/// Bytes within this time are counted together, so that the memory does not depend on the packet rate.
const SLOT: Duration = Duration::from_millis(250);

/// Sums bytes per slot of arrival time.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    slots: VecDeque<(Duration, u64)>,
}

impl Rate {
    /// Counts `bytes` that arrived at `now`.
    pub(crate) fn add(&mut self, now: Duration, bytes: usize) {
        match self.slots.back_mut() {
            Some((start, sum)) if now < *start + SLOT => *sum += bytes as u64,
            _ => self.slots.push_back((now, bytes as u64)),
        }
        while self.slots.front().is_some_and(|&(start, _)| start + WINDOW < now) {
            self.slots.pop_front();
        }
    }

    /// Bits per second over what is known of the window that ends `now`.
    pub(crate) fn bits_per_second(&self, now: Duration) -> u64 {
        let recent = self.slots.iter().filter(|&&(start, _)| start + WINDOW >= now);
        let (Some(&(first, _)), sum) = (recent.clone().next(), recent.map(|&(_, bytes)| bytes).sum::<u64>())
        else {
            return 0;
        };
        let span = now.saturating_sub(first).max(SLOT);
        (sum as f64 * 8.0 / span.as_secs_f64()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_has_its_rate_and_silence_has_none() {
        let mut rate = Rate::default();
        for n in 0..1000u64 {
            rate.add(Duration::from_millis(10 * n), 1000);
        }
        let measured = rate.bits_per_second(Duration::from_secs(10));
        assert!((760_000..840_000).contains(&measured), "{measured}");
        assert_eq!(rate.bits_per_second(Duration::from_secs(20)), 0);
    }
}
