//! The clock of a track's samples (`timescale` of `mdhd`, ISO/IEC 14496-12 8.4.2).

use media::Codec;

/// For video whose frame rate is not known.
const DEFAULT: u32 = 90_000;
/// Fine enough for stamps that come in milliseconds and leave the frame grid.
const FINE: u32 = 10_000;
/// Times since 1970 on a finer clock than this are beyond the whole numbers that players in JavaScript can tell apart.
const FINEST: u32 = 1_000_000;

/// Ticks per second on which this track's samples last a whole number of ticks.
///
/// For audio that is the sample rate. For video whose bitstream states a frame rate it is the numerator of the rate
/// times the least power of ten that makes at least 10 000: 25 000 for 25, 30 000 for 30000/1001. For all else it
/// is 90 000.
pub fn timescale(codec: &Codec) -> u32 {
    if let Some(audio) = codec.audio() {
        return audio.sample_rate;
    }
    let Some(rate) = codec.video().and_then(|video| video.frame_rate) else { return DEFAULT };
    of_rate(rate.num)
}

fn of_rate(numerator: u32) -> u32 {
    let mut scale = numerator;
    while (1..FINE).contains(&scale) {
        scale *= 10;
    }
    if (FINE..=FINEST).contains(&scale) { scale } else { DEFAULT }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media::codec::{aac, h264, h265};

    #[test]
    fn frame_rates_have_whole_durations() {
        let scales = [24, 25, 30, 50, 60, 1, 300, 24_000, 30_000, 60_000, 2997];
        let expected =
            [24_000, 25_000, 30_000, 50_000, 60_000, 10_000, 30_000, 24_000, 30_000, 60_000, 29_970];
        assert_eq!(scales.map(of_rate), expected);
        assert_eq!([0, 1_000_001, u32::MAX].map(of_rate), [DEFAULT; 3]);
    }

    #[test]
    fn tracks_have_the_clock_of_their_bitstream() {
        let avcc = include_bytes!("../../media/testdata/x264-open-gop-30000-1001.avcc");
        assert_eq!(timescale(&Codec::H264(h264::Config::decode(avcc).unwrap())), 30_000);
        let hvcc = include_bytes!("../../media/testdata/x265-444-odd-size.hvcc");
        assert_eq!(timescale(&Codec::H265(h265::Config::decode(hvcc).unwrap())), 24_000);
        assert_eq!(timescale(&Codec::Aac(aac::Config::decode(&[0x12, 0x10]).unwrap())), 44_100);
        let av1c = include_bytes!("../../media/testdata/svt-8bit.av1c");
        assert_eq!(timescale(&Codec::Av1(media::codec::av1::Config::decode(av1c).unwrap())), 90_000);
    }
}
