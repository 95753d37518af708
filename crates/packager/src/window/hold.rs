//! Rows of segments that may not be told of yet, for the wall clock of their epoch is not settled.

use std::collections::{BTreeMap, VecDeque};

use hub::Context;
use media::timeline::Anchor;
use media::{TimeDelta, Timestamp};

use super::Ready;

/// Media time held at most; what is over it takes the wall clock as it was.
const MAX_HELD: TimeDelta = TimeDelta::from_secs(60);
/// Bytes held at most, whatever the media time; a minute at 34 Mbit/s.
const MAX_BYTES: usize = 256 << 20;

/// The queue before the list, bounded in media time and in bytes: what is over either is not waited for, and
/// dropped where it cannot be listed yet, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Hold {
    rows: VecDeque<Ready>,
    held: TimeDelta,
    held_bytes: usize,
    /// The newest epoch.
    epoch: u64,
    /// The settled wall clocks by epoch, from that of the oldest row on: rows may leave after another epoch has settled.
    anchors: BTreeMap<u64, Anchor>,
    /// How many of the oldest need not wait.
    released: usize,
}

impl Hold {
    pub(super) fn see(&mut self, context: &Context) {
        self.epoch = self.epoch.max(context.epoch.id);
        if let Some(anchor) = context.anchor {
            self.anchors.insert(context.epoch.id, anchor);
        }
    }

    pub(super) fn push(&mut self, row: Ready) {
        self.held += row.slot.duration;
        self.held_bytes += row.size();
        self.rows.push_back(row);
    }

    /// Drops the oldest of what is over the bounds, while nothing can be listed. What comes after that does not go
    /// on from anything.
    pub(super) fn drop_excess(&mut self) {
        while self.is_full() && self.take_oldest().is_some() {
            if let Some(next) = self.rows.front_mut() {
                next.slot.discontinuity = true;
            }
        }
    }

    pub(super) fn release(&mut self) {
        self.released = self.rows.len();
    }

    /// The rows that wait.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Ready> {
        self.rows.iter()
    }

    /// The next row that may be listed, with the Unix time of its start.
    ///
    /// An epoch that was over before its wall clock settled takes the one of its neighbour: hub time goes on with
    /// the machine's clock from one epoch to the next, and begins at Unix time.
    pub(super) fn pop(&mut self) -> Option<(Ready, Timestamp)> {
        let slot = self.rows.front()?.slot;
        let settled = self.anchors.contains_key(&slot.epoch);
        if !settled && slot.epoch == self.epoch && self.released == 0 && !self.is_full() {
            return None;
        }
        let row = self.take_oldest()?;
        while self.anchors.len() > 1 && self.anchors.first_key_value().is_some_and(|(&id, _)| id < slot.epoch)
        {
            self.anchors.pop_first();
        }
        let newest = self.anchors.last_key_value().map(|(_, anchor)| anchor);
        let anchor = self.anchors.get(&slot.epoch).or(newest);
        let date = anchor.map_or(slot.start, |anchor| anchor.wall_of(slot.start));
        Some((row, date))
    }

    fn is_full(&self) -> bool {
        self.held > MAX_HELD || self.held_bytes > MAX_BYTES
    }

    fn take_oldest(&mut self) -> Option<Ready> {
        let row = self.rows.pop_front()?;
        self.held -= row.slot.duration;
        self.held_bytes -= row.size();
        self.released = self.released.saturating_sub(1);
        Some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::Slot;
    use crate::segment::{Body, FileKind};
    use crate::window::Cell;

    /// Rows of 64 MiB and 1 ms.
    fn filled(count: u64) -> Hold {
        let mut hold = Hold::default();
        for number in 0..count {
            let start = Timestamp::from_scale(number as i64, 1000);
            let duration = TimeDelta::from_millis(1);
            let body = Body {
                start,
                duration,
                size: 64 << 20,
                independent: true,
                discontinuity: false,
                tracks: Default::default(),
                pictures: 1,
                fragment: None,
            };
            let cell = Cell { name: String::new(), kind: FileKind::Ts, init: None, body, parts: Vec::new() };
            let slot = Slot { number, epoch: 0, start, duration, discontinuity: false };
            hold.push(Ready { slot, cells: vec![Some(cell)] });
        }
        hold
    }

    #[test]
    fn what_is_over_the_bytes_does_not_wait_for_the_clock() {
        let mut hold = filled(6);
        let numbers: Vec<u64> = std::iter::from_fn(|| hold.pop()).map(|(row, _)| row.slot.number).collect();
        assert_eq!(numbers, [0, 1]);
    }

    #[test]
    fn what_is_over_the_bytes_and_cannot_be_listed_is_dropped() {
        let mut hold = filled(6);
        hold.drop_excess();
        let kept: Vec<_> = hold.rows.iter().map(|row| (row.slot.number, row.slot.discontinuity)).collect();
        assert_eq!(kept, [(2, true), (3, false), (4, false), (5, false)]);
    }

    #[test]
    fn rows_keep_the_clock_of_their_epoch_though_the_next_one_has_settled() {
        let mut hold = filled(1);
        for (id, wall_ms) in [(0, 5000), (1, 5800)] {
            let epoch = media::timeline::Epoch { id, start: Timestamp::ZERO };
            let anchor = Anchor { media: Timestamp::ZERO, wall: Timestamp::from_scale(wall_ms, 1000) };
            hold.see(&Context { epoch, tracks: Default::default(), anchor: Some(anchor) });
        }
        assert_eq!(hold.pop().map(|(_, date)| date), Some(Timestamp::from_scale(5000, 1000)));
    }
}
