//! The MPEG-TS carrier: a stream's frames as transport packets, muxed once for HLS and for every viewer.

mod program;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hub::{Context, Entry};
use media::{TimeDelta, Timestamp, Track};
use mpegts::{Mux, Omitted};

use crate::cut::{Cut, Cutter, Part};
use program::{Program, Switch};

/// How often a viewer of a stream without video may start.
const SOUND_START: TimeDelta = TimeDelta::from_millis(500);
/// Room for tables, headers and the stuffing of the last packet.
const SPARE_BYTES: usize = 4 * mpegts::PACKET_BYTES;

/// The base of the transport stream's clock, never another: PTS is hub time from 1970 in 33 bits of 90 kHz, so that
/// it goes on where it was when the program is restarted, on whatever day.
const BASE: Timestamp = Timestamp::ZERO;

/// The packets of one frame, with what readers need to know about them. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Whole transport packets; none where the chunk is only an `end`.
    pub bytes: Bytes,
    /// Decode time of the frame.
    pub dts: Timestamp,
    /// Presentation time of the frame.
    pub pts: Timestamp,
    /// When the frame came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// A viewer may start here: PAT, PMT and a key frame, or sound where there is no video.
    pub start: bool,
    /// To be sent before `bytes` to a viewer that skipped to this chunk; empty unless `start`.
    pub splice: Bytes,
    /// A segment begins with this chunk.
    pub cut: Option<Cut>,
    /// The source has fallen silent: the media, and the open segment, end at this time.
    pub end: Option<Timestamp>,
    /// The frame is a picture of the leading video track.
    pub picture: bool,
    /// The stream's state: epoch and wall clock.
    pub context: Arc<Context>,
    /// The tracks in the PMT: those of the stream that MPEG-TS carries, once a change of theirs took effect.
    pub tracks: Arc<[Track]>,
}

impl hub::Item for Chunk {
    fn size(&self) -> usize {
        self.bytes.len() + self.splice.len()
    }

    fn arrival(&self) -> Duration {
        self.arrival
    }

    fn is_start(&self) -> bool {
        self.start
    }
}

/// What was made of a stream, for a carrier that goes on where another one failed.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// Context and tracks of the newest chunk.
    newest: Option<(Arc<Context>, Arc<[Track]>)>,
    arrival: Duration,
    /// Decode time up to which there is media.
    end: Option<Timestamp>,
    /// Start of the open segment.
    open: Option<Timestamp>,
    target_duration: Option<u32>,
}

impl Past {
    /// Takes note of the next chunk.
    pub fn note(&mut self, chunk: &Chunk) {
        self.newest = Some((Arc::clone(&chunk.context), Arc::clone(&chunk.tracks)));
        self.arrival = chunk.arrival;
        self.end = self.end.max(chunk.end.or(Some(chunk.dts)));
        if let Some(cut) = chunk.cut {
            self.open = Some(cut.start);
            self.target_duration = cut.target_duration.or(self.target_duration);
        } else if chunk.end.is_some() {
            self.open = None;
        }
    }
}

/// Muxes the entries of one rendition.
///
/// Every output starts decodable: nothing is muxed before the first key frame of the video track, and again
/// after each epoch. A change of tracks inside an epoch waits for a key frame too, unless the video itself
/// changed; until then the tracks that stayed the same go on. Where no key frame comes for 12 s, the rest goes on
/// without it.
#[derive(Debug)]
pub struct Carrier {
    cutter: Cutter,
    mux: Mux,
    /// Context of the newest entry.
    context: Option<Arc<Context>>,
    /// What the mux carries now.
    program: Program,
    /// What it is to carry.
    switch: Option<Switch>,
    omitted: Vec<Omitted>,
    skipped: bool,
    last_start: Option<Timestamp>,
    /// Decode time of the newest chunk.
    last: Option<Timestamp>,
    /// When the frame of the newest chunk came in.
    arrival: Duration,
}

impl Carrier {
    /// A carrier whose segments aim at `target`, held to 1 … 12 s.
    pub fn new(target: Duration) -> Self {
        Self {
            cutter: Cutter::new(target),
            mux: Mux::new(BASE),
            context: None,
            program: Program::default(),
            switch: None,
            omitted: Vec::new(),
            skipped: false,
            last_start: None,
            last: None,
            arrival: Duration::ZERO,
        }
    }

    /// A carrier that goes on after another one that made `past`: it begins at the next key frame, with the marks of a
    /// break, and its segments keep to the target duration that was announced.
    pub fn resume(target: Duration, past: &Past) -> Self {
        let mut carrier = Self::new(target);
        let Some((context, tracks)) = past.newest.clone() else { return carrier };
        carrier.cutter = Cutter::after(target, past.open, past.end, past.target_duration);
        // The map that receivers know has the first version: another one that follows gets the next.
        carrier.mux.set_tracks(&tracks);
        carrier.context = Some(context);
        carrier.skipped = true;
        carrier.last = past.end;
        carrier.arrival = past.arrival;
        carrier
    }

