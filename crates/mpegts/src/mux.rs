//! The multiplexer: frames of one program in, packets out.

use bytes::BytesMut;
use media::{Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

use crate::clock::{Clock, Scale};
use crate::es::Unit;
use crate::packet::{Adaptation, Filling, Payload};
use crate::pes::Header;
use crate::program::Program;
use crate::{es, psi, splice};

/// The distance of two clock references in a hole between frames: the stricter, older limit of ETSI TR 101 290.
/// ISO/IEC 13818-1 2.7.2 allows 100 ms.
const PCR_INTERVAL: TimeDelta = TimeDelta::from_millis(40);

/// How long the next frame may be waited for, to carry the clock reference. At 24 pictures per second that
/// saves a packet with each picture.
const PCR_LATEST: TimeDelta = TimeDelta::from_millis(50);

/// A hole longer than this is not filled with clock references but marked as a discontinuity.
const MAX_FILL: TimeDelta = TimeDelta::from_secs(10);

/// The tables are repeated once this has passed. With [`PCR_LATEST`] on top it stays under 200 ms.
const TABLES_INTERVAL: TimeDelta = TimeDelta::from_millis(150);

/// Makes a transport stream of one program.
///
/// Frames are given in the order in which they are to leave, in about decode order over all tracks. Each becomes
/// one PES packet. The program clock runs [`LEAD`](crate::LEAD) behind the newest decode time, and further where
/// a track comes later than that; a clock reference stands at about every 40 ms and never over 100 ms apart,
/// whatever the frame rate, and the tables at least each 200 ms. Nothing is buffered.
#[derive(Debug)]
pub struct Mux {
    scale: Scale,
    clock: Clock,
    program: Program,
    tables: Tables,
    /// The program clock at the last clock reference; none when the next packet must bring one.
    pcr: Option<Timestamp>,
    dropped: u64,
}

/// A track that the program does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Omitted {
    /// The track.
    pub track: TrackId,
    /// Why, for the operator.
    pub reason: &'static str,
}

/// When the tables are sent next.
#[derive(Debug)]
enum Tables {
    /// Before anything else.
    Due,
    /// They were sent at the last frame's time or thereafter.
    Fresh,
    /// They were sent at this time of the program clock.
    Sent(Timestamp),
}

impl Mux {
    /// An empty program. Hub time `base` becomes 10 s ([`START`](crate::START)), PTS 900 000; stamps wrap at 33
    /// bits each 26.5 hours, wherever the stream is then, as receivers expect. Streams of one base have the same
    /// stamp for the same time.
    pub fn new(base: Timestamp) -> Self {
        Self {
            scale: Scale::new(base),
            clock: Clock::new(),
            program: Program::new(),
            tables: Tables::Due,
            pcr: None,
            dropped: 0,
        }
    }

    /// Carries these tracks from now on, and no others. Returns those that MPEG-TS has no form for.
    ///
    /// The program map gets a new version when it says something else than before, and is sent before the next
    /// frame. A track keeps its PID for as long as the mux lives, also when it goes and comes back: 0x100 for the
    /// first video track, 0x101 and up for the others in the order of their ids.
    pub fn set_tracks(&mut self, tracks: &[Track]) -> Vec<Omitted> {
        let clock_pid = self.program.clock_pid();
        let (omitted, changed) = self.program.set_tracks(tracks);
        if changed {
            self.tables = Tables::Due;
        }
        if self.program.clock_pid() != clock_pid {
            self.pcr = None;
        }
        omitted
    }

    /// Frames of carried tracks that were left out: decode time over by the program clock, the rest of a GOP
    /// after such a frame, or longer than the codec's form can say.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Says that what follows does not continue what was: the next packet of each PID has its
    /// discontinuity_indicator set, the clock may jump, and the lead of the clock starts at its least again.
    pub fn mark_discontinuity(&mut self) {
        self.break_off();
        self.clock.reset_lead();
    }

    fn break_off(&mut self) {
        self.program.mark_discontinuity();
        self.pcr = None;
    }

    /// Appends the tables, PAT and PMT. For the start of a segment or of a viewer; their regular repetition is
    /// part of [`frame`](Self::frame).
    pub fn tables(&mut self, out: &mut BytesMut) {
        self.program.write_tables(out);
        self.tables = Tables::Fresh;
    }

