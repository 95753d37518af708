//! PES packets: their header with the stamps, and what is behind it (ISO/IEC 13818-1 2.4.3.6, 2.4.3.7).

use super::Pid;
use crate::Error;

/// Bytes up to and with PES_packet_length.
const FIXED: usize = 6;
/// Bytes up to and with PES_header_data_length.
const FLAGS: usize = 9;

/// PTS and DTS in 90 kHz, 33 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamps {
    pub(super) pts: u64,
    pub(super) dts: u64,
}

/// What becomes of a payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// A PES packet begins.
    Begin(Option<Stamps>),
    Data(&'a [u8]),
    /// All of it has come.
    End,
}

/// Why a PES packet is passed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// PES_scrambling_control
    Scrambled,
    Error(Error),
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// Until the next one begins.
    #[default]
    Idle,
    /// Bytes of the header so far.
    Header(Vec<u8>),
    /// Bytes that are to come, where that was said.
    Body { left: Option<usize> },
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    state: State,
}

impl Reader {
    /// A PES packet has begun and is not known to have ended.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Idle
    }

    /// Bytes that are missing of the open packet; none where it did not say.
    pub(super) fn missing(&self) -> Option<usize> {
        match &self.state {
            State::Idle => Some(0),
            State::Header(_) => Some(FIXED),
            State::Body { left } => *left,
        }
    }

    /// The rest of the open packet is passed over.
    pub(super) fn stop(&mut self) {
        self.state = State::Idle;
    }

    /// Packets are missing; what comes now is the inside of a PES packet all the same.
    pub(super) fn resume(&mut self) {
        self.state = State::Body { left: None };
    }

    /// The next payload begins a PES packet.
    pub(super) fn start(&mut self) {
        self.state = State::Header(Vec::new());
    }

    /// Takes the payload of a transport packet.
    pub(super) fn push(
        &mut self,
        pid: Pid,
        payload: &[u8],
        sink: &mut dyn FnMut(Part<'_>),
    ) -> Result<(), Fault> {
        let mut rest = payload;
        if let State::Header(header) = &mut self.state {
            match fill(pid, header, &mut rest) {
                Ok(None) => return Ok(()),
                Ok(Some(Begun { stamps, left })) => {
                    self.state = State::Body { left };
                    sink(Part::Begin(stamps));
                }
                Err(fault) => {
                    self.state = State::Idle;
                    return Err(fault);
                }
            }
        }
        let State::Body { left } = &mut self.state else { return Ok(()) };
        let data = &rest[..left.map_or(rest.len(), |left| left.min(rest.len()))];
        if !data.is_empty() {
            sink(Part::Data(data));
        }
        if let Some(left) = left {
            *left -= data.len();
            if *left == 0 {
                self.state = State::Idle;
                sink(Part::End);
            }
        }
        Ok(())
    }
}

struct Begun {
    stamps: Option<Stamps>,
    left: Option<usize>,
}

/// Moves bytes from `rest` to the header until that is complete.
fn fill(pid: Pid, header: &mut Vec<u8>, rest: &mut &[u8]) -> Result<Option<Begun>, Fault> {
    while let Some(missing) = header_bytes(header).checked_sub(header.len()).filter(|&missing| missing > 0) {
        let (more, behind) = rest.split_at(rest.len().min(missing));
        if more.is_empty() {
            return Ok(None);
        }
        header.extend_from_slice(more);
        *rest = behind;
    }
    decode(pid, header).map(Some)
}

/// Bytes that a header has which begins so, or those that tell.
fn header_bytes(header: &[u8]) -> usize {
    match *header {
        [_, _, _, id, _, _, ..] if is_bare(id) => FIXED,
        [_, _, _, _, _, _, _, _, len, ..] => FLAGS + usize::from(len),
        [0, 0, 1, _, _, _, ..] => FLAGS,
        _ => FIXED,
    }
}

fn decode(pid: Pid, header: &[u8]) -> Result<Begun, Fault> {
    let invalid = |field, value: u64, expected| {
        Err(Fault::Error(Error::Invalid { pid, what: "PES packet", field, value, expected }))
    };
    match *header {
        [0, 0, 1, id, high, low, ..] if is_bare(id) => {
            let left = usize::from(u16::from_be_bytes([high, low]));
            Ok(Begun { stamps: None, left: (left > 0).then_some(left) })
        }
        [0, 0, 1, _, _, _, marks, ..] if marks >> 6 != 2 => {
            invalid("the bits before PES_scrambling_control", (marks >> 6).into(), "2")
        }
        [0, 0, 1, _, _, _, marks, ..] if marks & 0x30 != 0 => Err(Fault::Scrambled),
        [0, 0, 1, _, high, low, _, flags, len, ref fields @ ..] => {
            let length = usize::from(u16::from_be_bytes([high, low]));
            let left = match length.checked_sub(3 + usize::from(len)) {
                Some(left) => Some(left),
                None if length == 0 => None,
                None => return invalid("PES_packet_length", length as u64, "room for the header"),
            };
            Ok(Begun { stamps: stamps(flags, fields), left })
        }
        _ => {
            let value = header.iter().take(3).fold(0, |value, &byte| value << 8 | u64::from(byte));
            invalid("packet_start_code_prefix", value, "0x000001")
        }
    }
}

