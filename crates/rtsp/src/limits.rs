//! What a peer may make us hold, and how long it may keep us waiting.

use std::time::Duration;

/// Bounds on one connection. [`Limits::default`] suits a public server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a message's first line and headers. Default 16 KiB.
    pub head_bytes: usize,
    /// Bytes of a request's URI. Default 4 KiB.
    pub uri_bytes: usize,
    /// Header lines of a message. Default 64.
    pub headers: usize,
    /// Bytes of a request's body. Default 64 KiB.
    pub body_bytes: usize,
    /// Media of a description. Default 16.
    pub tracks: usize,
    /// Bytes kept for a peer that does not wait for the answer to its request. Default 256 KiB.
    pub held_bytes: usize,
    /// Times that a peer is asked to prove who it is; when that was in vain it is closed. Default 16.
    pub challenges: u8,
    /// From the first byte we could have got to the end of the first request. Default 10 s.
    pub first_request: Duration,
    /// From one request to the next, while nothing is played or recorded. Default 60 s.
    pub request: Duration,
    /// From a request to the verdict of our own side. Default 10 s.
    pub verdict: Duration,
    /// From one sign of life to the next, while media go over UDP. The peer is told of
    /// it in whole seconds, and gets a quarter of it more. Default 60 s.
    pub session: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16 << 10,
            uri_bytes: 4 << 10,
            headers: 64,
            body_bytes: 64 << 10,
            tracks: 16,
            held_bytes: 256 << 10,
            challenges: 16,
            first_request: Duration::from_secs(10),
            request: Duration::from_secs(60),
            verdict: Duration::from_secs(10),
            session: Duration::from_secs(60),
        }
    }
}
