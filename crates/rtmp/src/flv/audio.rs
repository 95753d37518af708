//! `AudioTagHeader` as it always was (E.4.2.1).

use bytes::{Buf, Bytes};

use media::TrackId;
use media::codec::g711::{self, Law};

use super::FourCc;
use super::enhanced::{self, Content, Packet, Packets};
use crate::Error;

/// `SoundFormat` 9 was reserved, and is Enhanced RTMP now.
const EX_HEADER: u8 = 9;

/// `SoundFormat` of what we take, and the name of what we do not.
fn codec(format: u8) -> Result<FourCc, &'static str> {
    Err(match format {
        2 | 14 => return Ok(FourCc::Mp3),
        10 => return Ok(FourCc::Aac),
        0 | 3 => "PCM audio",
        1 => "ADPCM audio",
        4..=6 => "Nellymoser audio",
        11 => "Speex audio",
        _ => "audio with a reserved sound format",
    })
}

/// `SoundFormat` 7 and 8.
fn law(format: u8) -> Option<Law> {
    match format {
        7 => Some(Law::A),
        8 => Some(Law::Mu),
        _ => None,
    }
}

/// The packets of an audio tag's body.
pub(super) fn packets(mut body: Bytes) -> Result<Packets, Error> {
    let len = body.len();
    // An empty message stands for silence (Enhanced RTMP v2, `AudioPacketType`).
    let Some(&first) = body.first() else { return Ok(Packets::None) };
    if first >> 4 == EX_HEADER {
        return enhanced::audio(body);
    }
    if let Some(law) = law(first >> 4) {
        // Whatever `SoundRate` says, which has no word for it: 8 kHz (E.4.2.1, on these two formats).
        let channels = 1 + (first & 1);
        body.advance(1);
        let config = g711::Config::new(law, g711::SAMPLE_RATE, channels)?;
        return Ok(Packets::G711(config, body));
    }
    let fourcc = match codec(first >> 4) {
        Ok(fourcc) => fourcc,
        Err(what) => return Ok(Packets::Unsupported(what.to_owned())),
    };
    body.advance(1);
    let content = if fourcc == FourCc::Aac {
        let packet_type = body.first().copied().ok_or(Error::Truncated { what: "audio tag", len })?;
        body.advance(1);
        match packet_type {
            0 => Content::Header(body),
            1 => Content::Unit { cts_ms: 0, data: body },
            other => {
                let (what, field, expected) = ("audio tag", "AACPacketType", "0 or 1");
                return Err(Error::Invalid { what, field, value: other.into(), expected });
            }
        }
    } else {
        Content::Unit { cts_ms: 0, data: body }
    };
    Ok(Packets::Some(vec![Packet { track: TrackId::AUDIO, fourcc, offset_ns: 0, content }]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &'static [u8]) -> Result<Packets, Error> {
        packets(Bytes::from_static(body))
    }

    fn one(fourcc: FourCc, content: Content) -> Result<Packets, Error> {
        Ok(Packets::Some(vec![Packet { track: TrackId::AUDIO, fourcc, offset_ns: 0, content }]))
    }

    #[test]
    fn aac_has_a_header_and_access_units() {
        assert_eq!(
            parse(b"\xaf\x00\x12\x10"),
            one(FourCc::Aac, Content::Header(Bytes::from_static(b"\x12\x10")))
        );
        let data = Bytes::from_static(b"xy");
        assert_eq!(parse(b"\xaf\x01xy"), one(FourCc::Aac, Content::Unit { cts_ms: 0, data }));
        assert!(matches!(parse(b"\xaf"), Err(Error::Truncated { .. })));
        assert!(matches!(parse(b"\xaf\x02"), Err(Error::Invalid { value: 2, .. })));
    }

    #[test]
    fn mp3_has_nothing_but_frames() {
        let data = Bytes::from_static(b"\xff\xfb");
        assert_eq!(parse(b"\x2f\xff\xfb"), one(FourCc::Mp3, Content::Unit { cts_ms: 0, data }));
    }

    #[test]
    fn g711_is_told_by_the_first_byte_alone() {
        for (body, law, channels) in
            [(b"\x72x", Law::A, 1), (b"\x73x", Law::A, 2), (b"\x82x", Law::Mu, 1), (b"\x8fx", Law::Mu, 2)]
        {
            let config = g711::Config::new(law, 8000, channels).unwrap();
            assert_eq!(parse(body), Ok(Packets::G711(config, Bytes::from_static(b"x"))));
        }
    }

    #[test]
    fn silence_and_what_we_lack() {
        assert_eq!(parse(b""), Ok(Packets::None));
        assert_eq!(parse(b"\xb2x"), Ok(Packets::Unsupported("Speex audio".to_owned())));
    }
}
