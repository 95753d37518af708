//! H.265 / HEVC (ITU-T H.265): the decoder configuration record of ISO/IEC 14496-15 8.3.3.1, parameter sets that
//! change in the stream, and the access units where decoding may start.

mod sps;

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};

use self::sps::Sps;
use super::parameter_sets;
use crate::bits::BitReader;
use crate::{Error, VideoInfo, nal};

/// `nal_unit_type`, ITU-T H.265 table 7-1.
pub mod nal_type {
    /// First type of an intra random access point (BLA_W_LP).
    pub const BLA_W_LP: u8 = 16;
    /// Clean random access: an intra picture of an open GOP.
    pub const CRA: u8 = 21;
    /// Last type that a slice can have (RSV_VCL31).
    pub const LAST_VCL: u8 = 31;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
}

/// Where `lengthSizeMinusOne` is in the record.
const LENGTH_SIZE_AT: usize = 21;

/// A stream's parameter sets and its `HEVCDecoderConfigurationRecord`.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    record: Bytes,
    length_size: u8,
    vps: Vec<Bytes>,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    first: Sps,
}

impl Config {
    /// From an `HEVCDecoderConfigurationRecord` (the payload of `hvcC`, ISO/IEC 14496-15 8.3.3.1.2).
    ///
    /// Fails without a sequence parameter set that can be read, for such a stream has no size and no profile.
    pub fn decode(hvcc: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(hvcc, "hvcC");
        // Version 0 comes from encoders that follow the drafts of 14496-15; the rest of the record is the same.
        let version = reader.byte()?;
        if version > 1 {
            return Err(reader.invalid("configurationVersion", u64::from(version), "1"));
        }
        reader.skip((LENGTH_SIZE_AT - 1) * 8)?;
        let length_size = parameter_sets::length_size(reader.byte()?, "hvcC")?;
        let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..reader.byte()? {
            let kind = reader.byte()? & 0x3f;
            let count = reader.bits(16)?;
            let units = parameter_sets::read(&mut reader, count, is(kind))?;
            match kind {
                nal_type::VPS => vps.extend(units),
                nal_type::SPS => sps.extend(units),
                nal_type::PPS => pps.extend(units),
                _ => {}
            }
        }
        let Some(first) = sps.first() else {
            return Err(reader.invalid("number of sequence parameter sets", 0, "at least 1"));
        };
        let first = Sps::decode(first)?;
        let mut record = BytesMut::from(hvcc);
        record[LENGTH_SIZE_AT] |= 0b11;
        Ok(Self { record: record.freeze(), length_size, vps, sps, pps, first })
    }

    /// From the parameter sets themselves, NAL unit header included, without start code or length.
    ///
    /// Fails when one of the lists is empty or longer than its specification allows, or the first sequence
    /// parameter set cannot be read.
    pub fn from_parameter_sets(vps: &[Bytes], sps: &[Bytes], pps: &[Bytes]) -> Result<Self, Error> {
        parameter_sets::check("video parameter sets", vps, 16)?;
        parameter_sets::check("sequence parameter sets", sps, 16)?;
        parameter_sets::check("picture parameter sets", pps, 64)?;
        let first = Sps::decode(&sps[0])?;
        let mut record = BytesMut::new();
        record.put_u8(1);
        record.put_slice(&first.profile_tier_level);
        // min_spatial_segmentation_idc and parallelismType 0: unknown, as is avgFrameRate.
        record.put_slice(&[0xf0, 0, 0xfc, 0xfc | first.chroma_format]);
        record.put_slice(&[0xf8 | first.luma_depth_8, 0xf8 | first.chroma_depth_8, 0, 0]);
        record.put_u8((first.max_sub_layers << 3) | (u8::from(first.temporal_id_nesting) << 2) | 0b11);
        record.put_u8(3);
        for (kind, list) in [(nal_type::VPS, vps), (nal_type::SPS, sps), (nal_type::PPS, pps)] {
            // array_completeness is 0: the stream may hold parameter sets as well.
            record.put_u8(kind);
            record.put_u16(list.len() as u16);
            parameter_sets::put(&mut record, list);
        }
        let (vps, sps, pps) = (vps.to_vec(), sps.to_vec(), pps.to_vec());
        Ok(Self { record: record.freeze(), length_size: 4, vps, sps, pps, first })
    }

    /// The `HEVCDecoderConfigurationRecord`, as it came but for the length size, which is 4 as in every frame here.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Bytes of each NAL unit length in the *source's* access units: 1, 2 or 4. See [`nal::relength`].
    pub fn length_size(&self) -> u8 {
        self.length_size
    }

    /// The video parameter sets, NAL unit header included.
    pub fn vps(&self) -> &[Bytes] {
        &self.vps
    }

    /// The sequence parameter sets, NAL unit header included; at least one.
    pub fn sps(&self) -> &[Bytes] {
        &self.sps
    }

