//! Inputs that call over SRT: against a listener of our own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use publisher::config::{Input, KeyLength, Secret, Settings, Source, SrtCall, Stream};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Body, Change, Service, StreamStatus};
use tokio::net::UdpSocket as Socket;

use crate::srt_client::{Listening, listen, settings};
use crate::world::{clip_stream, code, get_mpegts, reason, some, until};

const PASSPHRASE: &str = "a passphrase of a stream";

/// A service that has the clip as `clip`, plain, and as `secret`, encrypted.
async fn far(settings: Settings) -> (Arc<Service>, Listening) {
    let service = Service::new(settings).expect("a service");
    service.start(clip_stream("clip")).await.expect("started");
    let secret = Stream { srt_passphrase: Some(Secret::new(PASSPHRASE)), ..clip_stream("secret") };
    service.start(secret).await.expect("started");
    let listening = listen(&service);
    (service, listening)
}

fn call(address: SocketAddr, stream_id: &str) -> SrtCall {
    let stream_id = Some(Secret::new(stream_id));
    SrtCall { stream_id, ..SrtCall::new(address.ip().to_string(), address.port()) }
}

fn fed_by(call: SrtCall) -> Stream {
    Stream { inputs: vec![Input { source: Source::Srt(call), priority: 0 }], ..Stream::new(code("news")) }
}

/// A service with a stream `news` that calls.
async fn near(call: SrtCall, settings: Settings) -> Arc<Service> {
    let service = Service::new(settings).expect("a service");
    service.start(fed_by(call)).await.expect("started");
    service
}

fn status(service: &Service) -> StreamStatus {
    service.statuses().into_iter().find(|status| status.code.as_str() == "news").expect("it runs")
}

async fn is_live(service: &Service) -> StreamStatus {
    until(|| {
        let is_fresh = |status: &StreamStatus| {
            status.silent_for.is_some_and(|silent| silent < Duration::from_secs(1)) && status.source.is_some()
        };
        Some(status(service)).filter(is_fresh)
    })
    .await
}

/// What is said of the input once it says this.
async fn warning(service: &Service, what: &str) -> String {
    until(|| status(service).warnings.into_iter().find(|warning| warning.contains(what))).await
}

