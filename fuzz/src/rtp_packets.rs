//! RTP data packets, and what a receiver makes of them, to the times that their pictures get.

use std::time::Duration;

use bytes::Bytes;
use rtp::receive::{Limits, Received, Receiver, Restart};
use rtp::rtcp::{NtpTime, SenderReport};
use rtp::sync::Sync;
use rtp::{DecodeTimes, Header, Packet, is_rtcp};

use crate::input::Input;

/// How long reports are waited for here.
const SYNC_WAIT: Duration = Duration::from_secs(2);

/// A script of what arrives and of time that passes, a byte for each and what it needs behind it.
///
/// - A packet that was read is the same when it was written and read again, and no report.
/// - Packets come out in the order of their numbers, and every number that is missing is counted, unless the sender began anew.
/// - Nothing is held longer than its wait, or beyond the limits, and every packet is accounted for.
/// - Every picture gets its times after a bounded wait, and is decoded no later than shown.
pub fn rtp_packets(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let limits = match choice & 3 {
        0 => Limits::default(),
        1 => Limits::ordered(),
        2 => Limits { packets: 4, ..Limits::default() },
        _ => Limits { bytes: 300, ..Limits::default() },
    };
    let depth = if choice & 4 == 0 { None } else { Some(u32::from(choice >> 3)) };
    let mut watch = Watch {
        receiver: Receiver::new(90_000, limits),
        limits,
        now: Duration::from_secs(1),
        last: None,
        pushed: 0,
        came_out: 0,
        sync: Sync::new(&[90_000, 48_000], 0, SYNC_WAIT),
        pictures: DecodeTimes::new(depth),
        timed: 0,
    };
    let mut header = Header::default();
    while !input.is_empty() {
        let call = input.byte();
        watch.now += Duration::from_millis(input.number(if call & 0x80 == 0 { 1 } else { 2 }));
        match call & 7 {
            0 => watch.read(input.block()),
            1 => watch.report(input.byte(), input.number(8), input.number(4) as u32),
            2 => drop(watch.sync.arrive(watch.now, 1, input.number(4) as u32)),
            3 => header.ssrc = input.number(1) as u32,
            // The next one, or one of those about it, or any.
            how => {
                let step = match how {
                    4 | 5 => 1,
                    6 => input.signed(1),
                    _ => input.signed(2),
                };
                header.sequence = header.sequence.wrapping_add(step as u16);
                header.timestamp = header.timestamp.wrapping_add_signed(input.signed(2) as i32);
                let payload = Bytes::from(vec![0; usize::from(call >> 4 & 7) * 20]);
                watch.push(Packet { header, payload });
            }
        }
        watch.poll();
    }
    watch.end();
}

struct Watch {
    receiver: Receiver,
    limits: Limits,
    now: Duration,
    /// The number of the last packet that came out.
    last: Option<u16>,
    pushed: u64,
    came_out: u64,
    sync: Sync,
    pictures: DecodeTimes<u64>,
    timed: u64,
}

impl Watch {
    fn read(&mut self, data: &[u8]) {
        let Ok(packet) = Packet::decode(Bytes::copy_from_slice(data)) else { return };
        let again = Packet::decode(packet.encode().into()).expect("what was read before");
        assert_eq!(again, packet);
        let header = packet.header;
        assert_eq!(is_rtcp(data), header.marker && (64..96).contains(&header.payload_type));
        self.push(packet);
    }

    fn push(&mut self, packet: Packet) {
        self.pushed += 1;
        self.receiver.push(self.now, packet);
    }

    fn report(&mut self, choice: u8, ntp: u64, rtp_timestamp: u32) {
        let report = SenderReport {
            ssrc: u32::from(choice >> 1),
            ntp: NtpTime(ntp),
            rtp_timestamp,
            ..SenderReport::default()
        };
        self.receiver.note_sender_report(self.now, &report);
        self.sync.report(self.now, usize::from(choice & 1), &report);
        if let Some(block) = self.receiver.report(self.now) {
            assert!(
                block.lost as i64 <= self.receiver.stats().lost as i64 + self.limits.packets as i64 + 3000
            );
        }
    }

    fn poll(&mut self) {
        while let Some(received) = self.receiver.poll(self.now) {
            self.check(&received);
        }
        let deadline = self.receiver.deadline();
        assert!(deadline.is_none_or(|at| at > self.now && at <= self.now + self.limits.wait), "{deadline:?}");
        let stats = self.receiver.stats();
        let held = stats.packets - self.came_out;
        assert!(held <= self.limits.packets as u64, "{held} packets are held");
        assert_eq!(stats.packets + stats.late + stats.duplicates + stats.discarded, self.pushed);
    }

    fn check(&mut self, received: &Received) {
        let header = received.packet.header;
        let before = self.last.replace(header.sequence);
        match (received.restart, before) {
            (Some(restart), _) => {
                assert_eq!(received.lost, 0);
                if restart == Restart::Source {
                    self.sync.restart(0);
                }
            }
            (None, Some(before)) => {
                let step = u32::from(header.sequence.wrapping_sub(before).wrapping_sub(1));
                assert_eq!(received.lost, step, "{header:?} after {before}");
            }
            (None, None) => assert_eq!(received.lost, 0),
        }
        let stamp = self.sync.arrive(self.now, 0, header.timestamp);
        let time = self.sync.clone().time(self.now + SYNC_WAIT, stamp).expect("a time after the wait");
        if let Some(early) = self.sync.time(self.now, stamp) {
            assert_eq!(early, time);
        }
        self.pictures.push(time, self.came_out);
        self.came_out += 1;
        self.pictures();
    }

    fn pictures(&mut self) {
        while let Some(picture) = self.pictures.poll() {
            assert_eq!(picture.item, self.timed);
            assert!(picture.dts <= picture.pts, "{picture:?}");
            self.timed += 1;
        }
        assert!(self.came_out - self.timed < 20, "pictures are held");
    }

    /// All comes out once the wait is over.
    fn end(&mut self) {
        self.now += self.limits.wait;
        self.poll();
        assert_eq!((self.receiver.deadline(), self.came_out), (None, self.receiver.stats().packets));
        self.pictures.flush();
        self.pictures();
        assert_eq!(self.timed, self.came_out);
    }
}
