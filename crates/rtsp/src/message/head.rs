//! First line and headers (RFC 2326 4.2, 6.1, 7.1).

use super::Headers;
use crate::{Error, Limits, Status};

pub(super) struct Head {
    pub(super) start: Start,
    pub(super) headers: Headers,
}

pub(super) enum Start {
    Request { method: String, uri: String, version: (u8, u8) },
    Answer,
}

/// RFC 2326 15.1.
pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

/// Digits alone.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Where the empty line ends that ends a head. Lines end with LF or CR LF (4.1). The first `scanned` bytes hold no such end.
pub(super) fn end(bytes: &[u8], scanned: usize) -> Option<usize> {
    // The end may have begun in what was scanned.
    let start = scanned.saturating_sub(2);
    let rest = bytes.get(start..)?;
    let ends = |at: &usize| {
        let behind = rest.get(at + 1..).unwrap_or_default();
        if behind.starts_with(b"\r\n") { Some(at + 3) } else { behind.starts_with(b"\n").then_some(at + 2) }
    };
    let mut lines = rest.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    lines.find_map(|at| ends(&at)).map(|length| start + length)
}

/// Reads a whole head with the empty line at its end.
pub(super) fn decode(bytes: &[u8], most: usize) -> Result<Head, Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let start = start(lines.next().unwrap_or_default())?;
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        if line.contains(|char: char| char.is_control() && char != '\t') {
            return Err(Error::Malformed { what: "header", why: "a line has a control character" });
        }
        // A line that begins with a space goes on with the one before (RFC 2068 4.2).
        if line.starts_with([' ', '\t'])
            && let Some((_, value)) = headers.last_mut()
        {
            value.push(' ');
            value.push_str(line.trim());
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            return Err(Error::Malformed { what: "header", why: "a line has no colon" });
        };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
        if headers.len() > most {
            let (value, limit, status) = (headers.len() as u64, most as u64, Status::BAD_REQUEST);
            return Err(Error::Limit { what: "header lines", value, limit, status });
        }
    }
    Ok(Head { start, headers: Headers(headers) })
}

fn start(line: &str) -> Result<Start, Error> {
    let malformed = |why| Error::Malformed { what: "request", why };
    let shape = malformed("the first line is not METHOD URI RTSP/1.0");
    let line = line.trim_end();
    let (method, rest) = line.split_once(' ').ok_or_else(|| shape.clone())?;
    if version(method, "RTSP/").is_some() {
        return Ok(Start::Answer);
    }
    // A URI with a space in it is none, but clients write what their users do.
    let (uri, protocol) = rest.rsplit_once(' ').ok_or_else(|| shape.clone())?;
    if version(protocol, "HTTP/").is_some() {
        return Err(Error::Http);
    }
    let version = version(protocol, "RTSP/").ok_or_else(|| shape.clone())?;
    if !method.bytes().all(is_token) {
        return Err(malformed("no method has such a byte"));
    }
    let uri = uri.trim();
    if uri.is_empty() {
        return Err(shape);
    }
    if uri.contains(char::is_control) {
        return Err(malformed("the URI has a control character"));
    }
    Ok(Start::Request { method: method.to_owned(), uri: uri.to_owned(), version })
}

fn version(text: &str, protocol: &str) -> Option<(u8, u8)> {
    let (name, version) = text.split_at_checked(protocol.len())?;
    let (major, minor) = version.split_once('.').filter(|_| name.eq_ignore_ascii_case(protocol))?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// RFC 2326 12.14. Where nothing says how long a body is, there is none (4.4).
pub(super) fn body_length(headers: &Headers, limits: &Limits) -> Result<usize, Error> {
    let malformed = |why| Error::Malformed { what: "Content-Length", why };
    let mut lengths = headers.all("Content-Length").map(number);
    let Some(first) = lengths.next() else { return Ok(0) };
    let first = first.ok_or_else(|| malformed("it is no number"))?;
    if lengths.any(|length| length != Some(first)) {
        return Err(malformed("there are two that differ"));
    }
    if first > limits.body_bytes as u64 {
        let (limit, status) = (limits.body_bytes as u64, Status::BODY_TOO_LARGE);
        return Err(Error::Limit { what: "bytes of a request's body", value: first, limit, status });
    }
    Ok(first as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found_wherever_the_search_begins() {
        for (bytes, expected) in [
            (&b"a\r\n\r\nb"[..], Some(5)),
            (b"a\n\nb", Some(3)),
            (b"a\r\n\nb", Some(4)),
            (b"a\n\r\nb", Some(4)),
            (b"a\r\n\rb\n", None),
            (b"", None),
        ] {
            for scanned in 0..expected.unwrap_or(bytes.len()) {
                assert_eq!(end(bytes, scanned), expected, "{bytes:?} from {scanned}");
            }
        }
    }

    #[test]
    fn lines_may_be_folded_and_names_written_in_any_way() {
        let head =
            decode(b"x y RTSP/1.0\r\nTRANSPORT : RTP/AVP;\r\n unicast\r\ncseq:\t3\r\ncseq: 4\r\n\r\n", 9);
        let headers = head.unwrap().headers;
        assert_eq!(headers.get("Transport"), Some("RTP/AVP; unicast"));
        assert_eq!(headers.all("CSeq").collect::<Vec<_>>(), ["3", "4"]);
        assert_eq!(headers.get("Session"), None);
    }

    #[test]
    fn numbers_have_digits_alone() {
        assert_eq!(
            ["0", "007", "+1", "", " 1", "18446744073709551616"].map(number),
            [Some(0), Some(7), None, None, None, None]
        );
    }
}
