use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Header;
use crate::rtcp::NtpTime;

const MS: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_millis(200);

fn packet(ssrc: u32, sequence: u16) -> Packet {
    let header = Header { ssrc, sequence, timestamp: u32::from(sequence) * 90, ..Header::default() };
    Packet { header, payload: Bytes::from_static(b"payload") }
}

/// A receiver, its clock, and what came out of it: sequence number, lost before it, began anew.
struct Line {
    receiver: Receiver,
    now: Duration,
    out: Vec<(u16, u32, Option<Restart>)>,
}

impl Line {
    fn new(limits: Limits) -> Self {
        Self { receiver: Receiver::new(90_000, limits), now: Duration::from_secs(5), out: Vec::new() }
    }

    fn push(&mut self, ssrc: u32, sequences: impl IntoIterator<Item = u16>) -> &mut Self {
        for sequence in sequences {
            self.now += MS;
            self.receiver.push(self.now, packet(ssrc, sequence));
            self.poll();
        }
        self
    }

    fn poll(&mut self) {
        while let Some(received) = self.receiver.poll(self.now) {
            self.out.push((received.packet.header.sequence, received.lost, received.restart));
        }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.poll();
        self
    }

    /// What came out since the last time.
    fn out(&mut self) -> Vec<(u16, u32, Option<Restart>)> {
        std::mem::take(&mut self.out)
    }
}

fn whole(sequences: impl IntoIterator<Item = u16>) -> Vec<(u16, u32, Option<Restart>)> {
    sequences.into_iter().map(|sequence| (sequence, 0, None)).collect()
}

#[test]
fn what_is_in_order_passes_at_once() {
    let mut line = Line::new(Limits::default());
    for sequence in 65_530..=65_535 {
        assert_eq!(line.push(1, [sequence]).out(), whole([sequence]));
        assert_eq!(line.receiver.deadline(), None);
    }
    assert_eq!(line.push(1, 0..5).out(), whole(0..5));
}

#[test]
fn what_is_missing_is_waited_for_and_no_longer() {
    let mut line = Line::new(Limits::default());
    line.push(1, [1, 2, 5, 6, 8]);
    let noticed = Duration::from_millis(5003);
    assert_eq!(line.out(), whole([1, 2]));
    assert_eq!(line.receiver.deadline(), Some(noticed + WAIT));
    line.push(1, [4]).pass(WAIT - 4 * MS);
    assert_eq!(line.out(), []);
    // Packet 8 came 2 ms after packet 5.
    assert_eq!(line.pass(MS).out(), [(4, 1, None), (5, 0, None), (6, 0, None)]);
    assert_eq!(line.receiver.deadline(), Some(noticed + 2 * MS + WAIT));
    assert_eq!(line.pass(2 * MS).out(), [(8, 1, None)]);
    let stats = line.receiver.stats();
    assert_eq!((stats.packets, stats.lost, stats.reordered, stats.late), (6, 2, 1, 0));
    assert_eq!(stats.bytes, 6 * 19);
}

#[test]
fn late_packets_and_copies_are_dropped_and_counted() {
    let mut line = Line::new(Limits::default());
    line.push(1, [1, 2, 2, 4, 4, 5]).pass(WAIT).push(1, [3, 2, 5, 6]);
    assert_eq!(line.out(), [(1, 0, None), (2, 0, None), (4, 1, None), (5, 0, None), (6, 0, None)]);
    let stats = line.receiver.stats();
    assert_eq!((stats.packets, stats.lost, stats.late, stats.duplicates), (5, 1, 1, 4));
}

#[test]
fn over_tcp_nothing_is_waited_for() {
    let mut line = Line::new(Limits::ordered());
    assert_eq!(line.push(1, [1, 2, 10]).out(), [(1, 0, None), (2, 0, None), (10, 7, None)]);
}

#[test]
fn a_hole_is_given_up_when_too_much_waits() {
    let mut line = Line::new(Limits { packets: 3, ..Limits::default() });
    line.push(1, [1, 3, 5, 6]);
    assert_eq!(line.out(), whole([1]));
    // The hole before 5 may wait still.
    assert_eq!(line.push(1, [7]).out(), [(3, 1, None)]);
    let mut line = Line::new(Limits { bytes: 40, ..Limits::default() });
    assert_eq!(line.push(1, [1, 3, 4, 5]).out(), [(1, 0, None), (3, 1, None), (4, 0, None), (5, 0, None)]);
}

#[test]
fn an_owner_who_does_not_poll_costs_packets_and_no_memory() {
    let mut receiver = Receiver::new(90_000, Limits { packets: 3, ..Limits::default() });
    for sequence in 0..20 {
        receiver.push(MS, packet(1, sequence));
    }
    let out = std::iter::from_fn(|| receiver.poll(MS)).count();
    assert_eq!((out, receiver.stats().discarded), (6, 14));
}

