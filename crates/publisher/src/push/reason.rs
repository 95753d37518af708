//! Why a push does not go on.

use std::fmt;

use serde::Serialize;

/// What kind of trouble it is, for programs; people read the message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The URL cannot be pushed to. Only another URL helps.
    Url,
    /// The stream has no rendition of that name now.
    Rendition,
    /// The name of the host has no address.
    Dns,
    /// No connection could be made.
    Connect,
    /// The peer is not who it should be, or TLS failed otherwise.
    Tls,
    /// The peer did not answer in time.
    NoAnswer,
    /// Key, user name or password are wrong or missing.
    Denied,
    /// There is no such application or stream name there, or the name is in use.
    Name,
    /// The peer refused for another reason, or ended what it had accepted.
    Refused,
    /// The peer closed the connection.
    Closed,
    /// The connection broke.
    Broken,
    /// The peer took nothing more for as long as it may.
    Stalled,
    /// The peer sends what is not RTMP.
    Protocol,
    /// The peer takes none of the codecs.
    Codec,
    /// Something went wrong on our side; the log has the details.
    Internal,
}

/// An error of one destination: never with its key in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<rtmp::client::Refusal> for Fault {
    fn from(refusal: rtmp::client::Refusal) -> Self {
        use rtmp::client::Class;
        let (reason, what) = match refusal.class {
            Class::Credentials | Class::Key => (Reason::Denied, "the server denied it"),
            Class::Application => (Reason::Name, "the server has no such application"),
            Class::Name => (Reason::Name, "the server does not accept the stream name"),
            Class::Ended => (Reason::Refused, "the server ended it"),
            _ => (Reason::Refused, "the server refused it"),
        };
        Self::new(reason, format!("{what}: {refusal}"))
    }
}

impl From<rtmp::Error> for Fault {
    fn from(error: rtmp::Error) -> Self {
        let reason = match error.cause() {
            rtmp::Error::NoAnswer(_) => Reason::NoAnswer,
            _ => Reason::Protocol,
        };
        Self::new(reason, error.to_string())
    }
}
