//! The API: what is under `/api`, see `docs/api.md`. Who may use it is decided before a request comes here, in `http/access.rs`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use crate::http::Site;

mod call;
mod openapi;
mod page;
mod plan;
mod play_token;
mod problem;
mod read;
mod sessions;
mod settings;
mod status;
mod streams;

use call::Call;
pub(crate) use problem::{Kind, Problem};
use read::Asked;

/// The answer of a call, or what is wrong.
type Answer = Result<Response, Problem>;

/// Answers a request for anything under `/api`.
pub(crate) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let answered = match Call::find(request.uri().path()) {
        Ok(call) => call_it(&site, call, request).await,
        Err(problem) => Err(problem),
    };
    answered.unwrap_or_else(Problem::into_response)
}

async fn call_it(site: &Site, call: Call, request: Request) -> Answer {
    let method = match *request.method() {
        Method::HEAD => Method::GET,
        ref method => method.clone(),
    };
    if !call.methods().split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(Problem::method(&method, call.methods()));
    }
    let timeout = site.limits.handshake_timeout;
    match call {
        Call::Page => Asked::nothing(&request).map(|()| page::answer()),
        Call::OpenApi => Asked::nothing(&request).map(|()| openapi::answer()),
        Call::Streams => streams::list(site, &request),
        Call::Stream(code) => match method {
            Method::GET => streams::get(site, &code, &request),
            Method::PUT => streams::put(site, code, request, timeout).await,
            Method::PATCH => streams::patch(site, code, request, timeout).await,
            _ => streams::delete(site, code, read::terms(&request)?).await,
        },
        Call::Runtime(code) => streams::runtime(site, &code, &request),
        Call::PlayToken(code) => play_token::make(site, code, request, timeout).await,
        Call::SessionsOf(code) => sessions::of_stream(site, code, &request),
        Call::Order(code, order) => streams::order(site, code, order, read::terms(&request)?).await,
        Call::Sessions => sessions::list(site, &request),
        Call::Session(id) => match method {
            Method::GET => sessions::get(site, id, &request),
            _ => sessions::kick(site, id, &request),
        },
        Call::Config => match method {
            Method::GET => settings::get(site, &request),
            _ => settings::patch(site, request, timeout).await,
        },
        Call::Defaults => Asked::nothing(&request).map(|()| settings::defaults()),
        Call::Limits => Asked::nothing(&request).map(|()| settings::limits(site)),
    }
}

/// Headers of every answer: no cache keeps it, and it is what it says that it is.
fn headers() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ]
}

/// A document as JSON, and the version that it is of.
fn json(status: StatusCode, value: &impl Serialize, tag: Option<&str>) -> Response {
    // What we make has no keys that are not text, the one thing that JSON cannot say.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut all = HeaderMap::from_iter(headers());
    all.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(format!("\"{tag}\"")).ok()) {
        all.insert(header::ETAG, tag);
    }
    (status, all, body).into_response()
}

#[cfg(test)]
mod tests;
