//! Push: what peers get, and what is said of each of their faults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use publisher::config::{Limits, Push, Rendition, Settings, Stream};
use publisher::{PushSnapshot, PushStatus, Reason, Service};
use rtmp::flv::{Tag, TagKind};

use crate::certificates::Authority;
use crate::encoder::{Encoder, h265_flv, tags};
use crate::peer::{Mood, Peer, Publication};
use crate::prover;
use crate::rtmp::Server;
use crate::world::{CLIP, PATIENCE, clip_stream, code, until};

/// Never to be seen.
const KEY: &str = "geheim";
/// For peers that are to run into it; for all others it is longer than anything takes here.
const TIMEOUT: Duration = Duration::from_secs(1);
const RETRY: Duration = Duration::from_millis(400);
/// Bytes of the clip per second, roughly.
const RATE: usize = 95_000;

fn push(url: String) -> Push {
    Push { timeout: PATIENCE, retry_timeout: RETRY, ..Push::new(url) }
}

/// A stream that the clip feeds and that is pushed there.
fn pushed(pushes: Vec<Push>) -> Stream {
    Stream { pushes, ..clip_stream("news") }
}

async fn start(pushes: Vec<Push>) -> Arc<Service> {
    start_with(Settings::default(), pushes).await
}

async fn start_with(settings: Settings, pushes: Vec<Push>) -> Arc<Service> {
    let service = Service::new(settings).expect("a service");
    service.start(pushed(pushes)).await.expect("started");
    service
}

/// All pushes of the stream, which never show their key.
fn snapshots(service: &Service) -> Vec<PushSnapshot> {
    let status = service.runtime_status(&code("news")).unwrap_or_default();
    let json = serde_json::to_string(&status).expect("JSON");
    assert!(!json.contains(KEY) && !format!("{status:?}").contains(KEY), "{json}");
    status.pushes
}

fn only(service: &Service) -> PushSnapshot {
    let mut all = snapshots(service);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Waits until the only push is like that.
async fn until_it(service: &Service, is: impl Fn(&PushSnapshot) -> bool) -> PushSnapshot {
    until(|| Some(only(service)).filter(&is)).await
}

async fn until_active(service: &Service) -> PushSnapshot {
    until_it(service, |push| push.status == PushStatus::Active).await
}

/// What a peer with this fault makes of the push: the snapshot once an attempt has failed.
async fn failed(mood: Mood) -> (Peer, Arc<Service>, PushSnapshot) {
    let timeout = if matches!(mood, Mood::Silent | Mood::StopsReading(_)) { TIMEOUT } else { PATIENCE };
    let peer = Peer::start(mood);
    let service = start(vec![Push { timeout, ..push(peer.url(KEY)) }]).await;
    let snapshot = until_it(&service, |push| !push.errors.is_empty()).await;
    assert_eq!(snapshot.status, PushStatus::Reconnecting);
    assert_eq!((snapshot.connected_at, snapshot.idle_since), (None, None));
    (peer, service, snapshot)
}

/// The next attempt is between half of the delay and all of it after the error.
fn is_due_after(snapshot: &PushSnapshot, delay: Duration) {
    const MOMENT: Duration = Duration::from_millis(250);
    let failed = snapshot.errors.last().expect("an error").at;
    let due = snapshot.next_attempt_at.expect("another attempt").duration_since(failed).expect("later");
    assert!(due + MOMENT >= delay / 2 && due <= delay + MOMENT, "{due:?} of {delay:?}");
}

/// Once the peer has no fault any more the push is active, on a later attempt, and what went wrong is still there.
async fn recovers(peer: &Peer, service: &Service) {
    peer.change(Mood::Takes);
    let active = until_active(service).await;
    assert!(active.attempt > 1 && active.connected_at.is_some() && active.reason.is_none(), "{active:?}");
    assert!(!active.errors.is_empty() && active.next_attempt_at.is_none());
}

/// Pictures of the clip by what they are made of: which of them it is.
fn numbers() -> BTreeMap<&'static [u8], usize> {
    let pictures = tags(CLIP).into_iter().filter(|tag| tag.kind == 9 && tag.body[1] == 1);
    pictures.enumerate().map(|(number, tag)| (tag.body, number)).collect()
}