    /// Muxes the next entry. None: the frame is left out, for its track is not carried or waits for a key frame.
    pub fn push(&mut self, entry: &Entry) -> Option<Chunk> {
        self.see(entry);
        let frame = &entry.frame;
        if let Some(switch) = self.switch.take_if(|switch| switch.is_due(frame)) {
            return Some(self.join(entry, switch.program));
        }
        if self.switch.as_ref().is_some_and(|switch| !switch.spares(&self.program, frame.track)) {
            return None;
        }
        let part = self.program.part(frame.track)?;
        let gone = self.cutter.lead_is_gone(frame, part);
        let cut = self.cutter.push(frame, part);
        let start = match part {
            Part::Lead if self.program.has_video() => frame.key,
            Part::Lead => cut.is_some() || self.last_start.is_none_or(|last| frame.dts - last >= SOUND_START),
            Part::Follow => cut.is_some() && gone,
            Part::Ride => false,
        };
        Some(self.chunk(entry, cut, start))
    }

    /// Ends the open segment, for a source that has fallen silent. The chunk has no bytes. Media that comes after
    /// all begins a new segment. None: nothing is open.
    pub fn flush(&mut self) -> Option<Chunk> {
        let (context, last) = (self.context.clone()?, self.last?);
        let end = self.cutter.flush()?;
        Some(Chunk {
            bytes: Bytes::new(),
            dts: last,
            pts: last,
            arrival: self.arrival,
            start: false,
            splice: Bytes::new(),
            cut: None,
            end: Some(end),
            picture: false,
            context,
            tracks: Arc::clone(self.program.tracks()),
        })
    }

    /// Entries were missed: what comes next does not go on from what was before.
    pub fn mark_skipped(&mut self) {
        self.skipped = true;
    }

    /// Tracks of the stream that MPEG-TS cannot carry.
    pub fn omitted(&self) -> &[Omitted] {
        &self.omitted
    }

    /// Frames that belonged into the stream and were left out; see [`Mux::dropped`].
    pub fn dropped(&self) -> u64 {
        self.mux.dropped()
    }

    /// Notices what changed between the last entry and this one.
    fn see(&mut self, entry: &Entry) {
        let context = &entry.context;
        let skipped = std::mem::take(&mut self.skipped);
        if !skipped && self.context.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, context)) {
            return;
        }
        let seen = self.context.replace(Arc::clone(context));
        let broken = skipped || seen.as_ref().is_none_or(|seen| seen.epoch.id != context.epoch.id);
        if !broken && seen.is_some_and(|seen| seen.tracks == context.tracks) {
            return;
        }
        let (program, omitted) = Program::new(&context.tracks);
        self.omitted = omitted;
        let now = entry.frame.dts;
        self.switch = match self.switch.take() {
            _ if broken => Some(Switch::hard(program, now)),
            Some(switch) if switch.hard => Some(switch.retarget(program, &self.program)),
            _ if program == self.program => None,
            Some(switch) => Some(switch.retarget(program, &self.program)),
            None => Some(Switch::soft(program, &self.program, now)),
        };
    }

    /// A program takes effect with this entry.
    fn join(&mut self, entry: &Entry, program: Program) -> Chunk {
        let frame = &entry.frame;
        self.mux.set_tracks(program.tracks());
        self.program = program;
        let part = self.program.part(frame.track).unwrap_or(Part::Ride);
        let cut = self.cutter.join(frame, part);
        self.chunk(entry, Some(cut), frame.key)
    }

    fn chunk(&mut self, entry: &Entry, cut: Option<Cut>, start: bool) -> Chunk {
        let frame = &entry.frame;
        let mux = &mut self.mux;
        if self.last.is_some() && cut.is_some_and(|cut| cut.discontinuity) {
            mux.mark_discontinuity();
        }
        let mut splice = BytesMut::new();
        let mut bytes = BytesMut::with_capacity(frame.data.len() + frame.data.len() / 16 + SPARE_BYTES);
        if start {
            mux.splice(&mut splice);
            self.last_start = Some(frame.dts);
        }
        if start || cut.is_some() {
            mux.tables(&mut bytes);
        }
        mux.frame(frame, &mut bytes);
        self.last = Some(frame.dts);
        self.arrival = entry.arrival;
        Chunk {
            bytes: bytes.freeze(),
            dts: frame.dts,
            pts: frame.pts,
            arrival: entry.arrival,
            start,
            splice: splice.freeze(),
            cut,
            end: None,
            picture: self.program.has_video() && self.program.part(frame.track) == Some(Part::Lead),
            context: Arc::clone(&entry.context),
            tracks: Arc::clone(self.program.tracks()),
        }
    }
}
