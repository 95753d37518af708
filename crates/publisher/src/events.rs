//! What happens in the service, told to whoever listens: one bounded queue, in which a slow listener loses the oldest and learns
//! how many.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::change::Plan;
use crate::code::Code;
use crate::push::PushStatus;
use crate::service::Service;
use crate::session::{Ended, SessionStatus};

/// Events that are kept for who is slow.
const KEPT: usize = 1024;

/// One event. Nothing in it is secret.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Rises by one from event to event of this process.
    pub number: u64,
    /// When it happened.
    pub at: SystemTime,
    /// The stream; none where it is about no single one.
    pub stream: Option<Code>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum What {
    /// A stream was started. It may have no media yet.
    StreamStarted,
    /// A stream was stopped, for this reason.
    StreamStopped(Ended),
    /// A stream that has media lacks something: a rung, a track that an output leaves out. All that it lacks now, as sentences.
    StreamDegraded(Vec<String>),
    /// A stream that was degraded lacks nothing any more.
    StreamHealthy,
    /// The first media came. The rung where the stream has a ladder.
    InputStarted(Option<String>),
    /// No media came for 3 s.
    InputLost {
        /// The rung where the stream has a ladder.
        rendition: Option<String>,
        /// Whether it has a source that is silent, or none.
        reason: &'static str,
    },
    /// Media comes again.
    InputRecovered(Option<String>),
    /// A destination has another state.
    PushChanged {
        /// As in the status of pushes.
        push: u64,
        /// The URL without its secrets.
        url: String,
        /// None: it is new.
        from: Option<PushStatus>,
        /// None: it is wanted no more.
        to: Option<PushStatus>,
        /// What went wrong, where something did.
        error: Option<String>,
    },
    /// A publisher or a viewer came.
    SessionOpened(SessionStatus),
    /// It went, for this reason.
    SessionClosed(SessionStatus, Ended),
    /// A running stream was changed.
    ConfigChanged(Plan),
    /// The listeners are to be elsewhere.
    ListenersChanged,
}

impl What {
    /// Its name, as `stream_started`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::StreamStarted => "stream_started",
            Self::StreamStopped(_) => "stream_stopped",
            Self::StreamDegraded(_) => "stream_degraded",
            Self::StreamHealthy => "stream_healthy",
            Self::InputStarted(_) => "input_started",
            Self::InputLost { .. } => "input_lost",
            Self::InputRecovered(_) => "input_recovered",
            Self::PushChanged { .. } => "push_changed",
            Self::SessionOpened(_) => "session_opened",
            Self::SessionClosed(..) => "session_closed",
            Self::ConfigChanged(_) => "config_changed",
            Self::ListenersChanged => "listeners_changed",
        }
    }
}

/// Where events are told. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<Arc<Event>>,
    /// The number of the last one, held while one is told so that they come in order.
    last: Arc<Mutex<u64>>,
}

impl Default for Events {
    fn default() -> Self {
        Self { sender: broadcast::Sender::new(KEPT), last: Arc::default() }
    }
}

impl Events {
    /// Whether anybody listens.
    pub(crate) fn are_heard(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Tells of something. Where nobody listens, it is not even put together.
    pub(crate) fn tell(&self, stream: Option<&Code>, what: impl FnOnce() -> What) {
        if !self.are_heard() {
            return;
        }
        let what = what();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let event = Event { number: *last, at: SystemTime::now(), stream: stream.cloned(), what };
        // Whoever listened may have gone just now.
        let _ = self.sender.send(Arc::new(event));
    }
}

/// What a listener gets next.
#[derive(Clone, PartialEq, Debug)]
pub enum Received {
    /// An event.
    Event(Arc<Event>),
    /// It was too slow: so many events, the oldest, are lost to it.
    Missed(u64),
}

/// Hears the events from the moment on at which it was made; dropping it ends that.
#[derive(Debug)]
pub struct Receiver(broadcast::Receiver<Arc<Event>>);

impl Receiver {
    /// The next event, once there is one. It may be dropped and asked again, and nothing is lost. None: the service is gone.
    pub async fn next(&mut self) -> Option<Received> {
        match self.0.recv().await {
            Ok(event) => Some(Received::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Received::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}

impl Service {
    /// Hears what happens from now on. The last 1024 events are kept for a listener; one that is slower loses the oldest, and
    /// is told how many.
    pub fn events(&self) -> Receiver {
        Receiver(self.events.sender.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_listener_loses_the_oldest_and_is_told_how_many() {
        let events = Events::default();
        events.tell(None, || panic!("nobody listens"));
        let (mut slow, mut late) = (Receiver(events.sender.subscribe()), None);
        for number in 0..KEPT as u64 + 10 {
            if number == 20 {
                late = Some(Receiver(events.sender.subscribe()));
            }
            events.tell(None, || What::ListenersChanged);
        }
        let mut late = late.expect("made");
        let numbers = async |receiver: &mut Receiver| match receiver.next().await {
            Some(Received::Event(event)) => (event.number, 0),
            Some(Received::Missed(missed)) => (0, missed),
            None => (0, 0),
        };
        assert_eq!(numbers(&mut slow).await, (0, 10));
        assert_eq!(numbers(&mut slow).await, (11, 0));
        assert_eq!(numbers(&mut late).await, (21, 0), "who keeps up loses nothing");
        drop(events);
        for _ in 22..=KEPT as u64 + 10 {
            assert!(numbers(&mut late).await.0 > 21);
        }
        assert_eq!(late.next().await, None);
    }
}
