//! Push: a stream is published to other servers, by RTMP over TCP or TLS.
//!
//! Each destination has a worker of its own, and they have nothing in common but the carrier's messages. What a state
//! means and when it changes is in `life`, which knows no clock; a connection from first byte to last is in `connection`.
//! A destination is shown as active only while the peer's system acknowledges what it is sent.

mod connection;
mod dial;
mod feed;
mod life;
mod progress;
mod reason;
mod registry;
mod snapshot;
mod tcp;
mod tls;
mod worker;

pub use reason::Reason;
pub use registry::PushChanges;
pub(crate) use registry::Pushes;
pub use snapshot::{ErrorEntry, PushSnapshot, PushStatus, RuntimeStatus};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rtmp::client::Url;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::code::Code;
use crate::config;
use crate::events::{Events, What};
use feed::Feed;
use life::{Ending, Life};
use progress::Progress;
use reason::Fault;

/// One destination.
pub(crate) struct Push {
    id: u64,
    stream: Code,
    config: config::Push,
    /// The URL without its secrets.
    url: String,
    cancel: CancellationToken,
    tasks: TaskTracker,
    events: Events,
    state: Mutex<State>,
}

/// What changes of a destination.
struct State {
    life: Life,
    comment: Option<String>,
    /// An attempt is under way.
    under_way: bool,
    connected: Option<Connected>,
    /// Of connections that have ended.
    bytes: u64,
    skipped: u64,
}

/// A connection that is active, or was a moment ago.
#[derive(Clone, Default)]
struct Connected {
    since: Option<SystemTime>,
    rendition: String,
    bytes: u64,
    skipped: u64,
    bits_per_second: u64,
    delay: Duration,
    /// When media was missed first, on the monotonic clock.
    idle_since: Option<Duration>,
    acknowledged: Option<u32>,
    warnings: Vec<String>,
}

impl Push {
    fn new(id: u64, stream: Code, config: config::Push, events: Events, cancel: CancellationToken) -> Self {
        let state = State {
            life: Life::new(&config),
            comment: config.comment.clone(),
            under_way: false,
            connected: None,
            bytes: 0,
            skipped: 0,
        };
        let url = masked(config.url.reveal());
        let push = Self {
            id,
            stream,
            config,
            url,
            cancel,
            tasks: TaskTracker::new(),
            events,
            state: Mutex::new(state),
        };
        push.tell(None, Some(PushStatus::Starting), None);
        push
    }

    /// Whether it is what that says, whatever the comment.
    fn is_for(&self, config: &config::Push) -> bool {
        self.config.is_like(config)
    }

    /// Resolves when its worker has ended, after it was cancelled because it is wanted no more.
    async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tell(Some(self.status()), None, None);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn status(&self) -> PushStatus {
        self.state().life.status()
    }

    fn is_under_way(&self) -> bool {
        self.state().under_way
    }

    /// An attempt begins.
    fn begin(&self) {
        let mut state = self.state();
        state.life.begin();
        state.under_way = true;
    }

    /// The peer takes what it is sent of a rung.
    fn activate(&self, now: Duration, rendition: &str) {
        let mut state = self.state();
        let was = state.life.status();
        state.life.activate(now);
        let (since, rendition) = (Some(SystemTime::now()), rendition.to_owned());
        let Connected { idle_since, warnings, .. } = state.connected.take().unwrap_or_default();
        state.connected = Some(Connected { since, rendition, idle_since, warnings, ..Connected::default() });
        drop(state);
        self.tell(Some(was), Some(PushStatus::Active), None);
        tracing::info!(stream = %self.stream, push = self.id, url = self.url, "push active");
    }

    /// How the connection stands.
    fn observe(
        &self,
        now: Duration,
        progress: &Progress,
        feed: &Feed,
        idle_for: Option<Duration>,
        acknowledged: Option<u32>,
    ) {
        let mut state = self.state();
        state.life.tick(now);
        let connected = state.connected.get_or_insert_default();
        connected.bytes = progress.total();
        connected.skipped = feed.skipped;
        connected.bits_per_second = progress.bits_per_second(now);
        connected.delay = progress.delay(now);
        connected.idle_since = idle_for.map(|idle| now.saturating_sub(idle));
        connected.acknowledged = acknowledged;
        connected.warnings.clone_from(&feed.warnings);
    }

