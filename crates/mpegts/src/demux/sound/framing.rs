//! Where a frame of each codec ends, and what is in it.

use bytes::Bytes;
use media::codec::aac::latm;
use media::codec::{aac, ac3, mpa, opus};
use media::{Codec, Error};

/// Bytes of an ADTS header without CRC (ISO/IEC 14496-3 1.A.2.2).
const ADTS_HEADER: usize = 7;
/// Bytes before an AudioMuxElement.
const LOAS_HEADER: usize = 3;
/// Samples of six blocks, which an access unit of E-AC-3 has (ETSI TS 102 366 E.1.3.1).
const SIX_BLOCKS: u32 = 1536;
/// opus_control_header: the prefix of 11 bits (ETSI TS Opus 0.1.3-draft, table 6-1).
const OPUS_PREFIX: [u8; 2] = [0x7F, 0xE0];

/// What the bytes at hand begin with.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::demux) enum Probe {
    /// More of them are needed to tell.
    Short,
    /// No frame.
    Bad,
    /// A frame of so many bytes, not all of which need be there.
    Frame(usize),
}

/// An access unit.
#[derive(Debug)]
pub(in crate::demux) struct Frame {
    pub(super) codec: Codec,
    pub(super) data: Bytes,
    pub(super) samples: u32,
    pub(super) rate: u32,
}

impl Frame {
    fn new(codec: Codec, data: &[u8]) -> Self {
        let (samples, rate) =
            codec.audio().map_or((0, 1), |audio| (audio.samples_per_frame.unwrap_or(0), audio.sample_rate));
        Self { codec, data: Bytes::copy_from_slice(data), samples, rate }
    }
}

#[derive(Debug)]
pub(in crate::demux) enum Framing {
    /// MPEG audio or ADTS, whatever the map says: encoders that confuse them exist, and layer 0 tells them apart.
    Mpeg,
    /// AAC in LATM, behind the synchronization of LOAS (ISO/IEC 14496-3 1.7.2).
    Loas(latm::Reader),
    Dolby,
    Opus(opus::Config),
}

impl Framing {
    /// What `data` begins with; at the `end` nothing more belongs to it.
    pub(super) fn probe(&self, data: &[u8], end: bool) -> Probe {
        match self {
            Self::Mpeg if data.get(1).is_some_and(|byte| byte & 6 == 0) => adts(data),
            Self::Mpeg => mpeg_audio(data),
            Self::Loas(_) => loas(data),
            Self::Dolby => dolby(data, end),
            Self::Opus(_) => {
                opus_unit(data).map_or_else(|probe| probe, |unit| Probe::Frame(unit.head + unit.size))
            }
        }
    }

    /// Whether two headers can be those of frames that follow each other, where sync is looked for.
    pub(super) fn are_alike(&self, first: &[u8], second: &[u8]) -> bool {
        match (self, first, second) {
            // All but the protection bit; the rate, which both have elsewhere.
            (Self::Mpeg, &[_, a, b, ..], &[_, c, d, ..]) => {
                let rate = if a & 6 == 0 { 0xFC } else { 0x0C };
                a & 0xFE == c & 0xFE && b & rate == d & rate
            }
            _ => true,
        }
    }

    /// The access units of a frame that was probed.
    pub(super) fn read(&mut self, data: &[u8]) -> Result<Vec<Frame>, Error> {
        let frame = match self {
            Self::Mpeg if data.get(1).is_some_and(|byte| byte & 6 == 0) => {
                let config = Codec::Aac(aac::Config::from_adts(data)?);
                if data.get(6).is_some_and(|byte| byte & 3 != 0) {
                    let feature = "a frame of several raw data blocks";
                    return Err(Error::Unsupported { what: "ADTS", feature });
                }
                let header = if data.get(1).is_some_and(|byte| byte & 1 == 0) { 9 } else { ADTS_HEADER };
                Frame::new(config, data.get(header..).unwrap_or_default())
            }
            Self::Mpeg => Frame::new(Codec::Mpa(mpa::Config::decode(data)?), data),
            Self::Loas(reader) => {
                let element = reader.element(data.get(LOAS_HEADER..).unwrap_or_default())?;
                let Some(config) = reader.config() else { return Ok(Vec::new()) };
                let codec = Codec::Aac(config.config().clone());
                return Ok(element.units.iter().map(|unit| Frame::new(codec.clone(), unit)).collect());
            }
            Self::Dolby => Frame::new(Codec::Ac3(ac3::Config::decode(data)?), data),
            Self::Opus(config) => {
                let Ok(unit) = opus_unit(data) else { return Ok(Vec::new()) };
                let packet = data.get(unit.head..unit.head + unit.size).unwrap_or_default();
                let samples = opus::samples(packet).unwrap_or_default();
                Frame { samples, ..Frame::new(Codec::Opus(config.clone()), packet) }
            }
        };
        Ok(vec![frame])
    }
}

