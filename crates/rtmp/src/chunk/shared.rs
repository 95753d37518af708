//! A message as chunks that many peers get.

use std::iter::FusedIterator;
use std::ops::Deref;

use bytes::Bytes;

use super::{DEFAULT_SIZE, EXTENDED};
use crate::Error;
use crate::flv::TagKind;
use crate::flv::mux::{HEAD_BYTES, Head};

/// Bytes at most of an [`Own`]: basic header, message header, extended timestamp, head of the body.
pub const OWN_BYTES: usize = 1 + 11 + 4 + HEAD_BYTES;

/// The longest message that a header can tell: 24 bits.
const LONGEST_MESSAGE: usize = 0xff_ffff;

/// Chunk streams of media, one for each kind, apart from those of commands and control messages.
fn chunk_stream(kind: TagKind) -> u8 {
    match kind {
        TagKind::Audio => 4,
        TagKind::Script => 6,
        TagKind::Video => 7,
    }
}

/// A media or data message made once for all who get it: what differs among them is the message stream and the
/// timestamp, which stand in a few bytes of their own. Cloning shares the payload.
///
/// Every message has a full header (type 0), so that it depends on no other message, and a peer may miss any.
#[derive(Clone, Debug)]
pub struct Shared {
    kind: TagKind,
    head: Head,
    payload: Bytes,
}

/// Where the media of one peer belong; the session with the peer tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The message stream.
    pub stream: u32,
    /// The chunk size that the peer was last told; less than 128 counts as that.
    pub chunk_size: u32,
}

/// A run of bytes on one peer's wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'s> {
    /// Bytes for this peer alone.
    Own(Own),
    /// Bytes that all get; never empty.
    Shared(&'s [u8]),
}

/// A chunk header with what belongs to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Own {
    bytes: [u8; OWN_BYTES],
    len: u8,
}

impl Own {
    const EMPTY: Self = Self { bytes: [0; OWN_BYTES], len: 0 };

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[usize::from(self.len)..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len() as u8;
    }
}

impl Deref for Own {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Shared {
    /// The message whose body is `head` and then `payload`. Fails if that is 16 MiB or more.
    pub fn new(kind: TagKind, head: Head, payload: Bytes) -> Result<Self, Error> {
        let value = head.len() + payload.len();
        if value > LONGEST_MESSAGE {
            let (what, value, limit) = ("bytes of a message", value as u64, LONGEST_MESSAGE as u64);
            return Err(Error::Limit { what, value, limit });
        }
        Ok(Self { kind, head, payload })
    }

    /// What it holds.
    pub fn kind(&self) -> TagKind {
        self.kind
    }

    /// Bytes of the body.
    pub fn body_bytes(&self) -> usize {
        self.head.len() + self.payload.len()
    }

    /// Its chunks for one peer.
    ///
    /// A message that fits into one chunk, as nearly all do that go out with [`LARGE_SIZE`](super::LARGE_SIZE), is one
    /// [`Piece::Own`] and the payload. In longer ones the header of each further chunk follows, with the extended
    /// timestamp again where there is one (5.3.1.3). The same arguments give the same bytes.
    pub fn chunks(&self, route: Route, timestamp_ms: u32) -> Chunks<'_> {
        let extended = (timestamp_ms >= EXTENDED).then_some(timestamp_ms);
        let chunk_size = route.chunk_size.max(DEFAULT_SIZE) as usize;
        let mut first = Own::EMPTY;
        first.put(&[chunk_stream(self.kind)]);
        first.put(&timestamp_ms.min(EXTENDED).to_be_bytes()[1..]);
        first.put(&(self.body_bytes() as u32).to_be_bytes()[1..]);
        first.put(&[self.kind.tag_type()]);
        first.put(&route.stream.to_le_bytes());
        let mut next = Own::EMPTY;
        next.put(&[3 << 6 | chunk_stream(self.kind)]);
        for header in [&mut first, &mut next] {
            extended.into_iter().for_each(|time| header.put(&time.to_be_bytes()));
        }
        first.put(&self.head);
        let room = chunk_size - self.head.len();
        Chunks { header: Some(first), next, room, chunk_size, rest: &self.payload }
    }
}

/// The chunks of a [`Shared`], piece by piece.
#[derive(Clone, Debug)]
pub struct Chunks<'s> {
    /// What comes next, unless it is payload.
    header: Option<Own>,
    /// The header of every chunk but the first.
    next: Own,
    /// Bytes of payload that the chunk under way still takes.
    room: usize,
    chunk_size: usize,
    rest: &'s [u8],
}

impl<'s> Iterator for Chunks<'s> {
    type Item = Piece<'s>;

    fn next(&mut self) -> Option<Piece<'s>> {
        if let Some(header) = self.header.take() {
            return Some(Piece::Own(header));
        }
        let taken = self.rest.split_off(..self.room.min(self.rest.len()))?;
        if taken.is_empty() {
            return None;
        }
        self.room = self.chunk_size;
        self.header = (!self.rest.is_empty()).then_some(self.next);
        Some(Piece::Shared(taken))
    }
}

