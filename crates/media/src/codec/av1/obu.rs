//! Open bitstream units (AV1 5.3).

use bytes::{BufMut, BytesMut};

/// `obu_type` of a sequence header (AV1 6.2.2).
pub const SEQUENCE_HEADER: u8 = 1;
/// `obu_type` of a temporal delimiter.
pub const TEMPORAL_DELIMITER: u8 = 2;
/// `obu_type` of a frame header.
pub const FRAME_HEADER: u8 = 3;
/// `obu_type` of a frame header with its tile group.
pub const FRAME: u8 = 6;
/// `obu_type` of a tile list.
pub const TILE_LIST: u8 = 8;
/// `obu_has_size_field`, in the first byte of a unit.
pub const HAS_SIZE: u8 = 0b10;
/// `obu_extension_flag`.
const HAS_EXTENSION: u8 = 0b100;

/// One unit, by its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Obu<'a> {
    /// `obu_type`.
    pub kind: u8,
    /// The header: one byte, or two with an extension.
    pub header: &'a [u8],
    /// What follows header and size.
    pub payload: &'a [u8],
}

/// The units of a temporal unit. One without a size field reaches to the end; a malformed one ends the iteration.
pub fn units(mut data: &[u8]) -> impl Iterator<Item = Obu<'_>> {
    std::iter::from_fn(move || {
        let (unit, rest) = split(data)?;
        data = rest;
        Some(unit)
    })
}

/// The unit at the front and what follows it; none if it is malformed or longer than the data.
pub fn split(data: &[u8]) -> Option<(Obu<'_>, &[u8])> {
    let &first = data.first()?;
    // obu_forbidden_bit
    if first & 0x80 != 0 {
        return None;
    }
    let (header, mut rest) = data.split_at_checked(if first & HAS_EXTENSION == 0 { 1 } else { 2 })?;
    let len = if first & HAS_SIZE == 0 { rest.len() } else { leb128(&mut rest)? };
    let (payload, rest) = rest.split_at_checked(len)?;
    Some((Obu { kind: first >> 3 & 0x0f, header, payload }, rest))
}

/// `leb128()` (AV1 4.10.5), taken off the front: at most eight bytes, and a value that fits 32 bits.
pub fn leb128(data: &mut &[u8]) -> Option<usize> {
    let mut value = 0u64;
    for index in 0..8 {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return u32::try_from(value).ok().map(|value| value as usize);
        }
    }
    None
}

/// `leb128()` in as few bytes as it takes.
pub fn put_leb128(out: &mut BytesMut, mut value: usize) {
    while value > 0x7f {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_with_and_without_size() {
        let data = [0x12, 0, 0x0e, 0xff, 2, 7, 8, 0x30, 9, 9];
        let found: Vec<_> = units(&data).map(|unit| (unit.kind, unit.payload)).collect();
        assert_eq!(found, [(2, &[][..]), (1, &[7, 8]), (6, &[9, 9])]);
        assert_eq!(units(&[0x12, 5, 1]).count(), 0);
        assert_eq!(units(&[0x92, 0]).count(), 0);
        assert_eq!(units(&[0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]).count(), 0);
    }

    proptest! {
        #[test]
        fn leb128_comes_back(value in 0usize..=0xffff_ffff) {
            let mut out = BytesMut::new();
            put_leb128(&mut out, value);
            let mut data = &out[..];
            prop_assert_eq!(leb128(&mut data), Some(value));
            prop_assert!(data.is_empty());
        }
    }
}
