//! Time as NTP writes it (RFC 5905 6, RFC 3550 4).

use media::{TICKS_PER_SECOND, TimeDelta, Timestamp};

/// 1 January 1970 in seconds since 1 January 1900.
const UNIX_ZERO: i64 = 2_208_988_800;

/// Seconds since 1900 in the upper 32 bits, which wrap in 2036, and 1/2³² s in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From Unix time. Exact to a tick: [`to_unix`](Self::to_unix) gives the same back from 1968 to 2104.
    pub fn from_unix(time: Timestamp) -> Self {
        let seconds = time.ticks().div_euclid(TICKS_PER_SECOND).wrapping_add(UNIX_ZERO);
        let ticks = time.ticks().rem_euclid(TICKS_PER_SECOND) as u64;
        // Rounded up, so that rounding to the nearest tick on the way back finds it; less than a second all the same.
        let fraction = (ticks << 32).div_ceil(TICKS_PER_SECOND as u64);
        Self((seconds as u64) << 32 | fraction)
    }

    /// As Unix time: a number of seconds without its highest bit is after 2036, not before 1968 (RFC 4330 3).
    pub fn to_unix(self) -> Timestamp {
        let seconds = (self.0 >> 32) as i64;
        let seconds = if seconds < 1 << 31 { seconds + (1 << 32) } else { seconds };
        let since = TimeDelta::from_secs(seconds - UNIX_ZERO);
        Timestamp::ZERO + since + fraction(i128::from(self.0 as u32))
    }

    /// How long after `earlier` this is, whatever zero the two have; within 68 years of each other, over which it wraps.
    pub fn since(self, earlier: Self) -> TimeDelta {
        fraction(i128::from(self.0.wrapping_sub(earlier.0) as i64))
    }

    /// Bits 16 to 47, by which a receiver says which report it means (RFC 3550 6.4.1, LSR).
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// A count of 1/2³² s.
fn fraction(count: i128) -> TimeDelta {
    let ticks = (count * i128::from(TICKS_PER_SECOND) + (1 << 31)) >> 32;
    // 2³¹ s of ticks are within 61 bits.
    TimeDelta::from_ticks(ticks as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unix_time_and_back() {
        let time = Timestamp::from_scale(1_000_000_001, 2);
        assert_eq!(NtpTime::from_unix(time), NtpTime((500_000_000 + UNIX_ZERO as u64) << 32 | 1 << 31));
        assert_eq!(NtpTime::from_unix(Timestamp::ZERO).to_unix(), Timestamp::ZERO);
    }

    #[test]
    fn seconds_wrap_in_2036() {
        let wrap = Timestamp::from_scale((1 << 32) - UNIX_ZERO, 1);
        assert_eq!(NtpTime::from_unix(wrap), NtpTime(0));
        assert_eq!(NtpTime(0).to_unix(), wrap);
        let half = TimeDelta::from_millis(500);
        assert_eq!(
            NtpTime::from_unix(wrap + half).since(NtpTime::from_unix(wrap - half)),
            TimeDelta::from_secs(1)
        );
    }

    #[test]
    fn the_middle() {
        assert_eq!(NtpTime(0x1234_5678_9abc_def0).middle(), 0x5678_9abc);
    }

    proptest! {
        #[test]
        fn ticks_survive(seconds in 0i64..4_200_000_000, ticks in 0..TICKS_PER_SECOND) {
            let time = Timestamp::from_ticks(seconds * TICKS_PER_SECOND + ticks);
            prop_assert_eq!(NtpTime::from_unix(time).to_unix(), time);
        }

        #[test]
        fn any_time_is_taken(ntp: u64, other: u64, ticks: i64) {
            let (ntp, other) = (NtpTime(ntp), NtpTime(other));
            NtpTime::from_unix(Timestamp::from_ticks(ticks));
            prop_assert!((ntp.to_unix().ticks() - other.to_unix().ticks()).abs() <= TICKS_PER_SECOND << 32);
            prop_assert!((ntp.since(other).ticks() + other.since(ntp).ticks()).abs() <= 1 || ntp.0 ^ other.0 == 1 << 63);
        }
    }
}
