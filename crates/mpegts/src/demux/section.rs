//! Sections out of packets (ISO/IEC 13818-1 2.4.4), and the tables that are read here: the association and the maps.

use super::Pid;
use crate::Error;
use crate::psi::{PAT_TABLE, PMT_TABLE, crc32};

/// Bytes of a private section at most (2.4.4.11).
const MAX_BYTES: usize = 4096;
/// What fills a packet behind its last section.
const STUFFING: u8 = 0xFF;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(super) struct Sections {
    buffer: Vec<u8>,
    /// The beginning of what is in `buffer` has been seen.
    open: bool,
}

impl Sections {
    /// Packets are missing. Says whether a section was open, which is lost then.
    pub(super) fn lost(&mut self) -> bool {
        self.buffer.clear();
        std::mem::take(&mut self.open)
    }

    /// Bytes that are held.
    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the payload of a packet; `starts` is its payload_unit_start_indicator. Gives each section that is complete.
    pub(super) fn push(&mut self, starts: bool, payload: &[u8], found: &mut dyn FnMut(&[u8])) {
        let Some((&pointer, rest)) = payload.split_first().filter(|_| starts) else {
            return self.append(payload, found);
        };
        let Some((before, behind)) = rest.split_at_checked(pointer.into()) else {
            self.lost();
            return;
        };
        self.append(before, found);
        self.buffer.clear();
        self.open = true;
        self.append(behind, found);
    }

    fn append(&mut self, bytes: &[u8], found: &mut dyn FnMut(&[u8])) {
        if !self.open {
            return;
        }
        self.buffer.extend_from_slice(bytes);
        while let &[table, high, low, ..] = &self.buffer[..] {
            let len = 3 + usize::from(u16::from_be_bytes([high & 0x0F, low]));
            if table == STUFFING || len > MAX_BYTES {
                self.lost();
                return;
            }
            let Some(section) = self.buffer.get(..len) else { return };
            found(section);
            self.buffer.drain(..len);
        }
        if self.buffer.first() == Some(&STUFFING) {
            self.lost();
        }
    }
}

/// A section of the long form (2.4.4.11), checked.
#[derive(Debug)]
struct Table<'a> {
    extension: u16,
    number: u8,
    last: u8,
    body: &'a [u8],
}

impl<'a> Table<'a> {
    /// None for one of another table, and for one that is not valid yet.
    fn decode(pid: Pid, table: u8, section: &'a [u8]) -> Result<Option<Self>, Error> {
        let Some((&head, body)) = section.split_first_chunk::<8>() else { return Ok(None) };
        let (true, Some(end)) = (head[0] == table && head[1] & 0x80 != 0, body.len().checked_sub(4)) else {
            return Ok(None);
        };
        if crc32(section) != 0 {
            return Err(Error::Crc { pid });
        }
        // current_next_indicator
        if head[5] & 1 == 0 {
            return Ok(None);
        }
        let extension = u16::from_be_bytes([head[3], head[4]]);
        Ok(Some(Self { extension, number: head[6], last: head[7], body: &body[..end] }))
    }
}

/// A section of the program association (2.4.4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Association {
    /// transport_stream_id
    pub(super) stream: u16,
    pub(super) number: u8,
    pub(super) last: u8,
    /// Programs and the PIDs of their maps, without the network information.
    pub(super) programs: Vec<(u16, Pid)>,
}

impl Association {
    pub(super) fn decode(pid: Pid, section: &[u8]) -> Result<Option<Self>, Error> {
        let Some(table) = Table::decode(pid, PAT_TABLE, section)? else { return Ok(None) };
        let (entries, _) = table.body.as_chunks::<4>();
        let programs = entries.iter().map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), pid_of(c, d)));
        let programs = programs.filter(|&(program, _)| program != 0).collect();
        Ok(Some(Self { stream: table.extension, number: table.number, last: table.last, programs }))
    }
}

/// One elementary stream in a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) pid: Pid,
    pub(super) stream_type: u8,
    pub(super) descriptors: Vec<u8>,
}

/// The map of a program (2.4.4.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) program: u16,
    pub(super) pcr_pid: Pid,
    pub(super) info: Vec<u8>,
    pub(super) streams: Vec<Entry>,
}

