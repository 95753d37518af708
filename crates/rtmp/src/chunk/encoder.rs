//! Messages to chunks.

use bytes::{BufMut, BytesMut};

use super::{DEFAULT_SIZE, EXTENDED};
use crate::message::{Control, Message};

/// The chunk stream of protocol control messages (5.4).
const CONTROL_STREAM: u32 = 2;

/// Cuts the messages of one direction of a connection into chunks.
///
/// Every message gets a full header: it costs a few bytes and leaves nothing to inherit, so the chunks of a message
/// depend on no other message.
#[derive(Debug)]
pub struct Encoder {
    chunk_size: u32,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// Before the first chunk.
    pub const fn new() -> Self {
        Self { chunk_size: DEFAULT_SIZE }
    }

    /// Tells the peer of another chunk size, 1 to 0x7fff_ffff, and uses it from then on.
    pub fn set_chunk_size(&mut self, size: u32, out: &mut BytesMut) {
        let size = size.clamp(1, 0x7fff_ffff);
        self.encode(CONTROL_STREAM, &Control::SetChunkSize(size).encode(), out);
        self.chunk_size = size;
    }

    /// Appends the chunks of a message, whose body is less than 16 MiB as the header has 24 bits for its length.
    ///
    /// `chunk_stream` is 2 to 65 599; what is outside counts as the nearest of those.
    pub fn encode(&self, chunk_stream: u32, message: &Message, out: &mut BytesMut) {
        let extended = (message.timestamp_ms >= EXTENDED).then_some(message.timestamp_ms);
        let length = u32::try_from(message.body.len()).unwrap_or(u32::MAX);
        let mut chunks = message.body.chunks(self.chunk_size as usize);
        out.reserve(message.body.len() + 18);
        basic_header(0, chunk_stream, out);
        out.put_uint(message.timestamp_ms.min(EXTENDED).into(), 3);
        out.put_uint(length.into(), 3);
        out.put_u8(message.kind);
        out.put_u32_le(message.stream);
        extended.into_iter().for_each(|time| out.put_u32(time));
        out.put_slice(chunks.next().unwrap_or_default());
        for chunk in chunks {
            basic_header(3, chunk_stream, out);
            extended.into_iter().for_each(|time| out.put_u32(time));
            out.put_slice(chunk);
        }
    }
}

/// 5.3.1.1.
fn basic_header(fmt: u8, chunk_stream: u32, out: &mut BytesMut) {
    let id = chunk_stream.clamp(2, 65_599);
    match id {
        2..64 => out.put_u8(fmt << 6 | id as u8),
        64..320 => out.put_slice(&[fmt << 6, (id - 64) as u8]),
        _ => {
            out.put_u8(fmt << 6 | 1);
            out.put_u16_le((id - 64) as u16);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_second_example_of_the_specification() {
        let body = Bytes::from(vec![0x55; 307]);
        let message = Message { kind: 9, timestamp_ms: 1000, stream: 12346, body };
        let mut out = BytesMut::new();
        Encoder::new().encode(4, &message, &mut out);
        assert_eq!(out.len(), 140 + 129 + 52);
        assert_eq!(out[..12], *b"\x04\x00\x03\xe8\x00\x01\x33\x09\x3a\x30\x00\x00");
        assert_eq!((out[140], out[269]), (0xc4, 0xc4));
    }

    #[test]
    fn an_extended_timestamp_is_repeated_in_each_chunk() {
        let message = Message { kind: 9, timestamp_ms: EXTENDED, stream: 1, body: Bytes::from(vec![1; 129]) };
        let mut out = BytesMut::new();
        Encoder::new().encode(4, &message, &mut out);
        assert_eq!(out[1..4], [255; 3]);
        assert_eq!(out[12..16], [0, 255, 255, 255]);
        assert_eq!(out[144..], [0xc4, 0, 255, 255, 255, 1]);
    }
}
