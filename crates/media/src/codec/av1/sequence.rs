//! The sequence header (AV1 5.5), and the same facts as the head of a configuration record states them.

use crate::bits::BitReader;
use crate::codec::vui;
use crate::{Error, Rational, VideoInfo};

/// What is kept of a sequence header. `level` and `tier` are those of the first operating point, which is the
/// whole stream.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sequence {
    pub(super) profile: u8,
    /// `seq_level_idx`.
    pub(super) level: u8,
    pub(super) tier: bool,
    /// 8, 10 or 12.
    pub(super) bit_depth: u8,
    monochrome: bool,
    subsampling_x: bool,
    subsampling_y: bool,
    chroma_sample_position: u8,
    pub(super) reduced_still_picture: bool,
    pub(super) video: VideoInfo,
}

impl Sequence {
    /// From what follows the marker of a configuration record (binding 2.3.3); leaves the size at 0 by 0.
    pub(super) fn from_record(reader: &mut BitReader<'_>) -> Result<Self, Error> {
        let (profile, level, tier) = (reader.bits(3)? as u8, reader.bits(5)? as u8, reader.flag()?);
        let (high, twelve) = (reader.flag()?, reader.flag()?);
        let (monochrome, subsampling_x, subsampling_y) = (reader.flag()?, reader.flag()?, reader.flag()?);
        let chroma_sample_position = reader.bits(2)? as u8;
        reader.skip(8)?; // initial_presentation_delay
        Ok(Self {
            profile,
            level,
            tier,
            bit_depth: bit_depth(high, twelve),
            monochrome,
            subsampling_x,
            subsampling_y,
            chroma_sample_position,
            reduced_still_picture: false,
            video: VideoInfo { width: 0, height: 0, frame_rate: None },
        })
    }

    /// The first four bytes of a configuration record.
    pub(super) fn record_head(&self) -> [u8; 4] {
        let flags = [
            self.tier,
            self.bit_depth > 8,
            self.bit_depth == 12,
            self.monochrome,
            self.subsampling_x,
            self.subsampling_y,
        ];
        let flags = flags.iter().fold(0, |byte, &flag| byte << 1 | u8::from(flag));
        [0x81, self.profile << 5 | self.level, flags << 2 | self.chroma_sample_position, 0]
    }

    /// From the payload of a sequence header OBU.
    pub(super) fn decode(payload: &[u8]) -> Result<Self, Error> {
        let reader = &mut BitReader::new(payload, "AV1 sequence header");
        let profile = reader.bits(3)? as u8;
        if profile > 2 {
            return Err(reader.invalid("seq_profile", u64::from(profile), "0, 1 or 2"));
        }
        reader.skip(1)?; // still_picture
        let reduced_still_picture = reader.flag()?;
        let operation = if reduced_still_picture {
            Operation { level: reader.bits(5)? as u8, tier: false, frame_rate: None }
        } else {
            operation(reader)?
        };
        let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
        let (width, height) = (reader.bits(width_bits)? + 1, reader.bits(height_bits)? + 1);
        skip_tools(reader, reduced_still_picture)?;
        let color = color(reader, profile)?;
        Ok(Self {
            level: operation.level,
            tier: operation.tier,
            reduced_still_picture,
            video: VideoInfo { width, height, frame_rate: operation.frame_rate },
            profile,
            ..color
        })
    }
}

fn bit_depth(high: bool, twelve: bool) -> u8 {
    match (high, twelve) {
        (true, true) => 12,
        (true, false) => 10,
        (false, _) => 8,
    }
}

struct Operation {
    level: u8,
    tier: bool,
    frame_rate: Option<Rational>,
}

