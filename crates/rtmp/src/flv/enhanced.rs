//! `ExVideoTagHeader` and `ExAudioTagHeader` (Enhanced RTMP v2, "Enhanced Video" and "Enhanced Audio"), of which
//! those of v1 are a part.
//!
//! Both have the same build: modifiers, perhaps several tracks, a FourCC, a payload. What differs is the numbers.

use bytes::{Buf, Bytes};

use media::TrackId;
use media::codec::g711;

use super::video::signed_24;
use crate::Error;

/// Tracks of one kind that one message may have, and tracks of one stream.
pub(super) const MAX_TRACKS: usize = 16;

/// A codec as Enhanced RTMP names it; codecs of the old headers have such a name as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FourCc {
    /// `avc1`: H.264.
    Avc,
    /// `hvc1`: H.265.
    Hevc,
    /// `av01`: AV1.
    Av1,
    /// `vp09`: VP9.
    Vp9,
    /// `mp4a`: AAC.
    Aac,
    /// `.mp3`: MPEG audio.
    Mp3,
    /// `ac-3`: AC-3.
    Ac3,
    /// `ec-3`: E-AC-3.
    Eac3,
    /// `Opus`: Opus.
    Opus,
    /// `fLaC`: FLAC.
    Flac,
}

impl FourCc {
    /// All that we take.
    pub const ALL: [Self; 10] = [
        Self::Avc,
        Self::Hevc,
        Self::Av1,
        Self::Vp9,
        Self::Aac,
        Self::Mp3,
        Self::Ac3,
        Self::Eac3,
        Self::Opus,
        Self::Flac,
    ];

    /// The four characters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avc => "avc1",
            Self::Hevc => "hvc1",
            Self::Av1 => "av01",
            Self::Vp9 => "vp09",
            Self::Aac => "mp4a",
            Self::Mp3 => ".mp3",
            Self::Ac3 => "ac-3",
            Self::Eac3 => "ec-3",
            Self::Opus => "Opus",
            Self::Flac => "fLaC",
        }
    }

    /// Pictures, not sound.
    pub fn is_video(self) -> bool {
        matches!(self, Self::Avc | Self::Hevc | Self::Av1 | Self::Vp9)
    }

    /// Whether coded frames begin with a composition time offset.
    fn has_composition_time(self) -> bool {
        matches!(self, Self::Avc | Self::Hevc)
    }
}

/// What was in the body of a tag.
#[derive(PartialEq, Debug)]
pub(super) enum Packets {
    /// Nothing to be decoded.
    None,
    /// One packet for each track.
    Some(Vec<Packet>),
    /// Sound of the one codec that Enhanced RTMP has no name for.
    G711(g711::Config, Bytes),
    /// Something that we lack, by its name.
    Unsupported(String),
}

/// Something of one track.
#[derive(PartialEq, Debug)]
pub(super) struct Packet {
    pub(super) track: TrackId,
    pub(super) fourcc: FourCc,
    pub(super) offset_ns: u32,
    pub(super) content: Content,
}

/// What a packet has.
#[derive(PartialEq, Debug)]
pub(super) enum Content {
    /// A sequence header.
    Header(Bytes),
    /// An access unit.
    Unit { cts_ms: i32, data: Bytes },
}

/// The two headers, as far as they differ.
struct Syntax {
    what: &'static str,
    is_video: bool,
    coded_frames_x: Option<u8>,
    multitrack: u8,
}

const VIDEO: Syntax =
    Syntax { what: "enhanced video tag", is_video: true, coded_frames_x: Some(3), multitrack: 6 };
const AUDIO: Syntax =
    Syntax { what: "enhanced audio tag", is_video: false, coded_frames_x: None, multitrack: 5 };

/// `VideoPacketType` and `AudioPacketType` where they agree.
mod packet_type {
    pub(super) const SEQUENCE_START: u8 = 0;
    pub(super) const CODED_FRAMES: u8 = 1;
    pub(super) const MOD_EX: u8 = 7;
}
/// `VideoPacketType.Metadata`: of the picture's colours; comes with any frame type.
const VIDEO_METADATA: u8 = 4;
/// `VideoFrameType.Command`.
const COMMAND_FRAME: u8 = 5;
/// `AvMultitrackType`.
mod multitrack {
    pub(super) const ONE_TRACK: u8 = 0;
    pub(super) const MANY_CODECS: u8 = 2;
}

