//! One direction of a network for datagrams, in the caller's time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use bytes::Bytes;

use super::fate::Dice;
use super::line::Wire;
use super::{Counters, Impairment};

/// Takes packets and gives them back when they leave, or not.
#[derive(Clone, Debug)]
pub struct Packets {
    impairment: Impairment,
    dice: Dice,
    wire: Wire,
    /// When the latest of those leaves that keep their order.
    latest: Duration,
    held: BinaryHeap<Reverse<Held>>,
    /// Packets that were ever held, so that equal times keep the order.
    order: u64,
    counters: Counters,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Held {
    leaves: Duration,
    order: u64,
    packet: Bytes,
}

impl Packets {
    /// Line `line` of a network with that seed: lines with different numbers have nothing in common.
    #[must_use]
    pub fn new(seed: u64, line: u64, impairment: Impairment) -> Self {
        Self {
            impairment,
            dice: Dice::new(seed, line),
            wire: Wire::default(),
            latest: Duration::ZERO,
            held: BinaryHeap::new(),
            order: 0,
            counters: Counters::default(),
        }
    }

    /// A packet comes. `now` never goes back.
    pub fn push(&mut self, now: Duration, packet: Bytes) {
        let fate = self.dice.fate(self.counters.packets, &self.impairment);
        self.counters.packets += 1;
        self.counters.bytes += packet.len() as u64;
        if fate.lost {
            self.counters.lost += 1;
            return;
        }
        if self.wire.wait(now) > self.impairment.queue {
            self.counters.overflowed += 1;
            return;
        }
        let through = self.wire.send(now, packet.len(), &self.impairment);
        let mut leaves = through + self.impairment.delay + self.impairment.jitter.mul_f64(fate.jitter);
        if fate.reordered {
            self.counters.reordered += 1;
            leaves = leaves.max(self.latest) + self.impairment.reorder_by;
        } else {
            leaves = leaves.max(self.latest);
            self.latest = leaves;
        }
        if fate.duplicated {
            self.counters.duplicated += 1;
            self.hold(leaves, packet.clone());
        }
        self.hold(leaves, packet);
    }

    fn hold(&mut self, leaves: Duration, packet: Bytes) {
        self.order += 1;
        self.held.push(Reverse(Held { leaves, order: self.order, packet }));
    }

    /// The next packet that has left by now.
    pub fn pop(&mut self, now: Duration) -> Option<Bytes> {
        if self.deadline()? > now {
            return None;
        }
        let Reverse(held) = self.held.pop()?;
        self.counters.sent += 1;
        Some(held.packet)
    }

    /// When the next packet leaves; none while there is none.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.held.peek().map(|Reverse(held)| held.leaves)
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

    fn numbered(number: usize) -> Bytes {
        Bytes::copy_from_slice(&(number as u32).to_be_bytes())
    }

    fn number(packet: &Bytes) -> usize {
        u32::from_be_bytes(packet[..4].try_into().unwrap()) as usize
    }

    /// Sends packets at those times; (when, which) of all that leave.
    fn pass(line: &mut Packets, times: &[Duration]) -> Vec<(Duration, usize)> {
        let mut left = Vec::new();
        let mut leave = |line: &mut Packets, until: Duration| {
            while let Some(when) = line.deadline().filter(|when| *when <= until) {
                left.push((when, number(&line.pop(when).unwrap())));
            }
        };
        for (number, &now) in times.iter().enumerate() {
            leave(line, now);
            line.push(now, numbered(number));
        }
        leave(line, Duration::MAX);
        left
    }

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Times from 0 on, that much apart at most.
    fn times(count: usize) -> impl Strategy<Value = Vec<Duration>> {
        prop::collection::vec(0u64..20_000, count).prop_map(|gaps| {
            let mut now = 0;
            let mut next = |gap| {
                now += gap;
                Duration::from_micros(now)
            };
            gaps.into_iter().map(&mut next).collect()
        })
    }

