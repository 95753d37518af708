//! What the program map says of an elementary stream, and so how it is to be read: the other way of `es`.

use std::fmt;

use bytes::Bytes;
use media::Kind;
use media::codec::{opaque, opus};

use super::section::{Entry, descriptors};
use crate::es::{VORBIS, has_sections, stream_type};
use crate::psi::REGISTRATION_DESCRIPTOR;

/// Descriptors of DVB (ETSI EN 300 468 table 12).
mod dvb {
    pub(super) const TELETEXT: u8 = 0x56;
    pub(super) const SUBTITLES: u8 = 0x59;
    pub(super) const AC3: u8 = 0x6A;
    pub(super) const EAC3: u8 = 0x7A;
    /// extension_descriptor, by ISO/IEC 13818-1 table 2-45 and by DVB.
    pub(super) const EXTENSION: u8 = 0x7F;
}
/// descriptor_tag_extension of the opus_audio_descriptor (ETSI TS Opus 0.1.3-draft).
const OPUS_EXTENSION: u8 = 0x80;
/// Stream types that nothing here reads and our multiplexer has no place for: sections of other forms, packets of MPEG-4
/// systems, downloads.
const OTHER_FORMS: [u8; 8] = [0x08, 0x09, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18];

/// How a stream is to be read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Form {
    H264,
    H265,
    Adts,
    Latm,
    MpegAudio,
    Dolby {
        enhanced: bool,
    },
    Opus(opus::Config),
    /// PES packets, each an access unit of something that is not parsed.
    Packets(opaque::Config),
    /// Private sections, each an access unit.
    Sections(opaque::Config),
    /// Not carried, for this reason.
    Unsupported {
        stream_type: u8,
        what: &'static str,
    },
}

impl Form {
    /// By its entry in the map; `info` are the descriptors of the whole program.
    pub(super) fn of(entry: &Entry, info: &[u8]) -> Self {
        let kind = entry.stream_type;
        let registered = |format: &[u8; 4]| has_registration(&entry.descriptors, format);
        let unsupported = |what| Self::Unsupported { stream_type: kind, what };
        match kind {
            stream_type::H264 => Self::H264,
            stream_type::H265 => Self::H265,
            stream_type::AAC_ADTS => Self::Adts,
            stream_type::AAC_LATM => Self::Latm,
            stream_type::MPEG1_AUDIO | stream_type::MPEG2_AUDIO => Self::MpegAudio,
            stream_type::AC3 => Self::Dolby { enhanced: false },
            stream_type::EAC3 => Self::Dolby { enhanced: true },
            stream_type::PRIVATE_PES if registered(b"HEVC") => Self::H265,
            stream_type::PRIVATE_PES if registered(b"AV01") => unsupported("AV1 in MPEG-TS"),
            stream_type::PRIVATE_PES if registered(b"Opus") => match opus(&entry.descriptors) {
                Some(config) => Self::Opus(config),
                None => unsupported("Opus with this channel mapping"),
            },
            stream_type::PRIVATE_PES => private(entry),
            // Blu-ray discs have DTS-HD under this number.
            stream_type::SPLICE_INFO if has_registration(info, b"HDMV") => unsupported("DTS-HD"),
            _ if has_sections(kind) => Self::Sections(opaque(entry)),
            _ if OTHER_FORMS.contains(&kind) => unsupported("this stream_type"),
            _ => Self::Packets(opaque(entry)),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::H264 | Self::H265 => Kind::Video,
            Self::Adts | Self::Latm | Self::MpegAudio | Self::Dolby { .. } | Self::Opus(_) => Kind::Audio,
            _ => Kind::Data,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
            Self::Adts => "AAC",
            Self::Latm => "AAC in LATM",
            Self::MpegAudio => "MPEG audio",
            Self::Dolby { enhanced: false } => "AC-3",
            Self::Dolby { enhanced: true } => "E-AC-3",
            Self::Opus(_) => "Opus",
            Self::Unsupported { what, .. } => what,
            Self::Packets(config) | Self::Sections(config) => return f.write_str(&data_name(config)),
        })
    }
}

fn data_name(config: &opaque::Config) -> String {
    let has = |tag| descriptors(&config.descriptors).any(|(found, _)| found == tag);
    let name = match config.stream_type {
        stream_type::MPEG1_VIDEO => "MPEG-1 video",
        stream_type::MPEG2_VIDEO => "MPEG-2 video",
        stream_type::MPEG4_VIDEO => "MPEG-4 video",
        stream_type::SPLICE_INFO => "SCTE-35",
        _ if has(dvb::TELETEXT) => "teletext",
        _ if has(dvb::SUBTITLES) => "DVB subtitles",
        other => return format!("data of stream_type {other:#04x}"),
    };
    name.to_owned()
}

