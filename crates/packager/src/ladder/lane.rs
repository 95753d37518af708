//! One lane: its frames from the open slot on, and where the next slot begins among them.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use media::{TimeDelta, Timestamp};

use super::agreement::Keys;
use super::plan::{Boundary, Event, Plan, Slot};
use super::{Time, Unit};
use crate::cut::Part;

/// Bytes that a lane holds at most: 12 s, the longest that a segment lasts, at 85 Mbit/s. A source whose clock stands
/// still sends more than that and never comes to the next cut.
const MAX_BYTES: usize = 128 << 20;
/// A lane this far behind the plan is not waited for.
const MAX_LAG: Duration = Duration::from_secs(8);
/// Nor one this many events behind: what its sources may send at once, 30 s, is less.
const MAX_BEHIND: u64 = 16;
/// Key frames this near to each other are the same one.
pub(super) const EXACT: TimeDelta = TimeDelta::from_millis(8);
/// A break at another rung and the one here that lie within this are the same.
const SAME_BREAK: TimeDelta = TimeDelta::from_secs(1);
/// Half of a slot's length, as long as that is not known.
const NEAR: TimeDelta = TimeDelta::from_secs(1);
/// Pictures are taken for gone once the rest of their lane is this much ahead.
const GONE: TimeDelta = TimeDelta::from_secs(1);
/// A lane whose media ends this much before its slot has no piece of it.
const HOLE: TimeDelta = TimeDelta::from_millis(500);
/// No piece is shorter.
const SHORTEST: TimeDelta = TimeDelta::from_millis(1);
/// What a lane has of a slot.
#[derive(Clone, Debug)]
pub struct Piece<P> {
    /// When its first picture or sound is shown, on hub time.
    pub start: Timestamp,
    /// To the start of the next piece, to the end of the slot where none goes on from it or all end there, and to the end of
    /// its media where a gap comes.
    pub duration: TimeDelta,
    /// Decode time of the unit that goes on from it, or where its last one ends, or where it would be too long. What is
    /// decoded thereafter is not told of.
    pub decoded: Timestamp,
    /// Every picture in it can be decoded without the piece before. False also where pictures follow the key frame
    /// that are shown before it: those of an open GOP lean on the GOP before.
    pub independent: bool,
    /// Its frames, at least one, in decode order.
    pub units: Vec<Unit<P>>,
}

/// The state of a lane.
#[derive(Debug)]
pub(super) struct Lane<P> {
    /// The rung that feeds it.
    pub(super) rung: usize,
    queue: VecDeque<Queued<P>>,
    bytes: usize,
    /// Id of the next unit.
    next_id: u64,
    /// Index of the event to follow next.
    next_event: u64,
    open: Option<Open>,
    /// Where its last piece ended, when that was because nothing came any more.
    ended: Option<Timestamp>,
    /// Where its newest piece starts, or the slot that it had none of.
    told: Option<Timestamp>,
    heard: Option<Duration>,
    /// Where its key frames are against the planned cuts, and how many times in a row it began beside those.
    keys: Option<Keys>,
    beside: u32,
}

#[derive(Debug)]
struct Queued<P> {
    unit: Unit<P>,
    /// The slot that the leading rung begins with it.
    begins: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    epoch: u64,
    start: Timestamp,
    /// When its first unit is shown.
    shown: Timestamp,
    /// How much later than the slot it starts.
    offset: TimeDelta,
    independent: bool,
}

/// What a lane does at the beginning of a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Decision {
    /// It cannot know yet.
    Wait,
    /// Its piece begins with this unit.
    Begin { index: usize, exact: bool },
    /// The open piece is that of this slot, for it begins after the one before has ended.
    Stay,
    /// It has no media there.
    Absent,
}

/// How a piece ends.
#[derive(Clone, Copy, Debug)]
struct Closing {
    /// The slot that it is the piece of.
    slot: Option<Slot>,
    /// It may not last longer.
    limit: TimeDelta,
    /// Its rung leads.
    leads: bool,
    /// How much later than the next slot the piece begins that goes on from it; none where none does.
    late: Option<TimeDelta>,
}

