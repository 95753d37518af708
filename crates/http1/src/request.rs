//! The head of a request, RFC 9112 3 and 5.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};

/// Header lines at most; browsers send about 20.
const MAX_HEADERS: usize = 100;

/// Bounds on what a client may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a head at most, with its request line.
    pub head_bytes: usize,
}

impl Default for Limits {
    /// 16 KiB.
    fn default() -> Self {
        Self { head_bytes: 16 << 10 }
    }
}

/// A request without its body.
#[derive(Debug)]
pub struct Head {
    /// Method, target, version and headers.
    pub request: Parts,
    /// Bytes that it has on the wire; what comes behind is its body or the next request.
    pub length: usize,
}

/// Why bytes are no request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not HTTP, or breaks its grammar.
    #[error("the request cannot be understood: {0}")]
    Malformed(&'static str),
    /// It is longer than the limit, or has too many header lines.
    #[error("the head of the request is larger than {0} bytes or {MAX_HEADERS} lines")]
    TooLarge(usize),
    /// The target is no URI.
    #[error("the target of the request is no URI")]
    Target,
}

impl Error {
    /// The status that it deserves (RFC 9110 15.5, RFC 6585 5).
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Malformed(_) | Self::Target => StatusCode::BAD_REQUEST,
        }
    }
}

impl Head {
    /// Whether bytes of a body follow, or may follow (RFC 9112 6.3).
    pub fn has_body(&self) -> bool {
        let headers = &self.request.headers;
        let lengths = headers.get_all(header::CONTENT_LENGTH);
        headers.contains_key(header::TRANSFER_ENCODING) || lengths.iter().any(|length| length != "0")
    }

    /// Whether the client waits for leave to send its body (RFC 9110 10.1.1), or asks for another protocol.
    pub fn wants_more(&self) -> bool {
        self.request.headers.contains_key(header::EXPECT)
            || self.request.headers.contains_key(header::UPGRADE)
    }

    /// Whether the client expects the connection to stay open after the answer (RFC 9112 9.3).
    pub fn keeps_alive(&self) -> bool {
        let says = |option: &str| {
            let lines = self.request.headers.get_all(header::CONNECTION).into_iter();
            let mut options = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
            options.any(|said| said.trim().eq_ignore_ascii_case(option))
        };
        if self.request.version < Version::HTTP_11 { says("keep-alive") } else { !says("close") }
    }
}

/// Reads the head that `bytes` begin with. None: it is not whole yet.
///
/// # Errors
/// What can be no request, however it goes on.
pub fn decode(bytes: &[u8], limits: Limits) -> Result<Option<Head>, Error> {
    let too_large = Error::TooLarge(limits.head_bytes);
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let looked_at = &bytes[..bytes.len().min(limits.head_bytes)];
    match request.parse(looked_at) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(Head { request: parts(&request)?, length })),
        Ok(httparse::Status::Partial) if bytes.len() >= limits.head_bytes => Err(too_large),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(too_large),
        Err(error) => Err(Error::Malformed(reason(error))),
    }
}

fn reason(error: httparse::Error) -> &'static str {
    match error {
        httparse::Error::HeaderName => "a header name has a byte that it must not have",
        httparse::Error::HeaderValue => "a header value has a byte that it must not have",
        httparse::Error::NewLine => "a line does not end where it should",
        httparse::Error::Token => "the method or the target has a byte that it must not have",
        httparse::Error::Version => "it is not HTTP/1.1 or HTTP/1.0",
        _ => "it is not HTTP",
    }
}

