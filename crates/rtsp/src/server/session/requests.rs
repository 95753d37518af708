//! Requests, up to where they are answered or wait for a verdict.

use std::borrow::Cow;
use std::time::Duration;

use super::presentation::{Described, Presentation, Publication};
use super::{Pending, Phase, Session, Wanted};
use crate::Status;
use crate::auth::Authorization;
use crate::header::session_id;
use crate::message::{METHODS, Method, Request};
use crate::sdp::Description;
use crate::server::uri::Uri;
use crate::server::{Event, Request as About};

/// What the only bodies that are read are.
pub(super) const SDP: &str = "application/sdp";

/// Why a request is refused, and it alone.
pub(super) struct Refusal {
    status: Status,
    reason: Cow<'static, str>,
    header: Option<(&'static str, String)>,
}

pub(super) fn refuse<T>(status: Status, reason: impl Into<Cow<'static, str>>) -> Result<T, Refusal> {
    Err(Refusal { status, reason: reason.into(), header: None })
}

/// Who asks, with what proof.
pub(super) struct Asked<'r> {
    pub(super) request: &'r Request,
    pub(super) cseq: u64,
}

impl Asked<'_> {
    pub(super) fn user_agent(&self) -> Option<String> {
        self.request.headers.get("User-Agent").map(str::to_owned)
    }

    pub(super) fn pending(&self, wanted: Wanted) -> Box<Pending> {
        let authorization = self.request.headers.get("Authorization").map(Authorization::decode);
        Box::new(Pending { cseq: self.cseq, method: self.request.method.clone(), authorization, wanted })
    }
}

impl Session {
    pub(super) fn request(&mut self, now: Duration, request: Request) {
        self.stats.requests += 1;
        if let Err(Refusal { status, reason, header }) = self.consider(&request) {
            let mut answer = self.answer(status, &reason, request.cseq());
            if let Some((name, value)) = header {
                answer.header(name, value);
            }
            answer.end();
        }
        self.wait(now);
    }

    fn consider(&mut self, request: &Request) -> Result<(), Refusal> {
        if request.version != (1, 0) {
            return refuse(Status::VERSION_NOT_SUPPORTED, "");
        }
        let Some(cseq) = request.cseq() else {
            return refuse(Status::BAD_REQUEST, "CSeq is missing or no number");
        };
        if request.uri.len() > self.limits.uri_bytes {
            return refuse(Status::URI_TOO_LONG, "");
        }
        // RFC 2326 12.32: we have no feature that could be required.
        let required =
            ["Require", "Proxy-Require"].map(|name| request.headers.all(name).collect::<Vec<_>>().join(", "));
        if let Some(features) = required.into_iter().find(|features| !features.is_empty()) {
            let header = Some(("Unsupported", features));
            return Err(Refusal { status: Status::OPTION_NOT_SUPPORTED, reason: "".into(), header });
        }
        let asked = Asked { request, cseq };
        match request.method() {
            Some(Method::Options) => self.options(&asked),
            Some(Method::GetParameter | Method::SetParameter) => return self.parameters(&asked),
            Some(Method::Describe) => return self.describe(&asked),
            Some(Method::Announce) => return self.announce(&asked),
            Some(Method::Setup) => return self.setup(&asked),
            Some(Method::Play) => return self.begin(&asked, Phase::Playing),
            Some(Method::Record) => return self.begin(&asked, Phase::Recording),
            Some(Method::Pause) => return self.pause(&asked),
            Some(Method::Teardown) => return self.teardown(&asked),
            None => {
                let header = Some(("Public", METHODS.to_owned()));
                return Err(Refusal { status: Status::NOT_IMPLEMENTED, reason: "".into(), header });
            }
        }
        Ok(())
    }

    /// Some name a session that has ended: that is no reason to refuse.
    fn options(&mut self, asked: &Asked<'_>) {
        self.answer(Status::OK, "", Some(asked.cseq)).header("Public", METHODS).end();
        self.events.push_back(Event::Alive);
    }

