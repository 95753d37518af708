//! Commands, order, timers and limits.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use rillcast_rtmp::amf0::Value;
use rillcast_rtmp::chunk::Encoder;
use rillcast_rtmp::flv::TagKind;
use rillcast_rtmp::message::{Command, Control, Message, UserControl, kind};
use rillcast_rtmp::server::{Event, Timer, code};
use rillcast_rtmp::{Error, Limits, handshake};

use crate::client::Peer;

fn reply(name: &str, transaction: f64, code: &str) -> (String, f64, String) {
    (name.to_owned(), transaction, code.to_owned())
}

#[test]
fn obs_with_enhanced_rtmp() {
    let mut peer = Peer::opened(Limits::default());
    let fourccs = Value::StrictArray(["av01", "vp09", "hvc1"].map(Value::from).to_vec());
    let object = Value::object([
        ("app", "live".into()),
        ("type", "nonprivate".into()),
        ("flashVer", "FMLE/3.0 (compatible; FMSc/1.0)".into()),
        ("swfUrl", "rtmp://host/live".into()),
        ("tcUrl", "rtmp://host/live".into()),
        ("fourCcList", fourccs),
    ]);
    peer.call(0, "connect", 1.0, vec![object]).unwrap();
    peer.call(0, "releaseStream", 2.0, vec![Value::Null, "cam".into()]).unwrap();
    peer.call(0, "FCPublish", 3.0, vec![Value::Null, "cam".into()]).unwrap();
    peer.call(0, "createStream", 4.0, vec![Value::Null]).unwrap();
    peer.call(1, "publish", 5.0, vec![Value::Null, "cam".into(), "live".into()]).unwrap();
    assert!(peer.session.is_publishing());
    let expected = [
        reply("_result", 1.0, code::CONNECT_SUCCESS),
        reply("_result", 2.0, ""),
        reply("onFCPublish", 0.0, code::PUBLISH_START),
        reply("_result", 3.0, ""),
        reply("_result", 4.0, ""),
        reply("onStatus", 0.0, code::PUBLISH_START),
    ];
    assert_eq!(peer.replies(), expected);
    let Event::Connect(connect) = &peer.events[0] else { panic!("{:?}", peer.events) };
    assert_eq!(connect.fourccs, ["av01", "hvc1", "vp09"]);
    let controls: Vec<_> =
        peer.received.iter().filter_map(|message| Control::decode(message).unwrap()).collect();
    assert!(controls.contains(&Control::SetChunkSize(60_000)));
    assert!(controls.contains(&Control::UserControl(UserControl::StreamBegin(1))));
}

#[test]
fn metadata_comes_as_a_file_would_have_it() {
    let mut peer = Peer::publishing("live", "cam");
    let data = |name: &str| {
        let mut body = BytesMut::new();
        Value::from(name).encode(&mut body);
        Value::from("onMetaData").encode(&mut body);
        Message { kind: kind::DATA_AMF0, timestamp_ms: 9, stream: 1, body: body.freeze() }
    };
    peer.send(&data("@setDataFrame")).unwrap();
    peer.send(&data("@clearDataFrame")).unwrap();
    let tags = peer.tags();
    assert_eq!(tags.len(), 1);
    assert_eq!(
        (tags[0].kind, tags[0].timestamp_ms, &tags[0].body[..]),
        (TagKind::Script, 9, &b"\x02\0\x0aonMetaData"[..])
    );
}

#[test]
fn commands_in_amf3_messages() {
    let mut peer = Peer::opened(Limits::default());
    let connect = Command {
        name: "connect".to_owned(),
        transaction: 1.0,
        values: vec![Value::object([("objectEncoding", 3.0.into())])],
    };
    let mut body = BytesMut::from(&[0u8][..]);
    body.put_slice(&connect.encode(0).body);
    peer.send(&Message { kind: kind::COMMAND_AMF3, timestamp_ms: 0, stream: 0, body: body.freeze() })
        .unwrap();
    assert_eq!(peer.last_reply(), reply("_result", 1.0, code::CONNECT_SUCCESS));
}

