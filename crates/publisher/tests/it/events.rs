//! What happens in the service, as a listener hears it.

use publisher::config::{Protocols, Push, Secret, Settings, Stream};
use publisher::events::{Event, Received, Receiver, What};
use publisher::session::{Ended, Protocol, Role};
use publisher::{Change, PushStatus};

use crate::encoder::Encoder;
use crate::peer::{Mood, Peer};
use crate::player::Player;
use crate::pushing::{KEY, push};
use crate::rtsp_client::{Server, TESTKIT, here};
use crate::world::{PATIENCE, code, short};

/// Events so far, in order and without a hole, and never with the key.
struct Heard {
    receiver: Receiver,
    last: u64,
    /// Those that were passed over.
    seen: Vec<What>,
}

impl Heard {
    fn new(receiver: Receiver) -> Self {
        Self { receiver, last: 0, seen: Vec::new() }
    }

    /// Listens until something happens for which this is true.
    async fn until(&mut self, is_it: impl Fn(&What) -> bool) -> What {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.receiver.next()).await.expect("in time");
            let Some(Received::Event(event)) = next else { panic!("{next:?}") };
            let Event { number, stream, what, .. } = &*event;
            assert_eq!(*number, self.last + 1, "{event:?}");
            self.last = *number;
            assert!(!format!("{event:?}").contains(KEY), "{event:?}");
            assert_eq!(*stream, (*what != What::ListenersChanged).then(|| code("news")));
            self.seen.push(what.clone());
            if is_it(what) {
                return what.clone();
            }
        }
    }

    async fn until_push(
        &mut self,
        from: Option<PushStatus>,
        to: Option<PushStatus>,
    ) -> (String, Option<String>) {
        let what = self
            .until(|what| matches!(what, What::PushChanged { from: f, to: t, .. } if (*f, *t) == (from, to)))
            .await;
        let What::PushChanged { url, error, .. } = what else { panic!("{what:?}") };
        (url, error)
    }
}

#[tokio::test]
async fn everything_that_happens_is_told_in_order_and_without_secrets() {
    use PushStatus::{Active, Failed, Reconnecting, Starting};
    let server = Server::start(short(), Vec::new()).await;
    let service = &server.service;
    let mut heard = Heard::new(service.events());
    let peer = Peer::start(Mood::Takes);
    let keyed = Stream {
        stream_key: Some(Secret::new(KEY)),
        pushes: vec![Push { limit: 1, ..push(peer.url(KEY)) }],
        ..Stream::new(code("news"))
    };
    service.start(keyed.clone()).await.expect("started");
    assert_eq!(heard.until_push(None, Some(Starting)).await, (peer.url("***"), None));
    heard.until(|what| *what == What::StreamStarted).await;
    let encoder = Encoder::start(server.rtmp, &format!("news?key={KEY}"), TESTKIT).await.expect("let in");
    let opened = heard.until(|what| matches!(what, What::SessionOpened(_))).await;
    let What::SessionOpened(publisher) = opened else { panic!("{opened:?}") };
    assert_eq!((publisher.role, publisher.protocol), (Role::Publisher, Protocol::Rtmp));
    heard.until_push(Some(Starting), Some(Active)).await;
    if !heard.seen.iter().any(|what| what.name() == "input_started") {
        heard.until(|what| *what == What::InputStarted(None)).await;
    }

    let player = Player::start(server.rtmp, "news").await.expect("let in");
    let is_viewer =
        |what: &What| matches!(what, What::SessionOpened(session) if session.role == Role::Viewer);
    heard.until(is_viewer).await;
    let off = Stream { protocols: Protocols { rtmp: false, ..Protocols::BUILT }, ..keyed.clone() };
    let plan = service.update(off.clone()).await.expect("running");
    assert_eq!(plan.actions[0].change, Change::OutputStops(publisher::config::Output::Rtmp));
    let is_over =
        |what: &What| matches!(what, What::SessionClosed(session, Ended::OutputOff) if session.bytes > 0);
    let is_plan = |what: &What| *what == What::ConfigChanged(plan.clone());
    heard.until(|what| is_over(what) || is_plan(what)).await;
    heard.until(|what| is_over(what) || is_plan(what)).await;
    assert!(heard.seen.iter().any(is_over) && heard.seen.iter().any(is_plan), "{:?}", heard.seen);
    drop(player);

    // The other side denies the key once it is lost: with a limit of one that is the end.
    peer.change(Mood::Denies);
    let again = Stream { pushes: vec![Push { limit: 2, ..push(peer.url(KEY)) }], ..off.clone() };
    service.update(again.clone()).await.expect("running");
    heard.until_push(Some(Starting), Some(Reconnecting)).await;
    let (_, error) = heard.until_push(Some(Reconnecting), Some(Failed)).await;
    assert!(error.is_some_and(|error| error.contains("denied")));
    let gone = |what: &What| matches!(what, What::PushChanged { from: Some(Active), to: None, .. });
    assert!(heard.seen.iter().any(gone), "{:?}", heard.seen);

    drop(encoder);
    let lost = heard.until(|what| matches!(what, What::InputLost { .. })).await;
    assert_eq!(lost, What::InputLost { rendition: None, reason: "it has no source" });
    let _encoder = Encoder::start(server.rtmp, &format!("news?key={KEY}"), TESTKIT).await.expect("let in");
    heard.until(|what| *what == What::InputRecovered(None)).await;
    let mut listeners = Settings::default().listeners;
    listeners.rtsp = here();
    service.set_listeners(listeners.clone());
    service.set_listeners(listeners);
    heard.until(|what| *what == What::ListenersChanged).await;
    service.stop(&code("news")).await.expect("stopped");
    let told = heard.seen.len();
    heard.until(|what| *what == What::StreamStopped(Ended::StreamStopped)).await;
    assert!(
        heard.seen[told..].iter().all(|what| *what != What::ListenersChanged),
        "what is no other is no news"
    );
    service.shutdown().await;
}