    prop_compose! {
        fn impairments()(
            (loss, reorder, duplicate) in (0.0..0.5, 0.0..0.5, 0.0..0.5),
            (delay, jitter, reorder_by) in (0u64..50, 0u64..50, 1u64..50),
        ) -> Impairment {
            let (delay, jitter, reorder_by) = (millis(delay), millis(jitter), millis(reorder_by));
            Impairment { loss, reorder, duplicate, delay, jitter, reorder_by, ..Impairment::default() }
        }
    }

    proptest! {
        #[test]
        fn a_fate_does_not_depend_on_time(
            seed in any::<u64>(),
            impairment in impairments(),
            once in times(300),
            again in times(300),
        ) {
            let survivors = |times: &[Duration]| {
                let mut line = Packets::new(seed, 3, impairment);
                let mut which: Vec<usize> = pass(&mut line, times).into_iter().map(|(_, which)| which).collect();
                which.sort_unstable();
                (which, line.counters())
            };
            prop_assert_eq!(survivors(&once), survivors(&again));
        }

        #[test]
        fn what_leaves_does_so_in_its_time_and_is_counted(
            seed in any::<u64>(),
            impairment in impairments(),
            times in times(300),
        ) {
            let mut line = Packets::new(seed, 0, impairment);
            let left = pass(&mut line, &times);
            for &(when, which) in &left {
                let early = times[which] + impairment.delay;
                prop_assert!(when >= early && when <= early + impairment.jitter + impairment.reorder_by);
            }
            let counters = line.counters();
            prop_assert_eq!(counters.packets, times.len() as u64);
            prop_assert_eq!(left.len() as u64, counters.packets - counters.lost + counters.duplicated);
            prop_assert_eq!(counters.sent, left.len() as u64);
            prop_assert!(left.windows(2).all(|pair| pair[0].0 <= pair[1].0));
        }

        #[test]
        fn jitter_keeps_the_order(seed in any::<u64>(), times in times(300)) {
            let impairment = Impairment { jitter: millis(30), loss: 0.1, ..Impairment::default() };
            let left = pass(&mut Packets::new(seed, 0, impairment), &times);
            prop_assert!(left.windows(2).all(|pair| pair[0].1 < pair[1].1));
        }

        #[test]
        fn no_more_than_the_rate_gets_through(times in times(300), kbps in 1u32..100) {
            let impairment = Impairment { rate_kbps: Some(kbps), queue: Duration::MAX, ..Impairment::default() };
            let left = pass(&mut Packets::new(1, 0, impairment), &times);
            prop_assert_eq!(left.len(), times.len());
            let packet = Duration::from_nanos(4 * 8 * 1_000_000 / u64::from(kbps));
            prop_assert!(left.windows(2).all(|pair| pair[1].0 - pair[0].0 >= packet));
        }
    }

    #[test]
    fn without_impairment_everything_leaves_at_once() {
        let times: Vec<Duration> = (0..100).map(millis).collect();
        let left = pass(&mut Packets::new(1, 0, Impairment::default()), &times);
        assert_eq!(left, times.iter().copied().zip(0..).collect::<Vec<_>>());
    }

    #[test]
    fn held_back_packets_are_overtaken() {
        let impairment = Impairment { reorder: 0.1, reorder_by: millis(20), ..Impairment::default() };
        let times: Vec<Duration> = (0..1000).map(|n| millis(5 * n)).collect();
        let mut line = Packets::new(1, 0, impairment);
        let left = pass(&mut line, &times);
        let overtaken = (1..left.len()).filter(|&at| left[at].1 < left[at - 1].1).count();
        assert!(line.counters().reordered > 70 && overtaken > 60, "{overtaken} of {:?}", line.counters());
    }

    #[test]
    fn what_would_wait_too_long_for_the_rate_is_lost() {
        let impairment = Impairment { rate_kbps: Some(32), queue: millis(10), ..Impairment::default() };
        let mut line = Packets::new(1, 0, impairment);
        // 4 bytes take 1 ms: one is on the wire, ten wait, and the next would wait 11 ms.
        assert_eq!(pass(&mut line, &[Duration::ZERO; 20]).len(), 11);
        assert_eq!(line.counters().overflowed, 9);
    }
}
