//! The sequence parameter set (ITU-T H.265 7.3.2.2), as far as the picture rate in its VUI (E.2.1).

use crate::bits::BitReader;
use crate::codec::vui;
use crate::{Error, Rational, VideoInfo, nal};

/// Beyond any level (A.4.1), and what 16-bit sizes of containers hold.
const MAX_SIZE: u32 = 65535;

/// `MaxDpbSize` is no more at any level (A.4.2).
const MAX_DPB_SIZE: u32 = 16;

/// What is kept of a sequence parameter set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sps {
    /// `sps_seq_parameter_set_id`.
    pub(super) id: u32,
    /// `general_profile_space` to `general_level_idc`, laid out as in the configuration record.
    pub(super) profile_tier_level: [u8; 12],
    /// 1 to 7.
    pub(super) max_sub_layers: u8,
    pub(super) temporal_id_nesting: bool,
    pub(super) chroma_format: u8,
    /// `bit_depth_luma_minus8`.
    pub(super) luma_depth_8: u8,
    /// `bit_depth_chroma_minus8`.
    pub(super) chroma_depth_8: u8,
    pub(super) video: VideoInfo,
    /// `sps_max_num_reorder_pics` of all sub-layers.
    pub(super) reorder_depth: Option<u32>,
}

impl Sps {
    /// From a NAL unit, its header included.
    pub(super) fn decode(unit: &[u8]) -> Result<Self, Error> {
        let payload = nal::unescape(unit.get(2..).unwrap_or_default());
        let reader = &mut BitReader::new(&payload, "HEVC SPS");
        reader.skip(4)?; // sps_video_parameter_set_id
        let max_sub_layers = reader.bits(3)? as u8 + 1;
        if max_sub_layers > 7 {
            return Err(reader.invalid("sps_max_sub_layers_minus1", 7, "at most 6"));
        }
        let temporal_id_nesting = reader.flag()?;
        let profile_tier_level = profile_tier_level(reader, max_sub_layers)?;
        let id = reader.ue_max("sps_seq_parameter_set_id", 15)?;
        let chroma_format = reader.ue_max("chroma_format_idc", 3)? as u8;
        let separate_planes = chroma_format == 3 && reader.flag()?;
        let (width, height) = size(reader, if separate_planes { 0 } else { chroma_format })?;
        let luma_depth_8 = reader.ue_max("bit_depth_luma_minus8", 8)? as u8;
        let chroma_depth_8 = reader.ue_max("bit_depth_chroma_minus8", 8)? as u8;
        // What follows is long and needed for nothing but reordering and picture rate, so an error costs only these.
        let order = ordering(reader, max_sub_layers).ok();
        let frame_rate = order.and_then(|order| vui_frame_rate(reader, order.bits).unwrap_or_default());
        Ok(Self {
            id,
            profile_tier_level,
            max_sub_layers,
            temporal_id_nesting,
            chroma_format,
            luma_depth_8,
            chroma_depth_8,
            video: VideoInfo { width, height, frame_rate },
            reorder_depth: order.map(|order| order.reorder_depth),
        })
    }
}

/// `profile_tier_level( 1, sps_max_sub_layers_minus1 )`, 7.3.3.
fn profile_tier_level(reader: &mut BitReader<'_>, max_sub_layers: u8) -> Result<[u8; 12], Error> {
    let mut general = [0; 12];
    for byte in &mut general {
        *byte = reader.byte()?;
    }
    let sub_layers = u32::from(max_sub_layers) - 1;
    if sub_layers == 0 {
        return Ok(general);
    }
    let present = reader.bits(2 * 8)?;
    for layer in 0..sub_layers {
        let flags = present >> (14 - 2 * layer);
        let profile = if flags & 0b10 == 0 { 0 } else { 88 };
        let level = if flags & 0b01 == 0 { 0 } else { 8 };
        reader.skip(profile + level)?;
    }
    Ok(general)
}

/// Width and height of the conformance window (7.4.3.2.1).
fn size(reader: &mut BitReader<'_>, chroma_array_type: u8) -> Result<(u32, u32), Error> {
    let width = reader.ue_max("pic_width_in_luma_samples", MAX_SIZE)?;
    let height = reader.ue_max("pic_height_in_luma_samples", MAX_SIZE)?;
    if width == 0 || height == 0 {
        return Err(reader.invalid("picture size", 0, "at least 1"));
    }
    if !reader.flag()? {
        return Ok((width, height));
    }
    let (unit_x, unit_y) = match chroma_array_type {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let left_right = (reader.ue()?, reader.ue()?);
    let top_bottom = (reader.ue()?, reader.ue()?);
    Ok((vui::crop(reader, width, left_right, unit_x)?, vui::crop(reader, height, top_bottom, unit_y)?))
}

/// What is kept of the order of pictures.
#[derive(Clone, Copy)]
struct Ordering {
    /// Bits of `slice_pic_order_cnt_lsb`.
    bits: u32,
    reorder_depth: u32,
}

/// From `log2_max_pic_order_cnt_lsb_minus4` to the limits of the highest sub-layer, which are those of the whole.
fn ordering(reader: &mut BitReader<'_>, max_sub_layers: u8) -> Result<Ordering, Error> {
    let bits = reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)? + 4;
    let layers = if reader.flag()? { max_sub_layers } else { 1 };
    let mut reorder_depth = 0;
    for _ in 0..layers {
        reader.ue()?; // sps_max_dec_pic_buffering_minus1
        reorder_depth = reader.ue_max("sps_max_num_reorder_pics", MAX_DPB_SIZE - 1)?;
        reader.ue()?; // sps_max_latency_increase_plus1
    }
    Ok(Ordering { bits, reorder_depth })
}

