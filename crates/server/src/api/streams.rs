//! `/api/v1/streams` and what is below it.

use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::http::StatusCode;
use publisher::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::{Kind, Problem};
use super::read::{self, Asked};
use super::{Answer, json, plan, status};
use crate::config::{Shown, StreamDocument};
use crate::control::{self, Control, Order, Terms, Wanted, to_its_end};
use crate::http::Site;

/// Streams of one page of the list, and at most.
const PAGE: usize = 100;
const MOST: usize = 1000;

/// Who says what a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Origin {
    /// The configuration file: it cannot be changed here.
    #[default]
    File,
    /// The API.
    Api,
    /// `rillcast demo`.
    Program,
    /// A publisher that came, where every code may be published.
    Publisher,
}

impl From<control::Origin> for Origin {
    fn from(origin: control::Origin) -> Self {
        match origin {
            control::Origin::File => Self::File,
            control::Origin::Api => Self::Api,
            control::Origin::Program => Self::Program,
            control::Origin::Publisher => Self::Publisher,
        }
    }
}

/// A page of the list.
#[derive(Serialize, ToSchema)]
pub(super) struct StreamList {
    /// Of the program.
    version: &'static str,
    /// Unix time in milliseconds of the answer.
    now_ms: u64,
    /// Scheme, host and port to publish to from this machine, where RTMP listens.
    rtmp: Option<String>,
    /// The same of RTSP.
    rtsp: Option<String>,
    /// The same of SRT, whose streams are named by a query.
    srt: Option<String>,
    /// Streams on all pages.
    total: usize,
    /// What `after` is for the next page; null on the last one.
    next: Option<String>,
    /// In the order of their codes.
    streams: Vec<status::Stream>,
}

/// A stream.
#[derive(Serialize, ToSchema)]
pub(super) struct Stream {
    code: String,
    origin: Origin,
    /// It was stopped and is not to run.
    stopped: bool,
    /// As it is configured, defaults too.
    config: StreamDocument,
}

/// The list, a page of it.
#[utoipa::path(
    get, path = "/api/v1/streams", tag = "streams", operation_id = "list_streams",
    params(
        ("limit" = Option<usize>, Query, description = "Streams of a page; 100 where nothing is said.", minimum = 1, maximum = 1000),
        ("after" = Option<String>, Query, description = "The code behind which the page begins.", min_length = 1),
    ),
    responses((status = 200, description = "Streams and how they are doing.", body = StreamList)),
)]
pub(super) fn list(site: &Site, request: &Request) -> Answer {
    let mut asked = Asked::of(request)?;
    let allowed = "a whole number from 1 to 1000";
    let limit = asked.take("limit", allowed)?.unwrap_or(PAGE);
    let after = asked.text("after")?;
    asked.end()?;
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::parameter("limit", &format!("allowed: {allowed}")));
    }
    let codes = site.control.codes();
    let begin = after.map_or(0, |after| codes.partition_point(|code| code.as_str() <= after.as_str()));
    let rest = codes.get(begin..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    let next = page.last().filter(|_| page.len() < rest.len()).map(ToString::to_string);
    let mut statuses = site.service.statuses_among(page).into_iter().peekable();
    let streams = page.iter().filter_map(|code| {
        let running = statuses.next_if(|status| status.code == *code);
        Some(status::stream(&site.control, &*site.control.entry(code)?, running))
    });
    let list = StreamList {
        version: env!("CARGO_PKG_VERSION"),
        now_ms: status::unix_ms(SystemTime::now()),
        rtmp: site.urls.rtmp(),
        rtsp: site.urls.rtsp(),
        srt: site.urls.srt(),
        total: codes.len(),
        next,
        streams: streams.collect(),
    };
    Ok(json(StatusCode::OK, &list, None))
}

/// A stream as it is configured.
#[utoipa::path(
    get, path = "/api/v1/streams/{code}", tag = "streams", operation_id = "get_stream",
    params(("code" = inline(CodeParameter), Path, description = CODE)),
    responses(
        (status = 200, description = "The stream.", body = Stream, headers(("ETag" = String, description = "Its version."))),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) fn get(site: &Site, code: &Code, request: &Request) -> Answer {
    Asked::nothing(request)?;
    let entry = site.control.entry(code).ok_or_else(|| missing(code))?;
    let stream = Stream {
        code: code.to_string(),
        origin: entry.origin.into(),
        stopped: entry.stopped,
        config: StreamDocument::new(&entry.stream, Shown::Masked),
    };
    Ok(json(StatusCode::OK, &stream, Some(&site.control.tag(&entry))))
}

