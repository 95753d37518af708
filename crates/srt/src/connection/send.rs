//! The send buffer: what was not confirmed yet, as it was handed in or encrypted, and what of it is to be sent again.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::packet::{Data, LossList, MESSAGE_MASK, Parity, SOLO};
use crate::{Error, Sequence};

/// What is older than the latency, and than this, is given up (draft-sharabayko-srt 4.6).
const LEAST_AGE: Duration = Duration::from_secs(1);
/// And how much longer it is waited for.
const GRACE: Duration = Duration::from_millis(20);

pub(super) struct SendBuffer {
    /// The number of the first slot.
    first: Sequence,
    slots: VecDeque<Slot>,
    /// How many of the slots have been sent, from the first on. The others have no number yet.
    sent: usize,
    /// Those that the peer lacks, each once.
    lost: VecDeque<Sequence>,
    /// All before this one that are not in the buffer were confirmed or given up, the latter before it.
    dropped_end: Option<Sequence>,
    message: u32,
    bytes: usize,
    limit: usize,
    age: Duration,
}

pub(super) struct Slot {
    pub(super) payload: Bytes,
    pub(super) key: Option<Parity>,
    timestamp: u32,
    message: u32,
    queued: Duration,
    sent_at: Duration,
    times: u32,
    lost: bool,
}

/// What a NAK led to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Lost {
    /// Packets to be sent again.
    pub(super) packets: u64,
    /// A range of packets that were given up.
    pub(super) dropped: Option<(Sequence, Sequence)>,
}

impl SendBuffer {
    pub(super) fn new(first: Sequence, limit: usize, latency: Duration) -> Self {
        Self {
            first,
            slots: VecDeque::new(),
            sent: 0,
            lost: VecDeque::new(),
            dropped_end: None,
            message: 0,
            bytes: 0,
            limit,
            age: latency.max(LEAST_AGE) + GRACE,
        }
    }

    pub(super) fn push(&mut self, now: Duration, timestamp: u32, payload: Bytes) -> Result<(), Error> {
        if self.slots.len() >= self.limit {
            return Err(Error::Full);
        }
        self.bytes += payload.len();
        self.slots.push_back(Slot {
            payload,
            key: None,
            timestamp,
            message: 0,
            queued: now,
            sent_at: Duration::ZERO,
            times: 0,
            lost: false,
        });
        Ok(())
    }

    /// Gives up what is too old: packets and bytes.
    pub(super) fn drop_late(&mut self, now: Duration) -> (u64, u64) {
        let (mut packets, mut bytes) = (0, 0);
        while self.deadline().is_some_and(|deadline| deadline <= now) {
            let was_sent = self.sent > 0;
            let Some(slot) = self.pop() else { break };
            packets += 1;
            bytes += slot.payload.len() as u64;
            if was_sent {
                self.dropped_end = Some(self.first);
            }
        }
        (packets, bytes)
    }

