//! The heads of HTTP/1.1 requests.

use http1::{Error, Head, Limits, decode};

use crate::input::Input;

/// The first byte chooses the limit, the rest is what a client sends.
///
/// - What is read does not depend on how much has come: nothing, until there is a head or an error for good.
/// - A head is no longer than the limit, ends in an empty line, and stays what it is when written again.
pub fn http_head(data: &[u8]) {
    let mut input = Input::new(data);
    let limits = if input.byte() & 1 == 0 { Limits::default() } else { Limits { head_bytes: 64 } };
    let bytes = input.rest();
    let whole = decode(bytes, limits);
    // Every length there is, as long as that does not take long.
    for length in (0..bytes.len()).step_by(1 + bytes.len() / 256) {
        match (decode(&bytes[..length], limits), &whole) {
            (Ok(None), _) => {}
            (Ok(Some(part)), Ok(Some(whole))) => assert_eq!(facts(&part), facts(whole), "at {length}"),
            (part, whole) => assert_eq!(part.err(), whole.as_ref().err().copied(), "at {length}"),
        }
    }
    match whole {
        Ok(Some(head)) => check(&head, bytes, limits),
        Ok(None) => assert!(bytes.len() < limits.head_bytes, "waits for more than it would take"),
        Err(error) => {
            assert!(error.status().is_client_error());
            assert!(!matches!(error, Error::TooLarge(limit) if limit != limits.head_bytes));
        }
    }
}

fn check(head: &Head, bytes: &[u8], limits: Limits) {
    assert!(head.length <= bytes.len().min(limits.head_bytes), "{head:?}");
    let wire = &bytes[..head.length];
    assert!(wire.ends_with(b"\n\r\n") || wire.ends_with(b"\n\n"), "{head:?}");
    assert!(head.request.headers.len() <= 100, "{head:?}");
    let again = write(head);
    let limits = Limits { head_bytes: again.len() };
    let read = decode(&again, limits).expect("what was read before").expect("all of it");
    assert_eq!(facts(&read).0, facts(head).0);
    let answers = |head: &Head| (head.has_body(), head.wants_more(), head.keeps_alive());
    assert_eq!((answers(&read), read.length), (answers(head), again.len()));
}

/// All that a head says, and its length.
fn facts(head: &Head) -> (String, usize) {
    let parts = &head.request;
    (format!("{} {} {:?} {:?}", parts.method, parts.uri, parts.version, parts.headers), head.length)
}

/// The same head as bytes.
fn write(head: &Head) -> Vec<u8> {
    let parts = &head.request;
    let mut out = format!("{} {} {:?}\r\n", parts.method, parts.uri, parts.version).into_bytes();
    for (name, value) in &parts.headers {
        out.extend_from_slice(&[name.as_str().as_bytes(), b":", value.as_bytes(), b"\r\n"].concat());
    }
    out.extend_from_slice(b"\r\n");
    out
}
