//! The file that is published.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use bytes::{Bytes, BytesMut};
use rtmp::Limits;
use rtmp::amf0::Value;
use rtmp::flv::file::Reader;
use rtmp::flv::{self, TagKind};
use rtmp::message::{Message, kind};

use crate::stamp;

/// `CodecID` of H.264, whose pictures are stamped.
const AVC: u8 = 7;
/// Bytes in front of the NAL units in a video tag of H.264 (FLV 10.1 E.4.3.1).
const AVC_HEADER: usize = 5;

/// The tags of a file, in their order.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) tags: Vec<Tag>,
    /// From one round's first frame to the next one's.
    pub(super) duration_ms: u32,
}

/// One tag.
#[derive(Debug)]
pub(super) struct Tag {
    kind: TagKind,
    pub(super) time_ms: u32,
    body: Bytes,
    /// Metadata and sequence headers are sent in the first round only.
    pub(super) once: bool,
    pub(super) chunk_stream: u32,
}

impl Source {
    /// Reads a whole file. Fails where it is no FLV, or has no video.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        Self::parse(&fs::read(path)?)
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut reader = Reader::new(&Limits::default());
        reader.push(bytes);
        let mut tags = Vec::new();
        while let Some(tag) = reader.poll()? {
            tags.extend(Tag::new(tag));
        }
        let frames = tags.iter().filter(|tag| tag.kind == TagKind::Video && !tag.once);
        let mut times: Vec<u32> = frames.map(|tag| tag.time_ms).collect();
        times.sort_unstable();
        let last = *times.last().context("no video in it")?;
        let frame = times.len().checked_sub(2).map_or(40, |before| last - times[before]);
        ensure!(times.len() > 1, "one picture is not enough");
        Ok(Self { tags, duration_ms: last + frame.max(1) })
    }
}

impl Tag {
    /// None for what no player needs.
    fn new(tag: flv::Tag) -> Option<Self> {
        let first = *tag.body.first()?;
        let packet_type = tag.body.get(1).copied();
        let (once, chunk_stream) = match tag.kind {
            TagKind::Script => (true, 5),
            TagKind::Audio => {
                const AAC: u8 = 10;
                (first >> 4 == AAC && packet_type == Some(0), 4)
            }
            TagKind::Video if first & 0x80 != 0 => (first & 0x0f == 0, 6),
            // An end of sequence would end the first round only.
            TagKind::Video if first & 0x0f == AVC && packet_type == Some(2) => return None,
            TagKind::Video => (first & 0x0f == AVC && packet_type == Some(0), 6),
        };
        Some(Self { kind: tag.kind, time_ms: tag.timestamp_ms, body: tag.body, once, chunk_stream })
    }

    /// As it is published, on message stream 0.
    pub(super) fn message(&self, timestamp_ms: u32, stamped: bool) -> Message {
        let (kind, body) = match self.kind {
            TagKind::Audio => (kind::AUDIO, self.body.clone()),
            TagKind::Video if stamped && self.is_picture() => (kind::VIDEO, self.stamped()),
            TagKind::Video => (kind::VIDEO, self.body.clone()),
            TagKind::Script => {
                let mut body = BytesMut::new();
                Value::from("@setDataFrame").encode(&mut body);
                body.extend_from_slice(&self.body);
                (kind::DATA_AMF0, body.freeze())
            }
        };
        Message { kind, timestamp_ms, stream: 0, body }
    }

    fn is_picture(&self) -> bool {
        !self.once && self.body[0] & 0x8f == AVC && self.body.len() > AVC_HEADER
    }

    /// With the clock in front of the first NAL unit.
    fn stamped(&self) -> Bytes {
        let (header, units) = self.body.split_at(AVC_HEADER);
        [header, &stamp::unit(stamp::wall_clock()), units].concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Scanner;

    fn tag(kind: u8, time_ms: u32, body: &[u8]) -> Vec<u8> {
        let [_, t0, t1, t2] = time_ms.to_be_bytes();
        let length = body.len() as u8;
        [&[kind, 0, 0, length, t0, t1, t2, 0, 0, 0, 0], body, &[0, 0, 0, 11 + length]].concat()
    }

    fn file() -> Vec<u8> {
        let tags = [
            tag(18, 0, b"\x02\0\x0aonMetaData"),
            tag(9, 0, b"\x17\0\0\0\0header"),
            tag(8, 0, b"\xaf\0header"),
            tag(9, 0, b"\x17\x01\0\0\0key"),
            tag(8, 20, b"\xaf\x01sound"),
            tag(9, 40, b"\x27\x01\0\0\0picture"),
            tag(9, 40, b"\x17\x02\0\0\0"),
        ];
        [&b"FLV\x01\x05\0\0\0\x09\0\0\0\0"[..], &tags.concat()].concat()
    }

    #[test]
    fn a_round_ends_a_frame_after_its_last_picture() {
        let source = Source::parse(&file()).unwrap();
        assert_eq!(source.duration_ms, 80);
        let once: Vec<bool> = source.tags.iter().map(|tag| tag.once).collect();
        assert_eq!(once, [true, true, true, false, false, false], "and no end of sequence");
    }

    #[test]
    fn pictures_carry_the_clock_and_nothing_else_does() {
        let source = Source::parse(&file()).unwrap();
        for tag in &source.tags {
            let message = tag.message(7, true);
            let stamps = Scanner::default().feed(&message.body);
            assert_eq!(stamps.len(), usize::from(tag.kind == TagKind::Video && !tag.once));
            assert_eq!(message.timestamp_ms, 7);
        }
        assert_eq!(source.tags[3].message(0, false).body, source.tags[3].body);
        assert!(source.tags[0].message(0, true).body.starts_with(b"\x02\0\x0d@setDataFrame\x02\0\x0aonMeta"));
    }

    #[test]
    fn what_is_no_film_is_refused() {
        assert!(Source::parse(b"GIF89a").is_err());
        assert!(Source::parse(&file()[..13]).is_err());
    }
}
