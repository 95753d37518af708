//! A small demultiplexer that takes nothing on trust: it panics where a stream breaks the rules that hold for
//! all of ours.

use std::collections::BTreeMap;

const WRAP: i64 = 1 << 33;

/// An access unit as it arrived.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pes {
    pub(crate) pid: u16,
    pub(crate) stream_id: u8,
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) random_access: bool,
    /// The last clock reference at or before its first packet, in 90 kHz.
    pub(crate) pcr: i64,
    pub(crate) unbounded: bool,
    pub(crate) data: Vec<u8>,
}

/// A clock reference and where it stood.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pcr {
    pub(crate) pid: u16,
    /// 27 MHz.
    pub(crate) value: i64,
    pub(crate) discontinuity: bool,
    pub(crate) alone: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Demux {
    counters: BTreeMap<u16, u8>,
    open: BTreeMap<u16, (Pes, usize)>,
    section: Vec<u8>,
    pub(crate) pes: Vec<Pes>,
    pub(crate) pcrs: Vec<Pcr>,
    /// Versions of the program map as they came.
    pub(crate) versions: Vec<u8>,
    /// The clock at each program map but those before the first clock reference.
    pub(crate) maps: Vec<i64>,
    /// stream_type and descriptors by PID.
    pub(crate) streams: BTreeMap<u16, (u8, Vec<u8>)>,
    pub(crate) pcr_pid: u16,
    pub(crate) discontinuities: Vec<u16>,
    pub(crate) sections: Vec<Vec<u8>>,
}

/// `a - b` in 90 kHz over the wrap.
pub(crate) fn diff(a: i64, b: i64) -> i64 {
    (a - b + WRAP / 2).rem_euclid(WRAP) - WRAP / 2
}

pub(crate) fn demux(bytes: &[u8]) -> Demux {
    let mut demux = Demux::default();
    demux.push(bytes);
    demux.finish();
    demux
}