impl Closing {
    /// A duration that does not exceed the limit.
    fn hold(&self, duration: TimeDelta) -> TimeDelta {
        duration.min(self.limit)
    }
}

impl<P> Lane<P> {
    /// A lane that follows the plan from that event on.
    pub(super) fn new(rung: usize, next_event: u64) -> Self {
        Self {
            rung,
            queue: VecDeque::new(),
            bytes: 0,
            next_id: 0,
            next_event,
            open: None,
            ended: None,
            told: None,
            heard: None,
            keys: None,
            beside: 0,
        }
    }

    pub(super) fn push(&mut self, unit: Unit<P>) {
        self.hear(unit.arrival);
        self.next_id += 1;
        if self.bytes + unit.size > MAX_BYTES {
            self.queue.clear();
            self.bytes = 0;
            self.open = None;
        }
        self.bytes += unit.size;
        self.queue.push_back(Queued { unit, begins: None });
    }

    /// Id of the newest unit.
    pub(super) fn newest(&self) -> u64 {
        self.next_id - 1
    }

    /// The unit of that id, unless it has left.
    pub(super) fn unit(&self, id: u64) -> Option<&Unit<P>> {
        Some(&self.queue.get(self.index(id)?)?.unit)
    }

    fn index(&self, id: u64) -> Option<usize> {
        let first = self.next_id - self.queue.len() as u64;
        usize::try_from(id.checked_sub(first)?).ok()
    }

    /// The leading rung begins a slot with that unit.
    pub(super) fn mark(&mut self, id: u64, number: u64) {
        let index = self.index(id);
        if let Some(queued) = index.and_then(|index| self.queue.get_mut(index)) {
            queued.begins = Some(number);
        }
    }

    /// Units that are shown after the open slot has started, or all where none is open, with their ids.
    pub(super) fn since(&self, from: Option<Timestamp>) -> impl Iterator<Item = (u64, &Unit<P>)> {
        let first = self.next_id - self.queue.len() as u64;
        let units = self.queue.iter().enumerate().map(move |(n, queued)| (first + n as u64, &queued.unit));
        units.filter(move |(_, unit)| from.is_none_or(|from| unit.timing.pts > from + EXACT))
    }

    /// How much later than decoded its pictures are shown, by the oldest key frame that it holds.
    pub(super) fn delay(&self) -> Option<TimeDelta> {
        let mut timings = self
            .queue
            .iter()
            .filter(|queued| queued.unit.part == Part::Lead)
            .map(|queued| queued.unit.timing);
        timings.find(|timing| timing.key).map(|key| key.pts - key.dts)
    }

    /// Something came at that time that is not part of it.
    pub(super) fn hear(&mut self, arrival: Duration) {
        self.heard = self.heard.max(Some(arrival));
    }

    /// When something came for it last.
    pub(super) fn heard(&self) -> Option<Duration> {
        self.heard
    }

    /// Whether it has a piece of the open slot, of this epoch.
    pub(super) fn is_open(&self, epoch: u64) -> bool {
        self.open.is_some_and(|open| open.epoch == epoch)
    }

    /// Whether its open piece begins with that unit.
    pub(super) fn is_begun_with(&self, id: u64) -> bool {
        self.open.is_some() && self.index(id) == Some(0)
    }

    /// Index of the event to follow next.
    pub(super) fn next_event(&self) -> u64 {
        self.next_event
    }

    /// Where its key frames are against the planned cuts, and whether that is no chance; none where it has no pictures.
    pub(super) fn keys(&self) -> Option<(Keys, bool)> {
        Some((self.keys?, self.beside != 1))
    }

