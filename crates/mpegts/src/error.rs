//! What can be wrong with a transport stream that comes in.

/// Why something of a stream was left out. It is about what was at hand; what follows may be fine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The continuity counter says that packets are missing, and with them a part of what they carried.
    #[error("PID {pid:#x}: packets are missing")]
    Lost {
        /// Where.
        pid: u16,
    },
    /// A PES packet ended before the bytes that it promised.
    #[error("PID {pid:#x}: a PES packet ends {missing} bytes early")]
    Short {
        /// Where.
        pid: u16,
        /// Bytes that did not come.
        missing: usize,
    },
    /// A field has a value that the specification does not allow.
    #[error("PID {pid:#x}: {what}: {field} is {value:#x}, expected {expected}")]
    Invalid {
        /// Where.
        pid: u16,
        /// The structure being read.
        what: &'static str,
        /// The field's name in the specification.
        field: &'static str,
        /// The value found.
        value: u64,
        /// What would have been right.
        expected: &'static str,
    },
    /// A section whose check value is wrong.
    #[error("PID {pid:#x}: the CRC of a section is wrong")]
    Crc {
        /// Where.
        pid: u16,
    },
    /// More than is held of one stream, or of all together.
    #[error("PID {pid:#x}: an access unit has more than {limit} bytes")]
    Limit {
        /// Where.
        pid: u16,
        /// How much is allowed.
        limit: usize,
    },
    /// Access units came, and nothing so far tells how they are to be decoded.
    #[error("PID {pid:#x}: pictures before their parameter sets")]
    NoConfiguration {
        /// Where.
        pid: u16,
    },
    /// Access units came, and nothing so far tells when they are to be shown.
    #[error("PID {pid:#x}: access units before the first PTS")]
    NoStamp {
        /// Where.
        pid: u16,
    },
    /// A codec configuration or access unit could not be read.
    #[error("PID {pid:#x}: {source}")]
    Media {
        /// Where.
        pid: u16,
        /// Why.
        source: media::Error,
    },
}
