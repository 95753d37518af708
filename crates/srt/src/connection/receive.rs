//! The receive buffer: what has arrived and is not due, and which packets are missing in between.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::Sequence;

pub(super) struct ReceiveBuffer {
    /// The number of the first slot: the next to be delivered.
    next: Sequence,
    /// What has arrived, and nothing where a packet is missing. The last one has arrived.
    slots: VecDeque<Option<Slot>>,
    /// The missing ones, in order: these are the empty slots.
    missing: VecDeque<Range>,
    bytes: usize,
    limit: usize,
    /// Packets skipped since the last one that was delivered.
    skipped: u32,
    reorder: Reorder,
}

/// How late packets come that others overtook: for so long a missing one may still be on its way.
#[derive(Clone, Copy, Debug)]
struct Reorder {
    window: Duration,
    seen_at: Duration,
    most: Duration,
}

/// After how long without packets out of order the wait for them is halved.
const MEMORY: Duration = Duration::from_secs(5);

impl Reorder {
    fn window(&mut self, now: Duration) -> Duration {
        if self.seen_at.saturating_add(MEMORY) <= now {
            (self.window, self.seen_at) = (self.window / 2, now);
        }
        self.window
    }

    fn note(&mut self, now: Duration, late: Duration) {
        if late >= self.window {
            (self.window, self.seen_at) = (late.min(self.most), now);
        }
    }
}

struct Slot {
    due: Duration,
    payload: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    first: Sequence,
    last: Sequence,
    /// Whether it may still come; the peer has not given it up.
    wanted: bool,
    /// When it was found missing, and when the peer is to be told of it next.
    since: Duration,
    tell_at: Duration,
}

/// What became of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Arrival {
    /// It is kept.
    Kept,
    /// It is kept, and these are missing before it, of which the peer is not told yet.
    Gap(Sequence, Sequence),
    /// It is kept, and so many before it are skipped, for they are more than there is room for.
    Jump(u32),
    /// It came already, or comes too late.
    Belated,
    /// It is too far ahead.
    NoRoom,
}

impl ReceiveBuffer {
    pub(super) fn new(next: Sequence, limit: usize, latency: Duration) -> Self {
        let (window, seen_at) = (Duration::ZERO, Duration::ZERO);
        Self {
            next,
            slots: VecDeque::new(),
            missing: VecDeque::new(),
            bytes: 0,
            limit: limit.max(1),
            skipped: 0,
            // What is left of the latency must do for asking and receiving.
            reorder: Reorder { window, seen_at, most: latency / 4 },
        }
    }

    /// Whether [`ReceiveBuffer::push`] would keep that packet.
    pub(super) fn wants(&self, sequence: Sequence) -> Result<usize, Arrival> {
        let offset = sequence.ahead_of(self.next).ok_or(Arrival::Belated)?;
        match self.slots.get(offset) {
            Some(Some(_)) => Err(Arrival::Belated),
            None if offset >= self.limit && !self.slots.is_empty() => Err(Arrival::NoRoom),
            _ => Ok(offset),
        }
    }

    /// A packet that is to be delivered at `due`; `again` where it was sent before.
    pub(super) fn push(
        &mut self,
        now: Duration,
        sequence: Sequence,
        again: bool,
        due: Duration,
        payload: Bytes,
    ) -> Arrival {
        let offset = match self.wants(sequence) {
            Ok(offset) => offset,
            Err(arrival) => return arrival,
        };
        self.bytes += payload.len();
        let slot = Some(Slot { due, payload });
        if let Some(place) = self.slots.get_mut(offset) {
            *place = slot;
            self.found(now, sequence, again);
            return Arrival::Kept;
        }
        if offset >= self.limit {
            // Nothing is waiting, so nothing would ever make room for it.
            let skipped = offset as u32;
            self.skipped = self.skipped.saturating_add(skipped);
            self.next = sequence;
            self.slots.push_back(slot);
            return Arrival::Jump(skipped);
        }
        let first = self.end();
        self.slots.resize_with(offset, || None);
        self.slots.push_back(slot);
        if first == sequence {
            return Arrival::Kept;
        }
        let last = sequence.minus(1);
        let tell_at = now.saturating_add(self.reorder.window(now));
        self.missing.push_back(Range { first, last, wanted: true, since: now, tell_at });
        Arrival::Gap(first, last)
    }

    /// The next to be delivered.
    pub(super) fn next(&self) -> Sequence {
        self.next
    }

    /// The next number after all that came.
    pub(super) fn end(&self) -> Sequence {
        self.next.plus(self.slots.len() as u32)
    }

