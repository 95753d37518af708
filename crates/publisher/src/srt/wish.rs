//! What a caller wants, by its stream id.
//!
//! Three syntaxes are in use: that of libsrt's access control (`#!::r=live/news,m=publish`), that of servers that put the
//! action in front (`publish:live/news`), and the resource alone, which is played.

use srt::{Mode, Rejection, StreamId};

use crate::code::{self, Address};
use crate::config::Secret;

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// With the play token that was given.
    Play(Address, Option<Secret>),
    /// With the stream key that was given.
    Publish(Address, Option<Secret>),
}

/// Why a caller is refused: what it is told, and a sentence for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refused {
    pub(super) rejection: Rejection,
    pub(super) why: String,
}

impl Refused {
    pub(super) fn new(rejection: Rejection, why: impl Into<String>) -> Self {
        Self { rejection, why: why.into() }
    }
}

/// Reads a stream id.
pub(super) fn read(text: Option<&str>) -> Result<Wish, Refused> {
    let text = text.unwrap_or_default();
    let id = StreamId::parse(text);
    if !id.is_structured {
        return prefixed(text);
    }
    if let Some(kind) = id.kind.filter(|kind| *kind != "stream") {
        let kind: String = kind.chars().take(20).collect();
        return Err(Refused::new(
            Rejection::BAD_MODE,
            format!("t={kind:?} in the stream id is not spoken here"),
        ));
    }
    let (path, query) = split(id.resource);
    let key = id.get("key").or_else(|| value(query, "key"));
    let token = id.get("token").or_else(|| value(query, "token"));
    match id.mode.unwrap_or_default() {
        Mode::Request => Ok(Wish::Play(address(path)?, token.map(Secret::new))),
        Mode::Publish => Ok(Wish::Publish(address(path)?, key.map(Secret::new))),
        Mode::Bidirectional => Err(Refused::new(
            Rejection::BAD_MODE,
            "m=bidirectional in the stream id: a connection plays or publishes, not both",
        )),
        Mode::Other => {
            Err(Refused::new(Rejection::BAD_MODE, "m= in the stream id is neither request nor publish"))
        }
    }
}

/// Reads `publish:<path>`, `publish:<path>:<user>:<key>`, `read:<path>` or `<path>`, each with or without `?key=`.
fn prefixed(text: &str) -> Result<Wish, Refused> {
    let (path, query) = split(text);
    let token = || value(query, "token").map(Secret::new);
    let mut parts = path.split(':');
    let first = parts.next().unwrap_or_default();
    match (first, parts.next()) {
        (path, None) => Ok(Wish::Play(address(path)?, token())),
        ("publish", Some(path)) => {
            // Behind the user, where there is one.
            let key = value(query, "key").or_else(|| parts.next_back()).filter(|key| !key.is_empty());
            Ok(Wish::Publish(address(path)?, key.map(Secret::new)))
        }
        ("read" | "request" | "play", Some(path)) => Ok(Wish::Play(address(path)?, token())),
        _ => Err(Refused::new(
            Rejection::BAD_REQUEST,
            "the stream id has a colon, and not publish: or read: in front of it",
        )),
    }
}

/// The path, and its query.
fn split(resource: &str) -> (&str, &str) {
    resource.split_once('?').unwrap_or((resource, ""))
}

/// The value of a name in a query, as it stands there.
fn value<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(of, value)| (of == name).then_some(value))
}

fn address(path: &str) -> Result<Address, Refused> {
    if path.is_empty() {
        return Err(Refused::new(
            Rejection::BAD_REQUEST,
            "the stream id names no stream; it is to be live/<code> or #!::r=live/<code>",
        ));
    }
    Address::from_app_path(path)
        .map_err(|error| Refused::new(Rejection::BAD_REQUEST, code::without_key(path, &error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn play(text: &str) -> String {
        match read(Some(text)) {
            Ok(Wish::Play(address, _)) => address.to_string(),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn publish(text: &str) -> (String, Option<String>) {
        match read(Some(text)) {
            Ok(Wish::Publish(address, key)) => (address.to_string(), key.map(|key| key.reveal().to_owned())),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn refused(text: &str) -> (u32, String) {
        let refused = read(Some(text)).expect_err(text);
        (refused.rejection.code(), refused.why)
    }

    #[test]
    fn who_plays() {
        for text in [
            "live/news",
            "news",
            "/live/news",
            "#!::r=live/news",
            "#!::m=request,r=live/news",
            "#!::r=live/news,t=stream,u=me,s=12",
            "read:live/news",
            "live/news?key=unused",
        ] {
            assert_eq!(play(text), "news", "{text}");
        }
        assert_eq!(play("live/region/news@720p"), "region/news@720p");
        assert_eq!(play("#!::r=live/news@720p,m=request"), "news@720p");
    }

    #[test]
    fn who_plays_with_a_token() {
        for text in [
            "live/news?token=geheim",
            "read:live/news?a=b&token=geheim",
            "#!::r=live/news,token=geheim",
            "#!::r=live/news?token=geheim,m=request",
        ] {
            match read(Some(text)) {
                Ok(Wish::Play(address, Some(token))) => {
                    assert_eq!((address.to_string().as_str(), token.reveal()), ("news", "geheim"), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn who_publishes() {
        let name = || "news".to_owned();
        for text in ["#!::r=live/news,m=publish", "publish:live/news", "publish:news", "publish:live/news::"]
        {
            assert_eq!(publish(text), (name(), None), "{text}");
        }
        for text in [
            "#!::r=live/news,m=publish,key=k=1",
            "#!::key=k=1,m=publish,r=live/news",
            "#!::r=live/news?key=k=1,m=publish",
            "publish:live/news?key=k=1",
            "publish:live/news?a=b&key=k=1",
            "publish:live/news:me:k=1",
        ] {
            assert_eq!(publish(text), (name(), Some("k=1".to_owned())), "{text}");
        }
    }

    #[test]
    fn who_is_not_understood() {
        assert_eq!(refused("").0, 1400);
        assert_eq!(read(None).expect_err("none").rejection, Rejection::BAD_REQUEST);
        for (text, code) in [
            ("#!::r=live/news,m=bidirectional", 1405),
            ("#!::m=bidirectional", 1405),
            ("#!::r=live/news,m=steal", 1405),
            ("#!::r=live/news,t=file", 1405),
            ("#!::m=publish", 1400),
            ("live/a b", 1400),
            ("steal:live/news", 1400),
            ("live/live", 1400),
        ] {
            assert_eq!(refused(text).0, code, "{text}");
        }
    }

    #[test]
    fn keys_are_not_repeated() {
        for text in
            ["#!::r=live/a b,key=geheim,m=publish", "publish:live/a b?key=geheim", "live/news&key=geheim"]
        {
            let why = refused(text).1;
            assert!(!why.contains("geheim"), "{why}");
        }
        assert!(!format!("{:?}", read(Some("publish:live/news?key=geheim"))).contains("geheim"));
    }
}
