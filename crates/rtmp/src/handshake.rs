//! The handshake (RTMP 1.0 5.2): the server's side, plain and with digests, and [the client's](Client), plain.
//!
//! ```text
//! client   C0 version | C1 time, 0 or version, 1528 random bytes |  C2 echo of S1
//! server                      S0 version | S1 like C1 | S2 echo of C1
//! ```
//!
//! A client that names its own version in C1 hides an HMAC-SHA256 in it and may insist on finding one in S1 and S2:
//! Flash Player did since version 9, ffmpeg still does. Where it hides is one of two [schemes](Scheme).

mod client;
mod digest;

use crate::Error;

pub use client::Client;
pub use digest::Scheme;

/// Length of C1, S1, C2 and S2.
pub const SIZE: usize = 1536;

/// `version` in C0 and S0. Versions 6, 8 and 9 are the encrypted ones.
const VERSION: u8 = 3;
/// What S1 states as the server's version in a digest handshake: zero would mean none, and clients look no further.
const SERVER_VERSION: [u8; 4] = [5, 0, 17, 1];
/// First of the values that cannot begin RTMP (5.2.2): printable, so the client speaks a protocol of text.
const FIRST_PRINTABLE: u8 = 32;

/// What the client asked for in C1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No digest, or none that is right.
    Plain,
    /// A digest where this scheme hides it.
    Digest(Scheme),
}

/// The server's side of one handshake: bytes in, the reply out, until C2 is there.
#[derive(Debug)]
pub struct Handshake {
    random: [u8; 32],
    time_ms: u32,
    received: Vec<u8>,
    kind: Option<Kind>,
}

/// How far a handshake got with the bytes it was given.
#[derive(Debug)]
pub enum Progress {
    /// More bytes are needed.
    Wait,
    /// C1 is there and S0, S1 and S2 are to be sent, or S1 is there and C2 is. More bytes may already be waiting.
    Reply(Vec<u8>),
    /// C2 is there, or S2: what follows is chunks.
    Done,
}

impl Handshake {
    /// `random` is 32 unpredictable bytes, from which all that looks random in the reply is made; `time_ms` is the
    /// zero of our timestamps.
    pub fn new(random: [u8; 32], time_ms: u32) -> Self {
        Self { random, time_ms, received: Vec::new(), kind: None }
    }

    /// What the client asked for, once C1 is there.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Takes bytes from the front of `input`, up to the end of C1 or of C2.
    ///
    /// Fails on a version that is not RTMP's. C2 is not compared with S1: old encoders fill it with anything.
    pub fn advance(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        let wanted = if self.kind.is_some() { SIZE } else { 1 + SIZE };
        let taken = input.split_off(..input.len().min(wanted - self.received.len())).unwrap_or_default();
        self.received.extend_from_slice(taken);
        if self.kind.is_none()
            && let Some(&version) = self.received.first()
        {
            check_version("C0", version)?;
        }
        if self.received.len() < wanted {
            return Ok(Progress::Wait);
        }
        if self.kind.is_some() {
            self.received = Vec::new();
            return Ok(Progress::Done);
        }
        let reply = self.reply();
        self.received.clear();
        Ok(Progress::Reply(reply))
    }

    fn reply(&mut self) -> Vec<u8> {
        let c1 = &self.received[1..];
        let mut s1 = digest::expand(&self.random, SIZE);
        s1[..4].copy_from_slice(&self.time_ms.to_be_bytes());
        s1[4..8].fill(0);
        let s2 = match digest::find(c1) {
            None => {
                self.kind = Some(Kind::Plain);
                let mut echo = c1.to_vec();
                echo[4..8].copy_from_slice(&self.time_ms.to_be_bytes());
                echo
            }
            Some((scheme, theirs)) => {
                self.kind = Some(Kind::Digest(scheme));
                s1[4..8].copy_from_slice(&SERVER_VERSION);
                digest::hide(scheme, &mut s1);
                digest::answer(&theirs, digest::expand(&s1[..32], SIZE))
            }
        };
        let mut reply = Vec::with_capacity(1 + 2 * SIZE);
        reply.push(VERSION);
        reply.extend_from_slice(&s1);
        reply.extend_from_slice(&s2);
        reply
    }
}