#[test]
fn aggregates_are_taken_apart() {
    let mut peer = Peer::publishing("live", "cam");
    peer.media(kind::AGGREGATE, 100, b"\x08\0\0\x01\0\0\x05\0\0\0\0a\0\0\0\x0c\x09\0\0\x01\0\0\x0f\0\0\0\0v")
        .unwrap();
    let times: Vec<_> = peer.tags().iter().map(|tag| (tag.kind, tag.timestamp_ms)).collect();
    assert_eq!(times, [(TagKind::Audio, 100), (TagKind::Video, 110)]);
}

#[test]
fn calls_we_do_not_know_get_an_error_and_nothing_else() {
    let mut peer = Peer::connected("live");
    peer.call(0, "FCFancy", 7.0, vec![Value::Null]).unwrap();
    assert_eq!(peer.last_reply(), reply("_error", 7.0, code::CALL_FAILED));
    let before = peer.received.len();
    peer.call(0, "FCFancy", 0.0, vec![Value::Null]).unwrap();
    assert_eq!(peer.received.len(), before);
    for (name, transaction) in [("_checkbw", 8.0), ("getStreamLength", 9.0)] {
        peer.call(0, name, transaction, vec![Value::Null]).unwrap();
        assert_eq!(peer.last_reply(), reply("_result", transaction, ""));
    }
}

#[test]
fn pings_are_answered() {
    let mut peer = Peer::connected("live");
    peer.send(&Control::UserControl(UserControl::PingRequest(1234)).encode()).unwrap();
    let last = peer.received.last().unwrap();
    assert_eq!(Control::decode(last), Ok(Some(Control::UserControl(UserControl::PingResponse(1234)))));
}

#[test]
fn bytes_are_acknowledged_by_the_window_of_the_peer() {
    let mut peer = Peer::publishing("live", "cam");
    peer.send(&Control::WindowAckSize(10_000).encode()).unwrap();
    peer.received.clear();
    for _ in 0..3 {
        peer.send(&Message {
            kind: kind::VIDEO,
            timestamp_ms: 0,
            stream: 1,
            body: Bytes::from(vec![0; 8000]),
        })
        .unwrap();
    }
    let acks: Vec<_> = peer.received.iter().filter_map(|message| Control::decode(message).unwrap()).collect();
    let [Control::Acknowledgement(first), Control::Acknowledgement(second)] = acks[..] else {
        panic!("{acks:?}")
    };
    assert!(second - first >= 10_000);
    assert!(u64::from(second) <= peer.session.stats().bytes_received);
}

#[test]
fn media_before_publish_is_refused() {
    for mut peer in [Peer::opened(Limits::default()), Peer::connected("live")] {
        let error = peer.media(kind::VIDEO, 0, b"\x17").unwrap_err();
        assert_eq!(error.cause(), &Error::Order { what: "media", when: "before publish" });
        assert!(peer.session.is_closed());
        assert_eq!(peer.last_reply(), reply("onStatus", 0.0, code::CONNECT_REJECTED));
        assert_eq!(peer.deadline, None);
        peer.feed(b"anything").unwrap();
    }
}

#[test]
fn media_before_the_verdict_is_kept_for_it_up_to_a_limit() {
    let mut peer = Peer::connected("live");
    peer.accepts = false;
    peer.call(0, "publish", 3.0, vec![Value::Null, "cam".into()]).unwrap();
    peer.media(kind::VIDEO, 40, b"\x17").unwrap();
    assert_eq!(peer.tags(), []);
    peer.session.accept_publish(Duration::ZERO).unwrap();
    peer.drain();
    assert_eq!(peer.tags().len(), 1);

    let mut peer = Peer::connected("live");
    peer.accepts = false;
    peer.call(0, "publish", 3.0, vec![Value::Null, "cam".into()]).unwrap();
    let body = Bytes::from(vec![0; 3 << 20]);
    let video = Message { kind: kind::VIDEO, timestamp_ms: 0, stream: 1, body };
    peer.send(&video).unwrap();
    assert!(matches!(peer.send(&video).unwrap_err().cause(), Error::Limit { .. }));
}

