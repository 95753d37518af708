//! What the service cannot do, and why.

use std::io;
use std::path::PathBuf;

use crate::code::Code;
use crate::config::Output;

/// Why a call of the service failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// `start` of a stream that runs; nothing was changed.
    #[error("stream {0} is running already")]
    Running(Code),
    /// `start` of a stream whose `stop` has not ended yet.
    #[error("stream {0} is being stopped")]
    Stopping(Code),
    /// A call for a stream that does not run.
    #[error("stream {0} is not running")]
    NotRunning(Code),
    /// `start` of a stream whose ladder cannot be run, see [`Stream::check_ladder`](crate::config::Stream::check_ladder).
    #[error("stream {0}: {1}")]
    Ladder(Code, String),
    /// Two configurations that are to be compared are not of one stream.
    #[error("{0} and {1} are two streams")]
    OtherStream(Code, Code),
    /// A player asked for an output that is off.
    #[error("stream {0} has no {1} output")]
    OutputOff(Code, Output),
    /// An RTMP player was not let in; the reason is for its user.
    #[error("{0}")]
    NotPlayed(String),
    /// A listener could not be opened.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Listen {
        /// Address and port.
        address: String,
        /// The setting that says so.
        setting: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A certificate that our listeners are to show, or its key, cannot be used.
    #[error("{setting} {}: {reason}", path.display())]
    Certificate {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong; never with what is in the file.
        reason: String,
    },
    /// A listener for TLS without a certificate.
    #[error("{0} needs a certificate: name it and its key as tls.cert and tls.key")]
    NoCertificate(&'static str),
    /// The system has no memory for segments, or no room for a file.
    #[error("no memory for segments: {0}")]
    Memory(io::Error),
    /// The system has no room for a thread.
    #[error("cannot start the threads that serve viewers: {0}")]
    Threads(io::Error),
    /// A segment directory cannot be used.
    #[error("{setting} {}: {reason}", path.display())]
    Directory {
        /// The setting that names it.
        setting: &'static str,
        /// The directory.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
}