    /// When the oldest becomes too old.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.slots.front().map(|slot| slot.queued.saturating_add(self.age))
    }

    /// All before `next` have arrived; false where that cannot be.
    pub(super) fn confirm(&mut self, next: Sequence) -> bool {
        match next.ahead_of(self.first) {
            Some(count) if count <= self.sent => {
                (0..count).for_each(|_| drop(self.pop()));
                count > 0
            }
            _ => false,
        }
    }

    fn pop(&mut self) -> Option<Slot> {
        let slot = self.slots.pop_front()?;
        self.bytes -= slot.payload.len();
        // What never was sent leaves no number behind.
        if self.sent > 0 {
            self.sent -= 1;
            self.first = self.first.plus(1);
        }
        Some(slot)
    }

    /// The peer lacks these. What was sent again within `recently` may still be on its way.
    pub(super) fn note_lost(&mut self, now: Duration, list: LossList<'_>, recently: Duration) -> Lost {
        let mut result = Lost::default();
        // A list with the same packets again and again is not worth the time.
        let mut visits = self.sent;
        for (first, last) in list.ranges() {
            self.note_dropped(first, last, &mut result);
            let Some(end) = last.plus(1).ahead_of(self.first) else { continue };
            let start = first.ahead_of(self.first).unwrap_or(0);
            for index in start..end.min(self.sent) {
                let Some(left) = visits.checked_sub(1) else { return result };
                visits = left;
                result.packets += u64::from(self.mark(now, index, recently));
            }
        }
        result
    }

    /// Which of a range were given up.
    fn note_dropped(&self, first: Sequence, last: Sequence, result: &mut Lost) {
        if let Some(end) = self.dropped_end
            && first.since(end) < 0
        {
            let last = if last.since(end) < 0 { last } else { end.minus(1) };
            result.dropped = Some((first, last));
        }
    }

    /// Marks a packet as lost; false where it is already, or was just sent again.
    fn mark(&mut self, now: Duration, index: usize, recently: Duration) -> bool {
        let Some(slot) = self.slots.get_mut(index) else { return false };
        if slot.lost || slot.times > 1 && now < slot.sent_at.saturating_add(recently) {
            return false;
        }
        slot.lost = true;
        self.lost.push_back(self.first.plus(index as u32));
        true
    }

    /// The last packet that was sent may be lost, and with it all signs of it.
    pub(super) fn probe(&mut self, now: Duration) {
        if let Some(last) = self.sent.checked_sub(1) {
            self.mark(now, last, Duration::ZERO);
        }
    }

    /// When the last packet was sent and how often, unless all is confirmed or that one is to be sent again.
    pub(super) fn last_sent(&self) -> Option<(Duration, u32)> {
        let slot = self.slots.get(self.sent.checked_sub(1)?)?;
        (!slot.lost).then_some((slot.sent_at, slot.times))
    }

    /// The next to be sent again.
    fn next_lost(&mut self) -> Option<usize> {
        while let Some(sequence) = self.lost.front() {
            match sequence.ahead_of(self.first) {
                Some(index) if index < self.sent => return Some(index),
                _ => drop(self.lost.pop_front()),
            }
        }
        None
    }

    /// The next packet to be sent, at most `window` of which are under way, and whether it is one to be sent again.
    pub(super) fn next(&mut self, window: usize) -> Option<(Sequence, bool, &mut Slot)> {
        let lost = self.next_lost();
        let index = lost.or_else(|| (self.sent < window).then_some(self.sent))?;
        let sequence = self.first.plus(index as u32);
        self.slots.get_mut(index).map(|slot| (sequence, lost.is_some(), slot))
    }

    /// The packet that [`SendBuffer::next`] gave is sent now.
    pub(super) fn take_next(&mut self, now: Duration, window: usize) -> Option<(Data<'static>, u32, Bytes)> {
        let message = self.message.wrapping_add(1) & MESSAGE_MASK;
        // A message number is never 0.
        let message = message.max(1);
        let (sequence, again, slot) = self.next(window)?;
        if !again {
            slot.message = message;
        }
        slot.lost = false;
        slot.sent_at = now;
        slot.times = slot.times.saturating_add(1);
        let data = Data {
            sequence,
            position: SOLO,
            ordered: false,
            key: slot.key,
            retransmitted: again,
            message: slot.message,
            payload: &[],
        };
        let (timestamp, payload) = (slot.timestamp, slot.payload.clone());
        if again {
            self.lost.pop_front();
        } else {
            self.sent += 1;
            self.message = message;
        }
        Some((data, timestamp, payload))
    }

    /// The key of the oldest packet.
    pub(super) fn oldest_key(&self) -> Option<Parity> {
        self.slots.front()?.key
    }

    /// Packets under way.
    pub(super) fn in_flight(&self) -> usize {
        self.sent
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// How long the oldest is here.
    pub(super) fn age(&self, now: Duration) -> Duration {
        self.slots.front().map_or(Duration::ZERO, |slot| now.saturating_sub(slot.queued))
    }

    pub(super) fn clear(&mut self) {
        self.slots = VecDeque::new();
        self.lost = VecDeque::new();
        (self.sent, self.bytes) = (0, 0);
    }
}

impl Slot {
    /// Whether it was sent before.
    pub(super) fn is_fresh(&self) -> bool {
        self.times == 0
    }
}

#[cfg(test)]
mod tests {
    use crate::packet::encode_loss;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sequence(number: u32) -> Sequence {
        Sequence::new(number)
    }

