//! The head of an answer, RFC 9112 4 and 5, and the framing of a body without a length, 7.1.

use http::Version;
use http::response::Parts;

/// How the end of the body is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// By Content-Length, which is among the headers, or because the status has no body.
    Length,
    /// By chunks. Only for clients of HTTP/1.1.
    Chunked,
    /// By the end of the connection.
    Close,
}

impl Framing {
    /// How a body without a length is sent to a client of this version.
    pub fn endless(client: Version) -> Self {
        if client < Version::HTTP_11 { Self::Close } else { Self::Chunked }
    }
}

/// Appends an answer's head. `date` is the present as RFC 9110 5.6.7 writes it; `stays` says whether the connection
/// stays open after the answer, and `client` is the version that the client speaks.
pub fn encode(answer: &Parts, framing: Framing, stays: bool, client: Version, date: &str, out: &mut Vec<u8>) {
    let mut line = |parts: &[&[u8]]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    };
    let reason = answer.status.canonical_reason().unwrap_or_default();
    line(&[b"HTTP/1.1 ", answer.status.as_str().as_bytes(), b" ", reason.as_bytes()]);
    for (name, value) in &answer.headers {
        line(&[name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    line(&[b"date: ", date.as_bytes()]);
    if framing == Framing::Chunked {
        line(&[b"transfer-encoding: chunked"]);
    }
    match (stays && framing != Framing::Close, client < Version::HTTP_11) {
        (false, _) => line(&[b"connection: close"]),
        (true, true) => line(&[b"connection: keep-alive"]),
        (true, false) => {}
    }
    line(&[]);
}

/// What ends a body in chunks, with no trailers.
pub const CHUNKED_END: &[u8] = b"0\r\n\r\n";

/// The line before a chunk.
#[derive(Clone, Copy, Debug)]
pub struct ChunkHead {
    bytes: [u8; 18],
    start: u8,
}

impl ChunkHead {
    /// The line with its end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

/// The line before a chunk of `length` bytes; CR LF follows the chunk. A length of zero would end the body.
pub fn chunk_head(length: usize) -> ChunkHead {
    let mut bytes = [b'\n'; 18];
    bytes[16] = b'\r';
    let (mut start, mut rest) = (16, length);
    while start == 16 || rest > 0 {
        start -= 1;
        bytes[start] = b"0123456789abcdef"[rest & 15];
        rest >>= 4;
    }
    ChunkHead { bytes, start: start as u8 }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Response, header};

    use super::*;

    fn text(framing: Framing, stays: bool, client: Version) -> String {
        let mut answer = Response::new(()).into_parts().0;
        answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("video/mp2t"));
        let mut out = Vec::new();
        encode(&answer, framing, stays, client, "Sun, 06 Nov 1994 08:49:37 GMT", &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn heads_say_how_the_body_ends_and_whether_the_connection_stays() {
        let start = "HTTP/1.1 200 OK\r\ncontent-type: video/mp2t\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        for (framing, stays, client, end) in [
            (Framing::Length, true, Version::HTTP_11, "\r\n"),
            (Framing::Length, false, Version::HTTP_11, "connection: close\r\n\r\n"),
            (Framing::Length, true, Version::HTTP_10, "connection: keep-alive\r\n\r\n"),
            (Framing::Chunked, true, Version::HTTP_11, "transfer-encoding: chunked\r\n\r\n"),
            (Framing::Close, true, Version::HTTP_10, "connection: close\r\n\r\n"),
        ] {
            assert_eq!(text(framing, stays, client), format!("{start}{end}"));
        }
        assert_eq!(Framing::endless(Version::HTTP_10), Framing::Close);
    }

    #[test]
    fn chunks_say_their_length_in_hexadecimal() {
        for (length, line) in [
            (0, "0\r\n"),
            (9, "9\r\n"),
            (255, "ff\r\n"),
            (188 * 7, "524\r\n"),
            (usize::MAX, "ffffffffffffffff\r\n"),
        ] {
            assert_eq!(chunk_head(length).as_bytes(), line.as_bytes());
        }
    }
}
