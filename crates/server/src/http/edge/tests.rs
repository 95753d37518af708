//! Requests over real sockets: what is answered at the raw socket, and what the library gets.

use std::time::Duration;

use publisher::Service;
use publisher::config::{Input, Source, Stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::control::Control;
use crate::http::{Connections, Limits, Server, Site};
use crate::listeners::Urls;

/// Longer than anything here takes on a busy machine; reaching it means that something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with the stream `clip`, and its port.
struct World {
    port: u16,
    stop: CancellationToken,
    connections: Connections,
    service: Arc<Service>,
}

impl World {
    async fn new(limits: Limits) -> Self {
        let service = Service::for_testing();
        let flv = include_bytes!("../../../assets/demo.flv");
        let input = Input { source: Source::Clip { flv }, priority: 0 };
        let stream = Stream { inputs: vec![input], ..Stream::new("clip".parse().expect("a code")) };
        service.start(stream).await.expect("started");
        let server = Server::bind(&["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let port = server.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        let stop = CancellationToken::new();
        let site = Site {
            service: Arc::clone(&service),
            control: Control::for_testing(Arc::clone(&service)),
            urls: Urls::default(),
            limits,
            access: Arc::default(),
        };
        let connections = server.serve(site, &stop);
        Self { port, stop, connections, service }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).await.expect("a connection")
    }

    fn refused(&self, name: &str) -> u64 {
        self.service.limits().iter().find(|limit| limit.name == name).expect(name).refused
    }

    async fn end(self) {
        self.stop.cancel();
        self.service.shutdown().await;
        tokio::time::timeout(PATIENCE, self.connections.ended()).await.expect("an end");
    }
}

fn limits() -> Limits {
    Limits::from(&publisher::config::Limits::default())
}

async fn send(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.expect("sent");
}

/// An answer whose length is told: its head, and its body.
async fn answer(stream: &mut TcpStream, has_body: bool) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("in time");
        head.push(byte.expect("a whole head"));
    }
    let head = String::from_utf8(head).expect("text");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; if has_body { length } else { 0 }];
    stream.read_exact(&mut body).await.expect("a whole body");
    (head, body)
}

async fn get(stream: &mut TcpStream, path: &str, more: &str) -> (String, Vec<u8>) {
    send(stream, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n")).await;
    answer(stream, true).await
}

/// What is left, to the end of the connection.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("an end");
    // A connection that is reset has ended too.
    let _ = read;
    rest
}