impl FusedIterator for Chunks<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::BytesMut;
    use media::Codec;
    use media::codec::h264;
    use proptest::prelude::*;

    use crate::Limits;
    use crate::chunk::{Decoder, Encoder, LARGE_SIZE};
    use crate::flv::mux::{Caps, Track};
    use crate::message::{Control, Message};

    const SMALL: Route = Route { stream: 1, chunk_size: 128 };

    fn head() -> Head {
        let record = include_bytes!("../../../media/testdata/x264-1080p.avcc");
        let codec = Codec::H264(h264::Config::decode(record).unwrap());
        Track::new(&codec, Caps::LEGACY).unwrap().head(true, 40)
    }

    fn bytes(chunks: Chunks<'_>) -> Vec<u8> {
        let pieces = chunks.map(|piece| match piece {
            Piece::Own(own) => own.to_vec(),
            Piece::Shared(bytes) => bytes.to_vec(),
        });
        pieces.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_message_in_one_chunk_is_a_header_and_the_payload() {
        let payload = Bytes::from(vec![7; 1 << 20]);
        let shared = Shared::new(TagKind::Video, head(), payload.clone()).unwrap();
        let pieces: Vec<_> = shared.chunks(Route { stream: 0x0102, chunk_size: LARGE_SIZE }, 1000).collect();
        let [Piece::Own(own), Piece::Shared(rest)] = pieces[..] else { panic!("{} pieces", pieces.len()) };
        assert_eq!(own[..], *b"\x07\x00\x03\xe8\x10\x00\x05\x09\x02\x01\x00\x00\x17\x01\x00\x00\x28");
        assert_eq!((rest.as_ptr(), rest.len()), (payload.as_ptr(), payload.len()), "not a copy");
    }

    #[test]
    fn an_extended_timestamp_stands_in_each_chunk() {
        let shared = Shared::new(TagKind::Audio, Head::EMPTY, Bytes::from(vec![1; 200])).unwrap();
        let bytes = bytes(shared.chunks(SMALL, 0x0100_0000));
        assert_eq!(bytes[..16], *b"\x04\xff\xff\xff\x00\x00\xc8\x08\x01\x00\x00\x00\x01\x00\x00\x00");
        assert_eq!(bytes[16 + 128..][..6], *b"\xc4\x01\x00\x00\x00\x01");
        assert_eq!(bytes.len(), 16 + 200 + 5);
    }

    #[test]
    fn a_body_that_ends_with_its_chunk_has_no_further_header() {
        let shared = Shared::new(TagKind::Video, head(), Bytes::from(vec![1; 123])).unwrap();
        assert_eq!(bytes(shared.chunks(Route { stream: 1, chunk_size: 0 }, 0)).len(), 12 + 128);
        let empty = Shared::new(TagKind::Script, Head::EMPTY, Bytes::new()).unwrap();
        assert_eq!(bytes(empty.chunks(SMALL, 0)), b"\x06\0\0\0\0\0\0\x12\x01\0\0\0");
    }

    #[test]
    fn the_longest_own_piece_has_room() {
        assert_eq!(HEAD_BYTES, b"\x91hvc1\0\0\0".len());
        assert_eq!(OWN_BYTES, 24);
    }

    #[test]
    fn what_a_header_cannot_tell_is_refused() {
        let long = Bytes::from(vec![0; LONGEST_MESSAGE - 4]);
        assert!(Shared::new(TagKind::Video, head(), long.slice(1..)).is_ok());
        assert!(matches!(Shared::new(TagKind::Video, head(), long), Err(Error::Limit { .. })));
    }

    proptest! {
        #[test]
        fn they_are_the_chunks_of_the_encoder(
            len in 0usize..2000,
            size in 128u32..1000,
            stream in any::<u32>(),
            timestamp_ms in prop_oneof![any::<u32>(), 0u32..1000],
        ) {
            let payload: Bytes = (0..len).map(|byte| byte as u8).collect();
            let shared = Shared::new(TagKind::Video, head(), payload.clone()).unwrap();
            let body = [&head()[..], &payload].concat();
            prop_assert_eq!(shared.body_bytes(), body.len());
            let message = Message { kind: 9, timestamp_ms, stream, body: body.into() };
            let (mut encoder, mut expected) = (Encoder::new(), BytesMut::new());
            encoder.set_chunk_size(size, &mut expected);
            expected.clear();
            encoder.encode(7, &message, &mut expected);
            let bytes = bytes(shared.chunks(Route { stream, chunk_size: size }, timestamp_ms));
            prop_assert_eq!(&bytes[..], &expected[..]);
            let mut decoder = Decoder::new(Limits::default());
            let (mut told, mut wire) = (BytesMut::new(), &bytes[..]);
            Encoder::new().encode(2, &Control::SetChunkSize(size).encode(), &mut told);
            decoder.decode(&mut &told[..]).unwrap();
            prop_assert_eq!(decoder.decode(&mut wire).unwrap(), Some(message));
        }
    }

    #[test]
    fn kinds_have_chunk_streams_of_their_own() {
        let kinds = [TagKind::Audio, TagKind::Script, TagKind::Video];
        assert_eq!(kinds.map(chunk_stream), [4, 6, 7]);
        assert_eq!(kinds.map(|kind| TagKind::from_type(kind.tag_type())), kinds.map(Some));
    }
}
