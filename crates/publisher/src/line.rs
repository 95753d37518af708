//! The connection of a peer that came to us, plain or with TLS.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::net::TcpStream;

use crate::wire::Wire;

/// A connection that was accepted.
pub(crate) enum Line {
    /// Shared with the fan-out, where it writes.
    Plain(Arc<TcpStream>),
    /// Of the connection's task alone: what is written goes through the state of TLS.
    Tls(Box<Wire>),
}

impl Line {
    /// The connection underneath.
    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(wire) => wire.socket(),
        }
    }

    /// The same, where its bytes are those of the protocol.
    pub(crate) fn plain(&self) -> Option<&Arc<TcpStream>> {
        match self {
            Self::Plain(socket) => Some(socket),
            Self::Tls(_) => None,
        }
    }

    /// Reads what there is, once there is something; none is the end. Room for so many bytes is made no sooner than that on
    /// a plain connection. Nothing is lost when it is dropped before.
    pub(crate) async fn read(&mut self, input: &mut BytesMut, room: usize) -> io::Result<usize> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(wire) => {
                input.reserve(room);
                return wire.read(input).await;
            }
        };
        loop {
            socket.readable().await?;
            input.reserve(room);
            match socket.try_read_buf(input) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
        }
    }

    /// Writes everything.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(wire) => return wire.write_all(bytes).await,
        };
        while !bytes.is_empty() {
            socket.writable().await?;
            match socket.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => bytes = &bytes[written?..],
            }
        }
        Ok(())
    }
}
