//! A connection at its raw socket: requests for media are answered past the HTTP library, straight from where the bytes
//! are. The first request for anything else gives the connection to the library, for good.
//!
//! Both sides ask the same functions for their answers, see [`super::media`].

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::response::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, header};
use http1::{Framing, Head};
use publisher::{Body, Live, Part, Refusal};
use rustix::net::{SendFlags, send};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::Peer;
use super::{Site, media};

/// How long a client may do nothing between two requests.
const IDLE: Duration = Duration::from_secs(30);
/// How long an answer may take to leave. A segment is kept in memory until then, however long ago it left the playlist;
/// who needs a minute for its seconds does not play.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Bytes read at a time; heads are rarely longer.
const READ_BYTES: usize = 2048;
/// Room for the head of an answer.
const HEAD_BYTES: usize = 640;

/// What becomes of a connection.
pub(super) enum Fate {
    /// It has ended, or is to end.
    Closed,
    /// The library is to read on, beginning with these bytes.
    Library(TcpStream, Vec<u8>),
    /// Nothing else is sent over it any more.
    Live(Box<Live>, TcpStream, Vec<u8>, Framing),
}

/// Why a connection ends.
enum Stop {
    /// The client is gone, or was quiet for too long, or the server stops.
    Quietly,
    /// The client is to be told this first.
    Told(StatusCode, String),
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Quietly
    }
}

