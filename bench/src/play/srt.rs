//! Players over SRT: receivers as lean as the protocol allows.
//!
//! Each has a socket of its own, confirms what came, asks for what is missing and answers nothing else. Packets are handed on
//! when their time has come, as every player of SRT does it, so what probes see is late by the latency that was agreed.
//!
//! Sockets take what was sent with `UDP_SEGMENT` as it was sent (`UDP_GRO`, udp(7)). Without that the kernel takes it apart
//! where it is sent, which on a wire is the work of network cards and of other machines.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use rustix::net::sockopt as options;
use srt::connection::{Burst, Event, Output, Reason};
use srt::packet::Datagram;
use srt::{Caller, Connection, caller};

use super::client::{Outcome, note_stamps};
use super::udp::Count;
use crate::load::Schedule;
use crate::net::Poller;
use crate::stamp::Scanner;
use crate::target::Target;

/// Longest wait for a datagram.
const TURN: Duration = Duration::from_millis(5);
/// Datagrams that are read from a socket in one turn.
const TURN_DATAGRAMS: usize = 1024;
/// Room for what comes between two reads.
const BUFFER_BYTES: usize = 1 << 20;
/// Time for a busy server to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked for: the stream id of the URL.
fn stream_id(url: &Target) -> anyhow::Result<String> {
    let query = url.path.split_once('?').map_or("", |(_, query)| query);
    let id = query.split('&').find_map(|part| part.strip_prefix("streamid="));
    Ok(id.with_context(|| format!("{url}: an SRT URL ends with ?streamid=ID"))?.to_owned())
}

struct Player {
    number: usize,
    socket: UdpSocket,
    state: State,
    /// Probes only.
    scanner: Option<Scanner>,
    asked: Instant,
    total: u64,
    counted: u64,
    count: Count,
    count_before: Count,
    /// When it wants to be called at the latest.
    deadline: Option<Duration>,
    outcome: Outcome,
}

enum State {
    Calling(Box<Caller>),
    Playing(Box<Connection>),
    Over,
}

/// Starts the players, each at its time, and reads until the window is over, with pauses as those of the other protocols.
pub(super) fn run(
    address: SocketAddr,
    players: Vec<(usize, Target)>,
    schedule: Schedule,
    batch: Option<Duration>,
) -> anyhow::Result<Vec<Outcome>> {
    let poller = Poller::new()?;
    let began = Instant::now();
    let mut running: Vec<Player> = Vec::with_capacity(players.len());
    let mut waiting = players.into_iter().peekable();
    let (mut ready, mut second, mut buffer) = (Vec::new(), None, vec![0; 64 << 10]);
    loop {
        let at = Instant::now();
        let now = at - began;
        while let Some((number, url)) = waiting.next_if(|(number, _)| at >= schedule.start_of(*number)) {
            let player = Player::call(number, address, stream_id(&url)?, now, batch.is_none())?;
            poller.watch(&player.socket, running.len())?;
            running.push(player);
        }
        let current = schedule.window.second(at);
        if current != second {
            match second {
                None => running.iter_mut().for_each(Player::begin),
                Some(_) => running.iter_mut().for_each(Player::count_second),
            }
            second = current;
        }
        if at >= schedule.window.end() {
            break;
        }
        if let (Some(batch), None) = (batch, waiting.peek()) {
            thread::sleep(batch);
        }
        poller.wait(TURN, &mut ready)?;
        let now = began.elapsed();
        for event in &ready {
            running[event.number].read(now, &mut buffer, second.is_some());
        }
        for player in &mut running {
            if player.deadline.is_some_and(|deadline| deadline <= now) {
                player.handle_timeout(now, second.is_some());
            }
        }
    }
    let ended = began.elapsed();
    Ok(running.into_iter().map(|player| player.end(ended)).collect())
}