    /// The picture parameter sets, NAL unit header included.
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// `hvc1.` with profile, compatibility, tier and level, and constraints (ISO/IEC 14496-15 E.3).
    pub fn codec_string(&self) -> String {
        let [profile, c0, c1, c2, c3, constraints @ .., level] = self.first.profile_tier_level;
        let space = ["", "A", "B", "C"][usize::from(profile >> 6)];
        let tier = if profile & 0x20 == 0 { 'L' } else { 'H' };
        let compatibility = u32::from_be_bytes([c0, c1, c2, c3]).reverse_bits();
        let mut text = format!("hvc1.{space}{}.{compatibility:X}.{tier}{level}", profile & 0x1f);
        let used = constraints.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        for byte in &constraints[..used] {
            // Writing to a String does not fail.
            let _ = write!(text, ".{byte:X}");
        }
        text
    }

    /// Size of the conformance window, and the picture rate where the VUI has one.
    pub fn video(&self) -> VideoInfo {
        self.first.video
    }

    /// The most pictures that come before another in the stream and are shown after it (`sps_max_num_reorder_pics` of
    /// the highest sub-layer, H.265 7.4.3.2.1), 0 to 15. None where the parameter set cannot be read that far.
    pub fn reorder_depth(&self) -> Option<u32> {
        self.first.reorder_depth
    }
}

/// `nal_unit_type`, none for a unit shorter than its header.
pub fn unit_type(unit: &[u8]) -> Option<u8> {
    (unit.len() >= 2).then(|| unit[0] >> 1 & 0x3f)
}

fn is(kind: u8) -> impl Fn(&[u8]) -> bool {
    move |unit| unit_type(unit) == Some(kind)
}

/// Whether the access unit begins with an access unit delimiter, which MPEG-TS wants (ISO/IEC 13818-1 2.17.1).
pub fn has_aud(data: &[u8]) -> bool {
    nal::units(data).next().and_then(unit_type) == Some(nal_type::AUD)
}

/// Whether the access unit itself holds video, sequence and picture parameter sets.
pub fn has_parameter_sets(data: &[u8]) -> bool {
    [nal_type::VPS, nal_type::SPS, nal_type::PPS].into_iter().all(|kind| nal::units(data).any(is(kind)))
}

/// Whether decoding may start at this access unit: an intra random access point picture that is IDR, CRA or BLA
/// (H.265 3.69).
pub fn is_random_access(data: &[u8]) -> bool {
    nal::units(data)
        .filter_map(unit_type)
        .find(|&kind| kind <= nal_type::LAST_VCL)
        .is_some_and(|kind| (nal_type::BLA_W_LP..=nal_type::CRA).contains(&kind))
}

/// The configuration after this access unit, when it holds parameter sets that differ from those of `config`.
///
/// None when nothing changed, or when what came cannot be read.
pub fn update(config: &Config, data: &[u8]) -> Option<Config> {
    let is_new = |unit: &[u8]| match unit_type(unit) {
        Some(nal_type::VPS) => !config.vps.iter().any(|set| set == unit),
        Some(nal_type::SPS) => !config.sps.iter().any(|set| set == unit),
        Some(nal_type::PPS) => !config.pps.iter().any(|set| set == unit),
        _ => false,
    };
    if !nal::units(data).any(is_new) {
        return None;
    }
    let (mut vps, mut sps, mut pps) = (config.vps.clone(), config.sps.clone(), config.pps.clone());
    for unit in nal::units(data) {
        match unit_type(unit) {
            Some(nal_type::VPS) => parameter_sets::merge(&mut vps, unit, vps_id),
            Some(nal_type::SPS) => {
                parameter_sets::merge(&mut sps, unit, |set| Sps::decode(set).ok().map(|sps| sps.id));
            }
            Some(nal_type::PPS) => parameter_sets::merge(&mut pps, unit, pps_id),
            _ => {}
        }
    }
    // Two sets of one id in one access unit: the last counts, and may be the one that was known.
    if (&vps, &sps, &pps) == (&config.vps, &config.sps, &config.pps) {
        return None;
    }
    let fresh = Config::from_parameter_sets(&vps, &sps, &pps).ok()?;
    Some(Config { length_size: config.length_size, ..fresh })
}

/// `vps_video_parameter_set_id` (H.265 7.3.2.1).
fn vps_id(unit: &[u8]) -> Option<u32> {
    unit.get(2).map(|byte| u32::from(byte >> 4))
}

