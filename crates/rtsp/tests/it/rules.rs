//! What is refused, with which status, and what is not.

use std::time::Duration;

use rillcast_rtsp::server::{Chosen, Event, Session};
use rillcast_rtsp::{Error, Limits, Status};

use crate::owner::{ID, Owner, announce, packet};

type Verdict = fn(&mut Session, Duration) -> Result<(), Error>;

const TCP: &str = "Transport: RTP/AVP/TCP;unicast;interleaved=";

fn setup(owner: &mut Owner, track: usize, channels: &str) -> String {
    let session = if track == 0 { String::new() } else { format!("\nSession: {ID}") };
    owner.ask(&format!("SETUP rtsp://h/live/news/trackID={track}\n{TCP}{channels}{session}"))
}

fn playing() -> Owner {
    let mut owner = Owner::new();
    setup(&mut owner, 0, "0-1");
    setup(&mut owner, 1, "2-3");
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news\nSession: {ID}")), 200);
    owner
}

fn recording() -> Owner {
    let mut owner = Owner::new();
    assert_eq!(announce(&mut owner, "rtsp://h/live/cam", 2), 200);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/cam/streamid=0\n{TCP}0-1;mode=record")), 200);
    assert_eq!(owner.status(&format!("RECORD rtsp://h/live/cam\nSession: {ID}")), 200);
    owner
}

#[test]
fn a_bad_request_has_its_status_and_the_connection_goes_on() {
    let mut owner = Owner::new();
    for (request, status) in [
        ("DESCRIBE rtsp://h/live/other", 404),
        ("DESCRIBE *", 400),
        ("DESCRIBE http://h/live/news", 400),
        ("DESCRIBE rtsp://h/live/news\nAccept: application/rtsl, text/*", 406),
        ("DESCRIBE rtsp://h/live/news\nAccept: application/rtsl, Application/SDP;q=1", 200),
        ("DESCRIBE rtsp://h/live/news\nAccept: */*", 200),
        ("describe rtsp://h/live/news\nacCEPT: application/sdp", 200),
        ("DESCRIBE /live/news", 200),
        ("DESCRIBE rtsp://[fe80::1]:8554/live/news", 200),
        ("DESCRIBE rtsp://bob:secret@h/live/news", 200),
        ("SETUP rtsp://h/live/news/trackID=0", 400),
        ("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP;multicast", 461),
        ("SETUP rtsp://h/live/news/trackID=7\nTransport: RTP/AVP/TCP", 404),
        ("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP/TCP;mode=record", 455),
        ("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP/TCP\nSession: 12345678", 454),
        ("PLAY rtsp://h/live/news", 455),
        ("PLAY rtsp://h/live/news\nSession: 12345678", 454),
        ("RECORD rtsp://h/live/news", 455),
        ("PAUSE rtsp://h/live/news", 455),
        ("TEARDOWN rtsp://h/live/news", 454),
        ("GET_PARAMETER rtsp://h/live/news\nSession: 12345678", 454),
        ("GET_PARAMETER rtsp://h/live/news", 200),
        ("GET_PARAMETER rtsp://h/live/news\nContent-Length: 7\n\nping\r\n\r\n", 451),
        ("SET_PARAMETER *\nContent-Length: 2\n\n\r\n", 200),
        ("REDIRECT rtsp://h/live/news", 501),
        ("X-MINE rtsp://h/live/news", 501),
        ("OPTIONS *\nRequire: onvif-replay", 551),
        ("OPTIONS *\nproxy-require: a", 551),
    ] {
        assert_eq!(owner.status(request), status, "{request}");
        assert!(!owner.session.is_closed(), "{request}");
    }
    assert!(owner.ask("OPTIONS *\nRequire: a\nRequire: b").contains("\r\nUnsupported: a, b\r\n"));
    let uri = format!("DESCRIBE rtsp://h/{}", "x".repeat(4096));
    assert_eq!(owner.status(&uri), 414);
    assert!(owner.ask("X-MINE *").contains("\r\nCSeq: 1\r\n"));
}

#[test]
fn cseq_and_version_are_looked_at_first() {
    for (request, expected) in [
        ("OPTIONS * RTSP/1.0\r\n\r\n", "RTSP/1.0 400 CSeq is missing or no number\r\nServer: test/1\r\n\r\n"),
        (
            "PLAY * RTSP/1.0\r\nCSeq: x\r\n\r\n",
            "RTSP/1.0 400 CSeq is missing or no number\r\nServer: test/1\r\n\r\n",
        ),
        (
            "PLAY * RTSP/2.0\r\nCSeq: 4\r\n\r\n",
            "RTSP/1.0 505 RTSP Version Not Supported\r\nCSeq: 4\r\nServer: test/1\r\n\r\n",
        ),
    ] {
        let mut owner = Owner::new();
        owner.feed(request).unwrap();
        assert_eq!(owner.sent, expected);
        assert!(!owner.session.is_closed());
    }
}

