//! As much of HTTP/1.1 as a player needs (RFC 9112): heads, and where a body ends.

use anyhow::{Context as _, bail, ensure};

use crate::target::Target;

/// A head has this many bytes at most.
const HEAD_BYTES: usize = 16 << 10;
/// A line of chunked framing has this many bytes at most.
const LINE_BYTES: usize = 1 << 10;

/// A GET request.
pub(crate) fn get(target: &Target) -> String {
    format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: rillcast-bench\r\nAccept: */*\r\n\r\n",
        target.path, target.authority
    )
}

/// The head of a response, as far as we care.
#[derive(Debug)]
pub(crate) struct Head {
    /// The status code.
    pub(crate) status: u16,
    /// How to find the body's end.
    pub(crate) body: Body,
    /// The server closes the connection behind it.
    pub(crate) close: bool,
}

impl Head {
    /// Takes a whole head off the front of `input`; none while it is not complete.
    pub(crate) fn take(input: &mut Vec<u8>) -> anyhow::Result<Option<Self>> {
        let Some(text) = take_head(input)? else { return Ok(None) };
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status =
            status.with_context(|| format!("no HTTP response: {}", text.lines().next().unwrap_or("")))?;
        let says = |name, what: &str| {
            header(&text, name).is_some_and(|value| value.to_ascii_lowercase().contains(what))
        };
        let body = if says("transfer-encoding", "chunked") {
            Body::Chunked(Chunked::default())
        } else if let Some(length) = header(&text, "content-length") {
            Body::Length(length.parse().context("Content-Length is no number")?)
        } else {
            Body::UntilClose
        };
        let close = says("connection", "close") || text.starts_with("HTTP/1.0");
        Ok(Some(Self { status, body, close }))
    }
}

/// Takes the lines up to an empty one off the front of `input`; none while there is no empty one.
pub(crate) fn take_head(input: &mut Vec<u8>) -> anyhow::Result<Option<String>> {
    let Some(end) = memchr::memmem::find(input, b"\r\n\r\n") else {
        ensure!(input.len() <= HEAD_BYTES, "a head of more than {HEAD_BYTES} bytes");
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&input[..end]).into_owned();
    input.drain(..end + 4);
    Ok(Some(text))
}

/// The value of a header field, by its name in small letters.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What is still to come of a body.
#[derive(Debug)]
pub(crate) enum Body {
    /// That many bytes.
    Length(u64),
    /// Chunked transfer encoding.
    Chunked(Chunked),
    /// All until the connection ends.
    UntilClose,
}

impl Body {
    /// Takes the next bytes of the connection and gives what of them is content to `content`. Fails where the framing
    /// is broken.
    pub(crate) fn feed(&mut self, bytes: &[u8], mut content: impl FnMut(&[u8])) -> anyhow::Result<()> {
        match self {
            Self::Length(left) => {
                ensure!(bytes.len() as u64 <= *left, "more bytes than Content-Length says");
                *left -= bytes.len() as u64;
                content(bytes);
            }
            Self::Chunked(chunked) => chunked.feed(bytes, content)?,
            Self::UntilClose => content(bytes),
        }
        Ok(())
    }

    /// Nothing of it is to come.
    pub(crate) fn is_complete(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.state == State::Done,
            Self::UntilClose => false,
        }
    }

    /// How many of the next bytes are content for sure, and may be dropped unseen.
    pub(crate) fn droppable(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunked(Chunked { state: State::Data(left), .. }) => *left,
            Self::Chunked(_) => 0,
            Self::UntilClose => u64::MAX,
        }
    }

    /// That many of [`Body::droppable`] were dropped.
    pub(crate) fn dropped(&mut self, bytes: u64) {
        match self {
            Self::Length(left) => *left -= bytes.min(*left),
            Self::Chunked(chunked) => chunked.dropped(bytes),
            Self::UntilClose => {}
        }
    }
}

/// Chunked transfer encoding (RFC 9112 7.1), in pieces of any size.
#[derive(Default, Debug)]
pub(crate) struct Chunked {
    state: State,
    line: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum State {
    /// In the line that says the size of the next chunk.
    #[default]
    Size,
    /// In a chunk: bytes that are missing.
    Data(u64),
    /// In the line end behind a chunk.
    DataEnd,
    /// In the lines behind the last chunk.
    Trailer,
    Done,
}

impl Chunked {
    fn feed(&mut self, mut bytes: &[u8], mut content: impl FnMut(&[u8])) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            if let State::Data(left) = self.state {
                let (data, rest) =
                    bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
                content(data);
                self.dropped(data.len() as u64);
                bytes = rest;
                continue;
            }
            ensure!(self.state != State::Done, "bytes behind the last chunk");
            ensure!(self.line.len() < LINE_BYTES, "a line of more than {LINE_BYTES} bytes between chunks");
            self.line.push(bytes[0]);
            bytes = &bytes[1..];
            if self.line.ends_with(b"\r\n") {
                let line = std::mem::take(&mut self.line);
                self.end_of_line(&String::from_utf8_lossy(&line[..line.len() - 2]))?;
            }
        }
        Ok(())
    }

    fn end_of_line(&mut self, line: &str) -> anyhow::Result<()> {
        self.state = match self.state {
            State::Size => {
                let digits = line.split(';').next().unwrap_or("").trim();
                let size =
                    u64::from_str_radix(digits, 16).with_context(|| format!("chunk size {digits:?}"))?;
                if size == 0 { State::Trailer } else { State::Data(size) }
            }
            State::DataEnd if line.is_empty() => State::Size,
            State::DataEnd => bail!("a chunk is longer than it says"),
            State::Trailer if line.is_empty() => State::Done,
            other => other,
        };
        Ok(())
    }

    fn dropped(&mut self, bytes: u64) {
        if let State::Data(left) = self.state {
            let left = left.saturating_sub(bytes);
            self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        let mut input = text.as_bytes().to_vec();
        let head = Head::take(&mut input).unwrap().unwrap();
        assert_eq!(input, b"rest");
        head
    }

    #[test]
    fn heads_say_where_bodies_end() {
        let length = head("HTTP/1.1 200 OK\r\ncontent-LENGTH:  5\r\n\r\nrest");
        assert!(matches!(length.body, Body::Length(5)) && length.status == 200 && !length.close);
        let chunked = head("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nConnection: close\r\n\r\nrest");
        assert!(matches!(chunked.body, Body::Chunked(_)) && chunked.close);
        let endless = head("HTTP/1.0 404 Not Found\r\n\r\nrest");
        assert!(matches!(endless.body, Body::UntilClose) && endless.status == 404 && endless.close);
    }

    #[test]
    fn a_head_waits_for_its_end_and_not_for_ever() {
        assert!(Head::take(&mut b"HTTP/1.1 200 OK\r\n".to_vec()).unwrap().is_none());
        assert!(Head::take(&mut vec![b'a'; HEAD_BYTES + 1]).is_err());
        assert!(Head::take(&mut b"SSH-2.0\r\n\r\n".to_vec()).is_err());
    }

    const CHUNKED: &[u8] =
        b"4\r\nWiki\r\n6;name=\"x\"\r\npedia \r\nE\r\nin \r\n\r\nchunks.\r\n0\r\nTrailer: 1\r\n\r\n";

    #[test]
    fn chunks_are_read_however_they_are_split() {
        for size in 1..=CHUNKED.len() {
            let mut body = Body::Chunked(Chunked::default());
            let mut content = Vec::new();
            for piece in CHUNKED.chunks(size) {
                assert!(!body.is_complete());
                body.feed(piece, |data| content.extend_from_slice(data)).unwrap();
            }
            assert!(body.is_complete());
            assert_eq!(content, b"Wikipedia in \r\n\r\nchunks.");
        }
    }

    #[test]
    fn what_is_content_for_sure_may_be_dropped() {
        let mut body = Body::Chunked(Chunked::default());
        body.feed(b"a\r\n123", |_| {}).unwrap();
        assert_eq!(body.droppable(), 7);
        body.dropped(7);
        assert_eq!(body.droppable(), 0);
        body.feed(b"\r\n0\r\n\r\n", |_| {}).unwrap();
        assert!(body.is_complete());
        let mut body = Body::Length(10);
        body.dropped(4);
        assert_eq!(body.droppable(), 6);
        assert!(body.feed(b"1234567", |_| {}).is_err());
    }

    #[test]
    fn broken_chunks_are_refused() {
        for broken in [&b"x\r\n"[..], b"1\r\nab\r\n", b"0\r\n\r\nmore", &[b'1'; LINE_BYTES + 1]] {
            assert!(Body::Chunked(Chunked::default()).feed(broken, |_| {}).is_err());
        }
    }
}
