//! Audio sample entries (ISO/IEC 14496-12 12.2.3) and the descriptors of MPEG-4 (ISO/IEC 14496-1 7.2.6).

use bytes::BufMut;
use media::AudioInfo;
use media::codec::{aac, ac3, flac, mpa, opus};

use super::DATA_REFERENCE;
use crate::boxes::{put, put_bytes, put_full};

/// `samplesize` of everything that is not lossless: a fixed value (12.2.3.2).
const SAMPLE_BITS: u16 = 16;

/// `objectTypeIndication` (ISO/IEC 14496-1 table 5).
mod object_type {
    pub(super) const MPEG4_AUDIO: u8 = 0x40;
    pub(super) const MPEG2_AUDIO: u8 = 0x69;
    pub(super) const MPEG1_AUDIO: u8 = 0x6B;
}

/// Tags of descriptors (ISO/IEC 14496-1 table 1).
mod tag {
    pub(super) const ES: u8 = 3;
    pub(super) const DECODER_CONFIG: u8 = 4;
    pub(super) const DECODER_SPECIFIC_INFO: u8 = 5;
    pub(super) const SL_CONFIG: u8 = 6;
}

/// `mp4a` (ISO/IEC 14496-14 5.6) with the whole `AudioSpecificConfig`.
pub(super) fn put_aac(out: &mut Vec<u8>, config: &aac::Config) {
    put_audio(out, b"mp4a", config.audio(), SAMPLE_BITS, |out| {
        put_esds(out, object_type::MPEG4_AUDIO, Some(config.asc()));
    });
}

/// `mp4a` with an object type that needs no further configuration.
pub(super) fn put_mpa(out: &mut Vec<u8>, config: &mpa::Config) {
    put_audio(out, b"mp4a", config.audio(), SAMPLE_BITS, |out| put_esds(out, mpeg_audio_type(config), None));
}

/// The lower sample rates belong to another specification than the others.
pub(crate) fn mpeg_audio_type(config: &mpa::Config) -> u8 {
    if config.is_mpeg1() { object_type::MPEG1_AUDIO } else { object_type::MPEG2_AUDIO }
}

/// ISO/IEC 14496-14 5.6.1. Buffer size and bit rates are 0, unknown.
fn put_esds(out: &mut Vec<u8>, object_type: u8, specific: Option<&[u8]>) {
    const AUDIO_STREAM: u8 = 5;
    /// The stream is the samples of an MP4 file (14496-14 3.1.2).
    const PREDEFINED_MP4: u8 = 2;
    put_full(out, b"esds", 0, 0, |out| {
        put_descriptor(out, tag::ES, |out| {
            out.put_u16(0); // ES_ID, which is the track's (14496-14 3.1.2)
            out.put_u8(0);
            put_descriptor(out, tag::DECODER_CONFIG, |out| {
                out.put_u8(object_type);
                out.put_u8(AUDIO_STREAM << 2 | 1);
                out.put_slice(&[0; 3 + 4 + 4]);
                if let Some(specific) = specific {
                    put_descriptor(out, tag::DECODER_SPECIFIC_INFO, |out| out.put_slice(specific));
                }
            });
            put_descriptor(out, tag::SL_CONFIG, |out| out.put_u8(PREDEFINED_MP4));
        });
    });
}

/// A descriptor with its size in four times seven bits (ISO/IEC 14496-1 8.3.3), which is what all writers use.
fn put_descriptor(out: &mut Vec<u8>, tag: u8, body: impl FnOnce(&mut Vec<u8>)) {
    out.put_u8(tag);
    let at = out.len();
    out.put_u32(0);
    body(out);
    let len = out.len() - at - 4;
    for (i, byte) in out[at..at + 4].iter_mut().enumerate() {
        let group = (len >> (7 * (3 - i))) as u8 & 0x7f;
        *byte = if i < 3 { group | 0x80 } else { group };
    }
}

/// `ac-3` and `ec-3` (ETSI TS 102 366 F.3 to F.6).
pub(super) fn put_ac3(out: &mut Vec<u8>, config: &ac3::Config) {
    if config.is_enhanced() {
        put_audio(out, b"ec-3", config.audio(), SAMPLE_BITS, |out| put_bytes(out, b"dec3", &dec3(config)));
    } else {
        put_audio(out, b"ac-3", config.audio(), SAMPLE_BITS, |out| put_bytes(out, b"dac3", &dac3(config)));
    }
}

/// `AC3SpecificBox`, F.4.
fn dac3(config: &ac3::Config) -> [u8; 3] {
    let ac3::Program { fscod, bsid, bsmod, acmod, lfeon, .. } = config.program();
    let fields = [
        (fscod, 2),
        (bsid, 5),
        (bsmod, 3),
        (acmod, 3),
        (lfeon.into(), 1),
        (config.bit_rate_code(), 5),
        (0, 5), // reserved
    ];
    let [_, bytes @ ..] = (packed(fields) as u32).to_be_bytes();
    bytes
}