fn check_version(what: &'static str, version: u8) -> Result<(), Error> {
    match version {
        // 5.2.2: a server that does not know the version answers with 3, and the client decides.
        0..=5 | 7 | 10..FIRST_PRINTABLE => Ok(()),
        6 | 8 | 9 => Err(Error::Unsupported { what, feature: "RTMPE" }),
        _ => Err(Error::Invalid {
            what,
            field: "version",
            value: version.into(),
            expected: "3 (is this another protocol?)",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(client: &[u8], step: usize) -> Result<(Vec<u8>, Handshake), Error> {
        let mut handshake = Handshake::new([7; 32], 1000);
        let mut reply = Vec::new();
        for mut part in client.chunks(step) {
            while !part.is_empty() {
                match handshake.advance(&mut part)? {
                    Progress::Reply(bytes) => reply = bytes,
                    Progress::Done => return Ok((reply, handshake)),
                    Progress::Wait => {}
                }
            }
        }
        panic!("the handshake did not end");
    }

    fn plain_client() -> Vec<u8> {
        let mut client = vec![3];
        client.extend_from_slice(&[0, 0, 0, 9, 0, 0, 0, 0]);
        client.extend((0..1528u32).map(|index| index as u8));
        client.extend_from_slice(&[0xaa; SIZE]);
        client
    }

    fn digest_client(scheme: Scheme) -> Vec<u8> {
        let mut c1: Vec<u8> = (0..SIZE).map(|index| (index * 31) as u8).collect();
        c1[4..8].copy_from_slice(&[9, 0, 124, 2]);
        digest::hide_as_client(scheme, &mut c1);
        let mut client = vec![3];
        client.extend_from_slice(&c1);
        client.extend_from_slice(&[0; SIZE]);
        client
    }

    #[test]
    fn a_plain_client_gets_its_bytes_back_however_they_were_split() {
        let client = plain_client();
        for step in [1, 2, 1535, 1536, 1537, 3073] {
            let (reply, handshake) = run(&client, step).unwrap();
            assert_eq!(handshake.kind(), Some(Kind::Plain));
            assert_eq!(reply.len(), 1 + 2 * SIZE);
            assert_eq!(reply[..9], [3, 0, 0, 3, 232, 0, 0, 0, 0]);
            assert_eq!(reply[1 + SIZE..][..8], [0, 0, 0, 9, 0, 0, 3, 232]);
            assert_eq!(reply[1 + SIZE + 8..], client[9..1 + SIZE]);
        }
    }

    #[test]
    fn a_digest_client_finds_ours_where_it_looks() {
        for scheme in [Scheme::First, Scheme::Second] {
            let client = digest_client(scheme);
            let (reply, handshake) = run(&client, 700).unwrap();
            assert_eq!(handshake.kind(), Some(Kind::Digest(scheme)));
            assert!(digest::is_valid_reply(scheme, &client[1..=SIZE], &reply[1..=SIZE], &reply[1 + SIZE..]));
        }
    }

    #[test]
    fn a_digest_that_is_wrong_is_answered_plainly() {
        let mut client = digest_client(Scheme::Second);
        client[1500] ^= 1;
        let (reply, handshake) = run(&client, 4000).unwrap();
        assert_eq!(handshake.kind(), Some(Kind::Plain));
        assert_eq!(reply[1 + SIZE + 8..], client[9..1 + SIZE]);
    }

    #[test]
    fn other_protocols_are_refused_at_their_first_byte() {
        let mut handshake = Handshake::new([0; 32], 0);
        let refused = handshake.advance(&mut &b"GET / HTTP/1.1"[..]);
        assert!(matches!(refused, Err(Error::Invalid { what: "C0", value: 71, .. })));
        let refused = Handshake::new([0; 32], 0).advance(&mut &[6u8, 0][..]);
        assert!(matches!(refused, Err(Error::Unsupported { .. })));
    }

    #[test]
    fn chunks_behind_c2_are_left_alone() {
        let mut client = plain_client();
        client.extend_from_slice(b"chunks");
        let mut input = &client[..];
        let mut handshake = Handshake::new([0; 32], 0);
        assert!(matches!(handshake.advance(&mut input), Ok(Progress::Reply(_))));
        assert!(matches!(handshake.advance(&mut input), Ok(Progress::Done)));
        assert_eq!(input, b"chunks");
    }
}