fn private(entry: &Entry) -> Form {
    let has = |tag| descriptors(&entry.descriptors).any(|(found, _)| found == tag);
    let registered = |format: &[u8; 4]| has_registration(&entry.descriptors, format);
    if has(dvb::EAC3) || registered(b"EAC3") {
        Form::Dolby { enhanced: true }
    } else if has(dvb::AC3) || registered(b"AC-3") {
        Form::Dolby { enhanced: false }
    } else {
        Form::Packets(opaque(entry))
    }
}

fn opaque(entry: &Entry) -> opaque::Config {
    let descriptors = Bytes::copy_from_slice(&entry.descriptors);
    opaque::Config { stream_type: entry.stream_type, descriptors }
}

fn has_registration(loop_: &[u8], format: &[u8; 4]) -> bool {
    descriptors(loop_).any(|(tag, content)| tag == REGISTRATION_DESCRIPTOR && content.starts_with(format))
}

/// By channel_config_code (ETSI TS Opus 0.1.3-draft, table 4-2); without the descriptor it is stereo.
fn opus(loop_: &[u8]) -> Option<opus::Config> {
    let code = descriptors(loop_).find_map(|(tag, content)| match content {
        &[OPUS_EXTENSION, code, ..] if tag == dvb::EXTENSION => Some(code),
        _ => None,
    });
    let channels = code.unwrap_or(2);
    let (streams, coupled, mapping) = VORBIS.get(usize::from(channels).checked_sub(1)?)?;
    // RFC 7845 5.1: no pre-skip is known, and the rate of the input does not matter.
    let mut head = [b"OpusHead\x01", &[channels][..], &[0, 0, 0x80, 0xBB, 0, 0, 0, 0]].concat();
    if channels <= 2 {
        head.push(0);
    } else {
        head.extend_from_slice(&[1, *streams, *coupled]);
        head.extend_from_slice(mapping);
    }
    opus::Config::decode(&head).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(stream_type: u8, loop_: &[u8]) -> Form {
        Form::of(&Entry { pid: 0x100, stream_type, descriptors: loop_.to_vec() }, &[])
    }

    fn name(stream_type: u8, loop_: &[u8]) -> String {
        form(stream_type, loop_).to_string()
    }

    #[test]
    fn private_streams_are_known_by_their_descriptors() {
        assert_eq!(name(6, &[0x6A, 1, 0]), "AC-3");
        assert_eq!(name(6, &[0x0A, 4, 1, 2, 3, 0, 0x7A, 1, 0]), "E-AC-3");
        assert_eq!(name(6, b"\x05\x04AC-3"), "AC-3");
        assert_eq!(name(6, b"\x05\x04HEVC"), "H.265");
        assert_eq!(name(6, &[0x56, 0]), "teletext");
        assert_eq!(name(6, &[0x59, 0]), "DVB subtitles");
        assert_eq!(name(6, &[]), "data of stream_type 0x06");
        assert_eq!(name(6, b"\x05\x04AV01"), "AV1 in MPEG-TS");
        assert_eq!(name(0x02, &[]), "MPEG-2 video");
        assert!(matches!(form(0x86, b"\x05\x04CUEI"), Form::Sections(_)));
        assert!(matches!(form(0x13, &[]), Form::Unsupported { .. }));
        let entry = Entry { pid: 1, stream_type: 0x86, descriptors: Vec::new() };
        assert_eq!(Form::of(&entry, b"\x05\x04HDMV").to_string(), "DTS-HD");
    }

    #[test]
    fn opus_has_as_many_channels_as_its_descriptor_says() {
        let channels = |code: &[u8]| match form(6, &[b"\x05\x04Opus\x7F\x02\x80", code].concat()) {
            Form::Opus(config) => Some((config.channels(), config.streams(), config.coupled_streams())),
            _ => None,
        };
        assert_eq!(channels(&[1]), Some((1, 1, 0)));
        assert_eq!(channels(&[2]), Some((2, 1, 1)));
        assert_eq!(channels(&[6]), Some((6, 4, 2)));
        assert_eq!((channels(&[0]), channels(&[0x82])), (None, None));
        assert!(matches!(form(6, b"\x05\x04Opus"), Form::Opus(config) if config.channels() == 2));
    }
}
