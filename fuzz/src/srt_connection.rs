//! Two ends of an SRT connection, with a script of what is sent, what arrives, what somebody else puts in, and of time.

use std::collections::VecDeque;
use std::time::Duration;

use srt::caller::{self, Call, Caller};
use srt::connection::{Connection, Event, Output};
use srt::listener::{self, Listener};
use srt::packet::{Ack, AckDetails, Body, Control, Data, LossList, Packet, Parity, encode_loss};
use srt::{Bandwidth, Limits, Passphrase, Refresh, Sequence, Settings};

use crate::input::Input;

/// Datagrams that wait on their way.
const UNDER_WAY: usize = 64;
/// What one call may lead to, at most.
const OUTPUTS: usize = 3000;
const FIRST: Sequence = Sequence::new(0x7fff_fff0);

/// The first byte chooses settings and encryption; the rest is a script.
///
/// - Buffers stay within their limits, and each call has an end to what it leads to.
/// - Bursts have the form that they promise.
/// - As long as nobody else puts anything in, what arrives is what was sent, in order.
/// - Left alone, both ends close, after few steps.
pub fn srt_connection(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let small = choice & 1 != 0;
    let settings = Settings {
        send_packets: if small { 8 } else { 200 },
        receive_packets: if small { 8 } else { 200 },
        bandwidth: match choice >> 1 & 3 {
            0 => Bandwidth::Max(20_000),
            1 => Bandwidth::Input { rate: None, overhead: 25 },
            _ => Bandwidth::Unlimited,
        },
        refresh: Refresh { packets: 8, announce: 2 },
        first_timestamp: u32::MAX - 50_000,
        first_sequence: Some(FIRST.get()),
        ..Settings::default()
    };
    let mut script = Script {
        ends: connect(&settings, choice & 8 != 0),
        settings,
        now: Duration::ZERO,
        under_way: <[VecDeque<Vec<u8>>; 2]>::default(),
        sent: [0; 2],
        got: [0; 2],
        is_clean: true,
        deadlines: [Duration::ZERO; 2],
    };
    script.drain();
    while !input.is_empty() {
        script.step(&mut input);
    }
    script.finish();
}

/// A connection: who called, and who was called.
fn connect(settings: &Settings, encrypted: bool) -> [Connection; 2] {
    let (now, address) = (Duration::ZERO, ([10, 0, 0, 1], 5000).into());
    let passphrase = Passphrase::new("correct horse").ok().filter(|_| encrypted);
    let call = Call { passphrase: passphrase.clone(), settings: settings.clone(), ..Call::default() };
    let mut caller = Caller::new(now, [1; 32], address, call).expect("a call");
    let mut listener = Listener::new(Limits::default(), now, [2; 32]);
    let mut accepted = None;
    loop {
        match caller.poll_output() {
            caller::Output::Send(datagram) => {
                listener.handle_packet(now, address.into(), &datagram.to_vec()).expect("a handshake");
            }
            caller::Output::Connected(connection) => return [*connection, accepted.expect("both")],
            caller::Output::Failed(error) => panic!("{error}"),
            caller::Output::Wait(_) => {}
        }
        match listener.poll_output() {
            listener::Output::Send(_, datagram) => {
                caller.handle_packet(now, &datagram.to_vec()).expect("an answer");
            }
            listener::Output::Request(request) => {
                let made = listener.accept(now, request.id, passphrase.as_ref(), settings);
                accepted = Some(made.expect("the same passphrase"));
            }
            listener::Output::Wait(_) => {}
        }
    }
}

struct Script {
    ends: [Connection; 2],
    settings: Settings,
    now: Duration,
    /// What is on its way to each end.
    under_way: [VecDeque<Vec<u8>>; 2],
    /// The number of the last payload from each end, and of the last one that arrived there.
    sent: [u32; 2],
    got: [u32; 2],
    is_clean: bool,
    deadlines: [Duration; 2],
}

