//! Sessions: every publisher and every viewer, whatever the protocol, is one object.
//!
//! A session is opened once and closed once; both are logged here and nowhere else, the close with its reason.

mod client;
mod meter;
mod status;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::code::Code;
use crate::events::{Events, What};
use crate::measures::{Ledger, SessionTotals};
pub(crate) use client::Client;
use client::Refused;
pub use client::Token;
use meter::Meter;
pub use status::{SessionStatus, State};

/// Closed sessions that are remembered for status and tests.
const REMEMBERED: usize = 200;

/// The wire protocol of a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Protocol {
    /// RTMP.
    Rtmp,
    /// RTMP over TLS.
    Rtmps,
    /// RTSP.
    Rtsp,
    /// RTSP over TLS.
    Rtsps,
    /// SRT.
    Srt,
    /// A local file that is read in real time.
    File,
    /// A transport stream in datagrams of UDP.
    Udp,
    /// A transport stream in RTP.
    Rtp,
    /// HTTP MPEG-TS.
    MpegTs,
    /// HLS: a viewer is an estimate, by address and user agent.
    Hls,
    /// DASH: an estimate as well.
    Dash,
}

/// Which way the media goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It brings media.
    Publisher,
    /// It takes media.
    Viewer,
}

/// Why a session ended. Each cause has its own text.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Ended {
    /// The client closed its connection or went silent.
    ClientLeft,
    /// The publisher said that it is done.
    Unpublished,
    /// The stream was stopped.
    StreamStopped,
    /// Another publisher took the stream over.
    TakenOver,
    /// The rendition that it fed or played is no longer in the ladder.
    RenditionRemoved,
    /// The input that it fed the stream by is none any more.
    InputRemoved,
    /// The output that it played is off.
    OutputOff,
    /// HLS or DASH began anew; who goes on asking is a new session.
    OutputRestarted,
    /// An operator closed it.
    Kicked,
    /// The program ends.
    Shutdown,
    /// A publisher sent no media for this long.
    NoMedia(Duration),
    /// A viewer was skipped and did not catch up for this long.
    TooSlow(Duration),
    /// Something went wrong on our side; the log has the details.
    Internal,
    /// An HLS viewer asked for nothing more for this long.
    Idle(Duration),
    /// A track has become another one than the player set up: it has to ask again.
    TracksChanged,
    /// The peer broke the protocol.
    Protocol(String),
    /// The connection or file failed.
    Io(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientLeft => f.write_str("client left"),
            Self::Unpublished => f.write_str("publisher ended the stream"),
            Self::StreamStopped => f.write_str("stream stopped"),
            Self::TakenOver => f.write_str("taken over by another publisher"),
            Self::RenditionRemoved => f.write_str("its rendition was taken out of the ladder"),
            Self::InputRemoved => f.write_str("its input was taken out of the stream"),
            Self::OutputOff => f.write_str("the output was switched off"),
            Self::OutputRestarted => f.write_str("the output began anew"),
            Self::Kicked => f.write_str("closed by an operator"),
            Self::Shutdown => f.write_str("server shuts down"),
            Self::NoMedia(time) => write!(f, "no media for {:.1} s", time.as_secs_f64()),
            Self::TooSlow(time) => write!(f, "too slow: behind for {:.0} s", time.as_secs_f64()),
            Self::Internal => f.write_str("internal error"),
            Self::Idle(time) => write!(f, "no request for {:.0} s", time.as_secs_f64()),
            Self::TracksChanged => f.write_str("a track that it plays is coded otherwise now"),
            Self::Protocol(error) => write!(f, "protocol error: {error}"),
            Self::Io(error) => write!(f, "connection failed: {error}"),
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Srt => "srt",
            Self::File => "file",
            Self::Udp => "udp",
            Self::Rtp => "rtp",
            Self::MpegTs => "mpegts",
            Self::Hls => "hls",
            Self::Dash => "dash",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Publisher => "publisher",
            Self::Viewer => "viewer",
        })
    }
}

/// Where an RTMP player says that it comes from; never with what follows a `?`, for that may be a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The URL that it connected to (tcUrl), shortened.
    pub url: String,
    /// The page that it is on (pageUrl), shortened; empty where it did not say.
    pub page: String,
}

