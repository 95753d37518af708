//! Bytes that mean harm: a correct status, no panic, bounded memory.

use proptest::prelude::*;
use rillcast_rtsp::{Error, Limits, Status};

use crate::owner::{Owner, announcement, packet};

#[test]
fn a_header_of_ten_megabytes() {
    let mut owner = Owner::new();
    owner.feed("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: ").unwrap();
    let mut fed = 0;
    let error = loop {
        assert!(fed < 10 << 20, "it is taken");
        fed += 1000;
        if let Err(error) = owner.feed([b'x'; 1000]) {
            break error;
        }
    };
    assert!(fed <= 17_000, "{fed}");
    assert_eq!(error.status(), Some(Status::BAD_REQUEST));
    let expected = "RTSP/1.0 400 bytes of a request's head: 16385 exceeds the limit of 16384\r\nServer: test/1\r\n\
        Connection: close\r\n\r\n";
    assert_eq!(owner.sent, expected);
    assert!(owner.session.is_closed());
    owner.feed([b'x'; 1000]).unwrap();
}

#[test]
fn the_end_has_its_status() {
    let body = format!("ANNOUNCE * RTSP/1.0\r\nCSeq: 8\r\nContent-Length: {}\r\n\r\n", 10 << 20);
    for (bytes, expected) in [
        ("x".repeat(20_000), "RTSP/1.0 414 "),
        ("\u{16}\u{3}\u{1}".to_owned(), "RTSP/1.0 400 "),
        (
            "OPTIONS *\r\n\r\n".to_owned(),
            "RTSP/1.0 400 request: the first line is not METHOD URI RTSP/1.0\r\n",
        ),
        (format!("OPTIONS * RTSP/1.0\r\n{}\r\n", "a: b\r\n".repeat(65)), "RTSP/1.0 400 header lines: 65 "),
        (body, "RTSP/1.0 413 bytes of a request's body: 10485760 exceeds the limit of 65536\r\nCSeq: 8\r\n"),
        (
            "GET /live/news HTTP/1.0\r\nx-sessioncookie: a\r\n\r\n".to_owned(),
            "HTTP/1.0 501 HTTP is not spoken here",
        ),
        (
            "POST /live/news HTTP/1.1\r\nContent-Length: 32767\r\n\r\n".to_owned(),
            "HTTP/1.0 501 HTTP is not spoken here",
        ),
    ] {
        let mut owner = Owner::new();
        assert!(matches!(owner.feed(&bytes), Err(Error::At { offset: 0, .. })));
        assert!(owner.sent.starts_with(expected), "{}", owner.sent);
        assert!(owner.session.is_closed());
    }
}

#[test]
fn errors_tell_nothing_of_what_was_sent() {
    let mut owner = Owner::new();
    let error =
        owner.feed("DESCRIBE rtsp://bob:s3cret@h/ RTSP/1.0\r\nAuthorization s3cret\r\n\r\n").unwrap_err();
    assert!(!format!("{error} {error:?} {}", owner.sent).contains("s3cret"));
    let mut owner = Owner::new();
    let answer = owner.ask("DESCRIBE rtsp://bob:s3cret@h/live/news?key=s3cret\nAuthorization: Basic s3cret");
    assert!(!format!("{:?} {:?}", owner.events, owner.session).contains("s3cret"));
    assert!(answer.contains("Content-Base: rtsp://h/live/news?key="), "{answer}");
}

#[test]
fn whoever_does_not_wait_is_held_within_bounds() {
    let limits = Limits { held_bytes: 1000, ..Limits::default() };
    let mut owner = Owner { decides: false, ..Owner::with(limits) };
    owner.feed("DESCRIBE rtsp://h/live/news RTSP/1.0\r\nCSeq: 7\r\n\r\n").unwrap();
    owner.feed([b'\n'; 1000]).unwrap();
    let error = owner.feed([b'\n'; 1]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "at byte 49: bytes before the answer to a request: 1001 exceeds the limit of 1000"
    );
    assert!(owner.sent.starts_with("RTSP/1.0 400 bytes before the answer"), "{}", owner.sent);
    assert!(owner.sent.contains("CSeq: 7\r\n"));
}

#[test]
fn packets_for_nobody_are_counted() {
    let mut owner = Owner::new();
    for _ in 0..100 {
        owner.feed(packet(0, &[7; 60_000])).unwrap();
    }
    assert!(owner.events.is_empty() && owner.sent.is_empty());
    assert_eq!(owner.session.stats().dropped_packets, 100);
}

/// Requests and packets, whole and broken.
fn scripts() -> impl Strategy<Value = Vec<u8>> {
    let announced = format!(
        "ANNOUNCE rtsp://h/live/cam RTSP/1.0\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n{}",
        announcement(2).len(),
        announcement(2)
    );
    let methods = prop::sample::select(vec![
        "OPTIONS",
        "DESCRIBE",
        "SETUP",
        "PLAY",
        "RECORD",
        "PAUSE",
        "TEARDOWN",
        "GET_PARAMETER",
        "X",
    ]);
    let uris = prop::sample::select(vec![
        "*",
        "rtsp://h/live/news",
        "/live/news/trackID=1",
        "rtsp://h/live/cam/streamid=0",
        "::",
        "rtsp://h?a=/",
    ]);
    let headers = prop::sample::select(vec![
        "",
        "Session: 0835aec219d9a802\r\n",
        "Transport: RTP/AVP/TCP\r\n",
        "Transport: RTP/AVP;client_port=5-6\r\n",
        "Content-Length: 3\r\n",
        "Authorization: Digest a\r\n",
        "Require: x\r\n",
        "Broken\r\n",
    ]);
    let request = (methods, uris, headers).prop_map(|(method, uri, header)| {
        format!("{method} {uri} RTSP/1.0\r\nCSeq: 1\r\n{header}\r\n").into_bytes()
    });
    let piece = prop_oneof![
        8 => request,
        1 => Just(announced.into_bytes()),
        3 => (0u8..5, prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(channel, data)| packet(channel, &data)),
        1 => prop::collection::vec(any::<u8>(), 0..9),
        1 => Just(b"\r\n".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_of_any_bytes_gives_the_same(bytes in scripts(), step in 1usize..50, udp: bool, decides: bool) {
        let owner = || Owner { udp, decides, ..Owner::new() };
        let mut whole = owner();
        let result = whole.feed(&bytes);
        let mut parts = owner();
        let results: Vec<_> = bytes.chunks(step).filter_map(|part| parts.feed(part).err()).collect();
        prop_assert_eq!(&whole.events, &parts.events);
        prop_assert_eq!(&whole.sent, &parts.sent);
        prop_assert_eq!(result.err(), results.first().cloned());
        prop_assert_eq!(whole.session.stats(), parts.session.stats());
        prop_assert_eq!(whole.deadline, parts.deadline);
    }

    #[test]
    fn bytes_of_no_meaning(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut owner = Owner::new();
        let _ = owner.feed(&bytes);
    }
}