/// Two seconds of the stream as a viewer gets them go on.
async fn goes_on(viewer: &mut Body) {
    assert!(some(viewer, 100_000).await.chunks(188).all(|packet| packet[0] == 0x47));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_called_for_comes_plain_and_with_keys_of_each_length() {
    let (_far, listening) = far(settings()).await;
    let encrypted = |key_length| SrtCall {
        passphrase: Some(Secret::new(PASSPHRASE)),
        key_length,
        latency: Duration::from_millis(40),
        ..call(listening.address, "#!::r=live/secret,m=request")
    };
    let plain = SrtCall { host: "localhost".to_owned(), ..call(listening.address, "live/clip") };
    let lengths = [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256];
    for with in lengths.map(encrypted).into_iter().chain([plain]) {
        let service = near(with, Settings::default()).await;
        let status = is_live(&service).await;
        let source = status.source.expect("a source");
        assert_eq!((source.protocol, source.peer, source.lost), (Protocol::Srt, Some(listening.address), 0));
        assert_eq!((source.agent.as_deref(), status.warnings), (Some("SRT 1.5.0"), vec![]));
        assert_eq!(status.media.tracks.len(), 2);
        goes_on(&mut get_mpegts(&service, "news").await.into_body()).await;
        service.stop(&code("news")).await.expect("stopped");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_ends_is_called_again_and_the_viewers_stay() {
    let (first, listening) = far(settings()).await;
    let address = listening.address;
    let service = near(call(address, "live/clip"), Settings::default()).await;
    let mut viewer = get_mpegts(&service, "news").await.into_body();
    goes_on(&mut viewer).await;
    let before = is_live(&service).await;
    first.shutdown().await;
    drop((first, listening));
    let why = warning(&service, "calling again in ").await;
    assert!(why.starts_with(&format!("nothing comes from srt://{address}?streamid=live/clip: ")), "{why}");
    assert_eq!(reason(&service, Role::Publisher).await, Ended::Unpublished);
    // Its system says that nobody is there.
    warning(&service, "onnection refused").await;

    let mut again = settings();
    again.listeners.srt.port = address.port();
    let (_second, _listening) = far(again).await;
    goes_on(&mut viewer).await;
    let after = is_live(&service).await;
    assert_eq!(after.warnings, [""; 0]);
    let session = |status: &StreamStatus| status.source.as_ref().map(|source| source.session);
    assert_ne!(session(&after), session(&before));
    assert!(after.last_error.is_some_and(|(_, error)| error.starts_with("nothing comes from srt://")));
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_have_the_names_of_the_library_and_keys_are_not_shown() {
    let (far, listening) = far(settings()).await;
    let with = |id: &str, passphrase: Option<&str>| {
        near(
            SrtCall { passphrase: passphrase.map(Secret::new), ..call(listening.address, id) },
            Settings::default(),
        )
    };
    for (id, passphrase, name) in [
        ("live/nothing?key=geheim", None, "refused, 1404 not found (SRT_REJX_NOTFOUND)"),
        (
            "#!::r=live/clip,m=bidirectional,key=geheim",
            None,
            "refused, 1405 the mode is not possible (SRT_REJX_BAD_MODE)",
        ),
        ("live/secret", Some("geheim geheim"), "refused, 1010 the passphrase is wrong (SRT_REJ_BADSECRET)"),
        ("live/secret", None, "refused, 1011 only one side has a passphrase (SRT_REJ_UNSECURE)"),
    ] {
        let service = with(id, passphrase).await;
        let warning = warning(&service, name).await;
        let (_, error) = status(&service).last_error.expect("an error");
        assert!(warning.starts_with(&error) && !warning.contains("geheim"), "{warning}, {error}");
    }
    let plan = {
        let service = with("live/clip?key=geheim", None).await;
        is_live(&service).await;
        let other =
            SrtCall { passphrase: Some(Secret::new("geheim geheim")), ..call(listening.address, "geheim") };
        service.plan(&fed_by(other)).expect("a plan")
    };
    let actions: Vec<_> =
        plan.actions.iter().map(|action| (action.change.to_string(), action.publishers)).collect();
    let address = listening.address;
    let expected = [
        (format!("input srt://{address}?streamid=live/clip?*** removed"), 1),
        (format!("input srt://{address}?streamid=***&passphrase=*** added"), 0),
    ];
    assert_eq!(actions, expected);
    drop(far);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_stream_begins_and_ends_a_call() {
    let (far, listening) = far(settings()).await;
    let service = near(call(listening.address, "live/clip"), Settings::default()).await;
    let mut viewer = get_mpegts(&service, "news").await.into_body();
    goes_on(&mut viewer).await;
    let at_far = |far: &Service| {
        let sessions = far.sessions().list();
        sessions
            .into_iter()
            .filter(|session| session.protocol == Protocol::Srt)
            .map(|session| session.stream.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(at_far(&far), ["clip"]);
    let secret =
        SrtCall { passphrase: Some(Secret::new(PASSPHRASE)), ..call(listening.address, "live/secret") };
    let plan = service.update(fed_by(secret)).await.expect("updated");
    assert!(
        matches!(&plan.actions[..], [one, other] if matches!(one.change, Change::InputStops(_)) && matches!(other.change, Change::InputStarts(_)))
    );
    goes_on(&mut viewer).await;
    until(|| (at_far(&far) == ["secret"]).then_some(())).await;
    assert_eq!(reason(&service, Role::Publisher).await, Ended::InputRemoved);
    service.update(Stream::new(code("news"))).await.expect("updated");
    until(|| at_far(&far).is_empty().then_some(())).await;
    assert_eq!(status(&service).warnings, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_a_call_and_so_does_nobody() {
    // It is there, and says nothing at all.
    let mute = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = mute.local_addr().expect("bound");
    let service = near(call(address, "live/clip"), Settings::default()).await;
    warning(&service, &format!("{address}: 1016 no answer in time (SRT_REJ_TIMEOUT)")).await;
    let unknown = SrtCall::new("nothing.invalid", 9000);
    let service = near(unknown, Settings::default()).await;
    warning(&service, "no address for nothing.invalid: ").await;

    // It lets callers in, and has no media for them for longer than is waited here.
    let settings = Settings { join_timeout: Duration::from_secs(20), ..settings() };
    let far = Service::new(settings).expect("a service");
    far.start(Stream::new(code("clip"))).await.expect("started");
    let listening = listen(&far);
    let patience = Settings { publish_timeout: Duration::from_secs(1), ..Settings::default() };
    let service = near(call(listening.address, "live/clip"), patience).await;
    warning(&service, "it takes the call and sends nothing; calling again in ").await;
    assert!(status(&service).source.is_none(), "it has fed nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_from_the_address_that_was_called() {
    let mut hosts = vec!["127.0.0.1", "127.0.0.2"];
    let v4 = (Some(Ipv4Addr::UNSPECIFIED.into()), hosts.clone());
    hosts.extend(Socket::bind("[::1]:0").await.is_ok().then_some("::1"));
    for (listen_host, hosts) in [(None, hosts), v4] {
        let mut all = settings();
        all.listeners.srt.listen_host = listen_host;
        let far = Service::new(all).expect("a service");
        far.start(clip_stream("clip")).await.expect("started");
        let listening = listen(&far);
        // A caller's socket takes datagrams of the address that it called alone.
        for host in hosts {
            let address = SocketAddr::new(host.parse().expect("an address"), listening.address.port());
            let service = near(call(address, "live/clip"), Settings::default()).await;
            let source = is_live(&service).await.source.expect("a source");
            assert_eq!(source.peer, Some(address));
        }
    }
}