/// The packets of a video tag whose first byte has the bit `isExVideoHeader`.
pub(super) fn video(body: Bytes) -> Result<Packets, Error> {
    let frame_type = body.first().map(|first| first >> 4 & 7);
    let mut reader = Reader { body, syntax: &VIDEO };
    let (packet_type, offset_ns) = reader.head()?;
    if packet_type != VIDEO_METADATA && frame_type == Some(COMMAND_FRAME) {
        return Ok(Packets::None);
    }
    reader.packets(packet_type, offset_ns)
}

/// The packets of an audio tag whose `SoundFormat` is 9.
pub(super) fn audio(body: Bytes) -> Result<Packets, Error> {
    let mut reader = Reader { body, syntax: &AUDIO };
    let (packet_type, offset_ns) = reader.head()?;
    reader.packets(packet_type, offset_ns)
}

struct Reader<'a> {
    body: Bytes,
    syntax: &'a Syntax,
}

impl Reader<'_> {
    /// The packet type behind all modifiers, and the nanoseconds that one of them may have set.
    fn head(&mut self) -> Result<(u8, u32), Error> {
        const TIMESTAMP_OFFSET_NANO: u8 = 0;
        let [first] = self.array()?;
        let (mut packet_type, mut offset_ns) = (first & 0x0f, 0);
        while packet_type == packet_type::MOD_EX {
            let mut size = usize::from(self.array::<1>()?[0]) + 1;
            if size == 256 {
                size = usize::from(u16::from_be_bytes(self.array()?)) + 1;
            }
            let data = self.take(size)?;
            let [types] = self.array()?;
            packet_type = types & 0x0f;
            if types >> 4 == TIMESTAMP_OFFSET_NANO
                && let Some(&[n0, n1, n2]) = data.first_chunk()
            {
                offset_ns = u32::from_be_bytes([0, n0, n1, n2]).min(999_999);
            }
        }
        Ok((packet_type, offset_ns))
    }

    fn packets(mut self, packet_type: u8, offset_ns: u32) -> Result<Packets, Error> {
        if packet_type == self.syntax.multitrack {
            return self.multitrack(offset_ns);
        }
        let fourcc = self.fourcc()?;
        let body = self.body.split_off(0);
        Ok(match fourcc {
            Err(name) => self.unsupported(name),
            Ok(fourcc) => match self.content(fourcc, packet_type, body)? {
                None => Packets::None,
                Some(content) => {
                    Packets::Some(vec![Packet { track: self.track(0), fourcc, offset_ns, content }])
                }
            },
        })
    }

    fn multitrack(&mut self, offset_ns: u32) -> Result<Packets, Error> {
        let [types] = self.array()?;
        let (kind, packet_type) = (types >> 4, types & 0x0f);
        if kind > multitrack::MANY_CODECS || packet_type == self.syntax.multitrack {
            let (what, expected) = (self.syntax.what, "a multitrack type of 0 to 2 with another packet type");
            return Err(Error::Invalid { what, field: "multitrack", value: types.into(), expected });
        }
        let common = if kind == multitrack::MANY_CODECS { None } else { Some(self.fourcc()?) };
        let (mut packets, mut unsupported) = (Vec::new(), None);
        for count in 0.. {
            if self.body.is_empty() {
                break;
            }
            if count == MAX_TRACKS {
                let (what, limit) = ("tracks in one message", MAX_TRACKS as u64);
                return Err(Error::Limit { what, value: limit + 1, limit });
            }
            let fourcc = match common {
                Some(common) => common,
                None => self.fourcc()?,
            };
            let [track] = self.array()?;
            let size = match kind {
                multitrack::ONE_TRACK => self.body.len(),
                _ => {
                    let [s0, s1, s2] = self.array()?;
                    u32::from_be_bytes([0, s0, s1, s2]) as usize
                }
            };
            let body = self.take(size)?;
            match fourcc {
                Err(name) => unsupported = Some(self.unsupported(name)),
                Ok(fourcc) => {
                    let content = self.content(fourcc, packet_type, body)?;
                    let track = self.track(track);
                    packets.extend(content.map(|content| Packet { track, fourcc, offset_ns, content }));
                }
            }
        }
        Ok(match unsupported {
            Some(unsupported) if packets.is_empty() => unsupported,
            _ => Packets::Some(packets),
        })
    }

    fn content(&self, fourcc: FourCc, packet_type: u8, mut body: Bytes) -> Result<Option<Content>, Error> {
        Ok(match packet_type {
            packet_type::SEQUENCE_START => Some(Content::Header(body)),
            packet_type::CODED_FRAMES if fourcc.has_composition_time() => {
                let Some(&time) = body.first_chunk() else {
                    return Err(Error::Truncated { what: self.syntax.what, len: body.len() });
                };
                body.advance(3);
                Some(Content::Unit { cts_ms: signed_24(time), data: body })
            }
            packet_type::CODED_FRAMES => Some(Content::Unit { cts_ms: 0, data: body }),
            x if Some(x) == self.syntax.coded_frames_x => Some(Content::Unit { cts_ms: 0, data: body }),
            // The end of a sequence, metadata, the speakers of the channels, and what may be added.
            _ => None,
        })
    }

    /// Even numbers for video, odd ones for audio, so that a track keeps its number whatever else there is.
    fn track(&self, id: u8) -> TrackId {
        TrackId(u16::from(id) * 2 + u16::from(!self.syntax.is_video))
    }

    /// A FourCC of this kind of track, or the name of one that is not ours.
    fn fourcc(&mut self) -> Result<Result<FourCc, [u8; 4]>, Error> {
        let name = self.array()?;
        let ours = FourCc::ALL.into_iter().filter(|fourcc| fourcc.is_video() == self.syntax.is_video);
        Ok(ours.into_iter().find(|fourcc| fourcc.name().as_bytes() == name).ok_or(name))
    }

    fn unsupported(&self, name: [u8; 4]) -> Packets {
        let kind = if self.syntax.is_video { "video" } else { "audio" };
        Packets::Unsupported(format!("{kind} codec {}", name.escape_ascii()))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.body.first_chunk().copied();
        let bytes = bytes.ok_or(Error::Truncated { what: self.syntax.what, len: self.body.len() })?;
        self.body.advance(N);
        Ok(bytes)
    }

    fn take(&mut self, size: usize) -> Result<Bytes, Error> {
        if self.body.len() < size {
            return Err(Error::Truncated { what: self.syntax.what, len: self.body.len() });
        }
        Ok(self.body.split_to(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packets(parsed: Result<Packets, Error>) -> Vec<(u16, FourCc, u32, Content)> {
        match parsed.unwrap() {
            Packets::Some(packets) => {
                let facts =
                    |packet: Packet| (packet.track.0, packet.fourcc, packet.offset_ns, packet.content);
                packets.into_iter().map(facts).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    fn parse(body: &'static [u8]) -> Result<Packets, Error> {
        if body[0] & 0x80 != 0 && body[0] >> 4 != 9 {
            video(Bytes::from_static(body))
        } else {
            audio(Bytes::from_static(body))
        }
    }

    fn unit(cts_ms: i32, data: &'static [u8]) -> Content {
        Content::Unit { cts_ms, data: Bytes::from_static(data) }
    }

    fn header(data: &'static [u8]) -> Content {
        Content::Header(Bytes::from_static(data))
    }

    #[test]
    fn version_one_video() {
        assert_eq!(
            packets(video(Bytes::from_static(b"\x90hvc1rec"))),
            [(0, FourCc::Hevc, 0, header(b"rec"))]
        );
        let frame = b"\x91hvc1\x00\x00\x28nal";
        assert_eq!(packets(video(Bytes::from_static(frame))), [(0, FourCc::Hevc, 0, unit(40, b"nal"))]);
        assert_eq!(packets(parse(b"\xa3hvc1nal")), [(0, FourCc::Hevc, 0, unit(0, b"nal"))]);
        assert_eq!(packets(parse(b"\xa1av01obu")), [(0, FourCc::Av1, 0, unit(0, b"obu"))]);
        assert_eq!(packets(parse(b"\xa1vp09frame")), [(0, FourCc::Vp9, 0, unit(0, b"frame"))]);
    }

    #[test]
    fn version_two_audio() {
        for (body, fourcc) in [
            (b"\x91Opusx", FourCc::Opus),
            (b"\x91ac-3x", FourCc::Ac3),
            (b"\x91ec-3x", FourCc::Eac3),
            (b"\x91fLaCx", FourCc::Flac),
            (b"\x91mp4ax", FourCc::Aac),
            (b"\x91.mp3x", FourCc::Mp3),
        ] {
            assert_eq!(packets(audio(Bytes::from_static(body))), [(1, fourcc, 0, unit(0, b"x"))]);
        }
        assert_eq!(packets(parse(b"\x90Opushead")), [(1, FourCc::Opus, 0, header(b"head"))]);
    }

    #[test]
    fn what_has_nothing_to_decode() {
        for body in [&b"\xd4hvc1\x02\x00\x09colorInfo"[..], b"\xa2hvc1", b"\xd1\x00", b"\xa5av01\x80"] {
            assert_eq!(parse(body), Ok(Packets::None), "{body:?}");
        }
        assert_eq!(parse(b"\x94Opus\x01\x02"), Ok(Packets::None));
    }

    #[test]
    fn modifiers_are_read_and_unknown_ones_skipped() {
        // 3 bytes of nanoseconds.
        assert_eq!(
            packets(parse(b"\xa7\x02\x07\xa1\x20\x01av01o")),
            [(0, FourCc::Av1, 500_000, unit(0, b"o"))]
        );
        // An unknown modifier of one byte, then nanoseconds beyond a millisecond.
        let body = b"\x97\x00z\x17\x02\xff\xff\xff\x01Opuso";
        assert_eq!(packets(parse(body)), [(1, FourCc::Opus, 999_999, unit(0, b"o"))]);
        // The size in 16 bits.
        let mut long = b"\xa7\xff\x01\x00".to_vec();
        long.resize(4 + 257, 0);
        long.extend_from_slice(b"\x11av01o");
        assert_eq!(packets(video(Bytes::from(long))), [(0, FourCc::Av1, 0, unit(0, b"o"))]);
    }

    #[test]
    fn one_track_by_its_number() {
        let body = b"\xa6\x01hvc1\x02\x00\x00\x00nal";
        assert_eq!(packets(parse(body)), [(4, FourCc::Hevc, 0, unit(0, b"nal"))]);
        assert_eq!(packets(parse(b"\x95\x01Opus\x03pkt")), [(7, FourCc::Opus, 0, unit(0, b"pkt"))]);
    }

    #[test]
    fn many_tracks_of_one_codec() {
        let body = b"\xa6\x11av01\x00\x00\x00\x01a\x01\x00\x00\x02bc";
        let expected = [(0, FourCc::Av1, 0, unit(0, b"a")), (2, FourCc::Av1, 0, unit(0, b"bc"))];
        assert_eq!(packets(parse(body)), expected);
    }

    #[test]
    fn many_tracks_of_many_codecs() {
        let body = b"\x95\x21Opus\x00\x00\x00\x01aabcd\x01\x00\x00\x01xmp4a\x02\x00\x00\x02bc";
        let expected = [(1, FourCc::Opus, 0, unit(0, b"a")), (5, FourCc::Aac, 0, unit(0, b"bc"))];
        assert_eq!(packets(parse(body)), expected);
    }

    #[test]
    fn foreign_codecs_are_named() {
        assert_eq!(parse(b"\xa1vvc1x"), Ok(Packets::Unsupported("video codec vvc1".to_owned())));
        assert_eq!(
            parse(b"\x91\x00\xffabx"),
            Ok(Packets::Unsupported("audio codec \\x00\\xffab".to_owned()))
        );
        // A video codec in an audio tag is none.
        assert_eq!(parse(b"\x91av01x"), Ok(Packets::Unsupported("audio codec av01".to_owned())));
    }

    #[test]
    fn damage_is_an_error() {
        for body in [
            &b"\xa1hv"[..],
            b"\xa1hvc1\x00",
            b"\xa7\x05",
            b"\xa6\x16hvc1",
            b"\xa6\x31hvc1",
            b"\xa6\x11av01\x00\x00\x00\x05a",
        ] {
            assert!(parse(body).is_err(), "{body:?}");
        }
        let mut many = b"\xa6\x11av01".to_vec();
        many.extend_from_slice(&b"\x00\x00\x00\x00".repeat(17));
        assert!(matches!(video(Bytes::from(many)), Err(Error::Limit { .. })));
    }

    proptest! {
        #[test]
        fn any_bytes_are_packets_or_an_error(body in prop::collection::vec(any::<u8>(), 1..200)) {
            let _ = video(Bytes::from(body.clone()));
            let _ = audio(Bytes::from(body));
        }
    }
}
