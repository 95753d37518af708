//! Whether a peer takes what it is sent, by what its system has acknowledged of the bytes that we gave to ours.

use std::collections::VecDeque;
use std::time::Duration;

/// The bit rate is that of this long.
const RATE_SPAN: Duration = Duration::from_secs(5);
/// Its samples are this far apart.
const RATE_STEP: Duration = Duration::from_millis(500);
/// Bytes of media written within this time share one mark, so that a slow peer does not make us hold many.
const MARK_STEP: Duration = Duration::from_millis(50);

/// The bytes of one connection.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    written: u64,
    acknowledged: u64,
    /// When the peer last acknowledged something new, or had nothing to acknowledge.
    moved: Duration,
    marks: VecDeque<Mark>,
    /// Acknowledged bytes at times.
    samples: VecDeque<(Duration, u64)>,
}

/// Media in what was written.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Bytes written when all of it was.
    end: u64,
    /// When the oldest of it came in.
    arrival: Duration,
    written: Duration,
}

impl Progress {
    /// Of a connection that is new at `now`.
    pub(super) fn new(now: Duration) -> Self {
        let samples = VecDeque::from([(now, 0)]);
        Self { written: 0, acknowledged: 0, moved: now, marks: VecDeque::new(), samples }
    }

    /// So many bytes were written in all; the oldest media among the new ones came in at `arrival`.
    pub(super) fn wrote(&mut self, now: Duration, written: u64, arrival: Option<Duration>) {
        if self.is_done() {
            self.moved = now;
        }
        self.written = self.written.max(written);
        let Some(arrival) = arrival else { return };
        match self.marks.back_mut() {
            Some(last) if now.saturating_sub(last.written) < MARK_STEP => last.end = written,
            _ => self.marks.push_back(Mark { end: written, arrival, written: now }),
        }
    }

    /// So many bytes are acknowledged in all.
    pub(super) fn acknowledged(&mut self, now: Duration, acknowledged: u64) {
        let acknowledged = acknowledged.min(self.written);
        if acknowledged > self.acknowledged || self.is_done() {
            self.moved = now;
        }
        self.acknowledged = self.acknowledged.max(acknowledged);
        while self.marks.front().is_some_and(|mark| mark.end <= self.acknowledged) {
            self.marks.pop_front();
        }
        let due = self.samples.back().is_none_or(|(last, _)| now.saturating_sub(*last) >= RATE_STEP);
        if due {
            self.samples.push_back((now, self.acknowledged));
        }
        // One that is older stays: the rate is from there.
        while self.samples.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= RATE_SPAN) {
            self.samples.pop_front();
        }
    }

    /// All that was written is acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.acknowledged >= self.written
    }

    /// For how long the peer has acknowledged nothing, while it had something to.
    pub(super) fn stalled_for(&self, now: Duration) -> Duration {
        if self.is_done() { Duration::ZERO } else { now.saturating_sub(self.moved) }
    }

    /// Bytes acknowledged in all.
    pub(super) fn total(&self) -> u64 {
        self.acknowledged
    }

    /// Age of the oldest media that is not acknowledged.
    pub(super) fn delay(&self, now: Duration) -> Duration {
        self.marks.front().map_or(Duration::ZERO, |mark| now.saturating_sub(mark.arrival))
    }

    /// What was acknowledged per second lately.
    pub(super) fn bits_per_second(&self, now: Duration) -> u64 {
        let Some(&(since, bytes)) = self.samples.front() else { return 0 };
        let span = now.saturating_sub(since).max(RATE_STEP);
        let bits = (self.acknowledged - bytes).saturating_mul(8);
        (bits as f64 / span.as_secs_f64()).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_peer_stalls_from_the_last_new_acknowledgement_on() {
        let mut progress = Progress::new(ms(0));
        assert_eq!(progress.stalled_for(ms(60_000)), ms(0), "there is nothing to take");
        progress.wrote(ms(60_000), 100, None);
        progress.acknowledged(ms(60_500), 40);
        progress.acknowledged(ms(61_000), 40);
        assert_eq!(progress.stalled_for(ms(62_000)), ms(1500));
        progress.wrote(ms(62_000), 200, None);
        assert_eq!(progress.stalled_for(ms(62_000)), ms(1500), "writing more is no progress");
        progress.acknowledged(ms(63_000), 200);
        assert_eq!(progress.stalled_for(ms(99_000)), ms(0));
        progress.wrote(ms(99_000), 300, None);
        assert_eq!(progress.stalled_for(ms(99_100)), ms(100));
    }

    #[test]
    fn the_delay_is_that_of_the_oldest_media_not_acknowledged() {
        let mut progress = Progress::new(ms(0));
        progress.wrote(ms(1000), 10, None);
        assert_eq!(progress.delay(ms(5000)), ms(0), "commands do not count");
        progress.wrote(ms(1000), 110, Some(ms(990)));
        progress.wrote(ms(1020), 120, Some(ms(1010)));
        progress.wrote(ms(1100), 220, Some(ms(1090)));
        assert_eq!(progress.delay(ms(1200)), ms(210));
        progress.acknowledged(ms(1200), 119);
        assert_eq!(progress.delay(ms(1200)), ms(210));
        progress.acknowledged(ms(1200), 120);
        assert_eq!(progress.delay(ms(1200)), ms(110));
        progress.acknowledged(ms(1200), 500);
        assert_eq!((progress.delay(ms(1200)), progress.total()), (ms(0), 220));
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds_and_falls_when_nothing_is_taken() {
        let mut progress = Progress::new(ms(0));
        for step in 1..=100 {
            progress.wrote(ms(step * 100), step * 1000, Some(ms(step * 100)));
            progress.acknowledged(ms(step * 100), step * 1000);
        }
        assert_eq!(progress.bits_per_second(ms(10_000)), 80_000);
        assert!(progress.samples.len() <= 12 && progress.marks.is_empty());
        for step in 101..=200 {
            progress.acknowledged(ms(step * 100), 100_000);
        }
        assert_eq!(progress.bits_per_second(ms(20_000)), 0);
    }

    #[test]
    fn a_peer_that_takes_nothing_makes_us_hold_little() {
        let mut progress = Progress::new(ms(0));
        for step in 0..100_000 {
            progress.wrote(ms(step), step, Some(ms(step)));
        }
        assert!(progress.marks.len() <= 2001, "{}", progress.marks.len());
    }
}
