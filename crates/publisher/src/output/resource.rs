//! A named thing in memory, answered as RFC 9110 wants it: HEAD, ETag, Range, compression.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::memory::Stored;
use crate::body::{Body, Part};

/// Bytes with all that an answer says of them.
pub(super) struct Resource {
    pub(super) content: Content,
    /// The same, compressed; none where that would gain nothing.
    pub(super) gzip: Option<Bytes>,
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
    /// Strong entity tag without its quotes; the compressed form gets `-gz` behind it (RFC 9110 8.8.3.3).
    pub(super) tag: String,
}

/// Where the bytes are.
#[derive(Clone)]
pub(super) enum Content {
    /// In our own memory.
    Bytes(Bytes),
    /// In a file that the system sends by itself.
    Stored(Arc<Stored>),
}

impl Content {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Stored(stored) => stored.size(),
        }
    }

    fn body(&self) -> Body {
        match self {
            Self::Bytes(bytes) => Body::Full(bytes.clone()),
            Self::Stored(stored) => Body::Part(Part::new(Arc::clone(stored), 0, stored.size())),
        }
    }

    /// The bytes from `first` to `last`, which are there.
    fn range(&self, first: u64, last: u64) -> Body {
        let index = |place| usize::try_from(place).unwrap_or(usize::MAX);
        match self {
            Self::Bytes(bytes) => Body::Full(bytes.slice(index(first)..=index(last))),
            Self::Stored(stored) => Body::Part(Part::new(Arc::clone(stored), first, last - first + 1)),
        }
    }
}

