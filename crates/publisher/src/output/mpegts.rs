//! HTTP MPEG-TS: the carrier's bytes to one viewer, endless.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::BodyExt;
use hub::{Cursor, Read};
use packager::ts::Chunk;
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::answer;
use super::ts::Reading;
use crate::body::{self, Body};
use crate::code::Address;
use crate::service::Service;
use crate::session::{Ended, Open, Opening, Protocol, Role};

/// Bytes taken from the ring at a time.
const READ_BYTES: usize = 64 << 10;

impl Service {
    /// Streams MPEG-TS to a viewer, from the newest key frame on, until the client leaves, the stream stops or
    /// the session is cancelled.
    ///
    /// 404 when the stream is not running, its MPEG-TS output is off, or no media comes within `join_timeout`;
    /// 500 when the stream ended between that check and joining it.
    pub async fn handle_mpegts(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&format!("stream {} is not running", address.code));
        };
        if !running.config.protocols.mpegts {
            return answer::not_found(&format!("stream {} has no MPEG-TS output", address.code));
        }
        let Some((reading, mut cursor)) =
            running.ts.join().and_then(|reading| reading.ring().subscribe().map(|cursor| (reading, cursor)))
        else {
            return answer::text(StatusCode::INTERNAL_SERVER_ERROR, "the stream ended while you joined it");
        };
        let mut first = Vec::new();
        let joined = tokio::time::timeout(self.settings.join_timeout, cursor.read(&mut first, READ_BYTES));
        if !matches!(joined.await, Ok(Read::Items | Read::Skipped)) {
            return answer::not_found(&format!("stream {} has no media now", address.code));
        }
        if request.method == Method::HEAD {
            return head(body::empty());
        }
        let opening = Opening {
            stream: address.code.clone(),
            protocol: Protocol::MpegTs,
            role: Role::Viewer,
            peer: Some(peer),
            agent: answer::user_agent(request),
        };
        let session = self.sessions.open(opening, &running.cancel);
        let cancelled = Box::pin(session.cancelled().cancelled_owned());
        let mut viewer =
            Viewer { cursor, chunks: first, pending: VecDeque::new(), session, cancelled, _reading: reading };
        viewer.take(Read::Items);
        head(viewer.boxed_unsync())
    }
}

fn head(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A viewer: a cursor and a session, read by the HTTP connection as its body.
struct Viewer {
    cursor: Cursor<Chunk>,
    chunks: Vec<Chunk>,
    pending: VecDeque<Bytes>,
    session: Open,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Keeps the carrier running.
    _reading: Arc<Reading>,
}

impl Viewer {
    /// Queues the chunks just read. What follows a skip begins with the splice that makes it legal.
    fn take(&mut self, read: Read) {
        let skipped = read == Read::Skipped;
        if skipped {
            self.session.add_skip();
        }
        for (index, chunk) in self.chunks.drain(..).enumerate() {
            if skipped && index == 0 {
                self.pending.push_back(chunk.splice);
            }
            self.pending.push_back(chunk.bytes);
        }
    }
}

impl http_body::Body for Viewer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.cancelled.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        loop {
            if let Some(bytes) = this.pending.pop_front() {
                this.session.add_bytes(bytes.len() as u64);
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            match this.cursor.poll_read(cx, &mut this.chunks, READ_BYTES) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Read::Closed) => {
                    this.session.cancel(Ended::StreamStopped);
                    return Poll::Ready(None);
                }
                Poll::Ready(read) => this.take(read),
            }
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
        running.hub.close();
        running.ts.stopped().await;
        let (request, ()) = Request::new(()).into_parts();
        let peer = ([127, 0, 0, 1], 1).into();
        let response = service.handle_mpegts(&request, peer, &address).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        service.shutdown().await;
    }
}