    /// A packet that was missing is there.
    fn found(&mut self, now: Duration, sequence: Sequence, again: bool) {
        let at = self.missing.partition_point(|range| range.last.since(sequence) < 0);
        let Some(range) = self.missing.get_mut(at).filter(|range| range.first.since(sequence) <= 0) else {
            return;
        };
        let whole = *range;
        if !again {
            self.reorder.note(now, now.saturating_sub(whole.since));
        }
        match (whole.first == sequence, whole.last == sequence) {
            (true, true) => drop(self.missing.remove(at)),
            (true, false) => range.first = sequence.plus(1),
            (false, true) => range.last = sequence.minus(1),
            (false, false) => {
                range.last = sequence.minus(1);
                self.missing.insert(at + 1, Range { first: sequence.plus(1), ..whole });
            }
        }
    }

    /// The peer will not send these any more.
    pub(super) fn give_up(&mut self, first: Sequence, last: Sequence) {
        let mut changed = VecDeque::with_capacity(self.missing.len());
        for range in std::mem::take(&mut self.missing) {
            if range.last.since(first) < 0 || range.first.since(last) > 0 {
                changed.push_back(range);
                continue;
            }
            let (start, end) = (later(range.first, first), earlier(range.last, last));
            if range.first != start {
                changed.push_back(Range { last: start.minus(1), ..range });
            }
            changed.push_back(Range { first: start, last: end, wanted: false, ..range });
            if range.last != end {
                changed.push_back(Range { first: end.plus(1), ..range });
            }
        }
        self.missing = changed;
    }

    /// When the next packet that has arrived is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.head().map(|(_, slot)| slot.due)
    }

    /// The next packet that has arrived, and how many are missing before it.
    fn head(&self) -> Option<(usize, &Slot)> {
        let missing = match self.slots.front()? {
            Some(_) => 0,
            None => self.missing_at_front(),
        };
        self.slots.get(missing)?.as_ref().map(|slot| (missing, slot))
    }

    fn missing_at_front(&self) -> usize {
        let mut end = self.next;
        for range in self.missing.iter().take_while(|range| range.first.since(self.next) >= 0) {
            if range.first != end {
                break;
            }
            end = range.last.plus(1);
        }
        end.ahead_of(self.next).unwrap_or(0)
    }

    /// The next packet whose time has come, how many are skipped right before it, and how many since the last call.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Bytes, u32, u32)> {
        let (missing, _) = self.head().filter(|(_, slot)| slot.due <= now)?;
        self.slots.drain(..missing);
        self.next = self.next.plus(missing as u32);
        while self.missing.front().is_some_and(|range| range.last.since(self.next) < 0) {
            self.missing.pop_front();
        }
        let slot = self.slots.pop_front()??;
        self.next = self.next.plus(1);
        self.bytes -= slot.payload.len();
        let lost = std::mem::take(&mut self.skipped).saturating_add(missing as u32);
        Some((slot.payload, lost, missing as u32))
    }

    /// All before this one have arrived or are given up: what an ACK says.
    pub(super) fn confirmed(&self) -> Sequence {
        let first = self.missing.iter().find(|range| range.wanted);
        first.map_or_else(|| self.end(), |range| range.first)
    }

    /// What the peer is to be told of now, and again after `period`.
    pub(super) fn overdue(&mut self, now: Duration, period: Duration) -> Vec<(Sequence, Sequence)> {
        let mut ranges = Vec::new();
        for range in self.missing.iter_mut().filter(|range| range.wanted) {
            if range.tell_at <= now {
                range.tell_at = now.saturating_add(period);
                ranges.push((range.first, range.last));
            }
            // More than that do not fit into a packet.
            if ranges.len() >= 180 {
                break;
            }
        }
        ranges
    }

    /// When the peer is to be told of something next.
    pub(super) fn next_overdue(&self) -> Option<Duration> {
        self.missing.iter().filter(|range| range.wanted).map(|range| range.tell_at).min()
    }

    /// Places that are left.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.slots.len())
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.next = self.end();
        self.slots = VecDeque::new();
        self.missing = VecDeque::new();
        self.bytes = 0;
    }
}

fn later(one: Sequence, other: Sequence) -> Sequence {
    if one.since(other) > 0 { one } else { other }
}

