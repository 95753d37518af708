//! H.264 / AVC (ITU-T H.264): the decoder configuration record of ISO/IEC 14496-15 5.3.3.1, parameter sets that
//! change in the stream, and the access units where decoding may start.

mod sps;

use bytes::{BufMut, Bytes, BytesMut};

use self::sps::Sps;
use super::parameter_sets;
use crate::bits::BitReader;
use crate::{Error, VideoInfo, nal};

/// `nal_unit_type`, ITU-T H.264 table 7-1.
pub mod nal_type {
    /// Slice of a picture that is not IDR.
    pub const SLICE: u8 = 1;
    /// First partition of such a slice.
    pub const PARTITION_A: u8 = 2;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
}

/// `recovery_point`, H.264 D.1.1.
const SEI_RECOVERY_POINT: u32 = 6;
/// Enough of a slice for `first_mb_in_slice` and `slice_type`: two codes of at most 63 bits, with escapes.
const SLICE_HEAD: usize = 24;

/// A stream's parameter sets and its `AVCDecoderConfigurationRecord`.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    record: Bytes,
    length_size: u8,
    sps: Vec<Bytes>,
    pps: Vec<Bytes>,
    first: Sps,
}

impl Config {
    /// From an `AVCDecoderConfigurationRecord` (the payload of `avcC`, ISO/IEC 14496-15 5.3.3.1.2).
    ///
    /// Fails without a sequence parameter set that can be read, for such a stream has no size and no profile.
    pub fn decode(avcc: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(avcc, "avcC");
        let version = reader.byte()?;
        if version != 1 {
            return Err(reader.invalid("configurationVersion", u64::from(version), "1"));
        }
        reader.skip(24)?;
        let length_size = parameter_sets::length_size(reader.byte()?, "avcC")?;
        let count = reader.byte()? & 0x1f;
        let sps = parameter_sets::read(&mut reader, count.into(), is(nal_type::SPS))?;
        let count = reader.byte()?;
        let pps = parameter_sets::read(&mut reader, count.into(), is(nal_type::PPS))?;
        let first = first(&sps)?;
        let mut record = BytesMut::from(avcc);
        record[4] |= 0b11;
        Ok(Self { record: record.freeze(), length_size, sps, pps, first })
    }

    /// From the parameter sets themselves, NAL unit header included, without start code or length.
    ///
    /// Fails when one of the lists is empty or longer than a record can hold, or the first sequence parameter set
    /// cannot be read.
    pub fn from_parameter_sets(sps: &[Bytes], pps: &[Bytes]) -> Result<Self, Error> {
        parameter_sets::check("sequence parameter sets", sps, 31)?;
        parameter_sets::check("picture parameter sets", pps, 255)?;
        let first = first(sps)?;
        let mut record = BytesMut::new();
        record.put_slice(&[1, first.profile, first.constraints, first.level, 0xff, 0xe0 | sps.len() as u8]);
        parameter_sets::put(&mut record, sps);
        record.put_u8(pps.len() as u8);
        parameter_sets::put(&mut record, pps);
        // 14496-15 5.3.3.1.2: the record of every profile but Baseline, Main and Extended goes on.
        if !matches!(first.profile, 66 | 77 | 88) {
            record.put_slice(&[
                0xfc | first.chroma_format,
                0xf8 | first.luma_depth_8,
                0xf8 | first.chroma_depth_8,
                0,
            ]);
        }
        Ok(Self { record: record.freeze(), length_size: 4, sps: sps.to_vec(), pps: pps.to_vec(), first })
    }

    /// The `AVCDecoderConfigurationRecord`, as it came but for the length size, which is 4 as in every frame here.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// Bytes of each NAL unit length in the *source's* access units: 1, 2 or 4. See [`nal::relength`].
    pub fn length_size(&self) -> u8 {
        self.length_size
    }

    /// The sequence parameter sets, NAL unit header included; at least one.
    pub fn sps(&self) -> &[Bytes] {
        &self.sps
    }

    /// The picture parameter sets, NAL unit header included.
    pub fn pps(&self) -> &[Bytes] {
        &self.pps
    }

    /// `avc1.PPCCLL`, RFC 6381 3.3.
    pub fn codec_string(&self) -> String {
        format!("avc1.{:02x}{:02x}{:02x}", self.first.profile, self.first.constraints, self.first.level)
    }