    fn buffer(count: usize) -> SendBuffer {
        let mut buffer = SendBuffer::new(sequence(0x7fff_fffe), 10, MS * 120);
        (0..count).for_each(|_| buffer.push(MS, 7, Bytes::from_static(b"1234")).expect("room"));
        buffer
    }

    fn send(buffer: &mut SendBuffer, now: Duration, window: usize) -> Vec<(u32, bool)> {
        let sent = std::iter::from_fn(|| buffer.take_next(now, window));
        sent.map(|(data, _, _)| (data.sequence.get(), data.retransmitted)).collect()
    }

    fn lose(buffer: &mut SendBuffer, now: Duration, first: u32, last: u32) -> Lost {
        let bytes = encode_loss([(sequence(first), sequence(last))]);
        buffer.note_lost(now, LossList::decode(&bytes).expect("a list"), MS * 20)
    }

    #[test]
    fn packets_are_numbered_when_they_leave() {
        let mut buffer = buffer(5);
        assert_eq!(send(&mut buffer, MS, 3), [(0x7fff_fffe, false), (0x7fff_ffff, false), (0, false)]);
        assert!(!buffer.confirm(sequence(2)), "that one was not sent");
        assert!(buffer.confirm(sequence(0)));
        assert_eq!(send(&mut buffer, MS, 3), [(1, false), (2, false)]);
        assert!(buffer.confirm(sequence(3)) && buffer.is_empty() && buffer.bytes() == 0);
        assert!(!buffer.confirm(sequence(2)));
    }

    #[test]
    fn what_is_lost_is_sent_again_once_for_each_round_trip() {
        let mut buffer = buffer(5);
        send(&mut buffer, MS, 5);
        assert_eq!(lose(&mut buffer, MS * 30, 0x7fff_ffff, 0), Lost { packets: 2, dropped: None });
        assert_eq!(lose(&mut buffer, MS * 30, 0x7fff_ffff, 0).packets, 0);
        assert_eq!(send(&mut buffer, MS * 31, 5), [(0x7fff_ffff, true), (0, true)]);
        assert_eq!(lose(&mut buffer, MS * 50, 0x7fff_ffff, 1).packets, 1);
        assert_eq!(lose(&mut buffer, MS * 51, 0x7fff_ffff, 1).packets, 2);
        buffer.confirm(sequence(1));
        assert_eq!(send(&mut buffer, MS * 52, 5), [(1, true)]);
    }

    #[test]
    fn what_is_too_late_is_given_up() {
        let mut buffer = buffer(5);
        send(&mut buffer, MS, 2);
        assert_eq!(buffer.push(MS * 500, 8, Bytes::from_static(b"5")), Ok(()));
        assert_eq!(buffer.drop_late(MS * 1020), (0, 0));
        assert_eq!(buffer.drop_late(MS * 1021), (5, 20));
        let dropped = Some((sequence(0x7fff_fffe), sequence(0x7fff_ffff)));
        assert_eq!(lose(&mut buffer, MS * 1022, 0x7fff_fffe, 9), Lost { packets: 0, dropped });
        assert_eq!(send(&mut buffer, MS * 1022, 5), [(0, false)]);
        assert_eq!(lose(&mut buffer, MS * 1023, 0, 0), Lost { packets: 1, dropped: None });
    }

    #[test]
    fn the_buffer_is_bounded() {
        let mut buffer = buffer(10);
        assert_eq!(buffer.push(MS, 0, Bytes::from_static(b"x")), Err(Error::Full));
        send(&mut buffer, MS, 10);
        // All of it many times over: each packet is looked at once.
        let bytes = encode_loss((0..150).map(|_| (sequence(0x7fff_fffe), sequence(0x3fff_fff0))));
        let lost = buffer.note_lost(MS, LossList::decode(&bytes).expect("a list"), MS);
        assert_eq!((lost.packets, buffer.lost.len()), (10, 10));
    }

    #[test]
    fn the_last_one_is_sent_again_by_itself() {
        let mut buffer = buffer(2);
        buffer.probe(MS);
        assert_eq!(buffer.last_sent(), None);
        send(&mut buffer, MS * 3, 2);
        assert_eq!(buffer.last_sent(), Some((MS * 3, 1)));
        buffer.probe(MS * 4);
        assert_eq!(send(&mut buffer, MS * 4, 2), [(0x7fff_ffff, true)]);
    }
}
