//! FLV files, read piece by piece (E.2, E.3, E.4.1).

use bytes::{Buf, Bytes, BytesMut};

use super::{Tag, TagKind};
use crate::{Error, Limits};

/// Length of the header that every version has; `DataOffset` says where the tags begin.
const HEADER: usize = 9;
/// Length of a tag's header.
const TAG_HEADER: usize = 11;
/// Length of `PreviousTagSize`.
const PREVIOUS_TAG_SIZE: usize = 4;

/// Makes tags of the bytes of an FLV file.
///
/// `PreviousTagSize` is passed over: it serves to read backwards, and many programs write it wrong.
#[derive(Debug)]
pub struct Reader {
    max_tag: u32,
    buffer: BytesMut,
    /// Bytes to be passed over before the next tag; none before the header.
    skip: Option<usize>,
}

impl Reader {
    /// Before the first byte. Of the limits, `media_bytes` bounds a tag.
    pub fn new(limits: &Limits) -> Self {
        Self { max_tag: limits.media_bytes, buffer: BytesMut::new(), skip: None }
    }

    /// The next bytes of the file. They are kept until [`Reader::poll`] has made tags of them.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next tag, none while it is not complete. Tags of unknown types are passed over.
    ///
    /// An error is the end: this is no FLV file, it is encrypted, or a tag is beyond the limits.
    pub fn poll(&mut self) -> Result<Option<Tag>, Error> {
        loop {
            let Some(skip) = self.skip else {
                let Some(offset) = self.header()? else { return Ok(None) };
                self.skip = Some(offset + PREVIOUS_TAG_SIZE);
                continue;
            };
            let skipped = skip.min(self.buffer.len());
            self.buffer.advance(skipped);
            self.skip = Some(skip - skipped);
            let Some((tag_type, timestamp_ms, body)) = self.tag()? else { return Ok(None) };
            self.skip = Some(PREVIOUS_TAG_SIZE);
            if let Some(kind) = TagKind::from_type(tag_type) {
                return Ok(Some(Tag { kind, timestamp_ms, body }));
            }
        }
    }

    /// E.2: how many bytes come before the first `PreviousTagSize`.
    fn header(&self) -> Result<Option<usize>, Error> {
        let signature = &self.buffer[..self.buffer.len().min(3)];
        if !b"FLV".starts_with(signature) {
            let value = signature.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
            return Err(Error::Invalid { what: "FLV file", field: "Signature", value, expected: "\"FLV\"" });
        }
        let Some(&[_, _, _, _, _, o0, o1, o2, o3]) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let offset = u32::from_be_bytes([o0, o1, o2, o3]);
        if (offset as usize) < HEADER {
            let (field, expected) = ("DataOffset", "at least 9");
            return Err(Error::Invalid { what: "FLV file", field, value: offset.into(), expected });
        }
        Ok(Some(offset as usize))
    }

    /// E.4.1: type, timestamp and body.
    fn tag(&mut self) -> Result<Option<(u8, u32, Bytes)>, Error> {
        const FILTER: u8 = 0x20;
        let Some(&[tag_type, l0, l1, l2, t0, t1, t2, extended, ..]) = self.buffer.first_chunk::<TAG_HEADER>()
        else {
            return Ok(None);
        };
        let size = u32::from_be_bytes([0, l0, l1, l2]);
        if size > self.max_tag {
            return Err(Error::Limit {
                what: "bytes of a tag",
                value: size.into(),
                limit: self.max_tag.into(),
            });
        }
        if tag_type & FILTER != 0 {
            return Err(Error::Unsupported { what: "FLV file", feature: "an encrypted tag" });
        }
        if self.buffer.len() < TAG_HEADER + size as usize {
            return Ok(None);
        }
        self.buffer.advance(TAG_HEADER);
        let body = self.buffer.split_to(size as usize).freeze();
        Ok(Some((tag_type & 0x1f, u32::from_be_bytes([extended, t0, t1, t2]), body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Tag>, Error> {
        let mut reader = Reader::new(&Limits::default());
        let mut tags = Vec::new();
        for part in bytes.chunks(step) {
            reader.push(part);
            while let Some(tag) = reader.poll()? {
                tags.push(tag);
            }
        }
        Ok(tags)
    }

    const FILE: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0\
        \x08\0\0\x02\x00\x00\x17\x00\0\0\0aa\0\0\0\x0d\
        \x0f\0\0\x01\x00\x00\x18\x00\0\0\0?\0\0\0\x0c\
        \x09\0\0\x01\x00\x00\x01\x01\0\0\0v\0\0\0\x0c";

    #[test]
    fn tags_come_out_however_the_bytes_were_split() {
        let expected = [
            Tag { kind: TagKind::Audio, timestamp_ms: 23, body: Bytes::from_static(b"aa") },
            Tag { kind: TagKind::Video, timestamp_ms: 0x0100_0001, body: Bytes::from_static(b"v") },
        ];
        for step in 1..=FILE.len() {
            assert_eq!(read(FILE, step).unwrap(), expected);
        }
    }

    #[test]
    fn a_longer_header_is_passed_over() {
        let mut file = b"FLV\x01\x05\0\0\0\x0bxx".to_vec();
        file.extend_from_slice(&FILE[9..]);
        assert_eq!(read(&file, 5).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_flv_is_refused_at_once() {
        assert!(matches!(read(b"\0\0\0\x20ftyp", 1), Err(Error::Invalid { field: "Signature", .. })));
        assert!(matches!(read(b"FLV\x01\x05\0\0\0\x08", 9), Err(Error::Invalid { field: "DataOffset", .. })));
        assert!(matches!(
            read(b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x28\0\0\0\0\0\0\0\0\0\0", 40),
            Err(Error::Unsupported { .. })
        ));
    }

    #[test]
    fn a_tag_beyond_the_limit_is_refused_before_it_is_there() {
        let mut reader = Reader::new(&Limits { media_bytes: 10, ..Limits::default() });
        reader.push(b"FLV\x01\x05\0\0\0\x09\0\0\0\0\x09\0\0\x0b\0\0\0\0\0\0\0");
        assert_eq!(reader.poll(), Err(Error::Limit { what: "bytes of a tag", value: 11, limit: 10 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_tags_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400), step in 1usize..50) {
            let _ = read(&bytes, step);
            let _ = read(&[&FILE[..13], &bytes].concat(), step);
        }
    }
}
