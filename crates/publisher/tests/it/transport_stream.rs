//! Transport streams that come by UDP and RTP, or out of files.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use media::{Frame, Timestamp};
use mpegts::Mux;
use publisher::config::{Datagrams, Input, Source, Stream};
use publisher::session::Protocol;
use publisher::{Service, StreamStatus};
use testkit::{Clip, clip};

use crate::world::{PATIENCE, Scratch, code};

fn mux(clip: &Clip) -> BytesMut {
    let (mut mux, mut out) = (Mux::new(Timestamp::ZERO), BytesMut::new());
    assert!(mux.set_tracks(&clip.tracks).is_empty());
    clip.frames.iter().for_each(|frame: &Frame| mux.frame(frame, &mut out));
    out
}

async fn service_of(source: Source) -> Arc<Service> {
    let service = Service::for_testing();
    let inputs = vec![Input { source, priority: 0 }];
    service.start(Stream { inputs, ..Stream::new(code("news")) }).await.expect("a stream");
    service
}

fn datagrams(address: SocketAddr) -> Source {
    Source::Datagrams(Datagrams {
        url: format!("udp://{address}"),
        address,
        interface: None,
        source: None,
        buffer_bytes: 65_536,
        program: None,
    })
}

/// An address that nobody listens on, once what is returned is dropped.
fn taken() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn status(service: &Service) -> StreamStatus {
    service.statuses().remove(0)
}

async fn until(service: &Service, what: &str, is: impl Fn(&StreamStatus) -> bool) -> StreamStatus {
    let looked = async {
        loop {
            let status = status(service);
            if is(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looked).await {
        Ok(status) => status,
        Err(_) => panic!("{what}: {:?}", status(service)),
    }
}

fn frames(status: &StreamStatus) -> u64 {
    status.media.tracks.iter().map(|track| track.frames).sum()
}

/// The payload of the packet of RTP with that number.
fn rtp(number: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    [&[0x80, 33, high, low, 0, 0, 0, 0, 1, 2, 3, 4], payload].concat()
}

/// Sends datagrams in about real time, for the system keeps a few only.
async fn send(sender: &UdpSocket, to: SocketAddr, datagrams: impl IntoIterator<Item = Vec<u8>>) {
    for datagram in datagrams {
        sender.send_to(&datagram, to).expect("sent");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn one_sender_at_a_time_is_heard_and_the_next_when_it_is_silent() {
    let (port, address) = taken();
    let service = service_of(datagrams(address)).await;
    let refused = until(&service, "a port that is taken", |status| !status.warnings.is_empty()).await;
    assert!(
        refused.warnings[0].starts_with(&format!("cannot listen on udp://{address}: Address already in use"))
    );
    drop(port);
    until(&service, "listening", |status| status.warnings.is_empty()).await;

    let bytes = mux(&clip().looped(2));
    let parts = || bytes.chunks(1316).map(<[u8]>::to_vec);
    let ((first, of_first), (second, of_second)) = (taken(), taken());
    let both = async {
        send(&first, address, parts()).await;
    };
    let stranger = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        send(&second, address, parts().take(40)).await;
    };
    tokio::join!(both, stranger);
    let heard = until(&service, "the first", |status| frames(status) > 100).await;
    let source = heard.source.expect("a source");
    assert_eq!((source.protocol, source.peer, source.lost), (Protocol::Udp, Some(of_first), 0));
    assert_eq!(heard.media.tracks.len(), 2);
    let damage = heard.last_error.filter(|(_, error)| error.contains("PID"));
    assert_eq!(damage, None, "nothing of the other came between");

    // In RTP this time, out of order, and one is missing.
    let mut packets: Vec<_> =
        (65_500u16..=u16::MAX).chain(0..).zip(parts()).map(|(n, part)| rtp(n, &part)).collect();
    packets.swap(50, 51);
    packets.remove(70);
    until(&service, "the other", |status| {
        let lone = packets.first().cloned().into_iter();
        lone.for_each(|packet| drop(second.send_to(&packet, address)));
        status.source.as_ref().is_some_and(|source| source.peer == Some(of_second))
    })
    .await;
    send(&second, address, packets.into_iter().skip(1)).await;
    let heard = until(&service, "what is lost", |status| {
        status.source.as_ref().is_some_and(|source| source.lost > 0)
    })
    .await;
    let source = heard.source.expect("a source");
    assert_eq!(source.protocol, Protocol::Rtp);
    assert!(source.lost <= 7, "{} packets of one datagram", source.lost);
    // That there were two senders is told until it has been so long ago.
    let nothing = [format!("nothing comes from udp://{address}")];
    let silent = until(&service, "silence", |status| status.warnings == nothing).await;
    assert!(silent.source.is_some(), "it may go on");
}

#[tokio::test]
async fn a_file_goes_on_at_its_end_as_if_it_never_ended() {
    let scratch = Scratch::new("ts-file");
    std::fs::create_dir_all(&scratch.0).expect("a folder");
    // As discs have it, under a name that says nothing.
    let path = scratch.0.join("clip.bin");
    let bytes: Vec<u8> =
        mux(&clip()).chunks(188).flat_map(|packet| [&[0, 1, 2, 3], packet].concat()).collect();
    std::fs::write(&path, bytes).expect("a file");
    let file = |program| Source::File { path: path.clone(), looped: true, program };
    let service = service_of(file(None)).await;
    let length = clip().frames.len() as u64;
    let status = until(&service, "a second round", |status| frames(status) > length * 3 / 2).await;
    let stats = status.media.timeline;
    assert_eq!((stats.epochs, stats.gaps, stats.dropped), (1, 0, 0), "{stats:?}");
    assert_eq!((status.warnings, status.last_error), (vec![], None));

    let none = service_of(file(Some(3))).await;
    let status = until(&none, "another program", |status| status.last_error.is_some()).await;
    let error = status.last_error.expect("an error").1;
    assert_eq!(error, format!("{}: the source has no program 3; it has 1", path.display()));

    std::fs::write(&path, b"no media").expect("a file");
    let other = service_of(file(None)).await;
    let status = until(&other, "another file", |status| status.last_error.is_some()).await;
    let error = status.last_error.expect("an error").1;
    assert_eq!(error, format!("{} is neither FLV nor an MPEG transport stream", path.display()));
}
