//! Who asks for HLS or DASH, where there is no connection to tell by, and who is refused for a while.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::code::Code;

use super::Protocol;

/// Clients that are refused at the same time, at most; of more, those whose time is over first are let in again.
const REFUSED: usize = 10_000;

/// What tells a viewer for certain: a token that it was given, and that was found to be good. Whoever serves the request puts it
/// among the request's extensions. Only a digest is kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Token([u8; 32]);

impl Token {
    /// Of the token's text.
    pub fn new(text: &str) -> Self {
        let mut digest = [0; 32];
        let made = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        digest.copy_from_slice(made.as_ref());
        Self(digest)
    }
}

/// A viewer without a connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Client {
    /// By its token.
    Token(Token),
    /// An estimate: its address, and what it calls itself.
    Seen(IpAddr, Option<String>),
}

impl Client {
    /// Whether several viewers may be taken for one, or one for several.
    pub(crate) fn is_estimated(&self) -> bool {
        matches!(self, Self::Seen(..))
    }
}

/// What is refused of whom.
type Key = (Code, Protocol, Client);

/// Clients that are refused for a while.
#[derive(Debug, Default)]
pub(super) struct Refused {
    until: HashMap<Key, Instant>,
    /// By the end of their time.
    order: BTreeMap<(Instant, u64), Key>,
    next: u64,
}

impl Refused {
    /// Refuses a client for this long.
    pub(super) fn add(&mut self, now: Instant, key: Key, time: Duration) {
        self.sweep(now);
        while self.order.len() >= REFUSED {
            self.drop_first();
        }
        let end = now + time;
        self.next += 1;
        self.order.insert((end, self.next), key.clone());
        self.until.insert(key, end);
    }

    /// Whether a client is refused.
    pub(super) fn has(&mut self, now: Instant, key: &Key) -> bool {
        self.sweep(now);
        self.until.contains_key(key)
    }

    /// Whether nobody is.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn sweep(&mut self, now: Instant) {
        while self.order.first_key_value().is_some_and(|((end, _), _)| *end <= now) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        let Some(((end, _), key)) = self.order.pop_first() else { return };
        // It may have been refused once more since.
        if self.until.get(&key) == Some(&end) {
            self.until.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(agent: u32) -> Key {
        let client = Client::Seen([192, 0, 2, 1].into(), Some(agent.to_string()));
        ("news".parse().expect("a code"), Protocol::Hls, client)
    }

    #[test]
    fn who_is_refused_is_let_in_again_after_its_time() {
        let (mut refused, start, time) = (Refused::default(), Instant::now(), Duration::from_secs(60));
        refused.add(start, key(1), time);
        refused.add(start + time / 2, key(2), time);
        refused.add(start + time / 2, key(1), time);
        assert!(refused.has(start + time, &key(1)), "once more from then on");
        assert!(refused.has(start + time, &key(2)) && !refused.has(start + time, &key(3)));
        let other = (key(1).0, Protocol::Dash, key(1).2);
        assert!(!refused.has(start + time, &other), "another output is another session");
        assert!(!refused.has(start + time * 3 / 2, &key(1)) && refused.is_empty());
    }

    #[test]
    fn no_more_are_kept_than_there_is_room_for() {
        let (mut refused, start) = (Refused::default(), Instant::now());
        for agent in 0..REFUSED as u32 + 5 {
            refused.add(start, key(agent), Duration::from_secs(60));
        }
        assert_eq!((refused.order.len(), refused.until.len()), (REFUSED, REFUSED));
        assert!(!refused.has(start, &key(4)) && refused.has(start, &key(5)));
    }

    #[test]
    fn of_a_token_only_a_digest_is_kept() {
        assert_eq!(Token::new("geheim"), Token::new("geheim"));
        assert_ne!(Token::new("geheim"), Token::new("geheim2"));
        assert!(!format!("{:?}", Token::new("geheim")).contains("geheim"));
    }
}
