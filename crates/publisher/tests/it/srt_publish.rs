//! SRT publishers: what they send arrives, and who is let in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use publisher::config::{Secret, Settings, Stream};
use publisher::session::{Ended, Role};
use publisher::{Service, StreamStatus};
use srt::caller::Call;
use srt::connection::Reason;
use srt::{KeyLength, Rejection};
use tokio::task::JoinHandle;

use crate::srt_client::{Client, Listening, call, encrypted, listen, rejection, settings};
use crate::world::{clip_stream, code, get_mpegts, reason, some, until};

const PASSPHRASE: &str = "a passphrase of a stream";

/// A service with a stream `news` for publishers, and a clip as a transport stream, to be published.
async fn server(news: Stream, settings: Settings) -> (Arc<Service>, Listening, Arc<[u8]>) {
    let service = Service::new(settings).expect("a service");
    service.start(news).await.expect("started");
    service.start(clip_stream("clip")).await.expect("started");
    let listening = listen(&service);
    let mut clip = get_mpegts(&service, "clip").await.into_body();
    let bytes = some(&mut clip, 300_000).await;
    (service, listening, bytes.into())
}

fn news() -> Stream {
    Stream::new(code("news"))
}

/// One who publishes; it stops when this is dropped.
struct Publishing(JoinHandle<Reason>);

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Publishing {
    /// Sends the clip over and over, at about the rate at which it came.
    async fn start(server: SocketAddr, with: Call, clip: &Arc<[u8]>) -> Result<Self, srt::Error> {
        let (mut client, clip) = (Client::call(server, with).await?, Arc::clone(clip));
        Ok(Self(tokio::spawn(async move {
            for payload in clip.chunks_exact(188 * 7).cycle() {
                let _ = client.connection.send(client.now(), bytes::Bytes::copy_from_slice(payload));
                client.turn(Duration::from_millis(10)).await;
                if let Some(reason) = client.connection.closed() {
                    return reason;
                }
            }
            Reason::Local
        })))
    }
}

fn status(service: &Service) -> StreamStatus {
    service.statuses().into_iter().find(|status| status.code.as_str() == "news").expect("it runs")
}

async fn is_live(service: &Service) {
    until(|| status(service).silent_for.filter(|silent| *silent < Duration::from_secs(1))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_arrives_in_each_syntax_and_with_keys_of_each_length() {
    let (service, listening, clip) = server(news(), settings()).await;
    service
        .start(Stream { srt_passphrase: Some(Secret::new(PASSPHRASE)), ..Stream::new(code("secret")) })
        .await
        .expect("started");
    for id in ["#!::r=live/news,m=publish", "publish:live/news"] {
        let _publishing = Publishing::start(listening.address, call(id), &clip).await.expect(id);
        is_live(&service).await;
        let source = status(&service).source.expect("a source");
        assert_eq!((source.protocol.to_string(), source.lost), ("srt".to_owned(), 0));
        drop(_publishing);
        // Nobody says goodbye for a task that was ended: the next one may come when nothing comes any more.
        until(|| status(&service).silent_for.filter(|silent| *silent > Duration::from_secs(2))).await;
    }
    for length in [KeyLength::Aes128, KeyLength::Aes192, KeyLength::Aes256] {
        let with = encrypted("publish:live/secret", PASSPHRASE, length);
        let publishing = Publishing::start(listening.address, with, &clip).await.expect("let in");
        until(|| {
            let secret = service.statuses().into_iter().find(|status| status.code.as_str() == "secret")?;
            secret.silent_for.filter(|silent| *silent < Duration::from_secs(1))
        })
        .await;
        drop(publishing);
        service.sessions().list().iter().for_each(|session| {
            if session.stream.as_str() == "secret" {
                session.cancel(Ended::Kicked);
            }
        });
        until(|| {
            service.sessions().list().iter().all(|session| session.stream.as_str() != "secret").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_and_a_second_publisher_is_refused() {
    let locked = Stream { stream_key: Some(Secret::new("geheim")), takeover: false, ..news() };
    let (service, listening, clip) = server(locked, settings()).await;
    let address = listening.address;
    assert_eq!(rejection(address, call("publish:live/news")).await, Rejection::UNAUTHORIZED);
    assert_eq!(rejection(address, call("publish:live/news?key=x")).await, Rejection::FORBIDDEN);
    let _publishing = Publishing::start(address, call("#!::r=live/news,m=publish,key=geheim"), &clip)
        .await
        .expect("let in");
    is_live(&service).await;
    assert_eq!(rejection(address, call("publish:live/news?key=geheim")).await, Rejection::CONFLICT);
    for (id, code) in [
        ("publish:live/nothing", 1404),
        ("publish:live/news@720p?key=geheim", 1404),
        ("publish:live/clip", 1405),
        ("#!::r=live/news,m=bidirectional,key=geheim", 1405),
    ] {
        assert_eq!(rejection(address, call(id)).await.code(), code, "{id}");
    }
    is_live(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_key_takes_over_and_not_without_the_passphrase() {
    let stream = Stream {
        stream_key: Some(Secret::new("geheim")),
        srt_passphrase: Some(Secret::new(PASSPHRASE)),
        ..news()
    };
    let (service, listening, clip) = server(stream, settings()).await;
    let with = |passphrase| encrypted("publish:live/news?key=geheim", passphrase, KeyLength::Aes256);
    let mut first = Publishing::start(listening.address, with(PASSPHRASE), &clip).await.expect("let in");
    is_live(&service).await;
    assert_eq!(rejection(listening.address, with("another passphrase")).await, Rejection::BAD_SECRET);
    assert_eq!(rejection(listening.address, call("publish:live/news?key=geheim")).await, Rejection::UNSECURE);
    let before = status(&service).source.expect("a source").session;
    is_live(&service).await;
    assert_eq!(status(&service).source.expect("it goes on").session, before);
    let _second = Publishing::start(listening.address, with(PASSPHRASE), &clip).await.expect("let in");
    assert_eq!((&mut first.0).await.expect("no panic"), Reason::Peer);
    let closed = service.sessions().closed();
    let reason = closed.iter().find(|closed| closed.session.id == before).map(|closed| closed.reason.clone());
    assert_eq!(reason, Some(Ended::TakenOver));
    is_live(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_without_media_is_sent_away_and_one_that_leaves_has_left() {
    let settings = Settings { publish_timeout: Duration::from_secs(1), ..settings() };
    let (service, listening, _) = server(news(), settings).await;
    let mut silent = Client::call(listening.address, call("publish:live/news")).await.expect("let in");
    assert_eq!(silent.next().await, Err(Reason::Peer));
    assert!(matches!(reason(&service, Role::Publisher).await, Ended::NoMedia(_)));
    let mut leaves = Client::call(listening.address, call("publish:live/news")).await.expect("let in");
    leaves.connection.close(leaves.now());
    leaves.turn(Duration::from_millis(1)).await;
    let ended = until(|| {
        let closed = service.sessions().closed();
        closed.into_iter().map(|closed| closed.reason).find(|reason| *reason == Ended::Unpublished)
    });
    ended.await;
}
