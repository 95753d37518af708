//! What a peer may make us hold, and how long it may keep us waiting.

use std::time::Duration;

use crate::amf0;

/// Bounds on one connection. [`Limits::default`] suits a public ingest.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest audio, video or aggregate message in bytes. Default 16 MiB less one, which is all that a chunk
    /// header can say.
    pub media_bytes: u32,
    /// Longest command, data or control message in bytes. Default 256 KiB.
    pub command_bytes: u32,
    /// Announced bytes of messages begun and not ended, over all chunk streams. Default 20 MiB.
    pub partial_bytes: u32,
    /// Chunk streams that a peer may use. Default 64; encoders use five or six.
    pub chunk_streams: usize,
    /// Message streams that a peer may have open at a time (`createStream`). Default 16.
    pub message_streams: usize,
    /// Bytes kept for a peer that does not wait for the answer to `publish` or `play`. Default 4 MiB.
    pub held_bytes: usize,
    /// Bounds on what is read as AMF.
    pub amf: amf0::Limits,
    /// From the first byte we could have got to the end of the handshake. Default 10 s.
    pub handshake: Duration,
    /// From the handshake, or from the end of a publication, to the next `publish` or `play`. Default 20 s.
    pub request: Duration,
    /// From `publish` or `play` to the verdict of our own side. Default 10 s.
    pub verdict: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            media_bytes: 0xff_ffff,
            command_bytes: 256 << 10,
            partial_bytes: 20 << 20,
            chunk_streams: 64,
            message_streams: 16,
            held_bytes: 4 << 20,
            amf: amf0::Limits::default(),
            handshake: Duration::from_secs(10),
            request: Duration::from_secs(20),
            verdict: Duration::from_secs(10),
        }
    }
}
