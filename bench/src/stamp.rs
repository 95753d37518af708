//! The publisher's clock inside the pictures, and how a player finds it.
//!
//! [`unit()`] makes a user data SEI of a marker and the wall clock as hexadecimal digits: no byte of it is zero, so it
//! needs no emulation prevention and goes through every container as it is. [`Scanner`] looks for the marker in raw
//! bytes, whatever they are wrapped in. A stamp that a container splits (at the border of a transport stream packet, of
//! an RTMP chunk, of an HTTP chunk) is not found; enough are whole. RTP splits none: the SEI is far shorter than a packet.

use std::time::{SystemTime, UNIX_EPOCH};

use memchr::memmem;

/// Stands where user data has its UUID.
const MARK: &[u8; 16] = b"rillcast.stamp.1";
/// Marker and 16 digits.
const BYTES: usize = 32;

/// Nanoseconds of the wall clock, which publisher and player share.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The SEI with that time, as a NAL unit of H.264 behind its length in 4 bytes.
pub(crate) fn unit(time: u64) -> Vec<u8> {
    let (sei, user_data_unregistered, stop_bit) = (6, 5, 0x80);
    let mut unit = vec![0, 0, 0, 4 + BYTES as u8, sei, user_data_unregistered, BYTES as u8];
    unit.extend_from_slice(MARK);
    unit.extend_from_slice(format!("{time:016x}").as_bytes());
    unit.push(stop_bit);
    unit
}

/// Finds stamps in bytes that come in pieces.
#[derive(Default, Debug)]
pub(crate) struct Scanner {
    /// What the last piece ended with and a stamp may begin in.
    tail: Vec<u8>,
}

impl Scanner {
    /// The stamps that are complete with this piece.
    pub(crate) fn feed(&mut self, piece: &[u8]) -> Vec<u64> {
        self.tail.extend_from_slice(piece);
        let mut found = Vec::new();
        let mut from = 0;
        while let Some(mark) = memmem::find(&self.tail[from..], MARK) {
            let digits = from + mark + MARK.len();
            let Some(digits) = self.tail.get(digits..digits + BYTES - MARK.len()) else {
                from += mark;
                break;
            };
            let value = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
            found.extend(value);
            from += mark + if value.is_some() { BYTES } else { MARK.len() };
        }
        let keep = from.max(self.tail.len().saturating_sub(BYTES - 1));
        self.tail.drain(..keep);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Vec<u8> {
        [&[1; 50][..], &unit(1), &[2; 7], &unit(u64::MAX), &unit(3), &[0; 5]].concat()
    }

    #[test]
    fn stamps_are_found_however_the_bytes_are_split() {
        for size in 1..stream().len() {
            let mut scanner = Scanner::default();
            let found: Vec<u64> = stream().chunks(size).flat_map(|piece| scanner.feed(piece)).collect();
            assert_eq!(found, [1, u64::MAX, 3], "pieces of {size}");
            assert!(scanner.tail.len() < BYTES);
        }
    }

    #[test]
    fn a_stamp_that_a_container_splits_is_not_counted() {
        let mut split = unit(5);
        split.splice(30..30, [0x47, 0, 0, 0x10]);
        let mut scanner = Scanner::default();
        assert_eq!(scanner.feed(&[&split[..], &unit(6)].concat()), [6]);
    }

    #[test]
    fn the_unit_says_its_own_length() {
        let unit = unit(0);
        assert_eq!(unit.len(), 4 + usize::from(unit[3]));
        assert_eq!(unit.len(), 4 + 3 + usize::from(unit[6]) + 1);
    }
}
