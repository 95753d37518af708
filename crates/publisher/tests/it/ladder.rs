//! ABR ladders: each rung is published over a socket of its own, and played by its name.

use std::time::Duration;

use http::StatusCode;
use publisher::config::{Input, Rendition, Secret, Settings, Source, Stream};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Body, Error, RenditionStatus, Service, StreamStatus};

use crate::encoder::{AGENT, Encoder, sps};
use crate::rtmp::Server;
use crate::world::{CLIP, code, get_hls, get_mpegts, some, text, until};

/// 960x540.
static HIGH: &[u8] = CLIP;
/// 160x90, the same length.
pub(crate) static LOW: &[u8] = include_bytes!("../../../testkit/testdata/clip.flv");

/// A ladder with the small rung first.
fn ladder() -> Stream {
    let renditions = ["low", "high"].map(Rendition::new).to_vec();
    Stream { renditions, ..Stream::new(code("region/news")) }
}

impl Server {
    pub(crate) async fn publish(&self, name: &str, flv: &'static [u8]) -> Encoder {
        Encoder::start(self.address, name, flv).await.unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    pub(crate) async fn refused(&self, name: &str) -> String {
        Encoder::start(self.address, name, LOW).await.err().unwrap_or_else(|| panic!("{name} is taken"))
    }

    pub(crate) fn status(&self) -> StreamStatus {
        self.service.statuses().remove(0)
    }

    pub(crate) fn rung(&self, name: &str) -> RenditionStatus {
        self.status().renditions.into_iter().find(|rung| rung.config.name == name).expect(name)
    }

    /// Waits until media comes on these rungs.
    pub(crate) async fn is_live(&self, rungs: &[&str]) {
        let live = |name: &&str| {
            let rung = self.rung(name);
            rung.source.is_some() && rung.silent_for.is_some_and(|silent| silent < Duration::from_millis(500))
        };
        until(|| rungs.iter().all(live).then_some(())).await;
    }

    /// Bytes that a viewer of this address gets first.
    async fn watch(&self, address: &str) -> Vec<u8> {
        some(&mut self.viewer(address).await, 20_000).await
    }

    pub(crate) async fn viewer(&self, address: &str) -> Body {
        let response = get_mpegts(&self.service, address).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        response.into_body()
    }
}

fn shows(bytes: &[u8], flv: &'static [u8]) -> bool {
    let sps = sps(flv);
    bytes.windows(sps.len()).any(|window| window == sps)
}

#[tokio::test]
async fn rungs_are_fed_and_played_by_their_names_and_without_one_the_best_is_played() {
    let server = Server::with(ladder()).await;
    let _low = server.publish("region/news@low", LOW).await;
    server.is_live(&["low"]).await;
    assert!(shows(&server.watch("region/news").await, LOW), "the only one that is there");
    let high = server.publish("region/news@high", HIGH).await;
    server.is_live(&["low", "high"]).await;
    assert!(shows(&server.watch("region/news@low").await, LOW));
    assert!(shows(&server.watch("region/news@high").await, HIGH));
    assert!(shows(&server.watch("region/news").await, HIGH), "it is larger");

    let _viewers = (server.viewer("region/news@low").await, server.viewer("region/news").await);
    let sessions = server.service.sessions().list();
    let of = |role: Role| -> Vec<Option<&str>> {
        let of_role = sessions.iter().filter(|session| session.role == role);
        of_role.map(|session| session.rendition.as_deref()).collect()
    };
    assert_eq!(of(Role::Publisher), [Some("low"), Some("high")]);
    assert_eq!(of(Role::Viewer), [Some("low"), Some("high")], "also who named none");

    drop(high);
    until(|| server.rung("high").silent_for.filter(|silent| *silent > Duration::from_secs(3))).await;
    assert!(shows(&server.watch("region/news").await, LOW), "nothing comes from the better one any more");
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_comes_before_the_media_gets_the_best_rung_too() {
    let server = Server::with(ladder()).await;
    let viewer = tokio::spawn({
        let service = std::sync::Arc::clone(&server.service);
        async move { some(&mut get_mpegts(&service, "region/news").await.into_body(), 20_000).await }
    });
    tokio::task::yield_now().await;
    let _encoders =
        (server.publish("region/news@low", LOW).await, server.publish("region/news@high", HIGH).await);
    assert!(shows(&viewer.await.expect("served"), HIGH));
    server.service.shutdown().await;
}

#[tokio::test]
async fn the_configured_rate_tells_the_best_of_equal_pictures() {
    let rung = |name: &str, kbps| Rendition { bitrate_kbps: Some(kbps), ..Rendition::new(name) };
    let stream = Stream { renditions: vec![rung("a", 100), rung("b", 300), rung("c", 200)], ..ladder() };
    let server = Server::with(stream).await;
    let mut encoders = Vec::new();
    for name in ["a", "b", "c"] {
        encoders.push(server.publish(&format!("region/news@{name}"), LOW).await);
    }
    server.is_live(&["a", "b", "c"]).await;
    let status = server.status();
    let best = status.renditions.iter().find(|rung| rung.config.name == "b").expect("b");
    assert_eq!(status.source.map(|source| source.session), best.source.as_ref().map(|source| source.session));
    server.service.shutdown().await;
}

#[tokio::test]
async fn what_names_no_rung_is_refused_with_the_names() {
    let server = Server::with(ladder()).await;
    assert_eq!(
        server.refused("region/news").await,
        "stream region/news has several renditions, each with an address of its own: \
         region/news@low, region/news@high"
    );
    let wrong = "stream region/news has no rendition \"480p\"; it has low, high";
    assert_eq!(server.refused("region/news@480p").await, wrong);
    let response = get_mpegts(&server.service, "region/news@480p").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(response).await, format!("{wrong}\n"));
    assert_eq!(
        get_hls(&server.service, "region/news@480p", "index.m3u8").await.status(),
        StatusCode::NOT_FOUND
    );
    assert!(server.service.sessions().closed().is_empty(), "nobody had a session");
    let _low = server.publish("region/news@low", LOW).await;
    for address in ["region/news", "region/news@low"] {
        let response = get_hls(&server.service, address, "index.m3u8").await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_stream_without_a_ladder_is_one_rung_with_the_default_name() {
    let server = Server::with(Stream::new(code("cam"))).await;
    assert_eq!(server.refused("cam@720p").await, "stream cam has no rendition \"720p\"; it has track_1");
    let named = server.publish("cam@track_1", LOW).await;
    server.is_live(&["track_1"]).await;
    drop(named);
    let _bare = until_taken(&server, "cam", LOW).await;
    server.is_live(&["track_1"]).await;
    assert!(shows(&server.watch("cam@track_1").await, LOW) && shows(&server.watch("cam").await, LOW));
    server.service.shutdown().await;
}

/// Publishes as soon as nobody else does.
async fn until_taken(server: &Server, name: &str, flv: &'static [u8]) -> Encoder {
    until(|| server.status().renditions.iter().any(|rung| rung.source.is_none()).then_some(())).await;
    server.publish(name, flv).await
}

#[tokio::test]
async fn without_keys_a_rung_that_is_fed_takes_no_second_encoder() {
    let server = Server::with(ladder()).await;
    let _low = server.publish("region/news@low", LOW).await;
    server.is_live(&["low"]).await;
    assert_eq!(
        server.refused("region/news@low").await,
        "region/news@low: the stream has a publisher already"
    );
    let _high = server.publish("region/news@high", HIGH).await;
    server.is_live(&["low", "high"]).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn with_the_key_a_second_encoder_takes_its_rung_alone_and_the_epoch_goes_on() {
    let server = Server::with(Stream { stream_key: Some(Secret::new("k")), ..ladder() }).await;
    assert_eq!(server.refused("region/news@low").await, "region/news@low: wrong or missing stream key");
    let _low = server.publish("region/news@low?key=k", LOW).await;
    let _high = server.publish("region/news@high?key=k", HIGH).await;
    server.is_live(&["low", "high"]).await;
    let before = [server.rung("low"), server.rung("high")];
    let session = |rung: &RenditionStatus| rung.source.as_ref().map(|source| source.session);
    let _again = server.publish("region/news@low?key=k", LOW).await;
    let closed = until(|| server.service.sessions().closed().pop()).await;
    assert_eq!((closed.session.rendition.as_deref(), closed.reason), (Some("low"), Ended::TakenOver));
    let frames = |rung: &RenditionStatus| rung.media.tracks.iter().map(|track| track.frames).sum::<u64>();
    until(|| (frames(&server.rung("low")) > frames(&before[0]) + 100).then_some(())).await;
    assert_ne!(session(&server.rung("low")), session(&before[0]));
    assert_eq!(session(&server.rung("high")), session(&before[1]));
    for rung in [server.rung("low"), server.rung("high")] {
        assert_eq!((rung.media.epoch, rung.media.timeline.epochs), (before[1].media.epoch, 1));
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_encoder_that_restarts_all_its_rungs_opens_one_epoch() {
    let server = Server::with(ladder()).await;
    let encoders =
        [server.publish("region/news@low", LOW).await, server.publish("region/news@high", HIGH).await];
    server.is_live(&["low", "high"]).await;
    let before = server.rung("low").media.epoch.expect("an epoch");
    drop(encoders);
    until(|| server.status().source.is_none().then_some(())).await;
    let _again =
        [server.publish("region/news@high", HIGH).await, server.publish("region/news@low", LOW).await];
    let epoch = |name: &str| server.rung(name).media.epoch.filter(|epoch| epoch.id > before.id);
    let (low, high) = until(|| Some((epoch("low")?, epoch("high")?))).await;
    assert_eq!((low, server.status().media.timeline.epochs), (high, 2));
    server.service.shutdown().await;
}

#[tokio::test]
async fn the_status_has_each_rung_and_the_best_one_for_the_stream() {
    let server = Server::with(ladder()).await;
    let status = server.status();
    assert_eq!((status.renditions.len(), status.source.is_none(), status.silent_for), (2, true, None));
    let _encoders =
        (server.publish("region/news@low", LOW).await, server.publish("region/news@high", HIGH).await);
    server.is_live(&["low", "high"]).await;
    let status = server.status();
    let width = |media: &hub::Status| {
        media.tracks.iter().find_map(|track| track.track.codec.video()).map(|v| v.width)
    };
    assert_eq!(
        status.renditions.iter().map(|rung| rung.config.name.as_str()).collect::<Vec<_>>(),
        ["low", "high"]
    );
    assert_eq!(
        status.renditions.iter().map(|rung| width(&rung.media)).collect::<Vec<_>>(),
        [Some(160), Some(960)]
    );
    assert_eq!(width(&status.media), Some(960));
    for rung in &status.renditions {
        let source = rung.source.as_ref().expect("a source");
        assert_eq!((source.protocol, source.agent.as_deref()), (Protocol::Rtmp, Some(AGENT)));
        assert!(rung.media.bits_per_second > 0 && rung.warnings.is_empty() && rung.last_error.is_none());
    }
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_ladder_that_cannot_be_run_is_not_started() {
    let service = Service::for_testing();
    let file = Input { source: Source::Clip { flv: CLIP }, priority: 0 };
    let error = service.start(Stream { inputs: vec![file.clone()], ..ladder() }).await.expect_err("a file");
    assert!(matches!(&error, Error::Ladder(_, why) if why.contains("a file has one rendition")), "{error}");
    assert!(service.statuses().is_empty());
    let one = Stream { inputs: vec![file], renditions: vec![Rendition::new("720p")], ..ladder() };
    service.start(one).await.expect("a ladder of one");
    assert_eq!(get_mpegts(&service, "region/news@720p").await.status(), StatusCode::OK);
    assert_eq!(get_mpegts(&service, "region/news@track_1").await.status(), StatusCode::NOT_FOUND);
    service.shutdown().await;
}

#[tokio::test]
async fn hls_and_dash_want_directories_that_are_apart() {
    let dir = std::env::temp_dir().join(format!("rillcast-apart-{}", std::process::id()));
    for (hls, dash) in [("x", "x"), ("x", "x/dash"), ("x/hls", "x")] {
        let mut settings = Settings::default();
        (settings.hls.dir, settings.dash.dir) = (Some(dir.join(hls)), Some(dir.join(dash)));
        let error = Service::new(settings).err().expect("refused").to_string();
        assert!(error.starts_with("publisher.dash.dir ") && error.contains("apart"), "{error}");
    }
    assert!(!dir.exists(), "nothing was made or cleared");
}
