//! New keys within a connection (draft-sharabayko-srt 6.1.6): ours are told until the peer has them, and the peer's are
//! taken.

use std::time::Duration;

use super::Connection;
use crate::packet::{Control, KeyState};

/// How long an answer is waited for beyond the round trip.
const PATIENCE: Duration = Duration::from_millis(50);
/// How often key material may come that takes a millisecond to open.
const DEAR: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct KeyExchange {
    /// When our keys are told again.
    due: Option<Duration>,
    /// When the peer may bring another salt.
    dear: Duration,
}

impl KeyExchange {
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }
}

impl Connection {
    /// Makes and tells new keys where it is time.
    pub(super) fn refresh_keys(&mut self) {
        let Some(crypto) = &mut self.crypto else { return };
        let oldest = self.send.oldest_key();
        // It fails for keys of a wrong length alone, which there are none of.
        let is_new = crypto.send.refresh(self.settings.refresh, oldest, &mut self.random).unwrap_or(false);
        self.stats.key_changes += u64::from(is_new);
        let overdue = self.exchange.due.is_some_and(|due| due <= self.now);
        if !is_new && !overdue {
            return;
        }
        self.exchange.due = None;
        if crypto.send.is_waiting() {
            let message = crypto.send.message();
            self.tell(Control::KeyMaterial { response: false, content: &message });
            self.exchange.due = Some(self.now.saturating_add(self.rtt.longest()).saturating_add(PATIENCE));
        }
    }

    /// The peer has new keys.
    pub(super) fn take_keys(&mut self, content: &[u8]) {
        let Some(crypto) = &mut self.crypto else {
            return self.answer_keys(&KeyState::NoSecret.encode());
        };
        let is_cheap = crypto.receive.is_cheap(content);
        let may_be_dear = self.now >= self.exchange.dear;
        if !is_cheap {
            if !may_be_dear {
                // It comes again.
                return;
            }
            self.exchange.dear = self.now.saturating_add(DEAR);
        }
        match crypto.receive.accept(content, may_be_dear, self.receive.end()) {
            Ok(()) => self.answer_keys(content),
            Err(_) => self.answer_keys(&KeyState::BadSecret.encode()),
        }
    }

    fn answer_keys(&mut self, content: &[u8]) {
        self.tell(Control::KeyMaterial { response: true, content });
    }

    /// The peer answers our keys.
    pub(super) fn confirm_keys(&mut self, content: &[u8]) {
        if let Some(crypto) = &mut self.crypto {
            crypto.send.confirm(content);
            if !crypto.send.is_waiting() {
                self.exchange.due = None;
            }
        }
    }
}