fn adts(data: &[u8]) -> Probe {
    match *data {
        // syncword, layer 0
        [first, ..] if first != 0xFF => Probe::Bad,
        [_, second, ..] if second & 0xF6 != 0xF0 => Probe::Bad,
        [_, second, _, d, e, f, _, ..] => {
            let len = usize::from(d & 3) << 11 | usize::from(e) << 3 | usize::from(f) >> 5;
            let least = if second & 1 == 0 { ADTS_HEADER + 2 } else { ADTS_HEADER };
            if len < least { Probe::Bad } else { Probe::Frame(len) }
        }
        _ => Probe::Short,
    }
}

/// AudioSyncStream() (ISO/IEC 14496-3 table 1.36): a sync word of 11 bits, and a length of 13.
fn loas(data: &[u8]) -> Probe {
    match *data {
        [first, ..] if first != 0x56 => Probe::Bad,
        [_, second, ..] if second & 0xE0 != 0xE0 => Probe::Bad,
        [_, b, c, ..] => Probe::Frame(LOAS_HEADER + (usize::from(b & 0x1F) << 8 | usize::from(c))),
        _ => Probe::Short,
    }
}

fn mpeg_audio(data: &[u8]) -> Probe {
    match *data {
        [first, ..] if first != 0xFF => Probe::Bad,
        [_, second, ..] if second & 0xE0 != 0xE0 => Probe::Bad,
        [_, _, _, _, ..] => match mpa::frame_bytes(data) {
            Some(len) if len > 4 => Probe::Frame(len),
            _ => Probe::Bad,
        },
        _ => Probe::Short,
    }
}

/// AC-3: one syncframe. E-AC-3: independent substream 0 with what belongs to it, until there are six blocks.
fn dolby(data: &[u8], end: bool) -> Probe {
    let (mut len, mut samples) = (0, 0);
    loop {
        let rest = data.get(len..).unwrap_or_default();
        match (ac3::syncframe(rest), rest) {
            (Ok((_, false)), _) if len == 0 => return Probe::Bad,
            (Ok((bytes, begins)), &[_, _, _, _, code, kind, ..]) => {
                if kind >> 3 <= 10 {
                    return Probe::Frame(if len == 0 { bytes } else { len });
                }
                if begins && samples >= SIX_BLOCKS {
                    return Probe::Frame(len);
                }
                // fscod 3 has no numblkscod, and six blocks.
                let blocks = if code >> 6 == 3 { 6 } else { [1, 2, 3, 6][usize::from(code >> 4 & 3)] };
                samples += if begins { 256 * blocks } else { 0 };
                len += bytes;
            }
            (Err(Error::Truncated { .. }), _) if len == 0 || data.len() != len || !end => {
                let wrong = |(found, sync): (&u8, u8)| *found != sync;
                let is_bad = rest.iter().zip([0x0B, 0x77]).any(wrong);
                return match (is_bad, len) {
                    (true, 0) => Probe::Bad,
                    (true, _) => Probe::Frame(len),
                    (false, _) => Probe::Short,
                };
            }
            _ if len == 0 => return Probe::Bad,
            _ => return Probe::Frame(len),
        }
    }
}

/// An access unit of Opus behind its control header.
struct OpusUnit {
    head: usize,
    size: usize,
}

