//! A running stream: its hub, its outputs, and the source that feeds it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use media::timeline::SourceClock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::limits::Gate;
use crate::output::{hls, ts};
use crate::session::{Ended, Open, Session};
use crate::status::{SourceStatus, StreamStatus};

/// A publisher that sent nothing for this long can be replaced by one that has no key to show.
const SENDING: Duration = Duration::from_millis(1500);
/// At most one line about damaged media in this time.
const COMPLAIN_EVERY: Duration = Duration::from_secs(10);

/// A stream between `start` and `stop`.
pub(crate) struct Running {
    pub(crate) config: config::Stream,
    pub(crate) hub: Arc<hub::Stream>,
    /// Ends everything that belongs to the stream.
    pub(crate) cancel: CancellationToken,
    /// Workers that `stop` waits for.
    pub(crate) tasks: TaskTracker,
    pub(crate) ts: ts::Output,
    pub(crate) hls: Option<Arc<hls::Output>>,
    /// Viewers of all its outputs.
    pub(crate) viewers: Arc<Gate>,
    source: Mutex<Option<Arc<Session>>>,
    last_error: Mutex<Option<(SystemTime, String)>>,
    /// When damaged media was last logged.
    damage_logged: Mutex<Option<Duration>>,
    /// What of the source cannot be taken at all.
    unsupported: Mutex<BTreeSet<String>>,
    since: SystemTime,
}

/// Why a publisher is not admitted to a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the stream has a publisher already")]
    Busy,
    #[error("wrong or missing stream key")]
    Key,
}

impl Running {
    pub(crate) fn new(
        config: config::Stream,
        hub: Arc<hub::Stream>,
        ts: ts::Output,
        hls: Option<Arc<hls::Output>>,
        viewers: Arc<Gate>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            config,
            hub,
            cancel,
            tasks: TaskTracker::new(),
            ts,
            hls,
            viewers,
            source: Mutex::new(None),
            last_error: Mutex::new(None),
            damage_logged: Mutex::new(None),
            unsupported: Mutex::default(),
            since: SystemTime::now(),
        }
    }

    /// Whether a publisher with this key may feed the stream now.
    fn admit(&self, current: Option<&Session>, key: Option<&str>, now: Duration) -> Result<(), Refused> {
        let keyed = match &self.config.stream_key {
            None => false,
            Some(expected) if matches(expected.reveal(), key.unwrap_or_default()) => true,
            Some(_) => return Err(Refused::Key),
        };
        let sending = current.is_some_and(|current| now.saturating_sub(current.last_media()) < SENDING);
        if sending && !(keyed && self.config.takeover) { Err(Refused::Busy) } else { Ok(()) }
    }

    /// Lets a publisher with this key feed the stream from now on. One that it replaces is ended.
    pub(crate) fn claim(
        &self,
        key: Option<&str>,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> Result<(Open, hub::Feed), Refused> {
        let mut source = lock(&self.source);
        self.admit(source.as_deref(), key, now)?;
        Ok(self.replace(&mut source, now, clock, open))
    }

    /// Lets a source of our own feed the stream from now on.
    pub(crate) fn seize(
        &self,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> (Open, hub::Feed) {
        self.replace(&mut lock(&self.source), now, clock, open)
    }

    /// Session and feed are opened under the lock of the source: of two who come at once, the later has both.
    fn replace(
        &self,
        source: &mut Option<Arc<Session>>,
        now: Duration,
        clock: SourceClock,
        open: impl FnOnce() -> Open,
    ) -> (Open, hub::Feed) {
        if let Some(current) = source.as_ref() {
            current.cancel(Ended::TakenOver);
        }
        let session = open();
        session.note_media(now);
        *source = Some(Arc::clone(session.session()));
        lock(&self.unsupported).clear();
        (session, self.hub.open(clock))
    }

    /// The session feeds the stream no more, unless another one does already.
    pub(crate) fn clear_source(&self, session: &Arc<Session>) {
        let mut source = lock(&self.source);
        if source.as_ref().is_some_and(|current| current.id == session.id) {
            *source = None;
        }
    }

    /// Whether nobody feeds the stream.
    pub(crate) fn is_unfed(&self) -> bool {
        lock(&self.source).is_none()
    }

    /// Remembers that a track of the source is left out, and logs it.
    pub(crate) fn set_unsupported(&self, what: &str) {
        let warning = format!("{what} is not supported: that track is left out");
        tracing::warn!(stream = %self.config.code, "{warning}");
        lock(&self.unsupported).insert(warning);
    }

    /// Remembers that a part of the source was damaged and left out, and logs it, now and then at most: a source may be
    /// damaged throughout.
    pub(crate) fn set_damaged(&self, now: Duration, error: &str) {
        let mut logged = lock(&self.damage_logged);
        if logged.is_none_or(|last| now.saturating_sub(last) >= COMPLAIN_EVERY) {
            *logged = Some(now);
            tracing::warn!(stream = %self.config.code, "damaged media is left out: {error}");
        }
        drop(logged);
        self.set_error(error);
    }

    /// Remembers what went wrong at the input.
    pub(crate) fn set_error(&self, error: impl Into<String>) {
        *lock(&self.last_error) = Some((SystemTime::now(), error.into()));
    }

    /// The stream as seen from outside.
    pub(crate) fn status(&self, now: Duration, viewers: usize) -> StreamStatus {
        let media = self.hub.status(now);
        StreamStatus {
            code: self.config.code.clone(),
            protocols: self.config.protocols,
            since: self.since,
            source: lock(&self.source).as_deref().map(source_status),
            silent_for: media.last_arrival.map(|last| now.saturating_sub(last)),
            media,
            warnings: self.ts.warnings().into_iter().chain(lock(&self.unsupported).iter().cloned()).collect(),
            late_frames: self.ts.dropped(),
            last_error: lock(&self.last_error).clone(),
            viewers,
        }
    }
}

fn source_status(session: &Session) -> SourceStatus {
    SourceStatus {
        session: session.id,
        protocol: session.protocol,
        peer: session.peer,
        agent: session.agent.clone(),
        since: session.since,
    }
}

/// Compares in a time that tells nothing of where the texts differ.
fn matches(expected: &str, given: &str) -> bool {
    use subtle::ConstantTimeEq;
    expected.as_bytes().ct_eq(given.as_bytes()).into()
}

/// None of the values guarded here can be left half changed.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
