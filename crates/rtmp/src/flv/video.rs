//! `VideoTagHeader` as it always was (E.4.3.1).

use bytes::{Buf, Bytes};

use media::TrackId;

use super::FourCc;
use super::enhanced::{self, Content, Packet, Packets};
use crate::Error;

const WHAT: &str = "video tag";

/// Bit of the first byte that says: Enhanced RTMP.
const EX_HEADER: u8 = 0x80;
/// `FrameType` 5: a command for the player, no picture.
const COMMAND_FRAME: u8 = 5;

/// `CodecID` of what we take, and the name of what we do not.
fn codec(id: u8) -> Result<FourCc, &'static str> {
    Err(match id {
        7 => return Ok(FourCc::Avc),
        // Not Adobe's: what Chinese encoders and platforms used for HEVC before Enhanced RTMP.
        12 => return Ok(FourCc::Hevc),
        1 => "JPEG video",
        2 => "Sorenson H.263 video",
        3 | 6 => "Screen video",
        4 | 5 => "VP6 video",
        _ => "video with a reserved codec id",
    })
}

/// The packets of a video tag's body.
pub(super) fn packets(mut body: Bytes) -> Result<Packets, Error> {
    let len = body.len();
    // An empty message is how some servers flush.
    let Some(&first) = body.first() else { return Ok(Packets::None) };
    if first & EX_HEADER != 0 {
        return enhanced::video(body);
    }
    if first >> 4 == COMMAND_FRAME {
        return Ok(Packets::None);
    }
    let fourcc = match codec(first & 0x0f) {
        Ok(fourcc) => fourcc,
        Err(what) => return Ok(Packets::Unsupported(what.to_owned())),
    };
    let Some(&[_, packet_type, t0, t1, t2]) = body.first_chunk() else {
        return Err(Error::Truncated { what: WHAT, len });
    };
    body.advance(5);
    let content = match packet_type {
        0 => Content::Header(body),
        1 => Content::Unit { cts_ms: signed_24([t0, t1, t2]), data: body },
        // End of sequence.
        2 => return Ok(Packets::None),
        other => {
            let expected = "0 to 2";
            return Err(Error::Invalid { what: WHAT, field: "AVCPacketType", value: other.into(), expected });
        }
    };
    Ok(Packets::Some(vec![Packet { track: TrackId::VIDEO, fourcc, offset_ns: 0, content }]))
}

/// SI24.
pub(super) fn signed_24(bytes: [u8; 3]) -> i32 {
    i32::from_be_bytes([bytes[0], bytes[1], bytes[2], 0]) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &'static [u8]) -> Result<Packets, Error> {
        packets(Bytes::from_static(body))
    }

    #[test]
    fn composition_times_are_signed() {
        assert_eq!(signed_24([0, 0, 80]), 80);
        assert_eq!(signed_24([0xff, 0xff, 0xd8]), -40);
        let content = Content::Unit { cts_ms: -1, data: Bytes::from_static(b"x") };
        let packet = Packet { track: TrackId::VIDEO, fourcc: FourCc::Avc, offset_ns: 0, content };
        assert_eq!(parse(b"\x27\x01\xff\xff\xffx"), Ok(Packets::Some(vec![packet])));
    }

    #[test]
    fn a_sequence_header_of_either_codec() {
        for (body, fourcc) in
            [(b"\x17\x00\x00\x00\x00c", FourCc::Avc), (b"\x1c\x00\x00\x00\x00c", FourCc::Hevc)]
        {
            let content = Content::Header(Bytes::from_static(b"c"));
            let packet = Packet { track: TrackId::VIDEO, fourcc, offset_ns: 0, content };
            assert_eq!(parse(body), Ok(Packets::Some(vec![packet])));
        }
    }

    #[test]
    fn what_is_no_picture_is_passed_over() {
        for body in [&b""[..], b"\x57\x00", b"\x17\x02\x00\x00\x00"] {
            assert_eq!(parse(body), Ok(Packets::None));
        }
    }

    #[test]
    fn old_codecs_are_named_and_damage_is_an_error() {
        assert_eq!(parse(b"\x22abc"), Ok(Packets::Unsupported("Sorenson H.263 video".to_owned())));
        assert!(matches!(parse(b"\x17\x01\x00"), Err(Error::Truncated { len: 3, .. })));
        assert!(matches!(parse(b"\x17\x03\x00\x00\x00"), Err(Error::Invalid { value: 3, .. })));
    }
}
