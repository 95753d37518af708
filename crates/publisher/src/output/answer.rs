//! Small HTTP answers that every output gives alike.

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::Body;

/// A sentence for people.
pub(super) fn text(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut response = Response::new(Body::Full(format!("{sentence}\n").into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Not there, and why.
pub fn not_found(sentence: &str) -> Response<Body> {
    text(StatusCode::NOT_FOUND, sentence)
}

/// An operator has sent the viewer away.
pub(super) fn kicked() -> Response<Body> {
    text(StatusCode::FORBIDDEN, "an operator has closed this session")
}

/// Not for whoever asks, and why.
pub fn forbidden(sentence: &str) -> Response<Body> {
    text(StatusCode::FORBIDDEN, sentence)
}

/// There is no room, and why. The client may ask again.
pub(super) fn busy(sentence: &str) -> Response<Body> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, sentence);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

/// Bytes of a user agent that are looked at.
const MAX_AGENT: usize = 120;

/// What the client calls itself, shortened: it names sessions and is kept.
pub(super) fn user_agent(request: &Parts) -> Option<String> {
    let agent = request.headers.get(header::USER_AGENT)?;
    let agent = agent.as_bytes();
    Some(String::from_utf8_lossy(&agent[..agent.len().min(MAX_AGENT)]).into_owned())
}
