//! Where all lanes of a ladder are cut.

use std::collections::VecDeque;
use std::time::Duration;

use media::{TimeDelta, Timestamp};

use crate::cut::Cut;

/// A stretch of presentation time that every lane has one segment for, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Counted from 0, without a gap.
    pub number: u64,
    /// The epoch that it belongs to.
    pub epoch: u64,
    /// When its first picture or sound is shown, on hub time.
    pub start: Timestamp,
    /// To the start of the next slot, or to the end of the media where some is missing after it.
    pub duration: TimeDelta,
    /// It does not go on from the slot before it.
    pub discontinuity: bool,
}

impl Slot {
    /// Where it ends.
    pub fn end(&self) -> Timestamp {
        self.start + self.duration
    }
}

/// What happens to all lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Event {
    /// The slot that ends with it.
    pub(super) closed: Option<Slot>,
    /// What begins with it; the media ends where nothing does.
    pub(super) begun: Option<Boundary>,
}

/// The beginning of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Boundary {
    pub(super) number: u64,
    pub(super) epoch: u64,
    /// When the first picture or sound of the slot is shown.
    pub(super) at: Timestamp,
    /// The leading rung has a key frame there.
    pub(super) independent: bool,
    pub(super) discontinuity: bool,
    /// When the frame came that it begins with.
    pub(super) arrival: Duration,
}

#[derive(Debug)]
struct Open {
    slot: Slot,
    /// Its start as the cutter counts it.
    decoded: Timestamp,
}

/// What the leading rung was cut to. Events are counted from 0 and kept until every lane has followed them.
#[derive(Debug, Default)]
pub(super) struct Plan {
    events: VecDeque<Event>,
    /// Index of the first of them.
    first: u64,
    /// Closed slots of events before this one were told.
    told: u64,
    open: Option<Open>,
    /// Number of the next slot.
    next: u64,
    epoch: Option<u64>,
    target_duration: Option<u32>,
    limit: TimeDelta,
    /// Duration of the newest closed slot.
    usual: Option<TimeDelta>,
}

impl Plan {
    /// What the cutter knows of how long segments may be, as of the event that comes next.
    pub(super) fn set_limits(&mut self, target_duration: Option<u32>, limit: TimeDelta) {
        (self.target_duration, self.limit) = (target_duration, limit);
    }

    /// A slot begins, of this epoch; its number.
    pub(super) fn cut(&mut self, cut: &Cut, epoch: u64, arrival: Duration) -> u64 {
        let (number, at) = (self.next, cut.start + cut.delay);
        let closed = self.close(cut.end);
        let slot =
            Slot { number, epoch, start: at, duration: TimeDelta::ZERO, discontinuity: cut.discontinuity };
        self.open = Some(Open { slot, decoded: cut.start });
        self.next += 1;
        self.epoch = Some(epoch);
        let (independent, discontinuity) = (cut.independent, cut.discontinuity);
        let begun = Boundary { number, epoch, at, independent, discontinuity, arrival };
        self.events.push_back(Event { closed, begun: Some(begun) });
        number
    }

    /// The open slot does not go on from the one before, if that time is near its start. Nothing was told of it yet.
    pub(super) fn break_off(&mut self, at: Timestamp, near: TimeDelta) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| (at - open.slot.start).abs() <= near) else {
            return false;
        };
        open.slot.discontinuity = true;
        if let Some(begun) = self.events.back_mut().and_then(|event| event.begun.as_mut()) {
            begun.discontinuity = true;
        }
        true
    }

    /// Another rung leads, in which what is shown was decoded by `delay` before; how much later that is than in the one
    /// that led.
    pub(super) fn hand_over(&mut self, delay: TimeDelta) -> TimeDelta {
        let Some(open) = &mut self.open else { return TimeDelta::ZERO };
        let before = std::mem::replace(&mut open.decoded, open.slot.start - delay);
        open.decoded - before
    }

    /// The media ends, in the time of the cutter.
    pub(super) fn end(&mut self, end: Timestamp) {
        if let Some(closed) = self.close(end) {
            self.events.push_back(Event { closed: Some(closed), begun: None });
        }
    }

    fn close(&mut self, end: Timestamp) -> Option<Slot> {
        let Open { mut slot, decoded } = self.open.take()?;
        slot.duration = end - decoded;
        self.usual = Some(slot.duration);
        Some(slot)
    }

    /// The event of that index.
    pub(super) fn event(&self, index: u64) -> Option<&Event> {
        self.events.get(usize::try_from(index.checked_sub(self.first)?).ok()?)
    }

    /// Index of the next event to come.
    pub(super) fn next_event(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// Index of the event that a lane which comes now begins with: the start of the open slot.
    pub(super) fn entry(&self) -> u64 {
        self.next_event() - u64::from(self.open.is_some())
    }

    /// The open slot; its duration is zero.
    pub(super) fn open_slot(&self) -> Option<Slot> {
        self.open.as_ref().map(|open| open.slot)
    }

    /// When the open slot starts to be shown.
    pub(super) fn open_start(&self) -> Option<Timestamp> {
        self.open.as_ref().map(|open| open.slot.start)
    }

    /// Slots that have begun so far.
    pub(super) fn begun(&self) -> u64 {
        self.next
    }

    /// The newest epoch.
    pub(super) fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    /// EXT-X-TARGETDURATION in seconds, once it is fixed.
    pub(super) fn target_duration(&self) -> Option<u32> {
        self.target_duration
    }

    /// What no piece may exceed, whatever the target comes to be.
    pub(super) fn limit(&self) -> TimeDelta {
        self.limit
    }

    /// Whether a piece that begins then, rather than with its slot, is likely not to exceed the limit.
    pub(super) fn may_begin_at(&self, start: Timestamp, slot: Timestamp) -> bool {
        self.usual.is_none_or(|usual| slot - start + usual <= self.limit())
    }

    /// How long a slot is, as far as is known.
    pub(super) fn usual(&self) -> Option<TimeDelta> {
        self.usual
    }

    /// Every lane has followed the events before `passed`: the slots that they closed, each told once.
    pub(super) fn forget(&mut self, passed: u64) -> Vec<Slot> {
        let mut closed = Vec::new();
        while self.told < passed {
            closed.extend(self.event(self.told).and_then(|event| event.closed));
            self.told += 1;
        }
        while self.first < passed.min(self.entry()) && self.events.pop_front().is_some() {
            self.first += 1;
        }
        closed
    }
}
