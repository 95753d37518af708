//! The rungs of a ladder, cut at the same places under the same numbers.
//!
//! One rung leads: its frames go through the [`Cutter`], and where that cuts is the *plan*. Every *lane* follows it: a
//! rung's transport stream, or in CMAF a single track. A lane begins its segment with the key frame that is shown at
//! the planned time; where it has none, with the nearest that is near enough, and else without one. What it has to say
//! of a slot of the plan is a piece of media, or that there is none. A slot leaves when all lanes have said so, as one
//! [`Row`]: so all rungs have the same numbers and marks by construction, and a manifest never speaks of half of them.
//!
//! A lane from which nothing came for a while is not waited for. If the rung that leads falls silent, another leads on,
//! from the start of the open slot.

mod agreement;
mod lane;
mod plan;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hub::Context;
use media::{TimeDelta, Timestamp, Track};

use crate::cut::{Cutter, Part, Timing};
use agreement::Vote;
use lane::Lane;
use plan::Plan;

pub use lane::Piece;
pub use plan::Slot;

/// A lane that nothing came to for this long is not waited for, and a rung does not lead any longer.
const SILENCE: Duration = Duration::from_millis(1500);

/// After nothing came from anyone for this long, those that sent until then are waited for anew.
const PAUSE: Duration = Duration::from_millis(500);

/// A break of one rung this near to the start of the open slot is at that start.
const SAME_START: TimeDelta = TimeDelta::from_millis(100);

/// Nothing came for so long: the open segments end.
const ENDED: Duration = Duration::from_secs(3);

/// What a lane is made of: a frame, muxed or as it is.
#[derive(Clone, Debug)]
pub struct Unit<P> {
    /// When it is decoded and shown.
    pub timing: Timing,
    /// The part of its track in the cut of its rung.
    pub part: Part,
    /// A segment of its lane may begin with it: in a lane of one track each, in a muxed one those that lead.
    pub leads: bool,
    /// Nothing in its lane goes on from what was before.
    pub join: bool,
    /// A program of its rung takes effect with it: that is a break for all rungs.
    pub program: bool,
    /// When it came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// The stream's state.
    pub context: Arc<Context>,
    /// The tracks of its lane.
    pub tracks: Arc<[Track]>,
    /// Bytes that it has.
    pub size: usize,
    /// What it is.
    pub payload: P,
}

/// A slot of the plan with what each lane has of it.
#[derive(Clone, Debug)]
pub struct Row<P> {
    /// Where it is.
    pub slot: Slot,
    /// By lane. None: the lane has no media there.
    pub pieces: Vec<Option<Piece<P>>>,
}

/// Cuts the lanes of a ladder.
#[derive(Debug)]
pub struct Segmenter<P> {
    cutter: Cutter,
    plan: Plan,
    lanes: Vec<Lane<P>>,
    /// The rung whose frames the cutter gets.
    leader: Option<usize>,
    rungs: Vec<Rung>,
    rows: VecDeque<Pending<P>>,
    /// Slots that have a row or had one.
    opened: u64,
    time: Time,
    /// When a rung other than the leading one changed: the next key frame that comes is a break for all.
    break_due: Option<Duration>,
}

/// What time it is, on the monotonic clock.
#[derive(Clone, Copy, Default, Debug)]
struct Time {
    /// The newest arrival of all, or later.
    now: Duration,
    /// The newest time in which nothing came from anyone: when it began, and when it was over.
    pause: Option<(Duration, Duration)>,
}

impl Time {
    /// Something comes, `newest` being the arrival of what came before.
    fn hear(&mut self, arrival: Duration, newest: Option<Duration>) {
        let pause = newest.filter(|newest| arrival.saturating_sub(*newest) > PAUSE);
        self.pause = pause.map(|began| (began, arrival)).or(self.pause);
        self.now = self.now.max(arrival);
    }

    /// Whether who was heard then is not waited for. After a pause of all, those who sent until it began come back one
    /// after the other, each with as much as there is to catch up.
    fn is_silent(&self, heard: Duration) -> bool {
        let waited_for = self.pause.filter(|(began, _)| heard + SILENCE >= *began);
        let since = waited_for.map_or(heard, |(_, over)| heard.max(over));
        self.now.saturating_sub(since) > SILENCE
    }
}

/// What the cutter is told of a frame.
#[derive(Clone, Copy, Debug)]
struct Leading {
    timing: Timing,
    part: Part,
    program: bool,
    epoch: u64,
    arrival: Duration,
}

impl<P> From<&Unit<P>> for Leading {
    fn from(unit: &Unit<P>) -> Self {
        let Unit { timing, part, program, arrival, .. } = *unit;
        Self { timing, part, program, epoch: unit.context.epoch.id, arrival }
    }
}

/// What is known of a rung, whatever its lanes are.
#[derive(Clone, Copy, Default, Debug)]
struct Rung {
    has_pictures: bool,
    heard: Option<Duration>,
}

/// A row that some lanes may still have to say something about.
#[derive(Debug)]
struct Pending<P> {
    number: u64,
    /// Told once every lane has followed the plan to its end.
    slot: Option<Slot>,
    pieces: Vec<Option<Piece<P>>>,
}

