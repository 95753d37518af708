//! Play tokens: who has one may play a stream until it expires. They are made with a key that the stream knows, and nothing about
//! them is kept.
//!
//! A token is base64url of a version, what it is bound to, the Unix time of its end, and HMAC-SHA256 (RFC 2104) over these and
//! what it is bound to, which it does not say itself.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::code::{Address, Code};
use crate::config::{PlayAuth, Secret};
use crate::service::Service;

/// What is signed begins so: a key that signs other things too signs no token by that.
const CONTEXT: &[u8] = b"rillcast play token\0";
/// The first byte of a token.
const VERSION: u8 = 1;
/// It is for one rendition.
const RENDITION: u8 = 1;
/// It is for one client address.
const ADDRESS: u8 = 2;
/// Version, bindings and time.
const HEAD_BYTES: usize = 10;
/// Characters of a token: those of its head and of 32 bytes of HMAC.
const CHARACTERS: usize = 56;

/// What a token is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grant {
    /// The stream.
    pub code: Code,
    /// The rendition that may be played; none: all.
    pub rendition: Option<String>,
    /// Where its client comes from; none: anywhere.
    pub client: Option<IpAddr>,
    /// When it ends, to the second.
    pub expires: SystemTime,
}

/// Why somebody may not play. Nothing of a token is in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlayDenied {
    /// No token was given.
    #[error("this stream is played with a token")]
    NoToken,
    /// It was not made with a key of this stream, or for something else, or for another client.
    #[error("the play token is none for this")]
    Wrong,
    /// Its time is over.
    #[error("the play token has expired")]
    Expired,
}

impl Grant {
    /// Makes a token with a key.
    pub fn token(&self, key: &Secret) -> String {
        let seconds = self.expires.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let bound = if self.rendition.is_some() { RENDITION } else { 0 }
            | if self.client.is_some() { ADDRESS } else { 0 };
        let mut token = vec![VERSION, bound];
        token.extend(seconds.to_be_bytes());
        let signed = signed(&token, self.code.as_str(), self.rendition.as_deref(), self.client);
        let signature = hmac::sign(&hmac_key(key), &signed);
        token.extend_from_slice(signature.as_ref());
        URL_SAFE_NO_PAD.encode(token)
    }
}

fn hmac_key(key: &Secret) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.reveal().as_bytes())
}

/// What is signed: each part ends with a zero, which none has in it.
fn signed(head: &[u8], code: &str, rendition: Option<&str>, client: Option<IpAddr>) -> Vec<u8> {
    let client = client.map(|client| client.to_canonical().to_string()).unwrap_or_default();
    let mut signed = [CONTEXT, head].concat();
    for part in [code, rendition.unwrap_or_default(), &client] {
        signed.extend_from_slice(part.as_bytes());
        signed.push(0);
    }
    signed
}

