//! Sound: frames that tell their length, with times that are exact.
//!
//! A PTS is that of the first frame that begins in its PES packet (ISO/IEC 13818-1 2.4.3.7); those behind it follow by their
//! samples. Frames that come behind a loss in the same PES packet have their times from the next PTS, counted backwards.

mod framing;

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use media::{Codec, TrackId};

pub(super) use self::framing::Framing;
use self::framing::{Frame, Probe};
use super::pes::Stamps;
use super::{Media, Output, Pid, WRAP};
use crate::Error;

/// Stamps that wait for their frame.
const MAX_MARKS: usize = 64;
/// Frames that wait for a stamp behind them.
const MAX_HELD: usize = 256;
/// Their bytes.
const MAX_HELD_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Sound {
    framing: Framing,
    pid: Pid,
    track: TrackId,
    /// From the beginning of a frame on, where that is known.
    buffer: BytesMut,
    marks: VecDeque<(usize, u64)>,
    /// A frame begins at the front of the buffer.
    synced: bool,
    /// The last PTS, and what has come since then.
    clock: Option<Clock>,
    /// Frames that came after a loss, for whose times the next PTS is needed.
    held: Vec<Frame>,
    codec: Option<Codec>,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    base: u64,
    samples: u64,
    rate: u32,
}

impl Clock {
    /// The stamp of the next frame.
    fn now(self) -> u64 {
        (self.base + ticks(self.samples, self.rate)) % WRAP
    }

    fn count(&mut self, frame: &Frame) {
        // Another rate counts from here on.
        if frame.rate != self.rate {
            *self = Self { base: self.now(), samples: 0, rate: frame.rate };
        }
        self.samples += u64::from(frame.samples);
    }
}

/// Samples in 90 kHz, rounded.
fn ticks(samples: u64, rate: u32) -> u64 {
    let rate = u64::from(rate.max(1));
    samples.saturating_mul(90_000).saturating_add(rate / 2) / rate
}

impl Sound {
    pub(super) fn new(framing: Framing, pid: Pid, track: TrackId) -> Self {
        Self {
            framing,
            pid,
            track,
            buffer: BytesMut::new(),
            marks: VecDeque::new(),
            synced: false,
            clock: None,
            held: Vec::new(),
            codec: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len() + self.held.iter().map(|frame| frame.data.len()).sum::<usize>()
    }

    /// A PES packet begins.
    pub(super) fn begin(&mut self, stamps: Option<Stamps>) {
        if let Some(stamps) = stamps {
            self.marks.push_back((self.buffer.len(), stamps.pts));
            if self.marks.len() > MAX_MARKS {
                self.marks.pop_front();
            }
        }
    }

    pub(super) fn data(&mut self, data: &[u8], out: &mut Output) {
        self.buffer.extend_from_slice(data);
        self.advance(false, out);
    }

    /// All of a PES packet has come.
    pub(super) fn end(&mut self, out: &mut Output) {
        self.advance(true, out);
    }

    /// Packets are missing behind what came.
    pub(super) fn lost(&mut self) {
        self.buffer.clear();
        self.marks.clear();
        self.held.clear();
        self.synced = false;
        self.clock = None;
    }

    fn advance(&mut self, end: bool, out: &mut Output) {
        loop {
            match self.framing.probe(&self.buffer, end) {
                Probe::Short => return,
                Probe::Bad => self.search(out),
                Probe::Frame(len) if self.buffer.len() < len => return,
                Probe::Frame(len) if self.synced => self.take(len, out),
                Probe::Frame(len) => match self.framing.probe(&self.buffer[len..], end) {
                    Probe::Bad => self.search(out),
                    Probe::Short if !end => return,
                    Probe::Frame(_) if !self.framing.are_alike(&self.buffer, &self.buffer[len..]) => {
                        self.search(out)
                    }
                    Probe::Short | Probe::Frame(_) => self.synced = true,
                },
            }
        }
    }

    /// There is no frame here.
    fn search(&mut self, out: &mut Output) {
        if std::mem::take(&mut self.synced) {
            let value = self.buffer.first().copied().unwrap_or_default().into();
            let (what, field, expected) =
                ("sound", "the first byte of a frame", "a frame behind the last one");
            out.damaged(self.track, Error::Invalid { pid: self.pid, what, field, value, expected });
            self.clock = None;
        }
        self.forget(1);
    }

    fn forget(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        for (at, _) in &mut self.marks {
            *at = at.saturating_sub(bytes);
        }
    }

    fn take(&mut self, len: usize, out: &mut Output) {
        let mut base = None;
        while let Some(&(_, pts)) = self.marks.front().filter(|mark| mark.0 == 0) {
            base = Some(pts);
            self.marks.pop_front();
        }
        let bytes = self.buffer.split_to(len);
        for (at, _) in &mut self.marks {
            *at = at.saturating_sub(len);
        }
        let read = self.framing.read(&bytes);
        if let Some(base) = base {
            let rate =
                read.as_ref().ok().and_then(|frames| frames.first()).map_or(48_000, |frame| frame.rate);
            self.release(base, out);
            self.clock = Some(Clock { base, samples: 0, rate });
        }
        match read {
            Ok(frames) => frames.into_iter().for_each(|frame| self.frame(frame, out)),
            Err(source) => {
                self.clock = None;
                out.refused(self.track, Error::Media { pid: self.pid, source });
            }
        }
    }

    /// Gives what waited for a stamp, which is that of the frame behind it.
    fn release(&mut self, pts: u64, out: &mut Output) {
        let mut behind = Clock { base: 0, samples: 0, rate: self.held.last().map_or(1, |frame| frame.rate) };
        let mut times = Vec::new();
        for frame in self.held.iter().rev() {
            behind.count(frame);
            times.push(pts.wrapping_sub(behind.now()) % WRAP);
        }
        for (frame, pts) in std::mem::take(&mut self.held).into_iter().zip(times.into_iter().rev()) {
            self.give(pts, frame, out);
        }
    }

    fn frame(&mut self, frame: Frame, out: &mut Output) {
        if let Some(clock) = &mut self.clock {
            let pts = clock.now();
            clock.count(&frame);
            return self.give(pts, frame, out);
        }
        let held: usize = self.held.iter().map(|frame| frame.data.len()).sum();
        if self.held.len() == MAX_HELD || held + frame.data.len() > MAX_HELD_BYTES {
            self.held.clear();
            out.damaged(self.track, Error::NoStamp { pid: self.pid });
        }
        self.held.push(frame);
    }

    fn give(&mut self, pts: u64, frame: Frame, out: &mut Output) {
        if self.codec.as_ref() != Some(&frame.codec) {
            out.track(self.track, Some(&frame.codec));
            self.codec = Some(frame.codec);
        }
        if !frame.data.is_empty() {
            let data = Bytes::copy_from_slice(&frame.data);
            out.unit(Media::Unit { track: self.track, pts, dts: pts, key: true, data });
        }
    }
}
