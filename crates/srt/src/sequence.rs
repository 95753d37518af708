//! Sequence numbers of data packets: 31 bits that wrap (draft-sharabayko-srt 3.1).

use std::fmt;

/// The number of a data packet, 31 bits. Which of two is later is known as long as they are less than 2^30 apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sequence(u32);

/// The bits of a number.
const MASK: u32 = 0x7fff_ffff;

impl Sequence {
    /// The number in the low 31 bits.
    pub const fn new(number: u32) -> Self {
        Self(number & MASK)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number `count` packets later.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self::new(self.0.wrapping_add(count))
    }

    /// The number `count` packets earlier.
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        Self::new(self.0.wrapping_sub(count))
    }

    /// How many packets later than `earlier` this is; less than zero where it is the earlier one.
    pub const fn since(self, earlier: Self) -> i32 {
        // The sign of 31 bits is the second highest.
        (self.0.wrapping_sub(earlier.0) << 1) as i32 >> 1
    }

    /// How many packets later than `earlier` this is, if it is not an earlier one.
    pub fn ahead_of(self, earlier: Self) -> Option<usize> {
        usize::try_from(self.since(earlier)).ok()
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap() {
        let last = Sequence::new(u32::MAX);
        assert_eq!((last.get(), last.plus(1).get()), (0x7fff_ffff, 0));
        assert_eq!(Sequence::new(0).minus(1), last);
        assert_eq!(Sequence::new(4).since(last), 5);
        assert_eq!(last.since(Sequence::new(4)), -5);
        assert_eq!(last.ahead_of(Sequence::new(4)), None);
        assert_eq!(last.ahead_of(last), Some(0));
        assert_eq!(Sequence::new(0x3fff_ffff).since(Sequence::new(0)), 0x3fff_ffff);
        assert_eq!(Sequence::new(0x4000_0000).since(Sequence::new(0)), -0x4000_0000);
    }
}
