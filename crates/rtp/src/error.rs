//! What can go wrong, in two families: the peer broke the specification, or the peer wants what we lack.

/// Why bytes were refused. It is about the one packet or report in hand; the next may be fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before their syntax does.
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
    /// More than is held or read of one peer.
    #[error("{what}: {value} exceeds the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much of it there would be.
        value: u64,
        /// How much is allowed.
        limit: u64,
    },
    /// Right by the specification, but nothing here can do it.
    #[error("{what}: {feature} is not supported")]
    Unsupported {
        /// The structure being read.
        what: &'static str,
        /// What is missing here.
        feature: &'static str,
    },
    /// Packets are missing, and with them a part of what they carried.
    #[error("{what}: packets are missing")]
    Lost {
        /// What has lost a part.
        what: &'static str,
    },
    /// An access unit came, and nothing so far tells how it is to be decoded.
    #[error("an access unit before its parameter sets")]
    NoConfiguration,
    /// A codec configuration or access unit could not be read.
    #[error(transparent)]
    Media(#[from] media::Error),
}
