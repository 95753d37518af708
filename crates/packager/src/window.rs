//! The segments of an output: held until they may be told of, numbered, listed, kept for those who ask late, and let
//! go (RFC 8216 6.2.1 and 6.2.2). All lanes move on together, row by row.

mod hold;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use hub::Context;
use media::{TimeDelta, Timestamp};

use crate::ladder::Slot;
use crate::segment::{Body, File, FileKind, Segment};
use crate::settings::Settings;
use hold::Hold;

/// A segment may exceed the target by this and still be rounded down to it.
const ROUNDED_DOWN: TimeDelta = TimeDelta::from_millis(499);
/// No more is missing at the end of a segment.
const HOLE: TimeDelta = TimeDelta::from_millis(500);
/// Dates are told to the millisecond.
const DATE: TimeDelta = TimeDelta::from_millis(1);

/// A row whose segments are made.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Ready {
    pub(crate) slot: Slot,
    /// By lane. None: no media.
    pub(crate) cells: Vec<Option<Cell>>,
}

/// A segment before it is listed.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) kind: FileKind,
    pub(crate) init: Option<Arc<str>>,
    pub(crate) body: Body,
    pub(crate) parts: Vec<Bytes>,
}

impl Ready {
    fn size(&self) -> usize {
        self.cells.iter().flatten().map(|cell| cell.body.size).sum()
    }
}

/// A row of listed segments. Never changes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Listed {
    pub(crate) slot: Slot,
    /// Unix time of its start.
    pub(crate) date: Timestamp,
    /// Discontinuities before it, counted on from the first number.
    discontinuities: u64,
    /// By lane; a gap where a lane that had begun has no media. None: the lane had not begun.
    cells: Vec<Option<Arc<Segment>>>,
}

impl Listed {
    /// The segment of a lane, or its gap.
    pub(crate) fn segment(&self, lane: usize) -> Option<&Arc<Segment>> {
        self.cells.get(lane)?.as_ref()
    }

    /// The segment of a lane, unless it is a gap.
    pub(crate) fn media(&self, lane: usize) -> Option<&Arc<Segment>> {
        self.segment(lane).filter(|segment| !segment.gap)
    }
}

/// What became of the segments.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Moved {
    /// Newly listed, in order. Their bytes are handed over, and not kept here.
    pub(crate) added: Vec<File>,
    /// Rows newly listed.
    pub(crate) rows: usize,
    /// Names of those that are available no longer.
    pub(crate) removed: Vec<String>,
}

/// The segments of an output.
#[derive(Debug)]
pub(crate) struct Window {
    first_sequence: u64,
    window: usize,
    history: usize,
    /// Media time that is listed at least, beside three target durations.
    depth: TimeDelta,
    target: Option<u32>,
    hold: Hold,
    /// Number of the first discontinuity of the next row.
    discontinuities: u64,
    /// Media time of all rows ever listed.
    told: TimeDelta,
    /// The longest that the list ever was.
    longest: TimeDelta,
    /// Whether a lane has had media.
    begun: Vec<bool>,
    /// Oldest first; they follow those that left.
    listed: VecDeque<Listed>,
    /// No longer listed, with `told` as it was when they left.
    left: VecDeque<(Listed, TimeDelta)>,
}

fn total(rows: &VecDeque<Listed>) -> TimeDelta {
    rows.iter().fold(TimeDelta::ZERO, |sum, row| sum + row.slot.duration)
}

impl Window {
    /// A window without segments, which lists media of this `depth` at least once there is as much.
    pub(crate) fn new(settings: &Settings, depth: TimeDelta) -> Self {
        Self {
            first_sequence: settings.first_sequence,
            window: settings.window.max(1),
            history: settings.history,
            depth,
            target: None,
            hold: Hold::default(),
            discontinuities: settings.first_discontinuity,
            told: TimeDelta::ZERO,
            longest: TimeDelta::ZERO,
            begun: Vec::new(),
            listed: VecDeque::new(),
            left: VecDeque::new(),
        }
    }

    /// Takes the target duration in seconds. The first one stays.
    pub(crate) fn set_target(&mut self, seconds: u32) {
        self.target.get_or_insert(seconds);
    }

    /// The target duration in seconds.
    pub(crate) fn target(&self) -> Option<u32> {
        self.target
    }

    /// Takes the state of the stream: its epoch, and the wall clock once that is settled.
    pub(crate) fn see(&mut self, context: &Context) {
        self.hold.see(context);
    }

    /// The media sequence number of a slot.
    pub(crate) fn sequence(&self, slot: &Slot) -> u64 {
        self.first_sequence + slot.number
    }

    /// Takes the next row. It is listed by [`Window::advance`] once target and wall clock are known, so that nothing
    /// that was told ever changes.
    pub(crate) fn push(&mut self, row: Ready) {
        self.hold.push(row);
    }

    /// The source is silent: what waits for the wall clock waits no longer.
    pub(crate) fn end(&mut self) {
        self.hold.release();
    }

    /// Lists what can be listed, and lets go what need not be kept.
    pub(crate) fn advance(&mut self) -> Moved {
        let mut moved = Moved::default();
        let Some(target) = self.target else {
            self.hold.drop_excess();
            return moved;
        };
        while let Some((row, date)) = self.hold.pop() {
            moved.rows += usize::from(self.list(row, date, &mut moved.added));
        }
        if moved.rows == 0 {
            return moved;
        }
        self.shorten(TimeDelta::from_secs(i64::from(target)).times(3).max(self.depth));
        self.let_go(&mut moved.removed);
        moved
    }