    /// Follows the plan as far as it can at that `time`, and says what it has of each slot that ends.
    pub(super) fn follow(
        &mut self,
        plan: &Plan,
        time: &Time,
        leads: bool,
        mut say: impl FnMut(u64, Piece<P>),
    ) {
        while let Some(event) = plan.event(self.next_event).copied() {
            let decision = match &event.begun {
                Some(boundary) => {
                    let missed = event.closed.filter(|_| self.open.is_none()).map(|slot| slot.start);
                    self.told = self.told.max(missed);
                    self.decide(boundary, plan, time)
                }
                None => Decision::Absent,
            };
            let closing = Closing { slot: event.closed, limit: plan.limit(), leads, late: None };
            let piece = match decision {
                Decision::Wait => return,
                Decision::Begin { index, exact } => self.begin(index, exact, &event, &closing),
                Decision::Stay => {
                    self.stay(&event);
                    None
                }
                Decision::Absent => self.leave(&event, &closing),
            };
            if let Some((closed, piece)) = event.closed.zip(piece) {
                say(closed.number, piece);
            }
            self.next_event += 1;
        }
    }

    /// Where among its units the slot begins.
    fn decide(&self, boundary: &Boundary, plan: &Plan, time: &Time) -> Decision {
        if let Some(index) = self.queue.iter().position(|queued| queued.begins == Some(boundary.number)) {
            return Decision::Begin { index, exact: true };
        }
        if let Some(decision) = self.resume(boundary) {
            return decision;
        }
        let behind = plan.next_event() - self.next_event;
        // After a break the rungs come one after the other.
        let since = if boundary.discontinuity { Some(boundary.arrival) } else { None }.max(self.heard);
        let silent = since.is_none_or(|since| time.is_silent(since));
        let lags = time.now.saturating_sub(boundary.arrival) > MAX_LAG;
        let late = silent || lags || behind > MAX_BEHIND;
        let epoch_of = |queued: &Queued<P>| queued.unit.context.epoch.id;
        let mut first = self.queue.partition_point(|queued| epoch_of(queued) < boundary.epoch);
        // The open piece has one unit at least.
        first = first.max(usize::from(self.open.is_some()));
        let mut last = self.queue.partition_point(|queued| epoch_of(queued) <= boundary.epoch);
        let own_break = (first..last.max(first)).find(|&n| self.queue[n].unit.join);
        let mut goes_on = self.open.is_some();
        if let Some(index) = own_break {
            let distance = self.queue[index].unit.timing.pts - boundary.at;
            if boundary.discontinuity && distance.abs() <= SAME_BREAK && self.may_begin(index) {
                return Decision::Begin { index, exact: distance.abs() <= EXACT };
            }
            if goes_on && boundary.discontinuity && distance < TimeDelta::ZERO {
                // It broke long before: it comes back here, if it can.
                (first, goes_on) = (index, false);
            } else if goes_on {
                last = index;
            }
        }
        if self.open.is_some_and(|open| open.epoch == boundary.epoch && open.start >= boundary.at) {
            return Decision::Stay;
        }
        self.nearest(first..last, goes_on, boundary, plan, late)
    }

    /// What had ended and goes on after all does so with its next unit, key frame or not.
    fn resume(&self, boundary: &Boundary) -> Option<Decision> {
        let (ended, next) = self.ended.zip(self.queue.front())?;
        let Unit { timing, join, context, .. } = &next.unit;
        let hole = timing.dts - ended;
        let goes_on = !boundary.discontinuity && !join && context.epoch.id == boundary.epoch;
        let distance = (timing.pts - boundary.at).abs();
        let is_here = hole >= -EXACT && hole <= HOLE && distance <= SAME_BREAK;
        (goes_on && is_here).then(|| Decision::Begin { index: 0, exact: distance <= self.tolerance(0) })
    }

