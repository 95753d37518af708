//! A part of a port: one socket, and the connections that the system has put there.
//!
//! Whatever happens, it is left for a few milliseconds to what else may happen, so that what many viewers confirm, and what many
//! are to get, is one piece of work with few system calls.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use fanout::End;
use packager::ts::Chunk;
use srt::connection::{Event, Output, Reason};
use srt::listener::{self, Listener, Request};
use srt::{Connection, Passphrase, Rejection, packet};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::WaitForCancellationFutureOwned;
use tokio_util::task::AbortOnDropHandle;

use super::link::{Link, Role};
use super::port::{Port, Terms};
use super::receive::Receiver;
use super::send::Sender;
use super::timers::Timers;
use super::wish::{self, Refused, Wish};
use crate::code::Address;
use crate::config::Secret;
use crate::ingest::mpegts::CLOCK;
use crate::ingest::srt::Publisher;
use crate::limits::{Admission, Pass, holder};
use crate::output::account::Account;
use crate::output::srt::{Lane, NotPlayed, Viewer};
use crate::rung::Refused as NotAdmitted;
use crate::service::{Denied, Publication, Service, random};
use crate::session::{Opening, Protocol, Role as SessionRole};

/// From the end of one turn to the next, at least.
const REST: Duration = Duration::from_millis(4);
/// Datagrams are taken so often in one turn, 64 each time.
const ROUNDS: usize = 16;
/// Callers that hear in one turn whether they are let in: each may cost a derivation of keys, about a millisecond.
const VERDICTS: usize = 4;
/// Callers of one address that may wait for a verdict; not bounded for this machine.
const MAX_WAITING_PER_ADDRESS: usize = 32;
/// How often it is looked for those who are too slow, or whose sessions have ended.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

/// What a shard is told.
pub(super) enum Command {
    /// Callers are let in on these terms; none are without.
    Listen(Option<Terms>),
    /// A viewer has media now, or a sentence about why there are none.
    Joined(u32, Result<Account<Chunk>, String>),
    /// A publisher was let in, or not.
    Published(Box<Published>),
    /// A publisher is to be sent away.
    Over(u32),
    End,
}

/// A caller that was looked at as a publisher.
pub(super) struct Published {
    request: Request,
    admission: Admission,
    result: Result<Publication, Denied>,
    _handshake: Pass,
}

/// A caller that waits for a verdict.
struct Caller {
    request: Request,
    _handshake: Pass,
}

/// One socket and its connections.
pub(super) struct Shard {
    service: Arc<Service>,
    port: Arc<Port>,
    socket: UdpSocket,
    inbox: mpsc::UnboundedReceiver<Command>,
    /// To ourselves, for tasks that wait for something.
    outbox: mpsc::UnboundedSender<Command>,
    commands: Vec<Command>,
    terms: Option<Terms>,
    listener: Listener,
    callers: VecDeque<Caller>,
    /// By their sockets' numbers.
    links: HashMap<u32, Link>,
    /// By their rings.
    lanes: HashMap<usize, Lane>,
    timers: Timers,
    /// None only while it is at work.
    receiver: Option<Receiver>,
    sender: Sender,
    /// Connections that something has happened to.
    touched: Vec<u32>,
    /// Viewers that there is more for.
    hungry: Vec<u32>,
    swept: Duration,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    has_ended: bool,
}

impl Shard {
    pub(super) fn new(
        service: Arc<Service>,
        port: Arc<Port>,
        socket: UdpSocket,
        inbox: mpsc::UnboundedReceiver<Command>,
        outbox: mpsc::UnboundedSender<Command>,
    ) -> Self {
        let now = service.clock.elapsed();
        let ended = Box::pin(service.cancelled().cancelled_owned());
        Self {
            service,
            port,
            socket,
            inbox,
            outbox,
            commands: Vec::new(),
            terms: None,
            listener: Listener::new(srt::Limits::default(), now, random()),
            callers: VecDeque::new(),
            links: HashMap::new(),
            lanes: HashMap::new(),
            timers: Timers::default(),
            receiver: Some(Receiver::new()),
            sender: Sender::default(),
            touched: Vec::new(),
            hungry: Vec::new(),
            swept: now,
            ended,
            has_ended: false,
        }
    }

