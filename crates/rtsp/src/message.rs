//! Messages and interleaved packets on the wire (RFC 2326 4 to 7 and 10.12): requests in, answers out.

mod decoder;
mod head;
mod response;

pub(crate) use decoder::{Decoder, Failure};
pub(crate) use response::Response;

use bytes::Bytes;

/// One thing that came.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Request),
    /// An interleaved packet.
    Packet {
        channel: u8,
        data: Bytes,
    },
    /// An answer, though we ask nothing.
    Answer,
}

/// A request as it came, of any method and version.
pub(crate) struct Request {
    /// The client's spelling, which goes into what it proves (RFC 7616 3.4.3).
    pub(crate) method: String,
    pub(crate) uri: String,
    /// As in `RTSP/1.0`.
    pub(crate) version: (u8, u8),
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
}

/// The methods that are known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    Options,
    Describe,
    Announce,
    Setup,
    Play,
    Record,
    Pause,
    Teardown,
    GetParameter,
    SetParameter,
}

/// What `Public` and `Allow` say.
pub(crate) const METHODS: &str =
    "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

impl Method {
    /// Methods are case-sensitive (RFC 2326 6.1); small letters mean the same all the same.
    fn of(name: &str) -> Option<Self> {
        let known = [
            ("OPTIONS", Self::Options),
            ("DESCRIBE", Self::Describe),
            ("ANNOUNCE", Self::Announce),
            ("SETUP", Self::Setup),
            ("PLAY", Self::Play),
            ("RECORD", Self::Record),
            ("PAUSE", Self::Pause),
            ("TEARDOWN", Self::Teardown),
            ("GET_PARAMETER", Self::GetParameter),
            ("SET_PARAMETER", Self::SetParameter),
        ];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, method)| method)
    }
}

impl Request {
    pub(crate) fn method(&self) -> Option<Method> {
        Method::of(&self.method)
    }

    /// RFC 2326 12.17; none if it is missing or no number.
    pub(crate) fn cseq(&self) -> Option<u64> {
        self.headers.get("CSeq").and_then(head::number)
    }
}

/// URI and headers may hold passwords and keys.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// Header lines in their order.
#[derive(Clone, Default)]
pub(crate) struct Headers(Vec<(String, String)>);

impl Headers {
    /// The first value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let lines = self.0.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| value.as_str())
    }
}
