//! A port on which SRT is spoken: its shards, and how long they live.
//!
//! Over UDP whoever is connected stays at the port that was listened on. So a port that is listened on no more goes on until
//! its last connection has ended, and all its shards end together: the system would send connections of the others astray. A
//! port that is listened on again meanwhile is the same one, with new terms.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::repeats::Repeats;
use super::shard::{Command, Shard};
use super::socket;
use crate::config::Secret;
use crate::error::Error;
use crate::service::Service;

/// The setting that says where SRT listens.
const SETTING: &str = "listeners.srt.port";

/// What callers get who come now.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) latency: Duration,
    /// For streams without one of their own.
    pub(super) passphrase: Option<Secret>,
}

impl Terms {
    pub(super) fn settings(&self) -> srt::Settings {
        srt::Settings {
            receive_latency: self.latency,
            send_latency: self.latency,
            ..srt::Settings::default()
        }
    }
}

/// The ports that have shards.
#[derive(Default)]
pub(crate) struct Ports(Mutex<Vec<Weak<Port>>>);

/// A port with shards.
pub(super) struct Port {
    host: Option<IpAddr>,
    address: SocketAddr,
    state: Mutex<State>,
    shards: Vec<mpsc::UnboundedSender<Command>>,
    tasks: TaskTracker,
    repeats: Repeats,
}

struct State {
    /// Somebody listens, or is about to.
    held: bool,
    connections: usize,
    ended: bool,
}

/// Somebody listens on a port, or is about to.
struct Held(Arc<Port>);

/// One connection of a port; dropping it makes it one less.
pub(super) struct Counted(Arc<Port>);

impl Port {
    /// Nobody can take it any more once nobody holds it and it has no connection.
    fn end_if_idle(&self, mut state: MutexGuard<'_, State>) {
        if !state.held && state.connections == 0 && !state.ended {
            state.ended = true;
            self.tell(|| Command::End);
        }
    }

    /// Tells each of its shards; one that has ended needs to know nothing.
    fn tell(&self, command: impl Fn() -> Command) {
        self.shards.iter().for_each(|shard| drop(shard.send(command())));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer was refused: that is logged as far as a flood allows.
    pub(super) fn note_refused(&self, service: &Service, now: Duration, peer: SocketAddr, why: &str) {
        let say = |counts| service.refusals.say(now, peer, why, counts);
        self.repeats.note(now, peer.ip(), why, say);
    }

    /// One more connection.
    pub(super) fn count(self: &Arc<Self>) -> Counted {
        self.state().connections += 1;
        Counted(Arc::clone(self))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.connections -= 1;
        self.0.end_if_idle(state);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.held = false;
        self.0.tell(|| Command::Listen(None));
        self.0.end_if_idle(state);
    }
}

impl Ports {
    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Port>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port, where it has shards and nobody listens any more.
    ///
    /// # Errors
    /// Somebody does.
    fn hold_again(&self, host: Option<IpAddr>, port: u16) -> io::Result<Option<Held>> {
        let mut ports = self.lock();
        ports.retain(|port| port.strong_count() > 0);
        let same = ports.iter().filter_map(Weak::upgrade);
        for known in same.filter(|known| known.host == host && known.address.port() == port) {
            let mut state = known.state();
            if state.ended {
                continue;
            }
            if state.held {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            state.held = true;
            drop(state);
            return Ok(Some(Held(known)));
        }
        Ok(None)
    }

    /// Starts a shard for each socket.
    fn start(
        &self,
        service: &Arc<Service>,
        host: Option<IpAddr>,
        address: SocketAddr,
        sockets: Vec<UdpSocket>,
    ) -> Held {
        let (shards, inboxes): (Vec<_>, Vec<_>) = sockets.iter().map(|_| mpsc::unbounded_channel()).unzip();
        let state = Mutex::new(State { held: true, connections: 0, ended: false });
        let port = Arc::new(Port {
            host,
            address,
            state,
            shards,
            tasks: TaskTracker::new(),
            repeats: Repeats::default(),
        });
        for ((socket, inbox), outbox) in sockets.into_iter().zip(inboxes).zip(&port.shards) {
            let shard = Shard::new(Arc::clone(service), Arc::clone(&port), socket, inbox, outbox.clone());
            service.tasks.spawn(port.tasks.track_future(shard.run()));
        }
        port.tasks.close();
        self.lock().push(Arc::downgrade(&port));
        Held(port)
    }
}

/// An open SRT listener that serves nobody yet.
pub struct SrtListener {
    service: Arc<Service>,
    address: SocketAddr,
    terms: Terms,
    port: Opened,
}

enum Opened {
    New(Option<IpAddr>, Vec<UdpSocket>),
    /// It still has connections of before.
    Again(Held),
}

impl Service {
    /// Opens the SRT listener of the settings; none when it is disabled.
    ///
    /// # Errors
    /// [`Error::Listen`] with the address and the setting, when the port is taken for example.
    pub fn bind_srt(self: &Arc<Self>) -> Result<Option<SrtListener>, Error> {
        let listeners = self.listeners();
        let settings = &listeners.srt;
        if !settings.enabled {
            return Ok(None);
        }
        let host = settings.listen_host;
        let failed = |source| {
            let host = host.map_or_else(|| "*".to_owned(), |host| host.to_string());
            Error::Listen { address: format!("{host}:{}", settings.port), setting: SETTING, source }
        };
        let (address, port) = match self.srt_ports.hold_again(host, settings.port).map_err(failed)? {
            Some(held) => (held.0.address, Opened::Again(held)),
            None => {
                let cores = || std::thread::available_parallelism().map_or(1, usize::from);
                let count = self.settings.fan_out.workers.unwrap_or_else(cores);
                let sockets = socket::bind(host, settings.port, count.max(1)).map_err(failed)?;
                let address = sockets.first().map(UdpSocket::local_addr);
                let address =
                    address.ok_or_else(|| io::ErrorKind::NotFound.into()).flatten().map_err(failed)?;
                (address, Opened::New(host, sockets))
            }
        };
        let terms = Terms { latency: listeners.srt_latency, passphrase: listeners.srt_passphrase };
        Ok(Some(SrtListener { service: Arc::clone(self), address, terms, port }))
    }

    /// Listens for SRT where the listeners of now say, until `cancel` or the end of the service. Who is connected stays when
    /// only `cancel` ends: [`Service::set_listeners`] and another call move the port. Returns at once where SRT is disabled.
    ///
    /// # Errors
    /// Those of [`Service::bind_srt`].
    pub async fn run_srt_play_server(self: &Arc<Self>, cancel: CancellationToken) -> Result<(), Error> {
        if let Some(listener) = self.bind_srt()? {
            tracing::info!(address = %listener.local_addr(), "SRT listens");
            listener.run(cancel).await;
        }
        Ok(())
    }
}

impl SrtListener {
    /// The address that it has, with the port that the system chose where the setting is 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Lets callers in until `cancel`, or the end of the service. Connections go on when only `cancel` ends.
    pub async fn run(self, cancel: CancellationToken) {
        let Self { service, address, terms, port } = self;
        let held = match port {
            Opened::Again(held) => held,
            Opened::New(host, sockets) => service.srt_ports.start(&service, host, address, sockets),
        };
        held.0.tell(|| Command::Listen(Some(terms.clone())));
        let ended = service.cancelled();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = ended.cancelled() => {}
        }
        let port = Arc::clone(&held.0);
        drop(held);
        let is_idle = port.state().ended;
        if is_idle {
            // So that the port is free when this returns.
            port.tasks.wait().await;
        }
    }
}
