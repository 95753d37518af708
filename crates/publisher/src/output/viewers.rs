//! Viewers of segmented outputs, who have no connection: told by their token, else an estimate by address and user agent.

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
use crate::session::{Client, Ended, Open, Opening, Protocol, Role, Sessions, Token};
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

#[derive(Default)]
struct State {
    known: HashMap<Group, HashMap<Client, Viewer>>,
    swept: Option<Instant>,
}

/// Who may have a name of its own beside whom.
#[derive(PartialEq, Eq, Hash)]
enum Group {
    /// Those of one holder of addresses.
    Holder(IpAddr),
    /// Those with a token.
    Tokens,
}

struct Viewer {
    session: Open,
    seen: Instant,
    _pass: Pass,
}

/// What becomes of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Noted {
    Counted,
    /// There is no room for another viewer.
    NoRoom,
    /// An operator ended the viewer's session.
    Kicked,
}

/// Who asks: by the token that was found to be good, else by address and user agent.
fn client(request: &Parts, peer: SocketAddr) -> Client {
    match request.extensions.get::<Token>() {
        Some(token) => Client::Token(token.clone()),
        None => Client::Seen(peer.ip(), answer::user_agent(request)),
    }
}

impl Viewers {
    /// Nobody yet.
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, state: Mutex::default() }
    }

    /// Counts an answer for the viewer that asked; an unknown one gets a session.
    fn note(
        &self,
        sessions: &Arc<Sessions>,
        running: &Running,
        protocol: Protocol,
        peer: SocketAddr,
        request: &Parts,
        bytes: u64,
    ) -> Noted {
        let mut state = self.lock();
        let mut client = client(request, peer);
        let holder = limits::holder(peer.ip());
        let group = if client.is_estimated() { Group::Holder(holder) } else { Group::Tokens };
        let of_group = state.known.entry(group).or_default();
        if client.is_estimated() && of_group.len() >= NAMES && !of_group.contains_key(&client) {
            client = Client::Seen(holder, None);
        }
        if sessions.is_refused(&running.code, protocol, &client) {
            return Noted::Kicked;
        }
        if of_group.get(&client).is_some_and(|viewer| viewer.session.cancelled().is_cancelled()) {
            of_group.remove(&client);
        }
        let viewer = match of_group.entry(client.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let Some(pass) = running.viewers.enter() else { return Noted::NoRoom };
                let opening = Opening {
                    stream: running.code.clone(),
                    rendition: None,
                    protocol,
                    role: Role::Viewer,
                    peer: Some(peer),
                    agent: answer::user_agent(request),
                    origin: None,
                };
                let session = sessions.open_for(opening, Some(client), &running.cancel);
                unknown.insert(Viewer { session, seen: Instant::now(), _pass: pass })
            }
        };
        viewer.seen = Instant::now();
        viewer.session.add_bytes(bytes);
        Noted::Counted
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
    /// and there is no room, or where an operator ended its session.
    pub(super) fn note_viewer(
        &self,
        running: &Running,
        viewers: &Viewers,
        request: &Parts,
        peer: SocketAddr,
        protocol: Protocol,
        response: Response<Body>,
    ) -> Response<Body> {
        let bytes = response.body().length().unwrap_or(0);
        match viewers.note(&self.sessions, running, protocol, peer, request, bytes) {
            Noted::Counted => response,
            Noted::NoRoom => answer::busy(&self.gates.sentence(self.gates.refuse(Refusal::ViewersPerStream))),
            Noted::Kicked => answer::kicked(),
        }
    }
}