/// `pps_pic_parameter_set_id` (H.265 7.3.2.3.1).
fn pps_id(unit: &[u8]) -> Option<u32> {
    let payload = nal::unescape(unit.get(2..)?);
    BitReader::new(&payload, "HEVC PPS").ue_max("pps_pic_parameter_set_id", 63).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rational;
    use crate::codec::testdata::*;

    fn config(hvcc: &[u8]) -> Config {
        Config::decode(hvcc).unwrap()
    }

    /// A unit of `kind` with one byte of payload.
    fn unit(kind: u8) -> [u8; 3] {
        [kind << 1, 1, 0xff]
    }

    /// Expected values are what ffprobe says of the same streams.
    #[test]
    fn records_of_x265() {
        for (hvcc, codec, width, height, rate) in [
            (X265_1080P, "hvc1.1.6.L120.90", 1920, 1080, (30_000, 1001)),
            (X265_LAYERS, "hvc1.2.4.L153.90", 322, 242, (50, 1)),
            (X265_444_ODD, "hvc1.4.10.L60.9E.8", 321, 241, (24, 1)),
        ] {
            let config = config(hvcc);
            let frame_rate = Rational::new(rate.0, rate.1);
            assert_eq!(config.codec_string(), codec);
            assert_eq!(config.video(), VideoInfo { width, height, frame_rate }, "{codec}");
            assert_eq!((config.vps().len(), config.sps().len(), config.pps().len()), (1, 1, 1));
            assert_eq!(config.reorder_depth(), Some(2), "{codec}");
            assert_eq!((config.record(), config.length_size()), (&Bytes::from_static(hvcc), 4));
            let made = Config::from_parameter_sets(config.vps(), config.sps(), config.pps()).unwrap();
            assert_eq!(made.record()[..LENGTH_SIZE_AT + 1], hvcc[..LENGTH_SIZE_AT + 1], "{codec}");
            assert_eq!(Config::decode(made.record()).unwrap(), made);
        }
    }

    /// The examples of ISO/IEC 14496-15 E.3 and of Apple's authoring rules.
    #[test]
    fn codec_strings() {
        let mut config = config(X265_1080P);
        for (bytes, text) in [
            ([1, 0x60, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 93], "hvc1.1.6.L93.B0"),
            ([0x22, 0x20, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 150], "hvc1.2.4.H150.B0"),
            ([0x41, 0x80, 0, 0, 0, 0, 0, 0x23, 0, 0, 0, 120], "hvc1.A1.1.L120.0.0.23"),
            ([1, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 30], "hvc1.1.6.L30"),
        ] {
            config.first.profile_tier_level = bytes;
            assert_eq!(config.codec_string(), text);
        }
    }

    #[test]
    fn length_size_is_told_and_then_made_four() {
        let mut hvcc = X265_1080P.to_vec();
        hvcc[LENGTH_SIZE_AT] &= !0b10;
        let short = config(&hvcc);
        assert_eq!(short.length_size(), 2);
        assert_eq!(short.record(), X265_1080P);
    }

    #[test]
    fn broken_records_are_refused() {
        for len in 0..X265_1080P.len() {
            assert!(Config::decode(&X265_1080P[..len]).is_err(), "{len}");
        }
        assert!(Config::decode(&X265_1080P[1..]).is_err());
        let config = config(X265_1080P);
        assert!(Config::from_parameter_sets(&[], config.sps(), config.pps()).is_err());
        assert!(Config::from_parameter_sets(config.vps(), config.pps(), config.pps()).is_err());
    }

    #[test]
    fn random_access_is_irap() {
        assert!(is_random_access(X265_CRA));
        assert!(!is_random_access(X265_LEADING));
        for kind in 0..nal_type::LAST_VCL {
            let data = nal::join([&unit(nal_type::AUD)[..], &unit(kind)]);
            assert_eq!(is_random_access(&data), (16..=21).contains(&kind), "{kind}");
        }
        assert!(!is_random_access(&nal::join([&unit(nal_type::SPS)[..]])));
    }

    #[test]
    fn parameter_sets_in_the_stream() {
        let (old, new) = (config(X265_1080P), config(X265_LAYERS));
        let sets = |config: &Config| {
            nal::join([&config.vps()[0][..], &config.sps()[0], &config.pps()[0], &unit(nal_type::CRA)])
        };
        assert!(has_parameter_sets(&sets(&old)));
        assert_eq!(update(&old, &sets(&old)), None);
        let updated = update(&old, &sets(&new)).unwrap();
        assert_eq!((updated.sps(), updated.video()), (new.sps(), new.video()));
        assert_eq!(update(&updated, &sets(&new)), None);
        let broken = nal::join([&unit(nal_type::SPS)[..], &[nal_type::PPS << 1, 1]]);
        assert_eq!(update(&old, &broken), None);
    }

    #[test]
    fn what_an_access_unit_holds() {
        let data = nal::join([&unit(nal_type::AUD)[..], &unit(nal_type::VPS), &unit(nal_type::SPS)]);
        assert!(has_aud(&data));
        assert!(!has_parameter_sets(&data));
        assert_eq!(unit_type(&[0x40]), None);
    }
}
