//! A packet as it came (ISO/IEC 13818-1 2.4.3.2 to 2.4.3.5). Every getter is total.

use crate::packet::BYTES;

/// The PID of packets without meaning.
pub(super) const NULL_PID: u16 = 0x1FFF;

#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a>(&'a [u8; BYTES]);

impl<'a> Packet<'a> {
    pub(super) fn new(bytes: &'a [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// transport_error_indicator: nothing in it is to be believed.
    pub(super) fn is_broken(self) -> bool {
        self.0[1] & 0x80 != 0
    }

    /// payload_unit_start_indicator.
    pub(super) fn starts(self) -> bool {
        self.0[1] & 0x40 != 0
    }

    pub(super) fn pid(self) -> u16 {
        u16::from_be_bytes([self.0[1] & 0x1F, self.0[2]])
    }

    /// transport_scrambling_control.
    pub(super) fn is_scrambled(self) -> bool {
        self.0[3] & 0xC0 != 0
    }

    /// continuity_counter.
    pub(super) fn counter(self) -> u8 {
        self.0[3] & 0x0F
    }

    /// What is behind header and adaptation field; none where the packet has no payload or is malformed.
    pub(super) fn payload(self) -> Option<&'a [u8]> {
        match self.0[3] >> 4 & 3 {
            1 => Some(&self.0[4..]),
            3 => self.0.get(5 + usize::from(self.0[4])..),
            _ => None,
        }
    }

    /// The adaptation field without its length; empty where there is none.
    fn adaptation(self) -> &'a [u8] {
        let len = if self.0[3] & 0x20 == 0 { 0 } else { usize::from(self.0[4]) };
        self.0.get(5..5 + len).unwrap_or_default()
    }

    fn flags(self) -> u8 {
        self.adaptation().first().copied().unwrap_or_default()
    }

    /// discontinuity_indicator.
    pub(super) fn is_discontinuous(self) -> bool {
        self.flags() & 0x80 != 0
    }

    /// program_clock_reference in 27 MHz.
    pub(super) fn pcr(self) -> Option<u64> {
        if self.flags() & 0x10 == 0 {
            return None;
        }
        let bytes = self.adaptation().get(1..7)?;
        let word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
        Some((word >> 15) * 300 + (word & 0x1FF))
    }

    /// Whether the adaptation field has stuffing, as it has where a PES packet ends.
    pub(super) fn is_stuffed(self) -> bool {
        if self.0[3] & 0x20 == 0 {
            return false;
        }
        let (field, flags) = (self.adaptation(), self.flags());
        let length_at = |at: usize| 1 + usize::from(field.get(at).copied().unwrap_or_default());
        let mut used = 1;
        for (flag, bytes) in [(0x10, 6), (0x08, 6), (0x04, 1)] {
            used += if flags & flag == 0 { 0 } else { bytes };
        }
        for flag in [0x02, 0x01] {
            used += if flags & flag == 0 { 0 } else { length_at(used) };
        }
        // An empty field is one byte of stuffing.
        field.is_empty() || field.len() > used
    }
}

/// What a packet is to the one before it on its PID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It follows.
    Next,
    /// It is the same once more.
    Same,
    /// So many packets are missing between them, or 16 more, or a multiple of that.
    Lost(u8),
    /// It does not continue what was, and says so.
    Cut,
}

/// The continuity counter of a PID (2.4.3.3).
#[derive(Debug)]
pub(super) struct Continuity {
    last: Option<u8>,
    payload: [u8; BYTES],
    len: usize,
}

impl Default for Continuity {
    fn default() -> Self {
        Self { last: None, payload: [0; BYTES], len: 0 }
    }
}

