//! One connection: how it got its offset, and what each of its stamps means.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mapping::{Head, Mapping};
use super::source::Source;
use super::standstill::Standstill;
use super::track::{FORWARD, Relation, Track};
use super::{Pace, SILENT, Sample, SourceClock};
use crate::{TimeDelta, Timestamp, TrackId};

/// Tracks that one connection may have; frames of others are dropped.
const MOST_TRACKS: usize = 64;
/// Stamps that stray for longer than this, and a rung that does not come back to the source's clock within it,
/// are there to stay.
const LATE: Duration = Duration::from_secs(1);
/// Stamps of the same key frame differ by less when they are only rounded, and by no more when an encoder moved them.
const ROUNDED: TimeDelta = TimeDelta::from_millis(10);
const MOVED: TimeDelta = TimeDelta::from_millis(100);
/// A rung waits so long for its first key frame before it is put in its place by arrival alone.
const KEY_WAIT: Duration = Duration::from_secs(10);

/// Where a connection's offset comes from.
#[derive(Clone, Copy, Debug)]
enum Placing {
    /// It has none yet: its frames are dropped until it has.
    Joining {
        /// When its first frame came.
        since: Option<Duration>,
        /// Whether it had one and jumped: the others may be about to jump likewise, so it waits for them.
        jumped: bool,
    },
    /// The source's: the same encoder's clock.
    Common(Mapping),
    /// Its own, found by arrival and key frames.
    Own(Mapping),
}

/// What is to be done with a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    /// It is taken.
    Take {
        /// With this offset.
        mapping: Mapping,
        /// Over a second is missing before it.
        gap: bool,
    },
    /// It opens an epoch.
    Open {
        /// The stamps stepped, and nothing that would explain it was waited for.
        jump: bool,
    },
    /// It is dropped.
    Drop,
}

fn is_video(track: &Track) -> bool {
    matches!(track.pace(), Pace::Video { .. })
}

/// The state of one connection.
#[derive(Clone, Debug)]
pub(super) struct Feed {
    /// The clock of its stamps.
    pub(super) clock: SourceClock,
    /// Which source of the stream it belongs to.
    pub(super) generation: u64,
    placing: Placing,
    /// It has the common offset for its clock agrees, and no key frame of it has been held against the others' yet.
    unchecked: bool,
    standstill: Standstill,
    head: Option<Head>,
    /// When its last frame was taken.
    pub(super) heard: Duration,
    tracks: BTreeMap<TrackId, Track>,
}

impl Feed {
    /// A connection of which nothing came yet.
    pub(super) fn new(clock: SourceClock, generation: u64) -> Self {
        let clock = SourceClock { scale: clock.scale.max(1), ..clock };
        Self {
            clock,
            generation,
            placing: Placing::Joining { since: None, jumped: false },
            unchecked: false,
            standstill: Standstill::default(),
            head: None,
            heard: Duration::ZERO,
            tracks: BTreeMap::new(),
        }
    }

    /// A track's state, made where it is new; none where there are too many.
    pub(super) fn track(&mut self, id: TrackId) -> Option<&mut Track> {
        if self.tracks.len() >= MOST_TRACKS && !self.tracks.contains_key(&id) {
            return None;
        }
        Some(self.tracks.entry(id).or_insert_with(Track::new))
    }

    /// The unrolled value of a frame's stamp, made up from arrival where the stamps stand still; also whether they
    /// have just been found to.
    pub(super) fn stamp(&mut self, now: Duration, sample: &Sample, source: Option<&Source>) -> (i64, bool) {
        let common = source.filter(|source| source.clock == self.clock).map(|source| source.reference);
        self.standstill.stamp(now, sample.track, sample.dts, self.clock, common)
    }

    /// An epoch begins with `mapping`, opened by this connection or by another of its source.
    pub(super) fn begin(&mut self, mapping: Mapping, clock: SourceClock, opened: bool) {
        let shares = matches!(self.placing, Placing::Common(_)) && self.clock == clock;
        if opened || shares {
            self.placing = Placing::Common(mapping);
            self.unchecked &= !opened;
            self.head = None;
            self.tracks.values_mut().for_each(Track::begin);
        }
    }

    /// An epoch began whose clock this connection does not share: it is put in its place anew.
    pub(super) fn rejoin(&mut self) {
        self.placing = Placing::Joining { since: None, jumped: false };
    }

    /// Whether a frame shows again what its track sent before the connection was put in another place: it ends `behind`
    /// where that had come to. Pictures go on at a key frame then.
    pub(super) fn repeats(
        &mut self,
        sample: &Sample,
        mapping: &Mapping,
        behind: TimeDelta,
        now: Duration,
    ) -> bool {
        let Some(track) = self.tracks.get_mut(&sample.track) else { return false };
        if behind > ROUNDED && track.is_elsewhere(mapping) {
            track.repeats_since.get_or_insert(now);
        }
        let Some(since) = track.repeats_since else { return false };
        let waits = !sample.key && is_video(track) && now.saturating_sub(since) < KEY_WAIT;
        if behind <= ROUNDED && !waits {
            track.repeats_since = None;
        }
        track.repeats_since.is_some()
    }

    /// Its offset; none while it has no place.
    pub(super) fn mapping(&self) -> Option<Mapping> {
        match self.placing {
            Placing::Common(mapping) | Placing::Own(mapping) => Some(mapping),
            Placing::Joining { .. } => None,
        }
    }

