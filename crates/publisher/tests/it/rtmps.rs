//! RTMP over TLS on our own listener: who publishes and plays there, what certificate is shown, and what it costs to be rude.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use publisher::config::{Limits, Settings, Stream};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Error, Service};
use rtmp::amf0::Value;
use rtmp::message::kind;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;

use crate::certificates::Authority;
use crate::encoder::{Encoder, Line};
use crate::play::{KEY, PICTURE, frames, viewer};
use crate::player::Player;
use crate::world::{CLIP, PATIENCE, clip_stream, code, reason, until};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// A service with a stream `news` and a listener for TLS.
struct Server {
    service: Arc<Service>,
    address: SocketAddr,
    authority: Authority,
}

impl Server {
    async fn start(name: &str, settings: Settings, stream: Stream) -> Self {
        let authority = Authority::new(name);
        let mut settings = Settings { tls: Some(authority.write("localhost")), ..settings };
        let rtmps = &mut settings.listeners.rtmps;
        (rtmps.enabled, rtmps.listen_host, rtmps.port) = (true, Some(Ipv4Addr::LOCALHOST.into()), 0);
        let service = Service::new(settings).expect("a service");
        service.start(stream).await.expect("started");
        let listener = service.bind_rtmps().expect("bound").expect("enabled");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(listener.run(CancellationToken::new()));
        Self { service, address, authority }
    }

    /// With the clip on the air.
    async fn with_clip(name: &str) -> Self {
        Self::start(name, Settings::default(), clip_stream("news")).await
    }

    async fn secure(
        &self,
        stream: TcpStream,
        versions: &[&'static SupportedProtocolVersion],
    ) -> TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        let shaken = self.authority.client(versions).connect(name, stream);
        tokio::time::timeout(PATIENCE, shaken).await.expect("in time").expect("TLS")
    }

    async fn connect(&self, versions: &[&'static SupportedProtocolVersion]) -> TlsStream<TcpStream> {
        self.secure(TcpStream::connect(self.address).await.expect("connected"), versions).await
    }

    async fn play(&self) -> Player {
        Player::over(Line::over(self.connect(BOTH).await).await, "news").await.expect("let in")
    }

    /// What it shows to who comes now.
    async fn certificate(&self) -> CertificateDer<'static> {
        let stream = self.connect(BOTH).await;
        stream.get_ref().1.peer_certificates().expect("shown")[0].clone().into_owned()
    }

    fn refused(&self, limit: &str) -> u64 {
        self.service.limits().iter().find(|status| status.name == limit).expect(limit).refused
    }

    fn in_handshake(&self) -> Option<u64> {
        let limits = self.service.limits();
        limits.iter().find(|status| status.name == "publishers_in_handshake").expect("known").now
    }
}

/// Takes so many pictures, each of which follows the one before in the clip, 40 ms later.
async fn follow(player: &mut Player, count: usize) {
    let clip = frames(kind::VIDEO);
    let mut before: Option<(u32, usize)> = None;
    for _ in 0..count {
        let (time, body) = player.media(kind::VIDEO).await;
        if body[1] != PICTURE {
            continue;
        }
        let place = clip.iter().position(|(_, of_clip)| *of_clip == body).expect("of the clip");
        if let Some((earlier, last)) = before {
            assert_eq!(place, (last + 1) % clip.len(), "the next picture");
            assert_eq!(time - earlier, 40, "25 pictures a second");
        }
        before = Some((time, place));
    }
}

#[tokio::test]
async fn what_is_published_over_tls_is_played_over_tls_frame_by_frame() {
    for (publishes, plays) in [(&[&TLS12], BOTH), (&[&TLS13], &[&TLS12])] {
        let server = Server::start("rtmps-both", Settings::default(), Stream::new(code("news"))).await;
        let line = Line::over(server.connect(publishes).await).await;
        let encoder = Encoder::over(line, "news", CLIP).await.expect("let in");
        let line = Line::over(server.connect(plays).await).await;
        let mut player = Player::over(line, "news").await.expect("let in");
        let (time, header) = player.media(kind::VIDEO).await;
        assert_eq!((time, header[..2].to_vec()), (0, vec![KEY, 0]));
        let (time, picture) = player.media(kind::VIDEO).await;
        assert_eq!((time, picture[..2].to_vec()), (0, vec![KEY, PICTURE]));
        follow(&mut player, 60).await;
        let sessions = server.service.sessions().list();
        assert!(sessions.len() == 2 && sessions.iter().all(|session| session.protocol == Protocol::Rtmps));
        let session = viewer(&server.service);
        until(|| (session.bytes() > 10_000).then_some(())).await;
        assert_eq!(server.in_handshake(), Some(0), "both are through");
        drop((encoder, player));
        until(|| server.service.sessions().list().is_empty().then_some(())).await;
        assert_eq!(reason(&server.service, Role::Viewer).await, Ended::ClientLeft);
        assert_eq!(reason(&server.service, Role::Publisher).await, Ended::ClientLeft);
        server.service.shutdown().await;
    }
}

