//! Clients behind proxies: who they are counts from trusted ones alone.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::encoder::{publish, publish_behind};
use crate::program::{Running, file, run};

/// Version 2 of the PROXY protocol for 192.0.2.7:4096.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x10\x00\x01\xbb";
const WATCH: &str = "GET /news/mpegts HTTP/1.1\r\nHost: tv\r\n";

fn start(name: &str, more: &str) -> Running {
    let text = format!("{more}\nstreams: {{news: }}\n");
    Running::start(&mut run(file(name, &text)))
}

/// Sends this on a connection of its own, which stays open; the first line of the answer.
fn send(server: &Running, parts: &[&[u8]]) -> (String, TcpStream) {
    let mut stream = server.connect();
    parts.iter().for_each(|part| stream.write_all(part).expect("sent"));
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        answer.push(byte[0]);
    }
    (String::from_utf8_lossy(&answer).trim_end().to_owned(), stream)
}

#[test]
fn whom_a_trusted_proxy_serves_is_known_by_its_own_address() {
    let mut server = start("proxies.yaml", "trusted_proxies: [127.0.0.1, '10.0.0.0/8']");
    publish_behind(&server, "news", "track_1", b"PROXY TCP4 192.0.2.5 192.0.2.1 5000 1935\r\n");
    assert!(server.wait_for_log("publisher opened").contains("peer=192.0.2.5:5000 "));
    let watch = format!("{WATCH}\r\n");
    for (parts, peer) in [
        (vec![BINARY, watch.as_bytes()], "peer=192.0.2.7:4096 "),
        (
            vec![&b"PRO"[..], b"XY TCP6 2001:db8::5 ::1 77 1\r\nGET", &watch.as_bytes()[3..]],
            "peer=[2001:db8::5]:77 ",
        ),
        (vec![b"PROXY UNKNOWN\r\n", watch.as_bytes()], "peer=127.0.0.1:"),
        (
            vec![WATCH.as_bytes(), b"X-Forwarded-For: 127.0.0.1, 192.0.2.8, 10.1.1.1\r\n\r\n"],
            "peer=192.0.2.8:0 ",
        ),
        (vec![WATCH.as_bytes(), b"Forwarded: for=\"[2001:db8::9]:9\"\r\n\r\n"], "peer=[2001:db8::9]:9 "),
        (
            vec![WATCH.as_bytes(), b"Forwarded: for=192.0.2.1\r\nX-Forwarded-For: 192.0.2.2\r\n\r\n"],
            "peer=127.0.0.1:",
        ),
        // Behind two: one that passes TCP on, and in front of it one that speaks HTTP.
        (
            vec![
                b"PROXY TCP4 10.0.0.9 10.0.0.8 1 2\r\n",
                WATCH.as_bytes(),
                b"X-Forwarded-For: 192.0.2.3\r\n\r\n",
            ],
            "peer=192.0.2.3:0 ",
        ),
        // Who is no proxy of ours says nothing about others.
        (
            vec![
                b"PROXY TCP4 192.0.2.4 10.0.0.8 1 2\r\n",
                WATCH.as_bytes(),
                b"X-Forwarded-For: 192.0.2.3\r\n\r\n",
            ],
            "peer=192.0.2.4:1 ",
        ),
    ] {
        let (answer, _stream) = send(&server, &parts);
        assert_eq!(answer, "HTTP/1.1 200 OK", "{peer}");
        let line = server.wait_for_log("viewer opened");
        assert!(format!("{line} ").contains(peer), "{peer} in {line}");
    }
    let page = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let (answer, _) = send(&server, &[page]);
    assert_eq!(answer, "HTTP/1.1 200 OK", "this machine, without a proxy");
    let (answer, _) = send(&server, &[b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", page]);
    assert_eq!(answer, "HTTP/1.1 403 Forbidden", "nobody is this machine through a proxy");
    let (answer, _) = send(&server, &[b"PROXY UNKNOWN\r\n", page]);
    assert_eq!(answer, "HTTP/1.1 403 Forbidden");
    let (answer, _) = send(&server, &[b"PROXY TCP4 me you 1 2\r\n", page]);
    assert_eq!(answer, "", "closed without a word");
    server.wait_for_log("refused: the PROXY protocol of a trusted proxy is damaged");
}

#[test]
fn limits_hold_for_each_client_behind_a_proxy() {
    let server =
        start("proxies-limits.yaml", "trusted_proxies: 127.0.0.1\nlimits: {connections_per_address: 1}");
    let time = b"GET /news/time HTTP/1.1\r\nHost: tv\r\n\r\n";
    let ask = |client: &str| {
        let header = format!("PROXY TCP4 {client} 192.0.2.1 1 2\r\n");
        send(&server, &[header.as_bytes(), time])
    };
    let (one, held) = ask("192.0.2.5");
    let (same, _) = ask("192.0.2.5");
    let (other, _) = ask("192.0.2.6");
    assert_eq!((&*one, &*same, &*other), ("HTTP/1.1 200 OK", "", "HTTP/1.1 200 OK"));
    drop(held);
    server.poll(|_| (ask("192.0.2.5").0 == "HTTP/1.1 200 OK").then_some(()));
}

#[test]
fn what_others_say_of_themselves_counts_for_nothing() {
    let mut server = start("proxies-none.yaml", "trusted_proxies: 192.0.2.1");
    publish(&server, "news", "track_1");
    server.wait_for_log("publisher opened");
    let (answer, _stream) = send(&server, &[WATCH.as_bytes(), b"X-Forwarded-For: 192.0.2.8\r\n\r\n"]);
    assert_eq!(answer, "HTTP/1.1 200 OK");
    assert!(server.wait_for_log("viewer opened").contains("peer=127.0.0.1:"));
    let (answer, _) = send(&server, &[b"PROXY TCP4 192.0.2.4 10.0.0.8 1 2\r\n", WATCH.as_bytes(), b"\r\n"]);
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