impl Origin {
    /// What of both can be shown; none where it said neither.
    pub(crate) fn new(url: &str, page: &str) -> Option<Self> {
        let shown = |text: &str| printable(text.split('?').next().unwrap_or_default());
        let origin = Self { url: shown(url), page: shown(page) };
        (!origin.url.is_empty() || !origin.page.is_empty()).then_some(origin)
    }
}

/// How the packets of one track arrive.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reception {
    /// Lost so far: those that came neither in time nor late.
    pub packets_lost: u64,
    /// The part that was lost between the last two reports, 0 to 1.
    pub fraction_lost: f32,
    /// How unevenly they come (RFC 3550 6.4.1).
    pub jitter: Duration,
}

/// One publisher or viewer.
#[derive(Debug)]
pub struct Session {
    /// Unique in this process, rising.
    pub id: u64,
    /// The stream it belongs to.
    pub stream: Code,
    /// The rung of the ladder that it feeds or plays. None where the stream has no ladder, and of viewers of HLS and DASH, who
    /// choose for themselves.
    pub rendition: Option<String>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Which way the media goes.
    pub role: Role,
    /// The other end; none for a file.
    pub peer: Option<SocketAddr>,
    /// What the client calls itself (user agent, flashVer), shortened.
    pub agent: Option<String>,
    /// Where an RTMP player says that it comes from.
    pub origin: Option<Origin>,
    /// When it was opened.
    pub since: SystemTime,
    opened: Instant,
    /// Who it is that asks, where there is no connection to tell by.
    client: Option<Client>,
    closed: AtomicBool,
    bytes: AtomicU64,
    meter: Mutex<Meter>,
    /// Monotonic milliseconds of the last media, or of the opening.
    media_ms: AtomicU64,
    skips: AtomicU64,
    /// By track, where packets can be lost on the way.
    reception: Mutex<BTreeMap<usize, Reception>>,
    cancel: CancellationToken,
    /// Why it was cancelled, set before the token is.
    why: Mutex<Option<Ended>>,
}

impl Session {
    /// Counts bytes taken from or given to the peer.
    pub fn add_bytes(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.meter().add(self.opened.elapsed(), bytes);
    }

    /// Bytes of media so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Media came from it at the monotonic time `now`.
    pub(crate) fn note_media(&self, now: Duration) {
        self.media_ms.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Monotonic time of its last media.
    pub(crate) fn last_media(&self) -> Duration {
        Duration::from_millis(self.media_ms.load(Ordering::Relaxed))
    }

    /// Counts a skip to a later key frame, for a viewer that was too slow.
    pub fn add_skip(&self) {
        self.skips.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what is known of how the packets of a track arrive: what a player reports, or what we count of a publisher's.
    pub(crate) fn note_reception(&self, track: usize, reception: Reception) {
        self.reception.lock().unwrap_or_else(PoisonError::into_inner).insert(track, reception);
    }

    /// How the packets of its tracks arrive, over UDP: the tracks by their numbers in the description, with what was heard
    /// last. Empty where nothing was.
    pub fn reception(&self) -> BTreeMap<usize, Reception> {
        self.reception.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Packets lost on the way so far, of all its tracks.
    pub fn packets_lost(&self) -> u64 {
        self.reception().values().map(|reception| reception.packets_lost).sum()
    }

    /// Skips so far.
    pub fn skips(&self) -> u64 {
        self.skips.load(Ordering::Relaxed)
    }

    /// Ends the session with a reason; the first reason counts.
    pub fn cancel(&self, why: Ended) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        self.cancel.cancel();
    }

    /// Resolves when the session is to end.
    pub fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Why it was cancelled, if it was.
    pub(crate) fn why(&self) -> Option<Ended> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An open session; dropping it closes the session.
#[derive(Debug)]
pub(crate) struct Open {
    session: Arc<Session>,
    registry: Arc<Sessions>,
}

impl Open {
    /// The session itself.
    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }
}

impl std::ops::Deref for Open {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.registry.close(&self.session);
    }
}

/// A closed session as it is remembered.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The session.
    pub session: Arc<Session>,
    /// Why it ended.
    pub reason: Ended,
}

