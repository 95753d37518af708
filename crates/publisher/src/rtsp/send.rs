//! Datagrams to many at once.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::segments;

/// Addresses of one system call; the system takes 1024.
const MAX_ADDRESSES: usize = 256;
/// Bytes of packets that one message holds: a datagram has 64 KiB at most.
const MAX_RUN_BYTES: usize = 60_000;
/// What the system has no room for in this time is lost.
const PATIENCE: Duration = Duration::from_millis(50);

/// Sends packets to all of these addresses. What cannot be sent is lost, as it may be on the way.
pub(crate) async fn send_to_all(socket: &UdpSocket, packets: &[&[u8]], to: &[SocketAddr]) {
    let to: Vec<Option<SockaddrStorage>> = to.iter().map(|&address| Some(address.into())).collect();
    let mut rest = packets;
    while !rest.is_empty() && !to.is_empty() {
        let (run, behind) = rest.split_at(run_of(rest));
        for to in to.chunks(MAX_ADDRESSES) {
            if tokio::time::timeout(PATIENCE, send_run(socket, run, to)).await.is_err() {
                return;
            }
        }
        rest = behind;
    }
}

/// How many of the packets leave as one message: all are as long as the first, but for the last, which may be shorter.
fn run_of(packets: &[&[u8]]) -> usize {
    let Some(len) = packets.first().map(|packet| packet.len()) else { return 0 };
    if !segments::are_cut() {
        return 1;
    }
    let most = MAX_RUN_BYTES / len.max(1);
    let equal = packets.iter().take(most).take_while(|packet| packet.len() == len).count().max(1);
    equal + usize::from(equal < most && packets.get(equal).is_some_and(|packet| packet.len() < len))
}

async fn send_run(socket: &UdpSocket, run: &[&[u8]], to: &[Option<SockaddrStorage>]) {
    let mut sent = 0;
    while sent < to.len() {
        let outcome = socket.async_io(Interest::WRITABLE, || send_some(socket, run, &to[sent..])).await;
        match outcome {
            Ok(count) => sent += count.max(1),
            Err(error) if run.len() > 1 && segments::are_refused(&error) => {
                for packet in run {
                    Box::pin(send_run(socket, &[packet], &to[sent..])).await;
                }
                return;
            }
            // It is about the first of them alone, as when there is no route to it.
            Err(_) => sent += 1,
        }
    }
}

/// One system call: to how many it was sent.
fn send_some(socket: &UdpSocket, run: &[&[u8]], to: &[Option<SockaddrStorage>]) -> io::Result<usize> {
    let slices: Vec<IoSlice<'_>> = run.iter().map(|packet| IoSlice::new(packet)).collect();
    let size = run.first().map_or(0, |packet| packet.len() as u16);
    let segments = [ControlMessage::UdpGsoSegments(&size)];
    let control = if run.len() > 1 { &segments[..] } else { &[] };
    let space = (run.len() > 1).then(|| nix::cmsg_space!(u16));
    let mut headers = MultiHeaders::preallocate(to.len(), space);
    let messages = std::iter::repeat_n(&slices, to.len());
    let results = sendmmsg(socket.as_raw_fd(), &mut headers, messages, to, control, MsgFlags::MSG_DONTWAIT)?;
    Ok(results.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_behind_the_first_packet_that_is_shorter() {
        let [long, short, longer] = [&[0u8; 1000][..], &[0; 10], &[0; 1200]];
        for (packets, expected) in [
            (vec![long, long, short, long], 3),
            (vec![long, longer], 1),
            (vec![short, long], 1),
            (vec![long; 100], 60),
            (vec![short], 1),
            (vec![], 0),
        ] {
            assert_eq!(run_of(&packets), expected);
        }
    }

    #[tokio::test]
    async fn everybody_gets_every_packet() {
        let ours = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let mut peers = Vec::new();
        for _ in 0..3 {
            peers.push(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
        }
        let to: Vec<_> = peers.iter().map(|peer| peer.local_addr().expect("bound")).collect();
        let packets: Vec<Vec<u8>> = (1..20u8).map(|n| vec![n; if n % 5 == 0 { 100 } else { 1000 }]).collect();
        let slices: Vec<_> = packets.iter().map(Vec::as_slice).collect();
        send_to_all(&ours, &slices, &to).await;
        for peer in &peers {
            for packet in &packets {
                let mut buffer = [0; 2000];
                let received = tokio::time::timeout(Duration::from_secs(10), peer.recv(&mut buffer)).await;
                let bytes = received.expect("in time").expect("a packet");
                assert_eq!(&buffer[..bytes], packet.as_slice());
            }
        }
    }
}