impl Continuity {
    pub(super) fn step(&mut self, packet: Packet<'_>) -> Step {
        let counter = packet.counter();
        let Some(payload) = packet.payload() else {
            // It does not count, but may say where counting goes on.
            let cut = packet.is_discontinuous() && self.last.is_some_and(|last| last != counter);
            if cut {
                self.last = Some(counter);
            }
            return if cut { Step::Cut } else { Step::Same };
        };
        let step = match self.last {
            None => Step::Next,
            Some(last) if counter == (last + 1) & 0x0F => Step::Next,
            Some(last) if counter == last && self.payload.get(..self.len) == Some(payload) => Step::Same,
            Some(_) if packet.is_discontinuous() => Step::Cut,
            Some(last) => Step::Lost(counter.wrapping_sub(last + 1) & 0x0F),
        };
        self.last = Some(counter);
        self.len = payload.len();
        self.payload[..payload.len()].copy_from_slice(payload);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(head: &[u8]) -> [u8; BYTES] {
        let mut bytes = [0xFF; BYTES];
        bytes[..head.len()].copy_from_slice(head);
        bytes
    }

    #[test]
    fn fields_of_a_packet() {
        let bytes = packet(&[0x47, 0x41, 0x23, 0x3A, 7, 0x90, 0, 0, 0, 0, 0xFE, 2, 0xAA]);
        let packet = Packet::new(&bytes);
        assert_eq!((packet.pid(), packet.counter(), packet.starts()), (0x123, 10, true));
        assert_eq!((packet.pcr(), packet.is_discontinuous()), (Some(302), true));
        assert_eq!(packet.payload().map(|payload| (payload[0], payload.len())), Some((0xAA, 176)));
        assert!(!packet.is_stuffed() && !packet.is_broken() && !packet.is_scrambled());
    }

    #[test]
    fn malformed_adaptation_fields_are_taken() {
        for len in [183, 184, 255] {
            let bytes = packet(&[0x47, 0, 0, 0x30, len, 0xFF]);
            let packet = Packet::new(&bytes);
            assert!(packet.payload().is_none_or(<[u8]>::is_empty));
            let _ = (packet.pcr(), packet.is_stuffed());
        }
        let bytes = packet(&[0x47, 0, 0, 0x30, 1, 0x10, 1]);
        assert_eq!(Packet::new(&bytes).pcr(), None);
    }

    #[test]
    fn stuffing_is_what_no_flag_asks_for() {
        let stuffed = |head: &[u8]| Packet::new(&packet(head)).is_stuffed();
        assert!(stuffed(&[0x47, 0, 0, 0x30, 0]));
        assert!(stuffed(&[0x47, 0, 0, 0x30, 2, 0]));
        assert!(!stuffed(&[0x47, 0, 0, 0x30, 1, 0x40]));
        assert!(!stuffed(&[0x47, 0, 0, 0x30, 4, 0x02, 2, 1, 1]));
        assert!(stuffed(&[0x47, 0, 0, 0x30, 5, 0x02, 2, 1, 1]));
        assert!(!stuffed(&[0x47, 0, 0, 0x10]));
    }

    #[test]
    fn counting() {
        let mut continuity = Continuity::default();
        let mut step = |control: u8, rest: &[u8]| {
            let bytes = packet(&[&[0x47, 0, 0, control][..], rest].concat());
            continuity.step(Packet::new(&bytes))
        };
        assert_eq!(step(0x1E, &[1]), Step::Next);
        assert_eq!(step(0x1F, &[2]), Step::Next);
        assert_eq!(step(0x1F, &[2]), Step::Same);
        assert_eq!(step(0x10, &[3]), Step::Next);
        assert_eq!(step(0x10, &[4]), Step::Lost(15), "the same counter with other bytes");
        assert_eq!(step(0x12, &[5]), Step::Lost(1));
        assert_eq!(step(0x22, &[183, 0]), Step::Same, "no payload");
        assert_eq!(step(0x27, &[183, 0x80]), Step::Cut);
        assert_eq!(step(0x18, &[6]), Step::Next);
        assert_eq!(step(0x3C, &[1, 0x80]), Step::Cut);
    }
}
