//! Why a handshake was refused: the library's own codes, those of applications from 1400 in the sense that HTTP gives them, and
//! from 2000 without any (draft-sharabayko-srt 4.3, libsrt's access control).
//!
//! A handshake tells them as its type, and each is 1000 more there: 1010 is the library's number 10, 2404 the application's 1404.

use std::fmt;

/// A code for why a handshake was refused, as the type of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rejection(u32);

/// The least handshake type that is a rejection.
const LEAST: u32 = 1000;
/// The least that is one of an application.
const APPLICATION: u32 = 2000;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal $term:literal $text:literal)*) => {
        impl Rejection {
            $($(#[$doc])* pub const $name: Self = Self($wire);)*

            /// What libsrt calls it, and what it means.
            fn terms(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($wire => Some(($term, $text)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// No reason given.
    UNKNOWN = 1000 "SRT_REJ_UNKNOWN" "no reason given"
    /// A call of the system failed.
    SYSTEM = 1001 "SRT_REJ_SYSTEM" "a system call failed"
    /// The peer said no, without more.
    PEER = 1002 "SRT_REJ_PEER" "refused by the peer"
    /// Memory or another resource is used up.
    RESOURCE = 1003 "SRT_REJ_RESOURCE" "out of resources"
    /// The handshake is not one.
    ROGUE = 1004 "SRT_REJ_ROGUE" "the handshake is malformed"
    /// Too many wait to be accepted.
    BACKLOG = 1005 "SRT_REJ_BACKLOG" "too many are waiting"
    /// The listener goes away.
    CLOSE = 1007 "SRT_REJ_CLOSE" "the listener is closing"
    /// The peer's version is too old.
    VERSION = 1008 "SRT_REJ_VERSION" "the version is not supported"
    /// The passphrase is wrong.
    BAD_SECRET = 1010 "SRT_REJ_BADSECRET" "the passphrase is wrong"
    /// One side wants encryption, the other does not.
    UNSECURE = 1011 "SRT_REJ_UNSECURE" "only one side has a passphrase"
    /// The other mode of transmission is wanted.
    MESSAGE_API = 1012 "SRT_REJ_MESSAGEAPI" "the transmission modes differ"
    /// Another congestion control is wanted.
    CONGESTION = 1013 "SRT_REJ_CONGESTION" "the congestion controls differ"
    /// Another packet filter is wanted.
    FILTER = 1014 "SRT_REJ_FILTER" "the packet filters differ"
    /// Groups are not to be had.
    GROUP = 1015 "SRT_REJ_GROUP" "connection groups are not supported"
    /// The peer did not answer in time.
    TIMEOUT = 1016 "SRT_REJ_TIMEOUT" "no answer in time"
    /// The request cannot be understood.
    BAD_REQUEST = 2400 "SRT_REJX_BAD_REQUEST" "bad request"
    /// Who this is must be proved, and was not.
    UNAUTHORIZED = 2401 "SRT_REJX_UNAUTHORIZED" "unauthorized"
    /// No more are admitted.
    OVERLOAD = 2402 "SRT_REJX_OVERLOAD" "overload"
    /// This peer may not.
    FORBIDDEN = 2403 "SRT_REJX_FORBIDDEN" "forbidden"
    /// There is no such stream.
    NOT_FOUND = 2404 "SRT_REJX_NOTFOUND" "not found"
    /// The stream cannot be used in that mode.
    BAD_MODE = 2405 "SRT_REJX_BAD_MODE" "the mode is not possible"
    /// What was asked for cannot be agreed on.
    UNACCEPTABLE = 2406 "SRT_REJX_UNACCEPTABLE" "not acceptable"
    /// The stream is in use.
    CONFLICT = 2409 "SRT_REJX_CONFLICT" "conflict"
    /// The kind of media is not supported.
    UNSUPPORTED_MEDIA = 2415 "SRT_REJX_NOTSUP_MEDIA" "media not supported"
    /// The stream is locked.
    LOCKED = 2423 "SRT_REJX_LOCKED" "locked"
    /// An error of the server.
    INTERNAL = 2500 "SRT_REJX_ISE" "internal error"
    /// The service is not available now.
    UNAVAILABLE = 2503 "SRT_REJX_DOWN" "unavailable"
}

impl Rejection {
    /// The code as libsrt tells it to applications (`srt_getrejectreason`); the library's own, which are below 1000 there, as
    /// the specification has them, from 1000.
    pub const fn code(self) -> u32 {
        if self.0 < APPLICATION { self.0 } else { self.0 - LEAST }
    }

    /// What libsrt calls it.
    pub fn name(self) -> Option<&'static str> {
        self.terms().map(|(name, _)| name)
    }

    /// The handshake type that tells it.
    pub(crate) const fn wire(self) -> u32 {
        self.0
    }

    /// The rejection that a handshake type tells, if it is one: 1000 and above.
    pub const fn from_wire(kind: u32) -> Option<Self> {
        // What is highest are other kinds of handshake, which read as small negative numbers.
        if kind >= LEAST && kind < 0x8000_0000 { Some(Self(kind)) } else { None }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.terms() {
            Some((_, text)) => write!(f, "{} {text}", self.code()),
            None => write!(f, "{}", self.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes() {
        assert_eq!(Rejection::from_wire(2404), Some(Rejection::NOT_FOUND));
        assert_eq!(Rejection::from_wire(999), None);
        assert_eq!(Rejection::from_wire(u32::MAX), None);
        assert_eq!((Rejection::NOT_FOUND.code(), Rejection::NOT_FOUND.wire()), (1404, 2404));
        assert_eq!((Rejection::BAD_SECRET.code(), Rejection::BAD_SECRET.wire()), (1010, 1010));
        assert_eq!(Rejection::BAD_SECRET.to_string(), "1010 the passphrase is wrong");
        assert_eq!(Rejection::NOT_FOUND.name(), Some("SRT_REJX_NOTFOUND"));
        assert_eq!(Rejection(3345).to_string(), "2345");
    }
}
