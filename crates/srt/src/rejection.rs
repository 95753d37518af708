//! Why a handshake was refused: the library's own codes from 1000, those of applications from 1400 in the sense that HTTP
//! gives them, and from 2000 without any (draft-sharabayko-srt 4.3, libsrt's access control).

use std::fmt;

/// A code for why a handshake was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rejection(u32);

/// The least code.
pub(crate) const LEAST: u32 = 1000;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal $text:literal)*) => {
        impl Rejection {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            fn text(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some($text),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No reason given.
    UNKNOWN = 1000 "no reason given"
    /// A call of the system failed.
    SYSTEM = 1001 "a system call failed"
    /// The peer said no, without more.
    PEER = 1002 "refused by the peer"
    /// Memory or another resource is used up.
    RESOURCE = 1003 "out of resources"
    /// The handshake is not one.
    ROGUE = 1004 "the handshake is malformed"
    /// Too many wait to be accepted.
    BACKLOG = 1005 "too many are waiting"
    /// The listener goes away.
    CLOSE = 1007 "the listener is closing"
    /// The peer's version is too old.
    VERSION = 1008 "the version is not supported"
    /// The passphrase is wrong.
    BAD_SECRET = 1010 "the passphrase is wrong"
    /// One side wants encryption, the other does not.
    UNSECURE = 1011 "only one side has a passphrase"
    /// The other mode of transmission is wanted.
    MESSAGE_API = 1012 "the transmission modes differ"
    /// Another congestion control is wanted.
    CONGESTION = 1013 "the congestion controls differ"
    /// Another packet filter is wanted.
    FILTER = 1014 "the packet filters differ"
    /// Groups are not to be had.
    GROUP = 1015 "connection groups are not supported"
    /// The peer did not answer in time.
    TIMEOUT = 1016 "no answer in time"
    /// The request cannot be understood.
    BAD_REQUEST = 1400 "bad request"
    /// Who this is must be proved, and was not.
    UNAUTHORIZED = 1401 "unauthorized"
    /// No more are admitted.
    OVERLOAD = 1402 "overload"
    /// This peer may not.
    FORBIDDEN = 1403 "forbidden"
    /// There is no such stream.
    NOT_FOUND = 1404 "not found"
    /// The stream cannot be used in that mode.
    BAD_MODE = 1405 "the mode is not possible"
    /// What was asked for cannot be agreed on.
    UNACCEPTABLE = 1406 "not acceptable"
    /// The stream is in use.
    CONFLICT = 1409 "conflict"
    /// The kind of media is not supported.
    UNSUPPORTED_MEDIA = 1415 "media not supported"
    /// The stream is locked.
    LOCKED = 1423 "locked"
    /// An error of the server.
    INTERNAL = 1500 "internal error"
    /// The service is not available now.
    UNAVAILABLE = 1503 "unavailable"
}

impl Rejection {
    /// The code, 1000 at least.
    pub const fn code(self) -> u32 {
        self.0
    }

    /// The rejection with that code, if it is one: 1000 and above.
    pub const fn from_code(code: u32) -> Option<Self> {
        // What is highest are other kinds of handshake, which read as small negative numbers.
        if code >= LEAST && code < 0x8000_0000 { Some(Self(code)) } else { None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => write!(f, "{} {text}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        assert_eq!(Rejection::from_code(1404), Some(Rejection::NOT_FOUND));
        assert_eq!(Rejection::from_code(999), None);
        assert_eq!(Rejection::from_code(u32::MAX), None);
        assert_eq!(Rejection::BAD_SECRET.to_string(), "1010 the passphrase is wrong");
        assert_eq!(Rejection(2345).to_string(), "2345");
    }
}
