//! The page at `/` and what it is made of.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::answer;

const INDEX: &str = include_str!("../../web/index.html");
const STYLE: &str = include_str!("../../web/page.css");
const SCRIPT: &str = include_str!("../../web/page.js");
/// hls.js and its licence, empty where `scripts/build-web` was not run before the program was built.
static HLS_JS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hls.js"));
static HLS_JS_LICENCE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/hls.js.LICENSE"));

/// Nothing runs but our own files, nothing is fetched from elsewhere, nobody frames the page. hls.js needs `blob:`
/// for its worker and for the media source behind the video.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; \
     connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `/`.
pub(super) async fn index() -> Response {
    file("text/html; charset=utf-8", INDEX.as_bytes())
}

/// `/assets/<file>`.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match name.as_str() {
        "page.css" => file("text/css; charset=utf-8", STYLE.as_bytes()),
        "page.js" => file("text/javascript; charset=utf-8", SCRIPT.as_bytes()),
        "hls.js" if !HLS_JS.is_empty() => file("text/javascript; charset=utf-8", HLS_JS),
        "hls.js" => answer::not_found(
            "this program was built without hls.js: run scripts/build-web and build it again",
        ),
        "hls.js.LICENSE" if !HLS_JS_LICENCE.is_empty() => file("text/plain; charset=utf-8", HLS_JS_LICENCE),
        _ => answer::not_found("the page has no such file"),
    }
}

fn file(content_type: &'static str, content: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        // A new version of the program may be behind the same URL a second later.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, content).into_response()
}