    /// A connection has ended.
    fn leave(&self) {
        let mut state = self.state();
        let Some(left) = state.connected.take() else { return };
        state.bytes += left.bytes;
        state.skipped += left.skipped;
    }

    /// An attempt has ended.
    fn end(&self, now: Duration, ending: Ending, jitter: f64) {
        self.leave();
        let mut state = self.state();
        state.under_way = false;
        let (was, error) = (state.life.status(), ending.fault().map(ToString::to_string));
        state.life.end(now, SystemTime::now(), ending, jitter);
        let is = state.life.status();
        drop(state);
        self.tell(Some(was), Some(is), error);
    }

    /// No attempt can ever succeed.
    fn give_up(&self, fault: Fault) {
        let error = fault.to_string();
        let mut state = self.state();
        let was = state.life.status();
        state.life.give_up(SystemTime::now(), fault);
        drop(state);
        self.tell(Some(was), Some(PushStatus::Failed), Some(error));
    }

    /// Tells of another state, if it is one.
    fn tell(&self, from: Option<PushStatus>, to: Option<PushStatus>, error: Option<String>) {
        if from != to {
            let url = self.url.clone();
            self.events.tell(Some(&self.stream), || What::PushChanged {
                push: self.id,
                url,
                from,
                to,
                error,
            });
        }
    }

    /// As it is at `now`, which is `wall` on the wall clock.
    fn snapshot(&self, now: Duration, wall: SystemTime) -> PushSnapshot {
        let state = self.state();
        let life = &state.life;
        let connected = state.connected.clone().unwrap_or_default();
        let active = life.status() == PushStatus::Active;
        PushSnapshot {
            id: self.id,
            url: self.url.clone(),
            status: life.status(),
            attempt: life.attempt(),
            connected_at: connected.since.filter(|_| active),
            errors: life.errors().cloned().collect(),
            reason: life.reason(),
            next_attempt_at: life.due().map(|due| wall + due.saturating_sub(now)),
            rendition: Some(connected.rendition).filter(|_| active),
            comment: state.comment.clone(),
            bytes_sent: state.bytes + connected.bytes,
            bits_per_second: connected.bits_per_second,
            skipped_gops: state.skipped + connected.skipped,
            queue_delay_ms: u64::try_from(connected.delay.as_millis()).unwrap_or(u64::MAX),
            idle_since: connected.idle_since.filter(|_| active).map(|since| wall - now.saturating_sub(since)),
            rtmp_acknowledged: connected.acknowledged,
            warnings: connected.warnings,
        }
    }
}

/// A URL without its secrets, also one that cannot be pushed to: then scheme and host are all that is shown, if they look
/// like that.
pub(crate) fn masked(url: &str) -> String {
    if let Ok(url) = Url::parse(url) {
        return url.to_string();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return "***".to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    let is_plain = |text: &str, also: &[u8]| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || also.contains(&byte))
    };
    match is_plain(scheme, b"+-.") && is_plain(host, b"-.:[]") {
        true if end == rest.len() => format!("{scheme}://{host}"),
        true => format!("{scheme}://{host}/***"),
        false => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_url_its_secrets_are_not_shown() {
        for (url, shown) in [
            ("rtmp://host/live/secret", "rtmp://host/live/***"),
            ("rtmps://u:secret@host/app?secret/secret", "rtmps://***@host/app?***/***"),
            ("srt://u:secret@host:9000?streamid=secret", "srt://host:9000/***"),
            ("http://host/secret", "http://host/***"),
            ("srt://host", "srt://host"),
            ("rtmp://host/live/a secret", "rtmp://host/***"),
            ("rtmp://a secret/live", "***"),
            ("secret", "***"),
            ("secret secret://host", "***"),
        ] {
            assert_eq!(masked(url), shown);
        }
    }

    #[test]
    fn another_comment_is_no_other_destination() {
        let config = config::Push::new("rtmp://host/live/secret");
        let push = Push::new(
            1,
            "news".parse().expect("a code"),
            config.clone(),
            Events::default(),
            CancellationToken::new(),
        );
        assert!(push.is_for(&config::Push { comment: Some("backup".to_owned()), ..config.clone() }));
        assert!(!push.is_for(&config::Push { limit: 1, ..config.clone() }));
        assert!(!push.is_for(&config::Push { url: config::Secret::new("rtmp://host/live/other"), ..config }));
    }
}
