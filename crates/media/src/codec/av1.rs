//! AV1 (AV1 Bitstream & Decoding Process Specification; `av1C` and the codec string of AV1 Codec ISO Media File
//! Format Binding 2.3 and 5).

pub mod obu;
mod sequence;

use bytes::{BufMut, Bytes, BytesMut};

use self::sequence::Sequence;
use crate::bits::BitReader;
use crate::{Error, VideoInfo};

/// A stream's `AV1CodecConfigurationRecord` and what its sequence header says.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    record: Bytes,
    /// Empty when the record has none: the stream then brings it, see [`update`].
    header: Bytes,
    sequence: Sequence,
}

impl Config {
    /// From an `AV1CodecConfigurationRecord` (the payload of `av1C`, binding 2.3.3).
    ///
    /// The record may come without a sequence header; size and frame rate are unknown until [`update`] finds one
    /// in the stream, and the size is then 0 by 0.
    pub fn decode(av1c: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(av1c, "av1C");
        let marker = reader.byte()?;
        if marker != 0x81 {
            return Err(reader.invalid("marker and version", u64::from(marker), "0x81"));
        }
        let stated = Sequence::from_record(&mut reader)?;
        let found = obu::units(&av1c[4..]).find(|unit| unit.kind == obu::SEQUENCE_HEADER);
        let (header, sequence) = match found {
            Some(unit) => (Bytes::copy_from_slice(unit.payload), Sequence::decode(unit.payload)?),
            None => (Bytes::new(), stated),
        };
        Ok(Self { record: Bytes::copy_from_slice(av1c), header, sequence })
    }

    /// From the payload of a sequence header OBU (5.5).
    fn from_sequence_header(payload: &[u8]) -> Result<Self, Error> {
        let sequence = Sequence::decode(payload)?;
        let mut record = BytesMut::new();
        record.put_slice(&sequence.record_head());
        record.put_u8(obu::SEQUENCE_HEADER << 3 | obu::HAS_SIZE);
        obu::put_leb128(&mut record, payload.len());
        record.put_slice(payload);
        Ok(Self { record: record.freeze(), header: Bytes::copy_from_slice(payload), sequence })
    }

    /// The `AV1CodecConfigurationRecord`.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// `av01.P.LLT.DD` (binding 5).
    pub fn codec_string(&self) -> String {
        let Sequence { profile, level, tier, bit_depth, .. } = self.sequence;
        format!("av01.{profile}.{level:02}{}.{bit_depth:02}", if tier { 'H' } else { 'M' })
    }

    /// Greatest size of the sequence, and the frame rate where the sequence header has a constant one.
    pub fn video(&self) -> VideoInfo {
        self.sequence.video
    }
}

/// Whether decoding may start at this temporal unit: it has a sequence header and its first frame is a key frame
/// that is shown (AV1 7.6.2).
pub fn is_random_access(data: &[u8]) -> bool {
    let mut still = None;
    for unit in obu::units(data) {
        match (unit.kind, still) {
            (obu::SEQUENCE_HEADER, _) => {
                still = Sequence::decode(unit.payload).ok().map(|sequence| sequence.reduced_still_picture);
            }
            (obu::FRAME | obu::FRAME_HEADER, Some(reduced)) => return reduced || is_shown_key(unit.payload),
            (obu::FRAME | obu::FRAME_HEADER, None) => return false,
            _ => {}
        }
    }
    false
}

/// `show_existing_frame` 0, `frame_type` KEY_FRAME, `show_frame` 1 (AV1 5.9.2).
fn is_shown_key(payload: &[u8]) -> bool {
    payload.first().is_some_and(|byte| byte >> 4 == 0b0001)
}

/// The same temporal unit without the temporal delimiter at its start, which ISO/IEC 14496-12 files and
/// [`crate::Frame`]s do not have (binding 2.4). Shares the bytes.
pub fn without_temporal_delimiter(data: Bytes) -> Bytes {
    match obu::split(&data) {
        Some((unit, rest)) if unit.kind == obu::TEMPORAL_DELIMITER => data.slice(data.len() - rest.len()..),
        _ => data,
    }
}