/// Whether a token made with one of these keys lets this client play what it addresses at `now`.
pub(crate) fn check(
    keys: &[Secret],
    token: Option<&str>,
    address: &Address,
    client: IpAddr,
    now: SystemTime,
) -> Result<(), PlayDenied> {
    let token = token.ok_or(PlayDenied::NoToken)?;
    if token.len() != CHARACTERS {
        return Err(PlayDenied::Wrong);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| PlayDenied::Wrong)?;
    let (head, signature) = bytes.split_at_checked(HEAD_BYTES).ok_or(PlayDenied::Wrong)?;
    let Some((&[VERSION, bound], seconds)) = head.split_first_chunk::<2>() else {
        return Err(PlayDenied::Wrong);
    };
    let seconds = u64::from_be_bytes(*seconds.first_chunk().ok_or(PlayDenied::Wrong)?);
    let rendition = match bound & RENDITION {
        0 => None,
        _ => Some(address.rendition.as_deref().ok_or(PlayDenied::Wrong)?),
    };
    let client = (bound & ADDRESS != 0).then_some(client);
    let signed = signed(head, address.code.as_str(), rendition, client);
    // In constant time, and all of them.
    let good = keys.iter().filter(|key| hmac::verify(&hmac_key(key), &signed, signature).is_ok()).count();
    if good == 0 {
        return Err(PlayDenied::Wrong);
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    if now < seconds { Ok(()) } else { Err(PlayDenied::Expired) }
}

impl Service {
    /// Whether a client may play what an address names, by the token that it gave. A stream that does not run is nobody's
    /// secret: that is told later.
    ///
    /// # Errors
    /// Why not.
    pub fn may_play(&self, address: &Address, token: Option<&str>, client: IpAddr) -> Result<(), PlayDenied> {
        match self.play_keys(&address.code) {
            Some(keys) => check(&keys, token, address, client, SystemTime::now()),
            None => Ok(()),
        }
    }

    /// The keys with which tokens of a stream are made, the newest first; none where it needs none, or does not run. Empty:
    /// it needs one, and none can be made.
    pub fn play_keys(&self, code: &Code) -> Option<Vec<Secret>> {
        let stream = self.config(code)?;
        stream.play_keys(&self.play_auth())
    }

    /// Replaces what holds for streams that say nothing of their own. Who plays over a connection stays.
    pub fn set_play_auth(&self, play_auth: PlayAuth) {
        *self.default_play_auth() = play_auth;
    }

    fn play_auth(&self) -> PlayAuth {
        self.default_play_auth().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Secret {
        Secret::new(text)
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn grant(rendition: Option<&str>, client: Option<&str>) -> Grant {
        Grant {
            code: "region/news".parse().expect("a code"),
            rendition: rendition.map(str::to_owned),
            client: client.map(|client| client.parse().expect("an address")),
            expires: at(1000),
        }
    }

    fn checked(token: &str, address: &str, client: &str, now: u64) -> Result<(), PlayDenied> {
        let keys = [key("new"), key("old")];
        let client = client.parse().expect("an address");
        check(&keys, Some(token), &address.parse().expect("an address"), client, at(now))
    }

    #[test]
    fn a_token_is_for_its_stream_until_its_end_with_any_key_of_it() {
        for made_with in ["new", "old"] {
            let token = grant(None, None).token(&key(made_with));
            assert_eq!(token.len(), CHARACTERS);
            assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
            assert_eq!(checked(&token, "region/news", "192.0.2.1", 999), Ok(()));
            assert_eq!(checked(&token, "region/news@hd", "::1", 0), Ok(()));
            assert_eq!(checked(&token, "region/news", "192.0.2.1", 1000), Err(PlayDenied::Expired));
            assert_eq!(checked(&token, "region/new", "192.0.2.1", 1), Err(PlayDenied::Wrong));
        }
        let other = grant(None, None).token(&key("other"));
        assert_eq!(checked(&other, "region/news", "192.0.2.1", 1), Err(PlayDenied::Wrong));
        let address = "news".parse().expect("an address");
        let nobody = "::1".parse().expect("an address");
        assert_eq!(check(&[], None, &address, nobody, at(0)), Err(PlayDenied::NoToken));
        assert_eq!(check(&[], Some(&other), &address, nobody, at(0)), Err(PlayDenied::Wrong));
    }

    #[test]
    fn what_it_is_bound_to_counts() {
        let token = grant(Some("hd"), None).token(&key("new"));
        assert_eq!(checked(&token, "region/news@hd", "::1", 1), Ok(()));
        for address in ["region/news", "region/news@sd"] {
            assert_eq!(checked(&token, address, "::1", 1), Err(PlayDenied::Wrong), "{address}");
        }
        let token = grant(None, Some("192.0.2.1")).token(&key("new"));
        assert_eq!(checked(&token, "region/news", "::ffff:192.0.2.1", 1), Ok(()));
        assert_eq!(checked(&token, "region/news", "192.0.2.2", 1), Err(PlayDenied::Wrong));
    }

    #[test]
    fn no_byte_of_a_token_can_be_another() {
        let token = grant(None, Some("192.0.2.1")).token(&key("new"));
        for place in 0..token.len() {
            for other in ["A", "B", "-", "é", "="] {
                let changed = format!("{}{other}{}", &token[..place], &token[place + 1..]);
                if changed != token {
                    let checked = checked(&changed, "region/news", "192.0.2.1", 1);
                    assert_eq!(checked, Err(PlayDenied::Wrong), "{place}");
                }
            }
        }
        for wrong in ["", "x", &token[1..], &format!("{token}A")] {
            assert_eq!(checked(wrong, "region/news", "192.0.2.1", 1), Err(PlayDenied::Wrong));
        }
    }
}
