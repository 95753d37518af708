//! Which codecs fMP4 can carry, and by what name.

use std::fmt;

use media::{Codec, VideoInfo};

/// A codec that cannot be carried in fMP4, or not yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported {
    codec: &'static str,
    reason: &'static str,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be carried in fMP4: {}", self.codec, self.reason)
    }
}

impl std::error::Error for Unsupported {}

/// Whether the codec can be carried in fMP4, and if not why, in a sentence for people.
///
/// Some codecs fail at first and not later: those whose picture size or parameter sets come only with the stream.
pub fn supports(codec: &Codec) -> Result<(), Unsupported> {
    let sets_missing = match codec {
        Codec::H264(config) => config.pps().is_empty(),
        Codec::H265(config) => config.vps().is_empty() || config.pps().is_empty(),
        Codec::Av1(_) | Codec::Vp9(_) => false,
        Codec::Aac(_) | Codec::Mpa(_) | Codec::Ac3(_) | Codec::Opus(_) | Codec::Flac(_) => false,
        Codec::G711(_) => return unsupported(codec, "no player takes it from there"),
        _ => return unsupported(codec, "ISO files have no form for it that we know"),
    };
    match codec.video() {
        _ if sets_missing => unsupported(codec, "its parameter sets are not complete yet"),
        Some(VideoInfo { width: 0, .. } | VideoInfo { height: 0, .. }) => {
            unsupported(codec, "its picture size is not known yet")
        }
        Some(VideoInfo { width, height, .. }) if width.max(height) > u32::from(u16::MAX) => {
            unsupported(codec, "its picture is larger than 65535 pixels")
        }
        _ => Ok(()),
    }
}

fn unsupported(codec: &Codec, reason: &'static str) -> Result<(), Unsupported> {
    Err(Unsupported { codec: codec.name(), reason })
}

/// The `codecs` parameter (RFC 6381 3.3) of the codec in fMP4, none for what it cannot carry.
///
/// It is [`Codec::codec_string`] but for MPEG audio, which here is not an object type of MPEG-4 audio:
/// `mp4a.6B`, or `mp4a.69` for the lower sample rates.
pub fn codec_string(codec: &Codec) -> Option<String> {
    match codec {
        Codec::Mpa(config) => Some(format!("mp4a.{:2X}", crate::entry::mpeg_audio_type(config))),
        _ => codec.codec_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use media::codec::{av1, g711, h264, h265, mpa, opaque};

    fn reason(codec: &Codec) -> String {
        supports(codec).expect_err("unsupported").to_string()
    }

    #[test]
    fn what_is_not_known_yet_is_said() {
        let av1 = Codec::Av1(av1::Config::decode(&[0x81, 0, 0x0c, 0]).unwrap());
        assert_eq!(reason(&av1), "AV1 cannot be carried in fMP4: its picture size is not known yet");
        let avcc = include_bytes!("../../media/testdata/x264-1080p.avcc");
        let config = h264::Config::decode(avcc).unwrap();
        let head = avcc[..8 + config.sps()[0].len()].to_vec();
        let bare = h264::Config::decode(&[&head[..], &[0]].concat()).unwrap();
        assert_eq!(supports(&Codec::H264(config)), Ok(()));
        assert_eq!(
            reason(&Codec::H264(bare)),
            "H.264 cannot be carried in fMP4: its parameter sets are not complete yet"
        );
        let hvcc = include_bytes!("../../media/testdata/x265-1080p.hvcc");
        assert_eq!(supports(&Codec::H265(h265::Config::decode(hvcc).unwrap())), Ok(()));
    }

    #[test]
    fn what_we_do_not_parse_has_no_form() {
        let opaque = Codec::Opaque(opaque::Config { stream_type: 2, descriptors: Bytes::new() });
        assert_eq!(
            reason(&opaque),
            "MPEG-2 video cannot be carried in fMP4: ISO files have no form for it that we know"
        );
        assert_eq!(codec_string(&opaque), None);
    }

    #[test]
    fn telephone_sound_is_left_out() {
        let g711 = Codec::G711(g711::Config::new(g711::Law::A, 8000, 1).unwrap());
        assert_eq!(reason(&g711), "G.711 cannot be carried in fMP4: no player takes it from there");
    }

    #[test]
    fn mpeg_audio_has_its_own_name() {
        let string = |header: &[u8]| codec_string(&Codec::Mpa(mpa::Config::decode(header).unwrap()));
        assert_eq!(string(&[0xff, 0xfb, 0x14, 0]), Some("mp4a.6B".to_owned()));
        assert_eq!(string(&[0xff, 0xf3, 0x14, 0]), Some("mp4a.69".to_owned()));
    }
}
