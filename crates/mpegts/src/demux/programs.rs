//! Which programs there are, and which one is taken.

use std::collections::BTreeMap;

use media::Kind;

use super::form::Form;
use super::packet::{Continuity, Packet, Step};
use super::section::{Association, Map, Sections};
use super::{Output, Pid};

/// Programs that are known at a time; more are not looked at.
const MAX_PROGRAMS: usize = 256;
/// The first program is chosen when the maps of those before it are known, or the association has come so often without them.
const PATIENCE: u32 = 4;
/// The same in packets, for streams with a rare association.
const PATIENCE_PACKETS: u32 = 20_000;

/// A program, and the last map of it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) number: u16,
    pub(super) map_pid: Pid,
    pub(super) map: Option<Map>,
}

impl Known {
    fn has_media(&self) -> bool {
        self.map.as_ref().is_some_and(|map| {
            map.streams.iter().any(|entry| Form::of(entry, &map.info).kind() != Kind::Data)
        })
    }

    fn has_streams(&self) -> bool {
        self.map.as_ref().is_some_and(|map| !map.streams.is_empty())
    }
}

#[derive(Debug, Default)]
struct Reader {
    continuity: Continuity,
    sections: Sections,
}

impl Reader {
    fn push(&mut self, packet: Packet<'_>, found: &mut dyn FnMut(&[u8])) {
        let step = self.continuity.step(packet);
        if matches!(step, Step::Lost(_) | Step::Cut) {
            self.sections.lost();
        }
        if let Some(payload) = packet.payload().filter(|_| step != Step::Same) {
            self.sections.push(packet.starts(), payload, found);
        }
    }
}

/// All programs of the stream, by the tables.
#[derive(Debug, Default)]
pub(super) struct Programs {
    wanted: Option<u16>,
    association: Reader,
    /// Sections of the association by their numbers, until all have come.
    parts: BTreeMap<u8, Association>,
    maps: BTreeMap<Pid, Reader>,
    pub(super) known: Vec<Known>,
    pub(super) chosen: Option<u16>,
    /// How often the association has come, and packets since it did first.
    seen: u32,
    packets: u32,
}

impl Programs {
    pub(super) fn new(wanted: Option<u16>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Whether there are tables on this PID.
    pub(super) fn has(&self, pid: Pid) -> bool {
        pid == crate::PAT_PID || self.maps.contains_key(&pid)
    }

    pub(super) fn count_packet(&mut self) {
        self.packets = self.packets.saturating_add(u32::from(self.seen > 0));
    }

    /// The map of the program that was chosen.
    pub(super) fn map(&self) -> Option<&Map> {
        let chosen = self.chosen?;
        self.known.iter().find(|program| program.number == chosen)?.map.as_ref()
    }

    /// Takes a packet with tables. Says whether anything has changed.
    pub(super) fn packet(&mut self, packet: Packet<'_>, out: &mut Output) -> bool {
        let pid = packet.pid();
        let reader =
            if pid == crate::PAT_PID { Some(&mut self.association) } else { self.maps.get_mut(&pid) };
        let mut found = Vec::new();
        if let Some(reader) = reader {
            reader.push(packet, &mut |section| found.push(section.to_vec()));
        }
        let mut changed = false;
        for section in found {
            changed |= if pid == crate::PAT_PID {
                self.associate(&section, out)
            } else {
                self.describe(pid, &section, out)
            };
        }
        changed |= self.choose(self.seen >= PATIENCE || self.packets >= PATIENCE_PACKETS);
        changed
    }

    /// All has come.
    pub(super) fn finish(&mut self) -> bool {
        self.choose(true)
    }

    fn associate(&mut self, section: &[u8], out: &mut Output) -> bool {
        let part = match Association::decode(crate::PAT_PID, section) {
            Ok(Some(part)) => part,
            Ok(None) => return false,
            Err(error) => {
                out.broken(error);
                return false;
            }
        };
        if self.parts.values().any(|other| (other.stream, other.last) != (part.stream, part.last)) {
            self.parts.clear();
        }
        let last = part.last;
        self.seen += u32::from(part.number == 0);
        self.parts.insert(part.number, part);
        if !(0..=last).all(|number| self.parts.contains_key(&number)) {
            return false;
        }
        let mut programs: Vec<_> =
            self.parts.values().flat_map(|part| part.programs.iter().copied()).collect();
        if last > 0 {
            // Another version is told by its content: all of it is to come again.
            self.parts.clear();
        }
        if programs.len() > MAX_PROGRAMS {
            out.unsupported(format!("more than {MAX_PROGRAMS} programs"));
            programs.truncate(MAX_PROGRAMS);
        }
        if programs.iter().copied().eq(self.known.iter().map(|known| (known.number, known.map_pid))) {
            return false;
        }
        let mut old = std::mem::take(&mut self.known);
        for (number, map_pid) in programs {
            let same = old.iter().position(|known| (known.number, known.map_pid) == (number, map_pid));
            let fresh = Known { number, map_pid, map: None };
            self.known.push(same.map_or(fresh, |same| old.swap_remove(same)));
            self.maps.entry(map_pid).or_default();
        }
        let known = &self.known;
        self.maps.retain(|&pid, _| known.iter().any(|program| program.map_pid == pid));
        true
    }

    fn describe(&mut self, pid: Pid, section: &[u8], out: &mut Output) -> bool {
        let map = match Map::decode(pid, section) {
            Ok(Some(map)) => map,
            Ok(None) => return false,
            Err(error) => {
                out.broken(error);
                return false;
            }
        };
        let mine = |known: &&mut Known| known.number == map.program && known.map_pid == pid;
        let Some(program) = self.known.iter_mut().find(mine) else { return false };
        // By its content and not its version, which some encoders begin anew.
        if program.map.as_ref() == Some(&map) {
            return false;
        }
        program.map = Some(map);
        true
    }

    /// Chooses the program, and again where the chosen one has gone. Says whether that is another one.
    fn choose(&mut self, hurry: bool) -> bool {
        let before = self.chosen;
        let is_known = |chosen: &u16| self.known.iter().any(|program| program.number == *chosen);
        self.chosen = self.chosen.filter(is_known).or_else(|| match self.wanted {
            Some(wanted) => Some(wanted).filter(is_known),
            None => self.first(hurry),
        });
        self.chosen != before
    }

    /// The first program with media; where none has, the first with anything.
    fn first(&self, hurry: bool) -> Option<u16> {
        let number = |program: &Known| program.number;
        for program in &self.known {
            if program.has_media() {
                return Some(program.number);
            }
            if program.map.is_none() && !hurry {
                return None;
            }
        }
        self.known.iter().find(|program| program.has_streams()).map(number)
    }
}
