//! HLS and DASH of a running stream are restarted or announced anew: what else there is goes on.

use http::StatusCode;
use publisher::config::{AbrRepMeta, Rendition, Stream};
use publisher::session::{Ended, Role};
use publisher::{Error, Service};

use crate::encoder::Encoder;
use crate::rtmp::Server;
use crate::world::{clip_stream, code, get_hls, get_mpegts, reason, some, text, until};

static FLV: &[u8] = include_bytes!("../../../testkit/testdata/clip.flv");

fn renditions(names: &[&str]) -> Vec<Rendition> {
    names.iter().map(|name| Rendition::new(*name)).collect()
}

#[tokio::test]
async fn a_publisher_of_the_bare_code_ends_when_its_rung_is_no_longer_there() {
    let server = Server::with(Stream::new(code("news"))).await;
    let _encoder = Encoder::start(server.address, "news", FLV).await.expect("taken");
    let ladder = Stream { renditions: renditions(&["a", "b"]), ..Stream::new(code("news")) };
    server.service.restart_hls_dash(&ladder).await.expect("restarted");
    assert_eq!(reason(&server.service, Role::Publisher).await, Ended::RenditionRemoved);
    let _again = Encoder::start(server.address, "news@a", FLV).await.expect("taken");
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_file_feeds_the_rung_that_took_the_place_of_its_own() {
    let service = Service::for_testing();
    service.start(clip_stream("clip")).await.expect("started");
    some(&mut get_mpegts(&service, "clip@track_1").await.into_body(), 20_000).await;
    let renamed = Stream { renditions: renditions(&["hd"]), ..clip_stream("clip") };
    service.restart_hls_dash(&renamed).await.expect("restarted");
    some(&mut get_mpegts(&service, "clip@hd").await.into_body(), 20_000).await;
    assert_eq!(get_mpegts(&service, "clip@track_1").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(get_hls(&service, "clip", "index.m3u8").await.status(), StatusCode::OK);
    service.shutdown().await;
}

#[tokio::test]
async fn what_is_announced_anew_before_the_media_comes_is_not_forgotten_and_shown() {
    let server = Server::with(Stream { renditions: renditions(&["a"]), ..Stream::new(code("news")) }).await;
    let anew =
        AbrRepMeta { slug: "a".to_owned(), bandwidth: 9_000_000, width: 64, height: 36, has_audio: true };
    server.service.update_abr_master_meta(&code("news"), &[anew]).expect("it runs");
    let config = server.service.statuses()[0].renditions[0].config.clone();
    let expected =
        Rendition { bitrate_kbps: Some(9000), width: Some(64), height: Some(36), ..Rendition::new("a") };
    assert_eq!(config, expected);
    let _encoder = Encoder::start(server.address, "news", FLV).await.expect("taken");
    until(|| server.service.statuses()[0].silent_for).await;
    let playlist = text(get_hls(&server.service, "news", "index.m3u8").await).await;
    assert!(playlist.contains("BANDWIDTH=9000000,") && playlist.contains("RESOLUTION=64x36"), "{playlist}");
    let gone = server.service.update_abr_master_meta(&code("other"), &[]);
    assert!(matches!(gone, Err(Error::NotRunning(_))));
    server.service.shutdown().await;
}