#[test]
fn a_request_of_a_session_that_failed_is_not_told_of() {
    let mut peer = Peer::opened(Limits { held_bytes: 10, ..Limits::default() });
    peer.call(0, "connect", 1.0, vec![Value::Null]).unwrap();
    let values = vec![Value::Null, "cam".into()];
    let publish = Command { name: "publish".to_owned(), transaction: 2.0, values };
    let mut bytes = BytesMut::new();
    Encoder::new().encode(3, &publish.encode(1), &mut bytes);
    bytes.put_slice(&[0; 11]);
    let error = peer.feed(&bytes).unwrap_err();
    assert!(matches!(error.cause(), Error::Limit { value: 11, limit: 10, .. }), "{error:?}");
    assert!(matches!(peer.events[..], [Event::Connect(_)]), "{:?}", peer.events);
}

#[test]
fn a_refused_publisher_hears_why_and_may_ask_again() {
    let mut peer = Peer::connected("live");
    peer.accepts = false;
    peer.call(1, "publish", 3.0, vec![Value::Null, "cam?key=wrong".into()]).unwrap();
    peer.session.reject_publish(Duration::from_secs(1), code::PUBLISH_DENIED, "Wrong key.").unwrap();
    peer.drain();
    assert_eq!(peer.last_reply(), reply("onStatus", 0.0, code::PUBLISH_DENIED));
    assert_eq!(peer.deadline, Some(Duration::from_secs(21)));
    // What was already on its way is dropped.
    peer.media(kind::AUDIO, 0, b"\xaf").unwrap();
    assert_eq!((peer.tags(), peer.session.stats().dropped_tags), (Vec::new(), 1));
    peer.accepts = true;
    peer.call(1, "publish", 4.0, vec![Value::Null, "cam?key=right".into()]).unwrap();
    assert!(peer.session.is_publishing());
    assert_eq!(peer.deadline, None);
}

#[test]
fn a_second_publish_does_not_disturb_the_first() {
    let mut peer = Peer::publishing("live", "cam");
    peer.call(2, "publish", 9.0, vec![Value::Null, "other".into()]).unwrap();
    assert_eq!(peer.last_reply(), reply("onStatus", 0.0, code::PUBLISH_BAD_NAME));
    assert!(peer.session.is_publishing());
    assert!(matches!(
        peer.session.accept_publish(Duration::ZERO),
        Err(Error::Misuse { call: "accept_publish", .. })
    ));
}

#[test]
fn a_publication_ends_in_each_of_three_ways_and_may_begin_again() {
    for end in ["FCUnpublish", "closeStream", "deleteStream"] {
        let mut peer = Peer::publishing("live", "cam");
        let argument = if end == "deleteStream" { 1.0.into() } else { "cam".into() };
        peer.call(1, end, 0.0, vec![Value::Null, argument]).unwrap();
        assert_eq!(peer.events.last(), Some(&Event::Unpublish), "{end}");
        assert!(!peer.session.is_publishing());
        assert_eq!(peer.deadline, Some(Duration::from_secs(20)));
        peer.call(0, "createStream", 7.0, vec![Value::Null]).unwrap();
        peer.call(1, "publish", 8.0, vec![Value::Null, "cam".into()]).unwrap();
        assert!(peer.session.is_publishing());
    }
}

#[test]
fn another_stream_that_is_deleted_ends_nothing() {
    let mut peer = Peer::publishing("live", "cam");
    peer.call(0, "deleteStream", 0.0, vec![Value::Null, 7.0.into()]).unwrap();
    peer.call(0, "deleteStream", 0.0, vec![Value::Null, f64::NAN.into()]).unwrap();
    assert!(peer.session.is_publishing());
}

#[test]
fn a_publisher_that_leaves_before_the_verdict_is_heard_after_it() {
    let mut peer = Peer::connected("live");
    peer.accepts = false;
    peer.call(1, "publish", 3.0, vec![Value::Null, "cam".into()]).unwrap();
    peer.media(kind::AUDIO, 0, b"\xaf").unwrap();
    peer.call(1, "closeStream", 0.0, vec![Value::Null]).unwrap();
    assert!(matches!(peer.events.last(), Some(Event::Publish(_))));
    peer.session.accept_publish(Duration::from_secs(3)).unwrap();
    peer.drain();
    assert!(matches!(peer.events[2..], [Event::Tag(_), Event::Unpublish]), "{:?}", peer.events);
    assert_eq!(peer.deadline, Some(Duration::from_secs(23)));
}

