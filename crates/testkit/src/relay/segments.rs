//! One direction of a network for a byte stream, in the caller's time: nothing is lost, what TCP would repeat comes late.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::fate::Dice;
use super::line::Wire;
use super::{Counters, Impairment};

/// Bytes that share a fate: what TCP sends as one packet over Ethernet.
pub const SEGMENT_BYTES: usize = 1448;
/// Bytes that are held at most before the sender has to wait.
const HELD_BYTES: usize = 1 << 20;

/// Takes bytes and gives them back in order, later.
///
/// They are looked at in segments of [`SEGMENT_BYTES`] by their place in the stream, so a fate does not depend on how they
/// come in pieces.
#[derive(Clone, Debug)]
pub struct Segments {
    impairment: Impairment,
    dice: Dice,
    wire: Wire,
    /// When the last of what is held leaves.
    latest: Duration,
    held: VecDeque<(Duration, Bytes)>,
    held_bytes: usize,
    counters: Counters,
}

impl Segments {
    /// Line `line` of a network with that seed: lines with different numbers have nothing in common.
    #[must_use]
    pub fn new(seed: u64, line: u64, impairment: Impairment) -> Self {
        Self {
            impairment,
            dice: Dice::new(seed, line),
            wire: Wire::default(),
            latest: Duration::ZERO,
            held: VecDeque::new(),
            held_bytes: 0,
            counters: Counters::default(),
        }
    }

    /// Bytes come, of any number. `now` never goes back.
    pub fn push(&mut self, now: Duration, mut bytes: Bytes) {
        while !bytes.is_empty() {
            let place = (self.counters.bytes % SEGMENT_BYTES as u64) as usize;
            let piece = bytes.split_to(bytes.len().min(SEGMENT_BYTES - place));
            self.push_piece(now, place == 0, piece);
        }
    }

    fn push_piece(&mut self, now: Duration, first: bool, piece: Bytes) {
        let fate = self.dice.fate(self.counters.bytes / SEGMENT_BYTES as u64, &self.impairment);
        let Impairment { delay, jitter, retransmit, .. } = self.impairment;
        let through = self.wire.send(now, piece.len(), &self.impairment);
        let mut leaves = through + delay + jitter.mul_f64(fate.jitter);
        if first {
            self.counters.packets += 1;
            if fate.lost {
                self.counters.lost += 1;
                leaves += retransmit;
            }
        }
        self.counters.bytes += piece.len() as u64;
        self.latest = self.latest.max(leaves);
        self.held_bytes += piece.len();
        self.held.push_back((self.latest, piece));
    }

    /// The next bytes that have left by now.
    pub fn pop(&mut self, now: Duration) -> Option<Bytes> {
        if self.deadline()? > now {
            return None;
        }
        let (_, piece) = self.held.pop_front()?;
        self.held_bytes -= piece.len();
        self.counters.sent += 1;
        Some(piece)
    }

    /// When the next bytes leave; none while there are none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.held.front().map(|(leaves, _)| *leaves)
    }

    /// Whether the sender may go on: neither too many bytes are held, nor do they wait too long for the rate.
    #[must_use]
    pub fn has_room(&self, now: Duration) -> bool {
        self.held_bytes < HELD_BYTES && self.wire.wait(now) <= self.impairment.queue
    }

    /// When [`Self::has_room`] becomes true by itself, should only the rate forbid it.
    #[must_use]
    pub fn room_at(&self, now: Duration) -> Option<Duration> {
        let over = self.wire.wait(now).checked_sub(self.impairment.queue)?;
        (!over.is_zero()).then_some(now + over)
    }

    /// What was done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn drain(line: &mut Segments) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(when) = line.deadline() {
            all.extend_from_slice(&line.pop(when).unwrap());
        }
        all
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_and_pieces_do_not_matter(
            seed in any::<u64>(),
            sizes in prop::collection::vec(1usize..5000, 1..50),
            loss in 0.0..1.0,
        ) {
            let data: Vec<u8> = (0..sizes.iter().sum::<usize>()).map(|at| (at / 7) as u8).collect();
            let impairment = Impairment { loss, jitter: millis(30), delay: millis(5), ..Impairment::default() };
            let mut pieces = Segments::new(seed, 0, impairment);
            let mut rest = &data[..];
            for (number, size) in sizes.into_iter().enumerate() {
                let (piece, behind) = rest.split_at(size);
                pieces.push(millis(number as u64), Bytes::copy_from_slice(piece));
                rest = behind;
            }
            let mut whole = Segments::new(seed, 0, impairment);
            whole.push(Duration::ZERO, Bytes::copy_from_slice(&data));
            prop_assert_eq!(pieces.counters().lost, whole.counters().lost);
            prop_assert_eq!(pieces.counters().packets, data.len().div_ceil(SEGMENT_BYTES) as u64);
            prop_assert_eq!(&drain(&mut pieces), &data);
            prop_assert_eq!(&drain(&mut whole), &data);
        }
    }

    #[test]
    fn a_lost_segment_holds_up_all_behind_it() {
        let impairment = Impairment { loss: 0.1, retransmit: millis(200), ..Impairment::default() };
        let mut line = Segments::new(5, 0, impairment);
        let mut late = 0;
        for number in 0..500 {
            line.push(millis(number), vec![0; SEGMENT_BYTES].into());
            while let Some(when) = line.deadline().filter(|when| *when <= millis(number)) {
                line.pop(when).unwrap();
            }
            late += u64::from(line.deadline().is_some());
        }
        let lost = line.counters().lost;
        assert!((30..80).contains(&lost), "{lost}");
        assert!(late > 400, "{late} of 500 waited, each loss makes 200 wait");
    }

    #[test]
    fn the_sender_waits_for_the_rate() {
        let impairment = Impairment { rate_kbps: Some(8), queue: millis(100), ..Impairment::default() };
        let mut line = Segments::new(1, 0, impairment);
        assert!(line.has_room(Duration::ZERO) && line.room_at(Duration::ZERO).is_none());
        line.push(Duration::ZERO, vec![0; 150].into());
        assert!(!line.has_room(Duration::ZERO));
        assert_eq!(line.room_at(Duration::ZERO), Some(millis(50)));
        assert!(line.has_room(millis(50)));
        assert_eq!(line.deadline(), Some(millis(150)));
    }
}
