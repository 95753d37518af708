//! Transport packets: header, adaptation field, continuity (ISO/IEC 13818-1 2.4.3).

use bytes::{BufMut, BytesMut};

/// Bytes of a transport packet.
pub(crate) const BYTES: usize = 188;
/// Bytes behind the 4-byte packet header: adaptation field and payload.
const BODY: usize = BYTES - 4;

/// sync_byte.
pub(crate) const SYNC: u8 = 0x47;
const PAYLOAD_UNIT_START: u16 = 0x4000;
const HAS_ADAPTATION: u8 = 0x20;
const HAS_PAYLOAD: u8 = 0x10;

const DISCONTINUITY: u8 = 0x80;
const RANDOM_ACCESS: u8 = 0x40;
const HAS_PCR: u8 = 0x10;

/// A packet identifier with what its next packet must say.
#[derive(Debug, Clone)]
pub(crate) struct Pid {
    number: u16,
    /// The continuity counter of the last packet with payload.
    counter: u8,
    discontinuity: bool,
}

/// What the adaptation field of a packet says besides the discontinuity of its PID.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Adaptation {
    /// Program clock reference in units of 27 MHz, within its range.
    pub(crate) pcr: Option<u64>,
    pub(crate) random_access: bool,
}

impl Pid {
    pub(crate) fn new(number: u16) -> Self {
        // The first packet with payload counts 0.
        Self { number, counter: 15, discontinuity: false }
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Sets discontinuity_indicator in the next packet.
    pub(crate) fn mark_discontinuity(&mut self) {
        self.discontinuity = true;
    }

    /// A packet without payload that announces this PID's next packet as following a discontinuity. Changes
    /// nothing, for it is seen by single viewers only.
    pub(crate) fn write_splice(&self, pcr: Option<u64>, out: &mut BytesMut) {
        let mut twin = self.clone();
        twin.mark_discontinuity();
        twin.write_empty(Adaptation { pcr, random_access: false }, out);
    }

    /// A packet with an adaptation field and no payload; the continuity counter stays (2.4.3.3).
    pub(crate) fn write_empty(&mut self, adaptation: Adaptation, out: &mut BytesMut) {
        self.write_header(false, HAS_ADAPTATION, out);
        self.write_adaptation(adaptation, BODY, out);
    }

    fn write_header(&self, start: bool, control: u8, out: &mut BytesMut) {
        out.put_u8(SYNC);
        out.put_u16(self.number | if start { PAYLOAD_UNIT_START } else { 0 });
        out.put_u8(control | self.counter);
    }

    /// The bytes that the adaptation field needs: none without content, else at least two.
    fn adaptation_bytes(&self, adaptation: Adaptation) -> usize {
        match adaptation.pcr {
            Some(_) => 8,
            None if adaptation.random_access || self.discontinuity => 2,
            None => 0,
        }
    }

    /// An adaptation field of exactly `size` bytes (1 to 184), filled with stuffing (2.4.3.5).
    fn write_adaptation(&mut self, adaptation: Adaptation, size: usize, out: &mut BytesMut) {
        // `size` is at most BODY, so the length fits a byte.
        out.put_u8((size - 1) as u8);
        if size == 1 {
            return;
        }
        let mut flags = 0;
        if std::mem::take(&mut self.discontinuity) {
            flags |= DISCONTINUITY;
        }
        if adaptation.random_access {
            flags |= RANDOM_ACCESS;
        }
        let mut used = 2;
        if let Some(pcr) = adaptation.pcr {
            out.put_u8(flags | HAS_PCR);
            out.put_slice(&encode_pcr(pcr));
            used += 6;
        } else {
            out.put_u8(flags);
        }
        out.put_bytes(0xFF, size - used);
    }
}

/// 33 bits of 90 kHz, 6 reserved bits, 9 bits of 27 MHz.
fn encode_pcr(pcr: u64) -> [u8; 6] {
    let word = (pcr / 300) << 15 | 0x7E00 | (pcr % 300);
    let [_, _, bytes @ ..] = word.to_be_bytes();
    bytes
}

/// How the end of a payload that does not fill its last packet is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Stuffing in the adaptation field, for PES packets (2.4.3.5).
    Adaptation,
    /// Bytes 0xFF behind the payload, for sections (2.4.4.1).
    Behind,
}

/// Writes one payload of a size known beforehand over as many packets as it takes.
pub(crate) struct Payload<'a> {
    pid: &'a mut Pid,
    out: &'a mut BytesMut,
    adaptation: Adaptation,
    filling: Filling,
    start: bool,
    /// Payload bytes not written yet.
    left: usize,
    /// Payload bytes that the open packet still takes.
    room: usize,
}

impl<'a> Payload<'a> {
    /// Announces `len` bytes of payload; `adaptation` goes into the first packet. Reserves the exact space.
    pub(crate) fn new(
        pid: &'a mut Pid,
        adaptation: Adaptation,
        filling: Filling,
        len: usize,
        out: &'a mut BytesMut,
    ) -> Self {
        let packets = (pid.adaptation_bytes(adaptation) + len).div_ceil(BODY);
        out.reserve(packets * BYTES);
        Self { pid, out, adaptation, filling, start: true, left: len, room: 0 }
    }

