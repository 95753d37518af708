//! Whether a viewer keeps up, and when one that does not has had its time.

use std::time::{Duration, Instant};

/// How far one viewer has come behind: told of what happens to it, it says when the viewer is to be sent away. Who serves a
/// viewer without a fan-out asks it as well.
#[derive(Debug, Default)]
pub struct Lateness {
    /// When it was skipped for the first time since it last kept up, or was to be.
    since: Option<Instant>,
    /// When it had everything again, if it was not skipped after that.
    caught_up: Option<Instant>,
}

impl Lateness {
    /// It is to be skipped: what it was to get next is not kept any more.
    pub fn lost(&mut self, now: Instant) {
        self.since.get_or_insert(now);
        self.caught_up = None;
    }

    /// It has everything that there is.
    pub fn level(&mut self, now: Instant) {
        if self.since.is_some() {
            self.caught_up.get_or_insert(now);
        }
    }

    /// Whether it was lost and has not kept up again since.
    pub fn is_late(&self) -> bool {
        self.since.is_some()
    }

    /// Whether it is behind, and has been for `timeout`. A moment in which it had everything does not count: one that
    /// reads too slowly has that after every skip. It keeps up again when it was not skipped for as long.
    pub fn is_over(&mut self, now: Instant, timeout: Duration) -> bool {
        let over = |since: Instant| now.duration_since(since) >= timeout;
        if self.caught_up.is_some_and(over) {
            *self = Self::default();
        }
        self.caught_up.is_none() && self.since.is_some_and(over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Plays events (second, it is lost or level) and returns the first second at which the viewer is over.
    fn over(events: &[(u64, bool)]) -> Option<u64> {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut lateness = Lateness::default();
        (0..60).find(|&second| {
            for &(_, lost) in events.iter().filter(|event| event.0 == second) {
                if lost { lateness.lost(at(second)) } else { lateness.level(at(second)) }
            }
            lateness.is_over(at(second), TIMEOUT)
        })
    }

    #[test]
    fn who_stays_behind_is_over_in_time() {
        assert_eq!(over(&[(5, true)]), Some(15));
        assert_eq!(over(&[(5, true), (9, true)]), Some(15));
    }

    #[test]
    fn who_catches_up_and_keeps_up_is_not() {
        assert_eq!(over(&[(1, false), (5, true), (8, false)]), None);
        assert_eq!(over(&[(5, true), (8, false), (20, true), (23, false)]), None);
    }

    #[test]
    fn who_has_everything_for_a_moment_after_each_skip_is_over() {
        assert_eq!(over(&[(5, true), (13, false), (20, true), (28, false)]), Some(20));
    }
}
