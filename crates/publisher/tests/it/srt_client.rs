//! A caller of SRT over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use publisher::config::Settings;
use publisher::{Service, SrtListener};
use srt::caller::{self, Call, Caller};
use srt::connection::{Event, Output, Reason};
use srt::{Connection, KeyLength, Passphrase, Rejection};
use tokio::net::UdpSocket;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::PATIENCE;

/// The stream and what it is called with.
pub(crate) fn call(stream_id: &str) -> Call {
    Call { stream_id: Some(stream_id.to_owned()), timeout: Some(PATIENCE), ..Call::default() }
}

/// The same with a passphrase.
pub(crate) fn encrypted(stream_id: &str, passphrase: &str, key_length: KeyLength) -> Call {
    let passphrase = Some(Passphrase::new(passphrase).expect("long enough"));
    Call { passphrase, key_length, ..call(stream_id) }
}

/// A running SRT listener; it listens no more when this is dropped.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    pub(crate) _cancel: DropGuard,
}

pub(crate) fn listen(service: &Arc<Service>) -> Listening {
    run(service.bind_srt().expect("a free port").expect("enabled"))
}

pub(crate) fn run(listener: SrtListener) -> Listening {
    let (address, cancel) = (listener.local_addr(), CancellationToken::new());
    tokio::spawn(listener.run(cancel.clone()));
    Listening { address, _cancel: cancel.drop_guard() }
}

/// Settings for one listener on a port of this machine that the system chooses.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.listeners.srt.listen_host = Some(std::net::Ipv4Addr::LOCALHOST.into());
    settings.listeners.srt.port = 0;
    settings
}

/// One end of a connection.
pub(crate) struct Client {
    pub(crate) socket: UdpSocket,
    pub(crate) connection: Connection,
    begun: Instant,
}

impl Client {
    /// Calls.
    ///
    /// # Errors
    /// Why that came to nothing.
    pub(crate) async fn call(server: SocketAddr, call: Call) -> Result<Self, srt::Error> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        socket.connect(server).await.expect("a route");
        let (begun, mut random) = (Instant::now(), [0; 32]);
        let port = socket.local_addr().expect("bound").port();
        random[..2].copy_from_slice(&port.to_be_bytes());
        let mut caller = Caller::new(begun.elapsed(), random, server, call).expect("a call");
        let mut buffer = [0; 2048];
        loop {
            let until = match caller.poll_output() {
                caller::Output::Send(datagram) => {
                    let _ = socket.send(&datagram.to_vec()).await;
                    continue;
                }
                caller::Output::Connected(connection) => {
                    return Ok(Self { socket, connection: *connection, begun });
                }
                caller::Output::Failed(error) => return Err(error),
                caller::Output::Wait(until) => until.expect("not over"),
            };
            let wait = until.saturating_sub(begun.elapsed());
            match tokio::time::timeout(wait, socket.recv(&mut buffer)).await {
                // What cannot be read is left out, and a port where nobody is may be one later.
                Ok(Ok(bytes)) => drop(caller.handle_packet(begun.elapsed(), &buffer[..bytes])),
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(_) => {}
            }
            caller.handle_timeout(begun.elapsed());
        }
    }

    /// Monotonic time as the connection has it.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The next payload, or why there is none.
    pub(crate) async fn next(&mut self) -> Result<Bytes, Reason> {
        tokio::time::timeout(PATIENCE, self.take()).await.expect("in time")
    }

    async fn take(&mut self) -> Result<Bytes, Reason> {
        let mut buffer = [0; 2048];
        loop {
            let until = match self.connection.poll_output() {
                Output::Send(burst) => {
                    for datagram in burst.packets() {
                        let _ = self.socket.send(&datagram.to_vec()).await;
                    }
                    continue;
                }
                Output::Event(Event::Data { payload, .. }) => return Ok(payload),
                Output::Event(Event::Closed(reason)) => return Err(reason),
                Output::Wait(until) => until.expect("not over"),
            };
            let wait = until.saturating_sub(self.now());
            match tokio::time::timeout(wait, self.socket.recv(&mut buffer)).await {
                Ok(Ok(bytes)) => drop(self.connection.handle_packet(self.now(), &buffer[..bytes])),
                Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(_) => {}
            }
            self.connection.handle_timeout(self.now());
        }
    }

    /// At least so many bytes.
    pub(crate) async fn some(&mut self, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < size {
            bytes.extend_from_slice(&self.next().await.expect("no end"));
        }
        bytes
    }

    /// Does what the connection wants for a while.
    pub(crate) async fn turn(&mut self, time: Duration) {
        let _ = tokio::time::timeout(time, self.take()).await;
    }
}

/// Why a call was refused.
pub(crate) async fn rejection(server: SocketAddr, with: Call) -> Rejection {
    match Client::call(server, with).await {
        Err(srt::Error::Rejected(rejection)) => rejection,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was let in"),
    }
}
