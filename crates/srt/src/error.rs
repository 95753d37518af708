//! What can go wrong, in three families: the peer broke the specification, the peer wants what we lack, our own side
//! called at the wrong time or gave what cannot be used.

use crate::Rejection;

/// Why a packet was refused, or a call was.
///
/// A packet that is refused is left out and counted; it never ends a connection, for anyone can send one in its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A packet breaks its form.
    #[error("{what} at byte {offset}: {why}")]
    Malformed {
        /// The structure being read.
        what: &'static str,
        /// Where it is in the packet, or in the structure around it.
        offset: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A handshake or key material of a kind that is not spoken here.
    #[error("{what} {value} is not supported")]
    Unsupported {
        /// What it is about.
        what: &'static str,
        /// The value met.
        value: u32,
    },
    /// The key material cannot be opened.
    #[error("the key material cannot be opened with this passphrase")]
    WrongKey,
    /// The handshake was refused, by the peer or by ourselves.
    #[error("rejected: {0}")]
    Rejected(Rejection),
    /// A passphrase that is shorter than 10 bytes or longer than 79.
    #[error("a passphrase has 10 to 79 bytes, not {0}")]
    Passphrase(usize),
    /// A stream id that is longer than 512 bytes.
    #[error("a stream id has at most 512 bytes, not {0}")]
    StreamId(usize),
    /// A payload that is empty or longer than a packet has room for.
    #[error("a payload has 1 to {limit} bytes, not {value}")]
    Payload {
        /// Its length.
        value: usize,
        /// The longest one.
        limit: usize,
    },
    /// The send buffer is full.
    #[error("the send buffer is full")]
    Full,
    /// The connection or the request is over.
    #[error("{0} is over")]
    Over(&'static str),
}

impl Error {
    pub(crate) const fn malformed(what: &'static str, offset: usize, why: &'static str) -> Self {
        Self::Malformed { what, offset, why }
    }

    /// What the peer of a handshake is told of it.
    pub fn rejection(&self) -> Rejection {
        match self {
            Self::Rejected(rejection) => *rejection,
            Self::WrongKey => Rejection::BAD_SECRET,
            Self::Unsupported { what: VERSION, .. } => Rejection::VERSION,
            Self::Malformed { .. } | Self::Unsupported { .. } => Rejection::ROGUE,
            Self::Full => Rejection::RESOURCE,
            _ => Rejection::SYSTEM,
        }
    }
}

/// What an unsupported version is about.
pub(crate) const VERSION: &str = "handshake version";