/// From `log2_min_luma_coding_block_size_minus3` to `vui_num_units_in_tick` and `vui_time_scale`.
fn vui_frame_rate(reader: &mut BitReader<'_>, order_bits: u32) -> Result<Option<Rational>, Error> {
    for _ in 0..6 {
        reader.ue()?; // coding and transform block sizes, transform hierarchy depths
    }
    if reader.flag()? && reader.flag()? {
        skip_scaling_list_data(reader)?;
    }
    reader.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag()? {
        reader.skip(8)?; // PCM sample bit depths
        reader.ue()?;
        reader.ue()?;
        reader.skip(1)?;
    }
    skip_short_term_ref_pic_sets(reader)?;
    if reader.flag()? {
        for _ in 0..reader.ue_max("num_long_term_ref_pics_sps", 32)? {
            reader.skip(order_bits as usize + 1)?;
        }
    }
    reader.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if !reader.flag()? {
        return Ok(None);
    }
    vui::skip_picture(reader)?;
    reader.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if reader.flag()? {
        for _ in 0..4 {
            reader.ue()?; // default display window
        }
    }
    if !reader.flag()? {
        return Ok(None);
    }
    let (units, scale) = (reader.bits(32)?, reader.bits(32)?);
    Ok(vui::frame_rate(u64::from(scale), u64::from(units)))
}

/// `scaling_list_data()`, 7.3.4.
fn skip_scaling_list_data(reader: &mut BitReader<'_>) -> Result<(), Error> {
    for size_id in 0..4 {
        let matrices = if size_id == 3 { 2 } else { 6 };
        for _ in 0..matrices {
            if !reader.flag()? {
                reader.ue()?; // scaling_list_pred_matrix_id_delta
                continue;
            }
            if size_id > 1 {
                reader.se()?; // scaling_list_dc_coef_minus8
            }
            for _ in 0..64.min(1 << (4 + 2 * size_id)) {
                reader.se()?;
            }
        }
    }
    Ok(())
}

/// `num_short_term_ref_pic_sets` and the sets, 7.3.7.
fn skip_short_term_ref_pic_sets(reader: &mut BitReader<'_>) -> Result<(), Error> {
    let mut deltas = 0;
    for index in 0..reader.ue_max("num_short_term_ref_pic_sets", 64)? {
        deltas =
            if index > 0 && reader.flag()? { predicted_set(reader, deltas)? } else { explicit_set(reader)? };
    }
    Ok(())
}

/// A set predicted from the one before, which has `deltas` pictures; yields its own number of pictures.
fn predicted_set(reader: &mut BitReader<'_>, deltas: u32) -> Result<u32, Error> {
    reader.skip(1)?; // delta_rps_sign
    reader.ue()?; // abs_delta_rps_minus1
    let mut count = 0;
    for _ in 0..=deltas {
        // used_by_curr_pic_flag, or else use_delta_flag
        if reader.flag()? || reader.flag()? {
            count += 1;
        }
    }
    Ok(count)
}

fn explicit_set(reader: &mut BitReader<'_>) -> Result<u32, Error> {
    let count = reader.ue_max("num_negative_pics", 16)? + reader.ue_max("num_positive_pics", 16)?;
    for _ in 0..count {
        reader.ue()?;
        reader.skip(1)?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of a text of `0` and `1`; everything else in it is for the eye.
    fn bits(text: &str) -> Vec<u8> {
        let bits: Vec<u8> = text.bytes().filter(|c| matches!(c, b'0' | b'1')).map(|c| c - b'0').collect();
        bits.chunks(8).map(|byte| byte.iter().enumerate().map(|(at, bit)| bit << (7 - at)).sum()).collect()
    }

    fn left_after<T>(text: &str, read: impl Fn(&mut BitReader<'_>) -> Result<T, Error>) -> (T, usize) {
        let data = bits(text);
        let used = text.bytes().filter(|c| matches!(c, b'0' | b'1')).count();
        let mut reader = BitReader::new(&data, "test");
        let value = read(&mut reader).unwrap();
        (value, used + reader.remaining() - data.len() * 8)
    }

    /// Three sets: two pictures; predicted from it with one of three; predicted from that one.
    #[test]
    fn predicted_reference_sets() {
        let explicit = "010 010  1 1  1 1";
        let predicted = "1 0 1  1  01  00";
        let again = "1 0 1  00  1  1";
        let text = format!("00100 {explicit} {predicted} {again}");
        assert_eq!(left_after(&text, skip_short_term_ref_pic_sets).1, 0);
        assert_eq!(left_after("0 1 1 01 00", |reader| predicted_set(reader, 2)).0, 2);
    }

    #[test]
    fn scaling_lists_of_both_kinds() {
        // All are copied by reference, but for one of the smallest and one of the largest.
        let copied = "0 1 ";
        let small = format!("1 {}", "1".repeat(16));
        let large = format!("1 1 {}", "010".repeat(64));
        let text = [small, copied.repeat(5), copied.repeat(12), large, copied.to_owned()].concat();
        assert_eq!(left_after(&text, skip_scaling_list_data).1, 0);
    }

    #[test]
    fn sub_layers_are_passed_over() {
        // Three layers: the first has a profile and a level, the second a level alone.
        let general = "00000001".repeat(12);
        let text = format!("{general} 11 01 000000000000 {} {}", "1".repeat(96), "0".repeat(8));
        assert_eq!(left_after(&text, |reader| profile_tier_level(reader, 3)), ([1; 12], 0));
    }
}
