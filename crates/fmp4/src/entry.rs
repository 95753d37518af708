//! The sample entry of each codec (ISO/IEC 14496-12 8.5.2) with its configuration box.

mod audio;
mod video;

use media::Codec;

pub(crate) use audio::mpeg_audio_type;

/// `data_reference_index` of the entry: the only one there is.
const DATA_REFERENCE: u16 = 1;

/// Writes the entry; nothing for what [`crate::supports`] refuses.
pub(crate) fn put_entry(out: &mut Vec<u8>, codec: &Codec) {
    match codec {
        Codec::H264(config) => video::put_h264(out, config),
        Codec::H265(config) => video::put_h265(out, config),
        Codec::Av1(config) => video::put_av1(out, config),
        Codec::Vp9(config) => video::put_vp9(out, config),
        Codec::Aac(config) => audio::put_aac(out, config),
        Codec::Mpa(config) => audio::put_mpa(out, config),
        Codec::Ac3(config) => audio::put_ac3(out, config),
        Codec::Opus(config) => audio::put_opus(out, config),
        Codec::Flac(config) => audio::put_flac(out, config),
        _ => {}
    }
}