impl<P> Segmenter<P> {
    /// A segmenter without lanes, whose segments aim at `target`, held to 1 … 12 s.
    pub fn new(target: Duration) -> Self {
        Self {
            cutter: Cutter::new(target),
            plan: Plan::default(),
            lanes: Vec::new(),
            leader: None,
            rungs: Vec::new(),
            rows: VecDeque::new(),
            opened: 0,
            time: Time::default(),
            break_due: None,
        }
    }

    /// One more lane, fed by `rung`; its index. What was planned before it came is not its business.
    pub fn add_lane(&mut self, rung: usize) -> usize {
        self.lanes.push(Lane::new(rung, self.plan.entry()));
        self.rows.iter_mut().for_each(|row| row.pieces.push(None));
        self.lanes.len() - 1
    }

    /// The rung that feeds a lane.
    pub fn rung_of(&self, lane: usize) -> usize {
        self.lanes[lane].rung
    }

    /// Another rung feeds the lane from now on.
    pub fn set_rung(&mut self, lane: usize, rung: usize) {
        self.lanes[lane].rung = rung;
    }

    /// How long nothing came to a lane; none where nothing ever did.
    pub fn lane_silence(&self, lane: usize) -> Option<Duration> {
        Some(self.time.now.saturating_sub(self.lanes.get(lane)?.heard()?))
    }

    /// When something came from a rung last.
    pub fn heard(&self, rung: usize) -> Option<Duration> {
        self.rungs.get(rung)?.heard
    }

    /// Whether nothing came from a rung for so long that it is not waited for.
    pub fn is_silent(&self, rung: usize) -> bool {
        self.heard(rung).is_none_or(|heard| self.time.is_silent(heard))
    }

    /// Lanes whose key frames are not where those of most others are.
    pub fn misaligned(&self) -> Vec<usize> {
        let votes = self.lanes.iter().enumerate().filter_map(|(lane, of)| {
            let (keys, is_settled) = of.keys()?;
            Some(Vote { lane, keys, is_settled })
        });
        agreement::odd_ones(&votes.collect::<Vec<_>>())
    }

    /// EXT-X-TARGETDURATION in seconds, once it is fixed.
    pub fn target_duration(&self) -> Option<u32> {
        self.plan.target_duration()
    }

    /// The open slot, as far as it is known: its duration is not.
    pub fn open(&self) -> Option<Slot> {
        self.plan.open_slot()
    }

    /// Takes the next unit of a lane, in the order of the rung.
    pub fn push(&mut self, lane: usize, unit: Unit<P>) -> Vec<Row<P>> {
        let rung = self.lanes[lane].rung;
        self.hear(rung, unit.arrival, unit.part == Part::Lead && unit.has_pictures());
        let frame = Leading::from(&unit);
        let led = self.leader;
        self.lanes[lane].push(unit);
        self.choose_leader(rung);
        if led.is_some() && led != self.leader {
            // What has just come went through the cutter with the rest.
        } else if self.leader == Some(rung) {
            self.lead(lane, self.lanes[lane].newest(), frame);
        } else if frame.program && self.lanes[lane].is_open(frame.epoch) {
            let is_broken = self.plan.break_off(frame.timing.pts, SAME_START);
            if !is_broken {
                self.break_due.get_or_insert(frame.arrival);
            }
        }
        self.settle()
    }

    /// Something came for a lane that is not part of it: it is waited for all the same.
    pub fn hear_lane(&mut self, lane: usize, arrival: Duration) -> Vec<Row<P>> {
        self.hear(self.lanes[lane].rung, arrival, false);
        self.lanes[lane].hear(arrival);
        self.settle()
    }

    /// Whether nothing has come from any rung for so long that the media has ended.
    pub fn has_ended(&self) -> bool {
        let heard = self.rungs.iter().filter_map(|rung| rung.heard).max();
        heard.is_none_or(|heard| self.time.now.saturating_sub(heard) >= ENDED)
    }

    /// Takes note that it is `now`, for rungs that are silent: whoever waits for them waits no longer, and where all
    /// are silent the open segments end.
    pub fn tick(&mut self, now: Duration) -> Vec<Row<P>> {
        self.time.now = self.time.now.max(now);
        if self.has_ended() {
            return self.flush();
        }
        if let Some(leader) = self.leader.filter(|&leader| self.is_silent(leader)) {
            self.replace(leader);
        }
        self.settle()
    }

    /// Ends the open segments where the media ends.
    fn flush(&mut self) -> Vec<Row<P>> {
        if let Some(end) = self.cutter.flush() {
            self.plan.set_limits(self.cutter.target_duration(), self.cutter.limit());
            self.plan.end(end);
            self.open_rows();
        }
        self.settle()
    }

    fn hear(&mut self, rung: usize, arrival: Duration, has_pictures: bool) {
        if self.rungs.len() <= rung {
            self.rungs.resize(rung + 1, Rung::default());
        }
        self.time.hear(arrival, self.rungs.iter().filter_map(|rung| rung.heard).max());
        self.rungs[rung].has_pictures |= has_pictures;
        self.rungs[rung].heard = self.rungs[rung].heard.max(Some(arrival));
    }

