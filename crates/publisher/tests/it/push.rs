//! Push: what peers get, and what is said of each of their faults.

use std::time::{Duration, SystemTime};

use publisher::config::{Limits, Push, Settings, Stream};
use publisher::{PushSnapshot, PushStatus, Reason};
use rtmp::flv::{Tag, TagKind};

use crate::certificates::Authority;
use crate::encoder::{Encoder, h265_flv};
use crate::peer::{Mood, Peer, Publication};
use crate::prover;
use crate::pushing::*;
use crate::rtmp::Server;
use crate::world::{code, until};

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
    for (id, said) in [(2, "not valid for name"), (3, "localhost: "), (5, "ca_file /nonexistent/ca.pem: ")] {
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