impl Map {
    pub(super) fn decode(pid: Pid, section: &[u8]) -> Result<Option<Self>, Error> {
        let Some(table) = Table::decode(pid, PMT_TABLE, section)? else { return Ok(None) };
        let mut rest = table.body;
        let parsed = (|| {
            let (&[a, b], behind) = rest.split_first_chunk()?;
            rest = behind;
            let info = counted(&mut rest)?.to_vec();
            let mut streams = Vec::new();
            while !rest.is_empty() {
                let (&[stream_type, high, low], behind) = rest.split_first_chunk()?;
                rest = behind;
                let descriptors = counted(&mut rest)?.to_vec();
                streams.push(Entry { pid: pid_of(high, low), stream_type, descriptors });
            }
            Some(Self { program: table.extension, pcr_pid: pid_of(a, b), info, streams })
        })();
        let what = "program map";
        let value = table.body.len() as u64;
        let wrong = Error::Invalid { pid, what, field: "length", value, expected: "descriptors within it" };
        parsed.map(Some).ok_or(wrong)
    }
}

fn pid_of(high: u8, low: u8) -> Pid {
    u16::from_be_bytes([high & 0x1F, low])
}

/// What is behind a length of 12 bits.
fn counted<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&[high, low], behind) = rest.split_first_chunk()?;
    let (counted, behind) = behind.split_at_checked(u16::from_be_bytes([high & 0x0F, low]).into())?;
    *rest = behind;
    Some(counted)
}

/// Tags and contents of a loop of descriptors (2.6.1). Stops where a length reaches beyond the end.
pub(super) fn descriptors(mut rest: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&[tag, len], behind) = rest.split_first_chunk()?;
        let (content, behind) = behind.split_at_checked(len.into())?;
        rest = behind;
        Some((tag, content))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::psi;

    fn collect(parts: &[(bool, &[u8])]) -> Vec<Vec<u8>> {
        let (mut sections, mut found) = (Sections::default(), Vec::new());
        for (starts, payload) in parts {
            sections.push(*starts, payload, &mut |section| found.push(section.to_vec()));
            assert!(sections.len() < MAX_BYTES + 184);
        }
        found
    }

    #[test]
    fn several_in_a_packet_and_one_over_several() {
        let (a, b) = ([1, 0, 2, 7, 8], [2, 0, 3, 1, 2, 3]);
        let both = [&[0][..], &a, &b, &[0xFF; 9]].concat();
        assert_eq!(collect(&[(true, &both)]), [&a[..], &b]);
        assert_eq!(
            collect(&[(true, &[0, 2, 0]), (false, &[3, 1]), (true, &[2, 2, 3, 1, 0, 0])]),
            [&b[..], &[1, 0, 0]]
        );
        assert_eq!(collect(&[(false, &a), (true, &[9, 1, 2])]), [[0; 0]; 0], "amid one, and beyond the end");
        assert_eq!(collect(&[(true, &[0, 1, 0x0F, 0xFF, 7])]), [[0; 0]; 0], "too long");
    }

    #[test]
    fn what_was_lost_is_not_completed() {
        let mut sections = Sections::default();
        sections.push(true, &[0, 1, 0, 5, 1, 2], &mut |_| panic!("incomplete"));
        assert!(sections.lost() && !sections.lost());
        sections.push(false, &[3, 4, 5], &mut |_| panic!("without its head"));
    }

    #[test]
    fn our_own_tables() {
        let pat = psi::pat();
        let found = Association::decode(0, &pat).expect("right").expect("a PAT");
        assert_eq!((found.programs, found.last), (vec![(1, 0x1000)], 0));
        let entry = psi::Entry { pid: 0x101, stream_type: 0x81, descriptors: psi::registration(b"AC-3") };
        let pmt = psi::pmt(3, 0x101, &psi::registration(b"CUEI"), std::slice::from_ref(&entry));
        let found = Map::decode(0x1000, &pmt).expect("right").expect("a PMT");
        assert_eq!((found.program, found.pcr_pid, &found.info[2..]), (1, 0x101, &b"CUEI"[..]));
        assert_eq!(found.streams[0].descriptors, entry.descriptors);
        assert_eq!(Map::decode(0, &pat), Ok(None));
        assert_eq!(Association::decode(0, &pat[..11]), Ok(None));
    }

    #[test]
    fn damaged_tables_are_refused() {
        let mut pmt = psi::pmt(3, 0x101, &[], &[]);
        pmt[9] ^= 1;
        assert_eq!(Map::decode(7, &pmt), Err(Error::Crc { pid: 7 }));
        let mut long = psi::pmt(3, 0x101, &[0; 3], &[]);
        long[11] = 9;
        let end = long.len() - 4;
        let crc = crc32(&long[..end]).to_be_bytes();
        long[end..].copy_from_slice(&crc);
        assert!(matches!(Map::decode(7, &long), Err(Error::Invalid { .. })));
    }

    #[test]
    fn descriptor_loops_end_where_they_are_malformed() {
        let found: Vec<_> = descriptors(&[5, 2, 1, 2, 9, 0, 7, 3, 1]).collect();
        assert_eq!(found, [(5, &[1, 2][..]), (9, &[])]);
    }
}