/// `EC3SpecificBox`, F.6, of one independent substream.
fn dec3(config: &ac3::Config) -> Vec<u8> {
    let ac3::Program { fscod, bsid, bsmod, acmod, lfeon, num_dep_sub, chan_loc } = config.program();
    let mut out = Vec::new();
    // num_ind_sub, which is one less, is 0.
    out.put_u16(config.data_rate_kbps() << 3);
    let fields = [
        (fscod, 2),
        (bsid, 5),
        (0, 2), // reserved, asvc
        (bsmod, 3),
        (acmod, 3),
        (lfeon.into(), 1),
    ];
    out.put_u16(packed(fields) as u16);
    if num_dep_sub > 0 {
        out.put_u16(u16::from(num_dep_sub) << 9 | chan_loc);
    } else {
        out.put_u8(0);
    }
    out
}

/// Fields of some bits each, one behind the other.
fn packed<const N: usize>(fields: [(u8, u32); N]) -> u64 {
    fields.into_iter().fold(0, |all, (value, bits)| all << bits | (u64::from(value) & ((1 << bits) - 1)))
}

/// `Opus` ("Encapsulation of Opus in ISO Base Media File Format" 4.3): the fields of the identification header
/// (RFC 7845 5.1) with the most significant byte first.
pub(super) fn put_opus(out: &mut Vec<u8>, config: &opus::Config) {
    put_audio(out, b"Opus", config.audio(), SAMPLE_BITS, |out| {
        put(out, b"dOps", |out| {
            // Sample rate and gain are two numbers of the other byte order, at these places of every header.
            let mut fields: [u8; 6] =
                config.head().get(12..18).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
            fields[..4].reverse();
            fields[4..].reverse();
            out.put_u8(0); // Version
            out.put_u8(config.channels());
            out.put_u16(config.pre_skip());
            out.put_slice(&fields);
            out.put_u8(config.mapping_family());
            if config.mapping_family() != 0 {
                out.put_u8(config.streams());
                out.put_u8(config.coupled_streams());
                out.put_slice(config.mapping());
            }
        });
    });
}

/// `fLaC` ("Encapsulation of FLAC in ISO Base Media File Format" 3.3).
pub(super) fn put_flac(out: &mut Vec<u8>, config: &flac::Config) {
    // A block header: the last, of type STREAMINFO, 34 bytes.
    const HEADER: [u8; 4] = [0x80, 0, 0, 34];
    put_audio(out, b"fLaC", config.audio(), config.bits_per_sample() as u16, |out| {
        put_full(out, b"dfLa", 0, 0, |out| {
            out.put_slice(&HEADER);
            out.put_slice(config.streaminfo());
        });
    });
}

fn put_audio(
    out: &mut Vec<u8>,
    kind: &[u8; 4],
    audio: AudioInfo,
    sample_bits: u16,
    config: impl FnOnce(&mut Vec<u8>),
) {
    put(out, kind, |out| {
        out.put_slice(&[0; 6]);
        out.put_u16(DATA_REFERENCE);
        out.put_u64(0);
        out.put_u16(u16::try_from(audio.channels).unwrap_or(u16::MAX));
        out.put_u16(sample_bits);
        out.put_u32(0);
        out.put_u32(u32::from(nominal_rate(audio.sample_rate)) << 16);
        config(out);
    });
}

/// `samplerate` has 16 bits before its point: of higher rates it has the half or a quarter, as the encapsulation of
/// FLAC (3.3.1) puts it. Decoders go by the configuration.
fn nominal_rate(mut rate: u32) -> u16 {
    loop {
        match u16::try_from(rate) {
            Ok(rate) => return rate,
            Err(_) => rate /= 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn high_rates_are_halved() {
        assert_eq!([8000, 48_000, 96_000, 176_400].map(nominal_rate), [8000, 48_000, 48_000, 44_100]);
        assert_eq!(nominal_rate(u32::MAX), u16::MAX);
    }

    #[test]
    fn descriptors_tell_their_size() {
        let mut out = Vec::new();
        put_descriptor(&mut out, 5, |out| out.put_bytes(7, 300));
        assert_eq!(out[..6], [5, 0x80, 0x80, 0x82, 0x2c, 7]);
        assert_eq!(out.len(), 305);
    }

    /// ffmpeg's muxer writes the same of these streams.
    #[test]
    fn dolby_boxes_of_ffmpeg() {
        let ac3 =
            ac3::Config::decode(include_bytes!("../../../media/testdata/ffmpeg-ac3-51-head.frame")).unwrap();
        assert_eq!(dac3(&ac3), [0x10, 0x3d, 0xe0]);
        let eac3 =
            ac3::Config::decode(include_bytes!("../../../media/testdata/ffmpeg-eac3-51-head.frame")).unwrap();
        assert_eq!(dec3(&eac3)[2..], [0x20, 0x0f, 0x00]);
    }
}