#[test]
fn another_source_is_followed_with_its_second_packet() {
    let mut line = Line::new(Limits::default());
    line.push(1, [1, 2, 4]).out();
    assert_eq!(line.push(2, [700]).out(), []);
    // What was held of the first comes out before, with its hole.
    assert_eq!(line.push(2, [701]).out(), [(4, 1, None), (700, 0, Some(Restart::Source)), (701, 0, None)]);
    assert_eq!((line.receiver.ssrc(), line.receiver.stats().restarts), (Some(2), 1));
    assert_eq!(line.receiver.stats().discarded, 0);
}

#[test]
fn a_stranger_between_the_packets_of_a_stream_is_not_followed() {
    let mut line = Line::new(Limits::default());
    for sequence in 0..50 {
        line.push(1, [sequence]).push(2, [sequence]);
    }
    assert_eq!(line.out(), whole(0..50));
    assert_eq!(line.receiver.stats().discarded, 50);
}

#[test]
fn a_sequence_that_jumps_is_followed_with_its_second_packet() {
    for to in [5000u16, 60_000] {
        let mut line = Line::new(Limits::default());
        line.push(1, [1, 2, to, to + 1, to + 2]);
        let jump = [(to, 0, Some(Restart::Sequence)), (to + 1, 0, None), (to + 2, 0, None)];
        assert_eq!(line.out(), [&whole([1, 2])[..], &jump].concat());
    }
}

#[test]
fn one_packet_from_elsewhere_is_dropped() {
    let mut line = Line::new(Limits::default());
    assert_eq!(line.push(1, [1, 2, 5000, 3, 9000, 5001, 4]).out(), whole(1..=4));
    assert_eq!(line.receiver.stats().discarded, 3);
}

#[test]
fn a_silent_stream_is_left_for_the_first_packet_of_another() {
    let mut line = Line::new(Limits::default());
    line.push(1, [1, 2]).pass(SILENT).push(2, [9]);
    assert_eq!(line.out()[2], (9, 0, Some(Restart::Source)));
    line.pass(SILENT).push(2, [8]);
    assert_eq!(line.out(), [(8, 0, Some(Restart::Sequence))]);
}

/// With the same SSRC, to a number that looks late.
#[test]
fn a_sender_that_begins_anew_a_little_back_does_not_hang() {
    let mut line = Line::new(Limits::default());
    line.push(1, 500..600).out();
    line.push(1, 450..520);
    let out = line.out();
    assert_eq!(out[0], (465, 0, Some(Restart::Sequence)));
    assert_eq!(out[1..], whole(466..520));
    // Late packets have the stream's own between them.
    let mut line = Line::new(Limits::default());
    line.push(1, 0..100);
    for late in 0..50u16 {
        line.push(1, [late, 100 + late]);
    }
    assert_eq!(line.out(), whole(0..150));
}

#[test]
fn reports_say_what_was_lost_and_when_the_sender_reported() {
    let mut line = Line::new(Limits::default());
    assert_eq!(line.receiver.report(line.now), None);
    let report = SenderReport { ssrc: 1, ntp: NtpTime(0x0123_4567_89ab_cdef), ..SenderReport::default() };
    line.receiver.note_sender_report(line.now, &report);
    line.push(1, (65_530..=65_535).chain([0, 1, 4, 5]));
    let block = line.receiver.report(line.now + Duration::from_millis(490)).unwrap();
    assert_eq!((block.ssrc, block.highest_sequence, block.lost), (1, 0x1_0005, 2));
    assert_eq!(block.fraction_lost, (2 * 256 / 12) as u8);
    assert_eq!((block.last_sr, block.delay_since_last_sr), (0x4567_89ab, 0x8000));
    // Nothing more was lost since, and one of the two came after all.
    line.push(1, [3, 6, 7]);
    let block = line.receiver.report(line.now).unwrap();
    assert_eq!((block.fraction_lost, block.lost), (0, 1));
    // Another sender's report says nothing of this one.
    line.receiver.note_sender_report(line.now, &SenderReport { ssrc: 2, ..report });
    assert_eq!(line.receiver.report(line.now).unwrap().last_sr, 0);
}

#[test]
fn jitter_is_how_much_the_distance_of_packets_varies() {
    let mut receiver = Receiver::new(90_000, Limits::default());
    let mut now = Duration::from_secs(1);
    for sequence in 0..400u16 {
        // Sent each 10 ms, and every second one 8 ms late.
        now = Duration::from_secs(1) + 10 * MS * sequence.into() + 8 * MS * u32::from(sequence % 2);
        let mut packet = packet(1, sequence);
        packet.header.timestamp = (u32::MAX - 90_000).wrapping_add(u32::from(sequence) * 900);
        receiver.push(now, packet);
        receiver.poll(now);
    }
    let jitter = receiver.stats().jitter;
    assert!((jitter.as_secs_f64() - 0.008).abs() < 0.0005, "{jitter:?}");
    assert_eq!(receiver.report(now).unwrap().jitter / 90, jitter.as_millis() as u32);
}

