//! The initialization segment: `ftyp` and `moov` with a movie of one track and no samples (ISO/IEC 23000-19 7.3.1).

use bytes::{BufMut, Bytes};
use media::{Codec, Kind};

use crate::boxes::{put, put_brands, put_full};
use crate::entry::put_entry;
use crate::{TRACK_ID, Unsupported, supports};

/// The unity matrix of `mvhd` and `tkhd` (ISO/IEC 14496-12 8.2.2).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The initialization segment of one track.
///
/// `timescale` is the track's clock, that of [`crate::timescale`] as a rule; the times of [`crate::Segment`] count in
/// it. `language` is a code of ISO 639-2, three lower case letters; anything else becomes `und`, undetermined.
///
/// Fails as [`supports`] does.
pub fn init_segment(codec: &Codec, timescale: u32, language: &str) -> Result<Bytes, Unsupported> {
    supports(codec)?;
    let mut out = Vec::with_capacity(1024);
    // iso6 is the edition of the base format that brought what CMAF (7.2) builds on. Its second structural brand, cmf2,
    // would promise that a segment's decode time is its earliest presentation time: see `Segment`.
    let brands: &[&[u8; 4]] = match codec {
        // AV1 Codec ISO Media File Format Binding 2.1.
        Codec::Av1(_) => &[b"iso6", b"cmfc", b"av01"],
        _ => &[b"iso6", b"cmfc"],
    };
    put_brands(&mut out, b"ftyp", brands);
    put(&mut out, b"moov", |out| {
        put_mvhd(out, timescale);
        put(out, b"trak", |out| {
            put_tkhd(out, codec);
            put(out, b"mdia", |out| {
                put_mdhd(out, timescale, language);
                put_hdlr(out, codec);
                put(out, b"minf", |out| put_minf(out, codec));
            });
        });
        put(out, b"mvex", put_trex);
    });
    Ok(out.into())
}

/// 8.2.2. Durations are 0, for the fragments have them (CMAF 7.5.1, 7.5.4, 7.5.5).
fn put_mvhd(out: &mut Vec<u8>, timescale: u32) {
    put_full(out, b"mvhd", 0, 0, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(timescale);
        out.put_u32(0); // duration
        out.put_u32(0x1_0000); // rate
        out.put_u16(0x0100); // volume
        out.put_slice(&[0; 10]);
        MATRIX.iter().for_each(|&value| out.put_u32(value));
        out.put_slice(&[0; 24]);
        out.put_u32(TRACK_ID + 1); // next_track_ID
    });
}

/// 8.3.2.
fn put_tkhd(out: &mut Vec<u8>, codec: &Codec) {
    const ENABLED_IN_MOVIE_IN_PREVIEW: u32 = 7;
    let volume = if codec.kind() == Kind::Audio { 0x0100 } else { 0 };
    put_full(out, b"tkhd", 0, ENABLED_IN_MOVIE_IN_PREVIEW, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(TRACK_ID);
        out.put_slice(&[0; 4 + 4 + 8 + 4]); // reserved, duration, reserved, layer and alternate_group
        out.put_u16(volume);
        out.put_u16(0);
        MATRIX.iter().for_each(|&value| out.put_u32(value));
        // 16.16 fixed point; `supports` has seen that they fit.
        let (width, height) = codec.video().map_or((0, 0), |video| (video.width, video.height));
        out.put_u32(width << 16);
        out.put_u32(height << 16);
    });
}

/// 8.4.2.
fn put_mdhd(out: &mut Vec<u8>, timescale: u32, language: &str) {
    put_full(out, b"mdhd", 0, 0, |out| {
        out.put_slice(&[0; 8]); // creation_time, modification_time
        out.put_u32(timescale);
        out.put_u32(0); // duration
        out.put_u16(packed(language).unwrap_or(UNDETERMINED));
        out.put_u16(0);
    });
}

/// `und`.
const UNDETERMINED: u16 = 0x55c4;

/// A language code as three times five bits (8.4.2.3); none for what is no such code.
fn packed(language: &str) -> Option<u16> {
    let letters: [u8; 3] = language.as_bytes().try_into().ok()?;
    letters
        .iter()
        .all(u8::is_ascii_lowercase)
        .then(|| letters.iter().fold(0, |code, letter| code << 5 | u16::from(letter - 0x60)))
}

/// 8.4.3.
fn put_hdlr(out: &mut Vec<u8>, codec: &Codec) {
    let (handler, name): (&[u8; 4], &[u8]) = match codec.kind() {
        Kind::Audio => (b"soun", b"Audio\0"),
        _ => (b"vide", b"Video\0"),
    };
    put_full(out, b"hdlr", 0, 0, |out| {
        out.put_u32(0);
        out.put_slice(handler);
        out.put_slice(&[0; 12]);
        out.put_slice(name);
    });
}

/// What `minf` holds: 12.1.2 or 12.2.2, 8.7.2, and the tables of 8.5 to 8.7, empty but for the sample entry.
fn put_minf(out: &mut Vec<u8>, codec: &Codec) {
    match codec.kind() {
        Kind::Audio => put_full(out, b"smhd", 0, 0, |out| out.put_u32(0)),
        _ => put_full(out, b"vmhd", 0, 1, |out| out.put_slice(&[0; 8])),
    }
    put(out, b"dinf", |out| {
        put_full(out, b"dref", 0, 0, |out| {
            out.put_u32(1);
            // The media is in the same file.
            put_full(out, b"url ", 0, 1, |_| {});
        });
    });
    put(out, b"stbl", |out| {
        put_full(out, b"stsd", 0, 0, |out| {
            out.put_u32(1);
            put_entry(out, codec);
        });
        put_full(out, b"stts", 0, 0, |out| out.put_u32(0));
        put_full(out, b"stsc", 0, 0, |out| out.put_u32(0));
        put_full(out, b"stsz", 0, 0, |out| out.put_u64(0));
        put_full(out, b"stco", 0, 0, |out| out.put_u32(0));
    });
}

/// 8.8.3. The defaults are in each fragment.
fn put_trex(out: &mut Vec<u8>) {
    put_full(out, b"trex", 0, 0, |out| {
        out.put_u32(TRACK_ID);
        out.put_u32(1); // default_sample_description_index
        out.put_slice(&[0; 12]);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_packed() {
        assert_eq!(packed("und"), Some(UNDETERMINED));
        assert_eq!(packed("eng"), Some(0x15c7));
        for wrong in ["", "en", "engl", "En1", "ENG", "é1"] {
            assert_eq!(packed(wrong), None, "{wrong}");
        }
    }
}
