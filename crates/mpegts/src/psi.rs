//! Program specific information: program association and program map sections (ISO/IEC 13818-1 2.4.4).

use bytes::{BufMut, BytesMut};

use crate::packet::{Adaptation, Filling, Payload, Pid};

/// PID of the program association table.
pub const PAT_PID: u16 = 0;
/// PID of the program map table.
pub const PMT_PID: u16 = 0x1000;
/// A PCR_PID that says: no clock (2.4.4.9).
pub(crate) const NO_PCR: u16 = 0x1FFF;

const PROGRAM: u16 = 1;
const TRANSPORT_STREAM: u16 = 1;

/// table_id of the association (table 2-31).
pub(crate) const PAT_TABLE: u8 = 0;
/// table_id of a map.
pub(crate) const PMT_TABLE: u8 = 2;

/// A section is at most 1024 bytes long (2.4.4.4, 2.4.4.9); 12 stand before the streams and 4 behind.
pub(crate) const MAX_STREAMS_BYTES: usize = 1024 - 12 - 4;

/// registration_descriptor (table 2-45).
pub(crate) const REGISTRATION_DESCRIPTOR: u8 = 0x05;

/// One elementary stream in the program map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) pid: u16,
    pub(crate) stream_type: u8,
    pub(crate) descriptors: Vec<u8>,
}

impl Entry {
    /// Bytes it takes in the map.
    pub(crate) fn len(&self) -> usize {
        5 + self.descriptors.len()
    }
}

/// registration_descriptor with a format_identifier and nothing else (2.6.8).
pub(crate) fn registration(format: &[u8; 4]) -> Vec<u8> {
    let mut descriptor = vec![REGISTRATION_DESCRIPTOR, 4];
    descriptor.extend_from_slice(format);
    descriptor
}

/// The association section of the one program.
pub(crate) fn pat() -> Vec<u8> {
    let mut body = Vec::with_capacity(4);
    body.put_u16(PROGRAM);
    body.put_u16(0xE000 | PMT_PID);
    section(PAT_TABLE, TRANSPORT_STREAM, 0, &body)
}

/// The map section with the streams given, of which there are at most [`MAX_STREAMS_BYTES`] with the program's
/// own descriptors. `version` is taken modulo 32.
pub(crate) fn pmt(version: u8, pcr_pid: u16, program_info: &[u8], streams: &[Entry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(64);
    body.put_u16(0xE000 | pcr_pid);
    body.put_u16(0xF000 | program_info.len() as u16);
    body.put_slice(program_info);
    for stream in streams {
        body.put_u8(stream.stream_type);
        body.put_u16(0xE000 | stream.pid);
        body.put_u16(0xF000 | stream.descriptors.len() as u16);
        body.put_slice(&stream.descriptors);
    }
    section(PMT_TABLE, PROGRAM, version, &body)
}

fn section(table: u8, extension: u16, version: u8, body: &[u8]) -> Vec<u8> {
    // Behind section_length: five bytes of header, the body, the CRC.
    let length = (5 + body.len() + 4) as u16;
    let mut out = Vec::with_capacity(3 + usize::from(length));
    out.put_u8(table);
    out.put_u16(0xB000 | length);
    out.put_u16(extension);
    out.put_u8(0xC1 | (version & 31) << 1);
    out.put_u16(0);
    out.put_slice(body);
    out.put_u32(crc32(&out));
    out
}

/// One section over as many packets as it takes (2.4.4.1).
pub(crate) fn write_section(pid: &mut Pid, section: &[u8], out: &mut BytesMut) {
    let pointer_field = [0];
    let len = pointer_field.len() + section.len();
    let mut payload = Payload::new(pid, Adaptation::default(), Filling::Behind, len, out);
    payload.put(&pointer_field);
    payload.put(section);
}

/// CRC-32 of the decoder model in annex A: polynomial 0x04C11DB7, most significant bit first, all ones before.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0, |crc, &byte| crc << 8 ^ CRC_TABLE[usize::from((crc >> 24) as u8 ^ byte)])
}

static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 << 31 != 0 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_check_string() {
        // The catalogued check value of CRC-32/MPEG-2.
        assert_eq!(crc32(b"123456789"), 0x0376_E6E7);
    }

    #[test]
    fn golden_pat() {
        let expected =
            [0x00, 0xB0, 0x0D, 0x00, 0x01, 0xC1, 0x00, 0x00, 0x00, 0x01, 0xF0, 0x00, 0x2A, 0xB1, 0x04, 0xB2];
        assert_eq!(pat(), expected);
    }

    #[test]
    fn golden_pmt() {
        let streams = [
            Entry { pid: 0x100, stream_type: 0x1B, descriptors: Vec::new() },
            Entry { pid: 0x101, stream_type: 0x0F, descriptors: Vec::new() },
        ];
        let expected = [
            0x02, 0xB0, 0x17, 0x00, 0x01, 0xC1, 0x00, 0x00, 0xE1, 0x00, 0xF0, 0x00, 0x1B, 0xE1, 0x00, 0xF0,
            0x00, 0x0F, 0xE1, 0x01, 0xF0, 0x00, 0x2F, 0x44, 0xB9, 0x9B,
        ];
        assert_eq!(pmt(0, 0x100, &[], &streams), expected);
        assert_eq!(pmt(33, 0x100, &[], &streams)[5], 0xC3);
    }

    #[test]
    fn descriptors_are_counted() {
        let stream = Entry { pid: 0x101, stream_type: 0x81, descriptors: registration(b"AC-3") };
        let section = pmt(0, 0x101, &registration(b"CUEI"), std::slice::from_ref(&stream));
        assert_eq!(section[10..18], [0xF0, 6, 5, 4, b'C', b'U', b'E', b'I']);
        assert_eq!(section[18..29], [0x81, 0xE1, 0x01, 0xF0, 6, 5, 4, b'A', b'C', b'-', b'3']);
        assert_eq!(stream.len(), 11);
        assert_eq!(crc32(&section), 0);
    }

    #[test]
    fn a_long_section_takes_two_packets() {
        let section: Vec<u8> = (0..250).map(|i| i as u8).collect();
        let mut out = BytesMut::new();
        write_section(&mut Pid::new(PMT_PID), &section, &mut out);
        assert_eq!(out[..6], [0x47, 0x50, 0x00, 0x10, 0, 0]);
        assert_eq!(out[188..193], [0x47, 0x10, 0x00, 0x11, 183]);
        assert_eq!(out[192 + 67..], [0xFF; 117]);
    }
}
