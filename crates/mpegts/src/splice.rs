//! Splice information sections of SCTE 35 on another timeline.

use bytes::{Bytes, BytesMut};

use crate::psi::crc32;

/// table_id of a splice_info_section (SCTE 35 9.6).
pub(crate) const TABLE: u8 = 0xFC;
/// Bytes up to splice_command_type with its head, and the CRC behind.
const LEAST_BYTES: usize = 14 + 4;

/// The section with `offset` (in 90 kHz) added to its `pts_adjustment`, which all its times are shifted by (SCTE 35 9.6), and a
/// CRC that fits. `pts_adjustment` is never encrypted.
///
/// None for what is no such section, or has a wrong CRC: that must not come out as one that is right.
pub fn shift(section: &[u8], offset: i64) -> Option<Bytes> {
    let len = 3 + (usize::from(section.get(1)? & 0x0F) << 8 | usize::from(*section.get(2)?));
    if section.len() != len || len < LEAST_BYTES || section.first() != Some(&TABLE) || crc32(section) != 0 {
        return None;
    }
    let mut out = BytesMut::from(section);
    let field: &mut [u8; 5] = out.get_mut(4..9)?.try_into().ok()?;
    let old = field.iter().fold(0u64, |value, &byte| value << 8 | u64::from(byte));
    let adjustment = (old & WRAP).wrapping_add_signed(offset) & WRAP;
    let [_, _, _, bytes @ ..] = (old & !WRAP | adjustment).to_be_bytes();
    *field = bytes;
    let end = len - 4;
    let crc = crc32(&out[..end]);
    out[end..].copy_from_slice(&crc.to_be_bytes());
    Some(out.freeze())
}

/// The 33 bits of a PTS.
const WRAP: u64 = (1 << 33) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// SCTE 35 14.2, a splice_insert with pts_adjustment 0.
    const SPLICE_INSERT: [u8; 50] = [
        0xFC, 0x30, 0x2F, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xF0, 0x14, 0x05, 0x48, 0x00, 0x00,
        0x8F, 0x7F, 0xEF, 0xFE, 0x73, 0x69, 0xC0, 0x2E, 0xFE, 0x00, 0x52, 0xCC, 0xF5, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x0A, 0x00, 0x08, 0x43, 0x55, 0x45, 0x49, 0x00, 0x00, 0x01, 0x35, 0x62, 0xDB, 0xA3, 0x0A,
    ];

    #[test]
    fn times_are_shifted_over_the_wrap() {
        let later = shift(&SPLICE_INSERT, 900_000).expect("a section");
        assert_eq!(later[4..9], [0, 0, 0x0D, 0xBB, 0xA0]);
        assert_eq!((crc32(&later), &later[9..46]), (0, &SPLICE_INSERT[9..46]));
        assert_eq!(shift(&later, -900_000).expect("a section"), SPLICE_INSERT[..]);
        let earlier = shift(&SPLICE_INSERT, -1).expect("a section");
        assert_eq!(earlier[4..9], [1, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(shift(&earlier, 1).expect("a section"), SPLICE_INSERT[..]);
        assert_eq!(shift(&SPLICE_INSERT, 1 << 33).expect("a section"), SPLICE_INSERT[..]);
        assert!(shift(&SPLICE_INSERT, i64::MIN).is_some() && shift(&SPLICE_INSERT, i64::MAX).is_some());
    }

    #[test]
    fn what_is_no_splice_information_is_left_alone() {
        for len in 0..SPLICE_INSERT.len() {
            assert_eq!(shift(&SPLICE_INSERT[..len], 0), None);
        }
        for at in [0, 2, 20, 49] {
            let mut section = SPLICE_INSERT;
            section[at] ^= 1;
            assert_eq!(shift(&section, 0), None);
        }
    }
}
