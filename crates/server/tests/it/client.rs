//! A client of the API.

use std::io::{Read as _, Write as _};

use serde_json::Value as Json;

use crate::program::Running;

/// What the API answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Json,
}

impl Answer {
    /// A header of it, empty where it is not there.
    pub(crate) fn header(&self, name: &str) -> String {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }

    /// Sees that it is a problem (RFC 9457) of this kind, and tells what is wrong.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> String {
        assert_eq!(
            (self.status, self.header("content-type").as_str()),
            (status, "application/problem+json"),
            "{}",
            self.body
        );
        assert_eq!(self.body["type"], format!("/api/#{kind}"), "{}", self.body);
        assert_eq!(self.body["status"], status);
        self.body["detail"].as_str().expect("a sentence").to_owned()
    }

    /// The parts of the request that it says are wrong.
    pub(crate) fn places(&self, key: &str) -> Vec<&str> {
        self.body["errors"].as_array().expect("parts").iter().filter_map(|part| part[key].as_str()).collect()
    }
}

/// Sends a request with these headers and this body, as they are.
pub(crate) fn send(server: &Running, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = server.connect();
    let length = body.len();
    let head = format!(
        "{method} /api{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n",
        server.authority
    );
    stream.write_all(head.as_bytes()).expect("sent");
    // One that is refused for its head alone may be answered before its body was taken.
    let _ = stream.write_all(body.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8(answer).expect("UTF-8");
    let (head, body) =
        text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer to {method} {path}: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answer { status, head: head.to_owned(), body: serde_json::from_str(body).unwrap_or_default() }
}

/// A call without a body.
pub(crate) fn call(server: &Running, method: &str, path: &str) -> Answer {
    send(server, method, path, "", "")
}

/// A call with a document.
pub(crate) fn give(server: &Running, method: &str, path: &str, document: &Json) -> Answer {
    send(server, method, path, "Content-Type: application/json\r\n", &document.to_string())
}
