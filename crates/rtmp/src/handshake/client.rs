//! The handshake, client's side: plain, which every server takes.

use super::{Progress, SIZE, VERSION, check_version, digest};
use crate::Error;

/// The client's side of one handshake: [`Client::hello`] out, bytes in, the reply out, until S2 is there.
#[derive(Debug, Default)]
pub struct Client {
    received: Vec<u8>,
    replied: bool,
}

impl Client {
    /// Before the first byte of the server.
    pub fn new() -> Self {
        Self::default()
    }

    /// C0 and C1, to be sent at once. `random` is 32 unpredictable bytes from which all that looks random is made;
    /// `time_ms` is the zero of our timestamps.
    pub fn hello(random: &[u8; 32], time_ms: u32) -> Vec<u8> {
        let mut hello = Vec::with_capacity(1 + SIZE);
        hello.push(VERSION);
        hello.extend_from_slice(&time_ms.to_be_bytes());
        hello.extend_from_slice(&[0; 4]);
        hello.extend(digest::expand(random, SIZE - 8));
        hello
    }

    /// Takes bytes from the front of `input`, up to the end of S1, when C2 is to be sent, or of S2.
    ///
    /// Fails on a version that is not RTMP's. S2 is not compared with C1: servers fill it with anything.
    pub fn advance(&mut self, input: &mut &[u8]) -> Result<Progress, Error> {
        let wanted = if self.replied { SIZE } else { 1 + SIZE };
        let taken = input.split_off(..input.len().min(wanted - self.received.len())).unwrap_or_default();
        self.received.extend_from_slice(taken);
        if !self.replied
            && let Some(&version) = self.received.first()
        {
            check_version("S0", version)?;
        }
        if self.received.len() < wanted {
            return Ok(Progress::Wait);
        }
        let received = std::mem::take(&mut self.received);
        if self.replied {
            return Ok(Progress::Done);
        }
        self.replied = true;
        // C2 is S1 again: its time and its random bytes (5.2.4); the time at which it was read tells nobody anything.
        Ok(Progress::Reply(received[1..].to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Handshake;
    use super::*;

    #[test]
    fn both_sides_shake_hands_however_the_bytes_were_split() {
        for step in [1, 100, 1536, 1537, 4000] {
            let hello = Client::hello(&[7; 32], 5);
            let mut server = Handshake::new([3; 32], 9);
            let Ok(Progress::Reply(answer)) = server.advance(&mut &hello[..]) else { panic!() };
            let (mut client, mut c2, mut done) = (Client::new(), Vec::new(), false);
            for mut part in [&answer[..], b"chunks"].concat().chunks(step) {
                while !part.is_empty() && !done {
                    match client.advance(&mut part).unwrap() {
                        Progress::Reply(bytes) => c2 = bytes,
                        Progress::Done => done = true,
                        Progress::Wait => {}
                    }
                }
            }
            assert!(done);
            assert_eq!(c2, answer[1..=SIZE]);
            assert!(matches!(server.advance(&mut &c2[..]), Ok(Progress::Done)));
        }
    }

    #[test]
    fn what_does_not_speak_rtmp_is_known_at_its_first_byte() {
        let refused = Client::new().advance(&mut &b"HTTP/1.1 400"[..]);
        assert!(matches!(refused, Err(Error::Invalid { what: "S0", value: 72, .. })));
    }
}