/// Makes a stream, or replaces what it is. What differs is changed while it runs, and whoever that does not touch stays.
#[utoipa::path(
    put, path = "/api/v1/streams/{code}", tag = "streams", operation_id = "put_stream",
    params(("code" = inline(CodeParameter), Path, description = CODE), plan::Terms),
    request_body(content = StreamDocument, content_type = "application/json"),
    responses(
        (status = 200, description = "What was changed.", body = plan::Plan, headers(("ETag" = Option<String>, description = "The version that there is now."))),
        (status = 201, description = "The stream was not there before.", body = plan::Plan, headers(("ETag" = Option<String>, description = "The version that there is now."))),
        (status = 409, description = "The stream is not the API's, or it cannot be done now.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn put(site: &Site, code: Code, request: Request, timeout: Duration) -> Answer {
    let terms = read::terms(&request)?;
    let document = read::document(request, timeout).await?;
    change(site, code, Wanted::Document(document), terms).await
}

/// Changes some of a stream by a merge patch (RFC 7396) of `config`.
#[utoipa::path(
    patch, path = "/api/v1/streams/{code}", tag = "streams", operation_id = "patch_stream",
    params(("code" = inline(CodeParameter), Path, description = CODE), plan::Terms),
    request_body(content(
        (StreamDocument = "application/merge-patch+json"),
        (StreamDocument = "application/json"),
    )),
    responses(
        (status = 200, description = "What was changed.", body = plan::Plan, headers(("ETag" = Option<String>, description = "The version that there is now."))),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The stream is not the API's, or it cannot be done now.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn patch(site: &Site, code: Code, request: Request, timeout: Duration) -> Answer {
    let terms = read::terms(&request)?;
    let patch = read::patch(request, timeout).await?;
    change(site, code, Wanted::Patch(patch), terms).await
}

/// Removes a stream.
#[utoipa::path(
    delete, path = "/api/v1/streams/{code}", tag = "streams", operation_id = "delete_stream",
    params(("code" = inline(CodeParameter), Path, description = CODE), plan::Terms),
    responses(
        (status = 200, description = "What was changed.", body = plan::Plan),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The stream is not the API's.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn delete(site: &Site, code: Code, terms: Terms) -> Answer {
    change(site, code, Wanted::Gone, terms).await
}

/// How a stream is doing.
#[utoipa::path(
    get, path = "/api/v1/streams/{code}/runtime", tag = "streams", operation_id = "stream_runtime",
    params(("code" = inline(CodeParameter), Path, description = CODE)),
    responses(
        (status = 200, description = "How it is doing.", body = status::Stream),
        (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) fn runtime(site: &Site, code: &Code, request: &Request) -> Answer {
    Asked::nothing(request)?;
    let entry = site.control.entry(code).ok_or_else(|| missing(code))?;
    let running = site.service.statuses_among(std::slice::from_ref(code)).into_iter().next();
    Ok(json(StatusCode::OK, &status::stream(&site.control, &entry, running), None))
}

/// `start`, `stop` or `restart` of a stream.
pub(super) async fn order(site: &Site, code: Code, order: Order, terms: Terms) -> Answer {
    let control = site.control.clone();
    let dry_run = terms.dry_run;
    let stream = code.clone();
    let done = to_its_end(async move { control.order(&stream, order, &terms).await }).await?;
    Ok(plan::answer(&site.control, &done, dry_run, Some(&code)))
}

async fn change(site: &Site, code: Code, wanted: Wanted, terms: Terms) -> Answer {
    let control = site.control.clone();
    let dry_run = terms.dry_run;
    let stream = code.clone();
    let done = to_its_end(async move { control.change_stream(&stream, wanted, &terms).await }).await?;
    Ok(plan::answer(&site.control, &done, dry_run, Some(&code)))
}

fn missing(code: &Code) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no stream {code}"))
}

/// Sees that a stream is there.
///
/// # Errors
/// When it is not.
pub(super) fn known(control: &Control, code: &Code) -> Result<(), Problem> {
    control.entry(code).map(|_| ()).ok_or_else(|| missing(code))
}

/// What is said of the code in a path.
const CODE: &str = "The stream's code; slashes in it may be written as they are or as %2F.";

/// A code in a path.
#[derive(ToSchema)]
#[schema(
    value_type = String,
    pattern = "^(?!(live|api|t)(/|$))(?!(.*/)?(start|stop|restart|runtime|sessions)$)[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$",
    max_length = 128,
    examples("region/news"),
)]
#[expect(dead_code, reason = "it is a description")]
pub(super) struct CodeParameter(String);

/// What the three orders have in common, for their descriptions.
mod orders {
    use super::{CODE, CodeParameter, Problem, plan};

    macro_rules! order {
        ($name:ident, $path:literal, $id:literal, $description:literal) => {
            #[doc = $description]
            #[utoipa::path(
                post, path = $path, tag = "streams", operation_id = $id,
                params(("code" = inline(CodeParameter), Path, description = CODE), plan::Terms),
                responses(
                    (status = 200, description = "What was done.", body = plan::Plan, headers(("ETag" = Option<String>, description = "The version that there is now."))),
                    (status = 404, description = "There is no such stream.", body = Problem, content_type = "application/problem+json"),
                    (status = 409, description = "It cannot be done now.", body = Problem, content_type = "application/problem+json"),
                ),
            )]
            #[expect(dead_code, reason = "it is a description of the one function for all")]
            pub(in super::super) fn $name() {}
        };
    }

    order!(
        start,
        "/api/v1/streams/{code}/start",
        "start_stream",
        "Starts a stream that was stopped, whoever configured it."
    );
    order!(
        stop,
        "/api/v1/streams/{code}/stop",
        "stop_stream",
        "Stops a stream, with its publishers and viewers. It stays stopped, also after a restart of the program, until it is started."
    );
    order!(restart, "/api/v1/streams/{code}/restart", "restart_stream", "Stops a stream and starts it anew.");
}
pub(super) use orders::*;
