//! Chunks to messages.

use std::collections::BTreeMap;
use std::mem;

use super::DEFAULT_SIZE;
use super::header::{Expected, Fields, Header, LONGEST, Time};
use crate::message::{Control, Message, is_media};
use crate::{Error, Limits};

/// Room made for a message at its first byte, if it is that long; more only as more has come.
const FIRST_ROOM: usize = 64 << 10;

/// Reassembles the messages of one direction of a connection.
///
/// Set Chunk Size and Abort Message take effect here, and are handed out all the same.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    chunk_size: u32,
    /// In boxes: a map has room for eleven, and most peers use three.
    streams: BTreeMap<u32, Box<ChunkStream>>,
    /// Announced bytes of all messages begun and not ended.
    unfinished: u32,
    /// The chunk whose payload comes next, none while a header does.
    chunk: Option<Chunk>,
    /// The front of a header whose end was not there yet.
    head: Vec<u8>,
    /// Bytes that turned out to belong behind a header: where an extended timestamp was expected and was none.
    replay: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Chunk {
    chunk_stream: u32,
    left: usize,
}

/// What later headers of a chunk stream inherit, and the message under way.
#[derive(Clone, Debug)]
struct ChunkStream {
    kind: u8,
    stream: u32,
    length: u32,
    timestamp_ms: u32,
    /// The last timestamp field: for type 3 the delta to add again, or the extended timestamp to find again.
    time: Time,
    body: Option<Vec<u8>>,
}

impl ChunkStream {
    const NEW: Self = Self {
        kind: 0,
        stream: 0,
        length: 0,
        timestamp_ms: 0,
        time: Time { value: 0, extended: false },
        body: None,
    };

    fn missing(&self) -> usize {
        (self.length as usize).saturating_sub(self.body.as_ref().map_or(0, Vec::len))
    }
}