    /// Works until its port ends, or the service.
    pub(super) async fn run(mut self) {
        while !self.has_ended {
            self.wait().await;
            if catch_unwind(AssertUnwindSafe(|| self.turn())).is_err() {
                tracing::error!("a part of the SRT port failed and begins again; its connections are let go");
                self.clear(|| End::Panicked);
            }
            tokio::time::sleep(REST).await;
        }
        self.clear(|| End::Stopped);
    }

    /// Waits until there is something to do.
    async fn wait(&mut self) {
        let now = self.service.clock.elapsed();
        let deadline = self.deadline(now);
        let mut sleep = pin!(async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline.saturating_sub(now)).await,
                None => std::future::pending().await,
            }
        });
        poll_fn(|cx| {
            let is_due = sleep.as_mut().poll(cx).is_ready();
            match self.poll(cx) || is_due {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// When there is something to do, whatever else happens.
    fn deadline(&mut self, now: Duration) -> Option<Duration> {
        let has_more = !self.hungry.is_empty() || !self.touched.is_empty() || !self.callers.is_empty();
        let listener = match self.listener.poll_output() {
            listener::Output::Wait(deadline) => deadline,
            // It was drained in the last turn.
            _ => Some(now),
        };
        let sweep = (!self.links.is_empty()).then_some(self.swept + SWEEP_EVERY);
        let lanes = self.lanes.values().filter_map(|lane| lane.deadline(now)).min();
        // What the system has no room for is not to be added to.
        let more = (has_more && !self.sender.is_blocked()).then_some(now);
        [more, listener, sweep, lanes, self.timers.next()].into_iter().flatten().min()
    }

    /// Whether anything has happened. Else the task is woken when it does.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> bool {
        let mut happened = false;
        while let Poll::Ready(Some(command)) = self.inbox.poll_recv(cx) {
            self.commands.push(command);
            happened = true;
        }
        if self.ended.as_mut().poll(cx).is_ready() {
            self.has_ended = true;
            return true;
        }
        happened |= self.sender.is_blocked() && self.socket.poll_send_ready(cx).is_ready();
        happened |= self.socket.poll_recv_ready(cx).is_ready();
        let now = self.service.clock.elapsed();
        for lane in self.lanes.values_mut() {
            if lane.pull(cx, now) {
                self.touched.extend_from_slice(lane.viewers());
                happened = true;
            }
        }
        happened
    }

    /// Does what there is to do.
    fn turn(&mut self) {
        let now = self.service.clock.elapsed();
        for command in std::mem::take(&mut self.commands) {
            self.obey(now, command);
        }
        self.receive(now);
        while let Some((at, socket)) = self.timers.pop(now) {
            if let Some(link) = self.links.get_mut(&socket).filter(|link| link.set == Some(at)) {
                link.set = None;
                link.connection.handle_timeout(now);
                self.touched.push(socket);
            }
        }
        self.end_lanes(now);
        self.answer_callers(now);
        if now.saturating_sub(self.swept) >= SWEEP_EVERY {
            self.swept = now;
            self.sweep(now);
        }
        self.sender.flush(&self.socket);
        if !self.sender.is_blocked() {
            self.settle_all(now);
            self.sender.flush(&self.socket);
        }
    }

    fn obey(&mut self, now: Duration, command: Command) {
        match command {
            Command::Listen(terms) => self.terms = terms,
            Command::End => self.has_ended = true,
            Command::Joined(socket, joined) => self.joined(now, socket, joined),
            Command::Published(published) => self.published(now, *published),
            Command::Over(socket) => self.close(now, socket, End::Stopped),
        }
    }

    /// Takes what has come.
    fn receive(&mut self, now: Duration) {
        let Some(mut receiver) = self.receiver.take() else { return };
        for _ in 0..ROUNDS {
            match receiver.receive(&self.socket) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "the SRT socket");
                    break;
                }
            }
            for (from, datagram) in receiver.datagrams() {
                self.take(now, from, datagram);
            }
        }
        self.receiver = Some(receiver);
    }

    fn take(&mut self, now: Duration, from: SocketAddr, datagram: &[u8]) {
        match packet::destination(datagram) {
            Some(0) => {
                if let Err(srt::Error::Rejected(rejection)) = self.listener.handle_packet(now, from, datagram)
                {
                    self.note(now, from, &format!("its handshake: {rejection}"));
                }
            }
            Some(socket) => {
                let Some(link) = self.links.get_mut(&socket).filter(|link| link.peer == from) else { return };
                let connection = &mut link.connection;
                match catch_unwind(AssertUnwindSafe(|| connection.handle_packet(now, datagram))) {
                    // One that cannot be read is counted by the connection.
                    Ok(_) => self.touched.push(socket),
                    Err(_) => self.remove(socket, End::Panicked),
                }
            }
            // No packet of SRT.
            None => {}
        }
    }

    /// Sends what the listener has to say, and tells callers whether they are let in.
    fn answer_callers(&mut self, now: Duration) {
        self.listener.handle_timeout(now);
        self.drain_listener(now);
        for _ in 0..VERDICTS {
            let Some(caller) = self.callers.pop_front() else { break };
            let request = caller.request.clone();
            if let Err(refused) = self.let_in(now, caller) {
                self.refuse(now, &request, &refused);
            }
        }
        self.drain_listener(now);
    }

    fn drain_listener(&mut self, now: Duration) {
        loop {
            match self.listener.poll_output() {
                listener::Output::Send(to, datagram) => self.sender.one(to, datagram),
                listener::Output::Request(request) => match self.room_for(&request) {
                    Ok(handshake) => self.callers.push_back(Caller { request, _handshake: handshake }),
                    Err(refused) => self.refuse(now, &request, &refused),
                },
                listener::Output::Wait(_) => return,
            }
        }
    }

    /// Whether there is room for a caller that waits for its verdict.
    fn room_for(&self, request: &Request) -> Result<Pass, Refused> {
        let of = |request: &Request| canonical(request.peer).ip();
        let address = of(request);
        let same = |caller: &&Caller| holder(of(&caller.request)) == holder(address);
        if !address.is_loopback() && self.callers.iter().filter(same).count() >= MAX_WAITING_PER_ADDRESS {
            let why = format!("{MAX_WAITING_PER_ADDRESS} callers of its address wait for an answer");
            return Err(Refused::new(Rejection::OVERLOAD, why));
        }
        let gates = &self.service.gates;
        gates.begin_handshake().map_err(|refusal| Refused::new(Rejection::OVERLOAD, gates.sentence(refusal)))
    }

    /// Lets a caller in, or says why not.
    fn let_in(&mut self, now: Duration, caller: Caller) -> Result<(), Refused> {
        let Some(terms) = self.terms.clone() else {
            return Err(closing());
        };
        match wish::read(caller.request.stream_id.as_deref())? {
            Wish::Play(address, token) => {
                let token = token.as_ref().map(Secret::reveal);
                let client = canonical(caller.request.peer).ip();
                self.service.may_play(&address, token, client).map_err(|denied| {
                    Refused::new(Rejection::UNAUTHORIZED, format!("{address}: {denied}"))
                })?;
                self.play(now, &caller.request, address, &terms)
            }
            Wish::Publish(address, key) => self.publish(now, caller, address, key, &terms),
        }
    }

    /// Has a task find out whether a publisher is let in. It may take the place of another one, so its passphrase is looked at
    /// before.
    fn publish(
        &mut self,
        now: Duration,
        caller: Caller,
        address: Address,
        key: Option<Secret>,
        terms: &Terms,
    ) -> Result<(), Refused> {
        let Caller { request, _handshake } = caller;
        let own = self.service.running(&address.code.clone().into());
        let own = own.and_then(|running| running.config().srt_passphrase.clone());
        let passphrase = passphrase(own.as_ref(), terms)?;
        let verified = self.listener.verify(now, request.id, passphrase.as_ref());
        verified.map_err(|error| Refused::new(error.rejection(), error.to_string()))?;
        let admission = self.admit(request.peer)?;
        let (service, outbox) = (Arc::clone(&self.service), self.outbox.clone());
        tokio::spawn(async move {
            let (peer, agent) = (Some(canonical(request.peer)), Some(version(request.version)));
            let opening = |stream| Opening {
                stream,
                rendition: None,
                protocol: Protocol::Srt,
                role: SessionRole::Publisher,
                peer,
                agent,
                origin: None,
            };
            let key = key.as_ref().map(Secret::reveal);
            let result = service.publish(&address, key, opening, CLOCK).await;
            let published = Published { request, admission, result, _handshake };
            // The shard may have ended.
            let _ = outbox.send(Command::Published(Box::new(published)));
        });
        Ok(())
    }

    /// Lets a publisher in, or says why not.
    fn published(&mut self, now: Duration, published: Published) {
        let Published { request, admission, result, _handshake } = published;
        let publication = match result {
            Ok(publication) => publication,
            Err(denied) => return self.refuse(now, &request, &refused(&denied, &request)),
        };
        // It was looked whether it has the right one.
        let settings = match &self.terms {
            Some(terms) => terms.settings(),
            None => return self.refuse(now, &request, &closing()),
        };
        let own = publication.running.config().srt_passphrase.clone();
        let passphrase = self.terms.as_ref().and_then(|terms| passphrase(own.as_ref(), terms).ok()).flatten();
        let connection = match self.listener.accept(now, request.id, passphrase.as_ref(), &settings) {
            Ok(connection) => connection,
            Err(error) => {
                return self.note(now, request.peer, &error.to_string());
            }
        };
        let (socket, outbox) = (connection.socket(), self.outbox.clone());
        let over = move || drop(outbox.send(Command::Over(socket)));
        let publisher = Publisher::start(Arc::clone(&self.service), publication, over);
        self.add(connection, request.peer, admission, Role::Publisher(publisher));
    }

    fn play(
        &mut self,
        now: Duration,
        request: &Request,
        address: Address,
        terms: &Terms,
    ) -> Result<(), Refused> {
        let peer = canonical(request.peer);
        let ticket = self.service.find_srt(address).map_err(|not_played| match not_played {
            NotPlayed::Absent(why) => Refused::new(Rejection::NOT_FOUND, why),
            NotPlayed::Full(why) => Refused::new(Rejection::OVERLOAD, why),
        })?;
        let passphrase = passphrase(ticket.running.config().srt_passphrase.as_ref(), terms)?;
        let admission = self.admit(request.peer)?;
        let accepted = self.listener.accept(now, request.id, passphrase.as_ref(), &terms.settings());
        // It was told already.
        let connection = accepted.map_err(|error| Refused::new(error.rejection(), error.to_string()))?;
        let (socket, agent) = (connection.socket(), version(request.version));
        let (service, outbox) = (Arc::clone(&self.service), self.outbox.clone());
        let join = async move {
            let joined = service.join_srt(ticket, peer, agent).await;
            // The shard may have ended.
            let _ = outbox.send(Command::Joined(socket, joined));
        };
        let task = AbortOnDropHandle::new(tokio::spawn(join));
        self.add(connection, request.peer, admission, Role::Joining { _task: task });
        Ok(())
    }

    /// Whether there is room for a connection from there.
    fn admit(&self, peer: SocketAddr) -> Result<Admission, Refused> {
        let gates = &self.service.gates;
        let admitted = gates.admit(canonical(peer).ip());
        admitted.map_err(|refusal| Refused::new(Rejection::OVERLOAD, gates.sentence(refusal)))
    }

    fn add(&mut self, connection: Connection, peer: SocketAddr, admission: Admission, role: Role) {
        let socket = connection.socket();
        let counted = self.port.count();
        let link = Link { connection, peer, role, set: None, _admission: admission, _counted: counted };
        if let Some(other) = self.links.insert(socket, link) {
            // Numbers are random, and of 30 bits.
            other.role.end(End::Left);
        }
        self.touched.push(socket);
    }

    fn joined(&mut self, now: Duration, socket: u32, joined: Result<Account<Chunk>, String>) {
        let Some(link) = self.links.get_mut(&socket) else {
            // It has gone meanwhile, and with it the account.
            return;
        };
        let peer = link.peer;
        self.touched.push(socket);
        let account = match joined {
            Ok(account) => account,
            Err(why) => {
                link.role = Role::Over;
                link.connection.close(now);
                return self.note(now, peer, &why);
            }
        };
        let ring = account.reading.ring().id();
        if !self.lanes.contains_key(&ring) {
            let settings = &self.service.settings.fan_out;
            let limits = self.service.viewer_limits();
            match Lane::new(&account.reading, limits, settings.merge_window) {
                Some(lane) => drop(self.lanes.insert(ring, lane)),
                None => {
                    account.end(End::Closed);
                    link.role = Role::Over;
                    link.connection.close(now);
                    return;
                }
            }
        }
        if let Some(lane) = self.lanes.get_mut(&ring) {
            link.role = Role::Viewer(Box::new(Viewer::new(account, lane.join(socket))));
        }
    }

    /// Sends away the viewers of rungs that have ended.
    fn end_lanes(&mut self, now: Duration) {
        let ended = self.lanes.extract_if(|_, lane| lane.has_ended());
        let viewers: Vec<u32> = ended.flat_map(|(_, lane)| lane.viewers().to_vec()).collect();
        viewers.into_iter().for_each(|socket| self.close(now, socket, End::Closed));
    }

    /// Ends a connection; its peer is told.
    fn close(&mut self, now: Duration, socket: u32, why: End) {
        let Some(link) = self.links.get_mut(&socket) else { return };
        link.connection.close(now);
        let role = std::mem::replace(&mut link.role, Role::Over);
        self.touched.push(socket);
        self.leave_lane(socket, &role);
        role.end(why);
    }

    fn leave_lane(&mut self, socket: u32, role: &Role) {
        let Role::Viewer(viewer) = role else { return };
        let ring = viewer.ring();
        if let Some(lane) = self.lanes.get_mut(&ring) {
            lane.leave(socket);
            if lane.viewers().is_empty() {
                self.lanes.remove(&ring);
            }
        }
    }

    /// A connection has ended.
    fn closed(&mut self, socket: u32, reason: Reason) {
        let Some(link) = self.links.remove(&socket) else { return };
        self.leave_lane(socket, &link.role);
        link.role.closed(reason);
    }

    /// Forgets a connection.
    fn remove(&mut self, socket: u32, why: End) {
        let Some(link) = self.links.remove(&socket) else { return };
        self.leave_lane(socket, &link.role);
        link.role.end(why);
    }

    /// Looks for those who are too slow, and for sessions that have ended.
    fn sweep(&mut self, now: Duration) {
        let timeout = self.service.settings.fan_out.slow_viewer_timeout;
        let mut over = Vec::new();
        for (&socket, link) in &mut self.links {
            if let Role::Viewer(viewer) = &mut link.role
                && let Some(lane) = self.lanes.get(&viewer.ring())
            {
                over.extend(viewer.over(lane, timeout).map(|why| (socket, why)));
            }
        }
        over.into_iter().for_each(|(socket, why)| self.close(now, socket, why));
    }

    /// Does what the connections that something has happened to want.
    fn settle_all(&mut self, now: Duration) {
        let mut touched = std::mem::take(&mut self.touched);
        touched.append(&mut self.hungry);
        touched.sort_unstable();
        touched.dedup();
        for &socket in &touched {
            if let Err(_panicked) = catch_unwind(AssertUnwindSafe(|| self.settle(now, socket))) {
                self.remove(socket, End::Panicked);
            }
        }
        // Its memory is used again, and what was touched meanwhile has its turn.
        touched.clear();
        touched.append(&mut self.touched);
        self.touched = touched;
    }

    fn settle(&mut self, now: Duration, socket: u32) {
        let Some(link) = self.links.get_mut(&socket) else { return };
        if let Role::Viewer(viewer) = &mut link.role
            && let Some(lane) = self.lanes.get(&viewer.ring())
            && viewer.feed(now, lane, &mut link.connection)
        {
            self.hungry.push(socket);
        }
        loop {
            match link.connection.poll_output() {
                Output::Send(burst) => self.sender.burst(link.peer, burst),
                Output::Event(Event::Data { payload, lost }) => {
                    // Who plays has nothing to say.
                    if let Role::Publisher(publisher) = &link.role {
                        publisher.take(payload, lost);
                    }
                }
                Output::Event(Event::Closed(reason)) => return self.closed(socket, reason),
                Output::Wait(Some(at)) => return self.timers.set(socket, at, &mut link.set),
                Output::Wait(None) => return self.remove(socket, End::Left),
            }
        }
    }

    fn refuse(&mut self, now: Duration, request: &Request, refused: &Refused) {
        self.listener.reject(now, request.id, refused.rejection);
        self.note(now, request.peer, &format!("{} (SRT: {})", refused.why, refused.rejection));
    }

    fn note(&self, now: Duration, peer: SocketAddr, why: &str) {
        self.service.refusals.note(now, canonical(peer), why);
    }

    /// Ends all connections.
    fn clear(&mut self, why: fn() -> End) {
        let now = self.service.clock.elapsed();
        for (_, mut link) in std::mem::take(&mut self.links) {
            link.connection.close(now);
            drain(&mut link.connection, link.peer, &mut self.sender);
            link.role.end(why());
        }
        self.lanes.clear();
        self.sender.flush(&self.socket);
    }
}