/// All sessions of the service.
#[derive(Debug, Default)]
pub struct Sessions {
    next: AtomicU64,
    state: Mutex<Registered>,
    kick_time: Duration,
    events: Events,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Registered {
    open: BTreeMap<u64, Arc<Session>>,
    closed: VecDeque<Closed>,
    ledger: Ledger,
}

/// What is told when a session is opened.
pub(crate) struct Opening {
    pub(crate) stream: Code,
    pub(crate) rendition: Option<String>,
    pub(crate) protocol: Protocol,
    pub(crate) role: Role,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) agent: Option<String>,
    pub(crate) origin: Option<Origin>,
}

impl Sessions {
    /// None yet. Whoever has no connection and is kicked is refused for this long.
    pub(crate) fn new(kick_time: Duration, events: Events) -> Self {
        Self { kick_time, events, ..Self::default() }
    }

    /// Opens a session, which ends when `parent` does at the latest.
    pub(crate) fn open(self: &Arc<Self>, opening: Opening, parent: &CancellationToken) -> Open {
        self.open_for(opening, None, parent)
    }

    /// The same for a viewer without a connection.
    pub(crate) fn open_for(
        self: &Arc<Self>,
        opening: Opening,
        client: Option<Client>,
        parent: &CancellationToken,
    ) -> Open {
        let session = Arc::new(Session {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            stream: opening.stream,
            rendition: opening.rendition,
            protocol: opening.protocol,
            role: opening.role,
            peer: opening.peer,
            agent: opening.agent.map(|agent| printable(&agent)),
            origin: opening.origin,
            since: SystemTime::now(),
            opened: Instant::now(),
            client,
            closed: AtomicBool::new(false),
            bytes: AtomicU64::new(0),
            meter: Mutex::default(),
            media_ms: AtomicU64::new(0),
            skips: AtomicU64::new(0),
            reception: Mutex::default(),
            cancel: parent.child_token(),
            why: Mutex::new(None),
        });
        tracing::info!(
            session = session.id,
            stream = %session.stream,
            rendition = session.rendition.as_deref(),
            protocol = %session.protocol,
            peer = session.peer.map(tracing::field::display),
            agent = session.agent.as_deref(),
            "{} opened",
            session.role
        );
        self.lock().open.insert(session.id, Arc::clone(&session));
        self.events.tell(Some(&session.stream), || What::SessionOpened(session.status()));
        Open { session, registry: Arc::clone(self) }
    }

    /// Closes a session, once.
    fn close(&self, session: &Arc<Session>) {
        if session.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let reason = session.why().unwrap_or_else(|| match session.cancel.is_cancelled() {
            // Its task did not come to its end.
            _ if std::thread::panicking() => Ended::Internal,
            // Without a reason of its own a cancelled session ended with its stream.
            true => Ended::StreamStopped,
            false => Ended::ClientLeft,
        });
        tracing::info!(
            session = session.id,
            stream = %session.stream,
            rendition = session.rendition.as_deref(),
            protocol = %session.protocol,
            peer = session.peer.map(tracing::field::display),
            seconds = session.opened.elapsed().as_secs(),
            bytes = session.bytes(),
            skips = session.skips(),
            lost = Some(session.packets_lost()).filter(|&lost| lost > 0),
            reason = %reason,
            "{} closed",
            session.role
        );
        self.events.tell(Some(&session.stream), || What::SessionClosed(session.status(), reason.clone()));
        let mut state = self.lock();
        state.open.remove(&session.id);
        state.ledger.note(session);
        if state.closed.len() == REMEMBERED {
            state.closed.pop_front();
        }
        state.closed.push_back(Closed { session: Arc::clone(session), reason });
    }

    /// The open session of that id.
    pub fn find(&self, id: u64) -> Option<Arc<Session>> {
        self.lock().open.get(&id).cloned()
    }

    /// Ends an open session because an operator wants it: whoever has a connection loses it, a source of our own begins
    /// anew, and a viewer of HLS or DASH is refused (403) for [`Settings::kick_time`](crate::config::Settings::kick_time), playlists and segments of that output of
    /// the stream alike. It is told by its token, else by address and user agent, and so whoever has the same is refused as
    /// well. False: there is no such session.
    pub fn kick(&self, id: u64) -> bool {
        let Some(session) = self.find(id) else { return false };
        if let Some(client) = &session.client {
            let key = (session.stream.clone(), session.protocol, client.clone());
            self.refused().add(Instant::now(), key, self.kick_time);
        }
        session.cancel(Ended::Kicked);
        if session.client.is_some() {
            // Nobody else would notice before the next request.
            self.close(&session);
        }
        true
    }