    /// Appends payload bytes. No more than the announced length is written.
    pub(crate) fn put(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.left > 0 {
            if self.room == 0 {
                self.open();
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.room));
            self.out.put_slice(now);
            self.room -= now.len();
            self.left -= now.len();
            bytes = later;
        }
        if self.left == 0 {
            self.out.put_bytes(0xFF, std::mem::take(&mut self.room));
        }
    }

    fn open(&mut self) {
        let adaptation = std::mem::take(&mut self.adaptation);
        let wanted = self.pid.adaptation_bytes(adaptation);
        let size = match self.filling {
            Filling::Adaptation => wanted.max(BODY.saturating_sub(self.left)),
            Filling::Behind => wanted,
        };
        let control = if size > 0 { HAS_ADAPTATION | HAS_PAYLOAD } else { HAS_PAYLOAD };
        self.pid.counter = (self.pid.counter + 1) & 15;
        self.pid.write_header(std::mem::take(&mut self.start), control, self.out);
        if size > 0 {
            self.pid.write_adaptation(adaptation, size, self.out);
        }
        self.room = BODY - size;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(pid: &mut Pid, adaptation: Adaptation, filling: Filling, bytes: &[u8]) -> BytesMut {
        let mut out = BytesMut::new();
        Payload::new(pid, adaptation, filling, bytes.len(), &mut out).put(bytes);
        assert_eq!(out.len() % BYTES, 0);
        out
    }

    #[test]
    fn pcr_is_base_and_extension() {
        assert_eq!(encode_pcr(300 + 2), [0, 0, 0, 0, 0xFE, 2]);
        assert_eq!(encode_pcr(((1 << 33) - 1) * 300 + 299), [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x2B]);
    }

    #[test]
    fn a_full_packet_has_no_adaptation_field() {
        let out = write(&mut Pid::new(0x100), Adaptation::default(), Filling::Adaptation, &[7; 184]);
        assert_eq!(out[..5], [0x47, 0x41, 0x00, 0x10, 7]);
        assert_eq!(out.len(), BYTES);
    }

    #[test]
    fn one_missing_byte_is_an_adaptation_field_of_length_zero() {
        let out = write(&mut Pid::new(0x100), Adaptation::default(), Filling::Adaptation, &[7; 183]);
        assert_eq!(out[..6], [0x47, 0x41, 0x00, 0x30, 0, 7]);
    }

    #[test]
    fn stuffing_stands_in_the_last_packet() {
        let mut pid = Pid::new(0x100);
        let adaptation = Adaptation { pcr: Some(0), random_access: true };
        let out = write(&mut pid, adaptation, Filling::Adaptation, &[7; 176 + 100]);
        assert_eq!(out.len(), 2 * BYTES);
        assert_eq!(out[..6], [0x47, 0x41, 0x00, 0x30, 7, 0x50]);
        assert_eq!(out[188..195], [0x47, 0x01, 0x00, 0x31, 83, 0, 0xFF]);
        assert_eq!(out[188 + 87..188 + 89], [0xFF, 7]);
    }

    #[test]
    fn sections_are_filled_behind() {
        let out = write(&mut Pid::new(0), Adaptation::default(), Filling::Behind, &[7; 10]);
        assert_eq!(out[..5], [0x47, 0x40, 0x00, 0x10, 7]);
        assert_eq!(out[14..], [0xFF; 174]);
    }

    #[test]
    fn a_discontinuity_is_said_once() {
        let mut pid = Pid::new(0x100);
        pid.mark_discontinuity();
        let first = write(&mut pid, Adaptation::default(), Filling::Adaptation, &[7; 182]);
        assert_eq!(first[..7], [0x47, 0x41, 0x00, 0x30, 1, 0x80, 7]);
        let second = write(&mut pid, Adaptation::default(), Filling::Adaptation, &[7; 184]);
        assert_eq!(second[3], 0x11);
    }

    #[test]
    fn empty_packets_do_not_count() {
        let mut pid = Pid::new(0x100);
        let mut out = BytesMut::new();
        pid.write_empty(Adaptation { pcr: Some(0), random_access: false }, &mut out);
        assert_eq!(out[..6], [0x47, 0x01, 0x00, 0x2F, 183, 0x10]);
        assert_eq!(out.len(), BYTES);
        assert_eq!(write(&mut pid, Adaptation::default(), Filling::Behind, &[1])[3], 0x10);
    }

    #[test]
    fn a_splice_leaves_the_stream_as_it_is() {
        let mut pid = Pid::new(0x101);
        write(&mut pid, Adaptation::default(), Filling::Behind, &[1]);
        let mut out = BytesMut::new();
        pid.write_splice(None, &mut out);
        assert_eq!(out[..6], [0x47, 0x01, 0x01, 0x20, 183, 0x80]);
        assert!(!pid.discontinuity);
    }
}
