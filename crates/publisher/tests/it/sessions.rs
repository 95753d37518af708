//! Sessions: alike for every protocol, and ended by an operator.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use publisher::config::{Settings, Stream};
use publisher::session::{Ended, Protocol, Role, SessionStatus, State, Token};
use publisher::{Body, Service};

use crate::encoder::Encoder;
use crate::player::Player;
use crate::rtsp_client::{Ports, Server, TESTKIT, datagram};
use crate::rtsp_play;
use crate::witness::watch;
use crate::world::{address, code, get_hls, get_mpegts, named, request, short, text, until, uris, viewer};

fn statuses(service: &Service) -> Vec<SessionStatus> {
    service.sessions().list().iter().map(|session| session.status()).collect()
}

fn only(service: &Service, role: Role, protocol: Protocol) -> Option<SessionStatus> {
    statuses(service).into_iter().find(|status| (status.role, status.protocol) == (role, protocol))
}

async fn on_the_air(settings: Settings) -> (Server, Encoder) {
    let server = Server::start(settings, vec![Stream::new(code("news"))]).await;
    let encoder = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("let in");
    (server, encoder)
}

/// Why the session ended, once it has.
async fn ended(service: &Service, id: u64) -> Ended {
    until(|| {
        let closed = service.sessions().closed();
        closed.into_iter().find(|closed| closed.session.id == id).map(|closed| closed.reason)
    })
    .await
}

/// Asks for a file of HLS or DASH as a viewer of that name, with a token or without.
async fn ask(service: &Arc<Service>, file: &str, agent: &str, token: Option<&str>) -> Response<Body> {
    let mut request = request(Method::GET, &[("user-agent", agent)]);
    request.extensions.extend(
        token
            .map(|token| {
                let mut extensions = http::Extensions::new();
                extensions.insert(Token::new(token));
                extensions
            })
            .unwrap_or_default(),
    );
    let news = address("news");
    match file.rsplit('.').next() {
        Some("mpd") => service.handle_dash(&request, viewer(), &news, file).await,
        Some("m4s" | "mp4") => service.handle_fragment(&request, viewer(), &news, file).await,
        _ => service.handle_hls(&request, viewer(), &news, file).await,
    }
}