/// The numbers from 0 on, each displaced by less than `by`; the first stays, for with it the stream begins.
fn shuffled(by: usize, keys: &[usize]) -> Vec<usize> {
    let mut order: Vec<_> = (1..keys.len()).collect();
    order.sort_by_key(|&at| at + keys[at] % by.max(1));
    order.insert(0, 0);
    order
}

proptest! {
    #[test]
    fn any_order_within_the_window_is_put_right(start: u16, by in 1usize..150, keys in vec(any::<usize>(), 1..600)) {
        let mut line = Line::new(Limits::default());
        let order = shuffled(by, &keys);
        line.push(1, order.iter().map(|&at| start.wrapping_add(at as u16)));
        prop_assert_eq!(line.out(), whole((0..keys.len()).map(|at| start.wrapping_add(at as u16))));
        let stats = line.receiver.stats();
        prop_assert_eq!((stats.lost, stats.late, stats.duplicates, line.receiver.deadline()), (0, 0, 0, None));
    }

    #[test]
    fn losses_and_copies_are_counted_exactly(
        start: u16,
        by in 1usize..50,
        packets in vec((any::<usize>(), 0u8..4), 1..600),
        bursts in vec((0usize..600, 0usize..100), 0..4),
    ) {
        let keys: Vec<_> = packets.iter().map(|&(key, _)| key).collect();
        // Each comes never, once or twice; the first does come.
        let times = |at: usize| -> u64 {
            match packets[at].1 {
            _ if bursts.iter().any(|&(from, len)| at > 0 && (from..from + len).contains(&at)) => 0,
            0 if at > 0 => 0,
            3 => 2,
            _ => 1,
        }};
        let mut line = Line::new(Limits::default());
        for at in shuffled(by, &keys) {
            for _ in 0..times(at) {
                line.push(1, [start.wrapping_add(at as u16)]);
            }
        }
        line.pass(WAIT);
        let mut expected = Vec::new();
        let mut lost = 0;
        for at in 0..keys.len() {
            if times(at) > 0 {
                expected.push((start.wrapping_add(at as u16), std::mem::take(&mut lost), None));
            } else {
                lost += 1;
            }
        }
        let stats = line.receiver.stats();
        prop_assert_eq!(stats.lost, expected.iter().map(|&(_, lost, _)| u64::from(lost)).sum::<u64>());
        prop_assert_eq!(stats.packets, expected.len() as u64);
        prop_assert_eq!(stats.duplicates, (0..keys.len()).map(|at| times(at).saturating_sub(1)).sum::<u64>());
        prop_assert_eq!((stats.late, stats.restarts), (0, 0));
        prop_assert_eq!(line.out(), expected);
    }

    /// Whatever comes: nothing waits longer than it may, and each packet is accounted for.
    #[test]
    fn it_is_bounded(
        limit in 1usize..40,
        script in vec((0u64..300, 0u32..3, prop_oneof![0u16..60, any::<u16>()], any::<bool>()), 0..300),
    ) {
        let limits = Limits { packets: limit, bytes: 500, ..Limits::default() };
        let mut receiver = Receiver::new(90_000, limits);
        let (mut now, mut out) = (Duration::ZERO, 0);
        let pushed = script.len() as u64;
        for (wait, ssrc, sequence, polls) in script {
            now += Duration::from_millis(wait);
            receiver.push(now, packet(ssrc, sequence));
            let _ = receiver.report(now);
            if polls {
                out += std::iter::from_fn(|| receiver.poll(now)).count();
                prop_assert!(receiver.held.len() <= limit && receiver.held_bytes <= 500);
                prop_assert!(receiver.deadline().is_none_or(|deadline| deadline > now && deadline <= now + WAIT));
            }
            prop_assert!(receiver.held.len() + receiver.ready.len() <= 2 * limit);
            prop_assert!(receiver.arrivals.len() <= 2 * limit + MAX_DROPOUT as usize);
        }
        out += std::iter::from_fn(|| receiver.poll(now + WAIT)).count();
        prop_assert_eq!((receiver.held_bytes, receiver.deadline()), (0, None));
        let stats = receiver.stats();
        prop_assert_eq!(stats.packets, out as u64);
        prop_assert_eq!(stats.packets + stats.late + stats.duplicates + stats.discarded, pushed);
    }
}