fn parts(parsed: &httparse::Request<'_, '_>) -> Result<Parts, Error> {
    // The parser has seen all of these, or it would not have come to the end.
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Error::Malformed("it is not HTTP"));
    };
    let (mut request, ()) = Request::new(()).into_parts();
    request.method =
        Method::from_bytes(method.as_bytes()).map_err(|_| Error::Malformed("there is no such method"))?;
    request.uri = target.parse::<Uri>().map_err(|_| Error::Target)?;
    request.version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut headers = HeaderMap::with_capacity(parsed.headers.len());
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let value = HeaderValue::from_bytes(line.value);
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(Error::Malformed("a header has a byte that it must not have"));
        };
        headers.append(name, value);
    }
    request.headers = headers;
    Ok(request)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Head {
        decode(text.as_bytes(), Limits::default()).expect("no error").expect("a whole head")
    }

    #[test]
    fn a_request_has_its_parts_and_its_length() {
        let text =
            "GET /news/index.m3u8?x=1 HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let head = whole(text);
        assert_eq!((head.request.method.as_str(), head.request.uri.path()), ("GET", "/news/index.m3u8"));
        assert_eq!(head.request.headers[header::RANGE], "bytes=0-1");
        assert_eq!(&text[head.length..], "GET / HTTP/1.1\r\n\r\n");
        assert!(!head.has_body() && head.keeps_alive() && !head.wants_more());
    }

    #[test]
    fn what_is_cut_anywhere_is_waited_for() {
        let text = b"GET /news/mpegts HTTP/1.1\r\nHost: a\r\n\r\n";
        for length in 0..text.len() {
            assert!(decode(&text[..length], Limits::default()).expect("no error").is_none(), "{length}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_whole() {
        let limits = Limits { head_bytes: 64 };
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100));
        assert_eq!(decode(long.as_bytes(), limits).expect_err("too large"), Error::TooLarge(64));
        assert_eq!(Error::TooLarge(64).status().as_u16(), 431);
        assert!(decode(&long.as_bytes()[..63], limits).expect("no error").is_none());
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(101));
        assert!(matches!(decode(many.as_bytes(), Limits::default()), Err(Error::TooLarge(_))));
    }

    #[test]
    fn what_is_no_request_says_why() {
        for (text, part) in [
            ("\u{3}\0\0\0\0", "byte that it must not have"),
            ("GET / HTTP/2.0\r\n\r\n", "not HTTP/1.1"),
            ("GET / HTTP/1.1\r\nA b: c\r\n\r\n", "header name"),
            ("GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n", "header value"),
            ("GET / HTTP/1.1\r\nA: b\r\n c: folded\r\n\r\n", "header name"),
            ("GET /\u{7f} HTTP/1.1\r\n\r\n", "byte that it must not have"),
            ("GET  HTTP/1.1\r\n\r\n", ""),
        ] {
            let error = decode(text.as_bytes(), Limits::default()).expect_err(text);
            assert_eq!(error.status(), StatusCode::BAD_REQUEST);
            assert!(error.to_string().contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn bodies_are_told() {
        for (header, body) in [
            ("Content-Length: 5", true),
            ("Content-Length: 0", false),
            ("Content-Length: 0\r\nContent-Length: 7", true),
            ("Content-Length: +0", true),
            ("Transfer-Encoding: chunked", true),
            ("Transfer-Encoding: identity\r\nContent-Length: 0", true),
            ("Accept: */*", false),
        ] {
            assert_eq!(whole(&format!("GET / HTTP/1.1\r\n{header}\r\n\r\n")).has_body(), body, "{header}");
        }
        assert!(whole("GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n").wants_more());
    }

    #[test]
    fn connections_stay_open_as_the_client_wants() {
        for (version, header, stays) in [
            ("1.1", "A: b", true),
            ("1.1", "Connection: close", false),
            ("1.1", "Connection: x, CLOSE", false),
            ("1.0", "A: b", false),
            ("1.0", "Connection: Keep-Alive", true),
        ] {
            let head = whole(&format!("GET / HTTP/{version}\r\n{header}\r\n\r\n"));
            assert_eq!(head.keeps_alive(), stays, "{version} {header}");
        }
    }

    proptest! {
        /// No bytes cause a panic, and a head never reaches behind what was given or allowed.
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400), head_bytes in 1usize..300) {
            if let Ok(Some(head)) = decode(&bytes, Limits { head_bytes }) {
                prop_assert!(head.length <= bytes.len().min(head_bytes));
            }
        }
    }
}
