//! VP9 (VP9 Bitstream & Decoding Process Specification; `vpcC` and the codec string of VP Codec ISO Media File
//! Format Binding).

use bytes::Bytes;

use crate::bits::BitReader;
use crate::{Error, VideoInfo};

/// The first bytes of a `vpcC` box's payload: version 1, no flags.
const FULL_BOX: [u8; 4] = [1, 0, 0, 0];

/// A stream's `VPCodecConfigurationRecord`.
#[derive(Clone, PartialEq, Debug)]
pub struct Config {
    record: Bytes,
    profile: u8,
    level: u8,
    bit_depth: u8,
    width: u32,
    height: u32,
}

impl Config {
    /// From the payload of a `vpcC` box as Enhanced RTMP carries it: version and flags, then the
    /// `VPCodecConfigurationRecord`. A bare record, which some publishers send, is taken as well.
    pub fn decode(vpcc: &[u8]) -> Result<Self, Error> {
        // A bare record that begins with these bytes would have a bit depth of 0.
        let record = vpcc.strip_prefix(&FULL_BOX).unwrap_or(vpcc);
        let mut reader = BitReader::new(record, "vpcC");
        let (profile, level) = (reader.byte()?, reader.byte()?);
        if profile > 3 {
            return Err(reader.invalid("profile", u64::from(profile), "0 to 3"));
        }
        let bit_depth = reader.bits(4)? as u8;
        if !matches!(bit_depth, 8 | 10 | 12) {
            return Err(reader.invalid("bitDepth", u64::from(bit_depth), "8, 10 or 12"));
        }
        // Chroma subsampling, range, primaries, transfer, matrix, and a codecInitializationData that VP9 leaves empty.
        reader.skip(4 + 3 * 8)?;
        let mut full = FULL_BOX.to_vec();
        full.extend_from_slice(record);
        Ok(Self { record: full.into(), profile, level, bit_depth, width: 0, height: 0 })
    }

    /// The same with the picture size, which the record does not have: see [`frame_size`] and [`update`].
    pub fn with_size(self, width: u32, height: u32) -> Self {
        Self { width, height, ..self }
    }

    /// The payload of a `vpcC` box: version and flags, then the `VPCodecConfigurationRecord`.
    pub fn record(&self) -> &Bytes {
        &self.record
    }

    /// `vp09.PP.LL.DD` (binding, "Codecs Parameter String").
    pub fn codec_string(&self) -> String {
        format!("vp09.{:02}.{:02}.{:02}", self.profile, self.level, self.bit_depth)
    }

    /// Picture size, 0 by 0 until it is known; VP9 states no frame rate.
    pub fn video(&self) -> VideoInfo {
        VideoInfo { width: self.width, height: self.height, frame_rate: None }
    }
}

/// Width and height that a key frame states, none for any other frame (VP9 6.2, `uncompressed_header`).
pub fn frame_size(data: &[u8]) -> Option<(u32, u32)> {
    const SYNC_CODE: u32 = 0x49_83_42;
    const CS_RGB: u32 = 7;
    let mut reader = BitReader::new(data, "VP9 frame header");
    let profile = key_frame_profile(&mut reader)?;
    reader.skip(2).ok()?; // show_frame, error_resilient_mode
    if reader.bits(24).ok()? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        reader.skip(1).ok()?; // ten_or_twelve_bit
    }
    let subsampled_freely = profile & 1 == 1;
    let rgb = reader.bits(3).ok()? == CS_RGB;
    let rest = match (rgb, subsampled_freely) {
        (false, false) => 1,
        (false, true) => 4,
        (true, false) => 0,
        (true, true) => 1,
    };
    reader.skip(rest).ok()?;
    Some((reader.bits(16).ok()? + 1, reader.bits(16).ok()? + 1))
}

/// `frame_marker` to `frame_type`: the profile, if this is a key frame.
fn key_frame_profile(reader: &mut BitReader<'_>) -> Option<u32> {
    if reader.bits(2).ok()? != 2 {
        return None;
    }
    let profile = reader.bits(1).ok()? | reader.bits(1).ok()? << 1;
    if profile == 3 {
        reader.skip(1).ok()?;
    }
    // show_existing_frame 0, frame_type 0
    (reader.bits(2).ok()? == 0).then_some(profile)
}

/// Whether decoding may start at this frame or superframe: it begins with a key frame.
pub fn is_random_access(data: &[u8]) -> bool {
    key_frame_profile(&mut BitReader::new(data, "VP9 frame header")).is_some()
}

/// The configuration after this frame, when it states another size than `config` has.
pub fn update(config: &Config, data: &[u8]) -> Option<Config> {
    let (width, height) = frame_size(data)?;
    if (width, height) == (config.width, config.height) {
        return None;
    }
    Some(config.clone().with_size(width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::testdata::*;

    #[test]
    fn records_with_and_without_box_header() {
        let config = Config::decode(VPX_VPCC).unwrap();
        assert_eq!(config.codec_string(), "vp09.00.10.08");
        assert_eq!(config.record(), VPX_VPCC);
        assert_eq!(Config::decode(&VPX_VPCC[4..]).unwrap(), config);
        let rgb = Config::decode(VPX_RGB_VPCC).unwrap();
        assert_eq!(rgb.codec_string(), "vp09.03.10.10");
        for broken in [&VPX_VPCC[..8], &[1, 0, 0, 0, 4, 10, 0x80, 1, 1, 1, 0, 0], &[0; 12]] {
            assert!(Config::decode(broken).is_err(), "{broken:x?}");
        }
    }

    #[test]
    fn key_frames_tell_the_size() {
        assert_eq!(frame_size(VPX_KEY), Some((66, 50)));
        assert_eq!(frame_size(VPX_RGB_KEY), Some((66, 50)));
        assert_eq!(frame_size(VPX_INTER), None);
        let mut broken = VPX_KEY.to_vec();
        broken[2] ^= 1;
        assert_eq!(frame_size(&broken), None);
        assert!(is_random_access(VPX_KEY) && is_random_access(VPX_RGB_KEY));
        assert!(!is_random_access(VPX_INTER));
        assert!(!is_random_access(&[0x08]));
    }

    #[test]
    fn size_comes_with_the_first_key_frame() {
        let config = Config::decode(VPX_VPCC).unwrap();
        assert_eq!(config.video(), VideoInfo { width: 0, height: 0, frame_rate: None });
        assert_eq!(update(&config, VPX_INTER), None);
        let sized = update(&config, VPX_KEY).unwrap();
        assert_eq!(sized, config.with_size(66, 50));
        assert_eq!(update(&sized, VPX_KEY), None);
    }
}
