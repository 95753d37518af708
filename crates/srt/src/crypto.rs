//! Encryption (draft-sharabayko-srt 6): a key encrypting key from the passphrase, keys of the payload wrapped with it, and
//! AES in counter mode over the payload.

mod receive;
mod send;
mod wrap;

pub(crate) use receive::ReceiveKeys;
pub use send::Refresh;
pub(crate) use send::SendKeys;

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;

use crate::packet::{KeyMaterial, Parity};
use crate::random::Random;
use crate::{Error, Sequence};

/// Rounds of PBKDF2 (6.1.4).
const ROUNDS: NonZeroU32 = NonZeroU32::new(2048).expect("not zero");

/// What both sides know: 10 to 79 bytes. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Arc<str>);

impl Passphrase {
    /// Fails unless it has 10 to 79 bytes.
    pub fn new(text: &str) -> Result<Self, Error> {
        match text.len() {
            10..=79 => Ok(Self(text.into())),
            other => Err(Error::Passphrase(other)),
        }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// How long the keys are. Who calls chooses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum KeyLength {
    /// AES-128.
    #[default]
    Aes128,
    /// AES-192.
    Aes192,
    /// AES-256.
    Aes256,
}

impl KeyLength {
    /// Bytes of a key.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// The algorithm for keys of that length; none has another.
fn algorithm(key: &[u8]) -> Result<&'static Algorithm, Error> {
    match key.len() {
        16 => Ok(&AES_128),
        24 => Ok(&AES_192),
        32 => Ok(&AES_256),
        other => Err(Error::Unsupported { what: "key length", value: other as u32 }),
    }
}

fn unbound(key: &[u8]) -> Result<UnboundCipherKey, Error> {
    // It fails for the length alone, which fits.
    UnboundCipherKey::new(algorithm(key)?, key).map_err(|_| Error::WrongKey)
}

/// The key that wraps keys, and the salt that it was made with.
#[derive(Clone)]
pub(crate) struct Wrapping {
    salt: [u8; 16],
    key: Vec<u8>,
}

impl Wrapping {
    /// Takes about a millisecond.
    pub(crate) fn new(passphrase: &Passphrase, salt: [u8; 16], key_bytes: usize) -> Self {
        let mut key = vec![0; key_bytes];
        let [.., a, b, c, d, e, f, g, h] = salt;
        let half = [a, b, c, d, e, f, g, h];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA1, ROUNDS, &half, passphrase.0.as_bytes(), &mut key);
        Self { salt, key }
    }

    /// The key material message of these keys.
    fn message(&self, even: Option<&[u8]>, odd: Option<&[u8]>) -> Result<Vec<u8>, Error> {
        let keys = u8::from(even.is_some()) | u8::from(odd.is_some()) << 1;
        let plain = [even.unwrap_or_default(), odd.unwrap_or_default()].concat();
        let wrapped = wrap::wrap(&self.key, &plain)?;
        Ok(KeyMaterial { keys, salt: self.salt, key_bytes: self.key.len(), wrapped: &wrapped }.encode())
    }

    fn fits(&self, message: &KeyMaterial<'_>) -> bool {
        self.salt == message.salt && self.key.len() == message.key_bytes
    }

    /// The keys in a message: even, odd.
    fn open(&self, message: &KeyMaterial<'_>) -> Result<[Option<Vec<u8>>; 2], Error> {
        let plain = wrap::unwrap(&self.key, message.wrapped)?;
        let mut keys = plain.chunks_exact(message.key_bytes).map(<[u8]>::to_vec);
        let even = if message.keys & 1 != 0 { keys.next() } else { None };
        let odd = if message.keys & 2 != 0 { keys.next() } else { None };
        Ok([even, odd])
    }
}

/// One key of the payload, ready for use.
struct Cipher {
    key: EncryptingKey,
    salt: [u8; 16],
}

impl Cipher {
    fn new(key: &[u8], salt: [u8; 16]) -> Result<Self, Error> {
        let key = EncryptingKey::ctr(unbound(key)?).map_err(|_| Error::WrongKey)?;
        Ok(Self { key, salt })
    }

    /// Encrypts or decrypts; the same in counter mode (6.2.2).
    fn apply(&self, sequence: Sequence, payload: &mut [u8]) {
        // The last two bytes count the blocks of a packet; the four before them have the number of the packet mixed in.
        let salt = u128::from_be_bytes(self.salt) & !0xffff;
        let counter = salt ^ u128::from(sequence.get()) << 16;
        let context = EncryptionContext::Iv128(FixedLength::from(counter.to_be_bytes()));
        // It fails for a context of the wrong kind alone.
        let _ = self.key.less_safe_encrypt(payload, context);
    }
}

/// The two keys of one direction.
#[derive(Default)]
struct Pair {
    even: Option<Cipher>,
    odd: Option<Cipher>,
}

