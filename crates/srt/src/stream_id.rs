//! What a stream id says, in the syntax of libsrt's access control: `#!::key=value,…`; any other text is the resource.

use crate::packet::MAX_STREAM_ID_BYTES;

/// What a caller wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// To receive.
    #[default]
    Request,
    /// To send.
    Publish,
    /// Both.
    Bidirectional,
    /// Something else, which is not known here.
    Other,
}

/// A stream id, taken apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamId<'a> {
    /// What is wanted: `r`, or all of a text that is not in the syntax. Empty where nothing says it.
    pub resource: &'a str,
    /// What for: `m`. None where nothing says it.
    pub mode: Option<Mode>,
    /// Who wants it: `u`.
    pub user: Option<&'a str>,
    /// Session: `s`.
    pub session: Option<&'a str>,
    /// Host: `h`.
    pub host: Option<&'a str>,
    /// What kind of thing: `t`.
    pub kind: Option<&'a str>,
    /// Whether it was in the syntax.
    pub is_structured: bool,
    /// All keys and values in order, those above among them, as they stand there.
    fields: &'a str,
}

const PREFIX: &str = "#!::";

impl<'a> StreamId<'a> {
    /// Takes a text apart. Every text is one: what is in no known form is the resource.
    pub fn parse(text: &'a str) -> Self {
        let Some(fields) = text.strip_prefix(PREFIX) else {
            return Self { resource: text, ..Self::default() };
        };
        let mut id = Self { is_structured: true, fields, ..Self::default() };
        for (key, value) in id.fields() {
            match key {
                "r" => id.resource = value,
                "m" => {
                    id.mode = Some(match value {
                        "request" => Mode::Request,
                        "publish" => Mode::Publish,
                        "bidirectional" => Mode::Bidirectional,
                        _ => Mode::Other,
                    });
                }
                "u" => id.user = Some(value),
                "s" => id.session = Some(value),
                "h" => id.host = Some(value),
                "t" => id.kind = Some(value),
                _ => {}
            }
        }
        id
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.fields().find(|(found, _)| *found == key).map(|(_, value)| value)
    }

    /// Keys and values, in order. What has no `=` has an empty value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let fields = self.fields.split(',').filter(|field| !field.is_empty());
        fields.map(|field| field.split_once('=').unwrap_or((field, "")))
    }

    /// Whether a text is short enough to be one.
    pub fn fits(text: &str) -> bool {
        text.len() <= MAX_STREAM_ID_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain() {
        let id = StreamId::parse("publish:live/one");
        assert_eq!((id.resource, id.mode, id.is_structured), ("publish:live/one", None, false));
        assert_eq!(StreamId::parse("").resource, "");
    }

    #[test]
    fn structured() {
        let id = StreamId::parse("#!::r=live/one,m=publish,u=me,s=7,h=example.org,t=stream,key=a=b,x");
        assert_eq!((id.resource, id.mode), ("live/one", Some(Mode::Publish)));
        assert_eq!(
            (id.user, id.session, id.host, id.kind),
            (Some("me"), Some("7"), Some("example.org"), Some("stream"))
        );
        assert_eq!((id.get("key"), id.get("x"), id.get("y")), (Some("a=b"), Some(""), None));
        assert_eq!(StreamId::parse("#!::m=request").mode, Some(Mode::Request));
        assert_eq!(StreamId::parse("#!::m=bidirectional").mode, Some(Mode::Bidirectional));
        assert_eq!(StreamId::parse("#!::m=steal").mode, Some(Mode::Other));
        assert!(StreamId::parse("#!::,,").is_structured);
    }

    #[test]
    fn length() {
        assert!(StreamId::fits(&"x".repeat(512)) && !StreamId::fits(&"x".repeat(513)));
    }
}
