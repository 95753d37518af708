//! The header before each access unit (ISO/IEC 13818-1 2.4.3.6).

/// A PES header without optional fields but the stamps takes at most this.
const MAX_BYTES: usize = 19;
/// Bytes up to and with PES_packet_length, which counts those behind it.
const FIXED: usize = 6;

/// Stream numbers (table 2-22).
pub(crate) mod stream_id {
    /// private_stream_1.
    pub(crate) const PRIVATE: u8 = 0xBD;
    /// The first MPEG audio stream.
    pub(crate) const AUDIO: u8 = 0xC0;
    /// The first video stream.
    pub(crate) const VIDEO: u8 = 0xE0;
    /// metadata_stream.
    pub(crate) const METADATA: u8 = 0xFC;
}

/// A PES header in bytes.
pub(crate) struct Header {
    bytes: [u8; MAX_BYTES],
    len: usize,
}

impl Header {
    /// Header of `payload` bytes with these stamps in 90 kHz. None when the length cannot be told: only video may
    /// leave it open (2.4.3.7, PES_packet_length).
    pub(crate) fn new(stream_id: u8, pts: u64, dts: u64, payload: usize) -> Option<Self> {
        let len = if pts == dts { 14 } else { MAX_BYTES };
        let length = match u16::try_from(len - FIXED + payload) {
            Ok(length) => length,
            Err(_) if stream_id == stream_id::VIDEO => 0,
            Err(_) => return None,
        };
        let [high, low] = length.to_be_bytes();
        let mut bytes = [0; MAX_BYTES];
        // '10' and data_alignment_indicator: an access unit begins behind the header.
        bytes[..7].copy_from_slice(&[0, 0, 1, stream_id, high, low, 0x84]);
        if pts == dts {
            bytes[7..9].copy_from_slice(&[0x80, 5]);
            bytes[9..14].copy_from_slice(&stamp(0b0010, pts));
        } else {
            bytes[7..9].copy_from_slice(&[0xC0, 10]);
            bytes[9..14].copy_from_slice(&stamp(0b0011, pts));
            bytes[14..].copy_from_slice(&stamp(0b0001, dts));
        }
        Some(Self { bytes, len })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// 33 bits in three parts, each closed by a marker bit.
fn stamp(prefix: u64, value: u64) -> [u8; 5] {
    let word = prefix << 36
        | (value >> 30 & 7) << 33
        | 1 << 32
        | (value >> 15 & 0x7FFF) << 17
        | 1 << 16
        | (value & 0x7FFF) << 1
        | 1;
    let [_, _, _, bytes @ ..] = word.to_be_bytes();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_stamp_where_both_agree() {
        let header = Header::new(stream_id::AUDIO, 900_000, 900_000, 100).expect("fits");
        assert_eq!(header.bytes(), [0, 0, 1, 0xC0, 0, 108, 0x84, 0x80, 5, 0x21, 0x00, 0x37, 0x77, 0x41]);
    }

    #[test]
    fn two_stamps_where_they_differ() {
        let header = Header::new(stream_id::VIDEO, (1 << 33) - 1, 0, 100).expect("fits");
        let expected = [
            0, 0, 1, 0xE0, 0, 113, 0x84, 0xC0, 10, 0x3F, 0xFF, 0xFF, 0xFF, 0xFF, 0x11, 0x00, 0x01, 0x00, 0x01,
        ];
        assert_eq!(header.bytes(), expected);
    }

    #[test]
    fn only_video_leaves_the_length_open() {
        let longest = 65535 - 8;
        let length = |id, payload| Header::new(id, 0, 0, payload).map(|header| header.bytes()[4..6].to_vec());
        assert_eq!(length(stream_id::VIDEO, longest), Some(vec![0xFF, 0xFF]));
        assert_eq!(length(stream_id::VIDEO, longest + 1), Some(vec![0, 0]));
        assert_eq!(length(stream_id::PRIVATE, longest), Some(vec![0xFF, 0xFF]));
        assert_eq!(length(stream_id::PRIVATE, longest + 1), None);
    }
}
