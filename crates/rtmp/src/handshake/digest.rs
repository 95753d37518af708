//! Digests in C1, S1 and S2, as Flash Player 9 and Flash Media Server 3 introduced them.
//!
//! Not in RTMP 1.0; known from what players, servers and encoders do. A digest is an HMAC-SHA256 of the whole block
//! without the 32 bytes of the digest itself. Its place depends on four bytes of the block: their sum modulo 728
//! counts from behind those four.

use aws_lc_rs::hmac;

use super::SIZE;

const DIGEST: usize = 32;
/// Each half of the block has 764 bytes: 4 for the offset, 728 places, 32 for a digest at the last place.
const PLACES: usize = 764 - 4 - DIGEST;

/// Half a sentence that both sides sign with, each its own, and 32 bytes that both append when answering a digest.
const CLIENT_KEY: &[u8] = b"Genuine Adobe Flash Player 001";
const SERVER_KEY: &[u8] = b"Genuine Adobe Flash Media Server 001";
const COMMON_KEY: [u8; 32] = [
    0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e,
    0xec, 0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];

/// Which half of the block has the digest; the other has a Diffie-Hellman key that only RTMPE uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// In the first half, its offset at byte 8.
    First,
    /// In the second half, its offset at byte 772.
    Second,
}

impl Scheme {
    fn place(self, block: &[u8]) -> usize {
        let base = match self {
            Self::First => 8,
            Self::Second => 8 + 764,
        };
        let sum: usize = block[base..base + 4].iter().map(|&byte| usize::from(byte)).sum();
        base + 4 + sum % PLACES
    }
}

/// `len` bytes that nobody can tell from random ones without knowing `seed`.
pub(super) fn expand(seed: &[u8], len: usize) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
    let blocks = (0u32..).flat_map(|count| hmac::sign(&key, &count.to_be_bytes()).as_ref().to_vec());
    blocks.take(len).collect()
}

/// The scheme and digest of a client's C1; none where C1 has no valid digest.
pub(super) fn find(c1: &[u8]) -> Option<(Scheme, [u8; DIGEST])> {
    [Scheme::Second, Scheme::First].into_iter().find_map(|scheme| {
        let place = scheme.place(c1);
        let theirs = c1[place..].first_chunk::<DIGEST>()?;
        (sign(CLIENT_KEY, c1, place) == theirs[..]).then_some((scheme, *theirs))
    })
}

/// Puts the server's digest into S1.
pub(super) fn hide(scheme: Scheme, s1: &mut [u8]) {
    hide_with(SERVER_KEY, scheme, s1);
}

/// S2: the last 32 bytes sign the others, with a key that comes from the client's digest.
pub(super) fn answer(theirs: &[u8; DIGEST], mut s2: Vec<u8>) -> Vec<u8> {
    let signature = sign_answer(SERVER_KEY, theirs, &s2);
    s2[SIZE - DIGEST..].copy_from_slice(&signature);
    s2
}

fn hide_with(key: &[u8], scheme: Scheme, block: &mut [u8]) {
    let place = scheme.place(block);
    let digest = sign(key, block, place);
    block[place..place + DIGEST].copy_from_slice(&digest);
}

fn sign(key: &[u8], block: &[u8], place: usize) -> Vec<u8> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(&block[..place]);
    context.update(&block[place + DIGEST..]);
    context.sign().as_ref().to_vec()
}

fn sign_answer(key: &[u8], theirs: &[u8], block: &[u8]) -> Vec<u8> {
    let long = hmac::Key::new(hmac::HMAC_SHA256, &[key, &COMMON_KEY].concat());
    let once = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&long, theirs).as_ref());
    hmac::sign(&once, &block[..SIZE - DIGEST]).as_ref().to_vec()
}

#[cfg(test)]
pub(super) fn hide_as_client(scheme: Scheme, c1: &mut [u8]) {
    hide_with(CLIENT_KEY, scheme, c1);
}

/// What a strict client checks.
#[cfg(test)]
pub(super) fn is_valid_reply(scheme: Scheme, c1: &[u8], s1: &[u8], s2: &[u8]) -> bool {
    let place = scheme.place(s1);
    let ours = scheme.place(c1);
    sign(SERVER_KEY, s1, place) == s1[place..place + DIGEST]
        && sign_answer(SERVER_KEY, &c1[ours..ours + DIGEST], s2) == s2[SIZE - DIGEST..]
}