#[test]
fn a_player_is_refused() {
    let mut peer = Peer::connected("live");
    peer.call(1, "play", 4.0, vec![Value::Null, "cam".into(), (-2000.0).into()]).unwrap();
    assert!(matches!(peer.events.last(), Some(Event::Play(request)) if request.name == "cam"));
    assert!(matches!(peer.session.accept_publish(Duration::ZERO), Err(Error::Misuse { .. })));
    peer.session.reject_play(Duration::ZERO, code::PLAY_FAILED, "Not yet.").unwrap();
    peer.drain();
    assert_eq!(peer.last_reply(), reply("onStatus", 0.0, code::PLAY_FAILED));
}

#[test]
fn closing_tells_the_peer() {
    let mut peer = Peer::publishing("live", "cam");
    peer.session.close("Kicked.");
    peer.drain();
    let replies = peer.replies();
    let expected =
        [reply("onStatus", 0.0, code::UNPUBLISH_SUCCESS), reply("onStatus", 0.0, code::CONNECT_CLOSED)];
    assert_eq!(replies[replies.len() - 2..], expected);
    assert!(peer.session.is_closed());
    peer.session.close("Twice.");
    peer.drain();
    assert_eq!(peer.replies(), replies);
}

#[test]
fn each_timer_ends_the_session() {
    let limits = Limits::default();
    let mut silent = Peer::new(limits.clone());
    silent.drain();
    let mut idle = Peer::opened(limits.clone());
    idle.feed(&[]).unwrap();
    let mut waiting = Peer::connected("live");
    waiting.accepts = false;
    waiting.call(1, "publish", 3.0, vec![Value::Null, "cam".into()]).unwrap();
    let cases = [
        (silent, Timer::Handshake, limits.handshake),
        (idle, Timer::Request, limits.request),
        (waiting, Timer::Verdict, limits.verdict),
    ];
    for (mut peer, timer, after) in cases {
        assert_eq!(peer.deadline, Some(after), "{timer:?}");
        peer.session.handle_timeout(after - Duration::from_millis(1)).unwrap();
        assert_eq!(peer.session.handle_timeout(after), Err(Error::Timeout(timer)));
        peer.drain();
        assert!(peer.session.is_closed());
        peer.session.handle_timeout(after * 2).unwrap();
    }
}

#[test]
fn nothing_comes_before_connect() {
    let mut peer = Peer::opened(Limits::default());
    let error = peer.call(0, "createStream", 1.0, vec![Value::Null]).unwrap_err();
    assert!(matches!(error.cause(), Error::Order { when: "before connect", .. }));
}

#[test]
fn message_streams_are_bounded_and_their_numbers_used_again() {
    let mut peer = Peer::connected("live");
    for _ in 0..100 {
        peer.call(0, "createStream", 2.0, vec![Value::Null]).unwrap();
        peer.call(0, "deleteStream", 0.0, vec![Value::Null, 1.0.into()]).unwrap();
    }
    for _ in 0..16 {
        peer.call(0, "createStream", 2.0, vec![Value::Null]).unwrap();
    }
    let error = peer.call(0, "createStream", 2.0, vec![Value::Null]).unwrap_err();
    assert!(matches!(error.cause(), Error::Limit { what: "message streams", value: 17, limit: 16 }));
}

#[test]
fn an_error_says_where_it_came_up() {
    let mut peer = Peer::connected("live");
    let before = peer.session.stats().bytes_received;
    let mut bytes = BytesMut::new();
    Encoder::new().encode(2, &Control::SetChunkSize(0).encode(), &mut bytes);
    let len = bytes.len() as u64;
    bytes.put_slice(&[0; 100]);
    let error = peer.feed(&bytes).unwrap_err();
    assert!(matches!(error, Error::At { offset, .. } if offset == before + len), "{error:?}");
}

#[test]
fn a_browser_is_shown_out_without_a_word() {
    let mut peer = Peer::new(Limits::default());
    let error = peer.feed(b"GET / HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(error.reply(), None);
    assert!(peer.session.is_closed());
    assert_eq!(peer.session.stats().bytes_sent, 0);
    assert_eq!(handshake::SIZE, 1536);
}