    /// RFC 2326 10.8, 10.9. Without a body they say that the peer is there, and there are no parameters.
    fn parameters(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        self.check_id(asked, false)?;
        self.events.push_back(Event::Alive);
        if asked.request.body.iter().any(|byte| !byte.is_ascii_whitespace()) {
            return refuse(Status::PARAMETER_NOT_UNDERSTOOD, "");
        }
        self.accept(asked.cseq);
        Ok(())
    }

    fn describe(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let uri = uri(asked)?;
        let mut accepted = asked.request.headers.all("Accept").peekable();
        let takes = |list: &str| {
            let mut kinds = list.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
            kinds.any(|kind| {
                ["application/*", "*/*", SDP].iter().any(|known| known.eq_ignore_ascii_case(kind))
            })
        };
        if accepted.peek().is_some() && !accepted.any(takes) {
            return refuse(Status::NOT_ACCEPTABLE, "a description is application/sdp");
        }
        let (path, query) = (uri.path(), uri.query(false));
        // Clients that append take it as it is, those that resolve need the slash at the end (RFC 2326 C.1.1).
        let slash = if uri.text.ends_with('/') && !uri.text.contains('?') { "" } else { "/" };
        let base = format!("{}{slash}", uri.text);
        let described = Described { path: path.clone(), query: query.clone(), tracks: 0 };
        self.pending = Some(asked.pending(Wanted::Describe { base, described }));
        let about = About { uri: uri.text, path, query, user_agent: asked.user_agent() };
        self.events.push_back(Event::Describe(about));
        Ok(())
    }

