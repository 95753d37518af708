//! What can go wrong, in three families: the peer broke the specification, the peer wants what we lack, our own
//! side called at the wrong time.

use crate::client::Step;
use crate::server::{Timer, code};

/// Why bytes were refused, or a call was.
///
/// From `handle_bytes` of a session, [server's](crate::server::Session::handle_bytes) or
/// [client's](crate::client::Session::handle_bytes), it ends the connection; from
/// [`Demux::push`](crate::flv::Demux::push) it is about that one tag, and the next may be fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes of a message or tag end before its syntax does.
    #[error("{what}: data ends at byte {len}")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// How many bytes there were.
        len: usize,
    },
    /// A field has a value that the specification does not allow.
    #[error("{what}: {field} is {value}, expected {expected}")]
    Invalid {
        /// The structure being read.
        what: &'static str,
        /// The field's name in the specification.
        field: &'static str,
        /// The value found.
        value: u64,
        /// What would have been right.
        expected: &'static str,
    },
    /// More than [`Limits`](crate::Limits) allow.
    #[error("{what}: {value} exceeds the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much of it was announced.
        value: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// Right in itself, but not now.
    #[error("{what} {when}")]
    Order {
        /// What came.
        what: &'static str,
        /// Why it is too early or too late.
        when: &'static str,
    },
    /// Right by the specification, but nothing here can do it.
    #[error("{what}: {feature} is not supported")]
    Unsupported {
        /// The structure being read.
        what: &'static str,
        /// What is missing here.
        feature: &'static str,
    },
    /// The peer kept us waiting.
    #[error("timeout: {0}")]
    Timeout(Timer),
    /// The server that we are a client of kept us waiting.
    #[error("timeout: the server did not answer {0}")]
    NoAnswer(Step),
    /// Our own side asked for what the session's state does not allow.
    #[error("{call} is not possible {when}")]
    Misuse {
        /// The method called.
        call: &'static str,
        /// The state it met.
        when: &'static str,
    },
    /// A codec configuration or access unit could not be read.
    #[error(transparent)]
    Media(#[from] media::Error),
    /// Where in the peer's bytes another error came up.
    #[error("at byte {offset}: {source}")]
    At {
        /// Bytes the peer had sent before the message in question ended, handshake included.
        offset: u64,
        /// What was wrong there.
        source: Box<Self>,
    },
}

impl Error {
    /// The `code` of the `NetConnection` status that tells the peer of this error, none where the connection had
    /// better be closed without a word (the peer does not speak RTMP, or no longer makes sense).
    pub fn reply(&self) -> Option<&'static str> {
        match self {
            Self::Limit { .. } | Self::Order { .. } => Some(code::CONNECT_REJECTED),
            Self::Timeout(Timer::Request | Timer::Verdict) => Some("NetConnection.Connect.IdleTimeOut"),
            Self::Unsupported { .. } => Some(code::CALL_FAILED),
            Self::At { source, .. } => source.reply(),
            _ => None,
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
