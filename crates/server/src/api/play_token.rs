//! `/api/v1/streams/<code>/play-token`: makes tokens with which a stream can be played.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use axum::http::StatusCode;
use publisher::{Address, Code, Grant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Fault, Kind, Problem};
use super::{Answer, json, read};
use crate::http::Site;

/// How long a token lasts where nothing is said.
const LASTS_SEC: u64 = 86_400;
/// And at most: ten years.
const MOST_SEC: u64 = 315_360_000;

/// What a token is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlayTokenRequest {
    /// Seconds until it ends; a day where nothing is said.
    #[schema(minimum = 1, maximum = 315360000)]
    expires_in_sec: Option<u64>,
    /// The rendition that may be played; all where nothing is said.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    rendition: Option<String>,
    /// The IP address of its client; anywhere where nothing is said.
    client: Option<String>,
}

/// A token. It is a secret of whoever plays.
#[derive(Serialize, ToSchema)]
pub(super) struct PlayToken {
    /// For `?token=` of HTTP MPEG-TS, RTMP and RTSP, and in the stream id of SRT.
    token: String,
    /// Unix time of its end.
    expires: u64,
    /// What HLS and DASH are under, `/t/<token>/<code>`.
    path: String,
}

/// Makes a token with the newest key of the stream.
#[utoipa::path(
    post, path = "/api/v1/streams/{code}/play-token", tag = "streams", operation_id = "play_token",
    params(("code" = inline(super::streams::CodeParameter), Path, description = "The stream's code.")),
    request_body = PlayTokenRequest,
    responses(
        (status = 200, description = "The token.", body = PlayToken),
        (status = 404, description = "No such stream runs.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The stream is played without a token.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn make(site: &Site, code: Code, request: Request, timeout: Duration) -> Answer {
    read::Asked::nothing(&request)?;
    let document = read::document(request, timeout).await?;
    let wanted: PlayTokenRequest = serde_json::from_value(document)
        .map_err(|error| Problem::new(Kind::Invalid, format!("the document is none: {error}")))?;
    let invalid = |pointer: &str, why: &str| {
        Problem::new(Kind::Invalid, "the document says what cannot be").with(Fault::pointer(pointer, why))
    };
    let lasts = wanted.expires_in_sec.unwrap_or(LASTS_SEC);
    if !(1..=MOST_SEC).contains(&lasts) {
        return Err(invalid("/expires_in_sec", "allowed: 1 to 315360000"));
    }
    let client = wanted.client.map(|text| text.parse::<IpAddr>()).transpose();
    let client = client.map_err(|_| invalid("/client", "allowed: an IP address"))?;
    let address: Address = match &wanted.rendition {
        Some(rendition) => format!("{code}@{rendition}").parse(),
        None => Ok(code.clone().into()),
    }
    .map_err(|_| invalid("/rendition", "allowed: the name of a rendition"))?;
    if site.service.config(&code).is_none() {
        return Err(Problem::new(Kind::NotFound, format!("no stream {code} runs")));
    }
    let without = || Problem::new(Kind::Conflict, format!("stream {code} is played without a token"));
    let keys = site.service.play_keys(&code).ok_or_else(without)?;
    let no_key = || Problem::new(Kind::Conflict, format!("there are no play_auth_keys for stream {code}"));
    let key = keys.first().ok_or_else(no_key)?;
    let expires = SystemTime::now() + Duration::from_secs(lasts);
    let grant = Grant { code, rendition: address.rendition.clone(), client, expires };
    let token = grant.token(key);
    let answer = PlayToken {
        path: format!("/t/{token}/{address}"),
        expires: expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        token,
    };
    Ok(json(StatusCode::OK, &answer, None))
}
