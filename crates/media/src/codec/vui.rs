//! What the video usability information of H.264 (Annex E) and H.265 (Annex E) have in common.

use crate::bits::BitReader;
use crate::{Error, Rational};

/// Above this a stated rate is no frame rate but a clock: encoders of variable-rate streams write 1000 or 90000.
const MAX_FRAME_RATE: u64 = 300;

/// `scale / units` pictures per second in lowest terms; none for what cannot be a frame rate.
pub(super) fn frame_rate(scale: u64, units: u64) -> Option<Rational> {
    if units == 0 || scale / units > MAX_FRAME_RATE {
        return None;
    }
    let divisor = gcd(scale, units);
    Rational::new(u32::try_from(scale / divisor).ok()?, u32::try_from(units / divisor).ok()?)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Passes over `aspect_ratio_info_present_flag` to the chroma sample location.
pub(super) fn skip_picture(reader: &mut BitReader<'_>) -> Result<(), Error> {
    const EXTENDED_SAR: u8 = 255;
    if reader.flag()? && reader.byte()? == EXTENDED_SAR {
        reader.skip(32)?;
    }
    if reader.flag()? {
        reader.skip(1)?; // overscan_appropriate_flag
    }
    if reader.flag()? {
        reader.skip(4)?; // video_format, video_full_range_flag
        if reader.flag()? {
            reader.skip(24)?;
        }
    }
    if reader.flag()? {
        reader.ue()?;
        reader.ue()?;
    }
    Ok(())
}

/// A picture's length along one axis without what is cropped: `before` and `after` count `unit` samples.
pub(super) fn crop(
    reader: &BitReader<'_>,
    size: u32,
    (before, after): (u32, u32),
    unit: u32,
) -> Result<u32, Error> {
    let crop = (u64::from(before) + u64::from(after)) * u64::from(unit);
    match u64::from(size).checked_sub(crop) {
        // What is left of a u32 is a u32.
        Some(left) if left > 0 => Ok(left as u32),
        _ => Err(reader.invalid("cropping", crop, "less than the picture")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_rates_are_in_lowest_terms_and_plausible() {
        assert_eq!(frame_rate(60_000, 2 * 1001), Rational::new(30_000, 1001));
        assert_eq!(frame_rate(54_000_000, 2 * 1_080_000), Rational::new(25, 1));
        assert_eq!(frame_rate(90_000, 2), None);
        assert_eq!(frame_rate(0, 1), None);
        assert_eq!(frame_rate(1, 0), None);
    }
}
