//! One bounds-checked bit reader for every bitstream syntax: fixed-length fields and Exp-Golomb codes
//! (ITU-T H.264 9.1, H.265 9.2; `uvlc` of AV1 4.10.3 is the same code).
//!
//! Emulation prevention is not its business: see [`crate::nal::unescape`].

use crate::Error;

/// Reads bits from the most significant down. Every read past the end is an [`Error::Truncated`].
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    data: &'a [u8],
    /// Next bit to be read; never beyond `data.len() * 8`.
    at: usize,
    what: &'static str,
}

impl<'a> BitReader<'a> {
    /// A reader over `data`, which is called `what` in errors.
    pub fn new(data: &'a [u8], what: &'static str) -> Self {
        Self { data, at: 0, what }
    }

    /// Bits that are left.
    pub fn remaining(&self) -> usize {
        self.data.len() * 8 - self.at
    }

    /// The next `count` bits as a number; `count` is at most 32.
    pub fn bits(&mut self, count: u32) -> Result<u32, Error> {
        debug_assert!(count <= 32, "a field of more than 32 bits is read in parts");
        let end = self.end_after(count as usize)?;
        let mut value = 0u64;
        let mut at = self.at;
        while at < end {
            let take = (8 - at % 8).min(end - at);
            let byte = u64::from(self.data[at / 8]);
            let part = (byte >> (8 - at % 8 - take)) & ((1 << take) - 1);
            value = value << take | part;
            at += take;
        }
        self.at = end;
        Ok(value as u32)
    }

    /// One bit.
    pub fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.bits(1)? == 1)
    }

    /// The next eight bits.
    pub fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.bits(8)? as u8)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: usize) -> Result<(), Error> {
        self.at = self.end_after(count)?;
        Ok(())
    }

    /// The next `len` whole bytes, from the next byte boundary on.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let start = self.at.div_ceil(8);
        let end =
            start.checked_add(len).filter(|&end| end <= self.data.len()).ok_or_else(|| self.truncated())?;
        self.at = end * 8;
        Ok(&self.data[start..end])
    }

    /// An unsigned Exp-Golomb code, `ue(v)`.
    pub fn ue(&mut self) -> Result<u32, Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            // 2^32 - 2 is the greatest code that any syntax element has (H.264 9.1).
            if zeros > 31 {
                return Err(self.invalid("Exp-Golomb prefix", zeros, "at most 31 zero bits"));
            }
        }
        let suffix = self.bits(zeros as u32)?;
        Ok(((1u64 << zeros) - 1 + u64::from(suffix)) as u32)
    }

    /// A signed Exp-Golomb code, `se(v)`.
    pub fn se(&mut self) -> Result<i32, Error> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 };
        Ok(value as i32)
    }

    /// An unsigned Exp-Golomb code that must not be above `max`; `field` is its name in the specification.
    pub fn ue_max(&mut self, field: &'static str, max: u32) -> Result<u32, Error> {
        let value = self.ue()?;
        if value > max {
            return Err(self.invalid(
                field,
                u64::from(value),
                "a value within the limit of its specification",
            ));
        }
        Ok(value)
    }

    /// An [`Error::Invalid`] that names the structure being read.
    pub fn invalid(&self, field: &'static str, value: u64, expected: &'static str) -> Error {
        Error::Invalid { what: self.what, field, value, expected }
    }

    fn truncated(&self) -> Error {
        Error::Truncated { what: self.what, len: self.data.len() }
    }

    fn end_after(&self, count: usize) -> Result<usize, Error> {
        if count > self.remaining() {
            return Err(self.truncated());
        }
        Ok(self.at + count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_cross_byte_borders() {
        let mut reader = BitReader::new(&[0b1010_0101, 0xff, 0x00, 0x12, 0x34], "test");
        assert_eq!(reader.bits(3), Ok(0b101));
        assert_eq!(reader.bits(0), Ok(0));
        assert_eq!(reader.bits(7), Ok(0b001_0111));
        assert_eq!(reader.remaining(), 30);
        assert_eq!(reader.flag(), Ok(true));
        reader.skip(5).unwrap();
        assert_eq!(reader.bits(24), Ok(0x001234));
        assert_eq!(reader.flag(), Err(Error::Truncated { what: "test", len: 5 }));
    }

    #[test]
    fn all_of_32_bits() {
        assert_eq!(BitReader::new(&[0xff; 5], "test").bits(32), Ok(u32::MAX));
        let mut reader = BitReader::new(&[0x7f, 0xff, 0xff, 0xff, 0x80], "test");
        reader.skip(1).unwrap();
        assert_eq!(reader.bits(32), Ok(u32::MAX));
    }

    /// The codes of table 9-2 in ITU-T H.264.
    #[test]
    fn exp_golomb_codes() {
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1001_1000], "test");
        let codes: Vec<_> = (0..5).map(|_| reader.ue().unwrap()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4]);
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1010_0000], "test");
        let codes: Vec<_> = (0..5).map(|_| reader.se().unwrap()).collect();
        assert_eq!(codes, [0, 1, -1, 2, -2]);
        let greatest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(BitReader::new(&greatest, "test").ue(), Ok(u32::MAX - 1));
        assert!(matches!(BitReader::new(&[0; 9], "test").ue(), Err(Error::Invalid { value: 32, .. })));
    }

    #[test]
    fn bytes_start_at_a_border() {
        let mut reader = BitReader::new(&[1, 2, 3], "test");
        reader.skip(1).unwrap();
        assert_eq!(reader.bytes(1), Ok(&[2][..]));
        assert!(reader.bytes(2).is_err());
        assert!(reader.bytes(usize::MAX).is_err());
        assert_eq!(reader.byte(), Ok(3));
        assert_eq!(reader.bytes(0), Ok(&[][..]));
    }

    proptest! {
        #[test]
        fn reads_what_single_bits_say(data: [u8; 8], skip in 0usize..32, count in 0u32..=32) {
            let mut whole = BitReader::new(&data, "test");
            whole.skip(skip).unwrap();
            let mut single = whole.clone();
            let mut expected = 0u32;
            for _ in 0..count {
                expected = expected << 1 | u32::from(single.flag().unwrap());
            }
            prop_assert_eq!(whole.bits(count).unwrap(), expected);
            prop_assert_eq!(whole.remaining(), single.remaining());
        }
    }
}