#[test]
fn channels_that_are_taken_are_replaced() {
    let mut owner = Owner::new();
    assert!(setup(&mut owner, 0, "4-5").contains("interleaved=4-5"));
    assert!(setup(&mut owner, 1, "5-6").contains("interleaved=0-1"));
    assert_eq!((owner.session.channels(0), owner.session.channels(1)), (Some((4, 5)), Some((0, 1))));
    // A second SETUP of the same track is another choice for it.
    let again = owner.ask(&format!("SETUP rtsp://h/live/news/trackID=0\n{TCP}8-9\nSession: {ID}"));
    assert!(again.contains("interleaved=8-9") && again.contains(ID), "{again}");
    assert_eq!(owner.session.channels(0), Some((8, 9)));
}

#[test]
fn what_was_set_up_is_one_presentation() {
    let mut owner = Owner::new();
    // Without a DESCRIBE, and the second before the id is known.
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news/trackID=1\n{TCP}0-1")), 200);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news/trackID=0\n{TCP}2-3")), 200);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/other/trackID=0\n{TCP}2-3\nSession: {ID}")), 459);
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news/trackID=0\nSession: {ID}")), 460);
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/news/trackID=0\nSession: {ID}")), 460);
    assert_eq!(owner.status("PLAY rtsp://h/live/news"), 454);
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news/\nSession: {ID}")), 200);
    assert_eq!(owner.status(&format!("PAUSE rtsp://h/live/news/trackID=0\nSession: {ID}")), 460);
}

#[test]
fn the_uri_of_the_whole_stands_for_a_single_track() {
    for (tracks, status) in [(1, 200), (2, 459)] {
        let mut owner = Owner { tracks, ..Owner::new() };
        owner.ask("DESCRIBE rtsp://h/live/news");
        assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news\n{TCP}0-1")), status);
    }
    // And that of a single track for the whole.
    let mut owner = Owner::new();
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news/trackID=1\n{TCP}0-1")), 200);
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news/trackID=1\nSession: {ID}")), 200);
    assert_eq!(owner.status(&format!("PAUSE rtsp://h/live/news/trackID=1\nSession: {ID}")), 200);
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/news/trackID=1\nSession: {ID}")), 200);
}

#[test]
fn a_query_that_was_lost_is_remembered() {
    let mut owner = Owner::new();
    owner.ask("DESCRIBE rtsp://h/live/news?key=x");
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/news/trackID=0\n{TCP}0-1")), 200);
    let Some(Event::Setup { request, .. }) = owner.events.last() else { panic!("{:?}", owner.events) };
    assert_eq!(request.get("key"), Some("x"));
    let text = format!("{:?} {request:?}", owner.session);
    assert!(!text.contains('x'), "{text}");
}

#[test]
fn states() {
    let mut owner = playing();
    assert_eq!(announce(&mut owner, "rtsp://h/live/news", 1), 455);
    assert_eq!(owner.status(&format!("RECORD rtsp://h/live/news\nSession: {ID}")), 455);
    let answer = owner.ask(&format!("SETUP rtsp://h/live/news/trackID=0\n{TCP}0-1\nSession: {ID}"));
    assert!(answer.starts_with("RTSP/1.0 455 media flow already\r\n"), "{answer}");
    assert!(
        answer.contains("Allow: OPTIONS, DESCRIBE, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER\r\n")
    );
    // What is under way already goes on, and what else there is may be asked for.
    owner.take_events();
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.take_events(), [Event::Alive]);
    assert_eq!(owner.status("DESCRIBE rtsp://h/live/news"), 200);
    assert!(owner.session.is_playing());
    let mut owner = recording();
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/cam\nSession: {ID}")), 455);
    assert_eq!(announce(&mut owner, "rtsp://h/live/cam", 1), 455);
    assert_eq!(owner.status(&format!("PAUSE rtsp://h/live/cam\nSession: {ID}")), 200);
    assert!(!owner.session.is_recording());
    assert_eq!(owner.status(&format!("PAUSE rtsp://h/live/cam\nSession: {ID}")), 200);
    assert_eq!(owner.status(&format!("RECORD rtsp://h/live/cam\nSession: {ID}")), 200);
    assert!(owner.session.is_recording());
}

#[test]
fn a_connection_is_used_again() {
    let mut owner = playing();
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news\nSession: {ID}")), 454);
    assert_eq!(owner.session.channels(0), None);
    assert_eq!(owner.status("DESCRIBE rtsp://h/live/news"), 200);
    let answer = setup(&mut owner, 0, "0-1");
    assert!(answer.contains("\r\nSession: ") && !answer.contains(ID), "another session: {answer}");
    // And for something else.
    let mut owner = playing();
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(announce(&mut owner, "rtsp://h/live/cam", 1), 200);
    assert_eq!(announce(&mut owner, "rtsp://h/live/cam2", 1), 200);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/cam2/streamid=0\n{TCP}0-1;mode=record")), 200);
    let Some(Event::Setup { request, .. }) = owner.events.last() else { panic!("{:?}", owner.events) };
    assert_eq!(request.path, "live/cam2");
}

