//! One publisher's connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, BytesMut};
use rtmp::amf0::Value;
use rtmp::chunk::Encoder;

use crate::net::{self, Received};
use crate::rtmp_client::{CONNECT, CREATE_STREAM, Dialogue, Reply};
use crate::target::Target;

/// Size of the chunks we send: one for nearly every message.
const CHUNK_BYTES: u32 = 60_000;
/// Bytes that may wait for a server that does not read; beyond that it counts as gone.
const PENDING_BYTES: usize = 16 << 20;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a server's that are dropped at once.
const TALK_BYTES: usize = 64 << 10;

/// A connection that publishes.
pub(super) struct Connection {
    /// None once it is dead.
    socket: Option<TcpStream>,
    pub(super) encoder: Encoder,
    /// The message stream.
    pub(super) stream: u32,
    pending: BytesMut,
    /// Bytes that the kernel took.
    pub(super) sent: u64,
}

impl Connection {
    /// Connects and waits until the server lets it publish.
    pub(super) fn open(target: &Target) -> anyhow::Result<Self> {
        Self::negotiate(target).with_context(|| target.to_string())
    }

    fn negotiate(target: &Target) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect_timeout(&target.address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let (_, name) = target.app_and_stream()?;
        let mut out = BytesMut::new();
        let mut dialogue = Dialogue::open(target, &mut out)?;
        let mut buffer = [0; 4096];
        let mut stream = None;
        loop {
            socket.write_all(&out.split())?;
            let received = socket.read(&mut buffer)?;
            if received == 0 {
                bail!("closed before it could publish");
            }
            let mut input = &buffer[..received];
            while let Some(message) = dialogue.next(&mut input, &mut out)? {
                let Some(reply) = Reply::decode(&message)? else { continue };
                // Our own server says the same code in answer to FCPublish.
                if reply.name == "onStatus" && reply.code == "NetStream.Publish.Start" {
                    dialogue.set_chunk_size(CHUNK_BYTES, &mut out);
                    socket.write_all(&out)?;
                    socket.set_nonblocking(true)?;
                    let stream = stream.context("may publish before there is a stream")?;
                    let encoder = dialogue.into_encoder();
                    return Ok(Self {
                        socket: Some(socket),
                        encoder,
                        stream,
                        pending: BytesMut::new(),
                        sent: 0,
                    });
                }
                ask(&dialogue, &reply, name, &mut stream, &mut out)?;
            }
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.socket.is_some()
    }

    /// Sends a message's chunks, or keeps what the socket does not take.
    pub(super) fn send(&mut self, chunks: &[u8]) {
        let Some(socket) = &self.socket else { return };
        let waiting = !self.pending.is_empty();
        if waiting {
            self.pending.extend_from_slice(chunks);
        }
        match net::send(socket, if waiting { &self.pending } else { chunks }) {
            Ok(sent) => {
                self.sent += sent as u64;
                if waiting {
                    self.pending.advance(sent);
                } else {
                    self.pending.extend_from_slice(&chunks[sent..]);
                }
                if self.pending.len() > PENDING_BYTES {
                    self.socket = None;
                }
            }
            Err(_) => self.socket = None,
        }
    }

    /// Drops what the server says; the end of the connection is noticed.
    pub(super) fn listen(&mut self) {
        let Some(socket) = &self.socket else { return };
        if matches!(net::discard(socket, &mut [0; TALK_BYTES]), Ok(Received::Closed) | Err(_)) {
            self.socket = None;
        }
    }
}

/// The next step on the way to publishing.
fn ask(
    dialogue: &Dialogue,
    reply: &Reply,
    name: &str,
    stream: &mut Option<u32>,
    out: &mut BytesMut,
) -> anyhow::Result<()> {
    if reply.is_result_of(CONNECT) {
        // What encoders send; servers may answer with an error, which means nothing.
        for (command, transaction) in [("releaseStream", 3.0), ("FCPublish", 4.0)] {
            dialogue.command(0, command, transaction, vec![Value::Null, name.into()], out);
        }
        dialogue.command(0, "createStream", CREATE_STREAM, vec![Value::Null], out);
    } else if reply.is_result_of(CREATE_STREAM) {
        let number = reply.number.context("the server did not say which stream it made")? as u32;
        *stream = Some(number);
        dialogue.command(number, "publish", 5.0, vec![Value::Null, name.into(), "live".into()], out);
    } else if ![3.0, 4.0].contains(&reply.transaction) {
        reply.check()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtmp::server::{Event, Output, Session};
    use rtmp::{Limits, flv};
    use std::net::TcpListener;
    use std::thread;

    /// Takes one publisher with our own server's session; the tags that it sent, up to that many.
    fn take_publisher(listener: &TcpListener, count: usize) -> Vec<flv::Tag> {
        let (mut socket, _) = listener.accept().unwrap();
        let mut session = Session::new(Limits::default(), Duration::ZERO, [1; 32]);
        let (mut tags, mut buffer) = (Vec::new(), [0; 4096]);
        while tags.len() < count {
            let received = socket.read(&mut buffer).unwrap();
            assert!(received > 0);
            session.handle_bytes(Duration::ZERO, &buffer[..received]).unwrap();
            loop {
                match session.poll_output() {
                    Output::Send(bytes) => socket.write_all(&bytes).unwrap(),
                    Output::Event(Event::Publish(_)) => session.accept_publish(Duration::ZERO).unwrap(),
                    Output::Event(Event::Tag(tag)) => tags.push(tag),
                    Output::Event(_) => {}
                    Output::Wait(_) => break,
                }
            }
        }
        tags
    }

    #[test]
    fn our_own_server_takes_what_it_sends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("rtmp://{}/live/x", listener.local_addr().unwrap());
        let server = thread::spawn(move || take_publisher(&listener, 1));
        let mut connection = Connection::open(&url.parse().unwrap()).unwrap();
        let message = rtmp::message::Message {
            kind: rtmp::message::kind::AUDIO,
            timestamp_ms: 5,
            stream: connection.stream,
            body: bytes::Bytes::from_static(b"\xaf\x01sound"),
        };
        let mut chunks = BytesMut::new();
        connection.encoder.encode(4, &message, &mut chunks);
        connection.send(&chunks);
        assert_eq!(connection.sent, chunks.len() as u64);
        assert_eq!(server.join().unwrap()[0].body[..], b"\xaf\x01sound"[..]);
    }
}
