//! Peers that were not let in, in the log: at most one line per second, whatever is tried.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One line in this time.
const EVERY: Duration = Duration::from_secs(1);

/// Logs refusals, and counts those that it does not log.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Duration>,
    unsaid: u64,
}

impl Refusals {
    /// A peer was refused at the monotonic time `now`.
    pub(crate) fn note(&self, now: Duration, peer: SocketAddr, why: &str) {
        self.say(now, peer, why, true);
    }

    /// The same, and whether it was logged; `counts` is off for one that has been counted before.
    pub(crate) fn say(&self, now: Duration, peer: SocketAddr, why: &str, counts: bool) -> bool {
        let due = self.is_due(now, counts);
        if let Some(unsaid) = due {
            tracing::warn!(%peer, unsaid, "refused: {why}");
        }
        due.is_some()
    }

    /// How many went unsaid since the last line, if one may be written now.
    fn is_due(&self, now: Duration, counts: bool) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last.is_some_and(|last| now.saturating_sub(last) < EVERY) {
            state.unsaid += u64::from(counts);
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_line_a_second_with_its_size() {
        let refusals = Refusals::default();
        assert_eq!(refusals.is_due(Duration::ZERO, true), Some(0));
        for ms in 1..500 {
            assert_eq!(refusals.is_due(Duration::from_millis(ms), ms != 7), None);
        }
        assert_eq!(refusals.is_due(Duration::from_secs(1), true), Some(498));
        assert_eq!(refusals.is_due(Duration::from_secs(2), true), Some(0));
    }
}
