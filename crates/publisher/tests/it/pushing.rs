//! What the tests of push share: streams that are pushed, what is said of them, and what came of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use publisher::config::{Push, Settings, Stream};
use publisher::{PushSnapshot, PushStatus, Service};
use rtmp::flv::{Tag, TagKind};

use crate::encoder::tags;
use crate::peer::{Mood, Peer, Publication};
use crate::world::{CLIP, PATIENCE, clip_stream, code, until};

/// Never to be seen.
pub(crate) const KEY: &str = "geheim";
/// For peers that are to run into it; for all others it is longer than anything takes here.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
pub(crate) const RETRY: Duration = Duration::from_millis(400);
/// Bytes of the clip per second, roughly.
pub(crate) const RATE: usize = 95_000;

pub(crate) fn push(url: String) -> Push {
    Push { timeout: PATIENCE, retry_timeout: RETRY, ..Push::new(url) }
}

/// A stream that the clip feeds and that is pushed there.
pub(crate) fn pushed(pushes: Vec<Push>) -> Stream {
    Stream { pushes, ..clip_stream("news") }
}

pub(crate) async fn start(pushes: Vec<Push>) -> Arc<Service> {
    start_with(Settings::default(), pushes).await
}

pub(crate) async fn start_with(settings: Settings, pushes: Vec<Push>) -> Arc<Service> {
    let service = Service::new(settings).expect("a service");
    service.start(pushed(pushes)).await.expect("started");
    service
}

/// All pushes of the stream, which never show their key.
pub(crate) fn snapshots(service: &Service) -> Vec<PushSnapshot> {
    let status = service.runtime_status(&code("news")).unwrap_or_default();
    let json = serde_json::to_string(&status).expect("JSON");
    assert!(!json.contains(KEY) && !format!("{status:?}").contains(KEY), "{json}");
    status.pushes
}

pub(crate) fn only(service: &Service) -> PushSnapshot {
    let mut all = snapshots(service);
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Waits until the only push is like that.
pub(crate) async fn until_it(service: &Service, is: impl Fn(&PushSnapshot) -> bool) -> PushSnapshot {
    until(|| Some(only(service)).filter(&is)).await
}

pub(crate) async fn until_active(service: &Service) -> PushSnapshot {
    until_it(service, |push| push.status == PushStatus::Active).await
}

/// What a peer with this fault makes of the push: the snapshot once an attempt has failed.
pub(crate) async fn failed(mood: Mood) -> (Peer, Arc<Service>, PushSnapshot) {
    let timeout = if matches!(mood, Mood::Silent | Mood::StopsReading(_)) { TIMEOUT } else { PATIENCE };
    let peer = Peer::start(mood);
    let service = start(vec![Push { timeout, ..push(peer.url(KEY)) }]).await;
    let snapshot = until_it(&service, |push| !push.errors.is_empty()).await;
    assert_eq!(snapshot.status, PushStatus::Reconnecting);
    assert_eq!((snapshot.connected_at, snapshot.idle_since), (None, None));
    (peer, service, snapshot)
}

/// The next attempt is between half of the delay and all of it after the error.
pub(crate) fn is_due_after(snapshot: &PushSnapshot, delay: Duration) {
    const MOMENT: Duration = Duration::from_millis(250);
    let failed = snapshot.errors.last().expect("an error").at;
    let due = snapshot.next_attempt_at.expect("another attempt").duration_since(failed).expect("later");
    assert!(due + MOMENT >= delay / 2 && due <= delay + MOMENT, "{due:?} of {delay:?}");
}

/// Once the peer has no fault any more the push is active, on a later attempt, and what went wrong is still there.
pub(crate) async fn recovers(peer: &Peer, service: &Service) {
    peer.change(Mood::Takes);
    let active = until_active(service).await;
    assert!(active.attempt > 1 && active.connected_at.is_some() && active.reason.is_none(), "{active:?}");
    assert!(!active.errors.is_empty() && active.next_attempt_at.is_none());
}

/// Pictures of the clip by what they are made of: which of them it is.
pub(crate) fn numbers() -> BTreeMap<&'static [u8], usize> {
    let pictures = tags(CLIP).into_iter().filter(|tag| tag.kind == 9 && tag.body[1] == 1);
    pictures.enumerate().map(|(number, tag)| (tag.body, number)).collect()
}

/// Follows the pictures of a publication through the clip, which begins again at its end: how often they do not go on where
/// they were. All are of the clip, the first is a key frame, and so is each that does not go on.
pub(crate) fn breaks(pictures: &[&Tag]) -> usize {
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
pub(crate) fn begins_well(publication: &Publication) {
    let [description, rest @ ..] = &publication.tags[..] else { panic!("no tags") };
    assert_eq!((description.kind, description.timestamp_ms), (TagKind::Script, 0));
    assert!(description.body.starts_with(b"\x02\x00\x0aonMetaData"));
    let headers: Vec<_> = rest.iter().take_while(|tag| tag.body[1] == 0).collect();
    assert_eq!(headers.len(), 2, "of sound and pictures");
    assert!(headers.iter().all(|header| header.timestamp_ms == 0));
    assert_eq!(publication.pictures()[0].timestamp_ms, 0);
}
