//! The writers' side of a ladder: one timeline, and for each rung who feeds it, its tracks and its counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use media::codec::opus;
use media::timeline::{Arrival, FeedId, Pace, Role, Sample, SourceClock, Timeline};
use media::{Codec, Frame, Kind, TimeDelta, Timestamp, Track, TrackId};

use crate::rate::Rate;
use crate::silence::Silence;
use crate::stream::{MAX_RUNGS, Pushed, Status, TrackStatus};
use crate::{Context, Entry};

/// Track ids of each rung: those of 32 rungs fit the 16 bits of an id.
const IDS_PER_RUNG: usize = 2048;

/// The rungs of one source and their clock; a stream of its own is a ladder of one.
pub(crate) struct Ladder {
    timeline: Timeline,
    next_feed: u32,
    rungs: Vec<Rung>,
}

/// One access unit in its source's time.
pub(crate) struct Unit {
    pub(crate) track: TrackId,
    pub(crate) dts: u64,
    pub(crate) cts: i64,
    pub(crate) key: bool,
    pub(crate) data: Bytes,
}

#[derive(Default)]
struct Rung {
    /// The connection that may write; another one that was open before it is refused.
    feed: Option<FeedId>,
    /// The tracks of the feed, in force from its next frame on.
    tracks: Option<Arc<[Track]>>,
    /// Those of its tracks whose frames say themselves how long they last.
    opus: Vec<TrackId>,
    /// A source came to the running ladder and has not brought a key frame of its pictures yet. There is no new epoch to
    /// tell readers that its first pictures do not follow those before.
    joining: bool,
    context: Option<Arc<Context>>,
    silence: Silence,
    counters: BTreeMap<TrackId, Counters>,
    rate: Rate,
    last_key: Option<Timestamp>,
    gop: Option<TimeDelta>,
    last_arrival: Option<Duration>,
}

#[derive(Default)]
struct Counters {
    frames: u64,
    bytes: u64,
    duration: TimeDelta,
}

impl Ladder {
    /// A ladder of `count` rungs without media.
    pub(crate) fn new(count: usize) -> Self {
        let rungs = (0..count).map(|_| Rung::default()).collect();
        Self { timeline: Timeline::new(), next_feed: 0, rungs }
    }

    /// One more rung, if there may be one; its place.
    pub(crate) fn add(&mut self) -> Option<usize> {
        if self.rungs.len() >= MAX_RUNGS {
            return None;
        }
        self.rungs.push(Rung::default());
        Some(self.rungs.len() - 1)
    }

    /// A new source takes a rung; one that held it before can write no more.
    pub(crate) fn open(&mut self, rung: usize, clock: SourceClock) -> FeedId {
        let id = FeedId(self.next_feed);
        self.next_feed = self.next_feed.wrapping_add(1);
        // A stream of its own has a new source with each connection, a ladder only when it has no other.
        let role = if self.rungs.len() == 1 { Role::Source } else { Role::Rung };
        let old = self.rungs[rung].feed.replace(id);
        old.into_iter().for_each(|old| self.timeline.close(old));
        self.timeline.open(id, clock, role);
        self.rungs[rung].tracks = None;
        self.rungs[rung].joining = role == Role::Rung;
        id
    }

    /// A source leaves its rung, unless another one has taken it.
    pub(crate) fn close(&mut self, rung: usize, feed: FeedId) {
        if self.is_current(rung, feed) {
            self.timeline.close(feed);
            self.rungs[rung].feed = None;
        }
    }

    /// Whether the source still holds the rung.
    pub(crate) fn is_current(&self, rung: usize, feed: FeedId) -> bool {
        self.rungs[rung].feed == Some(feed)
    }

    /// The tracks of a source, in force from its next frame on.
    pub(crate) fn set_tracks(&mut self, rung: usize, feed: FeedId, tracks: Vec<Track>) {
        if !self.is_current(rung, feed) {
            return;
        }
        for track in &tracks {
            if let Some(id) = self.inner(rung, track.id) {
                self.timeline.set_pace(feed, id, pace(&track.codec));
            }
        }
        let is_opus = |track: &&Track| matches!(track.codec, Codec::Opus(_));
        let state = &mut self.rungs[rung];
        state.opus = tracks.iter().filter(is_opus).map(|track| track.id).collect();
        state.tracks = Some(tracks.into());
    }

    /// Puts an access unit of the source that holds the rung on the clock and hands over the entries that this makes:
    /// silence before it, and itself unless it is dropped.
    pub(crate) fn push(
        &mut self,
        rung: usize,
        feed: FeedId,
        now: Arrival,
        unit: Unit,
        take: impl FnMut(Entry),
    ) -> Pushed {
        let was_silent = self.rungs[rung].silence.is_heard();
        if let Some(frame) = self.place(rung, feed, now, unit) {
            self.rungs[rung].accept(now, frame, &self.timeline, take);
        }
        match (was_silent, self.rungs[rung].silence.is_heard()) {
            (false, true) => Pushed::SoundAway,
            (true, false) => Pushed::SoundBack,
            _ => Pushed::Taken,
        }
    }

    /// The hub time of a stamp of a source.
    pub(crate) fn hub_time(&self, feed: FeedId, stamp: u64) -> Option<Timestamp> {
        self.timeline.hub_time(feed, stamp)
    }

