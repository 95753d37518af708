//! The demultiplexer: bytes in, access units of one program out (ISO/IEC 13818-1).
//!
//! Bytes may come in any parts: of a file, or as the payloads of UDP, RTP or SRT. Packets that are missing damage what they
//! were a part of and nothing else. Stamps are given as they came, in 33 bits of 90 kHz; where a PES packet has several
//! access units, the others follow by their samples or the picture rate.
//!
//! Inside: `sync` finds the packets, `packet` reads them, `section` and `programs` follow the tables, `form` says what a stream
//! is, `stream` is one of them, with `pes` before and `pictures` and `sound` behind it.

mod form;
mod packet;
mod pes;
mod pictures;
mod programs;
mod section;
mod sound;
mod stream;
mod sync;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use media::{Codec, Kind, TrackId};

use self::form::Form;
use self::packet::{NULL_PID, Packet};
use self::pes::Stamps;
use self::programs::Programs;
use self::section::Map;
use self::stream::Stream;
use self::sync::Sync;
use crate::{Error, PACKET_BYTES};

/// A packet identifier.
pub type Pid = u16;

/// Values of PTS and DTS.
const WRAP: u64 = 1 << 33;
/// Values of a clock reference in 27 MHz.
const CLOCK_WRAP: u64 = WRAP * 300;
/// A clock reference that is further on than this has jumped; 0.1 s is what is allowed (2.7.2).
const CLOCK_JUMP: u64 = 27_000_000;
/// Stamps of data may be so far from the program's clock, in 90 kHz: 10 s.
const PLAUSIBLE: u64 = 900_000;
/// In fewer bytes fewer packets are proof of a transport stream.
const SHORT_BYTES: usize = 5 * 204;
/// Streams of a program; more are not looked at.
const MAX_STREAMS: usize = 64;
/// Kinds of unsupported things that are remembered, and so said once; what comes after those is not said.
const MAX_REPORTS: usize = 64;

/// What is taken of a stream, and how much is held for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The program to be taken; without it the first in the association that has sound or pictures.
    pub program: Option<u16>,
    /// Bytes of one access unit, and of PES packets that are not complete, at most.
    pub unit_bytes: usize,
    /// Bytes of all streams together that are held at most.
    pub held_bytes: usize,
}

impl Default for Settings {
    /// The first program, 16 MiB and 32 MiB.
    fn default() -> Self {
        Self { program: None, unit_bytes: 16 << 20, held_bytes: 32 << 20 }
    }
}

/// A program of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// program_number.
    pub number: u16,
    /// It is the one that is taken.
    pub chosen: bool,
    /// What it has, in the order of its map; empty until that has come.
    pub streams: Vec<Elementary>,
}

/// An elementary stream of a program, as its map says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elementary {
    /// Where it is.
    pub pid: Pid,
    /// stream_type.
    pub stream_type: u8,
    /// What that means, for people.
    pub name: String,
    /// The track that it becomes; none where it is not carried, and in programs that are not taken.
    pub track: Option<TrackId>,
}

/// What came out of the stream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Media {
    /// The programs there are, at first and when anything in them has changed.
    Programs(Vec<Program>),
    /// A track with its codec, before its first access unit and when that changes; what is not parsed, as soon as the map has
    /// it. The first pictures are track 0 and the first sound is track 1.
    Track {
        /// Which.
        id: TrackId,
        /// Its configuration.
        codec: Codec,
    },
    /// The program has this track no more. Its number may be used again.
    Removed {
        /// Which.
        id: TrackId,
    },
    /// An access unit.
    Unit {
        /// Of this track.
        track: TrackId,
        /// Presentation time in 90 kHz, 33 bits.
        pts: u64,
        /// Decode time in 90 kHz, 33 bits. Sections have no stamps; theirs are those of what came before them.
        dts: u64,
        /// Decoding may start here.
        key: bool,
        /// As in [`media::Frame::data`].
        data: Bytes,
    },
    /// Something was left out.
    Damaged {
        /// Of this track; none where it is about tables.
        track: Option<TrackId>,
        /// Why.
        error: Error,
    },
    /// Something that cannot be carried; each is said once.
    Unsupported {
        /// What, for people.
        what: String,
    },
    /// The program clock does not go on where it was. Stamps behind it may not either.
    Jump {
        /// The last clock reference before, in 27 MHz.
        from: u64,
        /// The first one behind.
        to: u64,
        /// It was announced (discontinuity_indicator).
        marked: bool,
    },
}

/// Makes access units of a transport stream.
///
/// After each [`Demux::push`] ask [`Demux::poll`] until there is nothing more.
#[derive(Debug)]
pub struct Demux {
    sync: Sync,
    programs: Programs,
    streams: BTreeMap<Pid, Stream>,
    pcr_pid: Pid,
    pcr: Option<u64>,
    held: usize,
    out: Output,
}

impl Demux {
    /// Before the first byte.
    pub fn new(settings: Settings) -> Self {
        Self {
            sync: Sync::default(),
            programs: Programs::new(settings.program),
            streams: BTreeMap::new(),
            pcr_pid: NULL_PID,
            pcr: None,
            held: 0,
            out: Output { settings, ..Output::default() },
        }
    }

