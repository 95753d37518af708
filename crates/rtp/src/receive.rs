//! Reception of one RTP stream: packets that a network lost, reordered or duplicated, in their order again as far as can
//! be, with every hole told (RFC 3550 A.1).
//!
//! What is in order passes at once. What is not waits for what is missing, bounded in time, packets and bytes; over TCP,
//! where nothing can come later, the wait is zero. A sender that begins anew, under another SSRC or at another sequence
//! number, is followed after two packets that agree with each other, or after one where the stream was silent before.

mod statistics;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::rtcp::{ReportBlock, SenderReport};
use crate::{HEADER_BYTES, Packet};
use statistics::{Recent, Reception};

/// A step forward of so many packets or more is no loss but another sequence (`MAX_DROPOUT`, RFC 3550 A.1).
const MAX_DROPOUT: i16 = 3000;
/// So far back a packet is late; beyond, it belongs to another sequence (`MAX_MISORDER`, RFC 3550 A.1). The 100 of there is
/// for the rates of telephony: 50 Mbit/s send 1000 packets in 200 ms.
const MAX_MISORDER: i16 = 1024;
/// Packets of another sequence in a row with which it is believed (`MIN_SEQUENTIAL`, RFC 3550 A.1) are two; of one that began
/// a little before where the last one was, so many, for so look packets that come late.
const BEHIND_RUN: u32 = 16;
/// A stream of which nothing has come for so long is over where another begins.
const SILENT: Duration = Duration::from_secs(1);

/// What a [`Receiver`] holds back at most, while it waits for what is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Packets. Where there are more, the next hole is given up at once; with twice as many, which needs an owner that does
    /// not poll, new ones are dropped.
    pub packets: usize,
    /// Bytes of these packets, in the same way.
    pub bytes: usize,
    /// How long a packet waits for those before it. Zero where the transport keeps the order.
    pub wait: Duration,
}

impl Limits {
    /// For TCP: what is missing will not come.
    pub fn ordered() -> Self {
        Self { wait: Duration::ZERO, ..Self::default() }
    }
}

impl Default for Limits {
    /// 1024 packets, 4 MiB, 200 ms.
    fn default() -> Self {
        Self { packets: 1024, bytes: 4 << 20, wait: Duration::from_millis(200) }
    }
}

/// Why a stream's numbers have nothing to do with those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Another SSRC: timestamps begin anew too.
    Source,
    /// The same SSRC at another place in the sequence.
    Sequence,
}

/// A packet in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The packet.
    pub packet: Packet,
    /// Packets that are missing right before it; 0 at a restart, where nobody knows.
    pub lost: u32,
    /// The sender began anew with this packet.
    pub restart: Option<Restart>,
}

impl Received {
    /// Whether this packet does not go on from the one before, so that what was being put together of its payload is void.
    pub fn is_behind_hole(&self) -> bool {
        self.lost > 0 || self.restart.is_some()
    }
}

/// What a [`Receiver`] has seen since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Packets that were taken.
    pub packets: u64,
    /// Their bytes, with the fixed header.
    pub bytes: u64,
    /// Packets that were given up. Those that came too late are among them.
    pub lost: u64,
    /// Packets that came after they had been given up; dropped.
    pub late: u64,
    /// Packets that had come before; dropped.
    pub duplicates: u64,
    /// Packets that came after a later one, and in time.
    pub reordered: u64,
    /// Times the sender began anew.
    pub restarts: u64,
    /// Packets dropped because they belonged to no sequence, or because too many were held.
    pub discarded: u64,
    /// How much the distance of packets varies on the way: interarrival jitter (RFC 3550 6.4.1, A.8).
    pub jitter: Duration,
}

/// The sequence that is followed.
#[derive(Debug)]
struct Source {
    ssrc: u32,
    /// The next packet to come out, counted without wraps.
    next: u64,
    /// When the last packet was taken.
    heard: Duration,
    reception: Reception,
    recent: Recent,
}

