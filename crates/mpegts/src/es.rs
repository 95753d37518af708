//! The form each codec takes in a transport stream: stream_type, descriptors, stream_id, and the bytes of an
//! access unit.

use media::codec::{ac3, mpa, opaque, opus};
use media::{Codec, Frame, Kind};

use crate::annexb::AccessUnit;
use crate::packet::Payload;
use crate::pes::stream_id;
use crate::psi::registration;

/// ISO/IEC 13818-1 table 2-34, and the user private numbers in common use.
pub(crate) mod stream_type {
    pub(crate) const MPEG1_VIDEO: u8 = 0x01;
    pub(crate) const MPEG2_VIDEO: u8 = 0x02;
    pub(crate) const MPEG1_AUDIO: u8 = 0x03;
    pub(crate) const MPEG2_AUDIO: u8 = 0x04;
    pub(crate) const PRIVATE_SECTIONS: u8 = 0x05;
    pub(crate) const PRIVATE_PES: u8 = 0x06;
    pub(crate) const DSM_CC_A: u8 = 0x0A;
    pub(crate) const DSM_CC_D: u8 = 0x0D;
    pub(crate) const AAC_ADTS: u8 = 0x0F;
    pub(crate) const MPEG4_VIDEO: u8 = 0x10;
    pub(crate) const AAC_LATM: u8 = 0x11;
    pub(crate) const METADATA_PES: u8 = 0x15;
    pub(crate) const H264: u8 = 0x1B;
    pub(crate) const H265: u8 = 0x24;
    /// ATSC A/52 annex A.
    pub(crate) const AC3: u8 = 0x81;
    /// SCTE 35 clause 8.
    pub(crate) const SPLICE_INFO: u8 = 0x86;
    /// ATSC A/52 annex G.
    pub(crate) const EAC3: u8 = 0x87;
}

/// What the program map says of a codec: stream_type and descriptors.
///
/// Fails with the reason for which the codec has no place in a transport stream.
pub(crate) fn describe(codec: &Codec) -> Result<(u8, Vec<u8>), &'static str> {
    Ok(match codec {
        Codec::H264(_) => (stream_type::H264, Vec::new()),
        Codec::H265(_) => (stream_type::H265, Vec::new()),
        // Any payload length does for the question whether ADTS has words for this configuration.
        Codec::Aac(config) => match config.adts_header(1) {
            Ok(_) => (stream_type::AAC_ADTS, Vec::new()),
            Err(_) => return Err("ADTS cannot express this AAC configuration"),
        },
        Codec::Mpa(config) => (mpeg_audio(config), Vec::new()),
        Codec::Ac3(config) => ac3(config),
        Codec::Opus(config) => {
            let Some(code) = opus_channels(config) else {
                return Err("this Opus channel mapping has no code in MPEG-TS");
            };
            let mut descriptors = registration(b"Opus");
            // opus_audio_descriptor in an extension_descriptor (ETSI TS Opus 0.1.3-draft, table 4-2).
            descriptors.extend_from_slice(&[0x7F, 2, 0x80, code]);
            (stream_type::PRIVATE_PES, descriptors)
        }
        Codec::Opaque(config) => (config.stream_type, config.descriptors.to_vec()),
        Codec::Av1(_) => return Err("no player takes AV1 in MPEG-TS"),
        Codec::Vp9(_) => return Err("VP9 has no mapping to MPEG-TS"),
        Codec::Flac(_) => return Err("FLAC has no mapping to MPEG-TS"),
        Codec::G711(_) => return Err("G.711 has no mapping to MPEG-TS"),
        _ => return Err("this codec has no mapping to MPEG-TS"),
    })
}

/// The sample rates of MPEG-1 belong to one stream_type, the halved ones to the other.
fn mpeg_audio(config: &mpa::Config) -> u8 {
    if config.is_mpeg1() { stream_type::MPEG1_AUDIO } else { stream_type::MPEG2_AUDIO }
}