    /// Cropped size, and the frame rate where the VUI has one.
    pub fn video(&self) -> VideoInfo {
        self.first.video
    }

    /// The most pictures that come before another in the stream and are shown after it (`max_num_reorder_frames`,
    /// H.264 E.2.1), 0 to 16. None where the bitstream does not say, for up to 16 it may be then.
    pub fn reorder_depth(&self) -> Option<u32> {
        self.first.reorder_depth
    }

    /// The field that a slice belongs to, by its header (7.3.3) and the first sequence parameter set. None for a slice of
    /// a whole frame, and for one that cannot be read.
    pub fn field(&self, slice: &[u8]) -> Option<Field> {
        if self.first.frames_only {
            return None;
        }
        let head = nal::unescape(slice.get(1..slice.len().min(2 * SLICE_HEAD))?);
        let mut reader = BitReader::new(&head, "slice header");
        for _ in 0..3 {
            reader.ue().ok()?; // first_mb_in_slice, slice_type, pic_parameter_set_id
        }
        reader.skip(if self.first.separate_planes { 2 } else { 0 }).ok()?;
        let frame_num = reader.bits(self.first.frame_num_bits).ok()?;
        let is_field = reader.flag().ok()?;
        let bottom = is_field && reader.flag().ok()?;
        is_field.then_some(Field { frame_num, bottom })
    }
}

/// One of the two pictures that make up an interlaced frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// `frame_num`, which both fields of a frame have.
    pub frame_num: u32,
    /// It is the bottom field.
    pub bottom: bool,
}

impl Field {
    /// Whether `next`, which follows it, is the other field of the same frame (3.30, complementary fields).
    pub fn is_completed_by(self, next: Self) -> bool {
        self.frame_num == next.frame_num && self.bottom != next.bottom
    }
}

fn first(sps: &[Bytes]) -> Result<Sps, Error> {
    match sps.first() {
        Some(set) => Sps::decode(set),
        None => Err(Error::Invalid {
            what: "avcC",
            field: "numOfSequenceParameterSets",
            value: 0,
            expected: "at least 1",
        }),
    }
}

/// `nal_unit_type`, none for an empty unit.
pub fn unit_type(unit: &[u8]) -> Option<u8> {
    unit.first().map(|header| header & 0x1f)
}

fn is(kind: u8) -> impl Fn(&[u8]) -> bool {
    move |unit| unit_type(unit) == Some(kind)
}

/// Whether the access unit begins with an access unit delimiter, which MPEG-TS wants (ISO/IEC 13818-1 2.14.1).
pub fn has_aud(data: &[u8]) -> bool {
    nal::units(data).next().and_then(unit_type) == Some(nal_type::AUD)
}

/// Whether the access unit itself holds sequence and picture parameter sets.
pub fn has_parameter_sets(data: &[u8]) -> bool {
    nal::units(data).any(is(nal_type::SPS)) && nal::units(data).any(is(nal_type::PPS))
}

/// Whether decoding may start at this access unit: an IDR picture, or an I picture with a recovery point SEI
/// message (H.264 D.2.8), which is how open GOPs begin.
///
/// Of a field pair only the first field must be I, for the second may refer to it. A recovery point without an
/// I picture is periodic intra refresh: the picture is whole only many frames later, so that does not count.
pub fn is_random_access(data: &[u8]) -> bool {
    let mut recovery_point = false;
    let mut intra = false;
    for unit in nal::units(data) {
        match unit_type(unit) {
            Some(nal_type::IDR) => return true,
            Some(nal_type::SEI) => recovery_point |= has_recovery_point(unit),
            Some(nal_type::SLICE | nal_type::PARTITION_A) => match slice_head(unit) {
                _ if !recovery_point => return false,
                // The second field begins.
                Some((0, _)) if intra => return true,
                // 2 and 7 are I, 4 and 9 are SI (table 7-6).
                Some((_, 2 | 4 | 7 | 9)) => intra = true,
                _ => return false,
            },
            _ => {}
        }
    }
    intra
}