/// One RTP stream of one sender. After each [`push`](Self::push), and at the [`deadline`](Self::deadline), the owner polls until
/// there is nothing more.
#[derive(Debug)]
pub struct Receiver {
    clock_rate: u32,
    limits: Limits,
    source: Option<Source>,
    /// What was left of a sequence that is over.
    ready: VecDeque<Received>,
    /// Packets of the present one by their number without wraps.
    held: BTreeMap<u64, Packet>,
    /// When those came that had to wait, in that order. Some that wait no more stand between them: fewer than a hole is wide.
    arrivals: VecDeque<(Duration, u64)>,
    /// Bytes of both.
    held_bytes: usize,
    /// For the next packet that comes out.
    lost: u32,
    restart: Option<Restart>,
    /// A packet that belongs elsewhere, and waits for a second one.
    stray: Option<(Duration, Packet)>,
    /// The sequence number after the last packet that came late, and how many have come so in a row.
    behind: (u16, u32),
    sender_report: Option<(Duration, SenderReport)>,
    stats: Stats,
}

impl Receiver {
    /// A stream whose payload format has that clock rate, in Hz, of which nothing has come yet. It starts with whatever packet
    /// comes first.
    pub fn new(clock_rate: u32, limits: Limits) -> Self {
        Self {
            clock_rate,
            limits,
            source: None,
            ready: VecDeque::new(),
            held: BTreeMap::new(),
            arrivals: VecDeque::new(),
            held_bytes: 0,
            lost: 0,
            restart: None,
            stray: None,
            behind: (0, 0),
            sender_report: None,
            stats: Stats::default(),
        }
    }

    /// Takes a packet as it arrived; `now` never falls.
    pub fn push(&mut self, now: Duration, packet: Packet) {
        let Some(source) = &mut self.source else {
            self.begin(now, packet);
            return;
        };
        let silent = now.saturating_sub(source.heard) >= SILENT;
        let ahead = packet.header.sequence.wrapping_sub(source.next as u16) as i16;
        if packet.header.ssrc != source.ssrc || !(-MAX_MISORDER..MAX_DROPOUT).contains(&ahead) {
            self.push_stray(now, packet, silent);
            return;
        }
        source.reception.count(
            now,
            self.clock_rate,
            &packet.header,
            source.next.saturating_add_signed(ahead.into()),
        );
        if ahead < 0 {
            self.push_behind(now, packet, silent);
        } else {
            self.take(now, packet);
        }
    }

    /// The next packet in order, if it is there or what is missing before it has been given up.
    pub fn poll(&mut self, now: Duration) -> Option<Received> {
        let received = match self.ready.pop_front() {
            Some(received) => received,
            None => {
                let gives_up = self.deadline().is_some_and(|deadline| deadline <= now) || self.is_full();
                self.next(gives_up)?
            }
        };
        self.held_bytes = self.held_bytes.saturating_sub(size(&received.packet));
        Some(received)
    }

    /// When what is missing will be given up: the owner polls then. None where nothing waits.
    pub fn deadline(&self) -> Option<Duration> {
        let source = self.source.as_ref()?;
        let (&first, _) = self.held.first_key_value()?;
        let &(oldest, _) = self.arrivals.front()?;
        (first != source.next).then(|| oldest.saturating_add(self.limits.wait))
    }

    /// Notes a report of the sender, for what [`report`](Self::report) says of it. It may come before the first packet.
    pub fn note_sender_report(&mut self, now: Duration, report: &SenderReport) {
        self.sender_report = Some((now, *report));
    }

    /// What a receiver report says of this stream; each call begins the next interval of its `fraction_lost`. None before the
    /// first packet.
    pub fn report(&mut self, now: Duration) -> Option<ReportBlock> {
        let source = self.source.as_mut()?;
        let heard = self.sender_report.filter(|(_, report)| report.ssrc == source.ssrc);
        let (last_sr, delay) =
            heard.map_or((0, Duration::ZERO), |(at, report)| (report.ntp.middle(), now.saturating_sub(at)));
        let units = (delay.as_nanos() << 16) / 1_000_000_000;
        Some(ReportBlock {
            ssrc: source.ssrc,
            last_sr,
            delay_since_last_sr: u32::try_from(units).unwrap_or(u32::MAX),
            ..source.reception.report()
        })
    }

    /// The SSRC that is followed.
    pub fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// What was seen so far.
    pub fn stats(&self) -> Stats {
        let jitter = self.source.as_ref().map_or(0, |source| source.reception.jitter());
        let nanos = u64::from(jitter) * 1_000_000_000 / u64::from(self.clock_rate.max(1));
        Stats { jitter: Duration::from_nanos(nanos), ..self.stats }
    }

