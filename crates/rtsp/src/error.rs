//! What can go wrong, in three families: the peer broke the specification, the peer wants what we lack, our own side
//! called at the wrong time.

use crate::Status;
use crate::server::Timer;

/// Why bytes were refused, or a call was.
///
/// From [`Session::handle_bytes`](crate::server::Session::handle_bytes) and its verdicts it ends the connection: what is
/// wrong with one request alone is answered and no error. No text of a request is in it, for that may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message or a header breaks its grammar.
    #[error("{what}: {why}")]
    Malformed {
        /// The structure being read.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A description breaks its grammar.
    #[error("line {line} of the description: {why}")]
    Description {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More than [`Limits`](crate::Limits) allow.
    #[error("{what}: {value} exceeds the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much of it there is, as far as it was looked at.
        value: u64,
        /// How much is allowed.
        limit: u64,
        /// What the peer is told.
        status: Status,
    },
    /// A request of HTTP, as clients send it that want RTSP within it.
    #[error("HTTP is not spoken here, nor RTSP within it")]
    Http,
    /// The peer kept us waiting.
    #[error("timeout: {0}")]
    Timeout(Timer),
    /// Our own side asked for what the session's state does not allow.
    #[error("{call} is not possible {when}")]
    Misuse {
        /// The method called.
        call: &'static str,
        /// The state it met.
        when: &'static str,
    },
    /// Where in the peer's bytes another error came up.
    #[error("at byte {offset}: {source}")]
    At {
        /// Bytes of the connection before the message in question.
        offset: u64,
        /// What was wrong there.
        source: Box<Self>,
    },
}

impl Error {
    /// What the peer is told of it; none where nothing is said.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Malformed { .. } | Self::Description { .. } => Some(Status::BAD_REQUEST),
            Self::Limit { status, .. } => Some(*status),
            Self::Http => Some(Status::NOT_IMPLEMENTED),
            Self::Timeout(Timer::Verdict) => Some(Status::UNAVAILABLE),
            Self::Timeout(_) | Self::Misuse { .. } => None,
            Self::At { source, .. } => source.status(),
        }
    }

    /// The error itself, without the place where it came up.
    pub fn cause(&self) -> &Self {
        match self {
            Self::At { source, .. } => source.cause(),
            other => other,
        }
    }

    pub(crate) fn at(self, offset: u64) -> Self {
        match self {
            located @ Self::At { .. } => located,
            source => Self::At { offset, source: Box::new(source) },
        }
    }
}
