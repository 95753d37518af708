//! Streams that are played.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rillcast_rtmp::amf0::Value;
use rillcast_rtmp::chunk::{Piece, Route, Shared};
use rillcast_rtmp::flv::TagKind;
use rillcast_rtmp::flv::mux::{Caps, Head};
use rillcast_rtmp::message::{Control, Message, UserControl, kind};
use rillcast_rtmp::server::{Event, code};
use rillcast_rtmp::{Error, Limits};

use crate::client::Peer;

fn control(message: &Message) -> Option<Control> {
    Control::decode(message).unwrap()
}

#[test]
fn what_precedes_the_media() {
    let peer = Peer::playing();
    // Behind the answers to `connect` and `createStream`.
    let [size, begin, reset, start, access] = &peer.received[peer.received.len() - 5..] else { panic!() };
    let Some(Route { stream: 1, chunk_size }) = peer.session.playing() else { panic!() };
    assert_eq!(control(size), Some(Control::SetChunkSize(chunk_size)));
    assert_eq!(control(begin), Some(Control::UserControl(UserControl::StreamBegin(1))));
    assert!([reset, start, access].iter().all(|message| message.stream == 1));
    assert_eq!(access.kind, kind::DATA_AMF0);
    assert_eq!(access.body, &b"\x02\0\x11|RtmpSampleAccess\x01\x01\x01\x01"[..]);
    let codes: Vec<_> = peer.replies().into_iter().map(|reply| reply.2).collect();
    assert!(codes.ends_with(&[code::PLAY_RESET, code::PLAY_START].map(str::to_owned)));
    // It may play for ever.
    assert_eq!(peer.deadline, None);
}

#[test]
fn media_and_what_the_session_says_share_the_wire() {
    let mut peer = Peer::playing();
    let route = peer.session.playing().unwrap();
    let before = peer.received.len();
    let shared = Shared::new(TagKind::Audio, Head::EMPTY, Bytes::from(vec![9; 100_000])).unwrap();
    for time in [0, 0x00ff_fffe, 0x0100_0000] {
        let mut bytes = BytesMut::new();
        shared.chunks(route, time).for_each(|piece| match piece {
            Piece::Own(own) => bytes.extend_from_slice(&own),
            Piece::Shared(shared) => bytes.extend_from_slice(shared),
        });
        peer.take(&bytes);
        peer.send(&Control::UserControl(UserControl::PingRequest(time)).encode()).unwrap();
    }
    let received = &peer.received[before..];
    let media: Vec<_> = received.iter().filter(|message| message.kind == kind::AUDIO).collect();
    assert_eq!(
        media.iter().map(|message| message.timestamp_ms).collect::<Vec<_>>(),
        [0, 0x00ff_fffe, 0x0100_0000]
    );
    assert!(media.iter().all(|message| (message.stream, message.body.len()) == (1, 100_000)));
    assert_eq!(received.len(), 6);
}

#[test]
fn a_player_pauses_and_goes_on() {
    let mut peer = Peer::playing();
    for (pause, event, code) in
        [(true, Event::Pause, code::PAUSE_NOTIFY), (false, Event::Resume, code::UNPAUSE_NOTIFY)]
    {
        peer.call(1, "pause", 0.0, vec![Value::Null, Value::Boolean(pause), 1000.0.into()]).unwrap();
        assert_eq!(peer.events.last(), Some(&event));
        assert_eq!(peer.last_reply(), ("onStatus".to_owned(), 0.0, code.to_owned()));
    }
    peer.call(1, "pause", 0.0, vec![Value::Null]).unwrap();
    assert_eq!(peer.events.last(), Some(&Event::Pause));
    assert!(peer.session.playing().is_some());
}

#[test]
fn a_player_chooses_what_it_gets() {
    let mut peer = Peer::playing();
    for (name, kind, wanted) in
        [("receiveVideo", TagKind::Video, false), ("receiveAudio", TagKind::Audio, true)]
    {
        peer.call(1, name, 0.0, vec![Value::Null, Value::Boolean(wanted)]).unwrap();
        assert_eq!(peer.events.last(), Some(&Event::Receive { kind, wanted }));
    }
    assert_eq!(peer.last_reply().2, code::PLAY_START);
}