impl Demux {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        assert_eq!(bytes.len() % 188, 0);
        bytes.chunks(188).for_each(|packet| self.packet(packet));
    }

    fn packet(&mut self, packet: &[u8]) {
        assert_eq!((packet[0], packet[1] & 0xA0, packet[3] & 0xC0), (0x47, 0, 0));
        let (start, pid) = (packet[1] & 0x40 != 0, u16::from_be_bytes([packet[1] & 31, packet[2]]));
        assert_ne!(pid, 0x1FFF, "null packet");
        let has_payload = packet[3] & 0x10 != 0;
        let (mut at, mut flags) = (4, 0);
        if packet[3] & 0x20 != 0 {
            let len = usize::from(packet[4]);
            assert!(if has_payload { len <= 182 } else { len == 183 }, "adaptation field of {len}");
            at = 5 + len;
            if len > 0 {
                flags = packet[5];
                let used = if flags & 0x10 != 0 { 12 } else { 6 };
                assert!(packet[used..at].iter().all(|&byte| byte == 0xFF), "stuffing");
            }
        }
        let discontinuity = flags & 0x80 != 0;
        self.count(pid, packet[3] & 15, has_payload, discontinuity);
        if discontinuity {
            self.discontinuities.push(pid);
        }
        if flags & 0x10 != 0 {
            let word = packet[6..12].iter().fold(0i64, |word, &byte| word << 8 | i64::from(byte));
            let value = (word >> 15) * 300 + (word & 0x1FF);
            self.pcrs.push(Pcr { pid, value, discontinuity, alone: !has_payload });
        }
        if !has_payload {
            assert!(!start);
            return;
        }
        match pid {
            0 | 0x1000 => self.table(pid, start, &packet[at..]),
            _ => {
                let kind = self.streams.get(&pid).expect("PID in the program map").0;
                if kind == 0x86 {
                    self.sections.push(packet[at..].to_vec());
                } else {
                    self.payload(pid, start, flags & 0x40 != 0, &packet[at..]);
                }
            }
        }
    }

    fn count(&mut self, pid: u16, counter: u8, has_payload: bool, discontinuity: bool) {
        if let Some(last) = self.counters.insert(pid, counter)
            && !discontinuity
        {
            assert_eq!(counter, (last + u8::from(has_payload)) & 15, "continuity of PID {pid:#x}");
        }
    }

    fn now(&self) -> i64 {
        self.pcrs.last().map_or(0, |pcr| pcr.value / 300)
    }

    fn table(&mut self, pid: u16, start: bool, payload: &[u8]) {
        if start {
            self.section = payload[1 + usize::from(payload[0])..].to_vec();
        } else {
            self.section.extend_from_slice(payload);
        }
        let len = 3 + usize::from(u16::from_be_bytes([self.section[1] & 15, self.section[2]]));
        let Some(section) = self.section.get(..len) else { return };
        assert_eq!(crc32(section), 0);
        let body = &section[8..len - 4];
        if pid == 0 {
            assert_eq!(body, [0, 1, 0xF0, 0]);
            return;
        }
        self.versions.push(section[5] >> 1 & 31);
        self.maps.extend(self.pcrs.last().map(|pcr| pcr.value / 300));
        self.pcr_pid = u16::from_be_bytes([body[0] & 31, body[1]]);
        self.streams.clear();
        let mut rest = &body[4 + usize::from(body[3])..];
        while let [kind, high, low, _, len, tail @ ..] = rest {
            let (descriptors, tail) = tail.split_at((*len).into());
            self.streams.insert(u16::from_be_bytes([high & 31, *low]), (*kind, descriptors.to_vec()));
            rest = tail;
        }
    }

    fn payload(&mut self, pid: u16, start: bool, random_access: bool, payload: &[u8]) {
        if !start {
            self.open.get_mut(&pid).expect("open PES packet").0.data.extend_from_slice(payload);
            return;
        }
        self.close(pid);
        assert_eq!(payload[..3], [0, 0, 1]);
        let length = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
        let header = usize::from(payload[8]);
        let pts = stamp(&payload[9..14]);
        let dts = if payload[7] >> 6 == 3 { stamp(&payload[14..19]) } else { pts };
        let data = payload[9 + header..].to_vec();
        let expected = if length == 0 { 0 } else { length - 3 - header };
        let (stream_id, pcr, unbounded) = (payload[3], self.now(), length == 0);
        assert!(!self.pcrs.is_empty(), "a stamp before the first clock reference");
        self.open
            .insert(pid, (Pes { pid, stream_id, pts, dts, random_access, pcr, unbounded, data }, expected));
    }

    fn close(&mut self, pid: u16) {
        if let Some((pes, expected)) = self.open.remove(&pid) {
            assert!(expected == 0 && pes.unbounded || expected == pes.data.len());
            self.pes.push(pes);
        }
    }

    /// Takes the end of the bytes for the end of all PES packets.
    pub(crate) fn finish(&mut self) {
        for pid in self.open.keys().copied().collect::<Vec<_>>() {
            self.close(pid);
        }
    }

    pub(crate) fn pes_of(&self, pid: u16) -> Vec<Pes> {
        self.pes.iter().filter(|pes| pes.pid == pid).cloned().collect()
    }

    /// What must hold for every stream of ours without marked discontinuities.
    pub(crate) fn check_clock(&self) {
        for pair in self.pcrs.windows(2).filter(|pair| !pair[1].discontinuity) {
            let step = diff(pair[1].value / 300, pair[0].value / 300);
            assert!((0..=50 * 90).contains(&step), "clock references {} ms apart", step / 90);
        }
        for pair in self.maps.windows(2) {
            let step = diff(pair[1], pair[0]);
            assert!((0..=200 * 90).contains(&step), "tables {} ms apart", step / 90);
        }
        assert!(self.pcrs.iter().all(|pcr| pcr.pid == self.pcr_pid));
        assert!(self.pes.iter().all(|pes| diff(pes.dts, pes.pcr) >= 0 && diff(pes.pts, pes.dts) >= 0));
    }
}

fn stamp(bytes: &[u8]) -> i64 {
    assert!(bytes[0] & bytes[2] & bytes[4] & 1 == 1, "marker bits");
    let word = bytes.iter().fold(0i64, |word, &byte| word << 8 | i64::from(byte));
    (word >> 33 & 7) << 30 | (word >> 17 & 0x7FFF) << 15 | word >> 1 & 0x7FFF
}

/// Bit by bit, as annex A draws it.
fn crc32(bytes: &[u8]) -> u32 {
    let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    bits.fold(!0, |crc, bit| crc << 1 ^ if crc >> 31 ^ bit == 1 { 0x04C1_1DB7 } else { 0 })
}