impl Pair {
    fn get(&self, parity: Parity) -> Option<&Cipher> {
        match parity {
            Parity::Even => self.even.as_ref(),
            Parity::Odd => self.odd.as_ref(),
        }
    }

    fn set(&mut self, parity: Parity, cipher: Option<Cipher>) {
        match parity {
            Parity::Even => self.even = cipher,
            Parity::Odd => self.odd = cipher,
        }
    }
}

/// The keys of both directions of a connection.
pub(crate) struct Crypto {
    pub(crate) send: SendKeys,
    pub(crate) receive: ReceiveKeys,
}

impl Crypto {
    /// The caller's: it makes the key, the same one for both directions (6.1.5).
    pub(crate) fn generate(
        passphrase: &Passphrase,
        length: KeyLength,
        random: &mut Random,
    ) -> Result<Self, Error> {
        let wrapping = Wrapping::new(passphrase, random.salt(), length.bytes());
        let key = new_key(random, length.bytes());
        let mut receive = ReceiveKeys::new(passphrase.clone(), wrapping.clone());
        receive.install([Some(key.clone()), None], wrapping.salt, None)?;
        Ok(Self { send: SendKeys::new(wrapping, Parity::Even, key)?, receive })
    }

    /// The listener's: it takes the key and the length of the caller.
    pub(crate) fn adopt(passphrase: &Passphrase, message: &[u8]) -> Result<Self, Error> {
        let message = KeyMaterial::decode(message)?;
        let wrapping = Wrapping::new(passphrase, message.salt, message.key_bytes);
        let keys = wrapping.open(&message)?;
        let mut receive = ReceiveKeys::new(passphrase.clone(), wrapping.clone());
        receive.install(keys.clone(), wrapping.salt, None)?;
        let send = match keys {
            [Some(key), _] => SendKeys::new(wrapping, Parity::Even, key)?,
            [None, Some(key)] => SendKeys::new(wrapping, Parity::Odd, key)?,
            [None, None] => return Err(Error::WrongKey),
        };
        Ok(Self { send, receive })
    }
}

fn new_key(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut key = random.block().to_vec();
    key.truncate(bytes);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text).expect("a good one")
    }

    #[test]
    fn passphrases_have_a_length_and_are_not_printed() {
        assert_eq!(Passphrase::new("123456789"), Err(Error::Passphrase(9)));
        assert!(Passphrase::new(&"x".repeat(79)).is_ok());
        assert_eq!(Passphrase::new(&"x".repeat(80)), Err(Error::Passphrase(80)));
        assert_eq!(format!("{:?}", passphrase("0123456789")), "***");
    }

    #[test]
    fn the_listener_adopts_key_and_length() {
        for length in [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256] {
            let secret = passphrase("correct horse");
            let mut caller = Crypto::generate(&secret, length, &mut Random::new([3; 32])).expect("keys");
            let message = caller.send.message();
            let mut listener = Crypto::adopt(&secret, &message).expect("opened");
            assert_eq!(listener.send.message(), message);
            let wrong = Crypto::adopt(&passphrase("battery staple"), &message);
            assert_eq!(wrong.err(), Some(Error::WrongKey));

            let sequence = Sequence::new(u32::MAX);
            for (from, to) in [(&mut caller, 1), (&mut listener, 0)] {
                let mut payload = vec![to; 1316];
                let parity = from.send.encrypt(sequence, &mut payload);
                assert_ne!(payload, vec![to; 1316]);
                assert!(from.receive.decrypt(parity, sequence, sequence, &mut payload));
                assert_eq!(payload, vec![to; 1316]);
                assert!(!from.receive.decrypt(parity.other(), sequence, sequence, &mut payload));
            }
        }
    }

    #[test]
    fn the_counter_is_salt_and_number() {
        // Two payloads that differ by their number alone share no block.
        let cipher = Cipher::new(&[1; 16], [2; 16]).expect("a key");
        let (mut one, mut other) = ([0; 64], [0; 64]);
        cipher.apply(Sequence::new(1), &mut one);
        cipher.apply(Sequence::new(2), &mut other);
        assert!(one.chunks(16).all(|block| !other.chunks(16).any(|found| found == block)));
        // AES-128 of 02..02 with the number in bytes 10 to 13 and the block in the last two, from the block cipher alone.
        let ecb = EncryptingKey::ecb(unbound(&[1; 16]).expect("a key")).expect("a key");
        let mut counters = [2_u8; 32];
        for (block, bytes) in counters.chunks_mut(16).enumerate() {
            bytes[13] ^= 1;
            bytes[14..].copy_from_slice(&(block as u16).to_be_bytes());
        }
        ecb.less_safe_encrypt(&mut counters, EncryptionContext::None).expect("whole blocks");
        assert_eq!(one[..32], counters);
    }
}
