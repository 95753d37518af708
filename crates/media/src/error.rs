//! Why bytes could not be understood.

/// A codec configuration or access unit that breaks its specification, or wants what we lack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end before the syntax does.
    #[error("{what}: data ends at byte {len}")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// How many bytes there were.
        len: usize,
    },
    /// A field has a value that its specification does not allow.
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
    /// Right by the specification, but nothing here can carry it.
    #[error("{what}: {feature} is not supported")]
    Unsupported {
        /// The structure being read.
        what: &'static str,
        /// What is missing here.
        feature: &'static str,
    },
}