/// Follows the pictures of a publication through the clip, which begins again at its end: how often they do not go on where
/// they were. All are of the clip, the first is a key frame, and so is each that does not go on.
fn breaks(pictures: &[&Tag]) -> usize {
    let numbers = numbers();
    let is_key = |tag: &Tag| tag.body[0] >> 4 == 1;
    assert!(is_key(pictures[0]), "the first is a key frame");
    let number = |tag: &Tag| *numbers.get(&tag.body[..]).expect("a picture of the clip");
    let broken = pictures.windows(2).filter(|pair| {
        let follows = (number(pair[0]) + 1) % numbers.len() == number(pair[1]);
        assert!(follows || is_key(pair[1]), "after a hole comes a key frame");
        assert!(pair[0].timestamp_ms < pair[1].timestamp_ms, "time goes on");
        !follows
    });
    broken.count()
}

/// Description, headers, and a key frame, all at zero.
fn begins_well(publication: &Publication) {
    let [description, rest @ ..] = &publication.tags[..] else { panic!("no tags") };
    assert_eq!((description.kind, description.timestamp_ms), (TagKind::Script, 0));
    assert!(description.body.starts_with(b"\x02\x00\x0aonMetaData"));
    let headers: Vec<_> = rest.iter().take_while(|tag| tag.body[1] == 0).collect();
    assert_eq!(headers.len(), 2, "of sound and pictures");
    assert!(headers.iter().all(|header| header.timestamp_ms == 0));
    assert_eq!(publication.pictures()[0].timestamp_ms, 0);
}

#[tokio::test]
async fn a_peer_gets_all_from_a_key_frame_on_and_time_begins_at_zero() {
    let peer = Peer::start(Mood::Takes);
    let before = SystemTime::now();
    let service = start(vec![push(peer.url(KEY))]).await;
    let active =
        until_it(&service, |push| push.status == PushStatus::Active && push.bytes_sent > 100_000).await;
    assert_eq!((active.attempt, active.errors.len(), active.reason, active.skipped_gops), (1, 0, None, 0));
    assert_eq!(active.url, peer.url("***"));
    assert_eq!((active.rendition.as_deref(), active.idle_since), (Some("track_1"), None));
    assert!(active.connected_at.is_some_and(|at| at >= before && at <= SystemTime::now()));
    assert!(active.bits_per_second > 0);
    until(|| (peer.tags() > 200).then_some(())).await;
    service.stop(&code("news")).await.expect("stopped");
    until(|| peer.only().unpublished.then_some(())).await;
    assert!(service.runtime_status(&code("news")).is_none(), "absent when all is torn down");
    let publication = peer.only();
    assert_eq!(publication.name, KEY);
    begins_well(&publication);
    let pictures = publication.pictures();
    assert_eq!(breaks(&pictures), 0);
    assert!(pictures.windows(2).all(|pair| pair[1].timestamp_ms - pair[0].timestamp_ms == 40));
}

