//! Push over time: encoders that go and come back, destinations that change, and when it is given up.

use std::net::SocketAddr;
use std::time::Duration;

use publisher::config::{Push, Rendition, Settings, Stream};
use publisher::{PushStatus, Reason};
use rtmp::flv::Tag;

use crate::encoder::Encoder;
use crate::peer::{Mood, Peer};
use crate::pushing::*;
use crate::rtmp::Server;
use crate::world::{CLIP, code, until};

#[tokio::test]
async fn a_push_is_given_up_after_as_many_failures_as_its_limit_says_until_it_is_changed() {
    let peer = Peer::start(Mood::Closes);
    let limited = Push { limit: 2, retry_timeout: Duration::from_millis(50), ..push(peer.url(KEY)) };
    let service = start(vec![limited.clone()]).await;
    let failed = until_it(&service, |push| push.status == PushStatus::Failed).await;
    assert_eq!((failed.attempt, failed.errors.len(), failed.next_attempt_at), (2, 2, None));
    peer.change(Mood::Takes);
    let same = service.update_pushes(&pushed(vec![limited.clone()])).await.expect("running");
    assert_eq!((same.started, same.stopped, same.kept), (0, 0, 1));
    assert_eq!(only(&service), failed, "it stays");
    let changed = vec![Push { limit: 3, ..limited }];
    service.update_pushes(&pushed(changed)).await.expect("running");
    let active = until_active(&service).await;
    assert_eq!((active.attempt, active.errors.len()), (1, 0));
    assert_eq!(peer.accepted().len(), 3);
    service.shutdown().await;
}

/// A stream that an encoder feeds.
async fn with_encoder(settings: Settings, peer: &Peer) -> (Server, Encoder) {
    let stream = Stream { pushes: vec![push(peer.url(KEY))], ..Stream::new(code("news")) };
    let server = Server::start(settings, vec![stream]).await;
    let starting = only(&server.service);
    assert_eq!((starting.status, starting.attempt), (PushStatus::Starting, 0));
    let encoder = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    until_active(&server.service).await;
    (server, encoder)
}

#[tokio::test]
async fn no_push_reconnects_when_the_encoder_is_killed_and_comes_back() {
    let peer = Peer::start(Mood::Takes);
    let (server, encoder) = with_encoder(Settings::default(), &peer).await;
    until(|| (peer.tags() > 60).then_some(())).await;
    drop(encoder);
    until(|| server.service.statuses()[0].source.is_none().then_some(())).await;
    let before = peer.only().pictures().len();
    let _again = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    until(|| (peer.only().pictures().len() > before + 60).then_some(())).await;
    let push = only(&server.service);
    assert_eq!((push.status, push.attempt, push.errors.len()), (PushStatus::Active, 1, 0));
    let publication = peer.only();
    assert_eq!(breaks(&publication.pictures()), 1, "where the encoder began anew, at a key frame");
    server.service.shutdown().await;
}

