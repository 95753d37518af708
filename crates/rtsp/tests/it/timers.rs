//! What is waited for, and how long.

use std::time::Duration;

use rillcast_rtsp::Error;
use rillcast_rtsp::server::Timer;

use crate::owner::{ID, Owner};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn expires(owner: &mut Owner, timer: Timer) {
    let deadline = owner.deadline.expect("a deadline");
    assert_eq!(owner.session.handle_timeout(deadline - Duration::from_nanos(1)), Ok(()));
    assert_eq!(owner.session.handle_timeout(deadline), Err(Error::Timeout(timer)));
    owner.drain().expect("nothing to fail");
    assert!(owner.session.is_closed() && owner.deadline.is_none());
}

#[test]
fn a_first_request_and_then_another() {
    let mut owner = Owner::new();
    owner.now = seconds(5);
    owner.feed("OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n").unwrap();
    assert_eq!(owner.deadline, Some(seconds(10)), "half a request is none");
    owner.feed("\r\n").unwrap();
    assert_eq!(owner.deadline, Some(seconds(65)));
    expires(&mut owner, Timer::Request);
    expires(&mut Owner::new(), Timer::FirstRequest);
}

#[test]
fn a_verdict() {
    let mut owner = Owner { decides: false, ..Owner::new() };
    owner.ask("DESCRIBE rtsp://h/live/news");
    assert_eq!(owner.deadline, Some(seconds(10)));
    expires(&mut owner, Timer::Verdict);
    assert!(
        owner.sent.starts_with("RTSP/1.0 503 timeout: the peer's request was not answered\r\nCSeq: 1\r\n")
    );
}

#[test]
fn signs_of_life_over_udp() {
    let mut owner = Owner { udp: true, ..Owner::new() };
    owner.ask("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP;unicast;client_port=5-6");
    assert_eq!(owner.deadline, Some(seconds(60)));
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.deadline, Some(seconds(75)));
    owner.session.note_alive(seconds(30));
    owner.drain().unwrap();
    assert_eq!(owner.deadline, Some(seconds(105)));
    owner.now = seconds(100);
    assert_eq!(owner.status(&format!("GET_PARAMETER *\nSession: {ID}")), 200);
    assert_eq!(owner.deadline, Some(seconds(175)));
    assert_eq!(owner.status(&format!("PAUSE *x\nSession: {ID}")), 200);
    expires(&mut owner, Timer::Session);
}

#[test]
fn none_over_the_connection() {
    let mut owner = Owner::new();
    owner.ask("SETUP rtsp://h/live/news/trackID=0\nTransport: RTP/AVP/TCP;unicast");
    assert_eq!(owner.status(&format!("PLAY rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.deadline, None);
    assert_eq!(owner.status(&format!("PAUSE rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.deadline, None);
    owner.session.note_alive(seconds(1));
    assert_eq!(owner.status(&format!("TEARDOWN rtsp://h/live/news\nSession: {ID}")), 200);
    assert_eq!(owner.deadline, Some(seconds(60)));
}
