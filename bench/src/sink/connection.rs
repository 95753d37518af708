//! One connection of a publisher.

use std::net::TcpStream;
use std::time::Instant;

use anyhow::{bail, ensure};
use rtmp::Limits;
use rtmp::server::{Event, Output, Session, code};

use crate::net::{self, Received};

/// Bytes of a publisher that are read at once before it publishes.
const TALK_BYTES: usize = 64 << 10;

/// A connection that wants to publish, or does.
pub(super) struct Connection {
    socket: TcpStream,
    start: Instant,
    /// None once media has begun: from then on bytes are counted and not read.
    session: Option<Box<Session>>,
    /// All bytes so far.
    pub(super) received: u64,
}

/// What all connections read into.
pub(super) struct Buffers {
    read: Vec<u8>,
    /// The kernel is given its length and never writes to it.
    untouched: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { read: vec![0; TALK_BYTES], untouched: vec![0; net::DISCARD_BYTES] }
    }
}

impl Connection {
    /// `start` is the zero of its time.
    pub(super) fn new(socket: TcpStream, start: Instant) -> anyhow::Result<Self> {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let session = Session::new(Limits::default(), start.elapsed(), [7; 32]);
        Ok(Self { socket, start, session: Some(Box::new(session)), received: 0 })
    }

    pub(super) fn publishes(&self) -> bool {
        self.session.is_none()
    }

    /// Takes what there is. An error is its end.
    pub(super) fn serve(&mut self, buffers: &mut Buffers) -> anyhow::Result<()> {
        let received = match &self.session {
            Some(_) => net::receive(&self.socket, &mut buffers.read)?,
            None => net::discard(&self.socket, &mut buffers.untouched)?,
        };
        let bytes = match received {
            Received::Bytes(bytes) => bytes,
            Received::Nothing => return Ok(()),
            Received::Closed => bail!("it is done"),
        };
        self.received += bytes as u64;
        if let Some(session) = &mut self.session {
            let now = self.start.elapsed();
            session.handle_bytes(now, &buffers.read[..bytes])?;
            loop {
                match session.poll_output() {
                    Output::Send(answer) => {
                        let sent = net::send(&self.socket, &answer)?;
                        ensure!(sent == answer.len(), "it does not read what it is told");
                    }
                    Output::Event(Event::Publish(_)) => session.accept_publish(now)?,
                    Output::Event(Event::Play(_)) => {
                        session.reject_play(now, code::PLAY_NOT_FOUND, "Nothing is played here.")?;
                    }
                    Output::Event(_) => {}
                    Output::Wait(_) => break,
                }
            }
            if session.is_publishing() {
                self.session = None;
            }
        }
        Ok(())
    }
}