    /// Appends what leads from the frame before to this one (clock references, tables) and the frame. Frames of
    /// tracks that are not carried append nothing.
    pub fn frame(&mut self, frame: &Frame, out: &mut BytesMut) {
        let Some(index) = self.program.position(frame.track) else { return };
        if es::is_sections(&self.program.streams[index].codec) {
            // Sections have no stamps: they go between the packets of the moment and move no clock.
            if matches!(self.tables, Tables::Due) {
                self.tables(out);
            }
            let stream = &mut self.program.streams[index];
            // Its times are hub time. What is no splice information leaves as it is.
            let shifted = es::is_splice_info(&stream.codec)
                .then(|| splice::shift(&frame.data, self.scale.stamp(Timestamp::ZERO).cast_signed()));
            psi::write_section(&mut stream.pid, shifted.flatten().as_ref().unwrap_or(&frame.data), out);
            return;
        }
        match self.admit(index, frame) {
            Some(now) => {
                self.run_to(now, out);
                self.write(index, frame, now, out);
            }
            None => self.dropped += 1,
        }
    }

    /// The program clock at which the frame leaves, none when it must not.
    fn admit(&mut self, index: usize, frame: &Frame) -> Option<Timestamp> {
        let now = self.clock.advance(frame.dts);
        let stream = &mut self.program.streams[index];
        // Pictures after one that is missing would be torn: the unit of loss is the GOP.
        stream.torn = now.is_none() || stream.torn && !frame.key;
        now.filter(|_| !stream.torn)
    }

    /// Fills the time up to `now` with clock references and tables.
    fn run_to(&mut self, now: Timestamp, out: &mut BytesMut) {
        if self.pcr.is_some_and(|last| now - last > MAX_FILL) {
            self.break_off();
        }
        while let Some(last) = self.pcr.filter(|&last| now - last > PCR_LATEST) {
            self.repeat_tables(last + PCR_INTERVAL, out);
            self.write_pcr(last + PCR_INTERVAL, out);
        }
        self.repeat_tables(now, out);
    }

    fn repeat_tables(&mut self, now: Timestamp, out: &mut BytesMut) {
        let due = match self.tables {
            Tables::Due => true,
            Tables::Fresh => {
                self.tables = Tables::Sent(self.pcr.unwrap_or(now));
                false
            }
            Tables::Sent(last) => now - last >= TABLES_INTERVAL,
        };
        if due {
            self.tables(out);
            self.tables = Tables::Sent(now);
        }
    }

    /// A packet with a clock reference and no payload.
    fn write_pcr(&mut self, now: Timestamp, out: &mut BytesMut) {
        let adaptation = Adaptation { pcr: Some(self.scale.pcr(now)), random_access: false };
        if let Some(stream) = self.program.clock_stream() {
            stream.pid.write_empty(adaptation, out);
        }
        self.pcr = Some(now);
    }

    fn write(&mut self, index: usize, frame: &Frame, now: Timestamp, out: &mut BytesMut) {
        let pcr = self.carries_pcr(index, frame, now);
        if !pcr && self.pcr.is_none() {
            // No stamp before the clock that it refers to.
            self.write_pcr(now, out);
        }
        let stream = &mut self.program.streams[index];
        stream.last_dts = Some(frame.dts);
        let (pts, dts) = (self.scale.stamp(frame.pts), self.scale.stamp(frame.dts));
        let parts = Unit::new(&stream.codec, frame).and_then(|unit| {
            let len = unit.len();
            Some((unit, len, Header::new(es::stream_id(&stream.codec), pts, dts, len)?))
        });
        let Some((unit, len, header)) = parts else {
            self.dropped += 1;
            return;
        };
        let adaptation = Adaptation {
            pcr: pcr.then(|| self.scale.pcr(now)),
            // On the PID of the clock this flag needs a clock reference beside it (2.4.3.5).
            random_access: frame.key && (stream.kind() == Kind::Video || pcr),
        };
        if pcr {
            self.pcr = Some(now);
        }
        let len = header.bytes().len() + len;
        let mut payload = Payload::new(&mut stream.pid, adaptation, Filling::Adaptation, len, out);
        payload.put(header.bytes());
        unit.write(&mut payload);
    }

    /// Whether the frame brings a clock reference: it is on the PID of the clock, and is a key frame, or the next
    /// frame may come too late for that.
    fn carries_pcr(&self, index: usize, frame: &Frame, now: Timestamp) -> bool {
        let stream = &self.program.streams[index];
        if self.program.clock != Some(index) {
            return false;
        }
        let (Some(last), Some(last_dts)) = (self.pcr, stream.last_dts) else { return true };
        let next = now - last + (frame.dts - last_dts);
        next >= PCR_LATEST || frame.key && stream.kind() == Kind::Video
    }

    /// Appends what a viewer needs who missed the packets before this point: for each PID one packet without
    /// payload that has the discontinuity_indicator set and the counter after which the next packet is right
    /// (2.4.3.5). Goes to that viewer alone, before the packets of the next call; the stream is not changed.
    pub fn splice(&self, out: &mut BytesMut) {
        self.program.write_splice(self.pcr.map(|time| self.scale.pcr(time)), out);
    }
}