#[tokio::test]
async fn a_new_certificate_is_for_who_comes_and_who_plays_goes_on() {
    let server = Server::with_clip("rtmps-renewed").await;
    let first = server.certificate().await;
    let mut player = server.play().await;
    follow(&mut player, 10).await;
    server.authority.write("localhost");
    let renewed = async {
        while server.certificate().await == first {
            follow(&mut player, 5).await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("taken over");
    follow(&mut player, 50).await;
    assert_eq!(viewer(&server.service).skips(), 0);
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_broken_new_certificate_changes_nothing() {
    let server = Server::with_clip("rtmps-broken").await;
    let first = server.certificate().await;
    let mut player = server.play().await;
    let files = server.authority.write("localhost");
    std::fs::write(&files.key, "no key").expect("written");
    // Looked at each second: by then it was seen, and told.
    for _ in 0..4 {
        follow(&mut player, 20).await;
        assert_eq!(server.certificate().await, first);
    }
    std::fs::remove_file(&files.cert).expect("removed");
    follow(&mut player, 40).await;
    assert_eq!(server.certificate().await, first);
    server.service.shutdown().await;
}

#[tokio::test]
async fn who_does_not_speak_tls_is_sent_away() {
    let server = Server::with_clip("rtmps-plain").await;
    let mut plain = TcpStream::connect(server.address).await.expect("connected");
    let mut hello = vec![0; 1537];
    hello[0] = 3;
    plain.write_all(&hello).await.expect("sent");
    let mut answer = Vec::new();
    // An alert of TLS, or nothing, and then the end.
    let _ = tokio::time::timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("an end");
    assert!(answer.len() < 20, "{answer:?}");
    until(|| (server.in_handshake() == Some(0)).then_some(())).await;
    assert!(server.service.sessions().list().iter().all(|session| session.protocol == Protocol::File));
    follow(&mut server.play().await, 5).await;
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_handshake_without_end_is_ended_and_takes_a_place_until_then() {
    let limits =
        Limits { handshake_timeout: Duration::from_secs(1), publishers_in_handshake: 2, ..Limits::default() };
    let settings = Settings { limits, ..Settings::default() };
    let server = Server::start("rtmps-silent", settings, clip_stream("news")).await;
    let mut silent = TcpStream::connect(server.address).await.expect("connected");
    // The head of a ClientHello of 512 bytes.
    silent.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await.expect("sent");
    // Through with TLS, and then not a word of RTMP: the time for both is one.
    let mut shy = server.connect(BOTH).await;
    until(|| (server.in_handshake() == Some(2)).then_some(())).await;
    let mut third = TcpStream::connect(server.address).await.expect("connected");
    assert_eq!(third.read(&mut [0]).await.unwrap_or(0), 0, "closed without a word");
    assert_eq!(server.refused("publishers_in_handshake"), 1);
    for stream in [&mut silent as &mut (dyn tokio::io::AsyncRead + Unpin), &mut shy] {
        let mut bytes = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
        assert!(bytes.is_empty(), "{bytes:?}");
    }
    until(|| (server.in_handshake() == Some(0)).then_some(())).await;
    assert_eq!(server.refused("handshake_timeout_sec"), 2);
    follow(&mut server.play().await, 5).await;
    server.service.shutdown().await;
}

/// It reads nothing until more has passed than is kept for it, and then all there is.
#[tokio::test]
async fn a_player_that_reads_again_in_time_has_skipped_and_stays() {
    let mut settings = Settings::default();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(120);
    settings.limits.viewer_queue_bytes = 150_000;
    let server = Server::start("rtmps-late", settings, clip_stream("news")).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let stream = server.secure(socket.connect(server.address).await.expect("connected"), BOTH).await;
    let mut late = Player::over(Line::over(stream).await, "news").await.expect("let in");
    let session = viewer(&server.service);
    let mut well = server.play().await;
    let of_well = || {
        let sessions = server.service.sessions().list();
        let other = sessions.iter().find(|other| other.role == Role::Viewer && other.id != session.id);
        other.expect("it plays").bytes()
    };
    let (mut taken, mut since) = (0, 0);
    // Until the system holds no more for it, and then for more than is kept.
    while of_well() < since + 300_000 {
        follow(&mut well, 50).await;
        if session.bytes() > taken {
            (taken, since) = (session.bytes(), of_well());
        }
    }
    assert_eq!(session.skips(), 0, "it has not asked for more");
    while session.skips() == 0 {
        assert!(late.swallow(3000).await > 0, "it is not sent away");
    }
    assert_eq!(server.refused("viewer_queue_bytes"), session.skips());
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_slow_player_is_sent_away_and_its_skips_are_counted() {
    let mut settings = Settings::default();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(2);
    settings.limits.viewer_queue_bytes = 150_000;
    let server = Server::start("rtmps-slow", settings, clip_stream("news")).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let stream = server.secure(socket.connect(server.address).await.expect("connected"), BOTH).await;
    let mut player = Player::over(Line::over(stream).await, "news").await.expect("let in");
    let session = viewer(&server.service);
    let reading = tokio::spawn(async move {
        // A third of what comes.
        while player.swallow(3000).await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut well = server.play().await;
    follow(&mut well, 100).await;
    let ended = until(|| server.service.sessions().closed().pop()).await;
    assert_eq!((ended.session.id, ended.reason), (session.id, Ended::TooSlow(Duration::from_secs(2))));
    // How often it skips before depends on how fast the machine is.
    assert!(session.bytes() > 100_000, "{session:?}");
    assert_eq!(server.refused("slow_viewer_timeout_sec"), 1);
    assert_eq!(server.refused("viewer_queue_bytes"), session.skips());
    follow(&mut well, 50).await;
    assert_eq!(viewer(&server.service).skips(), 0, "nobody else noticed");
    reading.abort();
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_that_reads_nothing_is_sent_away() {
    let mut settings = Settings::default();
    settings.fan_out.slow_viewer_timeout = Duration::from_secs(1);
    settings.limits.viewer_queue_bytes = 150_000;
    let server = Server::start("rtmps-stuck", settings, clip_stream("news")).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let stream = server.secure(socket.connect(server.address).await.expect("connected"), BOTH).await;
    let _player = Player::over(Line::over(stream).await, "news").await.expect("let in");
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::TooSlow(Duration::from_secs(1)));
    server.service.shutdown().await;
}

#[tokio::test]
async fn a_player_pauses_and_goes_on_at_a_key_frame() {
    let server = Server::with_clip("rtmps-pause").await;
    let mut player = server.play().await;
    follow(&mut player, 10).await;
    player.say("pause", vec![Value::Null, Value::Boolean(true), 0.0.into()]).await;
    while player.status().await.0 != "NetStream.Pause.Notify" {}
    player.say("pause", vec![Value::Null, Value::Boolean(false), 0.0.into()]).await;
    while player.status().await.0 != "NetStream.Unpause.Notify" {}
    let (time, header) = player.media(kind::VIDEO).await;
    assert_eq!(header[..2], [KEY, 0]);
    let (again, picture) = player.media(kind::VIDEO).await;
    assert_eq!((again, picture[..2].to_vec()), (time, vec![KEY, PICTURE]));
    assert_eq!(viewer(&server.service).skips(), 0, "a pause is no skip");
    server.service.shutdown().await;
}

#[tokio::test]
async fn players_are_told_the_end_and_their_sessions_have_its_reason() {
    let server = Server::with_clip("rtmps-end").await;
    let mut player = server.play().await;
    follow(&mut player, 5).await;
    viewer(&server.service).cancel(Ended::Kicked);
    assert_eq!(player.status().await.0, "NetStream.Play.Stop");
    // TLS ends as it should, so that nobody takes it for cut off.
    player.end().await.expect("ended");
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::Kicked);
    let mut player = server.play().await;
    follow(&mut player, 5).await;
    server.service.stop(&code("news")).await.expect("stopped");
    assert_eq!(player.status().await.0, "NetStream.Play.Stop");
    player.end().await.expect("ended");
    assert_eq!(reason(&server.service, Role::Viewer).await, Ended::StreamStopped);
    server.service.shutdown().await;
}

#[tokio::test]
async fn without_a_certificate_it_does_not_listen() {
    let authority = Authority::new("rtmps-none");
    let mut settings = Settings::default();
    assert!(
        Service::new(settings.clone()).expect("a service").bind_rtmps().expect("nothing to fail").is_none()
    );
    (settings.listeners.rtmps.enabled, settings.listeners.rtmps.port) = (true, 0);
    let error = Service::new(settings.clone()).expect("a service").bind_rtmps().err().expect("none");
    assert_eq!(
        error.to_string(),
        "listeners.rtmps needs a certificate: name it and its key as tls.cert and tls.key"
    );
    let files = authority.write("localhost");
    std::fs::remove_file(&files.key).expect("removed");
    settings.tls = Some(files);
    let error = Service::new(settings).expect("a service").bind_rtmps().err().expect("no key");
    assert!(matches!(error, Error::Certificate { setting: "tls.key", .. }), "{error}");
}
