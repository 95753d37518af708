//! RTMP publishers over real sockets, replayed from recordings of real encoders; each way to end has its reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use publisher::Service;
use publisher::config::{Secret, Settings, Stream};
use publisher::session::{Ended, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::world::{code, reason, until};

/// ffmpeg to `region/north/news?key=a%20b`, from its first byte to its last.
static FFMPEG: &[u8] = include_bytes!("../../../rtmp/testdata/ffmpeg-5.1-publish.rtmp");
/// GStreamer's rtmp2sink to `live/cam?key=abc`.
static GSTREAMER: &[u8] = include_bytes!("../../../rtmp/testdata/gstreamer-1.22-rtmp2sink-publish.rtmp");

const STREAM: &str = "region/north/news";

pub(crate) struct Server {
    pub(crate) service: Arc<Service>,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) async fn start(settings: Settings, streams: Vec<Stream>) -> Self {
        let mut settings = settings;
        settings.listeners.rtmp.listen_host = Some(std::net::Ipv4Addr::LOCALHOST.into());
        settings.listeners.rtmp.port = 0;
        let service = Service::new(settings).expect("a service");
        for stream in streams {
            service.start(stream).await.expect("started");
        }
        let listener = service.bind_rtmp().expect("bound").expect("enabled");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(listener.run(CancellationToken::new()));
        Self { service, address }
    }

    pub(crate) async fn with(stream: Stream) -> Self {
        Self::start(Settings::default(), vec![stream]).await
    }

    /// Sends what an encoder sent, up to `bytes` from its end, and keeps the connection.
    async fn replay(&self, recording: &[u8], left_out: usize) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("connected");
        stream.write_all(&recording[..recording.len() - left_out]).await.expect("sent");
        stream
    }

    async fn is_fed(&self) {
        until(|| self.service.statuses().iter().any(|status| status.source.is_some()).then_some(())).await;
    }

    async fn reason(&self) -> Ended {
        reason(&self.service, Role::Publisher).await
    }
}

fn keyed(key: &str) -> Stream {
    Stream { stream_key: Some(Secret::new(key)), ..Stream::new(code(STREAM)) }
}

#[tokio::test]
async fn an_encoder_that_says_goodbye_has_unpublished() {
    let server = Server::with(keyed("a b")).await;
    let _connection = server.replay(FFMPEG, 0).await;
    assert_eq!(server.reason().await, Ended::Unpublished);
    assert!(server.service.statuses()[0].source.is_none(), "and the stream is still there");
}

#[tokio::test]
async fn an_encoder_that_vanishes_has_left() {
    let server = Server::with(keyed("a b")).await;
    let connection = server.replay(FFMPEG, 400).await;
    server.is_fed().await;
    drop(connection);
    let ended = server.reason().await;
    assert!(
        matches!(ended, Ended::ClientLeft | Ended::Io(_)),
        "{ended}: closed, or reset with answers unread"
    );
}

#[tokio::test]
async fn an_encoder_that_goes_silent_is_dropped() {
    let publish_timeout = Duration::from_millis(200);
    let server = Server::start(Settings { publish_timeout, ..Settings::default() }, vec![keyed("a b")]).await;
    let _connection = server.replay(FFMPEG, 400).await;
    assert!(matches!(server.reason().await, Ended::NoMedia(silence) if silence >= publish_timeout));
}

#[tokio::test]
async fn an_encoder_that_breaks_the_protocol_ends_itself_alone() {
    let server = Server::with(keyed("a b")).await;
    let mut connection = server.replay(FFMPEG, 400).await;
    server.is_fed().await;
    // Set Chunk Size to 0, on a chunk stream of its own: RTMP 1.0 5.4.1 wants at least 1.
    connection.write_all(&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0]).await.expect("sent");
    connection.write_all(&[0; 4]).await.expect("sent");
    let ended = server.reason().await;
    assert!(matches!(ended, Ended::Protocol(_) | Ended::NoMedia(_)), "{ended}");
    let _again = server.replay(FFMPEG, 400).await;
    server.is_fed().await;
}

#[tokio::test]
async fn with_the_key_a_second_encoder_takes_over_at_once() {
    let server = Server::with(keyed("a b")).await;
    let _first = server.replay(FFMPEG, 400).await;
    server.is_fed().await;
    let _second = server.replay(FFMPEG, 400).await;
    assert_eq!(server.reason().await, Ended::TakenOver);
    server.is_fed().await;
}

#[tokio::test]
async fn without_keys_a_second_encoder_is_refused_while_the_first_sends() {
    let server = Server::with(Stream::new(code(STREAM))).await;
    let _first = server.replay(FFMPEG, 400).await;
    server.is_fed().await;
    let first = until(|| Some(server.service.statuses()[0].source.as_ref()?.session)).await;
    let answer = answer(server.replay(FFMPEG, 400).await).await;
    assert!(answer.contains("NetStream.Publish.BadName"), "{answer}");
    assert!(answer.contains("has a publisher already"), "{answer}");
    assert_eq!(server.service.statuses()[0].source.as_ref().map(|source| source.session), Some(first));
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_refused_and_never_repeated() {
    for key in ["other", "a+b", ""] {
        let server = Server::with(keyed(key)).await;
        let answer = answer(server.replay(FFMPEG, 400).await).await;
        assert!(answer.contains("wrong or missing stream key"), "{answer}");
        assert!(key.is_empty() || !answer.contains(key), "{answer}");
        assert!(server.service.sessions().closed().is_empty(), "it never had a session");
    }
}

#[tokio::test]
async fn an_unknown_stream_is_refused_unless_publishing_is_open_to_loopback() {
    let server = Server::start(Settings::default(), vec![]).await;
    let answer = answer(server.replay(GSTREAMER, 400).await).await;
    assert!(answer.contains("there is no stream cam"), "{answer}");
    let open = Settings { open_publish: true, ..Settings::default() };
    let server = Server::start(open, vec![]).await;
    let _connection = server.replay(GSTREAMER, 400).await;
    server.is_fed().await;
    assert_eq!(server.service.statuses()[0].code, code("cam"));
}

/// All that the server says until it closes or falls silent, as far as it is text.
async fn answer(mut connection: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), connection.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
