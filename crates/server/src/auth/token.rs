//! Tokens of the API: 256 bits by chance, of which the file has the hash alone.
//!
//! Passwords need a slow hash because they can be guessed. These cannot, so that SHA-256 says nothing about them.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Role;

/// What every token begins with, so that one that was lost is found by those who look for such things.
const PREFIX: &str = "rillcast_";
/// What a hash begins with in the file.
const ALGORITHM: &str = "sha256:";

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hash([u8; digest::SHA256_OUTPUT_LEN]);

/// A token as the file has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    /// Who has it, for people.
    pub(crate) name: String,
    /// What it hashes to.
    pub(crate) hash: Hash,
    /// What it is for.
    pub(crate) role: Role,
}

/// Makes one, with what it hashes to.
///
/// # Errors
/// The system has no chance to give.
pub(crate) fn make() -> anyhow::Result<(String, Hash)> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| anyhow::anyhow!("the system has no random numbers"))?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = Hash::of(token.as_bytes());
    Ok((token, hash))
}

/// The role of a token, if it is one of these. All are compared, each in constant time.
pub(super) fn role_of(tokens: &[Token], given: &[u8]) -> Option<Role> {
    let given = Hash::of(given);
    tokens.iter().fold(None, |found, token| {
        let same = verify_slices_are_equal(&token.hash.0, &given.0).is_ok();
        if same { Some(token.role) } else { found }
    })
}

impl Hash {
    fn of(token: &[u8]) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest::digest(&digest::SHA256, token).as_ref());
        Self(hash)
    }

    /// From the file: `sha256:` and 64 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(ALGORITHM)?.as_bytes();
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        if digits.len() != 2 * hash.len() {
            return None;
        }
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let mut value = 0;
            for &digit in pair {
                value = value << 4 | char::from(digit).to_digit(16)?;
            }
            *byte = u8::try_from(value).ok()?;
        }
        Some(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_have_the_hash_that_is_told() {
        let ((one, hash), (other, _)) = (make().expect("chance"), make().expect("chance"));
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_eq!(Hash::parse(&hash.to_string()), Some(hash));
        assert_eq!(Hash::of(one.as_bytes()), hash);
    }

    #[test]
    fn the_hash_is_that_of_other_programs() {
        // FIPS 180-4, the example "abc".
        let abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Hash::of(b"abc").to_string(), abc);
        assert_eq!(Hash::parse(&abc.to_uppercase().replace("SHA256", "sha256")), Hash::parse(abc));
        for wrong in ["", "sha256:", "ba78", &abc[..70], &abc.replace("ba", "gx"), &format!("{abc}0")] {
            assert_eq!(Hash::parse(wrong), None, "{wrong}");
        }
    }
}
