//! NAL units between the codecs and the containers: the length-prefixed form of ISO/IEC 14496-15 5.3.2 that
//! frames have here, the byte stream of ITU-T H.264 Annex B, and emulation prevention (H.264 7.4.1).

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;

/// Bytes of the length before each NAL unit in a [`crate::Frame`].
pub const LENGTH_SIZE: usize = 4;

/// The NAL units behind 4-byte lengths. Stops where a length reaches beyond the end; empty units are passed over.
pub fn units(data: &[u8]) -> Units<'_> {
    Units { rest: data }
}

/// Iterator of [`units`].
#[derive(Clone, Debug)]
pub struct Units<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let (unit, rest) = split(self.rest, LENGTH_SIZE)?;
            self.rest = rest;
            if !unit.is_empty() {
                return Some(unit);
            }
        }
    }
}

/// The unit at the front, behind a length of `size` bytes, and what follows it.
fn split(data: &[u8], size: usize) -> Option<(&[u8], &[u8])> {
    let (prefix, rest) = data.split_at_checked(size)?;
    let len = prefix.iter().fold(0usize, |len, &byte| len << 8 | usize::from(byte));
    rest.split_at_checked(len)
}

/// The same units behind 4-byte lengths, whatever the length size was; empty units are dropped.
///
/// Nothing is copied when the lengths have 4 bytes already and no unit is empty. Fails when `size` is not 1, 2 or
/// 4 (ISO/IEC 14496-15 5.3.3.1.2), or when the lengths do not add up to the data.
pub fn relength(data: Bytes, size: u8) -> Result<Bytes, Error> {
    if !matches!(size, 1 | 2 | 4) {
        return Err(invalid("length size", u64::from(size), "1, 2 or 4"));
    }
    let size = usize::from(size);
    let (mut count, mut empty) = (0usize, 0usize);
    let mut rest = &data[..];
    while !rest.is_empty() {
        let offset = (data.len() - rest.len()) as u64;
        let Some((unit, after)) = split(rest, size) else {
            return Err(invalid("unit at this offset", offset, "a length within the data"));
        };
        count += 1;
        empty += usize::from(unit.is_empty());
        rest = after;
    }
    if size == LENGTH_SIZE && empty == 0 {
        return Ok(data);
    }
    let mut out = BytesMut::with_capacity(data.len() + count * (LENGTH_SIZE - size));
    let mut rest = &data[..];
    while let Some((unit, after)) = split(rest, size) {
        put(&mut out, unit);
        rest = after;
    }
    Ok(out.freeze())
}

/// NAL units put behind 4-byte lengths; empty ones are dropped.
pub fn join<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> Bytes {
    let mut out = BytesMut::new();
    for unit in units {
        put(&mut out, unit);
    }
    out.freeze()
}

fn put(out: &mut BytesMut, unit: &[u8]) {
    // A unit of 4 GiB cannot come in: every carrier of frames has a lower limit.
    if let (false, Ok(len)) = (unit.is_empty(), u32::try_from(unit.len())) {
        out.put_u32(len);
        out.put_slice(unit);
    }
}

fn invalid(field: &'static str, value: u64, expected: &'static str) -> Error {
    Error::Invalid { what: "NAL units", field, value, expected }
}

/// The NAL units of a byte stream (H.264 Annex B): what lies between start codes, without trailing zero bytes.
/// Bytes before the first start code are passed over.
pub fn annex_b(data: &[u8]) -> AnnexB<'_> {
    let rest = start_code(data).map_or(&[][..], |at| &data[at + 3..]);
    AnnexB { rest }
}

/// Iterator of [`annex_b`].
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    /// What follows the last start code.
    rest: &'a [u8],
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let (unit, rest) = match start_code(self.rest) {
                Some(at) => (&self.rest[..at], &self.rest[at + 3..]),
                None => (self.rest, &[][..]),
            };
            self.rest = rest;
            // A NAL unit never ends in a zero byte; those are trailing_zero_8bits or the start of a long start code.
            let len = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if len > 0 {
                return Some(&unit[..len]);
            }
        }
        None
    }
}

