//! The sequence parameter set (ITU-T H.264 7.3.2.1.1), as far as the frame rate in its VUI (E.1.1).

use crate::bits::BitReader;
use crate::codec::vui;
use crate::{Error, Rational, VideoInfo, nal};

/// More macroblocks in a row or column than any level allows (A.3.1), and what 16-bit sizes of containers hold.
const MAX_MACROBLOCKS: u32 = 4095;

/// What is kept of a sequence parameter set.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Sps {
    pub(super) profile: u8,
    /// `constraint_set0_flag` … `reserved_zero_2bits`.
    pub(super) constraints: u8,
    pub(super) level: u8,
    /// `seq_parameter_set_id`.
    pub(super) id: u32,
    pub(super) chroma_format: u8,
    /// `bit_depth_luma_minus8`.
    pub(super) luma_depth_8: u8,
    /// `bit_depth_chroma_minus8`.
    pub(super) chroma_depth_8: u8,
    pub(super) video: VideoInfo,
}

/// Chroma format and depths, which only the high profiles state.
struct Format {
    chroma: u8,
    separate_planes: bool,
    luma_depth_8: u8,
    chroma_depth_8: u8,
}

impl Sps {
    /// From a NAL unit, its header included.
    pub(super) fn decode(unit: &[u8]) -> Result<Self, Error> {
        let payload = nal::unescape(unit.get(1..).unwrap_or_default());
        let reader = &mut BitReader::new(&payload, "H.264 SPS");
        let (profile, constraints, level) = (reader.byte()?, reader.byte()?, reader.byte()?);
        let id = reader.ue_max("seq_parameter_set_id", 31)?;
        let format = format(reader, profile)?;
        skip_counters(reader)?;
        let (width, height) = size(reader, &format)?;
        // Devices with a broken VUI exist, and nothing but the frame rate is lost with it.
        let frame_rate = vui_frame_rate(reader).unwrap_or_default();
        Ok(Self {
            profile,
            constraints,
            level,
            id,
            chroma_format: format.chroma,
            luma_depth_8: format.luma_depth_8,
            chroma_depth_8: format.chroma_depth_8,
            video: VideoInfo { width, height, frame_rate },
        })
    }
}

fn format(reader: &mut BitReader<'_>, profile: u8) -> Result<Format, Error> {
    let mut format = Format { chroma: 1, separate_planes: false, luma_depth_8: 0, chroma_depth_8: 0 };
    if !matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 244) {
        return Ok(format);
    }
    format.chroma = reader.ue_max("chroma_format_idc", 3)? as u8;
    if format.chroma == 3 {
        format.separate_planes = reader.flag()?;
    }
    format.luma_depth_8 = reader.ue_max("bit_depth_luma_minus8", 6)? as u8;
    format.chroma_depth_8 = reader.ue_max("bit_depth_chroma_minus8", 6)? as u8;
    reader.skip(1)?; // qpprime_y_zero_transform_bypass_flag
    if reader.flag()? {
        for list in 0..if format.chroma == 3 { 12 } else { 8 } {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(format)
}

/// `scaling_list()`, 7.3.2.1.1.1.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: usize) -> Result<(), Error> {
    let mut last = 8i32;
    for _ in 0..size {
        let next = (last + reader.se()?.rem_euclid(256)) % 256;
        if next == 0 {
            break;
        }
        last = next;
    }
    Ok(())
}

/// `log2_max_frame_num_minus4` to `gaps_in_frame_num_value_allowed_flag`.
fn skip_counters(reader: &mut BitReader<'_>) -> Result<(), Error> {
    reader.ue_max("log2_max_frame_num_minus4", 12)?;
    match reader.ue_max("pic_order_cnt_type", 2)? {
        0 => {
            reader.ue_max("log2_max_pic_order_cnt_lsb_minus4", 12)?;
        }
        1 => {
            reader.skip(1)?;
            reader.se()?;
            reader.se()?;
            for _ in 0..reader.ue_max("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                reader.se()?;
            }
        }
        _ => {}
    }
    reader.ue()?; // max_num_ref_frames
    reader.skip(1)
}

/// Width and height after cropping (7.4.2.1.1, equations 7-19 to 7-22).
fn size(reader: &mut BitReader<'_>, format: &Format) -> Result<(u32, u32), Error> {
    let columns = reader.ue_max("pic_width_in_mbs_minus1", MAX_MACROBLOCKS - 1)? + 1;
    let units = reader.ue_max("pic_height_in_map_units_minus1", MAX_MACROBLOCKS - 1)? + 1;
    let frame_mbs_only = reader.flag()?;
    if !frame_mbs_only {
        reader.skip(1)?; // mb_adaptive_frame_field_flag
    }
    reader.skip(1)?; // direct_8x8_inference_flag
    // A map unit of a stream with fields is two macroblocks high.
    let fields = if frame_mbs_only { 1 } else { 2 };
    let (width, height) = (columns * 16, units * 16 * fields);
    if !reader.flag()? {
        return Ok((width, height));
    }
    let (unit_x, unit_y) = match (format.separate_planes, format.chroma) {
        (false, 1) => (2, 2 * fields),
        (false, 2) => (2, fields),
        _ => (1, fields),
    };
    let left_right = (reader.ue()?, reader.ue()?);
    let top_bottom = (reader.ue()?, reader.ue()?);
    Ok((vui::crop(reader, width, left_right, unit_x)?, vui::crop(reader, height, top_bottom, unit_y)?))
}

/// `time_scale / (2 * num_units_in_tick)`: a tick is a field's time, whether there are fields or not (E.2.1).
fn vui_frame_rate(reader: &mut BitReader<'_>) -> Result<Option<Rational>, Error> {
    if !reader.flag()? {
        return Ok(None);
    }
    vui::skip_picture(reader)?;
    if !reader.flag()? {
        return Ok(None);
    }
    let (units, scale) = (reader.bits(32)?, reader.bits(32)?);
    Ok(vui::frame_rate(u64::from(scale), u64::from(units) * 2))
}