    /// The frame that an access unit is on the clock.
    fn place(&mut self, rung: usize, feed: FeedId, now: Arrival, unit: Unit) -> Option<Frame> {
        let Unit { track, dts, cts, key, data } = unit;
        let inner = self.inner(rung, track)?;
        if self.rungs[rung].opus.contains(&track) {
            let pace =
                Pace::Audio { sample_rate: opus::SAMPLE_RATE, samples_per_frame: opus::samples(&data) };
            self.timeline.set_pace(feed, inner, pace);
        }
        let step = self.timeline.push(now, Sample { feed, track: inner, dts, cts, key, data });
        // Within the rung it has the number that its source gave it.
        Some(Frame { track, ..step.frame? })
    }

    /// The id of a rung's track on the timeline, where all tracks of all rungs differ.
    fn inner(&self, rung: usize, track: TrackId) -> Option<TrackId> {
        if self.rungs.len() == 1 {
            return Some(track);
        }
        let within = usize::from(track.0);
        (within < IDS_PER_RUNG)
            .then(|| u16::try_from(rung * IDS_PER_RUNG + within).ok().map(TrackId))
            .flatten()
    }

    /// What people want to know of a rung at the monotonic time `now`.
    pub(crate) fn status(&self, rung: usize, now: Duration) -> Status {
        let rung = &self.rungs[rung];
        let context = rung.context.as_deref();
        let known = |track: &Track| {
            let counters = rung.counters.get(&track.id);
            TrackStatus {
                track: track.clone(),
                frames: counters.map_or(0, |c| c.frames),
                bytes: counters.map_or(0, |c| c.bytes),
                frame_duration: counters.map_or(TimeDelta::ZERO, |c| c.duration),
                silent: rung.silence.stands_in(track.id),
            }
        };
        Status {
            fed: rung.feed.is_some(),
            epoch: context.map(|context| context.epoch),
            anchor: context.and_then(|context| context.anchor),
            tracks: context.map(|context| context.tracks.iter().map(known).collect()).unwrap_or_default(),
            bits_per_second: rung.rate.bits_per_second(now),
            gop: rung.gop,
            last_arrival: rung.last_arrival,
            silence: rung.silence.filled(),
            timeline: self.timeline.stats(),
        }
    }
}

impl Rung {
    /// Makes the entries of a frame. They belong to the state that the timeline has now, whichever rung's frame brought
    /// it about.
    fn accept(&mut self, now: Arrival, frame: Frame, timeline: &Timeline, mut take: impl FnMut(Entry)) {
        let Some(context) = self.see(timeline) else { return };
        if self.joining && is_picture(&context, &frame) {
            if !frame.key {
                return;
            }
            self.joining = false;
        }
        let Some(silence) = self.silence.push(now.mono, &frame, &context.tracks) else { return };
        for frame in silence.into_iter().chain([frame]) {
            let start = is_start(&context, &frame);
            self.count(now, &frame, start);
            take(Entry { context: Arc::clone(&context), frame, arrival: now.mono, start });
        }
    }

    /// The state that the next frame belongs to.
    fn see(&mut self, timeline: &Timeline) -> Option<Arc<Context>> {
        let (epoch, anchor) = (timeline.epoch()?, timeline.anchor());
        let old = self.context.as_deref();
        let is_new = old.is_none_or(|old| old.epoch != epoch);
        if is_new {
            self.counters.clear();
            self.silence.begin();
            self.last_key = None;
        }
        let pending = self.tracks.take();
        if is_new || pending.is_some() || old.is_some_and(|old| old.anchor != anchor) {
            let tracks = pending.or_else(|| old.map(|old| Arc::clone(&old.tracks)));
            let context = Context { epoch, tracks: tracks.unwrap_or_else(|| [].into()), anchor };
            if old != Some(&context) {
                self.context = Some(Arc::new(context));
            }
        }
        self.context.clone()
    }

    fn count(&mut self, now: Arrival, frame: &Frame, start: bool) {
        let counters = self.counters.entry(frame.track).or_default();
        counters.frames += 1;
        counters.bytes += frame.data.len() as u64;
        counters.duration = frame.duration;
        self.rate.add(now.mono, frame.data.len());
        self.last_arrival = Some(now.mono);
        if start {
            self.gop = self.last_key.map(|last| frame.dts - last).or(self.gop);
            self.last_key = Some(frame.dts);
        }
    }
}

fn is_start(context: &Context, frame: &Frame) -> bool {
    let is_video = |track: &&Track| track.codec.kind() == Kind::Video;
    match context.tracks.iter().find(is_video) {
        Some(video) => frame.key && frame.track == video.id,
        None => frame.key,
    }
}

fn is_picture(context: &Context, frame: &Frame) -> bool {
    context.tracks.iter().any(|track| track.id == frame.track && track.codec.kind() == Kind::Video)
}

/// How the timeline may expect a codec's frames to follow each other.
fn pace(codec: &Codec) -> Pace {
    match (codec.audio(), codec.video()) {
        (Some(audio), _) => {
            Pace::Audio { sample_rate: audio.sample_rate, samples_per_frame: audio.samples_per_frame }
        }
        (None, Some(video)) => Pace::Video { frame_rate: video.frame_rate },
        (None, None) => Pace::Free,
    }
}