/// Stream numbers of packets without flags and stamps (table 2-22).
fn is_bare(stream_id: u8) -> bool {
    matches!(stream_id, 0xBC | 0xBE | 0xBF | 0xF0..=0xF2 | 0xF8 | 0xFF)
}

/// PTS and DTS; none where the marker bits say that these are none.
fn stamps(flags: u8, fields: &[u8]) -> Option<Stamps> {
    let pts = (flags & 0x80 != 0).then(|| stamp(fields.first_chunk()?))??;
    let dts = if flags & 0x40 == 0 { pts } else { stamp(fields.get(5..)?.first_chunk()?).unwrap_or(pts) };
    Some(Stamps { pts, dts })
}

fn stamp(bytes: &[u8; 5]) -> Option<u64> {
    let word = bytes.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
    let marked = bytes[0] & bytes[2] & bytes[4] & 1 == 1;
    marked.then_some((word >> 33 & 7) << 30 | (word >> 17 & 0x7FFF) << 15 | word >> 1 & 0x7FFF)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pes::{Header, stream_id};

    fn read(payloads: &[&[u8]]) -> (Vec<String>, Option<Fault>) {
        let (mut reader, mut parts) = (Reader::default(), Vec::new());
        reader.start();
        for payload in payloads {
            let mut sink = |part: Part<'_>| parts.push(format!("{part:?}"));
            if let Err(fault) = reader.push(7, payload, &mut sink) {
                return (parts, Some(fault));
            }
        }
        (parts, None)
    }

    #[test]
    fn what_we_write_in_any_parts() {
        let header = Header::new(stream_id::VIDEO, (1 << 33) - 1, 900_000, 3).expect("fits");
        let bytes = [header.bytes(), &[1, 2, 3, 0xFF]].concat();
        let begin = "Begin(Some(Stamps { pts: 8589934591, dts: 900000 }))";
        assert_eq!(read(&[&bytes]).0, [begin, "Data([1, 2, 3])", "End"]);
        for at in 0..header.bytes().len() {
            let (one, two) = bytes.split_at(at);
            assert_eq!(read(&[one, two]).0, [begin, "Data([1, 2, 3])", "End"]);
        }
    }

    #[test]
    fn without_a_length_it_goes_on() {
        let (parts, _) = read(&[&[0, 0, 1, 0xE0, 0, 0, 0x80, 0, 1, 0xFF, 5], &[6]]);
        assert_eq!(parts, ["Begin(None)", "Data([5])", "Data([6])"]);
        let (parts, _) = read(&[&[0, 0, 1, 0xBF, 0, 2, 8, 9, 10]]);
        assert_eq!(parts, ["Begin(None)", "Data([8, 9])", "End"]);
        let (parts, _) = read(&[&[0, 0, 1, 0xBD, 0, 3, 0x80, 0, 0]]);
        assert_eq!(parts, ["Begin(None)", "End"]);
    }

    #[test]
    fn malformed_headers_are_told() {
        assert_eq!(read(&[&[0, 0, 1, 0xC0, 0, 9, 0x90, 0, 0]]).1, Some(Fault::Scrambled));
        for bytes in [
            &[0, 0, 2, 0xC0, 0, 9][..],
            &[0, 0, 1, 0xC0, 0, 9, 0x40, 0, 0],
            &[0, 0, 1, 0xC0, 0, 2, 0x80, 0, 0],
        ] {
            assert!(matches!(read(&[bytes]).1, Some(Fault::Error(Error::Invalid { .. }))), "{bytes:x?}");
        }
        let (parts, _) = read(&[&[0, 0, 1, 0xC0, 0, 8, 0x80, 0x80, 5, 0x21, 0, 0, 0, 1]]);
        assert_eq!(parts, ["Begin(None)", "End"], "marker bits");
        let (parts, _) = read(&[&[0, 0, 1, 0xC0, 0, 4, 0x80, 0xC0, 1, 0x21]]);
        assert_eq!(parts, ["Begin(None)", "End"], "no room for the stamps");
    }
}