impl Script {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        let side = usize::from(op >> 3 & 1);
        match op & 7 {
            0 => self.wait(Duration::from_micros(input.number(2) * 10)),
            1 => {
                self.sent[side] += 1;
                let mut payload = self.sent[side].to_be_bytes().to_vec();
                payload.resize(4 + usize::from(op >> 4) * 40, 7);
                let _ = self.ends[side].send(self.now, payload.into());
            }
            2 | 3 => {
                if let Some(datagram) = self.under_way[side].pop_front() {
                    let _ = self.ends[side].handle_packet(self.now, &datagram);
                    if op & 0x10 != 0 {
                        self.under_way[side].push_back(datagram);
                    }
                }
            }
            4 => drop(self.under_way[side].pop_front()),
            5 => {
                let mut bytes = input.block().to_vec();
                if let Some(field) = bytes.get_mut(12..16) {
                    field.copy_from_slice(&self.ends[side].socket().to_be_bytes());
                }
                self.put_in(side, &bytes);
            }
            6 => {
                let packet = packet(self.ends[side].socket(), input);
                self.put_in(side, &packet);
            }
            _ if op == 0xff => self.ends[side].close(self.now),
            _ => {
                if let Some(datagram) = self.under_way[side].pop_front() {
                    self.under_way[side].push_back(datagram);
                }
            }
        }
        self.drain();
    }

    fn put_in(&mut self, side: usize, datagram: &[u8]) {
        self.is_clean = false;
        let _ = self.ends[side].handle_packet(self.now, datagram);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
    }

    fn drain(&mut self) {
        for side in 0..2 {
            let mut outputs = 0;
            loop {
                outputs += 1;
                assert!(outputs < OUTPUTS, "no end");
                match self.ends[side].poll_output() {
                    Output::Send(burst) => {
                        let (last, others) = burst.packets().split_last().expect("one at least");
                        assert!(others.iter().all(|packet| packet.bytes() == burst.segment_bytes()));
                        assert!(last.bytes() <= burst.segment_bytes() && burst.bytes() < 65_507);
                        let way = &mut self.under_way[1 - side];
                        way.extend(burst.packets().iter().map(|packet| packet.to_vec()));
                        way.truncate(UNDER_WAY);
                    }
                    Output::Event(Event::Data { payload, .. }) => self.arrived(side, &payload),
                    Output::Event(Event::Closed(_)) => assert!(self.ends[side].is_closed()),
                    Output::Wait(deadline) => {
                        self.deadlines[side] = deadline.unwrap_or(Duration::MAX);
                        break;
                    }
                }
            }
            let stats = self.ends[side].stats();
            assert!(stats.pkt_snd_buf <= self.settings.send_packets, "{stats:?}");
            assert!(stats.pkt_rcv_buf <= self.settings.receive_packets, "{stats:?}");
            assert!(stats.byte_rcv_buf <= 1456 * self.settings.receive_packets, "{stats:?}");
        }
    }

    fn arrived(&mut self, side: usize, payload: &[u8]) {
        // What its sender gave up and comes all the same may be of a key that another has replaced: with nothing that
        // authenticates it, it is noise.
        let sender = &self.ends[1 - side];
        let may_be_noise = sender.is_encrypted() && sender.stats().pkt_snd_drop > 0;
        if self.is_clean && !may_be_noise {
            let number = u32::from_be_bytes(*payload.first_chunk().expect("as it was sent"));
            assert!(number > self.got[side] && number <= self.sent[1 - side], "{number} is out of order");
            assert!(payload.iter().skip(4).all(|byte| *byte == 7));
            self.got[side] = number;
        }
    }

    /// Nothing arrives any more.
    fn finish(mut self) {
        for _ in 0..OUTPUTS {
            let next = self.deadlines.into_iter().min().unwrap_or_default();
            if next == Duration::MAX {
                break;
            }
            self.now = self.now.max(next);
            self.wait(Duration::ZERO);
            self.drain();
        }
        assert!(self.ends.iter().all(Connection::is_closed), "not closed at {:?}", self.now);
        let end = &mut self.ends[0];
        assert!(end.send(self.now, vec![1].into()).is_err() && end.is_drained());
        assert!(matches!(end.poll_output(), Output::Wait(None)));
    }
}

/// A packet that may do something, for its numbers are near those in use.
fn packet(socket: u32, input: &mut Input<'_>) -> Vec<u8> {
    let op = input.byte();
    let mut number = || FIRST.plus(input.byte().into()).minus(40);
    let (first, second) = (number(), number());
    let list = encode_loss([(first, second), (second, first)].into_iter().filter(|(a, b)| b.since(*a) >= 0));
    let mut payload = first.get().to_be_bytes().to_vec();
    payload.resize(usize::from(op) + 1, 3);
    let control = match op & 7 {
        0 => Control::Ack(Ack { number: 0, next: first, details: None }),
        1 => {
            let (rtt_us, room) = (input.number(3) as u32, input.byte().into());
            let details = AckDetails { rtt_us, rtt_variance_us: rtt_us / 2, room, rates: None };
            Control::Ack(Ack { number: 1, next: first, details: Some(details) })
        }
        2 => Control::Nak(LossList::decode(&list).expect("a good one")),
        3 if second.since(first) >= 0 => Control::DropRequest { message: 0, first, last: second },
        4 => Control::AckAck(input.byte().into()),
        5 if op > 0xf0 => Control::Shutdown,
        _ => {
            let key = match op >> 6 {
                1 => Some(Parity::Even),
                2 => Some(Parity::Odd),
                _ => None,
            };
            let data = Data {
                sequence: first,
                position: 3,
                ordered: false,
                key,
                retransmitted: op & 0x20 != 0,
                message: 1,
                payload: &payload,
            };
            let timestamp = u32::MAX.wrapping_add(input.number(3) as u32);
            return Packet { timestamp, destination: socket, body: Body::Data(data) }.encode().to_vec();
        }
    };
    Packet::control(0, socket, control).encode().to_vec()
}
