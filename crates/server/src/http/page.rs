//! The page at `/` and what it is made of.

use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::answer;

const INDEX: &str = include_str!("../../web/index.html");
const STYLE: &str = include_str!("../../web/page.css");
/// What the page has in common with others that ask the API.
const API: &str = include_str!("../../web/api.js");
/// That of the page at `/api/`.
const API_STYLE: &str = include_str!("../../web/api.css");
const SCRIPT: &str = include_str!("../../web/page.js");
const PLAYER: &str = include_str!("../../web/player.js");
const ENGINES: &str = include_str!("../../web/engines.js");

/// A file that `scripts/build-web` makes, empty where it was not run before the program was built.
macro_rules! fetched {
    ($name:literal) => {
        include_bytes!(concat!(env!("OUT_DIR"), "/", $name))
    };
}

/// hls.js and dash.js, compressed with gzip.
static HLS_JS: &[u8] = fetched!("hls.js.gz");
static DASH_JS: &[u8] = fetched!("dash.js.gz");
static HLS_JS_LICENCE: &[u8] = fetched!("hls.js.LICENSE");
static DASH_JS_LICENCE: &[u8] = fetched!("dash.js.LICENSE");

/// Nothing runs but our own files, nothing is fetched from elsewhere, nobody frames the page. hls.js needs `blob:`
/// for its worker, both players for the media source behind the video.
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
        "api.css" => file("text/css; charset=utf-8", API_STYLE.as_bytes()),
        "page.js" => script(SCRIPT),
        "api.js" => script(API),
        "player.js" => script(PLAYER),
        "engines.js" => script(ENGINES),
        "hls.js" => compressed_script("hls.js", HLS_JS),
        "dash.js" => compressed_script("dash.js", DASH_JS),
        "hls.js.LICENSE" if !HLS_JS_LICENCE.is_empty() => file("text/plain; charset=utf-8", HLS_JS_LICENCE),
        "dash.js.LICENSE" if !DASH_JS_LICENCE.is_empty() => {
            file("text/plain; charset=utf-8", DASH_JS_LICENCE)
        }
        _ => answer::not_found("the page has no such file"),
    }
}

fn script(content: &'static str) -> Response {
    file("text/javascript; charset=utf-8", content.as_bytes())
}

/// A script as it is kept, whatever the client says that it takes: only the page asks, and every browser takes gzip.
fn compressed_script(name: &str, content: &'static [u8]) -> Response {
    if content.is_empty() {
        let sentence =
            format!("this program was built without {name}: run scripts/build-web and build it again");
        return answer::not_found(&sentence);
    }
    let mut response = file("text/javascript; charset=utf-8", content);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
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
