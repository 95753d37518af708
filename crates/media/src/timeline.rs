//! The one clock of a stream.
//!
//! Between ingest and hub each source goes through the stream's timeline, which lives as long as the stream does,
//! while connections come and go. It puts every frame on *hub time*, which starts at the Unix time of the
//! stream's first frame, goes on through source switches, restarts and lost time, and never goes back.
//!
//! A frame passes these stations, one file each:
//! - `unroll`: its stamp, which wraps, is made to go on.
//! - `standstill`: where stamps stand still against arrival, arrival takes their place.
//! - `feed` and `track`: does it continue, was time lost, or did the source jump? A jump opens an epoch.
//! - `mapping`: the one offset of the source; tracks never have their own, or lip-sync would be lost.
//! - `grid` (`audio`, `video`): stamps of rough clocks are put back on the sample clock or frame grid.
//! - `output`: decode times rise, whatever came in.
//! - `wall`: the Unix time of the epoch, announced once it is settled.
//!
//! Pure: time is an argument, and state is bounded by connections and tracks, whatever stamps come.

mod audio;
mod feed;
mod grid;
mod keys;
mod lag;
mod mapping;
mod output;
mod rates;
mod ruler;
mod sample;
mod source;
mod standstill;
mod track;
mod unroll;
mod video;
mod wall;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use feed::{Feed, Verdict};
use mapping::Mapping;
use output::Output;
pub use sample::{Anchor, Arrival, Epoch, FeedId, Pace, Role, Sample, SourceClock, Stats, Step};
use source::{Opening, Source};

use crate::{Frame, TimeDelta, Timestamp, TrackId};

/// No more than two jumps open an epoch within this time; frames in between are dropped.
const BREAK_PAUSE: Duration = Duration::from_secs(1);
/// When no connection of a source has brought a frame for this long, one whose clock is not the source's begins a new
/// source, and when the leader alone has not, another one leads.
const SILENT: Duration = Duration::from_secs(1);
/// Presentation later than decoding by more than this is no reordering but a broken stamp.
const LONGEST_DELAY: TimeDelta = TimeDelta::from_secs(10);

/// The clock of one stream, for as long as the stream lives.
///
/// Connections are announced with [`open`](Self::open), their tracks' pace with [`set_pace`](Self::set_pace), and
/// every access unit goes through [`push`](Self::push) in the order of arrival.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    feeds: BTreeMap<FeedId, Feed>,
    /// The source that connections belong to which open as rungs.
    generation: u64,
    source: Option<Source>,
    output: Output,
    /// When the last two jumps opened an epoch, the earlier first.
    jumps: [Option<Duration>; 2],
    stats: Stats,
}

/// Where a frame belongs.
struct Place {
    raw: i64,
    mapping: Mapping,
    gap: bool,
    epoch: Option<Epoch>,
}

impl Timeline {
    /// A timeline on which nothing has arrived yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A connection begins; nothing changes until its first frame. One that is open under the same id ends.
    pub fn open(&mut self, feed: FeedId, clock: SourceClock, role: Role) {
        self.close(feed);
        let runs = self.feeds.values().any(|feed| feed.generation == self.generation);
        if role == Role::Source || !runs {
            self.generation += 1;
        }
        self.feeds.insert(feed, Feed::new(clock, self.generation));
    }

    /// A connection ends; frames of it that are still pushed are dropped.
    pub fn close(&mut self, feed: FeedId) {
        self.feeds.remove(&feed);
        let Some(source) = self.source.as_mut().filter(|source| source.leader == Some(feed)) else {
            return;
        };
        source.leader = None;
        let placed = |heir: &&FeedId| {
            let heir = &self.feeds[heir];
            heir.generation == source.generation && heir.mapping().is_some()
        };
        // One that brings frames, rather than one that is only open still.
        let heir = self.feeds.keys().filter(placed).max_by_key(|heir| self.feeds[heir].heard).copied();
        if let Some(heir) = heir {
            self.lead(heir);
        }
    }

    /// Makes a connection the one whose jumps open epochs and whose offset is that of the source.
    fn lead(&mut self, heir: FeedId) {
        let (Some(source), Some(feed)) = (&mut self.source, self.feeds.get(&heir)) else { return };
        let Some(mapping) = feed.mapping() else { return };
        source.hand_over(heir, feed.clock, mapping);
        let generation = source.generation;
        self.feeds
            .values_mut()
            .filter(|feed| feed.generation == generation)
            .for_each(|feed| feed.follow(mapping));
    }

    /// Whether the leader has not brought a frame for long, though it is connected.
    fn lacks_leader(&self, now: Duration) -> bool {
        let leader = self.source.as_ref().and_then(|source| source.leader);
        leader
            .and_then(|leader| self.feeds.get(&leader))
            .is_some_and(|leader| now.saturating_sub(leader.heard) >= SILENT)
    }

    /// How the frames of a track on a connection follow each other; to be told before its first frame, and again
    /// when its configuration changes. The same pace again changes nothing.
    pub fn set_pace(&mut self, feed: FeedId, track: TrackId, pace: Pace) {
        let Some(feed) = self.feeds.get_mut(&feed) else { return };
        let clock = feed.clock;
        if let Some(track) = feed.track(track) {
            track.set_pace(pace, clock);
        }
    }

    /// Puts one access unit on hub time, in the order of arrival; `now.mono` never falls.
    pub fn push(&mut self, now: Arrival, sample: Sample) -> Step {
        match self.place(now, &sample) {
            Some(place) => self.take(now, sample, place),
            None => {
                self.stats.dropped += 1;
                Step::default()
            }
        }
    }

