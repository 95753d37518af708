//! RTMP play: what a player gets, when it is refused, and how it ends.

use bytes::Bytes;
use publisher::Service;
use publisher::config::{Protocols, Settings, Stream};
use publisher::session::{Ended, Protocol, Role, Session};
use rtmp::amf0::Value;
use rtmp::message::kind;
use std::sync::Arc;
use std::time::Duration;

use crate::encoder::{Encoder, tags};
use crate::player::Player;
use crate::rtmp::Server;
use crate::world::{CLIP, code, reason, until};

pub(crate) const KEY: u8 = 0x17;
pub(crate) const PICTURE: u8 = 1;

async fn on_the_air() -> (Server, Encoder) {
    let server = Server::with(Stream::new(code("news"))).await;
    let encoder = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    (server, encoder)
}

async fn play(server: &Server, name: &str) -> Player {
    Player::start(server.address, name).await.expect("let in")
}

async fn refused(server: &Server, name: &str) -> String {
    Player::start(server.address, name).await.err().unwrap_or_else(|| panic!("{name} plays"))
}

pub(crate) fn viewer(service: &Service) -> Arc<Session> {
    let sessions = service.sessions().list();
    sessions.into_iter().find(|session| session.role == Role::Viewer).expect("a viewer")
}

/// Frames of one kind in the clip: when they are due, and their bodies.
pub(crate) fn frames(of: u8) -> Vec<(u32, &'static [u8])> {
    let frames = tags(CLIP).into_iter().filter(|tag| tag.kind == of && tag.body[1] == PICTURE);
    frames.map(|tag| (tag.ms, tag.body)).collect()
}

