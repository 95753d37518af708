//! When what arrived is confirmed (draft-sharabayko-srt 4.8.1), and how fast it arrives.

use std::collections::VecDeque;
use std::time::Duration;

use super::{ACK_PERIOD, ReceiveBuffer, Rtt};
use crate::Sequence;
use crate::packet::{Ack, AckDetails, AckRates};

/// After so many packets a light ACK does not wait for its time.
const LIGHT_AFTER: u32 = 64;
/// ACKs whose answers are waited for.
const HISTORY: usize = 256;
/// Over how long a rate is measured.
const WINDOW: Duration = Duration::from_secs(1);

pub(super) struct Arrivals {
    number: u32,
    /// What the last full ACK said, and when.
    confirmed: Sequence,
    sent_at: Duration,
    /// Whether the peer has it.
    answered: bool,
    /// When the next one is to be sent; none while nothing arrives.
    due: Option<Duration>,
    /// Packets since the last ACK of any length.
    since: u32,
    history: VecDeque<(u32, Duration)>,
    rate: Rate,
}

/// Packets and bytes per second.
struct Rate {
    start: Duration,
    packets: u64,
    bytes: u64,
    per_second: (u32, u32),
}

impl Arrivals {
    pub(super) fn new(now: Duration, next: Sequence) -> Self {
        Self {
            number: 0,
            confirmed: next,
            sent_at: now,
            answered: true,
            due: None,
            since: 0,
            history: VecDeque::new(),
            rate: Rate { start: now, packets: 0, bytes: 0, per_second: (0, 0) },
        }
    }

    /// A data packet arrived.
    pub(super) fn note(&mut self, now: Duration, bytes: usize) {
        self.since += 1;
        self.rate.note(now, bytes);
        self.wake(now);
    }

    /// There may be something new to be confirmed.
    pub(super) fn wake(&mut self, now: Duration) {
        let next = now.max(self.sent_at.saturating_add(ACK_PERIOD));
        self.due = Some(self.due.map_or(next, |due| due.min(next)));
    }

    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// The ACK that is to be sent now, if any is.
    pub(super) fn ack(&mut self, now: Duration, buffer: &ReceiveBuffer, rtt: &Rtt) -> Option<Ack> {
        let next = buffer.confirmed();
        if self.due.is_none_or(|due| due > now) {
            if self.since < LIGHT_AFTER {
                return None;
            }
            self.since = 0;
            return Some(Ack { number: 0, next, details: None });
        }
        if next == self.confirmed {
            let repeat = self.sent_at.saturating_add(rtt.longest()).saturating_add(ACK_PERIOD);
            self.due = (!self.answered).then_some(repeat.max(now));
            if self.answered || repeat > now {
                return None;
            }
        }
        (self.confirmed, self.sent_at, self.answered, self.since) = (next, now, false, 0);
        self.due = Some(now.saturating_add(rtt.longest()).saturating_add(ACK_PERIOD));
        self.number = self.number.checked_add(1).unwrap_or(1);
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.number, now));
        let us = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        let (packets_per_second, bytes_per_second) = self.rate.per_second;
        let rates = AckRates {
            packets_per_second,
            // It is not measured, and nobody in live mode goes by it: what has come through is the least.
            link_packets_per_second: packets_per_second,
            bytes_per_second: Some(bytes_per_second),
        };
        let details = AckDetails {
            rtt_us: us(rtt.smooth()),
            rtt_variance_us: us(rtt.variance()),
            room: u32::try_from(buffer.room()).unwrap_or(u32::MAX),
            rates: Some(rates),
        };
        Some(Ack { number: self.number, next, details: Some(details) })
    }

    /// The peer has that ACK; the time since it was sent, once.
    pub(super) fn answered(&mut self, now: Duration, number: u32) -> Option<Duration> {
        let at = self.history.iter().position(|(sent, _)| *sent == number)?;
        let (_, sent_at) = self.history.drain(..=at).next_back()?;
        self.answered |= number == self.number;
        Some(now.saturating_sub(sent_at))
    }
}

impl Rate {
    fn note(&mut self, now: Duration, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        let passed = now.saturating_sub(self.start);
        if passed >= WINDOW {
            let rate = |count: u64| {
                let rate = u128::from(count) * 1_000_000 / passed.as_micros().max(1);
                u32::try_from(rate).unwrap_or(u32::MAX)
            };
            self.per_second = (rate(self.packets), rate(self.bytes));
            (self.start, self.packets, self.bytes) = (now, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_ten_milliseconds_and_again_until_it_is_answered() {
        let first = Sequence::new(5);
        let mut buffer = ReceiveBuffer::new(first, 100, MS * 120);
        let mut arrivals = Arrivals::new(Duration::ZERO, first);
        let rtt = Rtt::default();
        assert_eq!(arrivals.due(), None);
        for number in 0..3 {
            buffer.push(MS, first.plus(number), false, MS * 500, Bytes::from_static(b"1"));
            arrivals.note(MS, 1);
        }
        assert_eq!(arrivals.due(), Some(MS * 10));
        assert_eq!(arrivals.ack(MS * 9, &buffer, &rtt), None);
        let ack = arrivals.ack(MS * 10, &buffer, &rtt).expect("an ACK");
        assert_eq!((ack.number, ack.next), (1, first.plus(3)));
        assert_eq!(arrivals.due(), Some(MS * 320));
        let again = arrivals.ack(MS * 320, &buffer, &rtt).expect("the same");
        assert_eq!((again.number, again.next), (2, first.plus(3)));
        assert_eq!(arrivals.answered(MS * 340, 2), Some(MS * 20));
        assert_eq!(arrivals.answered(MS * 340, 1), None);
        assert_eq!(arrivals.ack(MS * 900, &buffer, &rtt), None);
        assert_eq!(arrivals.due(), None);
    }

    #[test]
    fn a_light_one_after_64_packets() {
        let first = Sequence::new(5);
        let buffer = ReceiveBuffer::new(first, 100, MS * 120);
        let mut arrivals = Arrivals::new(Duration::ZERO, first);
        (0..64).for_each(|_| arrivals.note(MS, 1000));
        let light = Some(Ack { number: 0, next: first, details: None });
        assert_eq!(arrivals.ack(MS, &buffer, &Rtt::default()), light);
        assert_eq!(arrivals.ack(MS, &buffer, &Rtt::default()), None);
    }
}
