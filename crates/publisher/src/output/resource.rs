//! A named thing in memory, answered as RFC 9110 wants it: HEAD, ETag, Range, compression.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::body::{self, Body};

/// Bytes with all that an answer says of them.
pub(super) struct Resource {
    pub(super) bytes: Bytes,
    /// The same, compressed; none where that would gain nothing.
    pub(super) gzip: Option<Bytes>,
    pub(super) content_type: &'static str,
    pub(super) cache_control: &'static str,
    /// Strong entity tag without its quotes; the compressed form gets `-gz` behind it (RFC 9110 8.8.3.3).
    pub(super) tag: String,
}

impl Resource {
    /// The answer to a GET or HEAD.
    pub(super) fn answer(&self, request: &Parts) -> Response<Body> {
        let ranged = request.headers.contains_key(header::RANGE);
        let gzip = self.gzip.as_ref().filter(|_| !ranged && accepts_gzip(&request.headers));
        let tag = format!("\"{}{}\"", self.tag, if gzip.is_some() { "-gz" } else { "" });
        if has_tag(&request.headers, &header::IF_NONE_MATCH, &tag) {
            return self.head(StatusCode::NOT_MODIFIED, &tag, body::empty());
        }
        let bytes = gzip.unwrap_or(&self.bytes);
        let mut response = match self.range(&request.headers, &tag) {
            None => {
                let mut response = self.with_bytes(StatusCode::OK, &tag, request, bytes.clone());
                if gzip.is_some() {
                    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                response
            }
            Some(Ok((first, last))) => {
                let part = self.bytes.slice(first..=last);
                let mut response = self.with_bytes(StatusCode::PARTIAL_CONTENT, &tag, request, part);
                let content_range = format!("bytes {first}-{last}/{}", self.bytes.len());
                insert(response.headers_mut(), header::CONTENT_RANGE, &content_range);
                response
            }
            Some(Err(Unsatisfiable)) => {
                let mut response =
                    self.with_bytes(StatusCode::RANGE_NOT_SATISFIABLE, &tag, request, Bytes::new());
                insert(
                    response.headers_mut(),
                    header::CONTENT_RANGE,
                    &format!("bytes */{}", self.bytes.len()),
                );
                response
            }
        };
        response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        response
    }

    fn with_bytes(&self, status: StatusCode, tag: &str, request: &Parts, bytes: Bytes) -> Response<Body> {
        let length = bytes.len();
        let body = if request.method == Method::HEAD { body::empty() } else { body::full(bytes) };
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
    fn range(&self, headers: &HeaderMap, tag: &str) -> Option<Result<(usize, usize), Unsatisfiable>> {
        if headers.contains_key(header::IF_RANGE) && !has_tag(headers, &header::IF_RANGE, tag) {
            return None;
        }
        let spec = headers.get(header::RANGE)?.to_str().ok()?.strip_prefix("bytes=")?;
        let (first, last) = spec.split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        let length = self.bytes.len();
        let range = if first.is_empty() {
            let suffix = last.parse::<usize>().ok()?.min(length);
            (length - suffix, length.wrapping_sub(1))
        } else {
            let first = first.parse().ok()?;
            let last = if last.is_empty() { usize::MAX } else { last.parse::<usize>().ok()? };
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

fn has_tag(headers: &HeaderMap, name: &header::HeaderName, tag: &str) -> bool {
    let listed = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|listed| listed == "*" || listed.strip_prefix("W/").unwrap_or(listed) == tag)
}

/// Whether gzip is named with a weight above zero (RFC 9110 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let listed = headers.get_all(header::ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip") || name == "*");
        let refused = parts.any(|part| {
            part.strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        });
        named && !refused
    })
}

#[cfg(test)]
mod tests {
    use http::Request;
    use http_body_util::BodyExt;

    use super::*;

    fn ask(method: Method, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::builder().method(method);
        for &(name, value) in headers {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let resource = Resource {
            bytes: Bytes::from_static(b"0123456789"),
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
        let (status, headers, _) = ask(Method::GET, &[("range", "bytes=0-0"), ("if-range", "\"v0\"")]);
        assert_eq!((status, headers.get("content-range")), (StatusCode::OK, None), "another version");
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
        for (accept, compressed) in
            [("gzip", true), ("br, gzip;q=0.5", true), ("*", true), ("gzip;q=0", false), ("identity", false)]
        {
            let (_, headers, _) = ask(Method::GET, &[("accept-encoding", accept)]);
            assert_eq!(headers.get("content-encoding").is_some(), compressed, "{accept}");
            assert_eq!(headers["etag"], if compressed { "\"v1-gz\"" } else { "\"v1\"" });
            assert_eq!(headers["vary"], "Accept-Encoding");
        }
    }
}