#[test]
fn tracks_of_a_publication() {
    let mut owner = Owner::new();
    assert_eq!(announce(&mut owner, "rtsp://h/live/cam", 2), 200);
    assert_eq!(owner.status("RECORD rtsp://h/live/cam"), 455);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/cam/streamid=2\n{TCP}0-1;mode=record")), 404);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/cam\n{TCP}0-1;mode=record")), 404);
    assert_eq!(owner.status(&format!("SETUP rtsp://h/live/cam/streamid=1\n{TCP}0-1;mode=record")), 200);
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/cam/streamid=1\nSession: {ID}")), 200);
    assert_eq!(owner.take_events().last(), Some(&Event::Teardown));
}

#[test]
fn descriptions_of_no_use() {
    for (kind, body, status, reason) in [
        ("text/plain", "v=0", 415, "a description is application/sdp"),
        ("application/sdp", "", 400, "line 0 of the description: it ends without a medium"),
        (
            "Application/SDP; charset=utf-8",
            "v=0\r\nm=video",
            400,
            "line 2 of the description: the port of m= is no number",
        ),
        ("application/sdp", "\u{0}x\u{1}", 400, "line 1 of the description: it is not of the form x=value"),
    ] {
        let mut owner = Owner::new();
        let length = body.len();
        owner
            .feed(format!(
                "ANNOUNCE rtsp://h/live/cam RTSP/1.0\r\nCSeq: 9\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .unwrap();
        assert!(
            owner.sent.starts_with(&format!("RTSP/1.0 {status} {reason}\r\nCSeq: 9\r\n")),
            "{}",
            owner.sent
        );
        assert!(owner.events.is_empty());
    }
}

#[test]
fn packets_wait_for_a_verdict_and_belong_to_what_is_set_up() {
    let mut owner = recording();
    owner.take_events();
    owner.decides = false;
    owner
        .feed(
            [
                b"DESCRIBE rtsp://h/live/news RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec(),
                packet(0, b"a"),
                packet(4, b"b"),
            ]
            .concat(),
        )
        .unwrap();
    assert!(matches!(owner.take_events()[..], [Event::Describe(_)]));
    owner.feed([packet(1, b"c"), packet(1, b"")].concat()).unwrap();
    assert_eq!(owner.take_events(), []);
    owner.session.reject(owner.now, Status::NOT_FOUND, "").unwrap();
    owner.drain().unwrap();
    assert_eq!(owner.take_events().len(), 2);
    assert_eq!((owner.session.stats().packets, owner.session.stats().dropped_packets), (2, 2));
    assert!(owner.session.is_recording());
}

#[test]
fn verdicts_that_nobody_asked_for() {
    let mut owner = Owner { decides: false, ..Owner::new() };
    let misuse =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::Misuse { .. })), "{result:?}");
    let now = owner.now;
    let all: [Verdict; 7] = [
        |session, now| session.accept_describe(now, ""),
        |session, now| session.accept_announce(now),
        |session, now| session.accept_setup(now, Chosen::Interleaved),
        |session, now| session.accept_play(now, &[]),
        |session, now| session.accept_record(now),
        |session, now| session.reject(now, Status::NOT_FOUND, ""),
        |session, now| session.challenge(now, ""),
    ];
    all.into_iter().for_each(|call| misuse(call(&mut owner.session, now)));
    owner.ask("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP;unicast;client_port=5-6");
    misuse(owner.session.accept_play(now, &[]));
    misuse(owner.session.accept_setup(now, Chosen::Interleaved));
    // It is pending still.
    owner.session.reject(now, Status::UNSUPPORTED_TRANSPORT, "").unwrap();
    assert_eq!(owner.session.credentials_match("x"), None);
}

#[test]
fn closing_answers_what_is_pending() {
    let mut owner = Owner { decides: false, ..Owner::new() };
    owner.ask("DESCRIBE rtsp://h/live/news");
    owner.session.close("the server stops");
    owner.drain().unwrap();
    assert!(owner.sent.starts_with("RTSP/1.0 503 the server stops\r\nCSeq: 1\r\n"), "{}", owner.sent);
    assert!(owner.session.is_closed() && owner.deadline.is_none());
    let sent = owner.sent.clone();
    owner.feed("OPTIONS * RTSP/1.0\r\nCSeq: 2\r\n\r\n").unwrap();
    owner.session.close("again");
    owner.drain().unwrap();
    assert_eq!(owner.sent, sent);
}

#[test]
fn proofs_are_not_asked_for_without_end() {
    let limits = Limits { challenges: 2, ..Limits::default() };
    let mut owner = Owner { password: Some("secret"), ..Owner::with(limits) };
    let statuses = [1, 2, 3, 4].map(|_| owner.status("DESCRIBE rtsp://h/live/news"));
    assert_eq!(statuses, [401, 401, 401, 0]);
    assert!(owner.session.is_closed());
}

#[test]
fn a_session_is_small() {
    assert!(size_of::<Session>() <= 400, "{}", size_of::<Session>());
}
