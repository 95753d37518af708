//! HLS as a CDN and a player ask for it.

use http::{Method, StatusCode};
use publisher::Service;
use publisher::session::{Ended, Protocol, Role};

use crate::world::{address, all, clip_stream, code, get_dash, get_hls, reason, request, text, uris, viewer};

#[tokio::test]
async fn the_first_request_waits_and_leads_to_segments_that_are_there() {
    let service = Service::for_testing();
    service.start(clip_stream("region/news")).await.expect("started");
    let multivariant = get_hls(&service, "region/news", "index.m3u8").await;
    assert_eq!(multivariant.status(), StatusCode::OK);
    assert_eq!(multivariant.headers()["content-type"], "application/vnd.apple.mpegurl");
    let multivariant = text(multivariant).await;
    assert!(multivariant.contains("CODECS=\"avc1."), "{multivariant}");
    let media = text(get_hls(&service, "region/news", uris(&multivariant)[0]).await).await;
    let segment = get_hls(&service, "region/news", uris(&media)[0]).await;
    assert_eq!(segment.status(), StatusCode::OK);
    assert_eq!(segment.headers()["content-type"], "video/mp2t");
    assert!(segment.headers()["cache-control"].to_str().expect("text").contains("immutable"));
    let length: usize =
        segment.headers()["content-length"].to_str().expect("text").parse().expect("a number");
    let bytes = all(segment).await;
    assert_eq!((bytes.len(), bytes[0], bytes.len() % 188), (length, 0x47, 0));
    assert!(service.sessions().list().iter().any(|session| session.protocol == Protocol::Hls));
    service.stop(&code("region/news")).await.expect("stopped");
    assert_eq!(reason(&service, Role::Viewer).await, Ended::StreamStopped);
}

#[tokio::test]
async fn every_viewer_gets_identical_bytes_and_a_known_version_is_not_sent_again() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let first = get_hls(&service, "news", "index.m3u8").await;
    let tag = first.headers()["etag"].to_str().expect("text").to_owned();
    let first = all(first).await;
    let again = request(Method::GET, &[("if-none-match", &tag)]);
    let again = service.handle_hls(&again, viewer(), &address("news@track_1"), "index.m3u8").await;
    match again.status() {
        StatusCode::NOT_MODIFIED => assert_eq!(all(again).await.len(), 0),
        // The measured bandwidth may have changed between the two requests.
        status => assert_ne!((status, all(again).await), (StatusCode::OK, first)),
    }
    service.shutdown().await;
}

#[tokio::test]
async fn a_viewer_that_asks_no_more_has_left() {
    let viewer_idle = std::time::Duration::from_millis(100);
    let settings = publisher::config::Settings { viewer_idle, ..Default::default() };
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    get_hls(&service, "news", "index.m3u8").await;
    assert_eq!(reason(&service, Role::Viewer).await, Ended::Idle(viewer_idle));
    service.shutdown().await;
}

#[tokio::test]
async fn one_client_of_many_names_takes_nobody_elses_place() {
    let mut settings = publisher::config::Settings::default();
    settings.limits.viewers_per_stream = 400;
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    get_hls(&service, "news", "index.m3u8").await;
    let ask = async |peer: &str, agent: &str| {
        let request = request(Method::GET, &[("user-agent", agent)]);
        let peer = peer.parse().expect("an address");
        service.handle_hls(&request, peer, &address("news"), "index.m3u8").await.status()
    };
    for number in 0..1000 {
        assert_eq!(ask("192.0.2.1:5000", &format!("agent {number}")).await, StatusCode::OK);
    }
    assert_eq!(ask("192.0.2.2:5000", "agent").await, StatusCode::OK, "there is room for others");
    service.shutdown().await;
}

#[tokio::test]
async fn who_waits_for_media_is_told_when_the_stream_ends() {
    let service = Service::for_testing();
    service.start(publisher::config::Stream::new(code("news"))).await.expect("started");
    let waiting = tokio::spawn({
        let service = std::sync::Arc::clone(&service);
        async move {
            let both = tokio::join!(
                get_hls(&service, "news", "index.m3u8"),
                get_dash(&service, "news", "index.mpd"),
            );
            [both.0.status(), both.1.status()]
        }
    });
    tokio::task::yield_now().await;
    let since = std::time::Instant::now();
    service.shutdown().await;
    assert_eq!(waiting.await.expect("answers"), [StatusCode::NOT_FOUND; 2]);
    assert!(since.elapsed().as_secs() < 3, "join_timeout is 5 s");
}

#[tokio::test]
async fn what_does_not_exist_is_404_at_once() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    for (stream, file) in [
        ("news", "track_2.m3u8"),
        ("news", "track_1-x-1.ts"),
        ("news", "../news/index.m3u8"),
        ("news@720p", "index.m3u8"),
        ("other", "index.m3u8"),
    ] {
        assert_eq!(get_hls(&service, stream, file).await.status(), StatusCode::NOT_FOUND, "{stream}/{file}");
    }
    service.shutdown().await;
}