#[tokio::test]
async fn a_peer_that_refuses_connections() {
    let address = Peer::nobody().await;
    let retry_timeout = Duration::from_secs(2);
    let url = format!("rtmp://{address}/live/{KEY}");
    let service = start(vec![Push { retry_timeout, ..push(url) }]).await;
    let failed = until_it(&service, |push| !push.errors.is_empty()).await;
    assert_eq!((failed.status, failed.attempt), (PushStatus::Reconnecting, 1));
    assert_eq!(failed.reason, Some(Reason::Connect));
    assert_eq!(failed.errors[0].message, format!("cannot connect to {address}: connection refused"));
    is_due_after(&failed, retry_timeout);
    let peer = Peer::at(address, Mood::Takes, None);
    recovers(&peer, &service).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_closes_after_connecting() {
    let (peer, service, failed) = failed(Mood::Closes).await;
    // What we had sent by then may have it reset instead.
    assert!(matches!(failed.reason, Some(Reason::Closed | Reason::Broken)), "{failed:?}");
    assert_eq!(failed.attempt, 1);
    recovers(&peer, &service).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_denies_the_key() {
    let (peer, service, failed) = failed(Mood::Denies).await;
    assert_eq!((failed.reason, failed.attempt), (Some(Reason::Denied), 1));
    let said = "the server denied it: *** may not be published (NetStream.Publish.Denied)";
    assert_eq!(failed.errors[0].message, said);
    recovers(&peer, &service).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_never_answers() {
    let begun = SystemTime::now();
    let (peer, service, failed) = failed(Mood::Silent).await;
    assert_eq!((failed.reason, failed.attempt), (Some(Reason::NoAnswer), 1));
    assert_eq!(failed.errors[0].message, "timeout: the server did not answer the handshake");
    assert!(failed.errors[0].at.duration_since(begun).expect("later") >= TIMEOUT);
    recovers(&peer, &service).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_stops_reading_is_noticed_though_it_keeps_the_connection() {
    let (peer, service, failed) = failed(Mood::StopsReading(30)).await;
    assert_eq!((failed.reason, failed.attempt), (Some(Reason::Stalled), 1));
    let said = &failed.errors[0].message;
    assert!(said.starts_with("the server has taken nothing for 1"), "{said}");
    assert!(peer.accepted()[0].elapsed() >= TIMEOUT);
    assert!(failed.bytes_sent > 0, "it was active before");
    recovers(&peer, &service).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_reads_at_half_the_rate_loses_whole_gops_and_stays() {
    let limits = Limits { viewer_queue_bytes: 150_000, ..Limits::default() };
    let peer = Peer::start(Mood::Slow(RATE / 2));
    let service = start_with(Settings { limits, ..Settings::default() }, vec![push(peer.url(KEY))]).await;
    let skipped = until_it(&service, |push| push.skipped_gops > 1).await;
    assert_eq!((skipped.status, skipped.attempt, skipped.errors.len()), (PushStatus::Active, 1, 0));
    assert!(skipped.queue_delay_ms > 0);
    let tags = peer.tags();
    until(|| (breaks(&peer.only().pictures()) > 0 && peer.tags() > tags + 50).then_some(())).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_peer_that_resets_in_mid_frame_gets_a_new_publication_from_a_key_frame_on() {
    let (peer, service, failed) = failed(Mood::Resets(20)).await;
    assert_eq!((failed.reason, failed.attempt), (Some(Reason::Broken), 1));
    assert!(failed.errors[0].message.starts_with("the connection broke: "), "{failed:?}");
    recovers(&peer, &service).await;
    until(|| (peer.publications().len() == 2 && peer.tags() > 20).then_some(())).await;
    begins_well(&peer.publications()[1]);
    service.shutdown().await;
}

#[tokio::test]
async fn tls_is_for_the_name_in_the_url_and_for_whom_is_trusted() {
    let authority = Authority::new("push-tls");
    let right = Peer::with_tls(authority.server("localhost"));
    let wrong = Peer::with_tls(authority.server("example.com"));
    let secure = |peer: &Peer| format!("rtmps://localhost:{}/live/{KEY}", peer.address.port());
    let ca_file = Some(authority.file());
    let trusting = |url| Push { ca_file: ca_file.clone(), ..push(url) };
    let service = start(vec![
        trusting(secure(&right)),
        trusting(secure(&wrong)),
        push(secure(&right)),
        Push { insecure: true, ..push(secure(&wrong)) },
        Push { ca_file: Some("/nonexistent/ca.pem".into()), ..push(secure(&right)) },
    ])
    .await;
    // Begun in this order.
    let of = |id: u64| snapshots(&service).into_iter().find(|push| push.id == id).expect("registered");
    for id in [1, 4] {
        until(|| (of(id).status == PushStatus::Active).then_some(())).await;
    }
    for (id, said) in [(2, "not valid for name"), (3, "UnknownIssuer"), (5, "ca_file /nonexistent/ca.pem: ")]
    {
        let failed = until(|| Some(of(id)).filter(|push| !push.errors.is_empty())).await;
        assert_eq!((failed.status, failed.reason), (PushStatus::Reconnecting, Some(Reason::Tls)));
        assert!(failed.errors[0].message.contains(said), "{failed:?}");
    }
    until(|| (right.tags() > 100).then_some(())).await;
    begins_well(&right.only());
    assert_eq!(breaks(&right.only().pictures()), 0);
    service.shutdown().await;
}

#[tokio::test]
async fn a_name_without_an_address() {
    let service = start(vec![push(format!("rtmp://nothing.invalid/live/{KEY}"))]).await;
    let failed = until_it(&service, |push| !push.errors.is_empty()).await;
    assert_eq!((failed.status, failed.reason), (PushStatus::Reconnecting, Some(Reason::Dns)));
    let said = &failed.errors[0].message;
    assert!(said.starts_with("no address for nothing.invalid: "), "{said}");
    service.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_pushed_to_has_failed_at_once_and_stays_so() {
    let service = start(vec![push(format!("srt://host/{KEY}"))]).await;
    let failed = until_it(&service, |push| push.status == PushStatus::Failed).await;
    assert_eq!((failed.reason, failed.attempt, &*failed.url), (Some(Reason::Url), 0, "srt://host/***"));
    let said = "cannot push to srt://: only rtmp:// and rtmps:// can be pushed to";
    assert_eq!(failed.errors[0].message, said);
    service.shutdown().await;
}

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

#[tokio::test]
async fn twenty_that_fail_together_come_back_all_and_not_at_one_moment() {
    let address = Peer::nobody().await;
    let retry_timeout = Duration::from_secs(2);
    let of = |number| Push { retry_timeout, ..push(format!("rtmp://{address}/live/{KEY}{number}")) };
    let service = start((0..20).map(of).collect()).await;
    let failed = until(|| {
        let all = snapshots(&service);
        all.iter().all(|push| push.status == PushStatus::Reconnecting && push.attempt == 1).then_some(all)
    })
    .await;
    failed.iter().for_each(|push| is_due_after(push, retry_timeout));
    let mut due: Vec<_> = failed.iter().filter_map(|push| push.next_attempt_at).collect();
    due.sort_unstable();
    let spread = due[19].duration_since(due[0]).expect("sorted");
    assert!(spread > retry_timeout / 8, "{spread:?}: by chance in one of 10^10 runs");
    let peer = Peer::at(address, Mood::Takes, None);
    until(|| snapshots(&service).iter().all(|push| push.status == PushStatus::Active).then_some(())).await;
    assert_eq!(peer.accepted().len(), 20, "one connection each");
    service.shutdown().await;
}

#[tokio::test]
async fn of_twenty_one_stalls_and_the_others_lose_nothing() {
    let peer = Peer::start(Mood::Takes);
    let stalling = Peer::start(Mood::StopsReading(30));
    let mut pushes: Vec<_> = (0..19).map(|number| push(peer.url(&format!("{KEY}{number}")))).collect();
    pushes.push(Push { timeout: TIMEOUT, ..push(stalling.url(KEY)) });
    let service = start(pushes).await;
    let of_stalling = |push: &PushSnapshot| push.url == stalling.url("***");
    let is_stalled = |push: &PushSnapshot| of_stalling(push) && !push.errors.is_empty();
    until(|| snapshots(&service).iter().any(is_stalled).then_some(())).await;
    let pictures = |publication: &Publication| publication.pictures().len();
    let so_far = peer.publications().iter().map(pictures).max().expect("publications");
    until(|| peer.publications().iter().all(|each| pictures(each) > so_far + 25).then_some(())).await;
    for push in snapshots(&service).iter().filter(|push| !of_stalling(push)) {
        assert_eq!((push.status, push.attempt, push.skipped_gops), (PushStatus::Active, 1, 0));
        assert!(push.errors.is_empty());
    }
    assert_eq!(peer.publications().len(), 19);
    assert!(peer.publications().iter().all(|publication| breaks(&publication.pictures()) == 0));
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
async fn each_step_of_a_proof_is_a_connection_of_the_same_attempt() {
    for convinced in [true, false] {
        let (address, seen) = prover::start(convinced).await;
        let service = start(vec![push(format!("rtmp://bob:{KEY}@{address}/live/{KEY}"))]).await;
        if convinced {
            until(|| (seen.lock().expect("whole").pictures > 20).then_some(())).await;
            let active = until_active(&service).await;
            assert_eq!((active.attempt, active.errors.len()), (1, 0));
            assert_eq!(active.url, format!("rtmp://***@{address}/live/***"));
        } else {
            let failed = until_it(&service, |push| !push.errors.is_empty()).await;
            assert_eq!((failed.attempt, failed.reason), (1, Some(Reason::Denied)));
            let said =
                "the server denied it: user name or password is wrong (NetConnection.Connect.Rejected)";
            assert_eq!(failed.errors[0].message, said);
        }
        let apps = seen.lock().expect("whole").apps.clone();
        assert_eq!(apps[..2], ["live", "live?authmod=adobe&user=bob"]);
        assert!(apps[2].starts_with("live?authmod=adobe&user=bob&challenge=") && !apps[2].contains(KEY));
        service.shutdown().await;
    }
}

#[tokio::test]
async fn a_peer_that_announces_enhanced_rtmp_gets_hevc() {
    let peer = Peer::start(Mood::Takes);
    let stream = Stream { pushes: vec![push(peer.url(KEY))], ..Stream::new(code("news")) };
    let server = Server::start(Settings::default(), vec![stream]).await;
    let _encoder = Encoder::start(server.address, "news", h265_flv()).await.expect("let in");
    assert_eq!(until_active(&server.service).await.warnings, [""; 0]);
    until(|| (peer.tags() > 20).then_some(())).await;
    let publication = peer.only();
    let is_hevc =
        |tag: &&Tag| tag.kind == TagKind::Video && tag.body[0] & 0x80 != 0 && tag.body[1..5] == *b"hvc1";
    let of_hevc = publication.tags.iter().filter(is_hevc).count();
    assert_eq!(of_hevc + 1, publication.tags.len(), "all but the description");
    server.service.shutdown().await;
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