/// The numbers of ATSC with a registration, not DVB's stream_type 6 with a descriptor: players of HLS know only
/// these (<https://github.com/video-dev/hls.js/pull/5636>), and FFmpeg, VLC and GStreamer take them as well.
fn ac3(config: &ac3::Config) -> (u8, Vec<u8>) {
    if config.is_enhanced() {
        (stream_type::EAC3, registration(b"EAC3"))
    } else {
        (stream_type::AC3, registration(b"AC-3"))
    }
}

/// Streams, coupled streams and mapping of 1 to 8 channels of Opus (RFC 7845 5.1.1.2).
pub(crate) const VORBIS: [(u8, u8, &[u8]); 8] = [
    (1, 0, &[0]),
    (1, 1, &[0, 1]),
    (2, 1, &[0, 2, 1]),
    (2, 2, &[0, 1, 2, 3]),
    (3, 2, &[0, 4, 1, 2, 3]),
    (4, 2, &[0, 4, 1, 2, 3, 5]),
    (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
    (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
];

/// channel_config_code (ETSI TS Opus 0.1.3-draft, table 4-2): the channel count, where streams and order are those of Vorbis.
fn opus_channels(config: &opus::Config) -> Option<u8> {
    let expected = VORBIS.get(usize::from(config.channels()).checked_sub(1)?)?;
    let found = (config.streams(), config.coupled_streams(), config.mapping());
    (config.mapping_family() <= 1 && found == *expected).then(|| config.channels())
}

/// Descriptors of the whole program that these streams ask for: SCTE 35 clause 8 wants its registration there.
pub(crate) fn program_info(stream_types: impl IntoIterator<Item = u8>) -> Vec<u8> {
    if stream_types.into_iter().any(|kind| kind == stream_type::SPLICE_INFO) {
        registration(b"CUEI")
    } else {
        Vec::new()
    }
}

/// Whether the track's frames are private sections and not PES packets.
pub(crate) fn is_sections(codec: &Codec) -> bool {
    matches!(codec, Codec::Opaque(config) if has_sections(config.stream_type))
}

/// Whether the access units of a track are splice information sections (SCTE 35), whose times are hub time.
pub fn is_splice_info(codec: &Codec) -> bool {
    matches!(codec, Codec::Opaque(config) if config.stream_type == stream_type::SPLICE_INFO)
}

/// Whether streams of this type are private sections.
pub(crate) fn has_sections(stream_type: u8) -> bool {
    matches!(
        stream_type,
        stream_type::PRIVATE_SECTIONS | stream_type::DSM_CC_A
            ..=stream_type::DSM_CC_D | stream_type::SPLICE_INFO
    )
}

/// The stream_id of the track's PES packets (table 2-22).
pub(crate) fn stream_id(codec: &Codec) -> u8 {
    match codec {
        Codec::Opaque(config) => opaque_stream_id(config),
        Codec::Aac(_) | Codec::Mpa(_) => stream_id::AUDIO,
        _ if codec.kind() == Kind::Video => stream_id::VIDEO,
        _ => stream_id::PRIVATE,
    }
}

fn opaque_stream_id(config: &opaque::Config) -> u8 {
    match config.stream_type {
        stream_type::MPEG1_VIDEO | stream_type::MPEG2_VIDEO | stream_type::MPEG4_VIDEO => stream_id::VIDEO,
        stream_type::H264 | stream_type::H265 => stream_id::VIDEO,
        stream_type::MPEG1_AUDIO | stream_type::MPEG2_AUDIO => stream_id::AUDIO,
        stream_type::AAC_ADTS | stream_type::AAC_LATM => stream_id::AUDIO,
        // Timed ID3 in HLS travels as private_stream_1, KLV as a metadata stream.
        stream_type::METADATA_PES if !config.descriptors.windows(4).any(|bytes| bytes == b"ID3 ") => {
            stream_id::METADATA
        }
        _ => stream_id::PRIVATE,
    }
}

/// One access unit in the form it has behind the PES header, not copied yet.
#[derive(Clone, Copy)]
pub(crate) enum Unit<'a> {
    ByteStream(AccessUnit<'a>),
    Adts([u8; 7], &'a [u8]),
    Opus(&'a [u8]),
    Raw(&'a [u8]),
}

impl<'a> Unit<'a> {
    /// None when the codec's form has no room for a frame of this size.
    pub(crate) fn new(codec: &'a Codec, frame: &'a Frame) -> Option<Self> {
        let data = &frame.data[..];
        Some(match codec {
            Codec::H264(config) => Self::ByteStream(AccessUnit::h264(config, frame.key, data)),
            Codec::H265(config) => Self::ByteStream(AccessUnit::h265(config, frame.key, data)),
            Codec::Aac(config) => Self::Adts(config.adts_header(data.len()).ok()?, data),
            Codec::Opus(_) => Self::Opus(data),
            _ => Self::Raw(data),
        })
    }

    /// Bytes of this form.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::ByteStream(unit) => unit.len(),
            Self::Adts(header, data) => header.len() + data.len(),
            Self::Opus(data) => OPUS_CONTROL.len() + data.len() / 255 + 1 + data.len(),
            Self::Raw(data) => data.len(),
        }
    }

    /// Copies the payload, for the only time on its way.
    pub(crate) fn write(self, payload: &mut Payload<'_>) {
        match self {
            Self::ByteStream(unit) => unit.write(payload),
            Self::Adts(header, data) => {
                payload.put(&header);
                payload.put(data);
            }
            Self::Opus(data) => {
                payload.put(&OPUS_CONTROL);
                (0..data.len() / 255).for_each(|_| payload.put(&[255]));
                payload.put(&[(data.len() % 255) as u8]);
                payload.put(data);
            }
            Self::Raw(data) => payload.put(data),
        }
    }
}

/// opus_control_header (ETSI TS Opus 0.1.3-draft) up to au_size: the prefix 0x3FF in 11 bits, no trims, no
/// extension.
const OPUS_CONTROL: [u8; 2] = [0x7F, 0xE0];

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn opaque(stream_type: u8, descriptors: &'static [u8]) -> Codec {
        Codec::Opaque(opaque::Config { stream_type, descriptors: Bytes::from_static(descriptors) })
    }

    fn opus(head: &[u8]) -> Codec {
        Codec::Opus(opus::Config::decode(&[b"OpusHead\x01", head].concat()).expect("OpusHead"))
    }

    #[test]
    fn opus_says_its_channels() {
        let stereo = opus(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let descriptors = vec![5, 4, b'O', b'p', b'u', b's', 0x7F, 2, 0x80, 2];
        assert_eq!(describe(&stereo), Ok((6, descriptors)));
        let surround = opus(&[6, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 2, 0, 4, 1, 2, 3, 5]);
        assert_eq!(describe(&surround).map(|(_, bytes)| bytes[9]), Ok(6));
        assert!(describe(&opus(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 1])).is_err());
    }

    #[test]
    fn opus_units_tell_their_size() {
        for len in [0, 1, 254, 255, 256, 510, 1275] {
            let data = vec![0; len];
            assert_eq!(Unit::Opus(&data).len(), 2 + len / 255 + 1 + len);
        }
    }

    #[test]
    fn opaque_tracks_keep_what_they_were() {
        assert_eq!(describe(&opaque(2, &[0x52, 1, 7])), Ok((2, vec![0x52, 1, 7])));
        assert_eq!(stream_id(&opaque(2, &[])), 0xE0);
        assert_eq!(stream_id(&opaque(6, &[])), 0xBD);
        assert_eq!(stream_id(&opaque(0x15, b"\x26\x0d\xff\xffID3 \xffID3 ")), 0xBD);
        assert_eq!(stream_id(&opaque(0x15, b"\x05\x04KLVA")), 0xFC);
        assert!(is_sections(&opaque(0x86, &[])));
        assert!(!is_sections(&opaque(0x06, &[])));
    }

    #[test]
    fn splice_information_registers_the_program() {
        assert_eq!(program_info([0x1B, 0x0F]), []);
        assert_eq!(program_info([0x1B, 0x86]), *b"\x05\x04CUEI");
    }
}