impl Player {
    fn call(number: usize, peer: SocketAddr, id: String, now: Duration, probe: bool) -> anyhow::Result<Self> {
        let socket = UdpSocket::bind((peer.ip(), 0))?;
        socket.connect(peer)?;
        socket.set_nonblocking(true)?;
        if options::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES).is_err() {
            options::set_socket_recv_buffer_size(&socket, BUFFER_BYTES)?;
        }
        setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        let call = caller::Call { stream_id: Some(id), timeout: Some(PATIENCE), ..caller::Call::default() };
        let caller = Caller::new(now, seed(number), peer, call)?;
        let mut player = Self {
            number,
            socket,
            state: State::Calling(Box::new(caller)),
            scanner: probe.then(Scanner::default),
            asked: Instant::now(),
            total: 0,
            counted: 0,
            count: Count::default(),
            count_before: Count::default(),
            deadline: None,
            outcome: Outcome::default(),
        };
        player.drain(false);
        Ok(player)
    }

    fn begin(&mut self) {
        (self.counted, self.count_before) = (self.total, self.count);
    }

    fn count_second(&mut self) {
        self.outcome.busy_seconds += u64::from(self.total > self.counted);
        self.outcome.bytes += self.total - self.counted;
        self.counted = self.total;
    }

    fn end(mut self, now: Duration) -> Outcome {
        if let State::Playing(connection) = &mut self.state {
            connection.close(now);
            self.drain(false);
        }
        self.outcome.datagrams = Some(Count {
            packets: self.count.packets - self.count_before.packets,
            lost: self.count.lost - self.count_before.lost,
        });
        self.outcome
    }

    fn read(&mut self, now: Duration, buffer: &mut [u8], stamps_count: bool) {
        for _ in 0..TURN_DATAGRAMS {
            let (bytes, segment) = match receive(&self.socket, buffer) {
                Ok(Some(received)) => received,
                Ok(None) => break,
                Err(error) => return self.fail(error.to_string()),
            };
            for datagram in buffer[..bytes].chunks(segment) {
                // What is no packet of theirs ends nothing.
                let _ = match &mut self.state {
                    State::Calling(caller) => caller.handle_packet(now, datagram),
                    State::Playing(connection) => connection.handle_packet(now, datagram),
                    State::Over => return,
                };
                if matches!(self.state, State::Calling(_)) {
                    self.drain(stamps_count);
                }
            }
        }
        self.drain(stamps_count);
    }

    fn handle_timeout(&mut self, now: Duration, stamps_count: bool) {
        match &mut self.state {
            State::Calling(caller) => caller.handle_timeout(now),
            State::Playing(connection) => connection.handle_timeout(now),
            State::Over => {}
        }
        self.drain(stamps_count);
    }

    /// Does what caller or connection wants done.
    fn drain(&mut self, stamps_count: bool) {
        let drained = self.try_drain(stamps_count);
        if let Err(error) = drained {
            self.fail(format!("player {}: {error:#}", self.number));
        }
    }

    fn try_drain(&mut self, stamps_count: bool) -> anyhow::Result<()> {
        loop {
            match &mut self.state {
                State::Over => return Ok(()),
                State::Calling(caller) => match caller.poll_output() {
                    caller::Output::Send(datagram) => send(&self.socket, &datagram)?,
                    caller::Output::Connected(connection) => self.state = State::Playing(connection),
                    caller::Output::Failed(error) => bail!("{error}"),
                    caller::Output::Wait(deadline) => {
                        self.deadline = deadline;
                        return Ok(());
                    }
                },
                State::Playing(connection) => match connection.poll_output() {
                    Output::Send(burst) => send_all(&self.socket, &burst)?,
                    Output::Event(Event::Data { payload, lost }) => self.take(&payload, lost, stamps_count),
                    Output::Event(Event::Closed(Reason::Local)) => self.state = State::Over,
                    Output::Event(Event::Closed(reason)) => bail!("{reason}"),
                    Output::Wait(deadline) => {
                        self.deadline = deadline;
                        return Ok(());
                    }
                },
            }
        }
    }

    fn take(&mut self, payload: &[u8], lost: u32, stamps_count: bool) {
        self.total += payload.len() as u64;
        self.count.packets += 1;
        self.count.lost += u64::from(lost);
        let asked = self.asked;
        self.outcome.first_ms.get_or_insert_with(|| asked.elapsed().as_secs_f64() * 1e3);
        if let Some(scanner) = &mut self.scanner {
            note_stamps(scanner, payload, stamps_count, &mut self.outcome.latencies_ms);
        }
    }

    fn fail(&mut self, why: String) {
        self.state = State::Over;
        self.deadline = None;
        self.outcome.error = Some(why);
    }
}

/// Reads what was sent together; how many bytes that is, and of how many each datagram but the last.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Option<(usize, usize)>> {
    let mut control = nix::cmsg_space!(i32);
    let mut into = [IoSliceMut::new(buffer)];
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::MSG_DONTWAIT);
    let received = match received {
        Ok(received) => received,
        Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let segment = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::UdpGroSegments(bytes) => usize::try_from(bytes).ok(),
        _ => None,
    });
    Ok(Some((received.bytes, segment.unwrap_or(received.bytes).max(1))))
}

fn send(socket: &UdpSocket, datagram: &Datagram) -> io::Result<()> {
    match socket.send(&datagram.to_vec()) {
        // What the system has no room for is lost, as it may be on the way.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(()),
    }
}

fn send_all(socket: &UdpSocket, burst: &Burst) -> io::Result<()> {
    burst.packets().iter().try_for_each(|datagram| send(socket, datagram))
}

/// Different for each player; nothing is kept secret here.
fn seed(number: usize) -> [u8; 32] {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut seed = [0; 32];
    seed[..16].copy_from_slice(&time.to_le_bytes());
    seed[16..24].copy_from_slice(&(number as u64).to_le_bytes());
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_id_is_found() {
        let id = |url: &str| stream_id(&url.parse().unwrap()).ok();
        assert_eq!(id("srt://127.0.0.1:9999?streamid=live/x").as_deref(), Some("live/x"));
        assert_eq!(id("srt://127.0.0.1:9999/?latency=1&streamid=#!::r=x").as_deref(), Some("#!::r=x"));
        assert_eq!(id("srt://127.0.0.1:9999"), None);
    }
}
