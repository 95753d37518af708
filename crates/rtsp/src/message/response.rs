//! Answers (RFC 2326 7).

use std::fmt::{Display, Write};

use bytes::BytesMut;

use crate::Status;

/// Longest reason that is sent in place of a status's phrase, in bytes.
const REASON_BYTES: usize = 200;

/// An answer being written: first line, headers in the order of the calls, then the body.
pub(crate) struct Response<'b> {
    out: &'b mut BytesMut,
}

/// Text in which no line ends, whatever it is made of: what a peer sent must not begin a header of ours.
struct Line<'t, T: ?Sized>(&'t T);

impl<T: Display + ?Sized> Display for Line<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        struct Filter<'f, 'g>(&'f mut std::fmt::Formatter<'g>);
        impl Write for Filter<'_, '_> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                text.chars()
                    .try_for_each(|char| self.0.write_char(if char.is_control() { ' ' } else { char }))
            }
        }
        write!(Filter(f), "{}", self.0)
    }
}

impl<'b> Response<'b> {
    /// Begins one. `reason` stands in place of the status's phrase if it is not empty.
    pub(crate) fn begin(out: &'b mut BytesMut, status: Status, reason: &str, cseq: Option<u64>) -> Self {
        let reason = if reason.is_empty() { status.phrase() } else { cut(reason, REASON_BYTES) };
        let mut response = Self { out };
        response.write(format_args!("RTSP/1.0 {} {}\r\n", status.code(), Line(reason)));
        if let Some(cseq) = cseq {
            response.header("CSeq", cseq);
        }
        response
    }

    /// Goes on with one whose end was not written yet.
    pub(crate) fn go_on(out: &'b mut BytesMut) -> Self {
        Self { out }
    }

    pub(crate) fn header(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.write(format_args!("{name}: {}\r\n", Line(&value)));
        self
    }

    pub(crate) fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    pub(crate) fn body(&mut self, kind: &str, body: &str) {
        self.header("Content-Type", kind).header("Content-Length", body.len()).end();
        self.out.extend_from_slice(body.as_bytes());
    }

    fn write(&mut self, arguments: std::fmt::Arguments<'_>) {
        // A buffer that grows takes everything.
        let _ = self.out.write_fmt(arguments);
    }
}

/// As much of the text as that many bytes hold.
fn cut(text: &str, bytes: usize) -> &str {
    let mut ends = (0..=bytes.min(text.len())).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_came_can_end_a_line() {
        let mut out = BytesMut::new();
        let mut response = Response::begin(&mut out, Status::NOT_FOUND, "no\r\nX: y", Some(3));
        response.header("Transport", "a\r\n\r\nb").body("text/plain", "body");
        assert_eq!(
            out,
            "RTSP/1.0 404 no  X: y\r\nCSeq: 3\r\nTransport: a    b\r\n\
             Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody"
        );
    }

    #[test]
    fn a_reason_is_cut_between_characters_and_may_be_missing() {
        for (reason, expected) in [("", "Not Found".to_owned()), (&"ü".repeat(150), "ü".repeat(100))] {
            let mut out = BytesMut::new();
            Response::begin(&mut out, Status::NOT_FOUND, reason, None).end();
            assert_eq!(out, format!("RTSP/1.0 404 {expected}\r\n\r\n"));
        }
    }
}
