//! An SRT listener among strangers, with an owner that accepts, refuses or waits.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use srt::listener::{Listener, Output, RequestId};
use srt::packet::{Body, Control, Handshake, HandshakeKind, Packet};
use srt::{Limits, Passphrase, Rejection, Sequence, Settings};

use crate::input::Input;

/// The first byte chooses the limits; the rest is a script of datagrams, verdicts and time.
///
/// - No more wait than may, and nobody who has not proved an address is answered with more than came.
/// - Every answer is a handshake.
/// - When time has passed nothing is left.
pub fn srt_listener(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = match input.byte() & 1 {
        0 => Limits::default(),
        _ => Limits { pending: 2, answered: 2, ..Limits::default() },
    };
    let mut owner = Owner {
        limits,
        listener: Listener::new(limits, Duration::ZERO, [5; 32]),
        now: Duration::ZERO,
        cookies: [0; 4],
        pending: VecDeque::new(),
    };
    while !input.is_empty() {
        owner.step(&mut input);
        assert!(owner.listener.pending() <= limits.pending);
    }
    for _ in 0..2 {
        owner.now += Duration::from_secs(100);
        owner.listener.handle_timeout(owner.now);
        owner.drain(None);
    }
    assert_eq!(owner.listener.pending(), 0);
    assert!(matches!(owner.listener.poll_output(), Output::Wait(None)));
}

struct Owner {
    limits: Limits,
    listener: Listener,
    now: Duration,
    /// The cookie that was sent to each address last.
    cookies: [u32; 4],
    pending: VecDeque<RequestId>,
}

fn address(number: usize) -> SocketAddr {
    ([10, 0, 0, 1], 5000 + number as u16).into()
}

impl Owner {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        let from = usize::from(op >> 4 & 3);
        match op & 7 {
            0 => {
                let bytes = input.block();
                self.datagram(from, bytes);
            }
            1 => self.handshake(from, HandshakeKind::Induction, input.byte(), 0, &[]),
            2 | 3 => {
                let (socket, cookie) = (input.byte(), self.cookies[from]);
                self.handshake(from, HandshakeKind::Conclusion, socket, cookie, input.block());
            }
            4 => {
                self.now += Duration::from_millis(input.number(2));
                self.listener.handle_timeout(self.now);
                self.drain(None);
            }
            5 => {
                if let Some(id) = self.pending.pop_front() {
                    let code = Rejection::from_wire(1000 + u32::from(input.byte()));
                    self.listener.reject(self.now, id, code.unwrap_or(Rejection::UNKNOWN));
                    self.drain(None);
                }
            }
            _ => {
                if let Some(id) = self.pending.pop_front() {
                    let passphrase = Passphrase::new("correct horse").ok().filter(|_| op & 8 != 0);
                    let settings = Settings::default();
                    let accepted = self.listener.accept(self.now, id, passphrase.as_ref(), &settings);
                    if let Ok(connection) = accepted {
                        assert_eq!(connection.is_encrypted(), passphrase.is_some());
                    }
                    self.drain(None);
                }
            }
        }
    }

    fn handshake(&mut self, from: usize, kind: HandshakeKind, socket: u8, cookie: u32, content: &[u8]) {
        let handshake = Handshake {
            version: if socket & 0x80 == 0 { 5 } else { 4 },
            encryption: 0,
            extension: 7,
            sequence: Sequence::new(u32::from(socket)),
            mtu: 1500,
            flow_window: 8192,
            kind,
            socket: u32::from(socket),
            cookie,
            address: [0; 16],
            content,
        };
        let packet = Packet::control(9, 0, Control::Handshake(handshake)).encode();
        self.datagram(from, &packet.to_vec());
    }

    fn datagram(&mut self, from: usize, bytes: &[u8]) {
        let before = self.listener.pending();
        let _ = self.listener.handle_packet(self.now, address(from).into(), bytes);
        assert!(self.listener.pending() <= before + 1);
        self.drain(Some(bytes.len()));
    }

    fn drain(&mut self, received: Option<usize>) {
        let mut answers = 0;
        loop {
            match self.listener.poll_output() {
                Output::Send(to, datagram) => {
                    answers += 1;
                    let bytes = datagram.to_vec();
                    let Ok(Packet { body: Body::Control(Control::Handshake(handshake)), .. }) =
                        Packet::decode(&bytes)
                    else {
                        panic!("no handshake");
                    };
                    if handshake.kind == HandshakeKind::Induction {
                        assert!(received.is_some_and(|received| bytes.len() <= received));
                        self.cookies[usize::from(to.peer.port() - 5000)] = handshake.cookie;
                    }
                }
                Output::Request(request) => self.pending.push_back(request.id),
                Output::Wait(_) => break,
            }
        }
        assert!(answers <= 1 || received.is_none());
        assert!(answers <= self.limits.pending + 1);
    }
}
