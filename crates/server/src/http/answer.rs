//! Small answers for people.

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// A sentence as plain text, never kept by a cache.
pub(super) fn text(status: StatusCode, sentence: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, Body::from(format!("{sentence}\n"))).into_response()
}

/// Not there, and why.
pub(super) fn not_found(sentence: &str) -> Response {
    text(StatusCode::NOT_FOUND, sentence)
}

/// A method that this path does not have, with those that it has.
pub(super) fn method_not_allowed(method: &Method, allowed: &'static str) -> Response {
    let sentence = format!("{method} is not possible here; allowed: {allowed}");
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &sentence);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