    /// The first rung of which something comes leads, until one with pictures comes where it has none, or it is silent.
    fn choose_leader(&mut self, rung: usize) {
        let Some(leader) = self.leader else {
            self.leader = Some(rung);
            return;
        };
        if leader == rung {
            return;
        }
        if self.rungs[rung].has_pictures && !self.rungs[leader].has_pictures {
            self.hand_over(rung);
        } else if self.is_silent(leader) {
            self.replace(leader);
        }
    }

    /// Lets another rung lead, if there is one that is heard.
    fn replace(&mut self, leader: usize) {
        let heard = |rung: &usize| *rung != leader && !self.is_silent(*rung);
        let candidates: Vec<usize> = (0..self.rungs.len()).filter(heard).collect();
        let with_pictures = candidates.iter().find(|&&rung| self.rungs[rung].has_pictures);
        if let Some(&rung) = with_pictures.or_else(|| candidates.first()) {
            self.hand_over(rung);
        }
    }

    /// Another rung leads: what it has from the open slot on goes through the cutter now.
    fn hand_over(&mut self, rung: usize) {
        self.leader = Some(rung);
        let delay = self.lanes.iter().filter(|lane| lane.rung == rung).find_map(Lane::delay);
        self.cutter.hand_over(delay.map_or(TimeDelta::ZERO, |delay| self.plan.hand_over(delay)));
        let from = self.plan.open_start();
        let mut units = Vec::new();
        for (index, lane) in self.lanes.iter().enumerate().filter(|(_, lane)| lane.rung == rung) {
            units.extend(lane.since(from).map(|(id, unit)| (unit.arrival, unit.timing.dts, index, id)));
        }
        units.sort_by_key(|&(arrival, dts, ..)| (arrival, dts));
        for (_, _, lane, id) in units {
            let Some(mut frame) = self.lanes[lane].unit(id).map(Leading::from) else { continue };
            // The program that the open slot began with is no break any more, nor the one that the lane's piece of it has.
            let is_new = self.plan.epoch() != Some(frame.epoch) || self.lanes[lane].is_open(frame.epoch);
            frame.program &= is_new && !self.lanes[lane].is_begun_with(id);
            self.lead(lane, id, frame);
        }
    }

    /// Gives a frame of the leading rung to the cutter.
    fn lead(&mut self, lane: usize, id: u64, frame: Leading) {
        let Leading { timing, part, program, epoch, arrival } = frame;
        let is_due = self.break_due.is_some_and(|due| arrival >= due);
        let is_break = is_due && part == Part::Lead && timing.key && self.cutter.is_open();
        let is_first = self.plan.epoch().is_none();
        if is_first && !program && !(part == Part::Lead && timing.key) {
            return;
        }
        let cut = match program || is_break || is_first {
            true => Some(self.cutter.join(&timing, part)),
            false => self.cutter.push(&timing, part),
        };
        let Some(cut) = cut else { return };
        self.break_due.take_if(|due| cut.discontinuity && arrival >= *due);
        self.plan.set_limits(self.cutter.target_duration(), self.cutter.limit());
        let number = self.plan.cut(&cut, epoch, self.time.now);
        self.lanes[lane].mark(id, number);
        self.open_rows();
    }

    /// A row for each slot that has begun.
    fn open_rows(&mut self) {
        for number in self.opened..self.plan.begun() {
            let pieces = self.lanes.iter().map(|_| None).collect();
            self.rows.push_back(Pending { slot: None, number, pieces });
        }
        self.opened = self.plan.begun();
    }

    /// Lets the lanes follow the plan, and rows leave.
    fn settle(&mut self) -> Vec<Row<P>> {
        let (time, leader) = (self.time, self.leader);
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let leads = leader == Some(lane.rung);
            lane.follow(&self.plan, &time, leads, |number, piece| {
                if let Some(row) = self.rows.iter_mut().find(|row| row.number == number) {
                    row.pieces[index] = Some(piece);
                }
            });
        }
        let passed = self.lanes.iter().map(Lane::next_event).min();
        if let Some(passed) = passed {
            for slot in self.plan.forget(passed) {
                if let Some(row) = self.rows.iter_mut().find(|row| row.number == slot.number) {
                    row.slot = Some(slot);
                }
            }
        }
        let mut rows = Vec::new();
        while let Some(slot) = self.rows.front().and_then(|row| row.slot) {
            rows.extend(self.rows.pop_front().map(|row| Row { slot, pieces: row.pieces }));
        }
        rows
    }
}

impl<P> Unit<P> {
    /// Whether pictures are in its lane.
    pub(crate) fn has_pictures(&self) -> bool {
        self.tracks.iter().any(|track| track.codec.kind() == media::Kind::Video)
    }

    /// When it ends to be shown.
    pub(crate) fn end(&self) -> Timestamp {
        self.timing.pts + self.timing.duration.max(TimeDelta::ZERO)
    }
}

#[cfg(test)]
mod tests;
