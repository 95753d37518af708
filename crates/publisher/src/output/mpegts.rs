//! HTTP MPEG-TS: the carrier's bytes to one viewer, endless.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use fanout::{End, FanOut, How, Membership, Pieces};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http1::Framing;
use hub::{Cursor, Read};
use packager::ts::Chunk;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::account::Account;
use super::answer;
use super::join::Unjoined;
use crate::body::Body;
use crate::code::Address;
use crate::limits::Refusal;
use crate::listener;
use crate::service::Service;
use crate::session::{Ended, Opening, Protocol, Role, Session};

/// Bytes taken from the ring at a time.
const READ_BYTES: usize = 64 << 10;
/// Bytes at most that the system holds for a viewer and has not sent yet. Without a bound it takes megabytes for each
/// one that is slow.
pub(crate) const UNSENT_BYTES: u32 = 256 << 10;

impl Service {
    /// Streams MPEG-TS to a viewer, from the newest key frame on, until the client leaves, the stream stops or
    /// the session is cancelled. An address that names no rung gets the best one that has media.
    ///
    /// 404 when the stream is not running or has no such rung, its MPEG-TS output is off, or no media comes within `join_timeout`;
    /// 500 when the stream ended between that check and joining it; 503 when it has all the viewers that it may have.
    pub async fn handle_mpegts(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&self.absence(address));
        };
        let off = || format!("stream {} has no MPEG-TS output", address.code);
        if !running.config().protocols.mpegts {
            return answer::not_found(&off());
        }
        let Some(pass) = running.viewers.enter() else {
            return answer::busy(&self.gates.sentence(self.gates.refuse(Refusal::ViewersPerStream)));
        };
        // In a box of its own, which is given back: what the viewer's task holds stays small.
        let joined = match Box::pin(self.join(&running, address, |rung| rung.ts.carrier())).await {
            Ok(joined) => joined,
            Err(Unjoined::Ended) => {
                return answer::text(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the stream ended while you joined it",
                );
            }
            Err(Unjoined::NoMedia) => {
                return answer::not_found(&format!("stream {address} has no media now"));
            }
        };
        if request.method == Method::HEAD {
            return head(Body::empty());
        }
        let opening = Opening {
            stream: address.code.clone(),
            rendition: joined.rung.shown().or_else(|| address.rendition.clone()),
            protocol: Protocol::MpegTs,
            role: Role::Viewer,
            peer: Some(peer),
            agent: answer::user_agent(request),
            origin: None,
        };
        let session = self.sessions.open(opening, &running.cancel);
        // Whoever switched it off meanwhile has not seen this session.
        if !running.config().protocols.mpegts {
            session.cancel(Ended::OutputOff);
            return answer::not_found(&off());
        }
        let account = Account::new(session, &self.gates, joined.reading, joined.haste, pass);
        let viewer = Viewer { account, framing: Framing::Close };
        head(Body::Live(Box::new(Live { viewer, fan_out: Arc::clone(&self.fan_out), reader: None })))
    }
}

fn head(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The media of one viewer, before it is known who sends it.
pub struct Live {
    viewer: Viewer,
    fan_out: Arc<FanOut>,
    /// Where it is read piece by piece.
    reader: Option<Reader>,
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("session", &self.viewer.account.session.id).finish_non_exhaustive()
    }
}

impl Live {
    /// Sends the media over a connection that has nothing else to do any more, after the head of the answer, until one
    /// of both ends. `framing` is what the head says.
    pub async fn serve(self: Box<Self>, socket: TcpStream, head: Vec<u8>, framing: Framing) {
        let (session, socket, _membership) = (*self).join(socket, head, framing);
        let cancelled = session.cancelled();
        tokio::select! {
            () = cancelled.cancelled() => {}
            left = until_left(&socket) => session.cancel(left),
        }
    }

    /// Hands the viewer over to the fan-out: what is left to look after.
    fn join(
        self,
        socket: TcpStream,
        head: Vec<u8>,
        framing: Framing,
    ) -> (Arc<Session>, Arc<TcpStream>, Membership) {
        // A system that cannot do this still serves.
        let _ = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES);
        listener::be_patient(&socket, self.viewer.account.longest_behind());
        let Self { mut viewer, fan_out, .. } = self;
        viewer.framing = framing;
        let session = Arc::clone(viewer.account.session.session());
        let ring = viewer.account.reading.ring().clone();
        let socket = Arc::new(socket);
        let membership = fan_out.join(&ring, Arc::clone(&socket) as _, head.into(), viewer);
        (session, socket, membership)
    }

    /// The next bytes; none at the end. The task is woken when there are more.
    pub(crate) fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Self { viewer, reader, .. } = self;
        if reader.is_none() {
            let Some(cursor) = viewer.account.reading.ring().subscribe() else {
                viewer.account.session.cancel(viewer.account.reading.ended());
                return Poll::Ready(None);
            };
            let cancelled = Box::pin(viewer.account.session.cancelled().cancelled_owned());
            *reader = Some(Reader { cursor, chunks: Vec::new(), pending: VecDeque::new(), cancelled });
        }
        match reader {
            Some(reader) => reader.poll_bytes(viewer, cx),
            None => Poll::Ready(None),
        }
    }
}

