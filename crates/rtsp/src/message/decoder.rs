//! Where one message ends and the next begins, however the bytes were split.

use bytes::{Buf, Bytes, BytesMut};

use super::head::{self, Head, Start};
use super::{Message, Request};
use crate::{Error, Limits, Status};

/// `$`, which begins an interleaved packet (RFC 2326 10.12).
const PACKET: u8 = b'$';
/// It, the channel, and a length of 16 bits.
const PACKET_HEAD: usize = 4;

/// Cuts a connection's bytes into messages. It holds what is not whole yet, and what it has not been asked for.
#[derive(Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
    /// Bytes of `buffer` that are known not to end a head.
    scanned: usize,
    /// A request whose body is not whole yet, and how long that is.
    partial: Option<Box<(Request, usize)>>,
    /// Bytes of the connection before `buffer`.
    offset: u64,
}

/// The end of a connection: what is wrong, and the number of the request where that could be read.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) cseq: Option<u64>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, cseq: None }
    }
}

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Bytes that were not asked for yet.
    pub(crate) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Bytes of the connection that were read.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Gives memory back that holds nothing.
    pub(crate) fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// The next message, once it is whole.
    pub(crate) fn decode(&mut self, limits: &Limits) -> Result<Option<Message>, Failure> {
        if self.partial.is_some() {
            return Ok(self.body());
        }
        // Some clients end their bodies or requests with a line too many, and RFC 2326 4.1 has it that such are passed over.
        let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.consume(blank);
        }
        match self.buffer.first() {
            None => Ok(None),
            Some(&PACKET) => Ok(self.packet()),
            Some(byte) if !head::is_token(*byte) => {
                Err(Error::Malformed { what: "request", why: "no method has such a byte" }.into())
            }
            Some(_) => self.head(limits),
        }
    }

    fn packet(&mut self) -> Option<Message> {
        let (head, rest) = self.buffer.split_first_chunk::<PACKET_HEAD>()?;
        let [_, channel, high, low] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        // A copy: a part of the buffer would keep all of it, and a small packet of a peer would hold much.
        let data = Bytes::copy_from_slice(rest.get(..length)?);
        self.consume(PACKET_HEAD + length);
        Some(Message::Packet { channel, data })
    }

    fn head(&mut self, limits: &Limits) -> Result<Option<Message>, Failure> {
        let within = self.buffer.get(..limits.head_bytes).unwrap_or(&self.buffer);
        let Some(length) = head::end(within, self.scanned) else {
            if self.buffer.len() <= limits.head_bytes {
                self.scanned = within.len();
                return Ok(None);
            }
            // Without a single line it is the URI that has no end.
            let (what, status) = match within.contains(&b'\n') {
                true => ("bytes of a request's head", Status::BAD_REQUEST),
                false => ("bytes of a request's first line", Status::URI_TOO_LONG),
            };
            let limit = limits.head_bytes as u64;
            let value = limit + 1;
            return Err(Error::Limit { what, value, limit, status }.into());
        };
        let Head { start, headers } = head::decode(within.get(..length).unwrap_or(within), limits.headers)?;
        let cseq = headers.get("CSeq").and_then(head::number);
        let body = head::body_length(&headers, limits).map_err(|error| Failure { error, cseq })?;
        self.consume(length);
        let request = match start {
            Start::Request { method, uri, version } => {
                Request { method, uri, version, headers, body: Bytes::new() }
            }
            Start::Answer => Request {
                method: String::new(),
                uri: String::new(),
                version: (1, 0),
                headers: super::Headers::default(),
                body: Bytes::new(),
            },
        };
        self.partial = Some(Box::new((request, body)));
        Ok(self.body())
    }

    fn body(&mut self) -> Option<Message> {
        let length = self.partial.as_ref()?.1;
        let body = Bytes::copy_from_slice(self.buffer.get(..length)?);
        self.consume(length);
        let (mut request, _) = *self.partial.take()?;
        if request.method.is_empty() {
            return Some(Message::Answer);
        }
        request.body = body;
        Some(Message::Request(request))
    }

    fn consume(&mut self, count: usize) {
        self.buffer.advance(count);
        self.offset += count as u64;
        self.scanned = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(parts: &[&[u8]]) -> Vec<String> {
        let limits = Limits { head_bytes: 200, body_bytes: 20, headers: 3, ..Limits::default() };
        let mut decoder = Decoder::default();
        let mut found = Vec::new();
        for part in parts {
            decoder.push(part);
            loop {
                match decoder.decode(&limits) {
                    Ok(None) => break,
                    Ok(Some(Message::Request(request))) => {
                        let body = String::from_utf8_lossy(&request.body);
                        found.push(format!("{} {} {:?}", request.method, request.uri, body));
                    }
                    Ok(Some(Message::Packet { channel, data })) => {
                        found.push(format!("packet {channel} {data:?}"));
                    }
                    Ok(Some(Message::Answer)) => found.push("answer".to_owned()),
                    Err(Failure { error, cseq }) => {
                        found.push(format!("{cseq:?} {error}"));
                        return found;
                    }
                }
            }
            decoder.rest();
        }
        found
    }

    #[test]
    fn messages_split_at_every_byte() {
        let bytes = b"\r\n\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x02\0\x03abc\r\n$\0\0\0\
            SET_PARAMETER rtsp://h/a b RTSP/1.0\nCSeq:2\nContent-Length: 4 \n\na\r\nb\
            RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nxxTEARDOWN / rtsp/1.0\r\n\r\n";
        let expected = [
            "OPTIONS * \"\"",
            "packet 2 b\"abc\"",
            "packet 0 b\"\"",
            "SET_PARAMETER rtsp://h/a b \"a\\r\\nb\"",
            "answer",
            "TEARDOWN / \"\"",
        ];
        assert_eq!(all(&[bytes]), expected);
        for at in 0..bytes.len() {
            let (first, second) = bytes.split_at(at);
            assert_eq!(all(&[first, second]), expected, "split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), expected);
    }

    #[test]
    fn what_is_too_long_or_makes_no_sense_ends_it() {
        let long = [b"OPTIONS * RTSP/1.0\r\nX: ".as_slice(), &[b'x'; 10_000]].concat();
        for (bytes, expected) in [
            (&long[..], "None bytes of a request's head: 201 exceeds the limit of 200"),
            (&[b'x'; 201], "None bytes of a request's first line: 201 exceeds the limit of 200"),
            (b"\x16\x03\x01", "None request: no method has such a byte"),
            (
                b"A * RTSP/1.0\r\nCSeq: 7\r\nContent-Length: 21\r\n\r\n",
                "Some(7) bytes of a request's body: 21 exceeds the limit of 20",
            ),
            (
                b"A * RTSP/1.0\r\nCSeq: 7\r\nContent-Length: -1\r\n\r\n",
                "Some(7) Content-Length: it is no number",
            ),
            (
                b"A * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
                "None Content-Length: there are two that differ",
            ),
            (
                b"A * RTSP/1.0\r\na:1\r\na:1\r\na:1\r\na:1\r\n\r\n",
                "None header lines: 4 exceeds the limit of 3",
            ),
            (b"A * RTSP/1.0\r\nabc\r\n\r\n", "None header: a line has no colon"),
            (b"A * RTSP/1.0\r\na: \x01\r\n\r\n", "None header: a line has a control character"),
            (b"GET / HTTP/1.1\r\n\r\n", "None HTTP is not spoken here, nor RTSP within it"),
            (b"A *\r\n\r\n", "None request: the first line is not METHOD URI RTSP/1.0"),
        ] {
            assert_eq!(all(&[bytes]), [expected]);
        }
    }
}
