//! What receiver reports say of a stream (RFC 3550 A.3, A.8), and which of the last packets have come.

use std::time::Duration;

use super::MAX_MISORDER;
use crate::Header;
use crate::rtcp::ReportBlock;

/// Counts of one sequence, from its first packet on.
#[derive(Debug)]
pub(super) struct Reception {
    /// Numbers without wraps, of the first packet and of the highest.
    base: u64,
    highest: u64,
    /// All that came, late and double ones too: so the RFC wants it.
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    transit: Option<u32>,
    /// In 1/16 of a tick.
    jitter: u64,
}

impl Reception {
    /// Of a sequence that begins with that number, before its first packet is counted.
    pub(super) fn new(base: u64) -> Self {
        Self {
            base,
            highest: base,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            transit: None,
            jitter: 0,
        }
    }

    /// Counts a packet of the sequence.
    pub(super) fn count(&mut self, now: Duration, clock_rate: u32, header: &Header, number: u64) {
        self.received += 1;
        self.highest = self.highest.max(number);
        // In ticks of the clock, and as that wraps.
        let arrival = (now.as_nanos() * u128::from(clock_rate) / 1_000_000_000) as u32;
        let transit = arrival.wrapping_sub(header.timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let distance = (transit.wrapping_sub(before) as i32).unsigned_abs();
            self.jitter = self.jitter + u64::from(distance) - ((self.jitter + 8) >> 4);
        }
    }

    /// In ticks of the clock.
    pub(super) fn jitter(&self) -> u32 {
        u32::try_from(self.jitter >> 4).unwrap_or(u32::MAX)
    }

    /// What is counted here of a report block, and a new interval.
    pub(super) fn report(&mut self) -> ReportBlock {
        let expected = self.highest - self.base + 1;
        let lost = expected as i64 - self.received as i64;
        let expected_now = expected - self.expected_prior;
        let lost_now = expected_now as i64 - (self.received - self.received_prior) as i64;
        (self.expected_prior, self.received_prior) = (expected, self.received);
        let fraction_lost = match u64::try_from(lost_now) {
            Ok(lost) if lost > 0 && expected_now > 0 => (lost * 256 / expected_now).min(255) as u8,
            _ => 0,
        };
        ReportBlock {
            fraction_lost,
            lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            // The sequence began in the cycle after zero.
            highest_sequence: (self.highest - (1 << 16)) as u32,
            jitter: self.jitter(),
            ..ReportBlock::default()
        }
    }
}

/// A bit for each of the last packets: whether it came.
#[derive(Debug, Default)]
pub(super) struct Recent([u64; WORDS]);

const WORDS: usize = MAX_MISORDER as usize / 64;

impl Recent {
    /// The packet of that number came.
    pub(super) fn mark(&mut self, number: u64) {
        self.set(number, true);
    }

    /// Those from the first number to before the second did not come.
    pub(super) fn pass(&mut self, from: u64, to: u64) {
        for number in from.max(to.saturating_sub(MAX_MISORDER as u64))..to {
            self.set(number, false);
        }
    }

    /// Whether the packet came, which was among the last 1024.
    pub(super) fn has(&self, sequence: u16) -> bool {
        self.0.get(Self::word(sequence.into())).is_some_and(|word| word >> (sequence % 64) & 1 == 1)
    }

    fn set(&mut self, number: u64, came: bool) {
        if let Some(word) = self.0.get_mut(Self::word(number)) {
            let bit = 1 << (number % 64);
            *word = if came { *word | bit } else { *word & !bit };
        }
    }

    fn word(number: u64) -> usize {
        // Sequence numbers wrap at a multiple of the size, so either kind of number finds the same place.
        (number / 64) as usize % WORDS
    }
}
