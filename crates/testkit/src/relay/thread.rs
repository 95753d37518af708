//! The thread that serves all routes of a relay.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::Timespec;

use super::route::{Ready, Serve};
use super::rtsp::Rtsp;
use super::tcp::Tcp;
use super::udp::Udp;
use super::{Counters, Network, Packets, Segments};

/// The longest wait, so that an end is noticed.
const TURN: Duration = Duration::from_millis(10);

/// What passes a route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Datagrams.
    Udp,
    /// Connections, all of whose bytes arrive.
    Tcp,
    /// Connections of RTSP that pass unharmed, and RTP and RTCP over UDP that do not, for players and publishers. For RTP in
    /// the connection itself there is [`Self::Tcp`].
    Rtsp,
}

/// A way through a relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// What passes.
    pub kind: Kind,
    /// Where clients come, on loopback; port 0 is any that is free.
    pub listen: SocketAddr,
    /// What they want to reach, on loopback.
    pub target: SocketAddr,
}

/// What passed a route so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RouteCounters {
    /// Addresses that datagrams came from, or connections.
    pub clients: u64,
    /// What clients sent.
    pub there: Counters,
    /// What clients got.
    pub back: Counters,
}

/// A running relay. It ends with this value.
pub struct Relay {
    addresses: Vec<SocketAddr>,
    routes: Arc<Mutex<Vec<Box<dyn Serve>>>>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Listens for all routes.
    ///
    /// # Errors
    /// When an address is taken or not on loopback.
    pub fn start(network: Network, routes: &[Route]) -> io::Result<Self> {
        let (mut addresses, mut serving) = (Vec::new(), Vec::new());
        for (number, route) in routes.iter().enumerate() {
            let (served, address) = route.open(Lines::new(network, number as u64))?;
            serving.push(served);
            addresses.push(address);
        }
        let routes = Arc::new(Mutex::new(serving));
        let end = Arc::new(AtomicBool::new(false));
        let thread = {
            let (routes, end) = (Arc::clone(&routes), Arc::clone(&end));
            thread::Builder::new().name("relay".into()).spawn(move || serve(&routes, &end))?
        };
        Ok(Self { addresses, routes, end, thread: Some(thread) })
    }

    /// Listens at a free port of loopback for one target.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn before(target: SocketAddr, kind: Kind, network: Network) -> io::Result<Self> {
        let listen = SocketAddr::new(target.ip(), 0);
        Self::start(network, &[Route { kind, listen, target }])
    }

    /// Where each route listens, in the order they were given.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the first route listens.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses.first().copied().expect("a relay has a route")
    }

    /// What passed each route so far.
    #[must_use]
    pub fn counters(&self) -> Vec<RouteCounters> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let counters = routes.iter().map(|route| {
            let (clients, there, back) = route.counters();
            RouteCounters { clients, there, back }
        });
        counters.collect()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        // A thread that panicked has said so already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Route {
    fn open(self, lines: Lines) -> io::Result<(Box<dyn Serve>, SocketAddr)> {
        let Self { kind, listen, target } = self;
        if !listen.ip().is_loopback() || !target.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "only loopback is relayed"));
        }
        fn boxed<T: Serve + 'static>((served, address): (T, SocketAddr)) -> (Box<dyn Serve>, SocketAddr) {
            (Box::new(served), address)
        }
        match kind {
            Kind::Udp => Udp::new(listen, target, lines).map(boxed),
            Kind::Tcp => Tcp::new(listen, target, lines).map(boxed),
            Kind::Rtsp => Rtsp::new(listen, target, lines).map(boxed),
        }
    }
}

/// Numbers the lines of a route, two at a time, for the two directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    network: Network,
    next: u64,
}

impl Lines {
    fn new(network: Network, route: u64) -> Self {
        Self { network, next: route << 48 }
    }

    /// Those of one client that has several, and so that what others do moves none of them.
    pub(super) fn of_client(self, number: u64) -> Self {
        Self { next: self.next + (number << 16), ..self }
    }

    pub(super) fn packets(&mut self) -> (Packets, Packets) {
        let Network { seed, there, back } = self.network;
        self.next += 2;
        (Packets::new(seed, self.next, there), Packets::new(seed, self.next + 1, back))
    }

    pub(super) fn segments(&mut self) -> (Segments, Segments) {
        let Network { seed, there, back } = self.network;
        self.next += 2;
        (Segments::new(seed, self.next, there), Segments::new(seed, self.next + 1, back))
    }
}

fn serve(routes: &Mutex<Vec<Box<dyn Serve>>>, end: &AtomicBool) {
    let start = Instant::now();
    let mut ready = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let mut routes = routes.lock().unwrap_or_else(PoisonError::into_inner);
        wait(&routes, start, &mut ready);
        let now = start.elapsed();
        let mut ready = ready.iter().copied();
        for route in routes.iter_mut() {
            route.turn(now, &mut Ready(&mut ready));
        }
    }
}

/// Waits until a socket is ready or something leaves; says which sockets are.
fn wait(routes: &[Box<dyn Serve>], start: Instant, ready: &mut Vec<bool>) {
    let now = start.elapsed();
    let deadline = routes.iter().filter_map(|route| route.deadline(now)).min();
    let longest = deadline.map_or(TURN, |deadline| deadline.saturating_sub(now).min(TURN));
    let mut sockets = Vec::new();
    routes.iter().for_each(|route| route.sockets(now, &mut sockets));
    let timeout = Timespec { tv_sec: 0, tv_nsec: longest.subsec_nanos().into() };
    // An interrupted wait is a short one.
    let waited = rustix::event::poll(&mut sockets, Some(&timeout));
    ready.clear();
    ready.extend(sockets.iter().map(|socket| waited.is_ok() && !socket.revents().is_empty()));
}
