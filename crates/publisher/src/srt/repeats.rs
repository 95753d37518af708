//! Callers that are refused and call again. Programs that use libsrt do so at once and for ever, a hundred times a second, each time
//! from another port: for the log that is one refusal.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// After so long the same is another refusal.
const MEMORY: Duration = Duration::from_secs(60);
/// Refusals that are remembered; the oldest are forgotten first.
const MOST: usize = 256;

/// The refusals of a port in the last minute.
#[derive(Default)]
pub(super) struct Repeats(Mutex<VecDeque<Known>>);

struct Known {
    peer: IpAddr,
    why: String,
    until: Duration,
    is_said: bool,
}

impl Repeats {
    /// A host was refused with this sentence. Unless the log has it, `say` is asked to say it, as one more refusal or one that
    /// has been counted, and tells whether it has.
    pub(super) fn note(&self, now: Duration, peer: IpAddr, why: &str, say: impl FnOnce(bool) -> bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while known.front().is_some_and(|first| first.until <= now) {
            known.pop_front();
        }
        match known.iter_mut().find(|known| known.peer == peer && known.why == why) {
            Some(known) if known.is_said => {}
            Some(known) => known.is_said = say(false),
            None => {
                if known.len() == MOST {
                    known.pop_front();
                }
                let until = now.saturating_add(MEMORY);
                known.push_back(Known { peer, why: why.to_owned(), until, is_said: say(true) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_again_is_one_refusal_until_it_was_said_and_for_a_minute() {
        let repeats = Repeats::default();
        let note = |second: u64, host: u8, why: &str, is_said: bool| {
            let mut asked = None;
            repeats.note(Duration::from_secs(second), IpAddr::from([192, 0, 2, host]), why, |counts| {
                asked = Some(counts);
                is_said
            });
            asked
        };
        assert_eq!(note(0, 1, "no", false), Some(true));
        assert_eq!(note(1, 1, "no", false), Some(false), "it is counted, and not said");
        assert_eq!(note(2, 1, "no", true), Some(false));
        assert_eq!(note(3, 1, "no", true), None);
        assert_eq!(note(3, 2, "no", true), Some(true), "another host");
        assert_eq!(note(3, 1, "never", true), Some(true), "another reason");
        assert_eq!(note(59, 1, "no", true), None);
        assert_eq!(note(60, 1, "no", true), Some(true));
        for host in 0..=u8::MAX {
            note(61, host, "flood", true);
        }
        assert_eq!(repeats.0.lock().expect("sound").len(), MOST);
        assert_eq!(note(61, 1, "no", true), Some(true), "it is forgotten");
    }
}
