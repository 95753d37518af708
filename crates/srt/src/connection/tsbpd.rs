//! When a packet is delivered: when it was sent, on our clock, plus the latency (draft-sharabayko-srt 4.5).

use std::time::Duration;

use crate::timestamp::{Unwrap, micros};

/// How many samples say that the clocks drift apart (4.7.1).
const SAMPLES: i64 = 1000;
/// No stamp makes a packet wait for longer than the latency and this.
const PATIENCE: Duration = Duration::from_secs(1);

/// The peer's clock on ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    stamps: Unwrap,
    /// Our time less the peer's, in microseconds, with the way of the handshake in it.
    base: i64,
    latency: Duration,
    samples: i64,
    sum: i64,
    /// The round-trip time when the base was set.
    first_rtt: Option<i64>,
}

impl Delivery {
    pub(super) fn new(timestamp: u32, now: Duration, latency: Duration) -> Self {
        let base = micros(now) - i64::from(timestamp);
        Self { stamps: Unwrap::new(timestamp), base, latency, samples: 0, sum: 0, first_rtt: None }
    }

    /// When a packet with that stamp is delivered that came at `now`.
    pub(super) fn due(&mut self, now: Duration, timestamp: u32) -> Duration {
        let sent = self.stamps.unwrap(timestamp).saturating_add(self.base);
        let sent = Duration::from_micros(u64::try_from(sent).unwrap_or(0));
        sent.saturating_add(self.latency).min(now.saturating_add(self.latency).saturating_add(PATIENCE))
    }

    /// The answer to an ACK, which left the peer as its stamp says; how far the clocks drifted is what it is late by,
    /// beyond what the way has become longer (4.7.1).
    pub(super) fn note_drift(&mut self, now: Duration, timestamp: u32, rtt: Duration) {
        let rtt = micros(rtt);
        let first = *self.first_rtt.get_or_insert(rtt);
        let sent = self.stamps.unwrap(timestamp).saturating_add(self.base);
        let late = micros(now).saturating_sub(sent).saturating_sub((rtt - first) / 2);
        // Beyond a minute it is no drift, and ten thousand of them fit into the sum.
        self.sum += late.clamp(-60_000_000, 60_000_000);
        self.samples += 1;
        if self.samples == SAMPLES {
            self.base = self.base.saturating_add(self.sum / SAMPLES);
            (self.samples, self.sum) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_packet_is_due_its_latency_after_it_was_sent() {
        let mut delivery = Delivery::new(u32::MAX - 999, MS * 100, MS * 120);
        assert_eq!(delivery.due(MS * 130, 0), MS * 221);
        assert_eq!(delivery.due(MS * 130, 1000), MS * 222);
        assert_eq!(delivery.due(MS * 130, u32::MAX - 999), MS * 220);
        assert_eq!(delivery.due(MS * 130, 1 << 30), MS * 1250);
    }

    #[test]
    fn drift_moves_the_base() {
        let mut delivery = Delivery::new(0, Duration::ZERO, MS * 120);
        // The peer's clock is slow: one part in a thousand.
        for number in 1..=1001_u32 {
            let now = MS * 10 * number;
            delivery.note_drift(now, number * 9990, MS * 20);
        }
        let now = Duration::from_secs(10);
        let due = delivery.due(now, 9_990_000);
        assert!(due.abs_diff(now + MS * 115) < MS, "{due:?}");
    }
}