#[test]
fn a_live_stream_has_no_other_place_to_be_at() {
    let mut peer = Peer::playing();
    let events = peer.events.len();
    peer.call(1, "seek", 0.0, vec![Value::Null, 5000.0.into()]).unwrap();
    assert_eq!(peer.last_reply().2, code::SEEK_FAILED);
    peer.call(1, "play2", 0.0, vec![Value::Null, Value::object([("streamName", "other".into())])]).unwrap();
    assert_eq!((peer.last_reply().2.as_str(), peer.events.len()), (code::SEEK_FAILED, events));
    peer.call(1, "play", 0.0, vec![Value::Null, "other".into()]).unwrap();
    assert_eq!((peer.last_reply().2.as_str(), peer.events.len()), (code::PLAY_FAILED, events));
    assert!(peer.session.playing().is_some());
}

#[test]
fn what_a_player_says_of_another_stream_is_not_about_this_one() {
    let mut peer = Peer::playing();
    let events = peer.events.len();
    for name in ["pause", "receiveAudio", "seek", "closeStream"] {
        peer.call(2, name, 0.0, vec![Value::Null, Value::Boolean(true)]).unwrap();
    }
    peer.call(0, "deleteStream", 0.0, vec![Value::Null, 2.0.into()]).unwrap();
    assert_eq!(peer.events.len(), events);
    assert!(peer.session.playing().is_some());
}

#[test]
fn a_player_stops_and_may_play_again() {
    let mut peer = Peer::playing();
    peer.call(1, "closeStream", 0.0, vec![Value::Null]).unwrap();
    assert_eq!((peer.events.last(), peer.session.playing()), (Some(&Event::Stopped), None));
    assert_eq!(peer.last_reply().2, code::PLAY_STOP);
    assert_eq!(peer.deadline, Some(Limits::default().request));
    peer.call(1, "play", 0.0, vec![Value::Null, "other".into()]).unwrap();
    assert_eq!(peer.last_reply().2, code::PLAY_START);
    let replies = peer.replies().len();
    peer.call(0, "deleteStream", 0.0, vec![Value::Null, 1.0.into()]).unwrap();
    assert_eq!((peer.events.last(), peer.replies().len()), (Some(&Event::Stopped), replies));
}

#[test]
fn a_stream_that_ends_is_told_to_be_over() {
    let mut peer = Peer::playing();
    peer.session.close("The stream was stopped.");
    peer.drain();
    let codes: Vec<_> = peer.replies().into_iter().map(|reply| reply.2).collect();
    assert!(codes.ends_with(&[code::PLAY_STOP, code::CONNECT_CLOSED].map(str::to_owned)));
    let eof = Some(Control::UserControl(UserControl::StreamEof(1)));
    assert!(
        peer.received.iter().any(|message| message.kind == kind::USER_CONTROL && control(message) == eof)
    );
    assert!(peer.session.is_closed() && peer.session.playing().is_none());
}

#[test]
fn a_ping_tells_the_round_trip() {
    let mut peer = Peer::playing();
    peer.session.ping(Duration::from_millis(7));
    peer.drain();
    assert_eq!(
        control(peer.received.last().unwrap()),
        Some(Control::UserControl(UserControl::PingRequest(7)))
    );
    let mut answer = |time: u32| {
        let mut bytes = BytesMut::new();
        let message = Control::UserControl(UserControl::PingResponse(time)).encode();
        rillcast_rtmp::chunk::Encoder::new().encode(2, &message, &mut bytes);
        peer.session.handle_bytes(Duration::from_millis(60), &bytes).unwrap();
        peer.session.stats().round_trip
    };
    assert_eq!((answer(8), answer(7), answer(0)), (None, Some(53), Some(53)));
}

#[test]
fn media_from_a_player_is_dropped() {
    let mut peer = Peer::playing();
    peer.media(kind::AUDIO, 0, b"\xaf\x01x").unwrap();
    assert_eq!(peer.session.stats().dropped_tags, 1);
    assert!(matches!(
        peer.session.accept_play(Duration::ZERO),
        Err(Error::Misuse { call: "accept_play", .. })
    ));
}

#[test]
fn a_request_says_who_asks() {
    let mut peer = Peer::opened(Limits::default());
    let list = Value::StrictArray(vec!["hvc1".into()]);
    let connect = Value::object([
        ("app", "live".into()),
        ("flashVer", "X 1".into()),
        ("tcUrl", "rtmp://host/live?key=k".into()),
        ("pageUrl", "https://page/".into()),
        ("fourCcList", list),
    ]);
    peer.call(0, "connect", 1.0, vec![connect]).unwrap();
    peer.call(1, "play", 0.0, vec![Value::Null, "cam".into()]).unwrap();
    let Some(Event::Play(request)) = peer.events.last() else { panic!() };
    assert_eq!((request.flash_ver.as_str(), request.page_url.as_str()), ("X 1", "https://page/"));
    assert_eq!((request.address().get("key"), request.caps), (Some("k"), Caps::of(["hvc1"])));
}