#[tokio::test]
async fn without_media_it_is_idle_for_a_while_then_closed_cleanly_and_starts_again_with_the_media() {
    let peer = Peer::start(Mood::Takes);
    assert_eq!(Settings::default().push_idle, Duration::from_secs(30));
    let settings = Settings { push_idle: Duration::from_secs(3), ..Settings::default() };
    let (server, encoder) = with_encoder(settings, &peer).await;
    drop(encoder);
    let idle = until_it(&server.service, |push| push.idle_since.is_some()).await;
    assert_eq!((idle.status, idle.attempt), (PushStatus::Active, 1));
    let starting = until_it(&server.service, |push| push.status == PushStatus::Starting).await;
    assert_eq!((starting.attempt, starting.errors.len(), starting.next_attempt_at), (1, 0, None));
    assert_eq!((starting.connected_at, starting.idle_since), (None, None));
    until(|| peer.only().unpublished.then_some(())).await;
    let _again = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    let active = until_active(&server.service).await;
    assert_eq!((active.attempt, active.errors.len()), (2, 0));
    until(|| (peer.publications().len() == 2 && peer.tags() > 20).then_some(())).await;
    begins_well(&peer.publications()[1]);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_wants_the_push_elsewhere_gets_it_there_without_a_missing_picture() {
    let there = Peer::start(Mood::Takes);
    let peer = Peer::start(Mood::Redirects(20, there.address));
    let service = start(vec![push(peer.url(KEY))]).await;
    until(|| (there.tags() > 60).then_some(())).await;
    let active = until_active(&service).await;
    assert_eq!((active.attempt, active.errors.len()), (2, 0));
    until(|| peer.only().unpublished.then_some(())).await;
    let (first, second) = (peer.only(), there.only());
    begins_well(&second);
    assert_eq!(second.name, KEY);
    let [last, next] = [first.pictures().pop(), second.pictures().into_iter().next()];
    let numbers = numbers();
    let number = |tag: Option<&Tag>| numbers[&tag.expect("pictures").body[..]];
    assert_eq!((number(last) + 1) % numbers.len(), number(next), "it moves at a key frame");
    service.shutdown().await;
}

#[tokio::test]
async fn only_what_differs_is_touched_and_two_with_one_url_are_two() {
    let [peer, other] = [Peer::start(Mood::Takes), Peer::start(Mood::Takes)];
    let (twin, single) = (push(peer.url(KEY)), push(other.url(KEY)));
    let service = start(vec![twin.clone(), single.clone(), twin.clone()]).await;
    let all_active = |count: usize| {
        let all = snapshots(&service);
        let active = all.iter().filter(|push| push.status == PushStatus::Active).count();
        (all.len() == count && active == count).then_some(all)
    };
    let before = until(|| all_active(3)).await;
    let urls: Vec<_> = before.iter().map(|push| push.url.clone()).collect();
    assert!(urls.is_sorted(), "{urls:?}");
    assert_eq!(peer.publications().len(), 2);
    let off = Push { enabled: false, ..single.clone() };
    let new = Push { rendition: Some("track_1".to_owned()), ..single };
    let comment = Some("the main one".to_owned());
    let wanted = vec![Push { comment: comment.clone(), ..twin.clone() }, off, new];
    let changes = service.update_pushes(&pushed(wanted)).await.expect("running");
    assert_eq!((changes.started, changes.stopped, changes.kept), (1, 2, 1));
    let after = until(|| all_active(2)).await;
    let kept = after.iter().find(|push| before.iter().any(|old| old.id == push.id)).expect("kept");
    assert_eq!((&kept.url, &kept.comment, kept.attempt), (&peer.url("***"), &comment, 1));
    let ended = peer.publications().iter().filter(|publication| publication.unpublished).count();
    assert_eq!(ended, 1, "one twin goes on");
    service.update_pushes(&pushed(Vec::new())).await.expect("running");
    assert!(service.runtime_status(&code("news")).is_none(), "absent when none is registered");
    assert!(service.runtime_status(&code("other")).is_none());
    service.shutdown().await;
}

#[tokio::test]
async fn a_rendition_is_picked_and_one_that_is_not_there_is_named() {
    let peer = Peer::start(Mood::Takes);
    let of =
        |name: &str| Push { rendition: Some(name.to_owned()), ..push(peer.url(&format!("{KEY}{name}"))) };
    let renditions = vec![Rendition::new("high"), Rendition::new("low")];
    let pushes = vec![of("low"), of("other")];
    let stream = Stream { renditions, pushes, ..Stream::new(code("news")) };
    let server = Server::start(Settings::default(), vec![stream]).await;
    let _low = Encoder::start(server.address, "news@low", CLIP).await.expect("let in");
    let _high = Encoder::start(server.address, "news@high", CLIP).await.expect("let in");
    let active =
        until(|| snapshots(&server.service).into_iter().find(|push| push.status == PushStatus::Active)).await;
    assert_eq!(active.rendition.as_deref(), Some("low"));
    let missing = until(|| {
        let mut all = snapshots(&server.service).into_iter();
        all.find(|push| push.reason == Some(Reason::Rendition))
    })
    .await;
    assert_eq!(missing.errors[0].message, "the stream has no rendition \"other\"; it has high, low");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_leaves_while_there_is_no_media_has_not_failed() {
    let peer = Peer::start(Mood::Takes);
    let (server, encoder) = with_encoder(Settings::default(), &peer).await;
    drop(encoder);
    until_it(&server.service, |push| push.idle_since.is_some()).await;
    let address: SocketAddr = peer.address;
    drop(peer);
    let starting = until_it(&server.service, |push| push.status == PushStatus::Starting).await;
    assert_eq!((starting.attempt, starting.errors.len(), starting.next_attempt_at), (1, 1, None));
    let _peer = Peer::at(address, Mood::Takes, None);
    let _again = Encoder::start(server.address, "news", CLIP).await.expect("let in");
    assert_eq!(until_active(&server.service).await.attempt, 2);
    server.service.shutdown().await;
}