/// `first_mb_in_slice` and `slice_type` (H.264 7.3.3).
fn slice_head(unit: &[u8]) -> Option<(u32, u32)> {
    let head = nal::unescape(unit.get(1..unit.len().min(SLICE_HEAD))?);
    let mut reader = BitReader::new(&head, "slice header");
    Some((reader.ue().ok()?, reader.ue().ok()?))
}

/// Whether a recovery point is among the messages of an SEI unit (H.264 7.3.2.3.1).
fn has_recovery_point(unit: &[u8]) -> bool {
    let payload = nal::unescape(&unit[1..]);
    let mut reader = BitReader::new(&payload, "SEI");
    // Two bytes are the least that a message takes; one is the stop bit that ends the unit.
    while reader.remaining() >= 16 {
        let (Ok(kind), Ok(size)) = (sei_number(&mut reader), sei_number(&mut reader)) else {
            return false;
        };
        if kind == SEI_RECOVERY_POINT {
            return true;
        }
        if reader.bytes(size as usize).is_err() {
            return false;
        }
    }
    false
}

/// A number of an SEI message header: 255 for each `ff`, plus the byte that ends it.
fn sei_number(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let mut value = 0u32;
    loop {
        let byte = reader.byte()?;
        value = value.saturating_add(u32::from(byte));
        if byte != 0xff {
            return Ok(value);
        }
    }
}

/// The configuration after this access unit, when it holds parameter sets that differ from those of `config`.
///
/// None when nothing changed, or when what came cannot be read.
pub fn update(config: &Config, data: &[u8]) -> Option<Config> {
    let is_new = |unit: &[u8]| match unit_type(unit) {
        Some(nal_type::SPS) => !config.sps.iter().any(|set| set == unit),
        Some(nal_type::PPS) => !config.pps.iter().any(|set| set == unit),
        _ => false,
    };
    if !nal::units(data).any(is_new) {
        return None;
    }
    let (mut sps, mut pps) = (config.sps.clone(), config.pps.clone());
    for unit in nal::units(data) {
        match unit_type(unit) {
            Some(nal_type::SPS) => {
                parameter_sets::merge(&mut sps, unit, |set| Sps::decode(set).ok().map(|sps| sps.id));
            }
            Some(nal_type::PPS) => parameter_sets::merge(&mut pps, unit, pps_id),
            _ => {}
        }
    }
    // Two sets of one id in one access unit: the last counts, and may be the one that was known.
    if (&sps, &pps) == (&config.sps, &config.pps) {
        return None;
    }
    let fresh = Config::from_parameter_sets(&sps, &pps).ok()?;
    Some(Config { length_size: config.length_size, ..fresh })
}