#[tokio::test]
async fn a_player_gets_every_frame_from_a_key_frame_on_and_its_time_begins_at_zero() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    let description = player.media(kind::DATA_AMF0).await.1;
    let description = if description.windows(10).any(|name| name == b"onMetaData") {
        description
    } else {
        player.media(kind::DATA_AMF0).await.1
    };
    for name in ["onMetaData", "width", "framerate", "audiosamplerate"] {
        assert!(description.windows(name.len()).any(|part| part == name.as_bytes()), "{name}");
    }
    let (time, header) = player.media(kind::VIDEO).await;
    assert_eq!((time, header[..2].to_vec()), (0, vec![KEY, 0]));
    let mut received: Vec<(u32, Bytes)> = Vec::new();
    for _ in 0..120 {
        received.push(player.media(kind::VIDEO).await);
    }
    assert_eq!((received[0].0, received[0].1[..2].to_vec()), (0, vec![KEY, PICTURE]));
    let clip = frames(kind::VIDEO);
    let first = clip.iter().position(|(_, body)| *body == received[0].1).expect("of the clip");
    for (index, pair) in received.windows(2).enumerate() {
        assert_eq!(pair[1].1, clip[(first + index + 1) % clip.len()].1, "frame {index} and the next");
        assert_eq!(pair[1].0 - pair[0].0, 40, "25 pictures a second");
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn sound_keeps_its_distance_to_the_pictures() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    let (pictures, sounds) = (frames(kind::VIDEO), frames(kind::AUDIO));
    let (mut picture, mut sound) = (None, None);
    while picture.is_none() || sound.is_none() {
        let message = player.next().await.expect("media");
        let due = |of: &[(u32, &[u8])]| {
            let known = of.iter().find(|(_, body)| *body == message.body)?;
            Some(i64::from(message.timestamp_ms) - i64::from(known.0))
        };
        match message.kind {
            kind::VIDEO => picture = picture.or_else(|| due(&pictures)),
            // The first may lie before the first picture, and come with it.
            kind::AUDIO if message.timestamp_ms > 0 => sound = sound.or_else(|| due(&sounds)),
            _ => {}
        }
    }
    let difference = picture.zip(sound).map(|(picture, sound)| picture - sound).expect("both");
    assert!(difference.abs() <= 1 || (difference.abs() - 8000).abs() <= 41, "{difference} ms");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_session_tells_who_plays_and_no_secret() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news@track_1").await;
    player.media(kind::VIDEO).await;
    let session = viewer(&server.service);
    assert_eq!((session.protocol, session.rendition.as_deref()), (Protocol::Rtmp, Some("track_1")));
    assert_eq!(session.agent.as_deref(), Some("a player of the tests"));
    let origin = session.origin.clone().expect("told");
    assert_eq!((&*origin.url, &*origin.page), ("rtmp://localhost/live", "http://localhost/page"));
    until(|| (session.bytes() > 10_000).then_some(())).await;
    session.cancel(Ended::Kicked);
    while player.next().await.is_some() {}
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::Kicked);
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_cannot_play_is_told_why() {
    let (server, _encoder) = on_the_air().await;
    assert_eq!(refused(&server, "other").await, "stream other is not running");
    assert_eq!(refused(&server, "news@720p").await, "stream news has no rendition \"720p\"; it has track_1");
    let protocols = Protocols { rtmp: false, ..Protocols::BUILT };
    let silent = Stream { protocols, ..Stream::new(code("silent")) };
    server.service.start(silent).await.expect("started");
    assert_eq!(refused(&server, "silent").await, "stream silent has no RTMP output");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_comes_before_the_media_waits_for_it_and_not_for_ever() {
    let server = Server::with(Stream::new(code("news"))).await;
    let address = server.address;
    let early = tokio::spawn(async move { Player::start(address, "news").await });
    // Its connection is there, and nothing that could be played.
    until(|| server.service.limits().iter().any(|limit| limit.now.is_some_and(|now| now > 0)).then_some(()))
        .await;
    assert!(!early.is_finished());
    let _encoder = Encoder::start(address, "news", CLIP).await.expect("let in");
    let mut player = early.await.expect("no panic").expect("let in");
    assert_eq!(player.media(kind::VIDEO).await.1[..2], [KEY, 0]);
    server.service.shutdown().await;

    let settings = Settings { join_timeout: Duration::from_millis(50), ..Settings::default() };
    let server = Server::start(settings, vec![Stream::new(code("quiet"))]).await;
    assert_eq!(refused(&server, "quiet").await, "stream quiet has no media now");
    assert_eq!(Settings::default().join_timeout, Duration::from_secs(5));
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_pauses_goes_on_at_a_key_frame() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    player.media(kind::VIDEO).await;
    player.say("pause", vec![Value::Null, Value::Boolean(true), 0.0.into()]).await;
    while player.status().await.0 != "NetStream.Pause.Notify" {}
    player.say("pause", vec![Value::Null, Value::Boolean(false), 0.0.into()]).await;
    while player.status().await.0 != "NetStream.Unpause.Notify" {}
    let (time, header) = player.media(kind::VIDEO).await;
    assert_eq!(header[..2], [KEY, 0]);
    let (again, picture) = player.media(kind::VIDEO).await;
    assert_eq!((again, picture[..2].to_vec()), (time, vec![KEY, PICTURE]));
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_wants_no_sound_gets_none_until_it_does() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    player.media(kind::AUDIO).await;
    player.say("receiveAudio", vec![Value::Null, Value::Boolean(false)]).await;
    // What was under way comes first, and then a second without.
    let quiet = async {
        let mut pictures = 0;
        while pictures < 25 {
            match player.next().await.expect("media").kind {
                kind::AUDIO => pictures = 0,
                kind::VIDEO => pictures += 1,
                _ => {}
            }
        }
    };
    quiet.await;
    player.say("receiveAudio", vec![Value::Null, Value::Boolean(true)]).await;
    assert_eq!(player.status().await.0, "NetStream.Seek.Notify");
    assert_eq!(player.status().await.0, "NetStream.Play.Start");
    let (time, _) = player.media(kind::AUDIO).await;
    assert!(time >= 1000, "it goes on where the stream is, not where it was left: {time}");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_wants_no_pictures_gets_sound_alone_and_then_a_key_frame() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    player.media(kind::VIDEO).await;
    player.say("receiveVideo", vec![Value::Null, Value::Boolean(false)]).await;
    let (mut sounds, mut last) = (0, 0);
    while sounds < 40 {
        let message = player.next().await.expect("media");
        match message.kind {
            kind::VIDEO if message.body[1] == PICTURE => sounds = 0,
            kind::AUDIO if message.body[1] == PICTURE => {
                assert!(message.timestamp_ms >= last, "time goes on");
                last = message.timestamp_ms;
                sounds += 1;
            }
            _ => {}
        }
    }
    player.say("receiveVideo", vec![Value::Null, Value::Boolean(true)]).await;
    assert_eq!(player.status().await.0, "NetStream.Seek.Notify");
    assert_eq!(player.status().await.0, "NetStream.Play.Start");
    let (time, header) = player.media(kind::VIDEO).await;
    assert_eq!(header[..2], [KEY, 0]);
    let (same, picture) = player.media(kind::VIDEO).await;
    assert_eq!((same, picture[..2].to_vec()), (time, vec![KEY, PICTURE]));
    assert_eq!(player.media(kind::VIDEO).await.0, time + 40, "and so on");
    server.service.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_stream_is_told_and_ends_the_connection() {
    let (server, _encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    player.media(kind::VIDEO).await;
    server.service.stop(&code("news")).await.expect("stopped");
    assert_eq!(player.status().await.0, "NetStream.Play.Stop");
    while player.next().await.is_some() {}
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::StreamStopped);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_stays_when_the_encoder_comes_back_and_its_time_goes_on() {
    let (server, encoder) = on_the_air().await;
    let mut player = play(&server, "news").await;
    let mut last = 0;
    for _ in 0..30 {
        last = player.media(kind::VIDEO).await.0;
    }
    drop(encoder);
    until(|| server.service.statuses()[0].source.is_none().then_some(())).await;
    let _again = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    let mut keys = 0;
    for _ in 0..80 {
        let (time, body) = player.media(kind::VIDEO).await;
        assert!(time >= last, "{time} after {last}");
        last = time;
        keys += u32::from(body[..2] == [KEY, PICTURE]);
    }
    assert!(keys > 0);
    server.service.shutdown().await;
}
