//! Keys of what we send, and when another takes their place (draft-sharabayko-srt 6.1.6).

use super::{Cipher, Pair, Wrapping, new_key};
use crate::packet::Parity;
use crate::random::Random;
use crate::{Error, Sequence};

/// After how many packets the key is replaced, and how many before that the next one is announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refresh {
    /// Packets that are encrypted with one key.
    pub packets: u64,
    /// Packets before the change at which the next key is announced, and after it at which the old one is forgotten.
    pub announce: u64,
}

impl Default for Refresh {
    fn default() -> Self {
        Self { packets: 1 << 24, announce: 1 << 12 }
    }
}

/// The keys, and the message that tells the peer of them.
pub(crate) struct SendKeys {
    wrapping: Wrapping,
    active: Parity,
    ciphers: Pair,
    /// The active key, and the other one where the peer is or was told of it.
    secret: Vec<u8>,
    other: Option<Vec<u8>>,
    message: Vec<u8>,
    encrypted: u64,
    phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// One key.
    Single,
    /// The next key was announced; the peer has not answered yet.
    Announced,
    /// The peer has both keys.
    Confirmed,
    /// The next key is in use, and the old one is still in the message.
    Changed,
}

impl SendKeys {
    pub(super) fn new(wrapping: Wrapping, active: Parity, secret: Vec<u8>) -> Result<Self, Error> {
        let mut ciphers = Pair::default();
        ciphers.set(active, Some(Cipher::new(&secret, wrapping.salt)?));
        let mut keys = Self {
            wrapping,
            active,
            ciphers,
            secret,
            other: None,
            message: Vec::new(),
            encrypted: 0,
            phase: Phase::Single,
        };
        keys.write_message()?;
        Ok(keys)
    }

    /// The key material message.
    pub(crate) fn message(&self) -> Vec<u8> {
        self.message.clone()
    }

    fn write_message(&mut self) -> Result<(), Error> {
        let (active, other) = (Some(&self.secret[..]), self.other.as_deref());
        self.message = match self.active {
            Parity::Even => self.wrapping.message(active, other)?,
            Parity::Odd => self.wrapping.message(other, active)?,
        };
        Ok(())
    }

    /// Encrypts a payload, and says with which key.
    pub(crate) fn encrypt(&mut self, sequence: Sequence, payload: &mut [u8]) -> Parity {
        if let Some(cipher) = self.ciphers.get(self.active) {
            cipher.apply(sequence, payload);
        }
        self.encrypted += 1;
        self.active
    }

    /// Goes on with the change of keys; says whether the message is to be sent now, and again until it is confirmed.
    ///
    /// `oldest` is the key of the oldest packet that may be sent again: no new key takes its place before.
    pub(crate) fn refresh(
        &mut self,
        refresh: Refresh,
        oldest: Option<Parity>,
        random: &mut Random,
    ) -> Result<bool, Error> {
        let announce = refresh.announce.min(refresh.packets / 2);
        match self.phase {
            Phase::Single
                if self.encrypted >= refresh.packets - announce && oldest != Some(self.active.other()) =>
            {
                let key = new_key(random, self.secret.len());
                self.ciphers.set(self.active.other(), Some(Cipher::new(&key, self.wrapping.salt)?));
                self.other = Some(key);
                self.phase = Phase::Announced;
                self.write_message()?;
                return Ok(true);
            }
            Phase::Confirmed if self.encrypted >= refresh.packets => {
                self.active = self.active.other();
                if let Some(other) = &mut self.other {
                    std::mem::swap(&mut self.secret, other);
                }
                self.encrypted = 0;
                self.phase = Phase::Changed;
            }
            // What was encrypted with the old key is kept as it is, so nothing needs that key any more.
            Phase::Changed if self.encrypted >= announce => {
                self.ciphers.set(self.active.other(), None);
                self.other = None;
                self.phase = Phase::Single;
                self.write_message()?;
            }
            _ => {}
        }
        Ok(false)
    }

    /// Whether the peer has yet to confirm the message.
    pub(crate) fn is_waiting(&self) -> bool {
        self.phase == Phase::Announced
    }

    /// The peer repeated a message: ours, if it has the keys.
    pub(crate) fn confirm(&mut self, message: &[u8]) {
        if self.is_waiting() && message == self.message {
            self.phase = Phase::Confirmed;
        }
    }

    #[cfg(test)]
    pub(crate) fn active(&self) -> Parity {
        self.active
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Crypto, KeyLength, Passphrase};
    use super::*;

    #[test]
    fn keys_change_once_the_peer_has_them() {
        let secret = Passphrase::new("correct horse").expect("a good one");
        let mut random = Random::new([1; 32]);
        let mut crypto = Crypto::generate(&secret, KeyLength::Aes256, &mut random).expect("keys");
        let mut peer = Crypto::adopt(&secret, &crypto.send.message()).expect("keys");
        let refresh = Refresh { packets: 10, announce: 3 };
        let mut changes = Vec::new();
        for number in 0..60 {
            if crypto.send.refresh(refresh, None, &mut random).expect("keys") {
                changes.push((number, crypto.send.active()));
            }
            // The answer comes late at one time.
            if crypto.send.is_waiting() && number != 8 && !(27..40).contains(&number) {
                let message = crypto.send.message();
                assert_eq!(peer.receive.accept(&message, true, Sequence::new(number)), Ok(()));
                crypto.send.confirm(&message);
            }
            let mut payload = vec![7; 100];
            let parity = crypto.send.encrypt(Sequence::new(number), &mut payload);
            assert!(peer.receive.decrypt(parity, Sequence::new(number), Sequence::new(0), &mut payload));
            assert_eq!(payload, vec![7; 100]);
            // An old packet in whose key's place there is another by now.
            assert_eq!(
                peer.receive.decrypt(Parity::Even, Sequence::new(0), Sequence::new(0), &mut payload),
                number < 17
            );
        }
        assert_eq!(
            changes,
            [(7, Parity::Even), (17, Parity::Odd), (27, Parity::Even), (48, Parity::Odd), (58, Parity::Even)]
        );
    }
}