#[tokio::test]
async fn sessions_are_alike_for_every_protocol() {
    let (server, _encoder) = on_the_air(short()).await;
    let service = &server.service;
    let _mpegts = watch(get_mpegts(service, "news").await.into_body());
    let mut rtmp = Player::start(server.rtmp, "news").await.expect("let in");
    tokio::spawn(async move { while rtmp.next().await.is_some() {} });
    let mut rtsp = rtsp_play::Player::start(server.client("news").await).await;
    tokio::spawn(async move { while rtsp.next().await.is_some() {} });
    assert_eq!(ask(service, "index.m3u8", "one", None).await.status(), StatusCode::OK);
    assert_eq!(ask(service, "index.m3u8", "one", Some("geheim")).await.status(), StatusCode::OK);
    assert_eq!(ask(service, "index.mpd", "one", None).await.status(), StatusCode::OK);
    // Viewers with a connection are told of in steps of 16 KiB.
    let all = until(|| {
        let all = statuses(service);
        (all.len() == 7 && all.iter().all(|one| one.bytes > 0)).then_some(all)
    })
    .await;
    for one in &all {
        let status = format!("{one:?}");
        assert!(
            one.stream == code("news") && one.agent.is_some() == (one.protocol != Protocol::MpegTs),
            "{status}"
        );
        assert!(one.peer.is_some() && one.rendition.is_none() && one.skipped_gops == 0, "{status}");
        assert!(one.state == State::Active && one.bits_per_second > 0, "{status}");
        assert!(!status.contains("geheim"), "{status}");
    }
    let of = |protocol| all.iter().filter(move |one| one.protocol == protocol && one.role == Role::Viewer);
    let estimated: Vec<bool> = of(Protocol::Hls).map(|one| one.estimated).collect();
    assert_eq!(estimated, [true, false], "a token tells for certain");
    assert!(of(Protocol::Dash).all(|one| one.estimated) && of(Protocol::Rtmp).all(|one| !one.estimated));
    let id = of(Protocol::Hls).next().expect("a viewer").id;
    until(|| (service.sessions().find(id)?.status().state == State::Idle).then_some(())).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_is_kicked_is_gone_and_nobody_else() {
    let (server, _encoder) = on_the_air(short()).await;
    let service = &server.service;
    let control = watch(get_mpegts(service, "news").await.into_body());
    let mpegts = watch(get_mpegts(service, "news").await.into_body());
    let rtmp = Player::start(server.rtmp, "news").await.expect("let in");
    let mut tcp = rtsp_play::Player::start(server.client("news").await).await;
    let mut udp = server.client("news").await;
    let ports = Ports::bind().await;
    udp.describe().await.done();
    udp.set_up(0, &ports.offer()).await.done();
    udp.play().await.done();
    datagram(&ports.rtp).await;
    let viewers = |protocol| {
        let all = statuses(service).into_iter();
        all.filter(move |one| one.role == Role::Viewer && one.protocol == protocol)
            .map(|one| one.id)
            .collect::<Vec<_>>()
    };
    let [_, of_mpegts] = viewers(Protocol::MpegTs)[..] else { panic!("two viewers") };
    let [of_tcp, of_udp] = viewers(Protocol::Rtsp)[..] else { panic!("two viewers") };
    let of_rtmp = viewers(Protocol::Rtmp)[0];
    for id in [of_mpegts, of_rtmp, of_tcp, of_udp] {
        assert!(service.sessions().kick(id));
        assert_eq!(ended(service, id).await, Ended::Kicked);
        assert!(!service.sessions().kick(id), "it is gone");
    }
    until(|| mpegts.has_ended().then_some(())).await;
    rtmp.end().await.expect("ended, and not broken off");
    while tcp.next().await.is_some() {}
    udp.end().await;
    let length = control.len();
    until(|| (control.len() > length).then_some(())).await;
    let publisher = only(service, Role::Publisher, Protocol::Rtmp).expect("it publishes");
    assert!(service.sessions().kick(publisher.id));
    assert_eq!(ended(service, publisher.id).await, Ended::Kicked);
    assert!(!control.has_ended(), "viewers stay");
    let _again = Encoder::start(server.rtmp, "news", TESTKIT).await.expect("it may come again");
    assert!(!service.sessions().kick(4711));
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_file_that_is_kicked_begins_anew() {
    let service = Service::for_testing();
    service.start(crate::world::clip_stream("clip")).await.expect("started");
    let first = until(|| only(&service, Role::Publisher, Protocol::File)).await.id;
    assert!(service.sessions().kick(first));
    until(|| only(&service, Role::Publisher, Protocol::File).filter(|status| status.id != first)).await;
    service.shutdown().await;
}

#[tokio::test]
async fn a_kicked_viewer_of_hls_or_dash_cannot_go_on_for_a_while() {
    let kick_time = Duration::from_secs(3600);
    let (server, _encoder) = on_the_air(Settings { kick_time, ..short() }).await;
    let service = &server.service;
    for (file, protocol, is_media) in
        [("track_1.m3u8", Protocol::Hls, ".ts"), ("index.mpd", Protocol::Dash, ".m4s")]
    {
        let list = text(ask(service, file, "kicked", None).await).await;
        let names: Vec<String> = match protocol {
            Protocol::Hls => uris(&list).into_iter().map(str::to_owned).collect(),
            _ => named(&list),
        };
        let media = names.into_iter().rfind(|name| name.ends_with(is_media)).expect("a segment");
        for (agent, token) in [("other", None), ("kicked", Some("good")), ("kicked", None)] {
            for file in [file, &media] {
                assert_eq!(ask(service, file, agent, token).await.status(), StatusCode::OK, "{file}");
            }
        }
        let kicked = until(|| {
            let all = statuses(service).into_iter();
            all.filter(|one| one.protocol == protocol && one.estimated)
                .find(|one| one.agent.as_deref() == Some("kicked"))
        })
        .await;
        assert!(service.sessions().kick(kicked.id));
        assert!(service.sessions().find(kicked.id).is_none(), "gone at once");
        assert_eq!(ended(service, kicked.id).await, Ended::Kicked);
        for file in [file, &media] {
            assert_eq!(ask(service, file, "kicked", None).await.status(), StatusCode::FORBIDDEN, "{file}");
            assert_eq!(ask(service, file, "other", None).await.status(), StatusCode::OK, "{file}");
            assert_eq!(ask(service, file, "kicked", Some("good")).await.status(), StatusCode::OK, "{file}");
        }
        let left = statuses(service).iter().filter(|one| one.protocol == protocol).count();
        assert_eq!(left, 2, "who is refused has no session");
    }
    let by_token = statuses(service).into_iter().find(|one| one.protocol == Protocol::Hls && !one.estimated);
    assert!(service.sessions().kick(by_token.expect("a viewer").id));
    assert_eq!(ask(service, "index.m3u8", "any", Some("good")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(ask(service, "index.m3u8", "any", Some("better")).await.status(), StatusCode::OK);
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_was_kicked_is_let_in_again_after_its_time() {
    let (server, _encoder) = on_the_air(Settings { kick_time: Duration::from_millis(300), ..short() }).await;
    let service = &server.service;
    assert_eq!(get_hls(service, "news", "index.m3u8").await.status(), StatusCode::OK);
    let id = only(service, Role::Viewer, Protocol::Hls).expect("a viewer").id;
    assert!(service.sessions().kick(id));
    let again = async {
        while get_hls(service, "news", "index.m3u8").await.status() != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::world::PATIENCE, again).await.expect("in time");
    let new = only(service, Role::Viewer, Protocol::Hls).expect("a viewer");
    assert!(new.id != id && service.sessions().list().len() == 2, "another session");
    server.service.shutdown().await;
}
