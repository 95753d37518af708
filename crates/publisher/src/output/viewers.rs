//! Viewers of segmented outputs, who have no connection: an estimate by address and user agent.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::session::{Ended, Open, Opening, Protocol, Role, Sessions};
use crate::stream::Running;

/// Viewers told apart at most; more are served all the same.
const MAX: usize = 10_000;
/// How often the idle ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The viewers of one output.
pub(crate) struct Viewers {
    /// A viewer that asked for nothing this long has left.
    idle: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: HashMap<(IpAddr, Option<String>), Viewer>,
    swept: Option<Instant>,
}

struct Viewer {
    session: Open,
    seen: Instant,
}

impl Viewers {
    /// Nobody yet.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, state: Mutex::default() }
    }

    /// Counts an answer for the viewer that asked; an unknown one gets a session.
    pub(super) fn note(
        &self,
        sessions: &Arc<Sessions>,
        running: &Running,
        protocol: Protocol,
        peer: SocketAddr,
        agent: Option<String>,
        bytes: u64,
    ) {
        let mut state = self.lock();
        let key = (peer.ip(), agent.clone());
        if state.known.len() >= MAX && !state.known.contains_key(&key) {
            return;
        }
        let viewer = state.known.entry(key).or_insert_with(|| {
            let stream = running.config.code.clone();
            let opening = Opening { stream, protocol, role: Role::Viewer, peer: Some(peer), agent };
            Viewer { session: sessions.open(opening, &running.cancel), seen: Instant::now() }
        });
        viewer.seen = Instant::now();
        viewer.session.add_bytes(bytes);
    }

    /// Closes the sessions of viewers that have left.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP_EVERY) {
            return;
        }
        state.swept = Some(now);
        state.known.retain(|_, viewer| {
            let idle = now.duration_since(viewer.seen) >= self.idle;
            if idle {
                viewer.session.cancel(Ended::Idle(self.idle));
            }
            !idle && !viewer.session.cancelled().is_cancelled()
        });
    }

    /// Closes all sessions.
    pub(super) fn close(&self) {
        self.lock().known.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
