//! GET of an endless body: TS, FLV.

use std::time::Instant;

use anyhow::ensure;
use bytes::BytesMut;

use super::Protocol;
use crate::http::{self, Head};
use crate::target::Target;

/// Bytes of an FLV stream behind which frames come for sure: file header, metadata and sequence headers are less.
const FLV_LEAD: usize = 2048;

/// One GET. The body's framing is not looked at: in an endless stream, chunk sizes are a handful of bytes per frame, and
/// they count as bytes received.
pub(super) struct Pull {
    target: Target,
    /// Body bytes that make media.
    enough: usize,
    head: Vec<u8>,
    /// Body bytes so far, once the head is complete.
    body: Option<usize>,
    asked: Option<Instant>,
}

impl Pull {
    pub(super) fn new(target: Target) -> Self {
        let enough = if target.path.contains(".flv") { FLV_LEAD } else { 1 };
        Self { target, enough, head: Vec::new(), body: None, asked: None }
    }
}

impl Protocol for Pull {
    fn open(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(http::get(&self.target).as_bytes());
        self.asked = Some(Instant::now());
    }

    fn input(&mut self, bytes: &[u8], _out: &mut BytesMut) -> anyhow::Result<bool> {
        let body = match &mut self.body {
            Some(body) => {
                *body += bytes.len();
                *body
            }
            None => {
                self.head.extend_from_slice(bytes);
                let Some(head) = Head::take(&mut self.head)? else { return Ok(false) };
                ensure!(head.status == 200, "HTTP status {}", head.status);
                *self.body.insert(self.head.len())
            }
        };
        Ok(body >= self.enough)
    }

    fn asked(&self) -> Option<Instant> {
        self.asked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_media(url: &str, response: &[u8], step: usize) -> anyhow::Result<Option<usize>> {
        let mut pull = Pull::new(url.parse().unwrap());
        let mut out = BytesMut::new();
        pull.open(&mut out);
        assert!(out.starts_with(b"GET /x") && pull.asked().is_some());
        for (number, piece) in response.chunks(step).enumerate() {
            if pull.input(piece, &mut out)? {
                return Ok(Some(number * step));
            }
        }
        Ok(None)
    }

    #[test]
    fn media_begins_behind_the_head() {
        let response =
            [&b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &[0x47; 4000]].concat();
        let head = response.len() - 4000;
        assert_eq!(first_media("http://127.0.0.1/x.ts", &response, 1).unwrap(), Some(head));
        assert_eq!(first_media("http://127.0.0.1/x.ts", &response[..head], 1).unwrap(), None);
        assert_eq!(first_media("http://127.0.0.1/x.flv", &response, 1).unwrap(), Some(head + FLV_LEAD - 1));
        assert!(first_media("http://127.0.0.1/x.ts", b"HTTP/1.1 404 Not Found\r\n\r\n", 5).is_err());
    }
}
