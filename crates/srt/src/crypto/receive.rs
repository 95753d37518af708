//! Keys of what we receive. The peer may bring new ones at any time; none that we cannot open changes anything.

use super::{Cipher, Pair, Passphrase, Wrapping};
use crate::packet::{KeyMaterial, Parity};
use crate::{Error, Sequence};

/// The keys, and what it takes to open the next ones.
pub(crate) struct ReceiveKeys {
    passphrase: Passphrase,
    wrapping: Wrapping,
    ciphers: Pair,
    /// The keys, even and odd, to know a new one by, and the first packet that it can be of.
    known: [Known; 2],
}

#[derive(Default)]
struct Known {
    key: Vec<u8>,
    first: Option<Sequence>,
}

impl ReceiveKeys {
    pub(super) fn new(passphrase: Passphrase, wrapping: Wrapping) -> Self {
        Self { passphrase, wrapping, ciphers: Pair::default(), known: <[Known; 2]>::default() }
    }

    /// Takes keys. A new one in the place of another is that of packets from `first` on: nothing before can be encrypted
    /// with it, and what is not authenticated would be noise.
    pub(super) fn install(
        &mut self,
        keys: [Option<Vec<u8>>; 2],
        salt: [u8; 16],
        first: Option<Sequence>,
    ) -> Result<(), Error> {
        let parities = [Parity::Even, Parity::Odd].into_iter();
        for ((parity, key), known) in parities.zip(keys).zip(&mut self.known) {
            if let Some(key) = key {
                self.ciphers.set(parity, Some(Cipher::new(&key, salt)?));
                if known.key != key {
                    *known = Known { key, first };
                }
            }
        }
        Ok(())
    }

    /// Whether a message can be opened without making the key that opens it anew.
    pub(crate) fn is_cheap(&self, message: &[u8]) -> bool {
        KeyMaterial::decode(message).map_or(true, |message| self.wrapping.fits(&message))
    }

    /// Takes the keys in a message, for packets from `first` on. One with another salt costs a millisecond and is refused
    /// unless `dear`.
    pub(crate) fn accept(&mut self, message: &[u8], dear: bool, first: Sequence) -> Result<(), Error> {
        let message = KeyMaterial::decode(message)?;
        let fits = self.wrapping.fits(&message);
        if !fits && !dear || message.key_bytes != self.wrapping.key.len() {
            return Err(Error::WrongKey);
        }
        if fits {
            let keys = self.wrapping.open(&message)?;
            return self.install(keys, message.salt, Some(first));
        }
        let wrapping = Wrapping::new(&self.passphrase, message.salt, message.key_bytes);
        let keys = wrapping.open(&message)?;
        self.wrapping = wrapping;
        self.install(keys, message.salt, Some(first))
    }

    /// Decrypts a payload; false without the key. Nothing before `next` is wanted any more.
    pub(crate) fn decrypt(
        &mut self,
        parity: Parity,
        sequence: Sequence,
        next: Sequence,
        payload: &mut [u8],
    ) -> bool {
        let [even, odd] = &mut self.known;
        let known = if parity == Parity::Even { even } else { odd };
        // It is forgotten in time, for numbers wrap.
        known.first = known.first.filter(|first| next.since(*first) < 0);
        if known.first.is_some_and(|first| sequence.since(first) < 0) {
            return false;
        }
        let cipher = self.ciphers.get(parity);
        cipher.map(|cipher| cipher.apply(sequence, payload)).is_some()
    }
}