/// Waits for the client's end of the connection, or for its failure. What the client says meanwhile means nothing.
async fn until_left(socket: &TcpStream) -> Ended {
    loop {
        let read = match socket.readable().await {
            Ok(()) => socket.try_read(&mut [0; 512]),
            Err(error) => Err(error),
        };
        match read {
            Ok(0) => return Ended::ClientLeft,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return ended_by(&error),
        }
    }
}

/// A client that breaks its connection off has left; everything else is a failure.
pub(crate) fn ended_by(error: &io::Error) -> Ended {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Ended::ClientLeft,
        _ => Ended::Io(error.to_string()),
    }
}

/// One viewer as the fan-out sees it.
struct Viewer {
    account: Account<Chunk>,
    framing: Framing,
}

impl fanout::Viewer for Viewer {
    type Item = Chunk;

    /// What follows a skip begins with the splice that makes it legal.
    fn frame<'i>(&self, chunk: &'i Chunk, how: How, out: &mut Pieces<'i>) {
        let splice = if how == How::Skipped { &chunk.splice[..] } else { &[] };
        let length = splice.len() + chunk.bytes.len();
        if length == 0 {
            return;
        }
        let chunked = self.framing == Framing::Chunked;
        if chunked {
            out.small(http1::chunk_head(length).as_bytes());
        }
        out.shared(splice);
        out.shared(&chunk.bytes);
        if chunked {
            out.shared(b"\r\n");
        }
    }

    fn shape(&self) -> Option<u64> {
        Some(u64::from(self.framing == Framing::Chunked))
    }

    /// Where there are pictures, sound is of no use before the next of them.
    fn is_urgent(chunk: &Chunk) -> bool {
        chunk.picture || !chunk.tracks.iter().any(|track| track.codec.kind() == media::Kind::Video)
    }

    fn tail(&self) -> &'static [u8] {
        if self.framing == Framing::Chunked { http1::CHUNKED_END } else { &[] }
    }

    fn sent(&mut self, bytes: usize) {
        self.account.sent(bytes);
    }

    fn skipped(&mut self) {
        self.account.skipped();
    }

    fn ended(self, why: End) {
        self.account.end(why);
    }
}

/// A viewer that is read piece by piece, as the body of an answer.
struct Reader {
    cursor: Cursor<Chunk>,
    chunks: Vec<Chunk>,
    pending: VecDeque<Bytes>,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Reader {
    fn poll_bytes(&mut self, viewer: &mut Viewer, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                viewer.account.session.add_bytes(bytes.len() as u64);
                return Poll::Ready(Some(bytes));
            }
            match self.cursor.poll_read(cx, &mut self.chunks, READ_BYTES) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Read::Closed) => {
                    viewer.account.session.cancel(viewer.account.reading.ended());
                    return Poll::Ready(None);
                }
                Poll::Ready(read) => self.take(viewer, read == Read::Skipped),
            }
        }
    }

    /// Queues the chunks just read. What follows a skip begins with the splice that makes it legal.
    fn take(&mut self, viewer: &mut Viewer, skipped: bool) {
        if skipped {
            fanout::Viewer::skipped(viewer);
        }
        for (index, chunk) in self.chunks.drain(..).enumerate() {
            let splice = (skipped && index == 0).then_some(chunk.splice);
            self.pending.extend(splice.into_iter().chain([chunk.bytes]).filter(|bytes| !bytes.is_empty()));
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::config::Stream;

    #[tokio::test]
    async fn a_hub_that_cannot_be_joined_is_500() {
        let service = Service::for_testing();
        let address: Address = "news".parse().expect("an address");
        service.start(Stream::new(address.code.clone())).await.expect("started");
        let running = service.running(&address).expect("it runs");
        // As if the stream ended between the check that it runs and joining it.
        running.cancel.cancel();
        running.rungs()[0].hub.close();
        running.rungs()[0].ts.stopped().await;
        let (request, ()) = Request::new(()).into_parts();
        let peer = ([127, 0, 0, 1], 1).into();
        let response = service.handle_mpegts(&request, peer, &address).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        service.shutdown().await;
    }
}
