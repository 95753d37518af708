//! Media paths: `/<code>/<file>` and `/<code>@<rendition>/<file>`, for every origin.
//!
//! What a path means is in its last part alone, so codes may look like files: of a stream `a/time` the playlist is
//! `/a/time/index.m3u8`, while `/a/time` is the clock of `a`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use publisher::Address;

use super::connection::Peer;
use super::edge::ANSWER_TIME;
use super::timed::Timed;
use super::{Site, answer, utc};

/// Methods of media paths.
const METHODS: &str = "GET, HEAD, OPTIONS";
/// Headers that scripts of other sites may send; browsers send most of them without asking.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Range, If-Range, If-None-Match, If-Modified-Since, Cache-Control, Content-Type, Accept",
);
/// Headers that scripts of other sites may read.
const RESPONSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "Content-Length, Content-Range, Accept-Ranges, Content-Encoding, Date, ETag, Age, Server-Timing",
);
/// Seconds that browsers may remember the answer to a preflight.
const PREFLIGHT_AGE: HeaderValue = HeaderValue::from_static("86400");

/// What a path means.
#[derive(PartialEq, Eq, Debug)]
enum Target<'p> {
    /// Endless MPEG-TS.
    MpegTs(Address),
    /// A playlist, or a segment in MPEG-TS.
    Hls(Address, &'p str),
    /// A manifest of DASH.
    Dash(Address, &'p str),
    /// A segment in fragmented MP4 or what it needs first, of DASH and HLS alike.
    Fragment(Address, &'p str),
    /// The clock that DASH players go by.
    Time(Address),
}

impl Target<'_> {
    fn address(&self) -> &Address {
        match self {
            Self::MpegTs(address)
            | Self::Hls(address, _)
            | Self::Dash(address, _)
            | Self::Fragment(address, _)
            | Self::Time(address) => address,
        }
    }
}

/// Answers everything that is no page: media, preflights, and errors that a player can read as such.
pub(super) async fn serve(
    State(site): State<Arc<Site>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let (request, _) = request.into_parts();
    let mut response = match request.method {
        Method::GET | Method::HEAD => match target(ticket(&decoded(request.uri.path())).1) {
            Ok(_) => {
                return answer(&site, &request, peer).await.map(|body| match body {
                    // It holds memory that is to be given back.
                    publisher::Body::Part(_) => Body::new(Timed::new(body, ANSWER_TIME)),
                    body => Body::new(body),
                });
            }
            Err(reason) => answer::not_found(&reason),
        },
        Method::OPTIONS => preflight(),
        ref method => answer::method_not_allowed(method, METHODS),
    };
    share(response.headers_mut());
    response
}

/// Whether a path leads to media, of a stream that may or may not exist.
pub(super) fn is_media(path: &str) -> bool {
    target(ticket(&decoded(path)).1).is_ok()
}

/// The answer to a GET or HEAD of media, whoever sends it.
pub(super) async fn answer(
    site: &Site,
    request: &Parts,
    peer: Peer,
) -> axum::http::Response<publisher::Body> {
    let path = decoded(request.uri.path());
    let (token, path) = ticket(&path);
    let target = target(path);
    let token = token.map(Cow::Borrowed).or_else(|| in_query(request));
    let mut allowed = None;
    if let (Ok(target), Some(token)) = (&target, &token) {
        // Who has one is known by it, and not by address and program.
        if site.service.may_play(target.address(), Some(token), peer.address.ip()).is_ok() {
            let mut request = request.clone();
            request.extensions.insert(publisher::session::Token::new(token));
            allowed = Some(request);
        }
    }
    let request = allowed.as_ref().unwrap_or(request);
    let denied = |target: &Target<'_>| match target {
        Target::Time(_) => None,
        target => {
            let denied =
                site.service.may_play(target.address(), token.as_deref(), peer.address.ip()).err()?;
            site.service.note_refused(peer.address, &format!("{}: {denied}", target.address()));
            Some(denied)
        }
    };
    let mut response = match target {
        Ok(target) if let Some(denied) = denied(&target) => publisher::forbidden(&denied.to_string()),
        Ok(Target::MpegTs(address)) => site.service.handle_mpegts(request, peer.address, &address).await,
        Ok(Target::Hls(address, file)) => {
            site.service.handle_hls(request, peer.address, &address, file).await
        }
        Ok(Target::Dash(address, file)) => {
            site.service.handle_dash(request, peer.address, &address, file).await
        }
        Ok(Target::Fragment(address, file)) => {
            site.service.handle_fragment(request, peer.address, &address, file).await
        }
        Ok(Target::Time(_)) => utc::answer(SystemTime::now()),
        Err(reason) => publisher::not_found(&reason),
    };
    if token.is_some() {
        make_private(response.headers_mut());
    }
    share(response.headers_mut());
    response
}

/// What was got with a token is no matter of caches that others share.
fn make_private(headers: &mut HeaderMap) {
    let control = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok());
    let private = control.map(|control| control.replace("public", "private"));
    if let Some(private) = private.and_then(|private| HeaderValue::try_from(private).ok()) {
        headers.insert(header::CACHE_CONTROL, private);
    }
}

/// A token at the beginning of a path, `/t/<token>/<code>/<file>`, and the path behind it. What a playlist names stands beside it,
/// and so is under the same token.
fn ticket(path: &str) -> (Option<&str>, &str) {
    let parts = path.strip_prefix("/t/").and_then(|rest| Some((rest.split_once('/')?.0, rest.find('/')?)));
    match parts {
        Some((token, end)) => (Some(token), path.get("/t/".len() + end..).unwrap_or_default()),
        None => (None, path),
    }
}