impl Resource {
    /// The answer to a GET or HEAD.
    pub(super) fn answer(&self, request: &Parts) -> Response<Body> {
        // Range is defined for GET alone (RFC 9110 14.2).
        let ranged = request.method == Method::GET && request.headers.contains_key(header::RANGE);
        let gzip = self.gzip.as_ref().filter(|_| !ranged && accepts_gzip(&request.headers));
        let tag = format!("\"{}{}\"", self.tag, if gzip.is_some() { "-gz" } else { "" });
        if none_match_lists(&request.headers, &tag) {
            return self.head(StatusCode::NOT_MODIFIED, &tag, Body::empty());
        }
        let mut response = match ranged.then(|| self.range(&request.headers, &tag)).flatten() {
            None => {
                let body = gzip.map_or_else(|| self.content.body(), |gzip| Body::Full(gzip.clone()));
                let mut response = self.with_body(StatusCode::OK, &tag, request, body);
                if gzip.is_some() {
                    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                response
            }
            Some(Ok((first, last))) => {
                let part = self.content.range(first, last);
                let mut response = self.with_body(StatusCode::PARTIAL_CONTENT, &tag, request, part);
                let content_range = format!("bytes {first}-{last}/{}", self.content.length());
                insert(response.headers_mut(), header::CONTENT_RANGE, &content_range);
                response
            }
            Some(Err(Unsatisfiable)) => {
                let mut response =
                    self.with_body(StatusCode::RANGE_NOT_SATISFIABLE, &tag, request, Body::empty());
                let content_range = format!("bytes */{}", self.content.length());
                insert(response.headers_mut(), header::CONTENT_RANGE, &content_range);
                response
            }
        };
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    fn with_body(&self, status: StatusCode, tag: &str, request: &Parts, body: Body) -> Response<Body> {
        let length = body.length().unwrap_or(0);
        let body = if request.method == Method::HEAD { Body::empty() } else { body };
        let mut response = self.head(status, tag, body);
        insert(response.headers_mut(), header::CONTENT_LENGTH, &length.to_string());
        response
    }

    fn head(&self, status: StatusCode, tag: &str, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        insert(headers, header::ETAG, tag);
        if self.gzip.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        response
    }

    /// The one range asked for, none where the whole is to be sent: no range, one that we do not understand,
    /// several, or one with an If-Range of another version (RFC 9110 13.1.5, 14.2).
    fn range(&self, headers: &HeaderMap, tag: &str) -> Option<Result<(u64, u64), Unsatisfiable>> {
        // One strong tag: parts of two versions must never be put together.
        if headers.get(header::IF_RANGE).is_some_and(|wanted| wanted != tag) {
            return None;
        }
        let spec = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
        let (first, last) = spec.split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        let length = self.content.length();
        let range = if first.is_empty() {
            let suffix = last.parse::<u64>().ok()?.min(length);
            (length - suffix, length.wrapping_sub(1))
        } else {
            let first = first.parse().ok()?;
            let last = if last.is_empty() { u64::MAX } else { last.parse::<u64>().ok()? };
            if last < first {
                return None;
            }
            (first, last.min(length.wrapping_sub(1)))
        };
        Some(if range.0 < length && range.0 <= range.1 { Ok(range) } else { Err(Unsatisfiable) })
    }
}

/// A range that lies outside.
struct Unsatisfiable;

/// Header values made here are always visible ASCII.
fn insert(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether If-None-Match lists the tag, by weak comparison (RFC 9110 13.1.2).
fn none_match_lists(headers: &HeaderMap, tag: &str) -> bool {
    listed(headers, &header::IF_NONE_MATCH)
        .any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

/// Whether gzip has a weight above zero: its own, or that of `*` where it is not named (RFC 9110 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let weight_of = |name: &str| {
        listed(headers, &header::ACCEPT_ENCODING).find_map(|coding| {
            let (coding, parameters) = coding.split_once(';').unwrap_or((coding, ""));
            coding.trim().eq_ignore_ascii_case(name).then(|| weight(parameters))
        })
    };
    weight_of("gzip").or_else(|| weight_of("*")).is_some_and(|weight| weight > 0.0)
}

/// The weight in the parameters of a coding, 1 where none can be read (RFC 9110 12.4.2).
fn weight(parameters: &str) -> f32 {
    let values = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut weights = values.filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    weights.find_map(|(_, value)| value.trim().parse().ok()).unwrap_or(1.0)
}

/// The members of a header that is a list, over all its lines.
fn listed<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;
    use crate::output::memory::Store;

    /// The same answer, wherever the bytes are.
    fn ask(method: Method, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let bytes = Bytes::from_static(b"0123456789");
        let stored =
            Store::new().and_then(|mut store| store.put(std::slice::from_ref(&bytes))).expect("memory");
        let [from_bytes, from_file] = [Content::Bytes(bytes), Content::Stored(Arc::new(stored))]
            .map(|content| ask_for(content, method.clone(), headers));
        assert_eq!(from_bytes, from_file);
        from_bytes
    }

    fn ask_for(content: Content, method: Method, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder().method(method);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let resource = Resource {
            content,
            gzip: Some(Bytes::from_static(b"gz")),
            content_type: "text/plain",
            cache_control: "max-age=1",
            tag: "v1".to_owned(),
        };
        let (head, body) = resource.answer(&parts).into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let body = runtime.block_on(body.collect()).expect("a body").to_bytes();
        (head.status, head.headers, body)
    }

    #[test]
    fn a_plain_get_has_it_all_and_head_has_the_same_without_the_body() {
        let (status, headers, body) = ask(Method::GET, &[]);
        assert_eq!((status, &body[..]), (StatusCode::OK, &b"0123456789"[..]));
        assert_eq!(headers["etag"], "\"v1\"");
        assert_eq!(headers["content-length"], "10");
        assert_eq!(headers["accept-ranges"], "bytes");
        let (status, head, body) = ask(Method::HEAD, &[]);
        assert_eq!((status, head, body.len()), (StatusCode::OK, headers, 0));
    }

    #[test]
    fn ranges_are_cut_or_refused() {
        for (range, expected) in [
            ("bytes=2-4", "234"),
            ("bytes=7-", "789"),
            ("bytes=-3", "789"),
            ("bytes=8-99", "89"),
            ("bytes=-99", "0123456789"),
        ] {
            let (status, _, body) = ask(Method::GET, &[("range", range), ("accept-encoding", "gzip")]);
            assert_eq!((status, &body[..]), (StatusCode::PARTIAL_CONTENT, expected.as_bytes()), "{range}");
        }
        for range in ["bytes=10-", "bytes=-0"] {
            let (status, headers, _) = ask(Method::GET, &[("range", range)]);
            assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
            assert_eq!(headers["content-range"], "bytes */10");
        }
        for range in ["bytes=4-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"] {
            assert_eq!(ask(Method::GET, &[("range", range)]).0, StatusCode::OK, "{range} is ignored");
        }
    }

    #[test]
    fn a_range_is_for_get_alone() {
        let (status, headers, body) = ask(Method::HEAD, &[("range", "bytes=2-4")]);
        assert_eq!((status, body.len()), (StatusCode::OK, 0));
        assert_eq!(
            (headers.get("content-range"), &headers["content-length"]),
            (None, &"10".parse().expect("a value"))
        );
        assert_eq!(ask(Method::HEAD, &[("range", "bytes=10-")]).0, StatusCode::OK);
    }

    #[test]
    fn a_condition_on_a_range_is_met_by_the_same_bytes_alone() {
        for (tag, expected) in [
            ("\"v1\"", StatusCode::PARTIAL_CONTENT),
            ("\"v0\"", StatusCode::OK),
            ("W/\"v1\"", StatusCode::OK),
            ("*", StatusCode::OK),
            ("\"v0\", \"v1\"", StatusCode::OK),
            ("Thu, 01 Jan 2026 00:00:00 GMT", StatusCode::OK),
        ] {
            let (status, headers, _) = ask(Method::GET, &[("range", "bytes=0-0"), ("if-range", tag)]);
            assert_eq!(status, expected, "{tag}");
            assert_eq!(
                headers.get("content-range").is_some(),
                expected == StatusCode::PARTIAL_CONTENT,
                "{tag}"
            );
        }
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        for tag in ["\"v1\"", "W/\"v1\"", "\"x\", \"v1\"", "*"] {
            let (status, headers, body) = ask(Method::GET, &[("if-none-match", tag)]);
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{tag}");
            assert_eq!(headers["etag"], "\"v1\"");
        }
        assert_eq!(ask(Method::GET, &[("if-none-match", "\"v2\"")]).0, StatusCode::OK);
    }

    #[test]
    fn compression_is_used_where_it_is_wanted() {
        for (accept, compressed) in [
            ("gzip", true),
            ("br, gzip;q=0.5", true),
            ("*", true),
            ("*;q=0, gzip", true),
            ("gzip;q=0", false),
            ("gzip; Q=0.000", false),
            ("gzip;q=0, *", false),
            ("*, gzip;q=0", false),
            ("*;q=0", false),
            ("identity", false),
        ] {
            let (_, headers, _) = ask(Method::GET, &[("accept-encoding", accept)]);
            assert_eq!(headers.get("content-encoding").is_some(), compressed, "{accept}");
            assert_eq!(headers["etag"], if compressed { "\"v1-gz\"" } else { "\"v1\"" });
            assert_eq!(headers["vary"], "Accept-Encoding");
        }
    }
}