    /// Where the slot begins among those units, which go on from the open piece or do not.
    fn nearest(
        &self,
        units: Range<usize>,
        goes_on: bool,
        boundary: &Boundary,
        plan: &Plan,
        late: bool,
    ) -> Decision {
        let Range { start: first, end } = units;
        let complete = end < self.queue.len();
        let at = boundary.at;
        let near = plan.usual().map_or(NEAR, |usual| TimeDelta::from_ticks(usual.ticks() / 2));
        let candidates = || (first..end).filter(|&n| self.queue[n].unit.leads);
        let shown = |n: usize| self.queue[n].unit.timing.pts;
        let is_key = |n: &usize| self.queue[*n].unit.timing.key;
        let ends = |n: &usize| !goes_on || self.may_last(shown(*n), plan);
        let after = candidates().filter(is_key).find(|&n| shown(n) + self.tolerance(n) >= at);
        if let Some(index) = after.filter(|&n| shown(n) - self.tolerance(n) <= at).filter(ends) {
            return Decision::Begin { index, exact: true };
        }
        let over = candidates().find(|&n| shown(n) >= at);
        if !boundary.independent
            && goes_on
            && let Some(index) = over.filter(ends)
        {
            return Decision::Begin { index, exact: true };
        }
        let progress = candidates().map(shown).max();
        let gone = || (first..end).any(|n| self.queue[n].unit.timing.dts - at >= GONE);
        let far = progress.is_some_and(|progress| progress - at >= near);
        if after.is_none() && !far && !complete && !late && !gone() {
            return Decision::Wait;
        }
        // Sound may begin anywhere: where some is missing, behind the hole.
        let before = candidates().filter(is_key).rfind(|&n| n > 0 && shown(n) < at);
        let before = before.filter(|&n| self.queue[n].unit.has_pictures() && self.is_news(n));
        let nearest = [before, after].into_iter().flatten().min_by_key(|&n| (shown(n) - at).abs());
        let near = |n: usize| match goes_on || self.queue[n].unit.has_pictures() {
            true => near,
            // Where sound begins, players would wait for what is missing of it.
            false => near.min(HOLE),
        };
        let is_near = |&n: &usize| (shown(n) - at).abs() <= near(n) && plan.may_begin_at(shown(n), at);
        if let Some(index) = nearest.filter(is_near).filter(ends) {
            return Decision::Begin { index, exact: false };
        }
        if !goes_on {
            return Decision::Absent;
        }
        // Decoding can go on here, but not start.
        let decoded = || (first..end).find(|&n| self.queue[n].unit.timing.dts >= at);
        let next = over.or_else(decoded);
        // The open piece would be too long: what is left of it has to begin the next one, unless media is missing there.
        let newest = || candidates().rfind(|&n| n > 0 && shown(n) < at && ends(&n));
        let newest = || newest().filter(|&n| next.is_some_and(|next| shown(next) - shown(n) <= HOLE));
        match next.filter(ends).or_else(newest) {
            Some(index) => Decision::Begin { index, exact: false },
            None => Decision::Absent,
        }
    }

    /// How far from the planned time a unit may be shown that is still the one.
    fn tolerance(&self, index: usize) -> TimeDelta {
        let unit = &self.queue[index].unit;
        let half = TimeDelta::from_ticks(unit.timing.duration.ticks() / 2);
        if unit.has_pictures() { EXACT } else { half.max(EXACT) }
    }

    /// Whether the open piece may last until then.
    fn may_last(&self, until: Timestamp, plan: &Plan) -> bool {
        self.open.is_none_or(|open| until - open.start.min(open.shown) <= plan.limit())
    }

    /// Whether decoding may start with that unit, or goes on with it.
    fn may_begin(&self, index: usize) -> bool {
        self.open.is_some() || self.queue[index].unit.timing.key && self.is_news(index)
    }

    /// Whether the unit is shown after the start of what was told last: a gap that was told is not filled any more.
    fn is_news(&self, index: usize) -> bool {
        self.told.is_none_or(|told| self.queue[index].unit.timing.pts >= told + SHORTEST)
    }

    /// The open piece is that of the slot that begins.
    fn stay(&mut self, event: &Event) {
        if let (Some(open), Some(boundary)) = (&mut self.open, &event.begun) {
            open.offset = open.start - boundary.at;
        }
        self.told = self.told.max(event.closed.map(|slot| slot.start));
    }

