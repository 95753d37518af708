//! Rows of segments that may not be told of yet, for the wall clock of their epoch is not settled.

use std::collections::VecDeque;

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
    /// The newest settled wall clock, and its epoch.
    anchor: Option<(u64, Anchor)>,
    /// How many of the oldest need not wait.
    released: usize,
}

impl Hold {
    pub(super) fn see(&mut self, context: &Context) {
        self.epoch = context.epoch.id;
        if let Some(anchor) = context.anchor {
            self.anchor = Some((context.epoch.id, anchor));
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
        let settled = self.anchor.is_some_and(|(epoch, _)| epoch == slot.epoch);
        if !settled && slot.epoch == self.epoch && self.released == 0 && !self.is_full() {
            return None;
        }
        let row = self.take_oldest()?;
        let date = self.anchor.map_or(slot.start, |(_, anchor)| anchor.wall_of(slot.start));
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
}