/// A connection and what was read of its next request.
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
    site: Arc<Site>,
    stop: CancellationToken,
    input: Vec<u8>,
    /// A request was answered: from now on the client may be idle.
    answered: bool,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, peer: Peer, site: Arc<Site>, stop: CancellationToken) -> Self {
        Self { stream, peer, site, stop, input: Vec::new(), answered: false }
    }

    /// Answers requests for media until something else is asked for, or until the end.
    pub(super) async fn run(mut self) -> Fate {
        loop {
            let head = match self.next_head().await {
                Ok(head) => head,
                Err(Stop::Quietly) => return Fate::Closed,
                Err(Stop::Told(status, why)) => {
                    self.refuse(status, &why).await;
                    return Fate::Closed;
                }
            };
            if !is_for_here(&head) {
                return Fate::Library(self.stream, self.input);
            }
            self.input.drain(..head.length);
            let peer = self.peer.of(&head.request.headers, &self.site.service);
            let answer = media::answer(&self.site, &head.request, peer).await;
            match self.send_in_time(&head, answer).await {
                None => return Fate::Closed,
                Some(Sent::Whole) => self.answered = true,
                Some(Sent::Live(live, answer, framing)) => {
                    return Fate::Live(live, self.stream, answer, framing);
                }
            }
        }
    }

    /// Reads until the head of a request is whole. It stays in `input`.
    async fn next_head(&mut self) -> Result<Head, Stop> {
        let limits = self.site.limits;
        let mut deadline = Instant::now() + if self.answered { IDLE } else { limits.handshake_timeout };
        let mut begun = !self.answered;
        if self.input.is_empty() {
            // An idle connection holds no memory for what may come.
            self.input = Vec::new();
        }
        loop {
            match http1::decode(&self.input, http1::Limits { head_bytes: limits.request_head_bytes }) {
                Ok(Some(head)) => return Ok(head),
                Ok(None) => {}
                Err(error) => {
                    if matches!(error, http1::Error::TooLarge(_)) {
                        self.site.service.refuse(self.peer.address, Refusal::RequestHeadBytes);
                    }
                    return Err(Stop::Told(error.status(), error.to_string()));
                }
            }
            if !begun && !self.input.is_empty() {
                begun = true;
                deadline = Instant::now() + limits.handshake_timeout;
            }
            tokio::select! {
                () = self.stop.cancelled(), if self.input.is_empty() => return Err(Stop::Quietly),
                () = tokio::time::sleep_until(deadline) => return Err(self.late(begun)),
                ready = self.stream.readable() => ready?,
            }
            self.input.reserve(READ_BYTES);
            match self.stream.try_read_buf(&mut self.input) {
                Ok(0) => return Err(Stop::Quietly),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The client let its time pass.
    fn late(&self, begun: bool) -> Stop {
        if !begun {
            return Stop::Quietly;
        }
        self.site.service.refuse(self.peer.address, Refusal::HandshakeTimeout);
        let seconds = self.site.limits.handshake_timeout.as_secs_f64();
        Stop::Told(StatusCode::REQUEST_TIMEOUT, format!("no whole request within {seconds:.0} s"))
    }

    /// As [`Connection::send`], as long as the client takes it. None: the connection is to end.
    async fn send_in_time(&self, head: &Head, answer: Response<Body>) -> Option<Sent> {
        tokio::time::timeout(ANSWER_TIME, self.send(head, answer)).await.ok()?.ok()?
    }

    /// Sends an answer, unless it has no end. None: the connection is to end.
    async fn send(&self, head: &Head, answer: Response<Body>) -> io::Result<Option<Sent>> {
        let (mut parts, body) = answer.into_parts();
        let client = head.request.version;
        let stays = head.keeps_alive() && !self.stop.is_cancelled();
        let mut out = Vec::with_capacity(HEAD_BYTES);
        if let Body::Live(live) = body {
            let framing = Framing::endless(client);
            http1::encode(&parts, framing, false, client, &date(), &mut out);
            return Ok(Some(Sent::Live(live, out, framing)));
        }
        set_length(&mut parts, &head.request.method, body.length().unwrap_or(0));
        http1::encode(&parts, Framing::Length, stays, client, &date(), &mut out);
        match body {
            // What follows the head of such an answer would be taken for the next answer (RFC 9110 9.3.2).
            _ if head.request.method == Method::HEAD => self.write(&out, &[]).await?,
            Body::Full(bytes) => self.write(&out, &bytes).await?,
            Body::Part(part) => self.send_part(&out, part).await?,
            Body::Live(_) => {}
        }
        Ok(stays.then_some(Sent::Whole))
    }

    /// Writes a head and a short body together.
    async fn write(&self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let (mut head, mut body) = (head, body);
        while !(head.is_empty() && body.is_empty()) {
            self.stream.writable().await?;
            let written = match self.stream.try_write_vectored(&[IoSlice::new(head), IoSlice::new(body)]) {
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            };
            let of_head = written.min(head.len());
            head = &head[of_head..];
            body = &body[written - of_head..];
        }
        Ok(())
    }

    /// Has the system send a file behind a head.
    async fn send_part(&self, mut head: &[u8], mut part: Part) -> io::Result<()> {
        let flags = SendFlags::MORE | SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        while !head.is_empty() {
            let sent =
                self.stream.async_io(Interest::WRITABLE, || Ok(send(&self.stream, head, flags)?)).await?;
            head = &head[sent..];
        }
        while part.remaining() > 0 {
            let sent = self.stream.async_io(Interest::WRITABLE, || {
                let count = usize::try_from(part.remaining()).unwrap_or(usize::MAX);
                Ok(rustix::fs::sendfile(&self.stream, &part, Some(&mut part.offset()), count)?)
            });
            match sent.await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => part.advance(sent as u64),
            }
        }
        Ok(())
    }

    /// Tells the client what was wrong before the connection ends.
    async fn refuse(&self, status: StatusCode, why: &str) {
        let mut parts = Response::new(()).into_parts().0;
        parts.status = status;
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let body = format!("{why}\n");
        set_length(&mut parts, &Method::GET, body.len() as u64);
        let mut out = Vec::with_capacity(HEAD_BYTES);
        http1::encode(&parts, Framing::Length, false, axum::http::Version::HTTP_11, &date(), &mut out);
        out.extend_from_slice(body.as_bytes());
        // It goes out at once or not at all: nobody waits for a client that cannot be understood.
        let _ = self.stream.try_write(&out);
    }
}

/// An answer that was sent, or begun.
enum Sent {
    Whole,
    /// What is to be sent by others, after this head.
    Live(Box<Live>, Vec<u8>, Framing),
}

/// Whether a request is answered here: it asks for media and says nothing beyond that.
fn is_for_here(head: &Head) -> bool {
    let method = &head.request.method;
    (method == Method::GET || method == Method::HEAD)
        && !head.has_body()
        && !head.wants_more()
        && media::is_media(head.request.uri.path())
}

/// Says how long a body is where that must be said (RFC 9110 8.6) and was not.
fn set_length(parts: &mut Parts, method: &Method, length: u64) {
    let without = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
    if method != Method::HEAD && !without && !parts.headers.contains_key(header::CONTENT_LENGTH) {
        parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// The present as HTTP writes it.
fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}

#[cfg(test)]
mod tests;