    /// The hub time of a stamp of that connection, as a frame with it would get it that comes now and continues what was; none
    /// while the connection has no place.
    pub fn hub_time(&self, feed: FeedId, stamp: u64) -> Option<Timestamp> {
        let feed = self.feeds.get(&feed)?;
        let source = self.source.as_ref().filter(|source| source.generation == feed.generation)?;
        let mapping = feed.mapping()?;
        let reference = if source.clock == feed.clock { source.reference } else { mapping.origin };
        Some(mapping.hub(unroll::unroll(stamp, feed.clock.bits, Some(reference))))
    }

    /// The running epoch; it stays while no source is connected.
    pub fn epoch(&self) -> Option<Epoch> {
        self.source.as_ref().map(|source| source.epoch)
    }

    /// The wall clock of the running epoch, once settled.
    pub fn anchor(&self) -> Option<Anchor> {
        self.source.as_ref().and_then(Source::anchor)
    }

    /// What was done so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    fn place(&mut self, now: Arrival, sample: &Sample) -> Option<Place> {
        let feed = self.feeds.get_mut(&sample.feed)?;
        feed.track(sample.track)?;
        let source = self.source.as_ref().filter(|source| {
            source.generation > feed.generation
                || (source.generation == feed.generation && source.leader.is_some())
        });
        let (raw, stands) = feed.stamp(now.mono, sample, source);
        self.stats.standstills += u64::from(stands);
        let Some(source) = source else { return self.begin(now, sample.feed, raw) };
        if source.generation > feed.generation {
            return None;
        }
        let leads = source.leader == Some(sample.feed);
        match feed.judge(source, leads, now.mono, raw, sample) {
            Verdict::Take { mapping, gap } => {
                let time = mapping.hub(raw);
                let behind = self.output.behind(sample.track, time);
                let too_late = source.floor.is_some_and(|floor| time < floor)
                    || feed.repeats(sample, &mapping, behind, now.mono)
                    || behind > track::BACKWARD;
                if !too_late && !leads && self.lacks_leader(now.mono) {
                    self.lead(sample.feed);
                }
                (!too_late).then_some(Place { raw, mapping, gap, epoch: None })
            }
            Verdict::Open { jump } => {
                if jump && !self.may_jump(now.mono) {
                    return None;
                }
                self.begin(now, sample.feed, raw)
            }
            Verdict::Drop => None,
        }
    }

    fn may_jump(&mut self, now: Duration) -> bool {
        if self.jumps[0].is_some_and(|at| now.saturating_sub(at) < BREAK_PAUSE) {
            return false;
        }
        self.jumps = [self.jumps[1], Some(now)];
        true
    }

    /// Opens an epoch with the frame of stamp `raw`.
    fn begin(&mut self, now: Arrival, leader: FeedId, raw: i64) -> Option<Place> {
        let feed = self.feeds.get(&leader)?;
        let opening = Opening { leader, generation: feed.generation, clock: feed.clock, raw, now: now.mono };
        let start = self.output.next_start(now.mono).unwrap_or(now.wall);
        let epoch = Epoch { id: self.stats.epochs, start };
        self.stats.epochs += 1;
        let source = Source::begin(epoch, opening, self.output.end(), self.source.as_ref());
        let mapping = source.mapping;
        // A leader that jumps takes along those that run on its clock. One that had no place yet has another clock.
        let joined = feed.mapping().is_none();
        for (id, feed) in &mut self.feeds {
            if feed.generation != source.generation {
                continue;
            }
            if joined && *id != leader {
                feed.rejoin();
            } else {
                feed.begin(mapping, source.clock, *id == leader);
            }
        }
        self.source = Some(source);
        Some(Place { raw, mapping, gap: false, epoch: Some(epoch) })
    }

    /// Takes a frame where it belongs: on its grid, after the one before, and into what is known of the source.
    fn take(&mut self, now: Arrival, sample: Sample, place: Place) -> Step {
        let mut step = Step { epoch: place.epoch, ..Step::default() };
        let Place { raw, mapping, gap, .. } = place;
        let time = mapping.hub(raw);
        let (Some(feed), Some(source)) = (self.feeds.get_mut(&sample.feed), &mut self.source) else {
            return step;
        };
        feed.heard(time, now.mono);
        let clock = feed.clock;
        source.heard = now.mono;
        if mapping == source.mapping {
            source.reference = raw;
            step.anchor = source.observe(now, time);
        }
        self.stats.reanchored +=
            u64::from(step.anchor.is_some_and(|anchor| anchor.media != source.epoch.start));
        let Some(track) = feed.track(sample.track) else { return step };
        let slot = track.take(time, mapping, clock, now.mono);
        self.stats.gaps += u64::from(gap || slot.hole);
        self.stats.rephased += u64::from(slot.rephased);

        let Some(least) = self.output.least(sample.track) else {
            self.stats.dropped += 1;
            return step;
        };
        let delay = TimeDelta::from_scale(sample.cts, clock.scale);
        let sane = delay >= TimeDelta::ZERO && delay <= LONGEST_DELAY;
        let delay = if sane { delay } else { TimeDelta::ZERO };
        let dts = slot.dts.max(least).max(source.floor.unwrap_or(least));
        let pts = track.presentation(&slot, time, delay).max(dts);
        self.stats.repaired += u64::from(!sane || dts != slot.dts);
        if sample.key && matches!(track.pace(), Pace::Video { .. }) {
            // One that was put in its place by arrival alone may be anywhere.
            if mapping == source.mapping || source.keys.are_likely(pts) {
                source.keys.push(pts);
            }
        }
        self.output.push(sample.track, dts, slot.duration, now.mono);
        let Sample { track, key, data, .. } = sample;
        step.frame = Some(Frame { track, dts, pts, duration: slot.duration, key, data });
        step
    }
}
