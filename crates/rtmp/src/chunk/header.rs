//! Chunk headers: basic header, message header, extended timestamp (RTMP 1.0 5.3.1).

use super::EXTENDED;

/// Bytes of the longest header there is: 3 of basic header, 11 of message header, 4 of extended timestamp.
pub(super) const LONGEST: usize = 18;

/// What one chunk's header says, nothing inherited yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    /// `chunk stream id`, 2 to 65 599.
    pub(super) chunk_stream: u32,
    /// By `fmt`.
    pub(super) fields: Fields,
    /// Its length in bytes, extended timestamp included.
    pub(super) len: usize,
}

/// The message header by its type; `time` is the extended timestamp where there is one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fields {
    /// Type 0: all of it, with an absolute time.
    Full { time: Time, length: u32, kind: u8, stream: u32 },
    /// Type 1: the message stream is that of the message before.
    SameStream { delta: Time, length: u32, kind: u8 },
    /// Type 2: length and type as well.
    SameMessage { delta: Time },
    /// Type 3: all of it.
    Same,
}

/// A timestamp field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Time {
    /// The value, from the field itself or from behind the header.
    pub(super) value: u32,
    /// Whether it came from behind the header.
    pub(super) extended: bool,
}

/// What a chunk of type 3 may have in place of an extended timestamp: the values that it may repeat. None where the
/// header it inherits from had no such field.
pub(super) type Expected = Option<[u32; 2]>;

impl Header {
    /// Reads the header at the front of `bytes`; none while it is not complete.
    ///
    /// `expected` tells by chunk stream what a chunk of type 3 may repeat. 5.3.1.3 wants the extended timestamp in
    /// those too, but some encoders leave it out, so it is taken for one only if it is one.
    pub(super) fn decode(bytes: &[u8], expected: impl Fn(u32) -> Expected) -> Option<Self> {
        let (&first, mut rest) = bytes.split_first()?;
        let chunk_stream = match first & 0x3f {
            0 => 64 + u32::from(take::<1>(&mut rest)?[0]),
            1 => 64 + u32::from(u16::from_le_bytes(take(&mut rest)?)),
            id => id.into(),
        };
        let fields = match first >> 6 {
            0 => {
                let [t0, t1, t2, l0, l1, l2, kind, s0, s1, s2, s3] = take(&mut rest)?;
                let time = time([t0, t1, t2], &mut rest)?;
                // The message stream id is the one field in little-endian order.
                let stream = u32::from_le_bytes([s0, s1, s2, s3]);
                Fields::Full { time, length: u32::from_be_bytes([0, l0, l1, l2]), kind, stream }
            }
            1 => {
                let [t0, t1, t2, l0, l1, l2, kind] = take(&mut rest)?;
                let delta = time([t0, t1, t2], &mut rest)?;
                Fields::SameStream { delta, length: u32::from_be_bytes([0, l0, l1, l2]), kind }
            }
            2 => Fields::SameMessage { delta: time(take(&mut rest)?, &mut rest)? },
            _ => {
                if let Some(values) = expected(chunk_stream) {
                    skip_repeated(values, &mut rest)?;
                }
                Fields::Same
            }
        };
        Some(Self { chunk_stream, fields, len: bytes.len() - rest.len() })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn time(field: [u8; 3], rest: &mut &[u8]) -> Option<Time> {
    let value = u32::from_be_bytes([0, field[0], field[1], field[2]]);
    Some(match value {
        EXTENDED => Time { value: u32::from_be_bytes(take(rest)?), extended: true },
        value => Time { value, extended: false },
    })
}

/// Skips four bytes if they are one of `values`; none as long as they may be and are not all there.
fn skip_repeated(values: [u32; 2], rest: &mut &[u8]) -> Option<()> {
    let there = &rest[..rest.len().min(4)];
    if values.iter().any(|value| value.to_be_bytes().starts_with(there)) {
        take::<4>(rest)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<Header> {
        Header::decode(bytes, |_| Some([0x0100_0000, 7]))
    }

    #[test]
    fn chunk_stream_ids_take_one_two_or_three_bytes() {
        for (bytes, id, len) in
            [(&[0xc3, 9][..], 3, 1), (&[0xc0, 255, 9], 319, 2), (&[0xc1, 255, 255, 9], 65_599, 3)]
        {
            assert_eq!(decode(bytes), Some(Header { chunk_stream: id, fields: Fields::Same, len }));
        }
    }

    #[test]
    fn a_header_is_read_only_when_all_of_it_is_there() {
        let full = b"\x04\xff\xff\xff\x00\x01\x02\x09\x01\x00\x00\x00\x01\x02\x03\x04";
        for end in 0..full.len() {
            assert_eq!(decode(&full[..end]), None);
        }
        let time = Time { value: 0x0102_0304, extended: true };
        let fields = Fields::Full { time, length: 258, kind: 9, stream: 1 };
        assert_eq!(decode(full), Some(Header { chunk_stream: 4, fields, len: 16 }));
    }

    #[test]
    fn an_extended_timestamp_is_skipped_only_where_it_is_one() {
        assert_eq!(decode(b"\xc4\x01\x00\x00"), None);
        assert_eq!(decode(b"\xc4\x01\x00\x00\x00x").map(|header| header.len), Some(5));
        assert_eq!(decode(b"\xc4\x00\x00\x00\x07x").map(|header| header.len), Some(5));
        assert_eq!(decode(b"\xc4\x01\x02").map(|header| header.len), Some(1));
    }
}
