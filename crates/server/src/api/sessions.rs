//! `/api/v1/sessions`: every publisher and every viewer, whatever the protocol.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use publisher::Code;
use publisher::session;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Kind, Problem};
use super::read::Asked;
use super::{Answer, json, status, streams};
use crate::http::Site;

/// Sessions of one page of the list, and at most.
const PAGE: usize = 100;
const MOST: usize = 1000;
/// Protocols and roles as sessions have them.
const PROTOCOLS: [&str; 11] =
    ["rtmp", "rtmps", "rtsp", "rtsps", "srt", "file", "udp", "rtp", "mpegts", "hls", "dash"];
const ROLES: [&str; 2] = ["publisher", "viewer"];
/// What ids are: whole numbers, as far as every reader of JSON goes.
const ID: &str = "a whole number from 0 to 9223372036854775807";
const STATES: [&str; 3] = ["active", "idle", "ending"];

/// Open sessions, oldest first.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    /// Sessions on all pages.
    total: usize,
    /// What `after` is for the next page; null on the last one.
    next: Option<u64>,
    sessions: Vec<Session>,
}

/// What a session does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SessionState)]
enum State {
    /// Media moves.
    Active,
    /// It is open, and nothing moved for 3 s.
    Idle,
    /// It is being closed.
    Ending,
}

/// A publisher or a viewer.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// Unique while the program runs.
    id: u64,
    stream: String,
    /// The rung that it feeds or plays.
    rendition: Option<String>,
    protocol: String,
    /// `publisher` or `viewer`.
    role: String,
    /// Address and port; null for a source of our own.
    peer: Option<String>,
    /// What it calls itself.
    agent: Option<String>,
    /// The page that an RTMP player says it is on.
    page: Option<String>,
    /// Unix time in milliseconds.
    since_ms: u64,
    /// Bytes of media so far.
    bytes: u64,
    /// Over the last 8 s.
    bits_per_second: u64,
    /// GOPs that it skipped because it was too slow.
    skipped_gops: u64,
    /// Packets that were lost on the way, where that is known.
    packets_lost: u64,
    state: State,
    /// A viewer of HLS or DASH that is told by its address and what it calls itself: it may be several, or half of one.
    estimated: bool,
}

impl From<&session::Session> for Session {
    fn from(session: &session::Session) -> Self {
        let status = session.status();
        Self {
            id: status.id,
            stream: status.stream.to_string(),
            rendition: status.rendition,
            protocol: status.protocol.to_string(),
            role: status.role.to_string(),
            peer: status.peer.map(|peer| peer.to_string()),
            agent: status.agent,
            page: session.origin.as_ref().map(|origin| origin.page.clone()).filter(|page| !page.is_empty()),
            since_ms: status::unix_ms(status.since),
            bytes: status.bytes,
            bits_per_second: status.bits_per_second,
            skipped_gops: status.skipped_gops,
            packets_lost: status.packets_lost,
            state: match status.state {
                session::State::Active => State::Active,
                session::State::Idle => State::Idle,
                _ => State::Ending,
            },
            estimated: status.estimated,
        }
    }
}

/// Open sessions.
#[utoipa::path(
    get, path = "/api/v1/sessions", tag = "sessions", operation_id = "list_sessions",
    params(
        ("stream" = Option<String>, Query, description = "Of this stream alone.", min_length = 1),
        ("protocol" = Option<String>, Query, description = "Of this protocol alone.", pattern = "^(rtmp|rtmps|rtsp|rtsps|srt|file|udp|rtp|mpegts|hls|dash)$"),
        ("role" = Option<String>, Query, description = "Of this role alone.", pattern = "^(publisher|viewer)$"),
        ("state" = Option<String>, Query, description = "In this state alone.", pattern = "^(active|idle|ending)$"),
        ("limit" = Option<usize>, Query, description = "Sessions of a page; 100 where nothing is said.", minimum = 1, maximum = 1000),
        ("after" = Option<u64>, Query, description = "The session behind which the page begins."),
    ),
    responses((status = 200, description = "Sessions.", body = SessionList)),
)]
pub(super) fn list(site: &Site, request: &Request) -> Answer {
    let mut asked = Asked::of(request)?;
    let stream = asked.text("stream")?;
    of(site, stream.as_deref(), asked)
}