impl Decoder {
    /// Before the first chunk.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            chunk_size: DEFAULT_SIZE,
            streams: BTreeMap::new(),
            unfinished: 0,
            chunk: None,
            head: Vec::with_capacity(LONGEST),
            replay: Vec::new(),
        }
    }

    /// Takes bytes from the front of `input` up to the end of a message; none when `input` is used up before.
    ///
    /// Fails on headers that make no sense and on what goes beyond the limits; no message can be had after that.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        loop {
            let message = if self.replay.is_empty() {
                if input.is_empty() {
                    return Ok(None);
                }
                self.advance(input)?
            } else {
                let replay = mem::take(&mut self.replay);
                let mut rest = &replay[..];
                let message = self.advance(&mut rest)?;
                self.replay.extend_from_slice(rest);
                message
            };
            if let Some(message) = message {
                self.obey(&message)?;
                return Ok(Some(message));
            }
        }
    }

    /// Memory held for messages that have begun and not ended; bounded by `partial_bytes` of the limits.
    pub fn held_bytes(&self) -> usize {
        self.streams.values().filter_map(|stream| stream.body.as_ref()).map(Vec::capacity).sum()
    }

    /// Takes one header, or payload up to the end of a chunk, or all there is.
    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Message>, Error> {
        match self.chunk.take() {
            Some(chunk) => Ok(self.payload(chunk, input)),
            None => match self.header(input) {
                Some(header) => self.begin(header),
                None => Ok(None),
            },
        }
    }

    /// The next header, read in place where it is all there, else collected byte by byte.
    fn header(&mut self, input: &mut &[u8]) -> Option<Header> {
        if self.head.is_empty()
            && let Some(header) = self.parse(input)
        {
            *input = &input[header.len..];
            return Some(header);
        }
        while let Some(&byte) = input.split_off_first() {
            self.head.push(byte);
            if let Some(header) = self.parse(&self.head) {
                self.replay.extend_from_slice(&self.head[header.len..]);
                self.head.clear();
                return Some(header);
            }
        }
        None
    }

    fn parse(&self, bytes: &[u8]) -> Option<Header> {
        Header::decode(bytes, |chunk_stream| self.expected(chunk_stream))
    }

    /// What stands in for the extended timestamp in a chunk of type 3: the field as it was, or the message's
    /// timestamp, which some send even where the field was a delta.
    fn expected(&self, chunk_stream: u32) -> Expected {
        let stream = self.streams.get(&chunk_stream).filter(|stream| stream.time.extended)?;
        Some([stream.time.value, stream.timestamp_ms])
    }

    /// A header is complete: a message begins, or goes on.
    fn begin(&mut self, header: Header) -> Result<Option<Message>, Error> {
        let Header { chunk_stream: id, fields, .. } = header;
        if !self.streams.contains_key(&id) {
            self.admit(id, fields)?;
        }
        let stream = self.streams.entry(id).or_insert_with(|| Box::new(ChunkStream::NEW));
        if stream.body.is_none() {
            inherit(stream, fields);
            self.unfinished = check_length(&self.limits, stream, self.unfinished)?;
            stream.body = Some(Vec::new());
        } else if fields != Fields::Same {
            return Err(Error::Order {
                what: "a new message",
                when: "inside another one on its chunk stream",
            });
        }
        let left = stream.missing().min(self.chunk_size as usize);
        Ok(self.payload(Chunk { chunk_stream: id, left }, &mut &[][..]))
    }

    /// A chunk stream that was not in use so far.
    fn admit(&self, id: u32, fields: Fields) -> Result<(), Error> {
        let (value, limit) = (self.streams.len() as u64 + 1, self.limits.chunk_streams as u64);
        if value > limit {
            return Err(Error::Limit { what: "chunk streams", value, limit });
        }
        // 5.3.1.2.1 wants type 0 first, but librtmp has begun chunk stream 2 with type 1 for years.
        if matches!(fields, Fields::SameMessage { .. } | Fields::Same) {
            let expected = "one that began with a full header";
            return Err(Error::Invalid {
                what: "chunk header",
                field: "chunk stream id",
                value: id.into(),
                expected,
            });
        }
        Ok(())
    }

    /// Payload of `chunk`; the message if that was the last of it.
    fn payload(&mut self, chunk: Chunk, input: &mut &[u8]) -> Option<Message> {
        let stream = self.streams.get_mut(&chunk.chunk_stream)?;
        let taken = input.split_off(..chunk.left.min(input.len()))?;
        let missing = stream.missing();
        let body = stream.body.get_or_insert_default();
        if body.capacity() - body.len() < taken.len() {
            // At most doubled, and never beyond the length announced.
            body.reserve_exact(missing.min(taken.len().max(body.len()).max(FIRST_ROOM)));
        }
        body.extend_from_slice(taken);
        let left = chunk.left - taken.len();
        if left > 0 {
            self.chunk = Some(Chunk { left, ..chunk });
            return None;
        }
        if missing > taken.len() {
            return None;
        }
        let body = stream.body.take().unwrap_or_default();
        self.unfinished = self.unfinished.saturating_sub(stream.length);
        let ChunkStream { kind, timestamp_ms, stream, .. } = **stream;
        Some(Message { kind, timestamp_ms, stream, body: body.into() })
    }

    /// Set Chunk Size and Abort Message, 5.4.1 and 5.4.2.
    fn obey(&mut self, message: &Message) -> Result<(), Error> {
        match Control::decode(message)? {
            Some(Control::SetChunkSize(size)) => self.chunk_size = size,
            Some(Control::Abort(id)) => {
                if let Some(stream) = self.streams.get_mut(&id)
                    && stream.body.take().is_some()
                {
                    self.unfinished = self.unfinished.saturating_sub(stream.length);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Bounds the length of a message, and the sum of all that are under way, which it returns with this one added.
fn check_length(limits: &Limits, stream: &ChunkStream, unfinished: u32) -> Result<u32, Error> {
    let exceeds =
        |what, value: u32, limit: u32| Error::Limit { what, value: value.into(), limit: limit.into() };
    let (what, limit) = match is_media(stream.kind) {
        true => ("bytes of a media message", limits.media_bytes),
        false => ("bytes of a message", limits.command_bytes),
    };
    if stream.length > limit {
        return Err(exceeds(what, stream.length, limit));
    }
    let sum = unfinished.saturating_add(stream.length);
    if sum > limits.partial_bytes {
        return Err(exceeds("bytes of messages under way", sum, limits.partial_bytes));
    }
    Ok(sum)
}

/// The header of a new message, from its own fields and from those of the message before it (5.3.1.2).
fn inherit(stream: &mut ChunkStream, fields: Fields) {
    match fields {
        Fields::Full { time, length, kind, stream: id } => {
            *stream = ChunkStream { kind, stream: id, length, timestamp_ms: time.value, time, body: None };
        }
        Fields::SameStream { delta, length, kind } => {
            (stream.kind, stream.length, stream.time) = (kind, length, delta);
            stream.timestamp_ms = stream.timestamp_ms.wrapping_add(delta.value);
        }
        Fields::SameMessage { delta } => {
            stream.time = delta;
            stream.timestamp_ms = stream.timestamp_ms.wrapping_add(delta.value);
        }
        // 5.3.1.2.4: after type 0 the delta is that type's timestamp; ffmpeg counts on it.
        Fields::Same => stream.timestamp_ms = stream.timestamp_ms.wrapping_add(stream.time.value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    use crate::chunk::Encoder;
    use crate::message::kind;
    use bytes::{Bytes, BytesMut};

    fn decode_all(decoder: &mut Decoder, bytes: &[u8], step: usize) -> Result<Vec<Message>, Error> {
        let mut messages = Vec::new();
        for mut part in bytes.chunks(step) {
            while let Some(message) = decoder.decode(&mut part)? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    /// The messages as (type, time, stream, length), the same at every split of the bytes.
    fn decode(bytes: &[u8]) -> Result<Vec<(u8, u32, u32, usize)>, Error> {
        let whole = decode_all(&mut Decoder::new(Limits::default()), bytes, bytes.len());
        for step in [1, 2, 3, 5, 7, 64] {
            assert_eq!(decode_all(&mut Decoder::new(Limits::default()), bytes, step), whole, "step {step}");
        }
        let facts =
            |message: Message| (message.kind, message.timestamp_ms, message.stream, message.body.len());
        Ok(whole?.into_iter().map(facts).collect())
    }

    fn filled(header: &[u8], payload: usize) -> Vec<u8> {
        let mut bytes = header.to_vec();
        bytes.resize(header.len() + payload, 0x55);
        bytes
    }

    #[test]
    fn the_first_example_of_the_specification() {
        // 5.3.2.1: audio of 32 bytes, headers of type 0, 2, 3 and 3.
        let bytes = [
            filled(b"\x03\x00\x03\xe8\x00\x00\x20\x08\x39\x30\x00\x00", 32),
            filled(b"\x83\x00\x00\x14", 32),
            filled(b"\xc3", 32),
            filled(b"\xc3", 32),
        ];
        let times = [1000, 1020, 1040, 1060].map(|time| (8, time, 12345, 32));
        assert_eq!(decode(&bytes.concat()).unwrap(), times);
    }

    #[test]
    fn the_second_example_of_the_specification() {
        // 5.3.2.2: video of 307 bytes in chunks of 128, 128 and 51.
        let bytes = [
            filled(b"\x04\x00\x03\xe8\x00\x01\x33\x09\x3a\x30\x00\x00", 128),
            filled(b"\xc4", 128),
            filled(b"\xc4", 51),
        ];
        assert_eq!(decode(&bytes.concat()).unwrap(), [(9, 1000, 12346, 307)]);
    }

    #[test]
    fn a_delta_after_a_full_header_is_its_timestamp() {
        let bytes = b"\x03\x00\x00\x17\x00\x00\x00\x08\x01\x00\x00\x00\xc3\xc3";
        assert_eq!(decode(bytes).unwrap(), [(8, 23, 1, 0), (8, 46, 1, 0), (8, 69, 1, 0)]);
    }

    #[test]
    fn chunks_of_two_streams_interleave() {
        let bytes = [
            filled(b"\x04\x00\x00\x01\x00\x00\xc8\x09\x01\x00\x00\x00", 128),
            filled(b"\x05\x00\x00\x02\x00\x00\x03\x08\x01\x00\x00\x00", 3),
            filled(b"\xc4", 72),
        ];
        assert_eq!(decode(&bytes.concat()).unwrap(), [(8, 2, 1, 3), (9, 1, 1, 200)]);
    }

    #[test]
    fn extended_timestamps_with_and_without_repetition() {
        let header = b"\x04\xff\xff\xff\x00\x00\xc8\x09\x01\x00\x00\x00\x01\x00\x00\x00";
        let repeated = [filled(header, 128), filled(b"\xc4\x01\x00\x00\x00", 72)].concat();
        let omitted = [filled(header, 128), filled(b"\xc4", 72)].concat();
        for bytes in [repeated, omitted] {
            assert_eq!(decode(&bytes).unwrap(), [(9, 0x0100_0000, 1, 200)]);
        }
        let delta = b"\x44\xff\xff\xff\x00\x00\xc8\x09\x00\xff\xff\xff";
        let bytes = [
            filled(header, 128),
            filled(b"\xc4", 72),
            filled(delta, 128),
            filled(b"\xc4\x00\xff\xff\xff", 72),
        ];
        assert_eq!(decode(&bytes.concat()).unwrap()[1], (9, 0x01ff_ffff, 1, 200));
    }

    #[test]
    fn an_omitted_extended_timestamp_with_the_smallest_chunks() {
        let mut bytes = b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\x01".to_vec();
        bytes.extend_from_slice(b"\x04\xff\xff\xff\x00\x00\x06\x09\x01\x00\x00\x00\x01\x00\x00\x00a");
        for byte in b"bcdef" {
            bytes.extend_from_slice(&[0xc4, *byte]);
        }
        bytes.extend_from_slice(b"\x05\0\0\x09\0\0\x01\x08\x01\0\0\0x");
        let expected = [(1, 0, 0, 4), (9, 0x0100_0000, 1, 6), (8, 9, 1, 1)];
        assert_eq!(decode(&bytes).unwrap(), expected);
        let mut decoder = Decoder::new(Limits::default());
        assert_eq!(decode_all(&mut decoder, &bytes, 1).unwrap()[1].body, "abcdef");
    }

    #[test]
    fn timestamps_wrap_at_32_bits() {
        let bytes = b"\x04\xff\xff\xff\x00\x00\x00\x09\x01\x00\x00\x00\xff\xff\xff\xf0\x84\x00\x00\x20";
        assert_eq!(decode(bytes).unwrap(), [(9, 0xffff_fff0, 1, 0), (9, 0x10, 1, 0)]);
    }

    #[test]
    fn an_aborted_message_is_forgotten() {
        let bytes = [
            filled(b"\x04\x00\x00\x01\x00\x00\xc8\x09\x01\x00\x00\x00", 128),
            b"\x02\0\0\0\0\0\x04\x02\0\0\0\0\0\0\0\x04".to_vec(),
            filled(b"\x44\x00\x00\x01\x00\x00\x02\x09", 2),
        ];
        assert_eq!(decode(&bytes.concat()).unwrap(), [(2, 0, 0, 4), (9, 2, 1, 2)]);
    }

    #[test]
    fn a_chunk_size_beyond_any_message_is_legal() {
        let bytes = [
            b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\x7f\xff\xff\xff".to_vec(),
            filled(b"\x04\x00\x00\x01\x01\x00\x00\x09\x01\x00\x00\x00", 65_536),
        ];
        assert_eq!(decode(&bytes.concat()).unwrap()[1], (9, 1, 1, 65_536));
    }

    #[test]
    fn headers_that_make_no_sense_are_errors() {
        for fresh in [&b"\xc3"[..], b"\x83\0\0\0"] {
            assert!(matches!(decode(fresh), Err(Error::Invalid { field: "chunk stream id", .. })));
        }
        let header = b"\x04\x00\x00\x01\x00\x00\xc8\x09\x01\x00\x00\x00";
        let twice = [filled(header, 128), filled(header, 128)].concat();
        assert!(matches!(decode(&twice), Err(Error::Order { .. })));
        assert!(decode(b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0").is_err());
        // librtmp begins chunk stream 2 like this.
        assert_eq!(decode(b"\x42\0\0\0\0\0\x04\x05\0\x26\x25\xa0"), Ok(vec![(5, 0, 0, 4)]));
    }

    #[test]
    fn what_a_peer_can_make_us_hold_is_bounded() {
        let long = b"\x04\x00\x00\x01\xff\xff\xff\x14\x01\x00\x00\x00";
        assert!(matches!(decode(long), Err(Error::Limit { what: "bytes of a message", .. })));
        let limits = Limits { chunk_streams: 2, ..Limits::default() };
        let bytes: Vec<u8> =
            [3, 4, 5].into_iter().flat_map(|id| [id, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0]).collect();
        let refused = decode_all(&mut Decoder::new(limits), &bytes, 100);
        assert_eq!(refused, Err(Error::Limit { what: "chunk streams", value: 3, limit: 2 }));
        let begun: Vec<u8> = (3..20u8)
            .flat_map(|id| [&[id, 0, 0, 0, 0x20, 0, 0, 9, 0, 0, 0, 0][..], &[0; 128]].concat())
            .collect();
        assert!(matches!(decode(&begun), Err(Error::Limit { what: "bytes of messages under way", .. })));
    }

    #[test]
    fn room_is_made_for_what_came_not_for_what_was_announced() {
        let mut decoder = Decoder::new(Limits::default());
        let bytes = filled(b"\x04\x00\x00\x01\xff\xff\xff\x09\x01\x00\x00\x00", 128);
        assert_eq!(decode_all(&mut decoder, &bytes, 200), Ok(Vec::new()));
        let body = decoder.streams[&4].body.as_ref().unwrap();
        assert!(body.capacity() <= 2 * FIRST_ROOM, "{}", body.capacity());
    }

    #[test]
    fn no_more_memory_is_held_than_was_announced() {
        let (mut encoder, mut bytes) = (Encoder::new(), BytesMut::new());
        encoder.set_chunk_size(1 << 20, &mut bytes);
        let body = Bytes::from(vec![0; 100_000]);
        encoder.encode(4, &Message { kind: kind::VIDEO, timestamp_ms: 0, stream: 1, body }, &mut bytes);
        let mut decoder = Decoder::new(Limits::default());
        for mut part in bytes[..bytes.len() - 1].chunks(1000) {
            while decoder.decode(&mut part).unwrap().is_some() {}
            assert!(decoder.held_bytes() <= 100_000, "{} bytes", decoder.held_bytes());
        }
        assert_eq!(decoder.held_bytes(), 100_000);
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(
            messages in prop::collection::vec((2u32..70_000, any::<u32>(), any::<u32>(), 0usize..700), 1..20),
            size in 1u32..300,
            step in 1usize..400,
        ) {
            let mut encoder = Encoder::new();
            let mut bytes = BytesMut::new();
            encoder.set_chunk_size(size, &mut bytes);
            let mut sent = Vec::new();
            for (id, timestamp_ms, stream, len) in messages {
                let id = id.min(65_599);
                let body = Bytes::from((0..len).map(|byte| byte as u8).collect::<Vec<_>>());
                let message = Message { kind: kind::VIDEO, timestamp_ms, stream, body };
                encoder.encode(id, &message, &mut bytes);
                sent.push(message);
            }
            let received = decode_all(&mut Decoder::new(Limits::default()), &bytes, step).unwrap();
            prop_assert_eq!(&received[1..], &sent[..]);
        }

        #[test]
        fn any_bytes_are_messages_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..4096), step in 1usize..100) {
            let _ = decode_all(&mut Decoder::new(Limits::default()), &bytes, step);
        }
    }
}
