//! A rig that feeds a timeline from made-up encoders and watches what must always hold.

mod hostile;
mod ladder;
mod sentences;
mod sources;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::output::LEAST_STEP;
use super::*;
use crate::{Rational, Timestamp};

/// Unix time of the rig's monotonic zero.
const UNIX: i64 = 1_700_000_000;
const FEED: FeedId = FeedId(1);

fn ms(value: i64) -> TimeDelta {
    TimeDelta::from_millis(value)
}

fn secs(value: f64) -> Duration {
    Duration::from_secs_f64(value)
}

fn arrival(mono: Duration) -> Arrival {
    Arrival { mono, wall: Timestamp::from_scale(UNIX, 1) + TimeDelta::from(mono) }
}

/// An access unit on its way.
#[derive(Clone, Debug)]
struct Unit {
    feed: FeedId,
    track: TrackId,
    /// When it comes in.
    at: Duration,
    /// Its decode time on the encoder's clock, before any rounding.
    truth: TimeDelta,
    dts: u64,
    cts: i64,
    key: bool,
}

/// An encoder with one video and one audio track.
#[derive(Clone, Copy, Debug)]
struct Encoder {
    feed: FeedId,
    clock: SourceClock,
    fps: (u32, u32),
    /// Whether the bitstream states the frame rate.
    stated: bool,
    sample_rate: u32,
    tracks: [TrackId; 2],
    /// The stamp of its time zero.
    base: i64,
    /// Frames from key frame to key frame.
    gop: i64,
    /// How its own clock runs against the sample clock, in parts per million.
    ppm: i64,
}

impl Encoder {
    fn rtmp() -> Self {
        Self {
            feed: FEED,
            clock: SourceClock::RTMP,
            fps: (25, 1),
            stated: true,
            sample_rate: 44_100,
            tracks: [TrackId::VIDEO, TrackId::AUDIO],
            base: 0,
            gop: 50,
            ppm: 0,
        }
    }

    fn mpegts() -> Self {
        Self { clock: SourceClock::MPEGTS, sample_rate: 48_000, ..Self::rtmp() }
    }

    fn frame_rate(&self) -> Rational {
        Rational { num: self.fps.0, den: self.fps.1 }
    }

    fn stamp(&self, time: TimeDelta) -> u64 {
        let drift = TimeDelta::from_ticks(time.ticks() / 1_000_000 * self.ppm);
        let raw = self.base + (time + drift).to_scale(self.clock.scale);
        raw as u64 & ((1u64 << self.clock.bits) - 1)
    }

    /// What it sends of its seconds `from..to`, each unit when its time has come, time zero at `zero`.
    fn units(&self, from: f64, to: f64, zero: Duration) -> Vec<Unit> {
        let fps = self.frame_rate();
        let span = TimeDelta::from_secs_f64(from)..TimeDelta::from_secs_f64(to);
        let mut units = Vec::new();
        for n in 0.. {
            let at = |n: i64| TimeDelta::from_ticks(fps.period().ticks() * n);
            if at(n) >= span.end {
                break;
            }
            // I P B B P B B …: presentation runs two frames behind decoding.
            let pts = match n % 3 {
                _ if n == 0 => at(2),
                1 => at(n + 4),
                _ => at(n + 1),
            };
            let cts =
                (self.base + pts.to_scale(self.clock.scale)) - (self.base + at(n).to_scale(self.clock.scale));
            units.push(self.unit(self.tracks[0], at(n), cts, n % self.gop == 0, zero));
        }
        for n in 0.. {
            let time = TimeDelta::from_scale(n * 1024, self.sample_rate);
            if time >= span.end {
                break;
            }
            units.push(self.unit(self.tracks[1], time, 0, true, zero));
        }
        units.retain(|unit| unit.truth >= span.start);
        units.sort_by_key(|unit| unit.truth);
        units
    }

    fn unit(&self, track: TrackId, truth: TimeDelta, cts: i64, key: bool, zero: Duration) -> Unit {
        Unit {
            feed: self.feed,
            track,
            at: zero + truth.to_duration(),
            truth,
            dts: self.stamp(truth),
            cts,
            key,
        }
    }
}

/// A frame that went out, with what it was.
#[derive(Clone, Debug)]
struct Out {
    unit: Unit,
    frame: Frame,
    epoch: u64,
}