/// Where the next `00 00 01` begins (H.264 B.1, `start_code_prefix_one_3bytes`).
pub fn start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&third) = data.get(at + 2) {
        match third {
            0 => at += 1,
            1 if data[at] == 0 && data[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// The payload of a NAL unit without emulation prevention bytes (each `03` in `00 00 03`), copied only if it has any.
pub fn unescape(unit: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = escape(unit) else {
        return Cow::Borrowed(unit);
    };
    let mut out = Vec::with_capacity(unit.len());
    out.extend_from_slice(&unit[..first]);
    let mut rest = &unit[first + 1..];
    while let Some(at) = escape(rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// Where the next emulation prevention byte is.
fn escape(data: &[u8]) -> Option<usize> {
    data.windows(3).position(|bytes| bytes == [0, 0, 3]).map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_stop_at_a_malformed_end() {
        let data = [0, 0, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0, 2, 7, 8, 0, 0, 0, 9, 1];
        assert_eq!(units(&data).collect::<Vec<_>>(), [&[9][..], &[7, 8]]);
        assert_eq!(units(&[0, 0, 0]).count(), 0);
        assert_eq!(units(&[0xff; 9]).count(), 0);
    }

    #[test]
    fn relength_makes_four_byte_lengths() {
        let wanted = Bytes::from_static(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 7, 8]);
        assert_eq!(relength(Bytes::from_static(&[1, 9, 2, 7, 8]), 1).unwrap(), wanted);
        assert_eq!(relength(Bytes::from_static(&[0, 1, 9, 0, 0, 0, 2, 7, 8]), 2).unwrap(), wanted);
        let same = relength(wanted.clone(), 4).unwrap();
        assert_eq!((same.as_ptr(), same.len()), (wanted.as_ptr(), wanted.len()));
        assert_eq!(relength(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 0, 1, 9]), 4).unwrap(), wanted[..5]);
        assert_eq!(relength(Bytes::new(), 4).unwrap(), Bytes::new());
    }

    #[test]
    fn relength_refuses_lengths_that_do_not_add_up() {
        for (data, size) in [(&[2u8, 9][..], 1), (&[0, 1, 9, 0], 2), (&[1, 9], 3), (&[0xff; 8], 4)] {
            assert!(
                matches!(relength(Bytes::from_static(data), size), Err(Error::Invalid { .. })),
                "{data:?}"
            );
        }
    }

    #[test]
    fn byte_stream_is_split_at_start_codes() {
        let data =
            [0xaa, 0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 0, 0, 2, 0, 0, 1, 0x68, 0, 0, 1, 0, 0, 1, 5, 0];
        let found: Vec<_> = annex_b(&data).collect();
        assert_eq!(found, [&[9, 0xf0][..], &[0x67, 0, 0, 2], &[0x68], &[5]]);
        assert_eq!(annex_b(&[1, 2, 3]).count(), 0);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(&*unescape(&[0, 0, 3, 0, 0, 3, 1, 0, 3]), [0, 0, 0, 0, 1, 0, 3]);
        assert_eq!(&*unescape(&[1, 0, 0, 3]), [1, 0, 0]);
        assert_eq!(&*unescape(&[0, 0, 3, 0, 3]), [0, 0, 0, 3]);
        assert!(matches!(unescape(&[1, 2, 3]), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn joined_units_come_back(list in proptest::collection::vec(proptest::collection::vec(1u8.., 1..20), 0..8)) {
            let joined = join(list.iter().map(Vec::as_slice));
            prop_assert!(units(&joined).eq(list.iter().map(Vec::as_slice)));
            let stream: Vec<u8> = list.iter().flat_map(|unit| [&[0, 0, 1], unit.as_slice()].concat()).collect();
            // Without zero bytes no unit holds a start code.
            prop_assert!(annex_b(&stream).eq(list.iter().map(Vec::as_slice)));
            prop_assert_eq!(relength(joined.clone(), 4).unwrap(), joined);
        }

        #[test]
        fn any_bytes_are_taken(data: Vec<u8>, size: u8) {
            let total: usize = annex_b(&data).map(<[u8]>::len).sum();
            prop_assert!(total <= data.len());
            prop_assert!(units(&data).map(<[u8]>::len).sum::<usize>() <= data.len());
            prop_assert!(unescape(&data).len() <= data.len());
            let _ = relength(Bytes::from(data), size);
        }
    }
}
