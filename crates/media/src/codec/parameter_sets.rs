//! Parameter sets in configuration records (ISO/IEC 14496-15 5.3.3.1, 8.3.3.1), and those that come inside the
//! stream (H.264 7.4.1.2.1, H.265 7.4.2.4.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::Error;
use crate::bits::BitReader;

/// `lengthSizeMinusOne` of a record as a number of bytes; 3 are forbidden.
pub(super) fn length_size(field: u8, what: &'static str) -> Result<u8, Error> {
    match field & 0b11 {
        2 => Err(Error::Invalid { what, field: "lengthSizeMinusOne", value: 2, expected: "0, 1 or 3" }),
        minus_one => Ok(minus_one + 1),
    }
}

/// Reads `count` units behind 16-bit lengths, and keeps those that are `wanted`.
pub(super) fn read(
    reader: &mut BitReader<'_>,
    count: u32,
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Bytes>, Error> {
    let mut list = Vec::new();
    for _ in 0..count {
        let len = reader.bits(16)? as usize;
        let unit = reader.bytes(len)?;
        if wanted(unit) {
            list.push(Bytes::copy_from_slice(unit));
        }
    }
    Ok(list)
}

/// Writes units behind 16-bit lengths; [`check`] has seen that they fit.
pub(super) fn put(record: &mut BytesMut, list: &[Bytes]) {
    for unit in list {
        record.put_u16(unit.len() as u16);
        record.put_slice(unit);
    }
}

/// Refuses a list that does not fit into a record: 1 to `max` sets with 16-bit lengths.
pub(super) fn check(field: &'static str, list: &[Bytes], max: usize) -> Result<(), Error> {
    let invalid = |value: usize, expected| {
        Err(Error::Invalid { what: "parameter sets", field, value: value as u64, expected })
    };
    if list.is_empty() || list.len() > max {
        return invalid(list.len(), "at least one, and no more than a record can hold");
    }
    match list.iter().map(Bytes::len).find(|&len| len > usize::from(u16::MAX)) {
        Some(len) => invalid(len, "at most 65535 bytes"),
        None => Ok(()),
    }
}

/// Takes a parameter set into `known`.
///
/// A set replaces the one of the same id. One of a new id goes to the front, for the first sequence parameter set
/// is what a stream is described by. `id` yields none for a set that is malformed: it is not taken.
pub(super) fn merge(known: &mut Vec<Bytes>, unit: &[u8], id: impl Fn(&[u8]) -> Option<u32>) {
    if known.iter().any(|set| set == unit) {
        return;
    }
    let Some(new) = id(unit) else {
        return;
    };
    let unit = Bytes::copy_from_slice(unit);
    match known.iter_mut().find(|set| id(set) == Some(new)) {
        Some(set) => *set = unit,
        None => known.insert(0, unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_replaced_by_id() {
        let id = |set: &[u8]| set.first().copied().filter(|&id| id < 10).map(u32::from);
        let mut known = vec![Bytes::from_static(&[0, 1])];
        for unit in [&[0, 1][..], &[0, 2], &[1, 1], &[99]] {
            merge(&mut known, unit, id);
        }
        assert_eq!(known, [&[1, 1][..], &[0, 2]]);
    }
}