/// A token in the query.
fn in_query(request: &Parts) -> Option<Cow<'_, str>> {
    let mut pairs = url::form_urlencoded::parse(request.uri.query()?.as_bytes());
    pairs.find_map(|(name, value)| (name == "token").then_some(value))
}

/// Browsers may write `@` as `%40`. No other character of a path of ours is ever encoded.
fn decoded(path: &str) -> Cow<'_, str> {
    if path.contains("%40") { path.replace("%40", "@").into() } else { path.into() }
}

/// The meaning of a path, or why it has none.
fn target(path: &str) -> Result<Target<'_>, String> {
    let unknown = || {
        "there is nothing here: a stream plays at /<code>/index.m3u8 (HLS), /<code>/index.mpd (DASH) and \
         /<code>/mpegts (HTTP MPEG-TS)"
            .to_owned()
    };
    let (code, file) = path.strip_prefix('/').and_then(|path| path.rsplit_once('/')).ok_or_else(unknown)?;
    let address = || code.parse::<Address>().map_err(|error| error.to_string());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let (stem, extension) = file.rsplit_once('.').unwrap_or((file, ""));
    if stem.is_empty() || file.contains("..") || !file.chars().all(plain) {
        return Err(unknown());
    }
    match extension {
        "" if file == "mpegts" => Ok(Target::MpegTs(address()?)),
        "" if file == "time" => Ok(Target::Time(address()?)),
        "m3u8" | "ts" => Ok(Target::Hls(address()?, file)),
        "mpd" => Ok(Target::Dash(address()?, file)),
        "m4s" | "mp4" => Ok(Target::Fragment(address()?, file)),
        _ => Err(unknown()),
    }
}

/// Yes to whatever a player wants to send.
fn preflight() -> Response {
    let headers = [
        (header::ALLOW, HeaderValue::from_static(METHODS)),
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS)),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// Lets scripts of every site read the answer. Errors as well: without this a player sees a failure of the
/// network where the stream is just not there.
fn share(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, RESPONSE_HEADERS);
    let policy = header::HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("cross-origin"));
    let timing = header::HeaderName::from_static("timing-allow-origin");
    headers.insert(timing, HeaderValue::from_static("*"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        text.parse().expect(text)
    }

    #[test]
    fn paths_lead_to_streams() {
        assert_eq!(target("/demo/index.m3u8"), Ok(Target::Hls(address("demo"), "index.m3u8")));
        assert_eq!(target("/demo/a1-track_1-17.ts"), Ok(Target::Hls(address("demo"), "a1-track_1-17.ts")));
        assert_eq!(target("/demo/mpegts"), Ok(Target::MpegTs(address("demo"))));
        assert_eq!(target("/region/north/news/mpegts"), Ok(Target::MpegTs(address("region/north/news"))));
        assert_eq!(target(&decoded("/news%40720p/x.m3u8")), Ok(Target::Hls(address("news@720p"), "x.m3u8")));
        assert_eq!(target("/a/mpegts/index.m3u8"), Ok(Target::Hls(address("a/mpegts"), "index.m3u8")));
    }

    #[test]
    fn manifests_and_fragments_are_told_apart_by_their_ends() {
        let north = || address("region/north");
        assert_eq!(target("/region/north/index.mpd"), Ok(Target::Dash(north(), "index.mpd")));
        let (init, segment) = ("track_1-a7.mp4", "track_1-a7-19283746.m4s");
        assert_eq!(target("/region/north/track_1-a7.mp4"), Ok(Target::Fragment(north(), init)));
        assert_eq!(target("/region/north/track_1-a7-19283746.m4s"), Ok(Target::Fragment(north(), segment)));
        assert_eq!(target("/news@720p/index.mpd"), Ok(Target::Dash(address("news@720p"), "index.mpd")));
    }

    #[test]
    fn time_is_a_file_of_every_stream_and_may_be_a_code_all_the_same() {
        assert_eq!(target("/demo/time"), Ok(Target::Time(address("demo"))));
        assert_eq!(target("/demo@720p/time"), Ok(Target::Time(address("demo@720p"))));
        assert_eq!(target("/a/time"), Ok(Target::Time(address("a"))));
        assert_eq!(target("/a/time/time"), Ok(Target::Time(address("a/time"))));
        assert_eq!(target("/a/time/index.mpd"), Ok(Target::Dash(address("a/time"), "index.mpd")));
        assert_eq!(target("/time/mpegts"), Ok(Target::MpegTs(address("time"))));
    }

    #[test]
    fn other_paths_lead_nowhere() {
        for path in [
            "/",
            "",
            "*",
            "/demo",
            "/demo/",
            "/index.m3u8",
            "/mpegts",
            "/time",
            "/time.",
            "/demo/mpegts.",
            "/live/demo/time",
            "//mpegts",
            "/demo//mpegts",
            "/../mpegts",
            "/demo/../mpegts",
            "/demo/..",
            "/demo/...ts",
            "/demo/.ts",
            "/demo/a..ts",
            "/demo/%2e%2e/x.ts",
            "/demo%2fx/mpegts",
            "/demo/a%2fb.ts",
            "/demo/a\\b.ts",
            "/live/demo/mpegts",
            "/api/v1/streams",
            "/demo@/mpegts",
            "/@x/mpegts",
            "/demo/index.html",
            "/demo/index.M3U8",
            "/dé/mpegts",
            "/demo/%00.ts",
            "/demo/.mpd",
            "/demo/a..m4s",
            "/demo/../x.mp4",
        ] {
            assert!(target(&decoded(path)).is_err(), "{path}");
        }
    }
}