/// opus_access_unit (ETSI TS Opus 0.1.3-draft, table 6-1).
fn opus_unit(data: &[u8]) -> Result<OpusUnit, Probe> {
    let &[first, second, ref sizes @ ..] = data else {
        return Err(if data.first().is_none_or(|&byte| byte == OPUS_PREFIX[0]) {
            Probe::Short
        } else {
            Probe::Bad
        });
    };
    if (first, second & 0xE0) != (OPUS_PREFIX[0], OPUS_PREFIX[1]) {
        return Err(Probe::Bad);
    }
    let whole = sizes.iter().take_while(|&&byte| byte == 255).count();
    let last = usize::from(*sizes.get(whole).ok_or(Probe::Short)?);
    let mut head = 2 + whole + 1;
    // start_trim and end_trim
    head += 2 * (usize::from(second >> 4 & 1) + usize::from(second >> 3 & 1));
    if second & 4 != 0 {
        head += 1 + usize::from(*data.get(head).ok_or(Probe::Short)?);
    }
    Ok(OpusUnit { head, size: whole * 255 + last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adts_tells_its_length() {
        let header = [0xFF, 0xF1, 0x4C, 0x80, 0x2F, 0x1F, 0xFC];
        assert_eq!(adts(&header), Probe::Frame(376));
        assert_eq!(
            (adts(&header[..6]), adts(&[]), adts(&[0xFF])),
            (Probe::Short, Probe::Short, Probe::Short)
        );
        assert_eq!((adts(&[1]), adts(&[0xFF, 0xFB])), (Probe::Bad, Probe::Bad));
        assert_eq!(adts(&[0xFF, 0xF0, 0x4C, 0x80, 0, 0xFF, 0xFC]), Probe::Bad, "no room for the CRC");
        let frames = Framing::Mpeg.read(&[0xFF, 0xF0, 0x4C, 0x80, 1, 0x5F, 0xFC, 7, 7, 9]).expect("a frame");
        assert_eq!((&frames[0].data[..], frames[0].samples, frames[0].rate), (&[9][..], 1024, 48_000));
        assert!(Framing::Mpeg.read(&[0xFF, 0xF1, 0x4C, 0x80, 1, 0x1F, 0xFD, 9]).is_err(), "two blocks");
    }

    /// An E-AC-3 syncframe of 16 bytes: strmtyp, substreamid, numblkscod.
    fn enhanced(kind: u8, substream: u8, blocks: u8) -> Vec<u8> {
        let head = [0x0B, 0x77, kind << 6 | substream << 3, 7, blocks << 4 | 2 << 1, 16 << 3];
        [&head[..], &[0; 10]].concat()
    }

    #[test]
    fn dolby_frames_belong_together_until_there_are_six_blocks() {
        let (long, short, more) = (enhanced(0, 0, 3), enhanced(0, 0, 1), enhanced(1, 0, 3));
        assert_eq!((dolby(&long, false), dolby(&long, true)), (Probe::Short, Probe::Frame(16)));
        assert_eq!(dolby(&[&long[..], &long].concat(), false), Probe::Frame(16));
        assert_eq!(dolby(&[&long[..], &more, &long].concat(), false), Probe::Frame(32));
        assert_eq!(dolby(&[&short[..], &short, &short, &long].concat(), false), Probe::Frame(48));
        assert_eq!(dolby(&more, true), Probe::Bad);
        assert_eq!((dolby(&[0x0B], false), dolby(&[0x0C], false)), (Probe::Short, Probe::Bad));
        assert_eq!(dolby(&[&long[..], &[1, 2]].concat(), false), Probe::Frame(16));
    }

    #[test]
    fn opus_control_headers() {
        let len = |data: &[u8]| Framing::Opus(opus_config()).probe(data, false);
        assert_eq!(len(&[0x7F, 0xE0, 3]), Probe::Frame(6));
        assert_eq!(len(&[0x7F, 0xE0, 255, 255, 1]), Probe::Frame(5 + 511));
        assert_eq!(len(&[0x7F, 0xFC, 3, 0, 0, 0, 0, 2, 9, 9]), Probe::Frame(10 + 3));
        assert_eq!(
            (len(&[0x7F, 0xE0, 255]), len(&[0x7F]), len(&[])),
            (Probe::Short, Probe::Short, Probe::Short)
        );
        assert_eq!((len(&[0x7F, 0xC0, 3]), len(&[0x80])), (Probe::Bad, Probe::Bad));
    }

    fn opus_config() -> opus::Config {
        opus::Config::decode(b"OpusHead\x01\x02\0\0\x80\xbb\0\0\0\0\0").expect("OpusHead")
    }
}
