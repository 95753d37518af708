//! Stamps that wrap, made to go on: RTMP after 49.7 days (32 bits of milliseconds), MPEG-TS after 26.5 hours
//! (33 bits of 90 kHz).

/// `raw`, of `bits` bits, as the value nearest to `reference` among those that wrap to it.
///
/// The reference is one for all tracks of a source, so that tracks cannot unroll apart: a frame that comes late,
/// after another track has wrapped, goes back to before the wrap.
pub(super) fn unroll(raw: u64, bits: u32, reference: Option<i64>) -> i64 {
    if bits >= 63 {
        return i64::try_from(raw).unwrap_or(i64::MAX);
    }
    let period = 1i64 << bits;
    let value = (raw & (period as u64 - 1)) as i64;
    let Some(reference) = reference else { return value };
    let ahead = (value - reference.rem_euclid(period)).rem_euclid(period);
    let step = if ahead >= period / 2 { ahead - period } else { ahead };
    reference.saturating_add(step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rtmp_and_mpegts_wrap_at_their_bits() {
        assert_eq!(unroll(5, 32, Some((1 << 32) - 10)), (1 << 32) + 5);
        assert_eq!(unroll(5, 33, Some((1 << 33) - 10)), (1 << 33) + 5);
        assert_eq!(unroll(5, 33, Some((1 << 32) - 10)), 5);
    }

    #[test]
    fn a_late_frame_after_a_wrap_goes_back() {
        assert_eq!(unroll((1 << 32) - 20, 32, Some((1 << 32) + 7)), (1 << 32) - 20);
        assert_eq!(unroll((1 << 32) - 20, 32, Some(3)), -20);
    }

    #[test]
    fn wide_clocks_never_wrap() {
        assert_eq!(unroll(7, 64, Some(i64::MAX)), 7);
        assert_eq!(unroll(u64::MAX, 64, None), i64::MAX);
    }

    proptest! {
        #[test]
        fn a_value_near_the_reference_survives(bits in 8u32..63, value in 0i64..(1 << 61), off in -100i64..100) {
            let raw = (value as u64) & ((1 << bits) - 1);
            prop_assert_eq!(unroll(raw, bits, Some(value.saturating_add(off))), value);
        }

        #[test]
        fn it_is_total(raw: u64, bits: u32, reference: Option<i64>) {
            unroll(raw, bits, reference);
        }
    }
}