#[tokio::test]
async fn one_connection_takes_playlists_segments_ranges_and_pages_in_any_order() {
    let world = World::new(limits()).await;
    let mut stream = world.connect().await;
    let (head, body) = get(&mut stream, "/clip/index.m3u8", "").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\ndate: "), "{head}");
    assert!(!head.contains("connection: close"), "{head}");
    let text = String::from_utf8(body).expect("text");
    let media = text.lines().find(|line| !line.starts_with('#') && !line.is_empty()).expect("a playlist");
    let (_, body) = get(&mut stream, &format!("/clip/{media}"), "").await;
    let text = String::from_utf8(body).expect("text");
    let segment = text.lines().find(|line| line.ends_with(".ts")).expect("a segment");
    let (head, whole) = get(&mut stream, &format!("/clip/{segment}"), "").await;
    assert!(head.contains("content-type: video/mp2t") && whole.len() > 10_000 && whole[0] == 0x47, "{head}");
    let (head, part) = get(&mut stream, &format!("/clip/{segment}"), "Range: bytes=188-375\r\n").await;
    assert!(head.starts_with("HTTP/1.1 206 ") && part == whole[188..376], "{head}");
    send(&mut stream, &format!("HEAD /clip/{segment} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let (head, _) = answer(&mut stream, false).await;
    assert!(head.contains(&format!("content-length: {}", whole.len())), "{head}");
    let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).expect("a tag").to_owned();
    let (head, _) = get(&mut stream, &format!("/clip/{segment}"), &format!("If-None-Match: {tag}\r\n")).await;
    assert!(head.starts_with("HTTP/1.1 304 ") && !head.contains("content-length"), "{head}");
    send(&mut stream, "HEAD /clip/time HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let (head, _) = answer(&mut stream, false).await;
    assert!(head.contains("content-length: 24\r\n"), "{head}");
    let (head, time) = get(&mut stream, "/clip/time", "").await;
    assert!(head.contains("cache-control: no-store") && time.ends_with(b"Z") && time.len() == 24, "{head}");
    // What is no media goes to the library, and so does everything after it.
    let (_, body) = get(&mut stream, "/healthz", "").await;
    assert_eq!(body, b"ok\n");
    let (head, by_library) = get(&mut stream, &format!("/clip/{segment}"), "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && by_library == whole, "the same bytes either way");
    world.end().await;
}

#[tokio::test]
async fn requests_that_come_together_are_answered_in_order() {
    let world = World::new(limits()).await;
    let mut stream = world.connect().await;
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let all = request("/a/index.m3u8") + &request("/b/index.m3u8") + &request("/healthz");
    for part in all.as_bytes().chunks(7) {
        stream.write_all(part).await.expect("sent");
    }
    for expected in ["stream a is not running\n", "stream b is not running\n", "ok\n"] {
        let (head, body) = answer(&mut stream, true).await;
        assert_eq!(String::from_utf8_lossy(&body), expected, "{head}");
    }
    world.end().await;
}

#[tokio::test]
async fn live_media_is_in_chunks_for_a_new_client_and_bare_for_an_old_one() {
    let world = World::new(limits()).await;
    for (version, framing) in [("1.1", "transfer-encoding: chunked\r\n"), ("1.0", "")] {
        let mut stream = world.connect().await;
        send(&mut stream, &format!("GET /clip/mpegts HTTP/{version}\r\nHost: x\r\n\r\n")).await;
        let (head, _) = answer(&mut stream, false).await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("connection: close"), "{head}");
        assert_eq!(head.contains("transfer-encoding"), !framing.is_empty(), "{head}");
        let mut start = [0; 64];
        stream.read_exact(&mut start).await.expect("media");
        let begins = if framing.is_empty() {
            0
        } else {
            start.windows(2).position(|pair| pair == b"\r\n").expect("a line") + 2
        };
        assert_eq!(start[begins], 0x47, "{start:?}");
    }
    let mut stream = world.connect().await;
    send(&mut stream, "GET /clip/mpegts HTTP/1.1\r\nHost: x\r\n\r\n").await;
    answer(&mut stream, false).await;
    world.service.stop(&"clip".parse().expect("a code")).await.expect("stopped");
    assert!(rest(&mut stream).await.ends_with(b"\r\n0\r\n\r\n"), "the end of the stream is told");
    world.end().await;
}

#[tokio::test]
async fn what_is_no_request_or_too_long_is_told_so_and_counted() {
    let world = World::new(Limits { request_head_bytes: 2048, ..limits() }).await;
    for (request, status) in [
        ("\u{16}\u{3}\u{1}\0\n\n".to_owned(), "400"),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(3000)), "431"),
        ("GET /clip/mpegts HTTP/1.1\r\nA b: c\r\n\r\n".to_owned(), "400"),
    ] {
        let mut stream = world.connect().await;
        send(&mut stream, &request).await;
        let told = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
        assert!(
            told.starts_with(&format!("HTTP/1.1 {status} ")) && told.contains("connection: close"),
            "{told}"
        );
    }
    assert_eq!(world.refused("request_head_bytes"), 1);
    world.end().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_not_waited_for() {
    let limits = Limits { handshake_timeout: Duration::from_millis(300), ..limits() };
    let world = World::new(limits).await;
    let mut silent = world.connect().await;
    let mut slow = world.connect().await;
    send(&mut slow, "GET /clip/mpegts HTTP/1.1\r\nHost:").await;
    for stream in [&mut silent, &mut slow] {
        let told = String::from_utf8_lossy(&rest(stream).await).into_owned();
        assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    }
    assert_eq!(world.refused("handshake_timeout_sec"), 2);
    world.end().await;
}

#[tokio::test]
async fn the_body_of_a_request_is_not_the_next_request() {
    let world = World::new(limits()).await;
    let mut stream = world.connect().await;
    let inner = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let length = inner.len();
    send(
        &mut stream,
        &format!("GET /none/index.m3u8 HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{inner}"),
    )
    .await;
    send(&mut stream, "GET /two/index.m3u8 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    let told = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
    assert_eq!(told.matches("HTTP/1.1 404 ").count(), 2, "{told}");
    assert!(!told.contains("200 OK"), "{told}");
    world.end().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_take_an_answer_in_time_loses_it() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (stream, peer) = accepted.expect("a connection");
    let service = Service::for_testing();
    let site = Site {
        control: Control::for_testing(Arc::clone(&service)),
        service,
        urls: Urls::default(),
        limits: limits(),
        access: Arc::default(),
    };
    let connection = Connection::new(
        stream,
        Peer { address: peer, proxied: false },
        Arc::new(site),
        CancellationToken::new(),
    );
    let request = b"GET /news/a.ts HTTP/1.1\r\n\r\n";
    let head = http1::decode(request, http1::Limits::default()).expect("a request").expect("whole");
    let since = Instant::now();
    // More than the system holds for a client that does not read.
    let answer = Response::new(Body::Full(vec![0; 64 << 20].into()));
    assert!(connection.send_in_time(&head, answer).await.is_none());
    assert_eq!(since.elapsed().as_secs(), ANSWER_TIME.as_secs());
    drop(client);
}

#[tokio::test]
async fn what_answers_head_has_no_body_whatever_it_says() {
    let world = World::new(limits()).await;
    for path in ["/none/index.m3u8", "/none/mpegts", "/clip/none.ts", "/clip/index.m3u8", "/clip/mpegts"] {
        let mut stream = world.connect().await;
        send(&mut stream, &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        send(&mut stream, &format!("HEAD {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        let answers = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
        let heads: Vec<&str> = answers.split_terminator("\r\n\r\n").collect();
        assert_eq!(heads.len(), 2, "{answers}");
        assert!(heads.iter().all(|head| head.starts_with("HTTP/1.1 ")), "{answers}");
    }
    world.end().await;
}