    /// Whether a viewer without a connection is refused, for an operator ended its session.
    pub(crate) fn is_refused(&self, stream: &Code, protocol: Protocol, client: &Client) -> bool {
        let mut refused = self.refused();
        !refused.is_empty() && refused.has(Instant::now(), &(stream.clone(), protocol, client.clone()))
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open sessions, oldest first.
    pub fn list(&self) -> Vec<Arc<Session>> {
        self.lock().open.values().cloned().collect()
    }

    /// What the sessions of a stream do counts from now on.
    pub(crate) fn begin_stream(&self, stream: &Code) {
        self.lock().ledger.begin(stream);
    }

    /// Forgets what they did.
    pub(crate) fn forget_stream(&self, stream: &Code) {
        self.lock().ledger.forget(stream);
    }

    /// What the sessions of each stream did, by direction and protocol.
    pub(crate) fn totals(&self) -> BTreeMap<Code, Vec<(Role, Protocol, SessionTotals)>> {
        let state = self.lock();
        state.ledger.with(state.open.values().map(|session| &**session))
    }

    /// The last sessions that ended (at most 200), oldest first.
    pub fn closed(&self) -> Vec<Closed> {
        self.lock().closed.iter().cloned().collect()
    }

    /// Ends every open session of a stream with one reason.
    pub(crate) fn cancel_stream(&self, stream: &Code, why: &Ended) {
        for session in self.list().iter().filter(|session| session.stream == *stream) {
            session.cancel(why.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer's text as it may stand in a log line: printable, at most 120 characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening() -> Opening {
        Opening {
            stream: "news".parse().expect("a code"),
            rendition: None,
            protocol: Protocol::MpegTs,
            role: Role::Viewer,
            peer: None,
            agent: Some("a\nb".to_owned()),
            origin: None,
        }
    }

    #[test]
    fn the_first_reason_is_the_one_that_is_told() {
        let sessions = Arc::new(Sessions::default());
        let open = sessions.open(opening(), &CancellationToken::new());
        assert_eq!(open.agent.as_deref(), Some("ab"), "a peer writes no second log line");
        open.cancel(Ended::Kicked);
        open.cancel(Ended::Shutdown);
        assert!(open.cancelled().is_cancelled());
        drop(open);
        assert!(sessions.list().is_empty());
        assert_eq!(sessions.closed()[0].reason, Ended::Kicked);
    }

    #[test]
    fn a_session_whose_task_fails_says_so_and_no_other_session_ends() {
        let sessions = Arc::new(Sessions::default());
        let other = sessions.open(opening(), &CancellationToken::new());
        let open = sessions.open(opening(), &CancellationToken::new());
        let failed = std::thread::spawn(move || {
            let _open = open;
            panic!("on purpose");
        });
        assert!(failed.join().is_err());
        assert_eq!(sessions.closed()[0].reason, Ended::Internal);
        assert!(!other.cancelled().is_cancelled() && sessions.list().len() == 1);
    }

    #[test]
    fn every_reason_has_its_own_text() {
        let second = Duration::from_secs(1);
        let reasons = [
            Ended::ClientLeft,
            Ended::Unpublished,
            Ended::StreamStopped,
            Ended::TakenOver,
            Ended::RenditionRemoved,
            Ended::InputRemoved,
            Ended::OutputOff,
            Ended::OutputRestarted,
            Ended::Kicked,
            Ended::Shutdown,
            Ended::NoMedia(second),
            Ended::TooSlow(second),
            Ended::Internal,
            Ended::Idle(second),
            Ended::TracksChanged,
            Ended::Protocol("x".to_owned()),
            Ended::Io("x".to_owned()),
        ];
        let texts: std::collections::BTreeSet<String> = reasons.iter().map(Ended::to_string).collect();
        assert_eq!(texts.len(), reasons.len());
    }
}
