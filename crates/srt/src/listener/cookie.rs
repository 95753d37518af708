//! Cookies: a keyed hash of who sends, so that whoever brings one back receives what is sent to that address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

/// How long one secret makes cookies. The one before it is accepted as well.
const PERIOD: Duration = Duration::from_secs(60);

/// The secrets, each made of the first and the number of its minute.
pub(super) struct Cookies {
    key: Key,
}

impl Cookies {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self { key: Key::new(HMAC_SHA256, &secret) }
    }

    /// The cookie for an address.
    pub(super) fn make(&self, now: Duration, from: SocketAddr) -> u32 {
        self.cookie(now.as_secs() / PERIOD.as_secs(), from)
    }

    /// Whether a cookie was made for that address a minute or two ago at most.
    pub(super) fn is_right(&self, now: Duration, from: SocketAddr, cookie: u32) -> bool {
        let minute = now.as_secs() / PERIOD.as_secs();
        let mut minutes = [Some(minute), minute.checked_sub(1)].into_iter().flatten();
        minutes.any(|minute| self.cookie(minute, from) == cookie)
    }

    fn cookie(&self, minute: u64, from: SocketAddr) -> u32 {
        let secret = Key::new(HMAC_SHA256, sign(&self.key, &minute.to_be_bytes()).as_ref());
        let address = match from.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let tag = sign(&secret, &[&address.octets()[..], &from.port().to_be_bytes()].concat());
        tag.as_ref().first_chunk().copied().map_or(0, u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_of_one_address_and_not_for_ever() {
        let (one, other) = ("10.0.0.1:5000".parse().unwrap(), "10.0.0.1:5001".parse().unwrap());
        let cookies = Cookies::new([7; 32]);
        let at = Duration::from_secs(119);
        let cookie = cookies.make(at, one);
        assert_ne!(cookie, cookies.make(at, other));
        assert_ne!(cookie, Cookies::new([8; 32]).make(at, one));
        assert!(cookies.is_right(at, one, cookie) && !cookies.is_right(at, other, cookie));
        assert!(cookies.is_right(Duration::from_secs(179), one, cookie));
        assert!(!cookies.is_right(Duration::from_secs(180), one, cookie));
    }
}
