//! Key material (draft-sharabayko-srt 3.2.2): the keys of the payload, wrapped with a key made of the passphrase.

use super::Fields;
use crate::Error;

/// Bytes of the salt.
pub(crate) const SALT_BYTES: usize = 16;
/// What the wrapping adds.
const ICV_BYTES: usize = 8;
/// Bytes in front of the salt.
const HEAD_BYTES: usize = 16;

/// A key material message, in its only form: AES-CTR, no authentication, a salt of 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyMaterial<'a> {
    /// Bit 0: the even key is in it; bit 1: the odd one.
    pub keys: u8,
    /// The salt.
    pub salt: [u8; SALT_BYTES],
    /// Bytes of a key: 16, 24 or 32.
    pub key_bytes: usize,
    /// The keys, the even one first, and 8 bytes that the wrapping adds.
    pub wrapped: &'a [u8],
}

/// What a response says instead of repeating the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// It has no passphrase.
    NoSecret,
    /// Its passphrase is another one.
    BadSecret,
    /// Anything else.
    Other(u32),
}

impl KeyState {
    /// The word of a response, where it is no more than that.
    pub fn decode(content: &[u8]) -> Option<Self> {
        let word = u32::from_be_bytes(content.try_into().ok()?);
        Some(match word {
            3 => Self::NoSecret,
            4 => Self::BadSecret,
            other => Self::Other(other),
        })
    }

    /// The word.
    pub fn encode(self) -> [u8; 4] {
        let word = match self {
            Self::NoSecret => 3,
            Self::BadSecret => 4,
            Self::Other(other) => other,
        };
        u32::to_be_bytes(word)
    }
}

impl<'a> KeyMaterial<'a> {
    /// Reads the message; what is behind it is left alone.
    pub fn decode(content: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("key material", content);
        let unsupported = |what, value| Error::Unsupported { what, value };
        // S 0, version 1, packet type 2.
        match fields.u8()? {
            0x12 => {}
            other => return Err(unsupported("key material version", other.into())),
        }
        match fields.u16()? {
            0x2029 => {}
            other => return Err(unsupported("key material signature", other.into())),
        }
        let keys = fields.u8()? & 3;
        if keys == 0 {
            return Err(fields.error("no key"));
        }
        fields.u32()?;
        match (fields.u8()?, fields.u8()?) {
            (2, 0) => {}
            (cipher, authentication) => {
                return Err(unsupported("cipher", u32::from(cipher) << 8 | u32::from(authentication)));
            }
        }
        match fields.u8()? {
            2 => {}
            other => return Err(unsupported("encapsulation", other.into())),
        }
        fields.take(3)?;
        let (salt, key_bytes) = (usize::from(fields.u8()?) * 4, usize::from(fields.u8()?) * 4);
        if salt != SALT_BYTES {
            return Err(unsupported("salt length", salt as u32));
        }
        if !matches!(key_bytes, 16 | 24 | 32) {
            return Err(unsupported("key length", key_bytes as u32));
        }
        let salt = fields.block()?;
        let wrapped = fields.take(keys.count_ones() as usize * key_bytes + ICV_BYTES)?;
        Ok(Self { keys, salt, key_bytes, wrapped })
    }

    /// The message.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + SALT_BYTES + self.wrapped.len());
        bytes.extend([0x12, 0x20, 0x29, self.keys & 3, 0, 0, 0, 0, 2, 0, 2, 0, 0, 0]);
        bytes.extend([(SALT_BYTES / 4) as u8, (self.key_bytes / 4) as u8]);
        bytes.extend(self.salt);
        bytes.extend(self.wrapped);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_keys_of_each_length() {
        for (keys, count) in [(1, 1), (2, 1), (3, 2)] {
            for key_bytes in [16, 24, 32] {
                let wrapped = vec![7; count * key_bytes + 8];
                let message = KeyMaterial { keys, salt: [9; 16], key_bytes, wrapped: &wrapped };
                let bytes = message.encode();
                assert_eq!(KeyMaterial::decode(&bytes), Ok(message));
                for len in 0..bytes.len() {
                    assert!(KeyMaterial::decode(&bytes[..len]).is_err());
                }
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let wrapped = [0; 24];
        let good = KeyMaterial { keys: 1, salt: [9; 16], key_bytes: 16, wrapped: &wrapped }.encode();
        for (at, value) in [(0, 0x22), (1, 0), (3, 0), (8, 3), (9, 1), (10, 1), (14, 3), (15, 5)] {
            let mut bytes = good.clone();
            bytes[at] = value;
            assert!(KeyMaterial::decode(&bytes).is_err(), "byte {at}");
        }
    }

    #[test]
    fn states() {
        for state in [KeyState::NoSecret, KeyState::BadSecret, KeyState::Other(1)] {
            assert_eq!(KeyState::decode(&state.encode()), Some(state));
        }
        assert_eq!(KeyState::decode(&[0; 8]), None);
    }
}
