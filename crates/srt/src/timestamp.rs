//! Timestamps of packets: 32 bits of microseconds since the socket began, which wrap each 71.6 minutes
//! (draft-sharabayko-srt 3).

use std::time::Duration;

/// Our own clock, as the peer sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Duration,
    first: u32,
}

impl Clock {
    /// A clock that shows `first` at `now`.
    pub(crate) fn new(now: Duration, first: u32) -> Self {
        Self { origin: now, first }
    }

    /// What it shows at `now`.
    pub(crate) fn stamp(&self, now: Duration) -> u32 {
        self.first.wrapping_add(micros(now.saturating_sub(self.origin)) as u32)
    }
}

/// Microseconds of a duration.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Makes of the stamps of a peer numbers that do not wrap. Each is taken for the one nearest to the latest before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unwrap {
    latest: i64,
}

impl Unwrap {
    pub(crate) fn new(first: u32) -> Self {
        Self { latest: i64::from(first) }
    }

    /// The stamp in microseconds on a line without wraps.
    pub(crate) fn unwrap(&mut self, stamp: u32) -> i64 {
        let distance = stamp.wrapping_sub(self.latest as u32) as i32;
        let time = self.latest.saturating_add(i64::from(distance));
        self.latest = self.latest.max(time);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_wraps() {
        let clock = Clock::new(Duration::from_secs(9), u32::MAX - 1);
        assert_eq!(clock.stamp(Duration::from_secs(9)), u32::MAX - 1);
        assert_eq!(clock.stamp(Duration::from_micros(9_000_003)), 1);
        assert_eq!(clock.stamp(Duration::ZERO), u32::MAX - 1);
    }

    #[test]
    fn stamps_go_on_across_wraps_and_in_any_order() {
        let mut unwrap = Unwrap::new(u32::MAX - 10);
        assert_eq!(unwrap.unwrap(5), (1 << 32) + 5);
        assert_eq!(unwrap.unwrap(u32::MAX), (1 << 32) - 1);
        assert_eq!(unwrap.unwrap(7), (1 << 32) + 7);
        for turn in 0..6_i64 {
            let time = (1 << 32) + 7 + turn * (1 << 30);
            assert_eq!(unwrap.unwrap(time as u32), time);
        }
    }
}