/// `pic_parameter_set_id` (H.264 7.3.2.2).
fn pps_id(unit: &[u8]) -> Option<u32> {
    let payload = nal::unescape(unit.get(1..)?);
    BitReader::new(&payload, "PPS").ue_max("pic_parameter_set_id", 255).ok()
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::Rational;
    use crate::codec::testdata::*;

    const SEI_RECOVERY: &[u8] = &[6, 6, 1, 0xc4, 0x80];
    const I_SLICE: &[u8] = &[0x41, 0x88, 1];
    const P_SLICE: &[u8] = &[0x41, 0x98, 1];
    /// First macroblock 10.
    const LATER_I_SLICE: &[u8] = &[0x41, 0x16, 0x20, 1];
    const LATER_P_SLICE: &[u8] = &[0x41, 0x16, 0x60, 1];

    fn config(avcc: &[u8]) -> Config {
        Config::decode(avcc).unwrap()
    }

    fn starts(units: &[&[u8]]) -> bool {
        is_random_access(&nal::join(units.iter().copied()))
    }

    /// Expected values are what ffprobe says of the same streams.
    #[test]
    fn records_of_x264() {
        for (avcc, codec, width, height, rate) in [
            (X264_1080P, "avc1.42c028", 1920, 1080, (25, 1)),
            (X264_1080I, "avc1.4d403e", 1920, 1080, (50, 1)),
            (X264_422, "avc1.7a000d", 322, 242, (30, 1)),
            (X264_444_ODD, "avc1.f4000d", 321, 241, (24_000, 1001)),
            (X264_NTSC, "avc1.64000d", 320, 240, (30_000, 1001)),
        ] {
            let config = config(avcc);
            let frame_rate = Rational::new(rate.0, rate.1);
            assert_eq!(config.codec_string(), codec);
            assert_eq!(config.video(), VideoInfo { width, height, frame_rate }, "{codec}");
            assert_eq!((config.sps().len(), config.pps().len(), config.length_size()), (1, 1, 4));
            assert_eq!(config.record(), avcc);
            assert_eq!(Config::from_parameter_sets(config.sps(), config.pps()).unwrap(), config);
        }
    }

    /// Expected values are what ffmpeg's `trace_headers` says of the same streams.
    #[test]
    fn reorder_depth_is_stated_or_implied() {
        for (avcc, depth) in [(X264_1080P, 0), (X264_422, 2), (X264_444_ODD, 2), (X264_NTSC, 2)] {
            assert_eq!(config(avcc).reorder_depth(), Some(depth));
        }
        // Behind the parameters of a hypothetical decoder: x264 with `nal-hrd=cbr`.
        let hrd = [
            0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x41, 0xfb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10,
            0x00, 0x00, 0x03, 0x03, 0x26, 0x02, 0x00, 0x12, 0x4f, 0x00, 0x04, 0x93, 0xf9, 0x30, 0xc0, 0x1e,
            0x28, 0x53, 0x2c,
        ];
        assert_eq!(Sps::decode(&hrd).unwrap().reorder_depth, Some(2));
        // Without its end the High profile leaves it open, and Baseline has no pictures to put in order.
        assert_eq!(Sps::decode(&hrd[..hrd.len() - 5]).unwrap().reorder_depth, None);
        let baseline = config(X264_1080P).sps()[0].clone();
        assert_eq!(Sps::decode(&baseline[..baseline.len() - 5]).unwrap().reorder_depth, Some(0));
    }

    #[test]
    fn length_size_is_told_and_then_made_four() {
        let mut avcc = X264_NTSC.to_vec();
        avcc[4] = 0xfd;
        let short = config(&avcc);
        assert_eq!(short.length_size(), 2);
        assert_eq!(short.record(), X264_NTSC);
        avcc[4] = 0xfe;
        assert!(matches!(Config::decode(&avcc), Err(Error::Invalid { field: "lengthSizeMinusOne", .. })));
    }

    #[test]
    fn broken_records_are_refused() {
        // The profile's extension at the end is not needed.
        for len in 0..X264_NTSC.len() - 4 {
            assert!(Config::decode(&X264_NTSC[..len]).is_err(), "{len}");
        }
        assert!(Config::decode(&[1, 0x64, 0, 0x0d, 0xff, 0xe0, 0]).is_err());
        assert!(Config::decode(&[0; 40]).is_err());
        let set = Bytes::from_static(&[0x67, 0x42]);
        assert!(Config::from_parameter_sets(&[], slice::from_ref(&set)).is_err());
        assert!(Config::from_parameter_sets(slice::from_ref(&set), slice::from_ref(&set)).is_err());
        let config = config(X264_NTSC);
        let many = vec![config.sps()[0].clone(); 32];
        assert!(Config::from_parameter_sets(&many, config.pps()).is_err());
        let long = Bytes::from(vec![8; 65_536]);
        assert!(Config::from_parameter_sets(config.sps(), &[long]).is_err());
    }

    /// A VUI cut short costs the frame rate alone.
    #[test]
    fn broken_vui_is_forgiven() {
        let config = config(X264_NTSC);
        let sps = &config.sps()[0];
        let cut = Config::from_parameter_sets(&[sps.slice(..sps.len() - 6)], config.pps()).unwrap();
        assert_eq!(cut.video(), VideoInfo { width: 320, height: 240, frame_rate: None });
    }

    #[test]
    fn slices_tell_their_field() {
        // 4 bits of frame_num: first_mb_in_slice 0, slice_type 5, pic_parameter_set_id 0, frame_num 3, field_pic_flag 1.
        let interlaced = config(X264_1080I);
        assert_eq!((interlaced.first.frames_only, interlaced.first.frame_num_bits), (false, 4));
        let (top, bottom) = ([0x41, 0b1001_1010, 0b0111_0000], [0x41, 0b1001_1010, 0b0111_1000]);
        let top = interlaced.field(&top).unwrap();
        assert_eq!(top, Field { frame_num: 3, bottom: false });
        let bottom = interlaced.field(&bottom).unwrap();
        assert!(top.is_completed_by(bottom) && !top.is_completed_by(top));
        assert_eq!(interlaced.field(&[0x41, 0b1001_1010, 0b0110_0000]), None, "a frame");
        assert_eq!(interlaced.field(&[0x41]), None);
        assert_eq!(config(X264_1080P).field(&[0x41, 0b1001_1010, 0b0111_0000]), None);
    }

    #[test]
    fn open_gop_starts_at_a_recovery_point_with_an_i_picture() {
        assert!(is_random_access(X264_OPEN_GOP));
        assert!(!is_random_access(X264_INTRA_REFRESH));
        assert!(starts(&[&[9, 0x10], SEI_RECOVERY, I_SLICE, LATER_I_SLICE]));
        assert!(starts(&[&[0x65, 0x88]]));
        assert!(!starts(&[I_SLICE]));
        assert!(!starts(&[SEI_RECOVERY, P_SLICE]));
        assert!(!starts(&[SEI_RECOVERY, I_SLICE, LATER_P_SLICE]));
        assert!(!starts(&[SEI_RECOVERY]));
        assert!(!starts(&[SEI_RECOVERY, &[0x41]]));
    }

    #[test]
    fn only_the_first_field_must_be_intra() {
        assert!(starts(&[SEI_RECOVERY, I_SLICE, LATER_I_SLICE, P_SLICE, LATER_P_SLICE]));
        assert!(!starts(&[SEI_RECOVERY, P_SLICE, LATER_P_SLICE, I_SLICE]));
    }

    #[test]
    fn recovery_point_is_found_behind_other_messages() {
        let long = [&[6, 5, 0xff, 1][..], &[7; 256], &[6, 1, 0xc4, 0x80]].concat();
        assert!(starts(&[&long, I_SLICE]));
        assert!(!starts(&[&[6, 5, 0xff, 1, 6, 1, 0xc4, 0x80], I_SLICE]));
        assert!(!starts(&[&[6, 0xff, 0xff], I_SLICE]));
    }

    #[test]
    fn parameter_sets_in_the_stream() {
        let mut avcc = X264_NTSC.to_vec();
        avcc[4] = 0xfd;
        let (old, new) = (config(&avcc), config(X264_1080P));
        let same = nal::join([&old.sps()[0][..], &old.pps()[0], I_SLICE]);
        assert!(has_parameter_sets(&same));
        assert_eq!(update(&old, &same), None);
        let changed = nal::join([&new.sps()[0][..], &new.pps()[0], I_SLICE]);
        let updated = update(&old, &changed).unwrap();
        assert_eq!((updated.record(), updated.video()), (new.record(), new.video()));
        assert_eq!(updated.length_size(), 2);
        assert_eq!(update(&updated, &changed), None);
        let broken = nal::join([&[0x67, 0x64, 0, 1][..], &[0x68], I_SLICE]);
        assert_eq!(update(&old, &broken), None);
    }

    #[test]
    fn last_of_two_sets_of_one_id_counts() {
        let config = config(X264_NTSC);
        let other = [0x68, 0xff];
        let there_and_back = nal::join([&other[..], &config.pps()[0]]);
        assert_eq!(update(&config, &there_and_back), None);
        assert_eq!(update(&config, &nal::join([&other[..]])).unwrap().pps(), [&other[..]]);
    }

    #[test]
    fn picture_parameter_set_of_a_new_id_is_added() {
        let old = config(X264_NTSC);
        // Identifier 1.
        let added = [0x68, 0b0101_1110, 0x80];
        let updated = update(&old, &nal::join([&added[..], P_SLICE])).unwrap();
        assert_eq!(updated.pps(), [Bytes::copy_from_slice(&added), old.pps()[0].clone()]);
        assert_eq!(Config::decode(updated.record()).unwrap(), updated);
    }

    #[test]
    fn what_an_access_unit_holds() {
        let data = nal::join([&[9, 0xf0][..], &[0x67, 1], I_SLICE]);
        assert!(has_aud(&data));
        assert!(!has_parameter_sets(&data));
        assert!(!has_aud(&data[6..]));
        assert_eq!(unit_type(&[]), None);
    }
}