    /// Lists a row, unless no lane has begun yet.
    ///
    /// A wall clock that was set back never takes the time that is told back with it: it is caught up with over the next
    /// rows. Nor does a segment whose first picture is only guessed at, or that overlaps a short gap.
    fn list(&mut self, row: Ready, date: Timestamp, added: &mut Vec<File>) -> bool {
        let least = |last: &Listed| last.date + TimeDelta::from_ticks(last.slot.duration.ticks() / 2);
        let date = self.listed.back().map_or(date, |last| date.max(least(last)));
        let sequence = self.sequence(&row.slot);
        let mut slot = row.slot;
        // Numbers go on across a restart, but nothing else does.
        slot.discontinuity |= self.told == TimeDelta::ZERO;
        self.begun.resize(row.cells.len().max(self.begun.len()), false);
        for (begun, cell) in self.begun.iter_mut().zip(&row.cells) {
            *begun |= cell.is_some();
        }
        if !self.begun.contains(&true) {
            return false;
        }
        let last = self.listed.back();
        let longest =
            self.target.map_or(TimeDelta::ZERO, |target| TimeDelta::from_secs(target.into()) + ROUNDED_DOWN);
        let cells = row.cells.into_iter().zip(&self.begun).enumerate().map(|(lane, (cell, begun))| {
            let before = last.and_then(|row| row.segment(lane));
            let rising =
                |date: Timestamp| before.map_or(date, |before| date.max(before.program_date_time + DATE));
            let Some(Cell { name, kind, init, mut body, parts }) = cell else {
                // What was missing at the end of the segment before is part of the gap.
                let ended = before
                    .filter(|before| !before.gap && !slot.discontinuity)
                    .map(|before| before.body.end());
                let early =
                    ended.map_or(TimeDelta::ZERO, |ended| slot.start - ended).clamp(TimeDelta::ZERO, HOLE);
                let early = if slot.duration + early <= longest { early } else { TimeDelta::ZERO };
                return begun.then(|| Arc::new(gap(sequence, &slot, early, rising(date - early))));
            };
            added.push(File { name: name.clone(), kind, parts });
            body.discontinuity = slot.discontinuity;
            let program_date_time = rising(date + (body.start - slot.start));
            Some(Arc::new(Segment { sequence, name, program_date_time, gap: false, init, body }))
        });
        let cells = cells.collect();
        self.listed.push_back(Listed { slot, date, discontinuities: self.discontinuities, cells });
        self.discontinuities += u64::from(slot.discontinuity);
        self.told += slot.duration;
        true
    }

    /// Takes from the front of the list what is over the window, while `least` remains (RFC 8216 6.2.2).
    fn shorten(&mut self, least: TimeDelta) {
        let mut rest = total(&self.listed);
        while self.listed.len() > self.window {
            let Some(first) = self.listed.front() else { return };
            rest -= first.slot.duration;
            if rest < least {
                return;
            }
            let told = self.told;
            self.left.extend(self.listed.pop_front().map(|row| (row, told)));
        }
    }

    /// A player may ask for a segment as long as it and the longest playlist that had it last together
    /// (RFC 8216 6.2.2); with segments of one length that is one window more, and one segment.
    fn let_go(&mut self, removed: &mut Vec<String>) {
        self.longest = self.longest.max(total(&self.listed));
        let count = self.listed.len() + 1 + self.history;
        while self.left.len() > count {
            let over =
                |(row, told): &(Listed, TimeDelta)| self.told - *told >= self.longest + row.slot.duration;
            if !self.left.front().is_some_and(over) {
                return;
            }
            let Some((row, _)) = self.left.pop_front() else { return };
            for segment in row.cells.into_iter().flatten().filter(|segment| !segment.gap) {
                removed.push(segment.name.clone());
                let init = segment.init.as_ref().filter(|init| !self.is_used(init));
                removed.extend(init.map(|init| init.to_string()).filter(|init| !removed.contains(init)));
            }
        }
    }

    fn is_used(&self, init: &Arc<str>) -> bool {
        let rows = self.left.iter().map(|(row, _)| row).chain(&self.listed);
        let listed = rows.flat_map(|row| row.cells.iter().flatten()).map(|segment| segment.init.as_ref());
        let held = self.hold.rows().flat_map(|row| row.cells.iter().flatten()).map(|cell| cell.init.as_ref());
        listed.chain(held).any(|used| used == Some(init))
    }

    /// The rows listed, oldest first.
    pub(crate) fn listed(&self) -> impl DoubleEndedIterator<Item = &Listed> + ExactSizeIterator {
        self.listed.iter()
    }

    /// The segments and gaps of a lane, from its first one on.
    pub(crate) fn lane(&self, lane: usize) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.listed.iter().filter_map(move |row| row.segment(lane))
    }

    /// EXT-X-DISCONTINUITY-SEQUENCE of the list of a lane.
    pub(crate) fn discontinuity_sequence(&self, lane: usize) -> u64 {
        let first = self.listed.iter().find(|row| row.segment(lane).is_some());
        first.map_or(self.discontinuities, |row| row.discontinuities)
    }
}

/// What stands for a segment that a lane does not have; it begins so much `early`, where media was missing already.
fn gap(sequence: u64, slot: &Slot, early: TimeDelta, date: Timestamp) -> Segment {
    let body = Body {
        start: slot.start - early,
        duration: slot.duration + early,
        size: 0,
        independent: true,
        discontinuity: slot.discontinuity,
        tracks: Arc::default(),
        pictures: 0,
        fragment: None,
    };
    Segment { sequence, name: "gap".to_owned(), program_date_time: date, body, gap: true, init: None }
}