    /// Takes bytes. What comes out of them waits for [`Demux::poll`], and is about as much.
    pub fn push(&mut self, bytes: &[u8]) {
        self.sync.push(bytes);
        while let Some(packet) = self.sync.next_packet() {
            self.packet(&packet);
        }
    }

    /// The end has come: gives what was only waited for.
    pub fn finish(&mut self) {
        self.sync.finish();
        self.push(&[]);
        if self.programs.finish() {
            self.tables_changed();
        }
        for stream in self.streams.values_mut() {
            stream.finish(&mut self.out);
        }
        self.held = 0;
    }

    /// What came out so far, in order.
    pub fn poll(&mut self) -> Option<Media> {
        self.out.queue.pop_front()
    }

    /// The newest clock reference of the program, in 27 MHz.
    pub fn clock(&self) -> Option<u64> {
        self.pcr
    }

    /// Transport packets of the tracks that came so far.
    pub fn packets(&self) -> u64 {
        self.out.packets
    }

    /// Transport packets of the tracks that are missing so far, by their continuity counters: at least so many.
    pub fn lost(&self) -> u64 {
        self.out.lost
    }

    /// Bytes passed over so far that were no transport packets.
    pub fn skipped(&self) -> u64 {
        self.sync.skipped()
    }

    fn packet(&mut self, bytes: &[u8; PACKET_BYTES]) {
        let packet = Packet::new(bytes);
        let pid = packet.pid();
        self.programs.count_packet();
        if packet.is_broken() || pid == NULL_PID {
            return;
        }
        if pid == self.pcr_pid {
            self.note_clock(packet);
        }
        if self.programs.has(pid) {
            if self.programs.packet(packet, &mut self.out) {
                self.tables_changed();
            }
        } else if let Some(stream) = self.streams.get_mut(&pid) {
            self.out.packets += 1;
            self.held -= stream.len();
            stream.packet(packet, &mut self.out);
            let Settings { unit_bytes, held_bytes, .. } = self.out.settings;
            if stream.len() > unit_bytes {
                stream.overflow(unit_bytes, &mut self.out);
            } else if self.held + stream.len() > held_bytes {
                stream.overflow(held_bytes, &mut self.out);
            }
            self.held += stream.len();
        }
    }

    fn note_clock(&mut self, packet: Packet<'_>) {
        let Some(to) = packet.pcr() else { return };
        let marked = packet.is_discontinuous();
        self.out.clock = Some(to / 300 % WRAP);
        if let Some(from) = self.pcr.replace(to) {
            let step = (to % CLOCK_WRAP + CLOCK_WRAP - from % CLOCK_WRAP) % CLOCK_WRAP;
            if marked || step > CLOCK_JUMP {
                self.out.queue.push_back(Media::Jump { from, to, marked });
            }
        }
    }

    fn tables_changed(&mut self) {
        match self.programs.map().cloned() {
            Some(map) => self.apply(&map),
            None if self.programs.chosen.is_none() => {
                self.apply(&Map { program: 0, pcr_pid: NULL_PID, info: Vec::new(), streams: Vec::new() })
            }
            None => {}
        }
        let programs = self.describe();
        self.out.queue.push_back(Media::Programs(programs));
    }

    /// Makes the streams those of the map; what stays as it was goes on.
    fn apply(&mut self, map: &Map) {
        if self.pcr_pid != map.pcr_pid {
            (self.pcr_pid, self.pcr) = (map.pcr_pid, None);
            (self.out.clock, self.out.newest) = (None, None);
        }
        let mut forms = Vec::new();
        for entry in &map.streams {
            if forms.len() == MAX_STREAMS {
                self.out.unsupported(format!("more than {MAX_STREAMS} streams in a program"));
                break;
            }
            // The first entry of a PID counts.
            if forms.iter().all(|&(pid, _)| pid != entry.pid) && entry.pid != NULL_PID {
                forms.push((entry.pid, Form::of(entry, &map.info)));
            }
        }
        let mut old = std::mem::take(&mut self.streams);
        // A stream that goes on keeps its number, and so does one that is coded anew.
        for &(pid, ref form) in &forms {
            let Some(mut stream) = old.remove(&pid) else { continue };
            if stream.form != *form {
                stream.finish(&mut self.out);
                if stream.form.kind() != form.kind() {
                    old.insert(pid, stream);
                    continue;
                }
                stream = Stream::new(pid, stream.track, form.clone());
            }
            self.streams.insert(pid, stream);
        }
        for stream in old.values_mut() {
            stream.finish(&mut self.out);
            self.out.remove(stream.track);
        }
        for (pid, form) in forms {
            if !self.streams.contains_key(&pid) {
                let track = self.free_track(form.kind());
                self.streams.insert(pid, Stream::new(pid, track, form));
            }
        }
        self.streams.values().for_each(|stream| stream.announce(&mut self.out));
        for stream in self.streams.values().filter(|stream| !stream.is_carried()) {
            self.out.unsupported(format!("{} on PID {:#x}", stream.form, stream.pid));
        }
        self.held = self.streams.values().map(Stream::len).sum();
        let has_media = self.streams.values().any(|stream| stream.form.kind() != Kind::Data);
        self.out.has_clock = has_media || self.pcr_pid != NULL_PID;
    }