    /// The source's offset is `common` from now on; this connection keeps the one that it has.
    pub(super) fn follow(&mut self, common: Mapping) {
        self.placing = match self.mapping() {
            Some(mapping) if mapping == common => Placing::Common(mapping),
            Some(mapping) => Placing::Own(mapping),
            None => self.placing,
        };
    }

    /// What is to be done with a frame whose stamp unrolls to `raw`.
    pub(super) fn judge(
        &mut self,
        source: &Source,
        leads: bool,
        now: Duration,
        raw: i64,
        sample: &Sample,
    ) -> Verdict {
        let Some(mapping) = self.placed(source, now, raw, sample) else {
            let alone = now.saturating_sub(source.heard) >= SILENT;
            return if alone { Verdict::Open { jump: false } } else { Verdict::Drop };
        };
        if !leads && matches!(self.placing, Placing::Own(_)) && source.is_overtaken(now, mapping.hub(raw)) {
            self.placing = Placing::Joining { since: Some(now), jumped: true };
            return Verdict::Drop;
        }
        let head = self.head.unwrap_or(source.head);
        let heard = self.heard;
        let Some(track) = self.track(sample.track) else { return Verdict::Drop };
        let used = track.own.unwrap_or(mapping);
        let relation = track.relation(raw, &used, now, &head, source.least());
        if let Relation::Continues { gap } = relation {
            return Verdict::Take { mapping: used, gap };
        }
        if track.own.is_some() && head.distance(mapping.hub(raw), now) <= FORWARD {
            track.own = None;
            return Verdict::Take { mapping, gap: false };
        }
        let jump = relation == Relation::Jumps && track.own.is_none();
        if !jump {
            let since = *track.stray_since.get_or_insert(now);
            if now.saturating_sub(since) < LATE {
                return Verdict::Drop;
            }
            if heard > since {
                // The others go on where they are: this track alone is on another clock.
                let own = Mapping { scale: mapping.scale, origin: raw, at: source.by_arrival(now) };
                track.own = Some(own);
                return Verdict::Take { mapping: own, gap: true };
            }
        }
        if leads {
            return Verdict::Open { jump };
        }
        self.placing = Placing::Joining { since: Some(now), jumped: true };
        Verdict::Drop
    }

    /// The connection's offset; found now, if it can be, where it has none.
    fn placed(&mut self, source: &Source, now: Duration, raw: i64, sample: &Sample) -> Option<Mapping> {
        if let Placing::Joining { since, jumped } = self.placing {
            let since = since.unwrap_or(now);
            let waited = now.saturating_sub(since);
            let waiting = Placing::Joining { since: Some(since), jumped };
            self.placing = self.join(source, now, waited, jumped, raw, sample).unwrap_or(waiting);
            self.unchecked = matches!(self.placing, Placing::Common(_));
            if self.mapping().is_some() {
                // How far it had come in its old place says nothing of this one.
                self.head = None;
                self.tracks.values_mut().for_each(Track::begin);
            }
        }
        if self.unchecked && self.is_key(sample) {
            self.unchecked = false;
            self.check(source, raw, sample);
        }
        self.mapping()
    }

    /// Holds a key frame of a rung on the common clock against those of the others. One encoder that writes several
    /// connections moves all stamps of each by what its own reordering needs, which differs from rung to rung.
    fn check(&mut self, source: &Source, raw: i64, sample: &Sample) {
        let Placing::Common(mapping) = self.placing else { return };
        let delay = TimeDelta::from_scale(sample.cts, self.clock.scale);
        let pts = mapping.hub(raw) + delay;
        let moved = |key: &Timestamp| (ROUNDED..=MOVED).contains(&(*key - pts).abs());
        if let Some(key) = source.keys.nearest(pts).filter(moved) {
            self.placing = Placing::Own(Mapping { scale: self.clock.scale, origin: raw, at: key - delay });
        }
    }

    /// Whether the frame is a key frame of pictures.
    fn is_key(&self, sample: &Sample) -> bool {
        sample.key && self.tracks.get(&sample.track).is_some_and(is_video)
    }

    /// The offset of a rung that comes to a running source: the common one where it has the same clock, else by
    /// arrival, with its first key frame on the nearest of the others. None: not yet, or not while nothing comes from
    /// the others.
    fn join(
        &self,
        source: &Source,
        now: Duration,
        waited: Duration,
        jumped: bool,
        raw: i64,
        sample: &Sample,
    ) -> Option<Placing> {
        if self.clock == source.clock && source.agrees(now, source.mapping.hub(raw)) {
            return Some(Placing::Common(source.mapping));
        }
        let alone = now.saturating_sub(source.heard) >= SILENT;
        if alone || (jumped && waited < LATE) {
            return None;
        }
        let key = self.is_key(sample);
        if !key && waited < KEY_WAIT && self.tracks.values().any(is_video) {
            return None;
        }
        let by_arrival = source.by_arrival(now);
        let delay = TimeDelta::from_scale(sample.cts, self.clock.scale);
        let snapped = source.keys.nearest(by_arrival + delay).filter(|_| key).map(|pts| pts - delay);
        // By arrival alone it would be off by the difference of both delays, for good.
        if key && snapped.is_none() && source.keys.are_few() && waited < KEY_WAIT {
            return None;
        }
        let at = snapped.unwrap_or(by_arrival);
        Some(Placing::Own(Mapping { scale: self.clock.scale, origin: raw, at }))
    }

    /// Notes that a frame of hub time `time` was taken.
    pub(super) fn heard(&mut self, time: Timestamp, now: Duration) {
        self.standstill.taken();
        self.heard = now;
        if self.head.is_none_or(|head| time >= head.time) {
            self.head = Some(Head { time, at: now });
        }
    }
}
