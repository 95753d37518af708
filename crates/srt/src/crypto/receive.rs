//! Keys of what we receive. The peer may bring new ones at any time; none that we cannot open changes anything.

use super::{Cipher, Pair, Passphrase, Wrapping};
use crate::packet::{KeyMaterial, Parity};
use crate::{Error, Sequence};

/// The keys, and what it takes to open the next ones.
pub(crate) struct ReceiveKeys {
    passphrase: Passphrase,
    wrapping: Wrapping,
    ciphers: Pair,
}

impl ReceiveKeys {
    pub(super) fn new(passphrase: Passphrase, wrapping: Wrapping) -> Self {
        Self { passphrase, wrapping, ciphers: Pair::default() }
    }

    pub(super) fn install(&mut self, keys: [Option<Vec<u8>>; 2], salt: [u8; 16]) -> Result<(), Error> {
        let [even, odd] = keys;
        for (parity, key) in [(Parity::Even, even), (Parity::Odd, odd)] {
            if let Some(key) = key {
                self.ciphers.set(parity, Some(Cipher::new(&key, salt)?));
            }
        }
        Ok(())
    }

    /// Whether a message can be opened without making the key that opens it anew.
    pub(crate) fn is_cheap(&self, message: &[u8]) -> bool {
        KeyMaterial::decode(message).map_or(true, |message| self.wrapping.fits(&message))
    }

    /// Takes the keys in a message. One with another salt costs a millisecond and is refused unless `dear`.
    pub(crate) fn accept(&mut self, message: &[u8], dear: bool) -> Result<(), Error> {
        let message = KeyMaterial::decode(message)?;
        let fits = self.wrapping.fits(&message);
        if !fits && !dear || message.key_bytes != self.wrapping.key.len() {
            return Err(Error::WrongKey);
        }
        if fits {
            let keys = self.wrapping.open(&message)?;
            return self.install(keys, message.salt);
        }
        let wrapping = Wrapping::new(&self.passphrase, message.salt, message.key_bytes);
        let keys = wrapping.open(&message)?;
        self.wrapping = wrapping;
        self.install(keys, message.salt)
    }

    /// Decrypts a payload; false without the key.
    pub(crate) fn decrypt(&self, parity: Parity, sequence: Sequence, payload: &mut [u8]) -> bool {
        let cipher = self.ciphers.get(parity);
        cipher.map(|cipher| cipher.apply(sequence, payload)).is_some()
    }
}