    /// The first pictures and the first sound have numbers of their own.
    fn free_track(&self, kind: Kind) -> TrackId {
        let taken = |id: &TrackId| self.streams.values().any(|stream| stream.track == *id);
        let first = match kind {
            Kind::Video => Some(TrackId::VIDEO),
            Kind::Audio => Some(TrackId::AUDIO),
            Kind::Data => None,
        };
        let others = (TrackId::AUDIO.0 + 1..).map(TrackId);
        // There are fewer streams than numbers.
        first.into_iter().chain(others).find(|id| !taken(id)).unwrap_or(TrackId(u16::MAX))
    }

    fn describe(&self) -> Vec<Program> {
        let program = |known: &programs::Known| {
            let chosen = self.programs.chosen == Some(known.number);
            let stream = |map: &Map, entry: &section::Entry| {
                let stream = self.streams.get(&entry.pid).filter(|stream| chosen && stream.is_carried());
                Elementary {
                    pid: entry.pid,
                    stream_type: entry.stream_type,
                    name: Form::of(entry, &map.info).to_string(),
                    track: stream.map(|stream| stream.track),
                }
            };
            let streams =
                known.map.as_ref().map(|map| map.streams.iter().map(|entry| stream(map, entry)).collect());
            Program { number: known.number, chosen, streams: streams.unwrap_or_default() }
        };
        self.programs.known.iter().map(program).collect()
    }
}

/// Whether bytes, the first of a file, are those of a transport stream, of packets of 188, 192 or 204 bytes. Something else may be
/// before it.
pub fn is_transport_stream(bytes: &[u8]) -> bool {
    let mut sync = Sync::default();
    sync.push(bytes);
    if bytes.len() < SHORT_BYTES {
        sync.finish();
    }
    sync.next_packet().is_some()
}

/// What waits to be fetched, and what all streams know.
#[derive(Debug, Default)]
struct Output {
    settings: Settings,
    queue: VecDeque<Media>,
    reported: BTreeSet<String>,
    announced: BTreeMap<TrackId, Codec>,
    newest: Option<Stamps>,
    /// The program clock in 90 kHz.
    clock: Option<u64>,
    /// There is to be such a clock, or sound or pictures that tell the time.
    has_clock: bool,
    /// Packets of the tracks that came, and that are missing.
    packets: u64,
    lost: u64,
}

impl Output {
    /// The stamps of the sound or pictures that began last, or else of the clock.
    fn newest(&self) -> Option<Stamps> {
        self.newest.or_else(|| self.clock.map(|dts| Stamps { pts: dts, dts }))
    }

    /// A PES packet of sound or pictures begins.
    fn begin(&mut self, stamps: Option<Stamps>) {
        // Decode time for both: sections are not reordered.
        self.newest = stamps.map(|Stamps { dts, .. }| Stamps { pts: dts, dts }).or(self.newest);
    }

    /// The stamps of something else, if they are of the program's clock. Teletext is known to come with those of another one,
    /// and would take all the program with it.
    fn plausible(&self, stamps: Option<Stamps>) -> Option<Stamps> {
        let clock = self.clock.or_else(|| Some(self.newest?.dts));
        let is_near = |stamps: &Stamps| {
            let distance = |clock: u64| {
                (stamps.dts.wrapping_sub(clock) % WRAP).min(clock.wrapping_sub(stamps.dts) % WRAP)
            };
            clock.map_or(!self.has_clock, |clock| distance(clock) <= PLAUSIBLE)
        };
        stamps.filter(is_near)
    }

    fn track(&mut self, id: TrackId, codec: Option<&Codec>) {
        if let Some(codec) = codec.cloned().filter(|codec| self.announced.get(&id) != Some(codec)) {
            self.announced.insert(id, codec.clone());
            self.queue.push_back(Media::Track { id, codec });
        }
    }

    fn remove(&mut self, id: TrackId) {
        if self.announced.remove(&id).is_some() {
            self.queue.push_back(Media::Removed { id });
        }
    }

    fn unit(&mut self, unit: Media) {
        self.queue.push_back(unit);
    }

    fn damaged(&mut self, track: TrackId, error: Error) {
        self.queue.push_back(Media::Damaged { track: Some(track), error });
    }

    /// What cannot be carried is said once, what is broken each time.
    fn refused(&mut self, track: TrackId, error: Error) {
        match error {
            Error::Media { source: media::Error::Unsupported { .. }, .. } => {
                self.unsupported(error.to_string())
            }
            error => self.damaged(track, error),
        }
    }

    fn broken(&mut self, error: Error) {
        self.queue.push_back(Media::Damaged { track: None, error });
    }

    fn unsupported(&mut self, what: String) {
        if self.reported.len() < MAX_REPORTS && self.reported.insert(what.clone()) {
            self.queue.push_back(Media::Unsupported { what });
        }
    }
}
