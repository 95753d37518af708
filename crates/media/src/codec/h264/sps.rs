//! The sequence parameter set (ITU-T H.264 7.3.2.1.1), with what its VUI (E.1.1) says of frame rate and reordering.

use crate::bits::BitReader;
use crate::codec::vui;
use crate::{Error, Rational, VideoInfo, nal};

/// More macroblocks in a row or column than any level allows (A.3.1), and what 16-bit sizes of containers hold.
const MAX_MACROBLOCKS: u32 = 4095;

/// `MaxDpbFrames` is no more at any level (A.3.1).
const MAX_DPB_FRAMES: u32 = 16;

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
    /// `max_num_reorder_frames`, stated or implied.
    pub(super) reorder_depth: Option<u32>,
    /// Bits of `frame_num` in a slice header.
    pub(super) frame_num_bits: u32,
    /// `frame_mbs_only_flag`: there are no fields.
    pub(super) frames_only: bool,
    pub(super) separate_planes: bool,
}

/// What the VUI says.
#[derive(Default)]
struct Vui {
    frame_rate: Option<Rational>,
    reorder_depth: Option<u32>,
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
        let (frame_num_bits, order_type) = counters(reader)?;
        let (width, height, frames_only) = size(reader, &format)?;
        // Devices with a broken VUI exist, and nothing but what stands behind the fault is lost with it.
        let mut vui = Vui::default();
        let _ = read_vui(reader, &mut vui);
        let implied = never_reorders(profile, constraints, order_type).then_some(0);
        Ok(Self {
            profile,
            constraints,
            level,
            id,
            chroma_format: format.chroma,
            luma_depth_8: format.luma_depth_8,
            chroma_depth_8: format.chroma_depth_8,
            video: VideoInfo { width, height, frame_rate: vui.frame_rate },
            reorder_depth: vui.reorder_depth.or(implied),
            frame_num_bits,
            frames_only,
            separate_planes: format.separate_planes,
        })
    }
}

/// Whether pictures leave the decoder in the order in which they come, where the VUI does not say: Baseline has no B
/// slices (A.2.1), intra profiles have nothing else than I slices (E.2.1), and an order that is derived from `frame_num`
/// is that of decoding (8.2.1.3).
fn never_reorders(profile: u8, constraints: u8, order_type: u32) -> bool {
    let intra_only = constraints & 0x10 != 0 && matches!(profile, 86 | 100 | 110 | 122 | 244);
    profile == 66 || profile == 44 || intra_only || order_type == 2
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

/// `log2_max_frame_num_minus4` to `gaps_in_frame_num_value_allowed_flag`; yields the bits of `frame_num` and
/// `pic_order_cnt_type`.
fn counters(reader: &mut BitReader<'_>) -> Result<(u32, u32), Error> {
    let frame_num_bits = reader.ue_max("log2_max_frame_num_minus4", 12)? + 4;
    let order_type = reader.ue_max("pic_order_cnt_type", 2)?;
    match order_type {
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
    reader.skip(1)?;
    Ok((frame_num_bits, order_type))
}

/// Width and height after cropping (7.4.2.1.1, equations 7-19 to 7-22), and `frame_mbs_only_flag`.
fn size(reader: &mut BitReader<'_>, format: &Format) -> Result<(u32, u32, bool), Error> {
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
        return Ok((width, height, frame_mbs_only));
    }
    let (unit_x, unit_y) = match (format.separate_planes, format.chroma) {
        (false, 1) => (2, 2 * fields),
        (false, 2) => (2, fields),
        _ => (1, fields),
    };
    let left_right = (reader.ue()?, reader.ue()?);
    let top_bottom = (reader.ue()?, reader.ue()?);
    let width = vui::crop(reader, width, left_right, unit_x)?;
    Ok((width, vui::crop(reader, height, top_bottom, unit_y)?, frame_mbs_only))
}

/// The VUI, as far as it can be read.
fn read_vui(reader: &mut BitReader<'_>, vui: &mut Vui) -> Result<(), Error> {
    if !reader.flag()? {
        return Ok(());
    }
    vui::skip_picture(reader)?;
    if reader.flag()? {
        // `time_scale / (2 * num_units_in_tick)`: a tick is a field's time, whether there are fields or not (E.2.1).
        let (units, scale) = (reader.bits(32)?, reader.bits(32)?);
        vui.frame_rate = vui::frame_rate(u64::from(scale), u64::from(units) * 2);
        reader.skip(1)?; // fixed_frame_rate_flag
    }
    let nal_hrd = reader.flag()?;
    if nal_hrd {
        skip_hrd(reader)?;
    }
    let vcl_hrd = reader.flag()?;
    if vcl_hrd {
        skip_hrd(reader)?;
    }
    if nal_hrd || vcl_hrd {
        reader.skip(1)?; // low_delay_hrd_flag
    }
    reader.skip(1)?; // pic_struct_present_flag
    if reader.flag()? {
        reader.skip(1)?; // motion_vectors_over_pic_boundaries_flag
        for _ in 0..4 {
            reader.ue()?; // from max_bytes_per_pic_denom to log2_max_mv_length_vertical
        }
        vui.reorder_depth = Some(reader.ue_max("max_num_reorder_frames", MAX_DPB_FRAMES)?);
    }
    Ok(())
}

/// `hrd_parameters()`, E.1.2.
fn skip_hrd(reader: &mut BitReader<'_>) -> Result<(), Error> {
    let count = reader.ue_max("cpb_cnt_minus1", 31)? + 1;
    reader.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..count {
        reader.ue()?; // bit_rate_value_minus1
        reader.ue()?; // cpb_size_value_minus1
        reader.skip(1)?; // cbr_flag
    }
    // The lengths of three delays, and time_offset_length.
    reader.skip(20)
}
