//! SRT play: bytes, addresses, refusals, passphrases, ends, and listeners that move.

use std::sync::Arc;
use std::time::Duration;

use publisher::config::{Limits, Secret, Settings, Stream};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Error, Service};
use srt::connection::Reason;
use srt::{KeyLength, Rejection};
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::srt_client::{Client, Listening, call, encrypted, listen, rejection, settings};
use crate::world::{clip_stream, code, get_mpegts, reason, some, until};

const SECRET: &str = "a passphrase of a stream";

async fn playing(settings: Settings) -> (Arc<Service>, Listening) {
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    let listening = listen(&service);
    (service, listening)
}

/// Where `needle` is in `hay`.
fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_the_bytes_of_the_carrier_from_a_start_on() {
    let (service, listening) = playing(settings()).await;
    let mut other = get_mpegts(&service, "news").await.into_body();
    // It begins when it is read.
    let mut whole = some(&mut other, 1).await;
    let mut client = Client::call(listening.address, call("live/news")).await.expect("let in");
    let bytes = client.some(300_000).await;
    whole.extend(some(&mut other, 400_000).await);
    assert!(bytes.chunks(188).all(|packet| packet[0] == 0x47), "whole packets");
    assert_eq!(u16::from_be_bytes([bytes[1], bytes[2]]) & 0x1fff, 0, "the first is the PAT");
    let at = find(&whole, &bytes[..188 * 3]).expect("it is what viewers of HTTP get");
    let end = bytes.len().min(whole.len() - at);
    let same = bytes.iter().zip(&whole[at..]).take_while(|(one, other)| one == other).count();
    assert!(end > 200_000 && same == end, "{same} bytes of {end} from {at} on");
    let session = service.sessions().list().into_iter().find(|session| session.protocol == Protocol::Srt);
    let session = session.expect("a session");
    assert_eq!(
        (session.role, session.stream.as_str(), session.peer),
        (Role::Viewer, "news", client.socket.local_addr().ok())
    );
    assert!(session.bytes() >= 200_000 && session.agent.as_deref() == Some("SRT 1.5.0"));
    client.connection.close(client.now());
    client.turn(Duration::from_millis(1)).await;
    assert_eq!(reason(&service, Role::Viewer).await, Ended::ClientLeft);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_named_in_all_syntaxes_and_what_is_not_there_is_told() {
    let (service, listening) =
        playing(Settings { join_timeout: Duration::from_millis(300), ..settings() }).await;
    service.start(Stream { srt_passphrase: None, ..Stream::new(code("silent")) }).await.expect("started");
    let address = listening.address;
    for id in ["#!::r=live/news", "#!::m=request,r=live/news@track_1", "news", "read:live/news"] {
        assert_eq!(Client::call(address, call(id)).await.expect(id).some(1).await[0], 0x47, "{id}");
    }
    for (id, code) in [
        ("live/nothing", 1404),
        ("#!::r=live/nothing", 1404),
        ("live/news@720p", 1404),
        ("#!::r=live/news,m=bidirectional", 1405),
        ("", 1400),
        ("live/a b", 1400),
    ] {
        assert_eq!(rejection(address, call(id)).await.code(), code, "{id}");
    }
    // Its media may come yet, and its caller does not wait as long for our answer.
    let mut early = Client::call(address, call("live/silent")).await.expect("let in");
    assert_eq!(early.next().await, Err(Reason::Peer));
    assert!(Client::call(address, call("live/news")).await.is_ok(), "it serves on");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_off_is_not_there() {
    let service = Service::new(settings()).expect("a service");
    let mut stream = clip_stream("news");
    stream.protocols.srt = false;
    service.start(stream).await.expect("started");
    let listening = listen(&service);
    assert_eq!(rejection(listening.address, call("live/news")).await, Rejection::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn passphrases_are_those_of_the_stream_or_of_the_listener() {
    let mut settings = settings();
    settings.listeners.srt_passphrase = Some(Secret::new("that of the listener"));
    let (service, listening) = playing(settings).await;
    let own = Stream { srt_passphrase: Some(Secret::new(SECRET)), ..clip_stream("own") };
    service.start(own).await.expect("started");
    let address = listening.address;
    for length in [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256] {
        for (id, passphrase) in [("live/news", "that of the listener"), ("live/own", SECRET)] {
            let mut client = Client::call(address, encrypted(id, passphrase, length)).await.expect(id);
            assert!(client.connection.is_encrypted());
            assert!(client.some(100_000).await.chunks(188).all(|packet| packet[0] == 0x47), "{id}");
        }
    }
    for id in ["live/news", "live/own"] {
        let wrong = encrypted(id, "something else entirely", KeyLength::Aes128);
        assert_eq!(rejection(address, wrong).await, Rejection::BAD_SECRET);
        assert_eq!(rejection(address, call(id)).await, Rejection::UNSECURE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_encrypted_here_is_refused_to_who_encrypts() {
    let (_service, listening) = playing(settings()).await;
    let wrong = encrypted("live/news", SECRET, KeyLength::Aes128);
    assert_eq!(rejection(listening.address, wrong).await, Rejection::UNSECURE);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_and_connections_have_bounds() {
    let limits = Limits { viewers_per_stream: 2, connections: 3, ..Limits::default() };
    let (service, listening) = playing(Settings { limits, ..settings() }).await;
    service.start(clip_stream("more")).await.expect("started");
    let address = listening.address;
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(Client::call(address, call("live/news")).await.expect("room"));
    }
    assert_eq!(rejection(address, call("live/news")).await, Rejection::OVERLOAD);
    held.push(Client::call(address, call("live/more")).await.expect("room"));
    assert_eq!(rejection(address, call("live/more")).await, Rejection::OVERLOAD);
    let mut left = held.remove(0);
    left.connection.close(left.now());
    left.turn(Duration::from_millis(1)).await;
    until(|| (service.limits()[0].now == Some(2)).then_some(())).await;
    assert!(Client::call(address, call("live/news")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_stops_says_goodbye() {
    let (service, listening) = playing(settings()).await;
    let mut client = Client::call(listening.address, call("live/news")).await.expect("let in");
    client.some(1).await;
    service.stop(&code("news")).await.expect("stopped");
    while client.next().await.is_ok() {}
    assert_eq!(client.connection.closed(), Some(Reason::Peer));
    assert_eq!(reason(&service, Role::Viewer).await, Ended::StreamStopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_sent_away_hears_of_it() {
    let (service, listening) = playing(settings()).await;
    let mut client = Client::call(listening.address, call("live/news")).await.expect("let in");
    client.some(1).await;
    let session = service.sessions().list().into_iter().find(|session| session.protocol == Protocol::Srt);
    session.expect("a session").cancel(Ended::Kicked);
    while client.next().await.is_ok() {}
    assert_eq!(reason(&service, Role::Viewer).await, Ended::Kicked);
    assert_eq!(client.connection.closed(), Some(Reason::Peer));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_listener_returns_at_once_and_a_busy_port_is_told() {
    let mut off = settings();
    off.listeners.srt.enabled = false;
    let service = Service::new(off).expect("a service");
    assert!(service.bind_srt().expect("nothing to do").is_none());
    service.run_srt_play_server(CancellationToken::new()).await.expect("nothing to do");

    let (service, listening) = playing(settings()).await;
    let mut listeners = settings().listeners;
    listeners.srt.port = listening.address.port();
    service.set_listeners(listeners.clone());
    let error = service.run_srt_play_server(CancellationToken::new()).await.expect_err("taken");
    assert!(error.to_string().contains("listeners.srt.port"), "{error}");
    let somebody = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    listeners.srt.port = somebody.local_addr().expect("bound").port();
    service.set_listeners(listeners);
    assert!(matches!(service.bind_srt(), Err(Error::Listen { setting: "listeners.srt.port", .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_moves_and_comes_back_and_who_plays_stays() {
    let service = Service::new(settings()).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    let free = |_| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.local_addr().expect("bound")
    };
    let [first, second] = [(), ()].map(free);
    let run = |at: std::net::SocketAddr| {
        let mut listeners = settings().listeners;
        listeners.srt.port = at.port();
        service.set_listeners(listeners);
        let (service, cancel) = (Arc::clone(&service), CancellationToken::new());
        let ends = cancel.clone();
        (tokio::spawn(async move { service.run_srt_play_server(ends).await }), cancel)
    };
    let (running, cancel) = run(first);
    let mut stays = Client::call(first, call("live/news")).await.expect("let in");
    stays.some(1).await;
    cancel.cancel();
    running.await.expect("no panic").expect("it ran");
    let (_moved, _cancel) = run(second);
    assert!(Client::call(second, call("live/news")).await.is_ok(), "where it listens now");
    assert_eq!(rejection(first, call("live/news")).await, Rejection::CLOSE);
    stays.some(200_000).await;
    let (_again, cancel) = run(first);
    let mut late = Client::call(first, call("live/news")).await.expect("it listens there again");
    late.some(1).await;
    stays.some(200_000).await;
    // And once nobody is there, the port is free.
    cancel.cancel();
    for mut client in [stays, late] {
        client.connection.close(client.now());
        client.turn(Duration::from_millis(1)).await;
    }
    until(|| std::net::UdpSocket::bind(first).ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_confirms_nothing_is_sent_away() {
    let mut settings = settings();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(1);
    let (service, listening) = playing(settings).await;
    let mut quick = Client::call(listening.address, call("live/news")).await.expect("let in");
    let mut stalled = Client::call(listening.address, call("live/news")).await.expect("let in");
    quick.some(1).await;
    // It says that it is there, and nothing else, as one does whose network takes nothing.
    let peer = stalled.socket.local_addr().expect("bound");
    let (alive, task) = keep_alive(&mut stalled).await;
    let ended = until(|| {
        let closed = service.sessions().closed();
        closed.into_iter().find(|closed| closed.session.peer == Some(peer))
    });
    let (ended, bytes) = tokio::join!(ended, quick.some(500_000));
    assert!(matches!(ended.reason, Ended::TooSlow(_)), "{:?}", ended.reason);
    assert!(ended.session.packets_lost() > 0 && bytes.len() >= 500_000);
    assert_eq!(
        service.sessions().list().iter().filter(|session| session.protocol == Protocol::Srt).count(),
        1
    );
    alive.cancel();
    task.await.expect("no panic");
}

/// Sends keep-alives for a connection, and nothing of what it would say.
async fn keep_alive(client: &mut Client) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    // One that the connection itself has made: nothing is missing of what it has got so far.
    let mut buffer = [0; 2048];
    let bytes = client.socket.recv(&mut buffer).await.expect("a packet");
    assert!(bytes > 16);
    let peer_socket = client.connection.peer_socket();
    let socket =
        std::mem::replace(&mut client.socket, UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
    let cancel = CancellationToken::new();
    let ends = cancel.clone();
    let task = tokio::spawn(async move {
        let mut packet = [0u8; 20];
        packet[..2].copy_from_slice(&0x8001u16.to_be_bytes());
        packet[12..16].copy_from_slice(&peer_socket.to_be_bytes());
        while !ends.is_cancelled() {
            let _ = socket.send(&packet).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    });
    (cancel, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_disturbs_nobody() {
    let (_service, listening) = playing(settings()).await;
    let mut client = Client::call(listening.address, call("live/news")).await.expect("let in");
    client.some(1).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let mut seed = 1u64;
    for n in 0..20_000usize {
        let mut datagram = vec![0u8; n % 1500];
        for byte in &mut datagram {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (seed >> 56) as u8;
        }
        // For the listener, for a connection that is not theirs, and for nobody.
        if n % 3 > 0 && datagram.len() >= 16 {
            let socket = if n % 3 == 1 { 0 } else { client.connection.peer_socket() };
            datagram[12..16].copy_from_slice(&socket.to_be_bytes());
            datagram[..2].copy_from_slice(&[0x80, (n / 3 % 9) as u8]);
        }
        let _ = stranger.send_to(&datagram, listening.address).await;
        if n % 500 == 0 {
            // No faster than it is served beside that: what the system has no room for is nobody's fault.
            client.some(5_000).await;
        }
    }
    assert!(client.some(300_000).await.chunks(188).all(|packet| packet[0] == 0x47));
    assert!(Client::call(listening.address, call("live/news")).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_callers_at_once_are_all_let_in() {
    let mut settings = settings();
    settings.listeners.srt_passphrase = Some(Secret::new(SECRET));
    let (service, listening) = playing(settings).await;
    let calls = (0..60).map(|_| {
        let address = listening.address;
        // As long as callers wait that were not told otherwise.
        let call = srt::caller::Call { timeout: None, ..encrypted("live/news", SECRET, KeyLength::Aes128) };
        tokio::spawn(async move {
            Client::call(address, call).await.map(|mut client| async move { client.some(1).await })
        })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("no panic").expect("let in").await[0], 0x47);
    }
    assert!(service.limits().iter().all(|limit| limit.refused == 0));
}
