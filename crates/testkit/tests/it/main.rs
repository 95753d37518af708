//! The relay between real sockets.

#![allow(clippy::unwrap_used)]

mod program;
mod rtsp;
mod streams;

use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::Duration;

use rillcast_testkit::relay::{Impairment, Kind, Network, Packets, Relay};

const PATIENCE: Duration = Duration::from_secs(10);

/// A socket on loopback that gives up some time.
fn udp() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, std::net::SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

#[test]
fn answers_find_the_way_back_to_each_client() {
    let target = udp();
    let relay = Relay::before(target.local_addr().unwrap(), Kind::Udp, Network::default()).unwrap();
    let clients = [udp(), udp(), udp()];
    for (number, client) in clients.iter().enumerate() {
        client.send_to(&[number as u8], relay.address()).unwrap();
    }
    let mut seen = HashSet::new();
    for _ in &clients {
        let (asked, from) = receive(&target);
        assert!(seen.insert(from), "each client has an address of its own");
        target.send_to(&[asked[0] + 100], from).unwrap();
    }
    for (number, client) in clients.iter().enumerate() {
        assert_eq!(receive(client), (vec![number as u8 + 100], relay.address()));
    }
    let counters = relay.counters()[0];
    assert_eq!((counters.clients, counters.there.sent, counters.back.sent), (3, 3, 3));
}

/// As many as the buffer of any socket holds.
const SENT: u32 = 200;

/// Which of those that were sent arrive, with a last one that marks the end.
fn survivors(network: Network, count: u32) -> Vec<u32> {
    let (target, client) = (udp(), udp());
    let relay = Relay::before(target.local_addr().unwrap(), Kind::Udp, network).unwrap();
    for number in 0..count {
        client.send_to(&number.to_be_bytes(), relay.address()).unwrap();
    }
    let expected = count - {
        // The core says how many are to come.
        let mut core = Packets::new(network.seed, 2, network.there);
        (0..count).for_each(|_| core.push(Duration::ZERO, vec![0; 4].into()));
        core.counters().lost as u32
    };
    (0..expected).map(|_| u32::from_be_bytes(receive(&target).0.try_into().unwrap())).collect()
}

#[test]
fn the_same_seed_loses_the_same_packets() {
    let bad = Impairment { loss: 0.2, delay: Duration::from_millis(3), ..Impairment::default() };
    let first = survivors(Network::both(7, bad), SENT);
    assert!(first.len() > 120 && first.len() < 180, "{}", first.len());
    assert_eq!(first, survivors(Network::both(7, bad), SENT));
    assert_ne!(first, survivors(Network::both(8, bad), SENT));
}

#[test]
fn only_loopback_is_relayed() {
    let target = "192.0.2.1:554".parse().unwrap();
    assert!(Relay::before(target, Kind::Tcp, Network::default()).is_err());
}