fn earlier(one: Sequence, other: Sequence) -> Sequence {
    if one.since(other) < 0 { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const FIRST: Sequence = Sequence::new(0x7fff_fffe);

    fn push(buffer: &mut ReceiveBuffer, number: u32) -> Arrival {
        let payload = Bytes::copy_from_slice(&number.to_be_bytes());
        buffer.push(MS, FIRST.plus(number), false, MS * 100 + MS * number, payload)
    }

    fn pop(buffer: &mut ReceiveBuffer, now: Duration) -> Option<(u32, u32)> {
        let (payload, lost, _) = buffer.pop(now)?;
        Some((u32::from_be_bytes(payload[..].try_into().expect("four")), lost))
    }

    fn gap(first: u32, last: u32) -> Arrival {
        Arrival::Gap(FIRST.plus(first), FIRST.plus(last))
    }

    #[test]
    fn packets_leave_in_order_and_in_time() {
        let mut buffer = ReceiveBuffer::new(FIRST, 10, MS * 120);
        assert_eq!(push(&mut buffer, 0), Arrival::Kept);
        assert_eq!(push(&mut buffer, 3), gap(1, 2));
        assert_eq!(push(&mut buffer, 2), Arrival::Kept);
        assert_eq!(push(&mut buffer, 2), Arrival::Belated);
        assert_eq!(buffer.confirmed(), FIRST.plus(1));
        assert_eq!(pop(&mut buffer, MS * 99), None);
        assert_eq!(pop(&mut buffer, MS * 100), Some((0, 0)));
        assert_eq!(buffer.due(), Some(MS * 102));
        assert_eq!(pop(&mut buffer, MS * 101), None);
        assert_eq!(push(&mut buffer, 1), Arrival::Kept);
        assert_eq!(buffer.confirmed(), FIRST.plus(4));
        let rest: Vec<_> = std::iter::from_fn(|| pop(&mut buffer, MS * 200)).collect();
        assert_eq!(rest, [(1, 0), (2, 0), (3, 0)]);
        assert_eq!((buffer.bytes(), buffer.len(), buffer.room()), (0, 0, 10));
    }

    #[test]
    fn what_does_not_come_is_skipped() {
        let mut buffer = ReceiveBuffer::new(FIRST, 10, MS * 120);
        assert_eq!(push(&mut buffer, 2), gap(0, 1));
        assert_eq!(push(&mut buffer, 5), gap(3, 4));
        assert_eq!(pop(&mut buffer, MS * 102), Some((2, 2)));
        assert_eq!(push(&mut buffer, 1), Arrival::Belated);
        assert_eq!(pop(&mut buffer, MS * 105), Some((5, 2)));
        assert_eq!(buffer.confirmed(), FIRST.plus(6));
    }

    #[test]
    fn the_buffer_is_bounded_and_never_stuck() {
        let mut buffer = ReceiveBuffer::new(FIRST, 10, MS * 120);
        assert_eq!(push(&mut buffer, 9), gap(0, 8));
        assert_eq!(push(&mut buffer, 10), Arrival::NoRoom);
        assert_eq!(pop(&mut buffer, MS * 200), Some((9, 9)));
        assert_eq!(push(&mut buffer, 1000), Arrival::Jump(990));
        assert_eq!(pop(&mut buffer, MS * 2000), Some((1000, 990)));
        assert_eq!(buffer.confirmed(), FIRST.plus(1001));
    }

    #[test]
    fn what_is_given_up_is_not_asked_for() {
        let mut buffer = ReceiveBuffer::new(FIRST, 20, MS * 120);
        push(&mut buffer, 9);
        let range = |first, last| (FIRST.plus(first), FIRST.plus(last));
        assert_eq!(buffer.next_overdue(), Some(MS));
        assert_eq!(buffer.overdue(MS, MS * 20), [range(0, 8)]);
        assert_eq!(buffer.overdue(MS * 20, MS * 20), []);
        assert_eq!(buffer.next_overdue(), Some(MS * 21));
        assert_eq!(buffer.overdue(MS * 21, MS * 20), [range(0, 8)]);
        buffer.give_up(FIRST.minus(5), FIRST.plus(1));
        buffer.give_up(FIRST.plus(4), FIRST.plus(5));
        push(&mut buffer, 4);
        assert_eq!(buffer.overdue(MS * 41, MS * 20), [range(2, 3), range(6, 8)]);
        assert_eq!(buffer.confirmed(), FIRST.plus(2));
        buffer.give_up(FIRST, FIRST.plus(100));
        assert_eq!((buffer.next_overdue(), buffer.confirmed()), (None, FIRST.plus(10)));
        assert_eq!(pop(&mut buffer, MS * 150), Some((4, 4)));
        assert_eq!(pop(&mut buffer, MS * 150), Some((9, 4)));
    }

    #[test]
    fn what_comes_out_of_order_is_waited_for() {
        let mut buffer = ReceiveBuffer::new(FIRST, 20, MS * 120);
        let mut push = |now: Duration, number, again| {
            buffer.push(now, FIRST.plus(number), again, MS * 900, Bytes::from_static(b"1"));
            buffer.next_overdue()
        };
        assert_eq!(push(MS, 1, false), Some(MS));
        assert_eq!(push(MS * 5, 0, false), None);
        assert_eq!(push(MS * 6, 3, false), Some(MS * 10));
        assert_eq!(push(MS * 90, 2, true), None, "what was asked for says nothing of the order");
        assert_eq!(push(MS * 100, 5, false), Some(MS * 104));
        assert_eq!(push(MS * 190, 4, false), None);
        assert_eq!(push(MS * 200, 7, false), Some(MS * 230), "never longer than a quarter of the latency");
        assert_eq!(push(MS * 201, 6, true), None);
        assert_eq!(push(MS * 9000, 9, false), Some(MS * 9015), "it is forgotten in time");
    }
}