/// What a caller has to have, by what its stream says, or else the listener.
fn passphrase(own: Option<&Secret>, terms: &Terms) -> Result<Option<Passphrase>, Refused> {
    let secret = own.or(terms.passphrase.as_ref());
    let passphrase = secret.map(|secret| Passphrase::new(secret.reveal())).transpose();
    passphrase.map_err(|error| Refused::new(Rejection::INTERNAL, error.to_string()))
}

fn closing() -> Refused {
    Refused::new(Rejection::CLOSE, "nobody listens on that port any more")
}

/// What a publisher is told that is not let in.
fn refused(denied: &Denied, request: &Request) -> Refused {
    let rejection = match denied {
        Denied::Refused(_, NotAdmitted::Key) => match wish::read(request.stream_id.as_deref()) {
            Ok(Wish::Publish(_, Some(_))) => Rejection::FORBIDDEN,
            _ => Rejection::UNAUTHORIZED,
        },
        Denied::Refused(_, NotAdmitted::Busy) => Rejection::CONFLICT,
        Denied::NotPublished(_) => Rejection::BAD_MODE,
        Denied::Start(_) => Rejection::UNAVAILABLE,
        Denied::Unknown(_) | Denied::Rendition(..) | Denied::Several(..) => Rejection::NOT_FOUND,
    };
    Refused::new(rejection, denied.to_string())
}

/// Sends the last words of a connection.
fn drain(connection: &mut Connection, peer: SocketAddr, sender: &mut Sender) {
    loop {
        match connection.poll_output() {
            Output::Send(burst) => sender.burst(peer, burst),
            Output::Event(_) => {}
            Output::Wait(_) => return,
        }
    }
}

/// An address as it is shown: one of IPv4 as such.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// What a caller says that it is.
fn version(version: u32) -> String {
    let [_, major, minor, patch] = version.to_be_bytes();
    format!("SRT {major}.{minor}.{patch}")
}