    /// A piece begins with that unit. The one that ends there, if there is media for it.
    fn begin(&mut self, index: usize, exact: bool, event: &Event, closing: &Closing) -> Option<Piece<P>> {
        let first = &self.queue[index].unit;
        let boundary = event.begun?;
        let offset = if exact { TimeDelta::ZERO } else { first.timing.pts - boundary.at };
        let start = if exact { boundary.at } else { first.timing.pts };
        let opened = Open {
            epoch: boundary.epoch,
            start,
            shown: first.timing.pts,
            offset,
            independent: first.timing.key,
        };
        if boundary.independent && first.has_pictures() {
            self.beside = if exact { 0 } else { self.beside + 1 };
            self.keys = Some(if first.timing.key { Keys::At(offset) } else { Keys::Elsewhere });
        }
        let late = Some(offset).filter(|_| !boundary.discontinuity);
        let piece = self.close(index, &Closing { late, ..*closing });
        (self.open, self.ended) = (Some(opened), None);
        if let Some(first) = self.queue.front_mut() {
            first.unit.join = false;
        }
        piece
    }

    /// The lane has nothing of the slot that begins, or none does.
    fn leave(&mut self, event: &Event, closing: &Closing) -> Option<Piece<P>> {
        let index = match &event.begun {
            None => self.queue.len(),
            Some(boundary) => {
                let is_before = |queued: &Queued<P>| {
                    let epoch = queued.unit.context.epoch.id;
                    epoch < boundary.epoch || epoch == boundary.epoch && queued.unit.timing.pts < boundary.at
                };
                self.queue.iter().position(|queued| !is_before(queued)).unwrap_or(self.queue.len())
            }
        };
        let mut piece = self.close(index, closing);
        if event.begun.is_some_and(|begun| !begun.discontinuity)
            && let Some(piece) = &mut piece
            && let Some(end) = piece.units.iter().map(Unit::end).max()
        {
            piece.duration = piece.duration.min(end - piece.start).max(SHORTEST);
        }
        self.ended = piece.as_ref().filter(|_| event.begun.is_none()).map(|piece| piece.decoded);
        piece
    }

    /// The units before that one leave.
    fn close(&mut self, index: usize, closing: &Closing) -> Option<Piece<P>> {
        let mut units: Vec<Unit<P>> = self.queue.drain(..index).map(|queued| queued.unit).collect();
        self.bytes -= units.iter().map(|unit| unit.size).sum::<usize>();
        // What has another format is not part of the piece.
        let tracks = units.first().map(|first| Arc::clone(&first.tracks));
        let is_other =
            |unit: &Unit<P>| unit.join && tracks.as_ref().is_some_and(|tracks| unit.tracks != *tracks);
        if let Some(other) = units.iter().position(is_other) {
            units.truncate(other);
        }
        let (open, closed) = (self.open.take()?, closing.slot?);
        if open.start >= closed.end() {
            self.told = self.told.max(Some(closed.start));
            return None;
        }
        self.told = self.told.max(Some(open.start));
        let end = units.iter().map(Unit::end).max()?;
        if !closing.leads && closed.end() - end > HOLE {
            return None;
        }
        let (first, last) = (units.first()?.timing, units.last()?.timing);
        let natural = last.dts + last.duration;
        let next = self.queue.front().map(|queued| queued.unit.timing.dts);
        // No time may be missing between what goes on from each other, unless that is too long.
        let hole = if closing.late.is_some() { TimeDelta::MAX } else { HOLE };
        let goes_on = |next: &Timestamp| *next > last.dts && *next - natural <= hole;
        let decoded = next.filter(goes_on).unwrap_or(natural);
        let seam = closing.late.unwrap_or(TimeDelta::ZERO);
        let mut shown = units.iter().filter(|unit| unit.leads).map(|unit| unit.timing.pts);
        let leading = shown.next().is_some_and(|first| shown.any(|later| later < first));
        Some(Piece {
            start: open.start,
            duration: closing.hold(closed.duration + seam - open.offset).max(SHORTEST),
            decoded: first.dts + closing.hold(decoded - first.dts),
            independent: open.independent && !leading,
            units,
        })
    }
}
