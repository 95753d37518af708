//! MPEG audio layers I, II and III: the frame header of ISO/IEC 11172-3 2.4.1.3, with the lower rates of 13818-3
//! and the still lower ones known as MPEG-2.5.

use crate::bits::BitReader;
use crate::{AudioInfo, Error};

/// What does not change from frame to frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    layer: u8,
    mpeg1: bool,
    sample_rate: u32,
    channels: u32,
}

impl Config {
    /// From the header at the start of a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, Error> {
        let mut reader = BitReader::new(frame, "MPEG audio header");
        let sync = reader.bits(11)?;
        if sync != 0x7ff {
            return Err(reader.invalid("syncword", u64::from(sync), "0x7ff"));
        }
        let version = reader.bits(2)?;
        // Halved for MPEG-2, and again for MPEG-2.5.
        let halvings = match version {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return Err(reader.invalid("version", u64::from(version), "0, 2 or 3")),
        };
        let layer = match reader.bits(2)? {
            0 => return Err(reader.invalid("layer", 0, "1, 2 or 3")),
            code => 4 - code as u8,
        };
        reader.skip(1)?; // protection_bit
        if reader.bits(4)? == 15 {
            return Err(reader.invalid("bitrate_index", 15, "at most 14"));
        }
        let base = match reader.bits(2)? {
            0 => 44_100,
            1 => 48_000,
            2 => 32_000,
            other => return Err(reader.invalid("sampling_frequency", u64::from(other), "0, 1 or 2")),
        };
        reader.skip(2)?; // padding_bit, private_bit
        let channels = if reader.bits(2)? == 3 { 1 } else { 2 };
        Ok(Self { layer, mpeg1: version == 3, sample_rate: base >> halvings, channels })
    }

    /// 1, 2 or 3.
    pub fn layer(&self) -> u8 {
        self.layer
    }

    /// Whether it is of ISO/IEC 11172-3; else it has the lower rates of 13818-3, which MPEG-TS tells apart.
    pub fn is_mpeg1(&self) -> bool {
        self.mpeg1
    }

    /// `MP1`, `MP2` or `MP3`.
    pub fn name(&self) -> &'static str {
        match self.layer {
            1 => "MP1",
            2 => "MP2",
            _ => "MP3",
        }
    }

    /// `mp4a.40.32` to `mp4a.40.34`, by the audio object types of ISO/IEC 14496-3.
    ///
    /// RFC 6381 would also have `mp4a.69` and `mp4a.6B`. But in HLS it is `mp4a.40.34` that Apple's tools write,
    /// and hls.js knows just that as MP3 that a browser may take by another name.
    pub fn codec_string(&self) -> String {
        format!("mp4a.40.{}", 31 + self.layer)
    }

    /// Rate, channels, and the samples that the layer fixes (2.4.2.1; 13818-3 halves those of layer III).
    pub fn audio(&self) -> AudioInfo {
        let samples = match (self.layer, self.mpeg1) {
            (1, _) => 384,
            (3, false) => 576,
            _ => 1152,
        };
        AudioInfo { sample_rate: self.sample_rate, channels: self.channels, samples_per_frame: Some(samples) }
    }
}

/// `bitrate_index` 1 to 14 in kbit/s (11172-3 2.4.2.3 and 13818-3 2.4.2.3): layers I, II and III, then the lower rates of
/// layer I and of the other two.
const BIT_RATES: [[u32; 14]; 5] = [
    [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
    [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
    [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

/// Bytes of the frame that begins here, header included (11172-3 2.4.3.1).
///
/// None for what is no header, and for the free format, whose frames do not tell their length.
pub fn frame_bytes(frame: &[u8]) -> Option<usize> {
    let config = Config::decode(frame).ok()?;
    let &[_, _, third, _] = frame.first_chunk()?;
    let row = match (config.mpeg1, config.layer) {
        (true, layer) => usize::from(layer) - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let bit_rate = BIT_RATES.get(row)?.get(usize::from(third >> 4).checked_sub(1)?)? * 1000;
    let padding = u32::from(third >> 1 & 1);
    let bytes = match config.layer {
        // Slots of 4 bytes.
        1 => (12 * bit_rate / config.sample_rate + padding) * 4,
        _ => config.audio().samples_per_frame? / 8 * bit_rate / config.sample_rate + padding,
    };
    Some(bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(header: [u8; 4]) -> (&'static str, u32, u32, u32) {
        let config = Config::decode(&header).unwrap();
        let audio = config.audio();
        (config.name(), audio.sample_rate, audio.channels, audio.samples_per_frame.unwrap())
    }

    #[test]
    fn versions_and_layers() {
        assert_eq!(facts([0xff, 0xfb, 0x90, 0x64]), ("MP3", 44_100, 2, 1152));
        assert_eq!(facts([0xff, 0xf3, 0x84, 0xc4]), ("MP3", 24_000, 1, 576));
        assert_eq!(facts([0xff, 0xe3, 0x28, 0xc4]), ("MP3", 8000, 1, 576));
        assert_eq!(facts([0xff, 0xfd, 0xa4, 0x00]), ("MP2", 48_000, 2, 1152));
        assert_eq!(facts([0xff, 0xff, 0xa8, 0x00]), ("MP1", 32_000, 2, 384));
        let config = Config::decode(&[0xff, 0xfb, 0x90, 0x64]).unwrap();
        assert_eq!(config.codec_string(), "mp4a.40.34");
        assert!(config.is_mpeg1());
        assert_eq!(Config::decode(&[0xff, 0xfd, 0xa4, 0]).unwrap().codec_string(), "mp4a.40.33");
    }

    /// Lengths that are known of streams everywhere: 417 and 418 bytes are those of 128 kbit/s at 44.1 kHz.
    #[test]
    fn frames_tell_their_length() {
        for (header, bytes) in [
            ([0xff, 0xfb, 0x90, 0x64], Some(417)),
            ([0xff, 0xfb, 0x92, 0x64], Some(418)),
            ([0xff, 0xf3, 0x84, 0xc4], Some(192)), // 64 kbit/s at 24 kHz
            ([0xff, 0xfd, 0xa4, 0x00], Some(576)), // layer II, 192 kbit/s at 48 kHz
            ([0xff, 0xff, 0xa8, 0x00], Some(480)), // layer I, 320 kbit/s at 32 kHz
            ([0xff, 0xfb, 0x00, 0x64], None),      // free format
            ([0x00, 0xfb, 0x90, 0x64], None),
        ] {
            assert_eq!(frame_bytes(&header), bytes, "{header:x?}");
        }
        assert_eq!(frame_bytes(&[0xff, 0xfb, 0x90]), None);
    }

    #[test]
    fn reserved_values_are_refused() {
        for header in [
            [0x49, 0x44, 0x33, 4],
            [0xff, 0xeb, 0x90, 0],
            [0xff, 0xf9, 0x90, 0],
            [0xff, 0xfb, 0xf0, 0],
            [0xff, 0xfb, 0x9c, 0],
        ] {
            assert!(matches!(Config::decode(&header), Err(Error::Invalid { .. })), "{header:x?}");
        }
        assert!(matches!(Config::decode(&[0xff, 0xfb]), Err(Error::Truncated { .. })));
    }
}