/// `timing_info_present_flag` to the operating points.
fn operation(reader: &mut BitReader<'_>) -> Result<Operation, Error> {
    let mut frame_rate = None;
    let mut delay_bits = None;
    if reader.flag()? {
        frame_rate = timing_info(reader)?;
        if reader.flag()? {
            delay_bits = Some(reader.bits(5)? + 1);
            reader.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = reader.flag()?;
    let mut first = None;
    for _ in 0..=reader.bits(5)? {
        reader.skip(12)?; // operating_point_idc
        let level = reader.bits(5)? as u8;
        let tier = level > 7 && reader.flag()?;
        first.get_or_insert((level, tier));
        if let Some(bits) = delay_bits
            && reader.flag()?
        {
            reader.skip(2 * bits as usize + 1)?;
        }
        if has_display_delay && reader.flag()? {
            reader.skip(4)?;
        }
    }
    let (level, tier) = first.unwrap_or_default();
    Ok(Operation { level, tier, frame_rate })
}

/// `timing_info()` (AV1 5.5.3): a rate only where pictures are equally far apart.
fn timing_info(reader: &mut BitReader<'_>) -> Result<Option<Rational>, Error> {
    let (units, scale) = (reader.bits(32)?, reader.bits(32)?);
    if !reader.flag()? {
        return Ok(None);
    }
    let ticks = u64::from(reader.ue()?) + 1;
    Ok(u64::from(units).checked_mul(ticks).and_then(|units| vui::frame_rate(u64::from(scale), units)))
}

/// From `frame_id_numbers_present_flag` to `enable_restoration`.
fn skip_tools(reader: &mut BitReader<'_>, reduced_still_picture: bool) -> Result<(), Error> {
    if !reduced_still_picture && reader.flag()? {
        reader.skip(4 + 3)?;
    }
    reader.skip(3)?; // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
    if !reduced_still_picture {
        reader.skip(4)?; // interintra and masked compound, warped motion, dual filter
        let order_hint = reader.flag()?;
        if order_hint {
            reader.skip(2)?; // enable_jnt_comp, enable_ref_frame_mvs
        }
        // seq_choose_screen_content_tools, or else seq_force_screen_content_tools
        let screen_content = reader.flag()? || reader.flag()?;
        // seq_choose_integer_mv, or else seq_force_integer_mv
        if screen_content && !reader.flag()? {
            reader.skip(1)?;
        }
        if order_hint {
            reader.skip(3)?;
        }
    }
    reader.skip(3) // enable_superres, enable_cdef, enable_restoration
}

/// `color_config()` (AV1 5.5.2). Fills only what it states; the caller fills the rest.
fn color(reader: &mut BitReader<'_>, profile: u8) -> Result<Sequence, Error> {
    /// BT.709 primaries, sRGB transfer and identity matrix: RGB, never subsampled.
    const SRGB: (u32, u32, u32) = (1, 13, 0);
    let high = reader.flag()?;
    let bit_depth = bit_depth(high, high && profile == 2 && reader.flag()?);
    let monochrome = profile != 1 && reader.flag()?;
    let description =
        if reader.flag()? { (reader.bits(8)?, reader.bits(8)?, reader.bits(8)?) } else { (2, 2, 2) };
    let (mut subsampling_x, mut subsampling_y) = (true, true);
    let mut chroma_sample_position = 0;
    if !monochrome && description == SRGB {
        (subsampling_x, subsampling_y) = (false, false);
    } else {
        reader.skip(1)?; // color_range
        if !monochrome {
            (subsampling_x, subsampling_y) = subsampling(reader, profile, bit_depth)?;
            if subsampling_x && subsampling_y {
                chroma_sample_position = reader.bits(2)? as u8;
            }
        }
    }
    Ok(Sequence {
        profile,
        level: 0,
        tier: false,
        bit_depth,
        monochrome,
        subsampling_x,
        subsampling_y,
        chroma_sample_position,
        reduced_still_picture: false,
        video: VideoInfo { width: 0, height: 0, frame_rate: None },
    })
}

fn subsampling(reader: &mut BitReader<'_>, profile: u8, bit_depth: u8) -> Result<(bool, bool), Error> {
    Ok(match profile {
        0 => (true, true),
        1 => (false, false),
        _ if bit_depth == 12 => {
            let x = reader.flag()?;
            (x, x && reader.flag()?)
        }
        _ => (true, false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of a text of `0` and `1`; everything else in it is for the eye.
    fn bits(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|c| matches!(c, b'0' | b'1')).map(|c| c - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
    }

    /// No encoder at hand writes timing and a decoder model.
    #[test]
    fn timing_and_decoder_model() {
        let timing = format!("1 {:032b} {:032b} 1 1", 1001, 30_000);
        let model = format!("1 01001 {:032b} 00000 00000", 1);
        // Two operating points: level 8 with its tier, with a decoder model of 10 + 10 + 1 bits and a display delay.
        let points = format!(
            "1 00001  {} 01000 1 1 {} 1 0011  {} 00001 0 0",
            "0".repeat(12),
            "1".repeat(21),
            "0".repeat(12)
        );
        let size = "0111 0111 11111111 01111111";
        let tools = "1 1001 010  000  0000 1 11  0 1  0 1  101  000";
        let color = "1  0  1 00000001 00000001 00000001  1 10";
        let sequence =
            Sequence::decode(&bits(&format!("000 0 0 {timing} {model} {points} {size} {tools} {color}")))
                .unwrap();
        assert_eq!((sequence.level, sequence.tier, sequence.bit_depth), (8, true, 10));
        assert_eq!(
            sequence.video,
            VideoInfo { width: 256, height: 128, frame_rate: Rational::new(30_000, 1001) }
        );
        assert_eq!(
            (sequence.subsampling_x, sequence.subsampling_y, sequence.chroma_sample_position),
            (true, true, 2)
        );
        assert_eq!(sequence.record_head(), [0x81, 8, 0b1100_1110, 0]);
    }

    #[test]
    fn reduced_still_picture() {
        let sequence = Sequence::decode(&bits("000 1 1 00101 0010 0010 111 011 000 000 0 1 0 0")).unwrap();
        assert!(sequence.reduced_still_picture && sequence.monochrome);
        assert_eq!((sequence.level, sequence.video.width, sequence.video.height), (5, 8, 4));
    }

    #[test]
    fn other_profiles() {
        let head = "1 1 00000 0000 0000 0 0 000 000";
        let rgb = Sequence::decode(&bits(&format!("001 {head} 0 1 00000001 00001101 00000000 0"))).unwrap();
        assert_eq!((rgb.profile, rgb.subsampling_x, rgb.subsampling_y), (1, false, false));
        let deep = Sequence::decode(&bits(&format!("010 {head} 1 1 0 0 0 1 0 0"))).unwrap();
        assert_eq!((deep.bit_depth, deep.subsampling_x, deep.subsampling_y), (12, true, false));
        let wide = Sequence::decode(&bits(&format!("010 {head} 1 0 0 0 0 0"))).unwrap();
        assert_eq!((wide.bit_depth, wide.subsampling_x, wide.subsampling_y), (10, true, false));
        assert!(Sequence::decode(&bits(&format!("011 {head} {}", "0".repeat(40)))).is_err());
    }
}
