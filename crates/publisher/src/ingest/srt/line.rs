//! One call: its socket, the handshake, and the connection until it is over.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use srt::caller::{self, Call, Caller};
use srt::connection::{Event, Output, Reason};
use srt::{Connection, Error, Passphrase, Rejection, packet};
use tokio::io::{Interest, Ready};
use tokio::net::UdpSocket;

use crate::config::{Secret, SrtCall};
use crate::ingest::buffer;
use crate::service::{Service, random};
use crate::srt::receive::Receiver;
use crate::srt::send::Sender;

/// Datagrams are taken so often in one turn, 64 each time.
const ROUNDS: usize = 16;

/// A connection with a listener that was called.
pub(super) struct Line {
    pub(super) socket: UdpSocket,
    pub(super) peer: SocketAddr,
    pub(super) connection: Connection,
    /// What the system holds of what comes, in bytes.
    pub(super) buffer_bytes: usize,
    receiver: Receiver,
    sender: Sender,
}

/// How far a call is.
enum Progress {
    /// An answer is waited for until then.
    Waiting(Duration),
    Connected(Box<Connection>),
}

impl Line {
    /// Calls a listener at one of its addresses.
    ///
    /// # Errors
    /// A sentence about why that came to nothing, with libsrt's name of the rejection.
    pub(super) async fn dial(service: &Service, peer: SocketAddr, input: &SrtCall) -> Result<Self, String> {
        let (socket, buffer_bytes) = open(peer, input.buffer_bytes).map_err(|error| error.to_string())?;
        let clock = &service.clock;
        let mut caller =
            Caller::new(clock.elapsed(), random(), peer, call(input)?).map_err(|error| said(&error))?;
        let (mut receiver, mut sender) = (Receiver::new(), Sender::default());
        let connection = loop {
            let until = match progress(&mut caller, &mut sender, peer)? {
                Progress::Waiting(until) => until,
                Progress::Connected(connection) => break connection,
            };
            sender.flush(&socket);
            let wait = until.saturating_sub(clock.elapsed());
            let interest = Interest::READABLE | Interest::ERROR;
            if let Ok(ready) = tokio::time::timeout(wait, socket.ready(interest)).await {
                // Where nobody listens the system of the peer says so.
                if let Some(error) = failed(&socket, ready).map_err(|error| error.to_string())? {
                    return Err(error.to_string());
                }
                receiver.receive(&socket).map_err(|error| error.to_string())?;
                let now = clock.elapsed();
                if let Some(connection) = answer(now, &mut caller, &receiver, &mut sender, peer)? {
                    break connection;
                }
            }
            caller.handle_timeout(clock.elapsed());
        };
        Ok(Self { socket, peer, connection: *connection, buffer_bytes, receiver, sender })
    }

    /// Does what the connection wants, and gives what it delivers to `take`, with how many payloads before it did not come: until
    /// when it can be left alone, or why it is over.
    pub(super) fn settle(&mut self, mut take: impl FnMut(Bytes, u32)) -> Result<Duration, Reason> {
        let settled = loop {
            match self.connection.poll_output() {
                Output::Send(burst) => self.sender.burst(self.peer.into(), burst),
                Output::Event(Event::Data { payload, lost }) => take(payload, lost),
                Output::Event(Event::Closed(reason)) => break Err(reason),
                Output::Wait(Some(until)) => break Ok(until),
                Output::Wait(None) => break Err(Reason::Peer),
            }
        };
        self.sender.flush(&self.socket);
        settled
    }

    /// Takes what has come, and the time.
    pub(super) fn receive(&mut self, now: Duration) {
        for _ in 0..ROUNDS {
            // An error is a word of a system on the way, and none of the peer: that is over when it says so, or is silent.
            let Ok(true) = self.receiver.receive(&self.socket) else { break };
            for (_, datagram) in self.receiver.datagrams() {
                if packet::destination(datagram) == Some(self.connection.socket()) {
                    // One that cannot be read is counted by the connection.
                    let _ = self.connection.handle_packet(now, datagram);
                }
            }
        }
        self.connection.handle_timeout(now);
    }

    /// Ends the connection; the peer is told.
    pub(super) fn close(&mut self, now: Duration) {
        self.connection.close(now);
        let _ = self.settle(|_, _| {});
    }
}

fn open(peer: SocketAddr, wanted: usize) -> io::Result<(UdpSocket, usize)> {
    let socket = Socket::new(Domain::for_address(peer), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let any = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    socket.bind(&SocketAddr::new(any, 0).into())?;
    let buffer_bytes = buffer::set(&socket, wanted);
    // What others send is not taken, and it is told when nobody is there.
    socket.connect(&peer.into())?;
    Ok((UdpSocket::from_std(socket.into())?, buffer_bytes))
}

/// What the system has to say about a socket.
fn failed(socket: &UdpSocket, ready: io::Result<Ready>) -> io::Result<Option<io::Error>> {
    if !ready?.is_error() {
        return Ok(None);
    }
    // It has been heard.
    let _ = socket.try_io(Interest::ERROR, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
    socket.take_error()
}

fn call(input: &SrtCall) -> Result<Call, String> {
    let passphrase = input.passphrase.as_ref().map(|secret| Passphrase::new(secret.reveal())).transpose();
    Ok(Call {
        stream_id: input.stream_id.as_ref().map(Secret::reveal).map(str::to_owned),
        passphrase: passphrase.map_err(|error| said(&error))?,
        key_length: input.key_length,
        settings: srt::Settings {
            receive_latency: input.latency,
            send_latency: input.latency,
            ..srt::Settings::default()
        },
        timeout: None,
    })
}

/// Has sent what the caller wants to be sent.
fn progress(caller: &mut Caller, sender: &mut Sender, peer: SocketAddr) -> Result<Progress, String> {
    loop {
        match caller.poll_output() {
            caller::Output::Send(datagram) => sender.one(peer.into(), datagram),
            caller::Output::Connected(connection) => return Ok(Progress::Connected(connection)),
            caller::Output::Failed(error) => return Err(said(&error)),
            caller::Output::Wait(until) => return Ok(Progress::Waiting(until.unwrap_or_default())),
        }
    }
}

/// Takes answers; those of the connection itself may come with the one that begins it.
fn answer(
    now: Duration,
    caller: &mut Caller,
    receiver: &Receiver,
    sender: &mut Sender,
    peer: SocketAddr,
) -> Result<Option<Box<Connection>>, String> {
    let mut connected = None;
    for (_, datagram) in receiver.datagrams() {
        // What cannot be read is left out.
        match &mut connected {
            None => {
                let _ = caller.handle_packet(now, datagram);
                if let Progress::Connected(connection) = progress(caller, sender, peer)? {
                    connected = Some(connection);
                }
            }
            Some(connection) if packet::destination(datagram) == Some(connection.socket()) => {
                let _ = connection.handle_packet(now, datagram);
            }
            Some(_) => {}
        }
    }
    Ok(connected)
}

/// Why a call came to nothing, with libsrt's name for it.
fn said(error: &Error) -> String {
    let (rejection, why) = match error {
        Error::Rejected(rejection) if *rejection == Rejection::TIMEOUT => (*rejection, rejection.to_string()),
        Error::Rejected(rejection) => (*rejection, format!("refused, {rejection}")),
        Error::WrongKey => (Rejection::BAD_SECRET, Rejection::BAD_SECRET.to_string()),
        other => return other.to_string(),
    };
    match rejection.name() {
        Some(name) => format!("{why} ({name})"),
        None => why,
    }
}
