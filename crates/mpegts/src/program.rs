//! The tracks of the program, their PIDs and the tables that announce them.

use bytes::BytesMut;
use media::{Codec, Kind, Timestamp, Track, TrackId};

use crate::es;
use crate::mux::Omitted;
use crate::packet::Pid;
use crate::psi::{self, Entry, MAX_STREAMS_BYTES, NO_PCR, PAT_PID, PMT_PID};

/// PID of the first video track; all others follow, up to that of the program map.
const FIRST_PID: u16 = 0x100;

/// version_number has five bits (2.4.4.9); the empty program has the last, so the first real map has 0.
const LAST_VERSION: u8 = 31;

/// A track, carried now or before.
#[derive(Debug)]
pub(crate) struct Stream {
    track: TrackId,
    pub(crate) codec: Codec,
    pub(crate) pid: Pid,
    /// Its place in the program map; none while it is not carried.
    entry: Option<Entry>,
    /// Decode time of the last frame sent.
    pub(crate) last_dts: Option<Timestamp>,
    /// A frame was left out; nothing is sent before the next key frame.
    pub(crate) torn: bool,
}

impl Stream {
    fn new(track: &Track, entry: Entry) -> Self {
        Self {
            track: track.id,
            codec: track.codec.clone(),
            pid: Pid::new(entry.pid),
            entry: Some(entry),
            last_dts: None,
            torn: false,
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        self.codec.kind()
    }
}

/// All tracks ever carried, and the tables for those carried now.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) streams: Vec<Stream>,
    /// The stream whose PID carries the clock.
    pub(crate) clock: Option<usize>,
    pat_pid: Pid,
    pmt_pid: Pid,
    pat: Vec<u8>,
    pmt: Vec<u8>,
    version: u8,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self {
            streams: Vec::new(),
            clock: None,
            pat_pid: Pid::new(PAT_PID),
            pmt_pid: Pid::new(PMT_PID),
            pat: psi::pat(),
            pmt: psi::pmt(LAST_VERSION, NO_PCR, &[], &[]),
            version: LAST_VERSION,
        }
    }

    /// Where the carried track stands in `streams`.
    pub(crate) fn position(&self, track: TrackId) -> Option<usize> {
        self.streams.iter().position(|stream| stream.track == track && stream.entry.is_some())
    }

    pub(crate) fn clock_stream(&mut self) -> Option<&mut Stream> {
        self.clock.and_then(|index| self.streams.get_mut(index))
    }

    pub(crate) fn clock_pid(&self) -> u16 {
        self.clock.and_then(|index| self.streams.get(index)).map_or(NO_PCR, |stream| stream.pid.number())
    }

    /// Returns the tracks that cannot be carried, and whether the program map has changed.
    pub(crate) fn set_tracks(&mut self, tracks: &[Track]) -> (Vec<Omitted>, bool) {
        for stream in &mut self.streams {
            stream.entry = None;
        }
        let mut tracks: Vec<_> = tracks.iter().collect();
        tracks.sort_by_key(|track| track.id);
        let mut omitted = Vec::new();
        let mut room = MAX_STREAMS_BYTES - psi::registration(b"CUEI").len();
        for track in tracks {
            if let Err(reason) = self.adopt(track, &mut room) {
                omitted.push(Omitted { track: track.id, reason });
            }
        }
        self.clock = self.choose_clock();
        (omitted, self.update_map())
    }

    /// Takes a track into the program, as long as `room` bytes of the map suffice.
    fn adopt(&mut self, track: &Track, room: &mut usize) -> Result<(), &'static str> {
        let (stream_type, descriptors) = es::describe(&track.codec)?;
        let known = self.streams.iter().position(|stream| stream.track == track.id);
        let pid = match known {
            Some(index) => self.streams[index].pid.number(),
            None => self.free_pid(track.codec.kind()).ok_or("no PID is left")?,
        };
        let entry = Entry { pid, stream_type, descriptors };
        *room = room.checked_sub(entry.len()).ok_or("the program map is full")?;
        match known {
            Some(index) => {
                self.streams[index].codec = track.codec.clone();
                self.streams[index].entry = Some(entry);
            }
            None => self.streams.push(Stream::new(track, entry)),
        }
        Ok(())
    }

    fn free_pid(&self, kind: Kind) -> Option<u16> {
        let first = if kind == Kind::Video { FIRST_PID } else { FIRST_PID + 1 };
        (first..PMT_PID).find(|&pid| self.streams.iter().all(|stream| stream.pid.number() != pid))
    }

    /// The first video track, else the first audio track, else any with stamps.
    fn choose_clock(&self) -> Option<usize> {
        let rank = |stream: &Stream| match stream.kind() {
            Kind::Video => 0,
            Kind::Audio => 1,
            Kind::Data => 2,
        };
        let carried =
            |(_, stream): &(usize, &Stream)| stream.entry.is_some() && !es::is_sections(&stream.codec);
        let streams = self.streams.iter().enumerate().filter(carried);
        streams.min_by_key(|(_, stream)| (rank(stream), stream.track)).map(|(index, _)| index)
    }

    fn update_map(&mut self) -> bool {
        let mut entries: Vec<_> = self.streams.iter().filter_map(|stream| stream.entry.clone()).collect();
        entries.sort_by_key(|entry| entry.pid);
        let info = es::program_info(entries.iter().map(|entry| entry.stream_type));
        let clock_pid = self.clock_pid();
        let map = |version| psi::pmt(version, clock_pid, &info, &entries);
        if map(self.version) == self.pmt {
            return false;
        }
        self.version = (self.version + 1) & LAST_VERSION;
        self.pmt = map(self.version);
        true
    }

    fn carried(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|stream| stream.entry.is_some())
    }

    pub(crate) fn write_tables(&mut self, out: &mut BytesMut) {
        psi::write_section(&mut self.pat_pid, &self.pat, out);
        psi::write_section(&mut self.pmt_pid, &self.pmt, out);
    }

    pub(crate) fn write_splice(&self, pcr: Option<u64>, out: &mut BytesMut) {
        self.pat_pid.write_splice(None, out);
        self.pmt_pid.write_splice(None, out);
        let clock = self.clock_pid();
        for stream in self.carried() {
            stream.pid.write_splice(pcr.filter(|_| stream.pid.number() == clock), out);
        }
    }

    pub(crate) fn mark_discontinuity(&mut self) {
        self.pat_pid.mark_discontinuity();
        self.pmt_pid.mark_discontinuity();
        for stream in &mut self.streams {
            stream.pid.mark_discontinuity();
        }
    }
}
