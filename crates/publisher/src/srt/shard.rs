//! A part of a port: one socket, and the connections that the system has put there.
//!
//! Whatever happens, it is left for a few milliseconds to what else may happen, so that what many viewers confirm, and what many
//! are to get, is one piece of work with few system calls.

mod verdict;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use fanout::End;
use packager::ts::Chunk;
use srt::connection::{Event, Output, Reason};
use srt::listener::{self, Listener, Path};
use srt::{Connection, packet};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::WaitForCancellationFutureOwned;

use self::verdict::{Caller, Published};
use super::link::{Link, Role};
use super::port::{Port, Terms};
use super::receive::Receiver;
use super::send::Sender;
use super::timers::Timers;
use crate::limits::Admission;
use crate::output::account::Account;
use crate::output::srt::Lane;
use crate::service::{Service, random};

/// From the end of one turn to the next, at least.
const REST: Duration = Duration::from_millis(4);
/// Datagrams are taken so often in one turn, 64 each time.
const ROUNDS: usize = 16;
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

    fn take(&mut self, now: Duration, from: Path, datagram: &[u8]) {
        match packet::destination(datagram) {
            Some(0) => {
                if let Err(srt::Error::Rejected(rejection)) = self.listener.handle_packet(now, from, datagram)
                {
                    self.note(now, from.peer, &format!("its handshake: {rejection}"));
                }
            }
            Some(socket) => {
                let Some(link) = self.links.get_mut(&socket).filter(|link| link.path.peer == from.peer)
                else {
                    return;
                };
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

    fn add(&mut self, connection: Connection, path: Path, admission: Admission, role: Role) {
        let socket = connection.socket();
        let counted = self.port.count();
        let link = Link { connection, path, role, set: None, _admission: admission, _counted: counted };
        if let Some(other) = self.links.insert(socket, link) {
            // Numbers are random, and of 30 bits.
            other.role.end(End::Left);
        }
        self.touched.push(socket);
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
                Output::Send(burst) => self.sender.burst(link.path, burst),
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

    /// Ends all connections.
    fn clear(&mut self, why: fn() -> End) {
        let now = self.service.clock.elapsed();
        for (_, mut link) in std::mem::take(&mut self.links) {
            link.connection.close(now);
            drain(&mut link.connection, link.path, &mut self.sender);
            link.role.end(why());
        }
        self.lanes.clear();
        self.sender.flush(&self.socket);
    }
}

/// Sends the last words of a connection.
fn drain(connection: &mut Connection, path: Path, sender: &mut Sender) {
    loop {
        match connection.poll_output() {
            Output::Send(burst) => sender.burst(path, burst),
            Output::Event(_) => {}
            Output::Wait(_) => return,
        }
    }
}
