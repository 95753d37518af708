//! What a request says beside its path: query, conditions, body.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, header};
use http_body_util::LengthLimitError;
use serde_json::Value as Json;
use url::form_urlencoded;

use super::problem::{Fault, Kind, Problem};
use crate::control::{Tags, Terms};

/// Bytes of a body. A stream with 256 destinations takes a tenth.
pub(super) const BODY_BYTES: usize = 256 << 10;
/// Types of a document, and of a merge patch (RFC 7396 4), which may also be called a document.
const DOCUMENT: &[&str] = &["application/json"];
const PATCH: &[&str] = &["application/merge-patch+json", "application/json"];

/// The query of a request. What nobody takes out of it is refused.
pub(super) struct Asked(BTreeMap<String, String>);

impl Asked {
    /// Reads the query.
    ///
    /// # Errors
    /// A parameter that is there twice.
    pub(super) fn of(request: &Request) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()) {
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Problem::parameter(&name, "is there twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// Sees that there is none.
    ///
    /// # Errors
    /// A parameter that is there.
    pub(super) fn nothing(request: &Request) -> Result<(), Problem> {
        Self::of(request)?.end()
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// One that is not of its type; `allowed` tells what is.
    pub(super) fn take<T: FromStr>(&mut self, name: &str, allowed: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| Problem::parameter(name, &format!("allowed: {allowed}")))
    }

    /// The text of a parameter.
    ///
    /// # Errors
    /// One that is empty.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            Some(text) if text.is_empty() => Err(Problem::parameter(name, "allowed: text that is not empty")),
            text => Ok(text),
        }
    }

    /// The one of these names that a parameter has.
    ///
    /// # Errors
    /// One that is none of them.
    pub(super) fn one_of(
        &mut self,
        name: &str,
        names: &[&'static str],
    ) -> Result<Option<&'static str>, Problem> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        let found = names.iter().find(|known| **known == text);
        let refused = || Problem::parameter(name, &format!("allowed: {}", names.join(", ")));
        found.copied().map(Some).ok_or_else(refused)
    }

    /// Sees that nothing is left.
    ///
    /// # Errors
    /// A parameter that nobody took.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            Some(name) => Err(Problem::parameter(&name, "there is no such parameter here")),
            None => Ok(()),
        }
    }
}

/// What a change is bound to: `dry_run`, `If-Match` and `If-None-Match`.
///
/// # Errors
/// What cannot be read of it.
pub(super) fn terms(request: &Request) -> Result<Terms, Problem> {
    let mut asked = Asked::of(request)?;
    let dry_run = asked.take("dry_run", "true, false")?.unwrap_or(false);
    asked.end()?;
    let headers = request.headers();
    Ok(Terms {
        dry_run,
        if_match: tags(headers, &header::IF_MATCH),
        if_none_match: tags(headers, &header::IF_NONE_MATCH),
    })
}

/// Entity tags (RFC 9110 8.8.3). One without its quotes counts as if it had them: ours have no other form. A weak one, and what
/// is no tag at all, is none of ours and matches nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    let texts: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
    let all = || texts.iter().flat_map(|text| text.split(',').map(str::trim));
    if all().any(|tag| tag == "*") {
        return Some(Tags::Any);
    }
    let bare =
        |tag: &str| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(tag).to_owned();
    Some(Tags::These(all().map(bare).collect()))
}

/// A document as the body.
///
/// # Errors
/// A body that is not JSON, too large, or too late.
pub(super) async fn document(request: Request, timeout: Duration) -> Result<Json, Problem> {
    body(request, DOCUMENT, timeout).await
}

/// A merge patch as the body.
///
/// # Errors
/// A body that is not JSON, too large, or too late.
pub(super) async fn patch(request: Request, timeout: Duration) -> Result<Json, Problem> {
    body(request, PATCH, timeout).await
}

async fn body(request: Request, types: &[&str], timeout: Duration) -> Result<Json, Problem> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !types.iter().any(|known| known.eq_ignore_ascii_case(essence)) {
        let detail = format!("Content-Type is to be {}", types.join(" or "));
        return Err(
            Problem::new(Kind::MediaType, detail.clone()).with(Fault::header("Content-Type", &detail))
        );
    }
    let late = || Problem::new(Kind::Timeout, format!("no whole body within {:.0} s", timeout.as_secs_f64()));
    let read = tokio::time::timeout(timeout, axum::body::to_bytes(request.into_body(), BODY_BYTES));
    let bytes = read.await.map_err(|_| late())?.map_err(|error| {
        let mut causes =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        match causes.any(|cause| cause.is::<LengthLimitError>()) {
            true => Problem::new(Kind::TooLarge, format!("a body has at most {BODY_BYTES} bytes")),
            false => Problem::new(Kind::Malformed, "the body did not come as a whole"),
        }
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(Kind::Malformed, format!("the body is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str, headers: &[(&str, &str)]) -> Request {
        let request =
            headers.iter().fold(Request::builder().uri(format!("/?{query}")), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(axum::body::Body::empty()).expect("a request")
    }

    #[test]
    fn conditions_are_read() {
        let read = |value: &str| terms(&request("", &[("if-match", value)])).expect("fine").if_match;
        let these = |tags: &[&str]| Some(Tags::These(tags.iter().map(|tag| (*tag).to_owned()).collect()));
        assert_eq!(terms(&request("", &[])).expect("fine").if_match, None);
        assert_eq!((read("*"), read("\"a\", *")), (Some(Tags::Any), Some(Tags::Any)));
        assert_eq!((read("\"a\", \"b\""), read("a,b")), (these(&["a", "b"]), these(&["a", "b"])));
        for none in ["W/\"a\"", "\"a", "", "\"a\" \"b\""] {
            assert_ne!(read(none), these(&["a"]), "{none}");
        }
    }

    #[test]
    fn what_nobody_asked_for_is_refused() {
        assert!(terms(&request("dry_run=true", &[])).expect("fine").dry_run);
        for wrong in ["dry_run=1", "dry_run=", "dry_run=true&dry_run=true", "dryrun=true", "x"] {
            assert_eq!(terms(&request(wrong, &[])).expect_err(wrong).kind(), Kind::Malformed);
        }
    }
}