/// Open sessions of a stream.
#[utoipa::path(
    get, path = "/api/v1/streams/{code}/sessions", tag = "sessions", operation_id = "stream_sessions",
    params(
        ("code" = inline(streams::CodeParameter), Path, description = "The stream's code."),
        ("protocol" = Option<String>, Query, description = "Of this protocol alone.", pattern = "^(rtmp|rtmps|rtsp|rtsps|srt|file|udp|rtp|mpegts|hls|dash)$"),
        ("role" = Option<String>, Query, description = "Of this role alone.", pattern = "^(publisher|viewer)$"),
        ("state" = Option<String>, Query, description = "In this state alone.", pattern = "^(active|idle|ending)$"),
        ("limit" = Option<usize>, Query, description = "Sessions of a page; 100 where nothing is said.", minimum = 1, maximum = 1000),
        ("after" = Option<u64>, Query, description = "The session behind which the page begins."),
    ),
    responses(
        (status = 200, description = "Sessions.", body = SessionList),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) fn of_stream(site: &Site, code: Code, request: &Request) -> Answer {
    let asked = Asked::of(request)?;
    streams::known(&site.control, &code)?;
    of(site, Some(code.as_str()), asked)
}

fn of(site: &Site, stream: Option<&str>, mut asked: Asked) -> Answer {
    let (protocol, role) = (asked.one_of("protocol", &PROTOCOLS)?, asked.one_of("role", &ROLES)?);
    let state = asked.one_of("state", &STATES)?;
    let allowed = "a whole number from 1 to 1000";
    let limit = asked.take("limit", allowed)?.unwrap_or(PAGE);
    let after: Option<i64> = asked.take("after", ID)?;
    let after = after
        .map_or(Ok(0), u64::try_from)
        .map_err(|_| Problem::parameter("after", &format!("allowed: {ID}")))?;
    asked.end()?;
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::parameter("limit", &format!("allowed: {allowed}")));
    }
    let mut open = site.service.sessions().list();
    open.retain(|session| {
        stream.is_none_or(|code| session.stream.as_str() == code)
            && protocol.is_none_or(|name| session.protocol.to_string() == name)
            && role.is_none_or(|name| session.role.to_string() == name)
            && state.is_none_or(|name| session.status().state.name() == name)
    });
    let rest = open.get(open.partition_point(|session| session.id <= after)..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = page.last().filter(|_| page.len() < rest.len()).map(|session| session.id);
    let sessions = page.iter().map(|session| Session::from(&**session)).collect();
    Ok(json(StatusCode::OK, &SessionList { total: open.len(), next, sessions }, None))
}

/// An open session.
#[utoipa::path(
    get, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "get_session",
    params(("id" = u64, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session.", body = Session),
        (status = 404, description = "No such session is open.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) fn get(site: &Site, id: u64, request: &Request) -> Answer {
    Asked::nothing(request)?;
    Ok(json(StatusCode::OK, &Session::from(&*open(site, id)?), None))
}

/// Ends a session: its connection is closed, and a viewer of HLS or DASH is refused for `publisher.kick_sec`.
#[utoipa::path(
    delete, path = "/api/v1/sessions/{id}", tag = "sessions", operation_id = "kick_session",
    params(("id" = u64, Path, description = "The session.")),
    responses(
        (status = 200, description = "The session as it was when it was ended.", body = Session),
        (status = 404, description = "No such session is open.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) fn kick(site: &Site, id: u64, request: &Request) -> Answer {
    Asked::nothing(request)?;
    let session = open(site, id)?;
    // One that has ended meanwhile is what was wanted.
    let _ = site.service.sessions().kick(id);
    Ok(json(StatusCode::OK, &Session::from(&*session), None))
}

fn open(site: &Site, id: u64) -> Result<Arc<session::Session>, Problem> {
    let found = site.service.sessions().find(id);
    found.ok_or_else(|| Problem::new(Kind::NotFound, format!("no session {id} is open")))
}
