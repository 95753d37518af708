//! The sentences of the contract, one test each.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use publisher::config::{Listener, Protocols, Rendition, Settings, Stream};
use publisher::session::{Ended, Role};
use publisher::{Error, Service};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::encoder::Encoder;
use crate::rtsp_client::{Client, Server, TESTKIT, here};
use crate::rtsp_play;
use crate::world::{
    PATIENCE, address, all, clip_stream, code, get_hls, get_mpegts, reason, request, some, text, until,
    viewer,
};

#[tokio::test]
async fn starting_a_running_stream_is_an_error_that_changes_nothing() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let mut body = get_mpegts(&service, "news").await.into_body();
    let again = Stream { protocols: Protocols { mpegts: false, ..Protocols::BUILT }, ..clip_stream("news") };
    assert!(matches!(service.start(again).await, Err(Error::Running(running)) if running == code("news")));
    some(&mut body, 200_000).await;
    assert!(service.statuses()[0].protocols.mpegts);
    service.shutdown().await;
}

#[tokio::test]
async fn a_stream_is_active_once_started_with_or_without_media() {
    let service = Service::for_testing();
    service.start(Stream::new(code("quiet"))).await.expect("started");
    assert_eq!(service.statuses()[0].code, code("quiet"));
    assert!(service.statuses()[0].source.is_none());
    service.shutdown().await;
}

#[tokio::test]
async fn stop_ends_every_viewer_waits_and_forgets_the_stream() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let mut body = get_mpegts(&service, "news").await.into_body();
    some(&mut body, 1000).await;
    service.stop(&code("news")).await.expect("stopped");
    assert!(service.statuses().is_empty());
    drop(body);
    assert_eq!(reason(&service, Role::Viewer).await, Ended::StreamStopped);
    assert_eq!(reason(&service, Role::Publisher).await, Ended::StreamStopped);
    assert!(matches!(service.stop(&code("news")).await, Err(Error::NotRunning(_))));
    service.start(clip_stream("news")).await.expect("it can be started again");
    service.shutdown().await;
}

#[tokio::test]
async fn stop_removes_the_segment_directory_of_its_stream_alone() {
    let dir = std::env::temp_dir().join(format!("rillcast-stop-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let mut settings = Settings::default();
    settings.hls.dir = Some(dir.clone());
    let service = Service::new(settings).expect("a service");
    for name in ["region/a", "region/b"] {
        service.start(clip_stream(name)).await.expect("started");
    }
    for name in ["region/a", "region/b"] {
        until(|| dir.join(name).join("index.m3u8").exists().then_some(())).await;
    }
    service.stop(&code("region/a")).await.expect("stopped");
    assert!(!dir.join("region/a").exists());
    assert!(dir.join("region/b/index.m3u8").exists());
    service.shutdown().await;
    std::fs::remove_dir_all(dir).expect("cleaned");
}

#[tokio::test]
async fn mpegts_of_a_stream_that_is_not_running_is_404() {
    let service = Service::for_testing();
    let response = get_mpegts(&service, "nothing").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(response).await, "stream nothing is not running\n");
}

#[tokio::test]
async fn mpegts_that_is_switched_off_is_404() {
    let service = Service::for_testing();
    let off = Stream { protocols: Protocols { mpegts: false, ..Protocols::BUILT }, ..clip_stream("news") };
    service.start(off).await.expect("started");
    assert_eq!(get_mpegts(&service, "news").await.status(), StatusCode::NOT_FOUND);
    service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_comes_before_the_media_waits_and_then_gets_404() {
    let settings = Settings { join_timeout: Duration::from_millis(50), ..Settings::default() };
    let service = Service::new(settings).expect("a service");
    service.start(Stream::new(code("quiet"))).await.expect("started");
    for response in [get_mpegts(&service, "quiet").await, get_hls(&service, "quiet", "index.m3u8").await] {
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert_eq!(text(response).await, "stream quiet has no media now\n");
    }
    service.shutdown().await;
}

#[tokio::test]
async fn mpegts_starts_with_tables_and_runs_until_the_client_leaves() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let response = get_mpegts(&service, "news").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "video/mp2t");
    let mut body = response.into_body();
    let bytes = some(&mut body, 100_000).await;
    assert_eq!((bytes[0], u16::from_be_bytes([bytes[1] & 0x1F, bytes[2]])), (0x47, 0), "the PAT comes first");
    assert!(
        service.sessions().list().iter().any(|session| session.role == Role::Viewer && session.bytes() > 0)
    );
    drop(body);
    assert_eq!(reason(&service, Role::Viewer).await, Ended::ClientLeft);
    service.shutdown().await;
}

#[tokio::test]
async fn mpegts_ends_when_its_session_is_cancelled() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let response = get_mpegts(&service, "news").await;
    let sessions = service.sessions().list();
    let session = sessions.iter().find(|session| session.role == Role::Viewer).expect("a viewer");
    session.cancel(Ended::Kicked);
    all(response).await;
    assert_eq!(reason(&service, Role::Viewer).await, Ended::Kicked);
    service.shutdown().await;
}

#[tokio::test]
async fn head_tells_without_a_viewer() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let response = service.handle_mpegts(&request(Method::HEAD, &[]), viewer(), &address("news")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(service.sessions().list().iter().all(|session| session.role == Role::Publisher));
    service.shutdown().await;
}