    /// A sequence begins with this packet.
    fn begin(&mut self, now: Duration, packet: Packet) {
        let header = packet.header;
        // A cycle is left for what comes late.
        let next = (1 << 16) + u64::from(header.sequence);
        let mut reception = Reception::new(next);
        reception.count(now, self.clock_rate, &header, next);
        self.source =
            Some(Source { ssrc: header.ssrc, next, heard: now, reception, recent: Recent::default() });
        self.take(now, packet);
    }

    /// The sequence is over: what is held comes out, with its holes.
    fn end(&mut self, restart: Restart) {
        while let Some(received) = self.next(true) {
            self.ready.push_back(received);
        }
        self.lost = 0;
        self.restart = Some(restart);
        self.stats.restarts += 1;
    }

    /// A packet that belongs to another sequence.
    fn push_stray(&mut self, now: Duration, packet: Packet, silent: bool) {
        let other = self.source.as_ref().is_some_and(|source| source.ssrc != packet.header.ssrc);
        let restart = if other { Restart::Source } else { Restart::Sequence };
        let before = self.stray.take();
        let first = before.filter(|(_, first)| {
            first.header.ssrc == packet.header.ssrc
                && first.header.sequence.wrapping_add(1) == packet.header.sequence
        });
        match first {
            Some((at, first)) => {
                self.stats.discarded -= 1;
                self.end(restart);
                self.begin(at, first);
                self.push(now, packet);
            }
            None if silent => {
                self.end(restart);
                self.begin(now, packet);
            }
            None => {
                self.stats.discarded += 1;
                self.stray = Some((now, packet));
            }
        }
    }

    /// A packet whose turn is over: late, or a copy, or the first ones of a sender that went a little back.
    fn push_behind(&mut self, now: Duration, packet: Packet, silent: bool) {
        let sequence = packet.header.sequence;
        let run = if self.behind.0 == sequence { self.behind.1.saturating_add(1) } else { 1 };
        self.behind = (sequence.wrapping_add(1), run);
        if silent || run >= BEHIND_RUN {
            self.end(Restart::Sequence);
            self.begin(now, packet);
            return;
        }
        let came = self.source.as_ref().is_some_and(|source| source.recent.has(sequence));
        *(if came { &mut self.stats.duplicates } else { &mut self.stats.late }) += 1;
    }

    /// A packet whose turn is now or later.
    fn take(&mut self, now: Duration, packet: Packet) {
        let full = self.held.len() + self.ready.len() >= self.limits.packets.saturating_mul(2).max(1)
            || self.held_bytes >= self.limits.bytes.saturating_mul(2).max(1);
        let Some(source) = &mut self.source else { return };
        source.heard = now;
        self.stray = None;
        self.behind = (0, 0);
        let number = source.next + u64::from(packet.header.sequence.wrapping_sub(source.next as u16));
        if self.held.contains_key(&number) {
            self.stats.duplicates += 1;
            return;
        }
        if full {
            self.stats.discarded += 1;
            return;
        }
        self.stats.packets += 1;
        self.stats.bytes += size(&packet) as u64;
        self.stats.reordered += u64::from(self.held.last_key_value().is_some_and(|(&last, _)| number < last));
        self.held_bytes += size(&packet);
        if number != source.next {
            self.arrivals.push_back((now, number));
        }
        self.held.insert(number, packet);
    }

    /// More is held than may wait.
    fn is_full(&self) -> bool {
        self.held.len() > self.limits.packets || self.held_bytes > self.limits.bytes
    }

    /// The first packet that is held, if it is its turn, or if what is missing before it is given up.
    fn next(&mut self, gives_up: bool) -> Option<Received> {
        let source = self.source.as_mut()?;
        let first = self.held.first_entry()?;
        let number = *first.key();
        if number != source.next {
            if !gives_up {
                return None;
            }
            // Less than the step that is no loss.
            let missing = number.saturating_sub(source.next) as u32;
            self.lost = self.lost.saturating_add(missing);
            self.stats.lost += u64::from(missing);
            source.recent.pass(source.next, number);
        }
        source.recent.mark(number);
        source.next = number + 1;
        let packet = first.remove();
        while self.arrivals.front().is_some_and(|&(_, number)| number < source.next) {
            self.arrivals.pop_front();
        }
        Some(Received { packet, lost: std::mem::take(&mut self.lost), restart: self.restart.take() })
    }
}

fn size(packet: &Packet) -> usize {
    HEADER_BYTES + packet.payload.len()
}

#[cfg(test)]
mod tests;
