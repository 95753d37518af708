//! Handshakes: what is agreed, what is refused, what strangers cost.

use std::time::Duration;

use rillcast_srt::caller::Call;
use rillcast_srt::listener::{Listener, Output};
use rillcast_srt::packet::{Body, Control, Handshake, HandshakeKind, Packet};
use rillcast_srt::{Error, KeyLength, Limits, Passphrase, Rejection, Sequence, Settings};

use crate::link::{MS, Network, Weather, address, connect};

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text).expect("a good one")
}

fn network(loss: u64, seed: u64) -> Network {
    Network::new(Weather { loss, double: 100, delay: MS * 20, jitter: MS * 20 }, seed)
}

#[test]
fn the_greater_latency_counts() {
    let ms = |receive, send| Settings {
        receive_latency: MS * receive,
        send_latency: MS * send,
        ..Settings::default()
    };
    let call = Call { settings: ms(100, 400), ..Call::default() };
    let (caller, listener, _) = connect(&mut network(0, 1), call, None, &ms(300, 200)).expect("a connection");
    assert_eq!((caller.receive_latency(), caller.send_latency()), (MS * 200, MS * 400));
    assert_eq!((listener.receive_latency(), listener.send_latency()), (MS * 400, MS * 200));
    assert_eq!((caller.peer_version(), caller.is_encrypted()), (0x10500, false));
    assert_ne!(caller.socket(), listener.socket());
}

#[test]
fn lost_and_doubled_handshakes() {
    let mut failed = 0;
    for seed in 0..300 {
        match connect(&mut network(300, seed), Call::default(), None, &Settings::default()) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, Error::Rejected(Rejection::TIMEOUT));
                failed += 1;
            }
        }
    }
    assert!(failed < 10, "{failed} of 300");
}

#[test]
fn passphrases() {
    for length in [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256] {
        for (ours, theirs, expected) in [
            (Some("correct horse"), Some("correct horse"), None),
            (Some("correct horse"), Some("battery staple"), Some(Rejection::BAD_SECRET)),
            (Some("correct horse"), None, Some(Rejection::UNSECURE)),
            (None, Some("battery staple"), Some(Rejection::UNSECURE)),
        ] {
            let call = Call { passphrase: ours.map(passphrase), key_length: length, ..Call::default() };
            let theirs = theirs.map(passphrase);
            let made = connect(&mut network(0, 3), call, theirs.as_ref(), &Settings::default());
            assert_eq!(made.as_ref().err(), expected.map(Error::Rejected).as_ref());
            assert!(made.is_err() || made.is_ok_and(|(caller, ..)| caller.is_encrypted()));
        }
    }
}

fn induction(socket: u32) -> Handshake<'static> {
    Handshake {
        version: 4,
        encryption: 0,
        extension: 2,
        sequence: Sequence::new(1),
        mtu: 1500,
        flow_window: 8192,
        kind: HandshakeKind::Induction,
        socket,
        cookie: 0,
        address: [0; 16],
        content: &[],
    }
}

const HELLO: &[u8] = b"\0\x01\0\x03\0\x01\x05\x01\0\0\0\xbf\0\x78\0\0";

/// Hands a handshake in, and gives what it is answered with.
fn ask(listener: &mut Listener, port: u16, handshake: Handshake<'_>) -> Vec<u8> {
    let datagram = Packet::control(0, 0, Control::Handshake(handshake)).encode().to_vec();
    let _ = listener.handle_packet(MS, address(port).into(), &datagram);
    match listener.poll_output() {
        Output::Send(to, answer) => {
            assert_eq!(to, address(port).into());
            answer.to_vec()
        }
        _ => Vec::new(),
    }
}

fn read(datagram: &[u8]) -> Handshake<'_> {
    match Packet::decode(datagram).expect("a packet").body {
        Body::Control(Control::Handshake(handshake)) => handshake,
        other => panic!("{other:?}"),
    }
}

fn cookie(listener: &mut Listener, port: u16) -> u32 {
    read(&ask(listener, port, induction(7))).cookie
}