#[tokio::test]
async fn a_running_listener_keeps_its_address_until_it_is_run_again() {
    let service = Service::for_testing();
    let first = service.bind_rtmp().expect("bound").expect("enabled");
    let before = first.local_addr().expect("an address");
    let cancel = CancellationToken::new();
    let running = tokio::spawn(first.run(cancel.clone()));
    let mut listeners = Settings::default().listeners;
    listeners.rtmp = Listener { enabled: true, listen_host: Some(before.ip()), port: 0 };
    service.set_listeners(listeners.clone());
    TcpStream::connect(before).await.expect("still there");
    cancel.cancel();
    tokio::time::timeout(PATIENCE, running).await.expect("in time").expect("no panic");
    let second = service.bind_rtmp().expect("bound").expect("enabled");
    assert_ne!(second.local_addr().expect("an address"), before);
    listeners.rtmp.enabled = false;
    service.set_listeners(listeners);
    assert!(service.bind_rtmp().expect("nothing to fail").is_none(), "disabled");
}

#[tokio::test]
async fn the_rtsp_server_returns_at_once_when_it_is_disabled() {
    let mut settings = Settings::default();
    settings.listeners.rtsp.enabled = false;
    let service = Service::new(settings).expect("a service");
    assert!(service.bind_rtsp().expect("nothing to fail").is_none());
    let run = service.run_rtsp_play_server(CancellationToken::new());
    tokio::time::timeout(PATIENCE, run).await.expect("at once").expect("that is no error");
}

/// A listener on a port that was free just now.
fn free_port() -> Listener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    Listener { port: listener.local_addr().expect("bound").port(), ..here() }
}

fn address_of(listener: &Listener) -> SocketAddr {
    SocketAddr::new(listener.listen_host.expect("set"), listener.port)
}

/// A client, once somebody listens there.
async fn connected(address: SocketAddr) -> Client {
    let connecting = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Client::connect(address, "news").await
    };
    tokio::time::timeout(PATIENCE, connecting).await.expect("in time")
}

#[tokio::test]
async fn the_rtsp_server_moves_when_it_is_run_again_and_who_plays_stays() {
    let mut settings = Settings::default();
    settings.listeners.rtsp = free_port();
    let mut listeners = settings.listeners.clone();
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("news")).await.expect("started");
    let run = |cancel: CancellationToken| {
        let service = std::sync::Arc::clone(&service);
        tokio::spawn(async move { service.run_rtsp_play_server(cancel).await })
    };
    let (first, before) = (CancellationToken::new(), address_of(&listeners.rtsp));
    let running = run(first.clone());
    let mut player = connected(before).await;
    player.start().await;
    listeners.rtsp = free_port();
    service.set_listeners(listeners.clone());
    connected(before).await.describe().await.done();
    let after = address_of(&listeners.rtsp);
    assert!(TcpStream::connect(after).await.is_err(), "the one that runs keeps its address");
    first.cancel();
    let ended = tokio::time::timeout(PATIENCE, running).await.expect("in time").expect("no panic");
    ended.expect("its end is no error");
    let second = CancellationToken::new();
    let running = run(second.clone());
    connected(after).await.describe().await.done();
    assert!(TcpStream::connect(before).await.is_err(), "nobody listens where it was");
    for _ in 0..50 {
        player.packet().await.expect("who plays notices nothing");
    }
    // The end of the service ends it too.
    service.shutdown().await;
    let ended = tokio::time::timeout(PATIENCE, running).await.expect("in time").expect("no panic");
    ended.expect("its end is no error");
}

#[tokio::test]
async fn who_plays_by_rtsp_notices_nothing_of_a_restart_of_hls_and_dash() {
    let ladder = |names: &[&str]| Stream {
        renditions: names.iter().map(|name| Rendition::new(*name)).collect(),
        ..Stream::new(code("news"))
    };
    let server = Server::with(ladder(&["low", "high"])).await;
    let _low = Encoder::start(server.rtmp, "news@low", TESTKIT).await.expect("let in");
    let _high = Encoder::start(server.rtmp, "news@high", TESTKIT).await.expect("let in");
    let mut low = rtsp_play::Player::start(server.client("news@low").await).await;
    let mut high = rtsp_play::Player::start(server.client("news@high").await).await;
    low.follow(10).await;
    server.service.restart_hls_dash(&ladder(&["low", "high", "top"])).await.expect("restarted");
    low.follow(40).await;
    high.follow(40).await;
    assert!(server.service.sessions().closed().is_empty());
    // Only who plays a rung that is taken out ends.
    server.service.restart_hls_dash(&ladder(&["low", "top"])).await.expect("restarted");
    while high.next().await.is_some() {}
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::RenditionRemoved);
    low.follow(40).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn an_rtsp_port_that_is_taken_is_told_with_its_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut settings = Settings::default();
    settings.listeners.rtsp = Listener { port: taken.local_addr().expect("bound").port(), ..here() };
    let service = Service::new(settings).expect("a service");
    let error = service.run_rtsp_play_server(CancellationToken::new()).await.expect_err("taken");
    assert!(matches!(error, Error::Listen { setting: "listeners.rtsp.port", .. }), "{error}");
}

#[tokio::test]
async fn shutdown_ends_everything_with_its_own_reason() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    let body = get_mpegts(&service, "news").await.into_body();
    service.shutdown().await;
    drop(body);
    assert_eq!(reason(&service, Role::Viewer).await, Ended::Shutdown);
    assert_eq!(reason(&service, Role::Publisher).await, Ended::Shutdown);
}

#[tokio::test]
async fn a_stop_that_nobody_waits_for_frees_the_code_all_the_same() {
    let service = Service::for_testing();
    service.start(clip_stream("news")).await.expect("started");
    // Polled once, so that it has begun, and dropped.
    let stopping = tokio::time::timeout(Duration::ZERO, service.stop(&code("news"))).await;
    assert!(stopping.is_err() || service.statuses().is_empty());
    service.start(clip_stream("news")).await.expect("started again");
    service.shutdown().await;
}
