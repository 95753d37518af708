//! A network that loses, doubles, delays and so reorders datagrams, by a seed, in virtual time; and two ends of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use rillcast_srt::caller::{self, Call, Caller};
use rillcast_srt::connection::{Connection, Event, Output, Reason};
use rillcast_srt::listener::{self, Listener};
use rillcast_srt::{Error, Limits, Passphrase, Settings};

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Numbers by a seed (SplitMix64).
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    fn one_in_1000(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

/// What a network does to a datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// Lost, in a thousand.
    pub(crate) loss: u64,
    /// Doubled, in a thousand.
    pub(crate) double: u64,
    /// One way.
    pub(crate) delay: Duration,
    /// And up to so much more, each for itself.
    pub(crate) jitter: Duration,
}

/// When a datagram arrives, in which order, where, and what it is.
type UnderWay = (Duration, u64, usize, Vec<u8>);

/// Two directions.
pub(crate) struct Network {
    pub(crate) weather: Weather,
    dice: Dice,
    number: u64,
    under_way: BinaryHeap<Reverse<UnderWay>>,
}

impl Network {
    pub(crate) fn new(weather: Weather, seed: u64) -> Self {
        Self { weather, dice: Dice(seed), number: 0, under_way: BinaryHeap::new() }
    }

    fn put(&mut self, now: Duration, to: usize, datagram: &[u8]) {
        let copies = if self.dice.one_in_1000(self.weather.double) { 2 } else { 1 };
        for _ in 0..copies {
            if self.dice.one_in_1000(self.weather.loss) {
                continue;
            }
            let jitter = self.dice.below(self.weather.jitter.as_micros() as u64 + 1);
            let at = now + self.weather.delay + Duration::from_micros(jitter);
            self.number += 1;
            self.under_way.push(Reverse((at, self.number, to, datagram.to_vec())));
        }
    }

    fn take(&mut self, now: Duration) -> Option<(usize, Vec<u8>)> {
        let Reverse((at, ..)) = self.under_way.peek()?;
        if *at > now {
            return None;
        }
        self.under_way.pop().map(|Reverse((_, _, to, datagram))| (to, datagram))
    }

    fn next(&self) -> Option<Duration> {
        self.under_way.peek().map(|Reverse((at, ..))| *at)
    }
}

/// Where the two are: the caller 0, the listener 1.
pub(crate) const CALLER: usize = 0;
pub(crate) const LISTENER: usize = 1;

pub(crate) fn address(port: u16) -> SocketAddr {
    ([10, 0, 0, 1], port).into()
}

/// Makes a connection over the network: caller, listener, and when it stood.
pub(crate) fn connect(
    network: &mut Network,
    call: Call,
    passphrase: Option<&Passphrase>,
    settings: &Settings,
) -> Result<(Connection, Connection, Duration), Error> {
    let mut now = Duration::ZERO;
    let mut caller = Caller::new(now, [1; 32], address(9), call)?;
    let mut listener = Listener::new(Limits::default(), now, [2; 32]);
    let (mut accepted, mut steps) = (None, 0);
    loop {
        steps += 1;
        assert!(steps < 10_000, "it goes round in circles");
        let mut deadline = Duration::MAX;
        loop {
            match listener.poll_output() {
                listener::Output::Send(to, datagram) => {
                    assert_eq!(to, address(1).into());
                    network.put(now, CALLER, &datagram.to_vec());
                }
                listener::Output::Request(request) => {
                    accepted = Some(listener.accept(now, request.id, passphrase, settings));
                }
                listener::Output::Wait(until) => {
                    deadline = deadline.min(until.unwrap_or(Duration::MAX));
                    break;
                }
            }
        }
        loop {
            match caller.poll_output() {
                caller::Output::Send(datagram) => network.put(now, LISTENER, &datagram.to_vec()),
                caller::Output::Connected(connection) => {
                    let accepted = accepted.expect("the listener was asked")?;
                    return Ok((*connection, accepted, now));
                }
                caller::Output::Failed(error) => return Err(error),
                caller::Output::Wait(until) => {
                    deadline = deadline.min(until.unwrap_or(Duration::MAX));
                    break;
                }
            }
        }
        now = now.max(deadline.min(network.next().unwrap_or(Duration::MAX)));
        while let Some((to, datagram)) = network.take(now) {
            if to == CALLER {
                // What comes twice is no step forward.
                let _ = caller.handle_packet(now, &datagram);
            } else {
                let _ = listener.handle_packet(now, address(1).into(), &datagram);
            }
        }
        caller.handle_timeout(now);
        listener.handle_timeout(now);
    }
}

/// What arrived at one end.
#[derive(Default)]
pub(crate) struct Got {
    /// Payloads, and when they came.
    pub(crate) payloads: Vec<(Duration, Bytes)>,
    /// Packets missing, as was said.
    pub(crate) lost: u64,
    pub(crate) closed: Option<Reason>,
}

/// The two ends of a connection, and what happens between them.
pub(crate) struct Pair {
    pub(crate) ends: [Connection; 2],
    pub(crate) got: [Got; 2],
    pub(crate) now: Duration,
    pub(crate) network: Network,
    steps: u64,
}

impl Pair {
    pub(crate) fn new(mut network: Network, call: Call, settings: &Settings) -> Self {
        let passphrase = call.passphrase.clone();
        // The handshake has its own tests.
        let weather = network.weather;
        network.weather = Weather { loss: 0, double: 0, jitter: Duration::ZERO, ..weather };
        let made = connect(&mut network, call, passphrase.as_ref(), settings);
        let (caller, listener, now) = made.expect("a connection");
        network.weather = weather;
        Self { ends: [caller, listener], got: <[Got; 2]>::default(), now, network, steps: 0 }
    }

    /// Lets everything happen until `until`.
    pub(crate) fn run(&mut self, until: Duration) {
        loop {
            let deadlines = [CALLER, LISTENER].map(|side| self.drain(side));
            let next = deadlines.into_iter().chain(self.network.next()).min().unwrap_or(Duration::MAX);
            if next > until {
                self.now = until;
                return;
            }
            self.steps += 1;
            assert!(self.steps < 3_000_000, "it goes round in circles");
            self.now = self.now.max(next);
            while let Some((to, datagram)) = self.network.take(self.now) {
                self.ends[to].handle_packet(self.now, &datagram).expect("a packet");
            }
            self.ends.iter_mut().for_each(|end| end.handle_timeout(self.now));
        }
    }

    fn drain(&mut self, side: usize) -> Duration {
        loop {
            match self.ends[side].poll_output() {
                Output::Send(burst) => {
                    let (last, others) = burst.packets().split_last().expect("one at least");
                    assert!(others.iter().all(|packet| packet.bytes() == burst.segment_bytes()));
                    assert!(last.bytes() <= burst.segment_bytes() && burst.bytes() <= 65_507);
                    for datagram in burst.packets() {
                        self.network.put(self.now, 1 - side, &datagram.to_vec());
                    }
                }
                Output::Event(Event::Data { payload, lost }) => {
                    self.got[side].payloads.push((self.now, payload));
                    self.got[side].lost += u64::from(lost);
                }
                Output::Event(Event::Closed(reason)) => {
                    assert_eq!(self.got[side].closed.replace(reason), None);
                }
                Output::Wait(until) => {
                    return until.unwrap_or(Duration::MAX);
                }
            }
        }
    }
}
