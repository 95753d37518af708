//! Errors as documents (RFC 9457): what kind of problem it is, and which part of the request has what fault.

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::config;
use crate::control::{Origin, Refused};

/// The kinds of problems. Each has a name that programs can go by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The request cannot be read.
    Malformed,
    /// Its sender has to say who it is.
    Unauthorized,
    /// Its sender may not ask for this.
    Forbidden,
    /// There is nothing.
    NotFound,
    /// The path has no such method.
    Method,
    /// The body did not come in time.
    Timeout,
    /// Not as things are now.
    Conflict,
    /// It is the configuration file that says so.
    ReadOnly,
    /// It was changed meanwhile.
    Precondition,
    /// The body is too large.
    TooLarge,
    /// The body is of another type.
    MediaType,
    /// The document says what cannot be.
    Invalid,
    /// It could not be done as it should.
    Failed,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::Malformed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Method,
        Self::Timeout,
        Self::Conflict,
        Self::ReadOnly,
        Self::Precondition,
        Self::TooLarge,
        Self::MediaType,
        Self::Invalid,
        Self::Failed,
    ];

    /// Its name, status, and what it means.
    pub(super) fn told(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "the request cannot be read"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "a token is needed"),
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "not for whoever asks"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "there is nothing here"),
            Self::Method => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "not with this method"),
            Self::Timeout => ("timeout", StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "not as things are now"),
            Self::ReadOnly => ("read-only", StatusCode::CONFLICT, "the API does not configure this"),
            Self::Precondition => {
                ("changed-meanwhile", StatusCode::PRECONDITION_FAILED, "it is another version")
            }
            Self::TooLarge => ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::MediaType => {
                ("media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is of another type")
            }
            Self::Invalid => {
                ("invalid", StatusCode::UNPROCESSABLE_ENTITY, "the document says what cannot be")
            }
            Self::Failed => {
                ("failed", StatusCode::INTERNAL_SERVER_ERROR, "it could not be done as it should")
            }
        }
    }
}

/// An error, as RFC 9457 has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Which kind of problem it is: a reference to its description in `/api/`.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", examples("/api/#invalid"))]
    kind_uri: String,
    /// What its kind means.
    title: &'static str,
    /// The status of the answer.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: String,
    /// The parts of the request that are wrong, where it is parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<Fault>,
    #[serde(skip)]
    #[schema(ignore)]
    kind: Kind,
    #[serde(skip)]
    #[schema(ignore)]
    allow: Option<&'static str>,
}

/// A part of a request that is wrong; one of `pointer`, `parameter` and `header` says which.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Fault {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// Name of a part of the path or of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// Name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<&'static str>,
    /// What is wrong with it.
    detail: String,
}

impl Fault {
    pub(super) fn pointer(pointer: &str, detail: &str) -> Self {
        Self { pointer: Some(pointer.to_owned()), parameter: None, header: None, detail: detail.to_owned() }
    }

    pub(super) fn parameter(name: &str, detail: &str) -> Self {
        Self { pointer: None, parameter: Some(name.to_owned()), header: None, detail: detail.to_owned() }
    }

    pub(super) fn header(name: &'static str, detail: &str) -> Self {
        Self { pointer: None, parameter: None, header: Some(name), detail: detail.to_owned() }
    }
}

impl From<&config::Fault> for Fault {
    fn from(fault: &config::Fault) -> Self {
        // What is not in the document goes against something that is in the file: then the document as a whole is wrong.
        let pointer = Some(fault.pointer().unwrap_or_default().to_owned());
        Self { pointer, parameter: None, header: None, detail: fault.problem().to_owned() }
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (name, status, title) = kind.told();
        Self {
            kind_uri: format!("/api/#{name}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            kind,
            allow: None,
        }
    }

    /// A part of the path or of the query that is wrong.
    pub(super) fn parameter(name: &str, detail: &str) -> Self {
        Self::new(Kind::Malformed, format!("{name}: {detail}")).with(Fault::parameter(name, detail))
    }

    /// A method that a path does not have, with those that it has.
    pub(super) fn method(method: &Method, allowed: &'static str) -> Self {
        let detail = format!("{method} is not possible here; allowed: {allowed}");
        Self { allow: Some(allowed), ..Self::new(Kind::Method, detail) }
    }

    /// With one more part that is wrong.
    pub(super) fn with(mut self, fault: Fault) -> Self {
        self.errors.push(fault);
        self
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn into_response(self) -> Response {
        let mut headers = HeaderMap::from_iter(super::headers());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(allow) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        let (_, status, _) = self.kind.told();
        (status, headers, serde_json::to_vec(&self).unwrap_or_default()).into_response()
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Faults(faults) => {
                let detail = match &*faults {
                    [fault] => fault.problem().to_owned(),
                    faults => format!("{} faults; none of it was taken over", faults.len()),
                };
                let errors = faults.iter().map(Fault::from).collect();
                Self { errors, ..Self::new(Kind::Invalid, detail) }
            }
            Refused::NotFound(code) => Self::new(Kind::NotFound, format!("there is no stream {code}")),
            Refused::ReadOnly(code, Origin::File) => {
                let detail =
                    format!("stream {code} is in the configuration file: change it there, and send SIGHUP");
                Self::new(Kind::ReadOnly, detail)
            }
            Refused::ReadOnly(code, _) => {
                Self::new(Kind::ReadOnly, format!("stream {code} is the program's own and cannot be changed"))
            }
            Refused::Mismatch => {
                let detail =
                    "it is not the version that the request is for: get it again, and see what was changed";
                Self::new(Kind::Precondition, detail)
            }
            Refused::Conflict(why) => Self::new(Kind::Conflict, why),
            Refused::Failed(why) => Self::new(Kind::Failed, why),
        }
    }
}