/// A timeline, everything that came out of it, and the invariants.
#[derive(Default)]
struct Rig {
    line: Timeline,
    out: Vec<Out>,
    epochs: Vec<Epoch>,
    anchors: Vec<Anchor>,
    last: BTreeMap<TrackId, Timestamp>,
    end: Option<Timestamp>,
    floor: Option<Timestamp>,
    /// How far into the future a frame may be once the clock is settled; unchecked where none.
    future: Option<TimeDelta>,
    /// How far the tracks may move against each other.
    sync: TimeDelta,
}

impl Rig {
    fn real_time() -> Self {
        Self { future: Some(ms(60)), ..Self::default() }
    }

    fn open(&mut self, encoder: &Encoder, role: Role) {
        self.line.open(encoder.feed, encoder.clock, role);
        // Until a frame rate is measured, the stamps' own rounding comes on top.
        self.sync = self.sync.max(if encoder.stated { ms(1) } else { TimeDelta::from_scale(175, 100_000) });
        let frame_rate = encoder.stated.then_some(encoder.frame_rate());
        self.line.set_pace(encoder.feed, encoder.tracks[0], Pace::Video { frame_rate });
        let sample_rate = encoder.sample_rate;
        self.line.set_pace(
            encoder.feed,
            encoder.tracks[1],
            Pace::Audio { sample_rate, samples_per_frame: Some(1024) },
        );
    }

    fn source(encoder: &Encoder) -> Self {
        let mut rig = Self::real_time();
        rig.open(encoder, Role::Source);
        rig
    }

    fn run(&mut self, units: impl IntoIterator<Item = Unit>) {
        units.into_iter().for_each(|unit| drop(self.push(unit)));
    }

    fn push(&mut self, unit: Unit) -> Step {
        let now = arrival(unit.at);
        let Unit { feed, track, dts, cts, key, .. } = unit;
        let step = self.line.push(now, Sample { feed, track, dts, cts, key, data: Bytes::new() });
        if let Some(epoch) = step.epoch {
            assert!(self.end.is_none_or(|end| epoch.start >= end), "hub time went back");
            assert_eq!(epoch.id, self.epochs.len() as u64);
            self.floor = self.end;
            self.epochs.push(epoch);
        }
        self.anchors.extend(step.anchor);
        assert_eq!(self.line.epoch(), self.epochs.last().copied());
        if let Some(frame) = &step.frame {
            self.watch(frame, now);
            self.out.push(Out { unit, frame: frame.clone(), epoch: self.epochs.len() as u64 - 1 });
        }
        step
    }

    fn watch(&mut self, frame: &Frame, now: Arrival) {
        assert!(frame.pts >= frame.dts, "shown before decoded");
        assert!(frame.duration >= TimeDelta::ZERO);
        if let Some(last) = self.last.insert(frame.track, frame.dts) {
            assert!(frame.dts - last >= LEAST_STEP, "{}: {:?} after {last:?}", frame.track, frame.dts);
        }
        assert!(self.floor.is_none_or(|floor| frame.dts >= floor), "frame before its epoch");
        let end = frame.dts + frame.duration;
        self.end = Some(self.end.map_or(end, |before| before.max(end)));
        if let (Some(anchor), Some(future)) = (self.line.anchor(), self.future) {
            let ahead = anchor.wall_of(frame.dts) - now.wall;
            assert!(ahead <= future, "{}: {ahead:?} into the future", frame.track);
        }
    }

    fn of(&self, track: TrackId) -> impl Iterator<Item = &Out> {
        self.out.iter().filter(move |out| out.frame.track == track)
    }

    /// How far the tracks of one epoch moved against each other, at most.
    fn skew(&self, epoch: u64) -> TimeDelta {
        let of_epoch = self.out.iter().filter(|out| out.epoch == epoch);
        let mut spans: BTreeMap<TrackId, (TimeDelta, TimeDelta)> = BTreeMap::new();
        for out in of_epoch {
            let off = (out.frame.dts - Timestamp::ZERO) - out.unit.truth;
            let span = spans.entry(out.frame.track).or_insert((off, off));
            *span = (span.0.min(off), span.1.max(off));
        }
        let min = spans.values().map(|span| span.0).min().unwrap_or_default();
        let max = spans.values().map(|span| span.1).max().unwrap_or_default();
        max - min
    }

    fn assert_in_sync(&self, epoch: u64) {
        let skew = self.skew(epoch);
        assert!(skew <= self.sync, "tracks are {skew:?} apart");
    }
}
