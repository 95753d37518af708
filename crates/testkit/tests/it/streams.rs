use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rillcast_testkit::relay::{Impairment, Kind, Network, Relay};

/// Sends back all it gets until the client ends, then ends too.
fn echo() -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let accepting = listener.try_clone().unwrap();
    thread::spawn(move || {
        for socket in accepting.incoming() {
            thread::spawn(move || {
                let mut socket = socket.unwrap();
                let _ = std::io::copy(&mut socket.try_clone().unwrap(), &mut socket);
                let _ = socket.shutdown(Shutdown::Write);
            });
        }
    });
    listener
}

/// What comes back of those bytes, and the relay.
fn through(network: Network, data: &[u8]) -> (Vec<u8>, Relay) {
    let echo = echo();
    let relay = Relay::before(echo.local_addr().unwrap(), Kind::Tcp, network).unwrap();
    let socket = TcpStream::connect(relay.address()).unwrap();
    socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
    let mut received = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            (&socket).write_all(data).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
        });
        (&socket).read_to_end(&mut received).unwrap();
    });
    (received, relay)
}

#[test]
fn every_byte_of_a_connection_arrives_and_so_does_its_end() {
    let data: Vec<u8> = (0..3_000_000u32).map(|at| (at / 251) as u8).collect();
    let bad = Impairment {
        loss: 0.002,
        jitter: Duration::from_millis(3),
        retransmit: Duration::from_millis(20),
        ..Impairment::default()
    };
    let (received, relay) = through(Network::both(3, bad), &data);
    assert!(received == data, "{} of {} bytes", received.len(), data.len());
    let counters = relay.counters()[0];
    assert_eq!((counters.clients, counters.there.bytes, counters.back.bytes), (1, 3_000_000, 3_000_000));
    assert!(counters.there.lost > 0 && counters.back.lost > 0, "{counters:?}");
}

#[test]
fn a_slow_connection_takes_its_time() {
    let slow = Impairment { rate_kbps: Some(800), queue: Duration::from_millis(50), ..Impairment::default() };
    let started = std::time::Instant::now();
    let (received, _) = through(Network { there: slow, ..Network::default() }, &[7; 50_000]);
    assert_eq!(received.len(), 50_000);
    // 100 kB/s.
    assert!(started.elapsed() >= Duration::from_millis(490), "{:?}", started.elapsed());
}

#[test]
fn nobody_there_is_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    drop(listener);
    let relay = Relay::before(target, Kind::Tcp, Network::default()).unwrap();
    let mut socket = TcpStream::connect(relay.address()).unwrap();
    socket.set_read_timeout(Some(super::PATIENCE)).unwrap();
    // A reset is an end too.
    assert_eq!(socket.read(&mut [0; 10]).unwrap_or(0), 0);
}