#[test]
fn strangers_cost_nothing() {
    let mut listener = Listener::new(Limits::default(), Duration::ZERO, [2; 32]);
    let mut conclusion =
        Handshake { version: 5, kind: HandshakeKind::Conclusion, content: HELLO, ..induction(7) };
    for port in 1..1000 {
        let question = Packet::control(0, 0, Control::Handshake(induction(7))).encode();
        let answer = ask(&mut listener, port, induction(7));
        assert!(answer.len() <= question.bytes(), "nothing to be gained for an amplifier");
        // Another's cookie.
        conclusion.cookie = read(&answer).cookie;
        assert!(ask(&mut listener, port + 1, conclusion).is_empty());
    }
    assert_eq!(listener.pending(), 0);
    assert!(matches!(listener.poll_output(), Output::Wait(None)));
}

#[test]
fn pending_ones_are_limited_and_do_not_wait_for_ever() {
    let limits = Limits { pending: 2, ..Limits::default() };
    let mut listener = Listener::new(limits, Duration::ZERO, [2; 32]);
    let mut requests = Vec::new();
    for port in 1..=3 {
        let cookie = cookie(&mut listener, port);
        let kind = HandshakeKind::Conclusion;
        let conclusion = Handshake { version: 5, kind, cookie, content: HELLO, ..induction(7) };
        let datagram = Packet::control(0, 0, Control::Handshake(conclusion)).encode().to_vec();
        let result = listener.handle_packet(MS, address(port).into(), &datagram);
        assert_eq!(result.is_ok(), port < 3);
        match listener.poll_output() {
            Output::Request(request) => requests.push(request),
            Output::Send(_, answer) => {
                assert_eq!(read(&answer.to_vec()).kind, HandshakeKind::Rejection(Rejection::BACKLOG));
            }
            Output::Wait(_) => panic!("nothing"),
        }
    }
    assert_eq!((requests.len(), listener.pending()), (2, 2));
    listener.reject(MS, requests[0].id, Rejection::NOT_FOUND);
    listener.reject(MS, requests[0].id, Rejection::FORBIDDEN);
    let Output::Send(_, answer) = listener.poll_output() else { panic!("no answer") };
    assert_eq!(read(&answer.to_vec()).kind, HandshakeKind::Rejection(Rejection::NOT_FOUND));
    let Output::Wait(Some(until)) = listener.poll_output() else { panic!("no deadline") };
    listener.handle_timeout(until);
    assert_eq!(listener.pending(), 0);
    let late = listener.accept(until, requests[1].id, None, &Settings::default());
    assert_eq!(late.err(), Some(Error::Over("the request")));
    while !matches!(listener.poll_output(), Output::Wait(None)) {
        listener.handle_timeout(Duration::from_secs(100));
    }
}

#[test]
fn what_we_do_not_speak() {
    let hello = |flags: u8| [b"\0\x01\0\x03\0\x01\x05\x01\0\0\0", &[flags][..], b"\0\x78\0\0"].concat();
    for (version, content, rejection) in [
        (4, hello(0xbf), Rejection::VERSION),
        (5, Vec::new(), Rejection::ROGUE),
        (5, hello(0xff), Rejection::MESSAGE_API),
        (5, [&hello(0xbf)[..], b"\0\x06\0\x01elif"].concat(), Rejection::CONGESTION),
        (5, [&hello(0xbf)[..], b"\0\x07\0\x01\0cef"].concat(), Rejection::FILTER),
        (5, [&hello(0xbf)[..], b"\0\x03\0\x01evil"].concat(), Rejection::ROGUE),
        (5, [&hello(0xbf)[..], b"\0\x05\0\x09evil"].concat(), Rejection::ROGUE),
    ] {
        let mut listener = Listener::new(Limits::default(), Duration::ZERO, [2; 32]);
        let cookie = cookie(&mut listener, 5);
        let kind = HandshakeKind::Conclusion;
        let answer =
            ask(&mut listener, 5, Handshake { version, kind, cookie, content: &content, ..induction(7) });
        assert_eq!(read(&answer).kind, HandshakeKind::Rejection(rejection));
        assert_eq!(listener.pending(), 0);
    }
}

#[test]
fn a_stream_id_has_a_length() {
    let call = Call { stream_id: Some("x".repeat(513)), ..Call::default() };
    let made = connect(&mut network(0, 1), call, None, &Settings::default());
    assert_eq!(made.err(), Some(Error::StreamId(513)));
}