    fn announce(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let uri = uri(asked)?;
        if self.exists() {
            return self.not_now("a session is open on this connection: TEARDOWN comes first");
        }
        let kind = asked.request.headers.get("Content-Type").unwrap_or(SDP);
        if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SDP) {
            return refuse(Status::UNSUPPORTED_MEDIA_TYPE, "a description is application/sdp");
        }
        let description = match Description::decode(&asked.request.body, &self.limits) {
            Ok(description) => description,
            Err(error) => return refuse(Status::BAD_REQUEST, error.to_string()),
        };
        let controls = description.media.iter().map(|media| media.control.clone());
        let publication = Some(Publication::new(&uri, controls));
        let (path, query) = (uri.path(), uri.query(false));
        let presentation = Presentation { path, query, publication, tracks: Vec::new(), begun: false };
        let about = presentation.request(uri.text, asked.user_agent());
        self.pending = Some(asked.pending(Wanted::Announce(presentation)));
        self.events.push_back(Event::Announce(about, description));
        Ok(())
    }

    /// PLAY and RECORD. One that is under way already is answered and changes nothing: there is only the present.
    fn begin(&mut self, asked: &Asked<'_>, wanted: Phase) -> Result<(), Refusal> {
        let uri = uri(asked)?;
        self.check_id(asked, true)?;
        let Some(presentation) = self.presentation.as_ref().filter(|found| !found.tracks.is_empty()) else {
            return self.not_now("SETUP comes first");
        };
        match (wanted, presentation.publication.is_some()) {
            (Phase::Playing, true) => return self.not_now("this session records"),
            (Phase::Recording, false) => return self.not_now("ANNOUNCE comes first"),
            _ => {}
        }
        if presentation.is_one_of_many(&uri) {
            return refuse(Status::ONLY_AGGREGATE_ALLOWED, "");
        }
        if self.phase == wanted {
            self.accept(asked.cseq);
            self.events.push_back(Event::Alive);
            return Ok(());
        }
        let about = presentation.request(uri.text, asked.user_agent());
        let (event, wanted) = match wanted {
            Phase::Playing => (Event::Play(about), Wanted::Play),
            _ => (Event::Record(about), Wanted::Record),
        };
        self.pending = Some(asked.pending(wanted));
        self.events.push_back(event);
        Ok(())
    }

    fn pause(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let uri = uri(asked)?;
        self.check_id(asked, true)?;
        let Some(presentation) = self.presentation.as_ref().filter(|presentation| presentation.begun) else {
            return self.not_now("nothing is played or recorded");
        };
        if presentation.is_one_of_many(&uri) {
            return refuse(Status::ONLY_AGGREGATE_ALLOWED, "");
        }
        if matches!(self.phase, Phase::Playing | Phase::Recording) {
            self.phase = Phase::Idle;
            self.events.push_back(Event::Pause);
        }
        self.accept(asked.cseq);
        Ok(())
    }

    fn teardown(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        self.check_id(asked, true)?;
        let Some(presentation) = &self.presentation else {
            return refuse(Status::SESSION_NOT_FOUND, "there is no session");
        };
        if Uri::decode(&asked.request.uri).is_ok_and(|uri| presentation.is_one_of_many(&uri)) {
            return refuse(Status::ONLY_AGGREGATE_ALLOWED, "");
        }
        self.accept(asked.cseq);
        self.phase = Phase::Idle;
        self.presentation = None;
        self.events.push_back(Event::Teardown);
        Ok(())
    }

    /// The answer that says no more than yes.
    fn accept(&mut self, cseq: u64) {
        let id = self.exists().then(|| self.id());
        let mut answer = self.answer(Status::OK, "", Some(cseq));
        if let Some(id) = id {
            answer.header("Session", id);
        }
        answer.end();
    }

    /// RFC 2326 12.37. The session that a request names must be ours, and where there is one it must name it if that is
    /// `required`.
    pub(super) fn check_id(&self, asked: &Asked<'_>, required: bool) -> Result<(), Refusal> {
        match asked.request.headers.get("Session").map(session_id) {
            Some(id) if !self.exists() || id != self.id() => {
                refuse(Status::SESSION_NOT_FOUND, "there is no such session on this connection")
            }
            None if required && self.exists() => {
                refuse(Status::SESSION_NOT_FOUND, "the header Session is missing")
            }
            _ => Ok(()),
        }
    }

    /// 455, with what there is instead (RFC 2326 11.3.6).
    pub(super) fn not_now<T>(&self, reason: &'static str) -> Result<T, Refusal> {
        let begun = self.presentation.as_ref().is_some_and(|presentation| presentation.begun);
        let publishes =
            self.presentation.as_ref().is_some_and(|presentation| presentation.publication.is_some());
        let possible = match (self.phase, self.exists(), publishes) {
            (Phase::Playing, ..) => "PLAY, PAUSE, TEARDOWN",
            (Phase::Recording, ..) => "RECORD, PAUSE, TEARDOWN",
            (_, true, false) if begun => "SETUP, PLAY, PAUSE, TEARDOWN",
            (_, true, false) => "SETUP, PLAY, TEARDOWN",
            (_, true, true) if begun => "SETUP, RECORD, PAUSE, TEARDOWN",
            (_, true, true) => "SETUP, RECORD, TEARDOWN",
            (_, false, true) => "ANNOUNCE, SETUP, TEARDOWN",
            (_, false, false) => "ANNOUNCE, SETUP",
        };
        let allow = format!("OPTIONS, DESCRIBE, {possible}, GET_PARAMETER, SET_PARAMETER");
        let (status, header) = (Status::NOT_VALID_IN_THIS_STATE, Some(("Allow", allow)));
        Err(Refusal { status, reason: reason.into(), header })
    }
}

/// The URI of a request that needs one.
pub(super) fn uri(asked: &Asked<'_>) -> Result<Uri, Refusal> {
    match Uri::decode(&asked.request.uri) {
        Ok(uri) if uri.text != "*" => Ok(uri),
        Ok(_) => refuse(Status::BAD_REQUEST, "the request needs a URI"),
        Err(why) => refuse(Status::BAD_REQUEST, why),
    }
}