/// The configuration after this temporal unit, when it holds a sequence header that differs from that of `config`.
///
/// None when nothing changed, or when what came cannot be read.
pub fn update(config: &Config, data: &[u8]) -> Option<Config> {
    let unit = obu::units(data).find(|unit| unit.kind == obu::SEQUENCE_HEADER)?;
    if unit.payload == config.header {
        return None;
    }
    Config::from_sequence_header(unit.payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::testdata::*;

    #[test]
    fn records_of_encoders() {
        let aom = Config::decode(AOM_AV1C).unwrap();
        assert_eq!(aom.codec_string(), "av01.0.00M.10");
        assert_eq!(aom.video(), VideoInfo { width: 64, height: 48, frame_rate: None });
        assert_eq!(aom.record(), AOM_AV1C);
        let svt = Config::decode(SVT_AV1C).unwrap();
        assert_eq!(svt.codec_string(), "av01.0.00M.08");
        assert_eq!(svt.video(), VideoInfo { width: 64, height: 64, frame_rate: None });
    }

    #[test]
    fn codec_string_has_tier_and_two_digits() {
        // Level 5.1 (13), high tier, 10 bits, no sequence header.
        let config = Config::decode(&[0x81, 0x0d, 0xcc, 0]).unwrap();
        assert_eq!(config.codec_string(), "av01.0.13H.10");
        assert_eq!(Config::decode(&[0x81, 0x4d, 0x60, 0]).unwrap().codec_string(), "av01.2.13M.12");
    }

    #[test]
    fn broken_records_are_refused() {
        for record in [&[][..], &[0x81, 0, 0], &[0x01, 0, 0x0c, 0], &[0x81, 0, 0x0c, 0, 0x0a, 2, 0, 0]] {
            assert!(Config::decode(record).is_err(), "{record:x?}");
        }
    }

    #[test]
    fn temporal_delimiter_is_taken_off() {
        let unit = Bytes::from([&[0x12, 0], AOM_KEY].concat());
        assert_eq!(without_temporal_delimiter(unit), AOM_KEY);
        assert_eq!(without_temporal_delimiter(Bytes::from_static(AOM_KEY)), AOM_KEY);
        assert_eq!(without_temporal_delimiter(Bytes::from_static(&[0x12])), [0x12][..]);
        assert_eq!(without_temporal_delimiter(Bytes::new()), Bytes::new());
    }

    #[test]
    fn random_access_is_a_shown_key_frame_with_its_sequence_header() {
        assert!(is_random_access(AOM_KEY));
        assert!(is_random_access(SVT_KEY));
        assert!(!is_random_access(AOM_INTER));
        let header: &[u8] = &AOM_AV1C[4..];
        let frame = |first: u8| [header, &[0x32, 1, first]].concat();
        assert!(is_random_access(&frame(0b0001_0000)));
        assert!(!is_random_access(&frame(0b0000_0000))); // not shown
        assert!(!is_random_access(&frame(0b0011_0000))); // inter frame
        assert!(!is_random_access(&frame(0b1000_0000))); // shows an existing frame
        assert!(!is_random_access(&frame(0b0001_0000)[header.len()..])); // no sequence header
    }

    #[test]
    fn sequence_header_in_the_stream() {
        let full = Config::decode(AOM_AV1C).unwrap();
        assert_eq!(update(&full, AOM_KEY), None);
        assert_eq!(update(&full, AOM_INTER), None);
        let bare = Config::decode(&AOM_AV1C[..4]).unwrap();
        assert_eq!((bare.video().width, bare.codec_string()), (0, full.codec_string()));
        assert_eq!(update(&bare, AOM_KEY).unwrap(), full);
        let changed = update(&full, SVT_KEY).unwrap();
        assert_eq!((changed.codec_string(), changed.video().height), ("av01.0.00M.08".to_owned(), 64));
        assert_eq!(Config::decode(changed.record()).unwrap(), changed);
        assert_eq!(update(&full, &[0x0a, 1, 0xff]), None);
    }
}
