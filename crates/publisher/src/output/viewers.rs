//! Viewers of segmented outputs, who have no connection: an estimate by address and user agent.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Response;
use http::request::Parts;

use super::answer;
use crate::body::Body;
use crate::limits::{self, Pass, Refusal};
use crate::service::Service;
use crate::session::{Ended, Open, Opening, Protocol, Role, Sessions};
use crate::stream::Running;

/// Names under which the clients of one address are told apart. Those that come after count as one: names cost nothing,
/// and a single client could take the place of every viewer.
const NAMES: usize = 250;
/// How often the idle ones are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The viewers of one output.
pub(crate) struct Viewers {
    /// A viewer that asked for nothing this long has left.
    idle: Duration,
    state: Mutex<State>,
}

/// A client: its address, and what it calls itself.
type Client = (IpAddr, Option<String>);

#[derive(Default)]
struct State {
    /// By the holder of the address.
    known: HashMap<IpAddr, HashMap<Client, Viewer>>,
    swept: Option<Instant>,
}

struct Viewer {
    session: Open,
    seen: Instant,
    _pass: Pass,
}

impl Viewers {
    /// Nobody yet.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, state: Mutex::default() }
    }

    /// Counts an answer for the viewer that asked; an unknown one gets a session. False: there is no room for it.
    pub(super) fn note(
        &self,
        sessions: &Arc<Sessions>,
        running: &Running,
        protocol: Protocol,
        peer: SocketAddr,
        agent: Option<String>,
        bytes: u64,
    ) -> bool {
        let mut state = self.lock();
        let holder = limits::holder(peer.ip());
        let of_holder = state.known.entry(holder).or_default();
        let mut client = (peer.ip(), agent.clone());
        if of_holder.len() >= NAMES && !of_holder.contains_key(&client) {
            client = (holder, None);
        }
        let viewer = match of_holder.entry(client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let Some(pass) = running.viewers.enter() else { return false };
                let stream = running.code.clone();
                let opening = Opening {
                    stream,
                    rendition: None,
                    protocol,
                    role: Role::Viewer,
                    peer: Some(peer),
                    agent,
                    origin: None,
                };
                let session = sessions.open(opening, &running.cancel);
                unknown.insert(Viewer { session, seen: Instant::now(), _pass: pass })
            }
        };
        viewer.seen = Instant::now();
        viewer.session.add_bytes(bytes);
        true
    }

    /// Closes the sessions of viewers that have left.
    pub(super) fn sweep(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.swept.is_some_and(|swept| now.duration_since(swept) < SWEEP_EVERY) {
            return;
        }
        state.swept = Some(now);
        let stays = |viewer: &Viewer| {
            let idle = now.duration_since(viewer.seen) >= self.idle;
            if idle {
                viewer.session.cancel(Ended::Idle(self.idle));
            }
            !idle && !viewer.session.cancelled().is_cancelled()
        };
        state.known.retain(|_, clients| {
            clients.retain(|_, viewer| stays(viewer));
            !clients.is_empty()
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

impl Service {
    /// The response, counted for the viewer that the request seems to come from; another one where it is a new viewer
    /// and there is no room.
    pub(super) fn note_viewer(
        &self,
        running: &Running,
        viewers: &Viewers,
        request: &Parts,
        peer: SocketAddr,
        protocol: Protocol,
        response: Response<Body>,
    ) -> Response<Body> {
        let agent = answer::user_agent(request);
        let bytes = response.body().length().unwrap_or(0);
        match viewers.note(&self.sessions, running, protocol, peer, agent, bytes) {
            true => response,
            false => answer::busy(&self.gates.sentence(self.gates.refuse(Refusal::ViewersPerStream))),
        }
    }
}
