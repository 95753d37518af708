//! Status codes (RFC 2326 7.1.1).

use std::fmt;

/// The code of an answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

macro_rules! statuses {
    ($($name:ident $code:literal $phrase:literal)*) => {
        impl Status {
            $(#[doc = concat!($code, " ", $phrase)] pub const $name: Self = Self($code);)*

            /// The phrase that the specification has for it.
            pub fn phrase(self) -> &'static str {
                match self.0 {
                    $($code => $phrase,)*
                    _ => "Error",
                }
            }
        }
    };
}

statuses! {
    OK 200 "OK"
    BAD_REQUEST 400 "Bad Request"
    UNAUTHORIZED 401 "Unauthorized"
    FORBIDDEN 403 "Forbidden"
    NOT_FOUND 404 "Not Found"
    METHOD_NOT_ALLOWED 405 "Method Not Allowed"
    NOT_ACCEPTABLE 406 "Not Acceptable"
    BODY_TOO_LARGE 413 "Request Entity Too Large"
    URI_TOO_LONG 414 "Request-URI Too Large"
    UNSUPPORTED_MEDIA_TYPE 415 "Unsupported Media Type"
    PARAMETER_NOT_UNDERSTOOD 451 "Parameter Not Understood"
    NOT_ENOUGH_BANDWIDTH 453 "Not Enough Bandwidth"
    SESSION_NOT_FOUND 454 "Session Not Found"
    NOT_VALID_IN_THIS_STATE 455 "Method Not Valid in This State"
    AGGREGATE_NOT_ALLOWED 459 "Aggregate Operation Not Allowed"
    ONLY_AGGREGATE_ALLOWED 460 "Only Aggregate Operation Allowed"
    UNSUPPORTED_TRANSPORT 461 "Unsupported Transport"
    INTERNAL_ERROR 500 "Internal Server Error"
    NOT_IMPLEMENTED 501 "Not Implemented"
    UNAVAILABLE 503 "Service Unavailable"
    VERSION_NOT_SUPPORTED 505 "RTSP Version Not Supported"
    OPTION_NOT_SUPPORTED 551 "Option Not Supported"
}

impl Status {
    /// The three digits.
    pub fn code(self) -> u16 {
        self.0
    }

    /// Whether it says that something was refused or failed.
    pub fn is_error(self) -> bool {
        self.0 >= 400
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.phrase())
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
