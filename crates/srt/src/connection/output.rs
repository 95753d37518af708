//! What goes out, and when.

use std::time::Duration;

use bytes::BytesMut;

use super::{ACK_PERIOD, Burst, Connection, Event, KEEP_ALIVE, Output, Reason, Stats};
use crate::packet::{Control, Datagram, HEADER_BYTES, UDP_BYTES};

/// NAKs are not repeated more often than this (draft-sharabayko-srt 4.8.2).
const LEAST_NAK_PERIOD: Duration = Duration::from_millis(20);
/// How much later than any ACK could be the last packet counts as lost.
const PROBE_GRACE: Duration = Duration::from_millis(20);
/// Packets that may be under way whatever the peer says, for it may not say it again.
const LEAST_WINDOW: usize = 2;

impl Connection {
    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.advance(now);
        self.tick();
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        if let Some(datagram) = self.control.pop_front() {
            self.spoke = self.now;
            return Output::Send(Burst::one(datagram));
        }
        // Where the peer is gone, nothing is waited for any more.
        let until = if self.closed.is_some() { Duration::MAX } else { self.now };
        if let Some((payload, lost, skipped)) = self.receive.pop(until) {
            if skipped > 0 {
                self.stats.pkt_rcv_drop += u64::from(skipped);
                self.arrivals.wake(self.now);
            }
            return Output::Event(Event::Data { payload, lost });
        }
        if let Some(reason) = self.closed {
            if self.told {
                return Output::Wait(None);
            }
            self.told = true;
            return Output::Event(Event::Closed(reason));
        }
        let burst = self.burst();
        if !burst.is_empty() {
            self.spoke = self.now;
            return Output::Send(burst);
        }
        // New keys may have been announced with the last packet.
        match self.control.pop_front() {
            Some(datagram) => Output::Send(Burst::one(datagram)),
            None => Output::Wait(Some(self.deadline())),
        }
    }

    /// Counters, and how the connection stands.
    pub fn stats(&self) -> Stats {
        Stats {
            pkt_flow_window: self.window(),
            pkt_flight_size: self.send.in_flight(),
            pkt_snd_buf: self.send.len(),
            byte_snd_buf: self.send.bytes(),
            snd_buf_age: self.send.age(self.now),
            pkt_rcv_buf: self.receive.len(),
            byte_rcv_buf: self.receive.bytes(),
            rtt: self.rtt.smooth(),
            ..self.stats
        }
    }

    /// Data packets that may leave now, as many as go together.
    fn burst(&mut self) -> Burst {
        let (mut burst, window) = (Burst::default(), self.window());
        while self.pacer.may_send(self.now) {
            self.refresh_keys();
            let Some((sequence, again, slot)) = self.send.next(window) else { break };
            if !burst.has_room(HEADER_BYTES + slot.payload.len()) {
                break;
            }
            if let Some(crypto) = self.crypto.as_mut().filter(|_| slot.is_fresh()) {
                let mut payload = BytesMut::from(&slot.payload[..]);
                slot.key = Some(crypto.send.encrypt(sequence, &mut payload));
                slot.payload = payload.freeze();
            }
            let Some((data, timestamp, payload)) = self.send.take_next(self.now, window) else { break };
            let bytes = payload.len();
            self.pacer.note_sent(self.now, bytes + HEADER_BYTES + UDP_BYTES);
            self.stats.pkt_sent += 1;
            self.stats.byte_sent += bytes as u64;
            if again {
                self.stats.pkt_retrans += 1;
                self.stats.byte_retrans += bytes as u64;
            } else {
                self.stats.pkt_sent_unique += 1;
            }
            burst.push(Datagram { header: data.header(timestamp, self.peer_socket), payload });
        }
        burst
    }

    /// Packets that may be under way.
    fn window(&self) -> usize {
        self.flow_window.min(self.room).max(LEAST_WINDOW)
    }

    /// How often what is missing is asked for.
    fn nak_period(&self) -> Duration {
        (self.rtt.longest() / 2).max(LEAST_NAK_PERIOD)
    }

    /// When the last packet counts as lost, as nothing behind it can show that it is.
    fn probe_due(&self) -> Option<Duration> {
        let (sent_at, times) = self.send.last_sent()?;
        let wait = self.rtt.longest() + ACK_PERIOD + PROBE_GRACE;
        Some(sent_at.saturating_add(wait * (1 << times.saturating_sub(1).min(4))))
    }

    /// Does what its time has come for.
    pub(super) fn tick(&mut self) {
        if self.closed.is_some() {
            return;
        }
        if self.heard.saturating_add(self.settings.idle_timeout) <= self.now {
            return self.end(Reason::Timeout);
        }
        self.drop_late();
        if let Some(ack) = self.arrivals.ack(self.now, &self.receive, &self.rtt) {
            self.stats.pkt_sent_ack += 1;
            self.tell(Control::Ack(ack));
        }
        let period = self.nak_period();
        let overdue = self.receive.overdue(self.now, period);
        self.report(overdue);
        if self.probe_due().is_some_and(|due| due <= self.now) {
            self.send.probe(self.now);
        }
        if self.exchange.due().is_some_and(|due| due <= self.now) {
            self.refresh_keys();
        }
        if self.spoke.saturating_add(KEEP_ALIVE) <= self.now {
            self.tell(Control::KeepAlive);
            self.spoke = self.now;
        }
    }

    fn deadline(&mut self) -> Duration {
        let window = self.window();
        let paced = self.send.next(window).is_some();
        let timers = [
            Some(self.heard.saturating_add(self.settings.idle_timeout)),
            Some(self.spoke.saturating_add(KEEP_ALIVE)),
            self.arrivals.due(),
            self.receive.due(),
            self.receive.next_overdue(),
            self.send.deadline(),
            self.probe_due(),
            self.exchange.due(),
            self.pacer.next().filter(|_| paced),
        ];
        timers.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }
}
