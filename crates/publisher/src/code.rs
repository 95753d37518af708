//! Stream codes and how each protocol's address becomes one.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Characters a code may have at most.
const MAX_LEN: usize = 128;
/// What may not be the first segment: the application name, the API and the token prefix.
const RESERVED_FIRST: [&str; 3] = ["live", "api", "t"];
/// What may not be the last segment: the names of API calls below a stream.
const RESERVED_LAST: [&str; 6] = ["start", "stop", "restart", "runtime", "sessions", "play-token"];

/// A stream's code: `[A-Za-z0-9_/-]+`, at most 128 characters, without an empty segment and without a reserved
/// name in the first or last place. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Arc<str>);

impl Code {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Code {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is no stream code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeError {
    /// Nothing at all.
    #[error("a stream code cannot be empty")]
    Empty,
    /// More than 128 characters.
    #[error("stream code of {0} characters, at most {MAX_LEN} are allowed")]
    TooLong(usize),
    /// A character outside the alphabet.
    #[error("stream code {code:?} has {found:?}: only A-Z a-z 0-9 _ - and / are allowed")]
    Character {
        /// The text.
        code: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// A slash at an end, or two in a row.
    #[error("stream code {0:?} has an empty part: no / at an end and no // are allowed")]
    EmptySegment(String),
    /// A segment that addresses something else.
    #[error("stream code {code:?}: {segment:?} is reserved there")]
    Reserved {
        /// The text.
        code: String,
        /// The segment.
        segment: String,
    },
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        if text.is_empty() {
            return Err(CodeError::Empty);
        }
        let count = text.chars().count();
        if count > MAX_LEN {
            return Err(CodeError::TooLong(count));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/');
        if let Some(found) = text.chars().find(|&c| !allowed(c)) {
            return Err(CodeError::Character { code: text.to_owned(), found });
        }
        if text.split('/').any(str::is_empty) {
            return Err(CodeError::EmptySegment(text.to_owned()));
        }
        let first = text.split('/').next().filter(|s| RESERVED_FIRST.contains(s));
        let last = text.rsplit('/').next().filter(|s| RESERVED_LAST.contains(s));
        if let Some(segment) = first.or(last) {
            return Err(CodeError::Reserved { code: text.to_owned(), segment: segment.to_owned() });
        }
        Ok(Self(text.into()))
    }
}

/// What an address of any protocol points at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// The stream.
    pub code: Code,
    /// The rung of its ladder, where one was named behind `@`.
    pub rendition: Option<String>,
}

impl From<Code> for Address {
    /// The stream as a whole.
    fn from(code: Code) -> Self {
        Self { code, rendition: None }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rendition {
            None => write!(f, "{}", self.code),
            Some(rendition) => write!(f, "{}@{rendition}", self.code),
        }
    }
}

impl FromStr for Address {
    type Err = CodeError;

    /// From a bare code, with or without `@rendition`, as HTTP paths have it.
    fn from_str(text: &str) -> Result<Self, CodeError> {
        match text.split_once('@') {
            None => Ok(Self { code: text.parse()?, rendition: None }),
            Some((code, rendition)) => {
                let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
                if let Some(found) = rendition.chars().find(|&c| !allowed(c)) {
                    return Err(CodeError::Character { code: text.to_owned(), found });
                }
                if rendition.is_empty() {
                    return Err(CodeError::EmptySegment(text.to_owned()));
                }
                Ok(Self { code: code.parse()?, rendition: Some(rendition.to_owned()) })
            }
        }
    }
}

impl Address {
    /// From the path that RTMP, RTSP and SRT clients give, `live/<code>` or a code of several segments.
    ///
    /// Clients split application and stream name at different places, so the caller joins both with a slash
    /// first. Slashes at the ends and doubled ones are forgiven; a query is the caller's to take off.
    ///
    /// # Errors
    /// [`CodeError`] when what is left is no code.
    pub fn from_app_path(path: &str) -> Result<Self, CodeError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let parts = if parts.first() == Some(&"live") { &parts[1..] } else { &parts[..] };
        parts.join("/").parse()
    }
}

/// What is wrong with a path, for log and peer: without what follows a mark that often comes before a key.
pub(crate) fn without_key(path: &str, error: &CodeError) -> String {
    match path.split_once(['&', ';', '=', '?']) {
        None => error.to_string(),
        Some((before, _)) => {
            format!("{before:?} is followed by what no stream code has; a key is given as ?key=")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_rules() {
        for good in ["demo", "region/north/news", "a-b_C9", &"x".repeat(128), "livestream", "news/live"] {
            assert!(good.parse::<Code>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            "a..b",
            "a b",
            "ä",
            "live/a",
            "api",
            "t/x",
            "a/runtime",
            &"x".repeat(129),
        ] {
            assert!(bad.parse::<Code>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_app_path_resolves_the_same_however_the_client_split_it() {
        for path in ["live/news", "/live/news/", "live//news"] {
            let address = Address::from_app_path(path).expect(path);
            assert_eq!((address.code.as_str(), address.rendition), ("news", None));
        }
        let rung = Address::from_app_path("region/north/news@720p").expect("a rung");
        assert_eq!((rung.code.as_str(), rung.rendition.as_deref()), ("region/north/news", Some("720p")));
        assert_eq!(rung.to_string(), "region/north/news@720p");
        assert_eq!(
            Address::from_app_path("live/region/news"),
            Address::from_app_path("region/news"),
            "with live/ or without"
        );
        for bad in ["live", "", "live/live", "live/a@", "live/a@b@c"] {
            assert!(Address::from_app_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn errors_name_the_value() {
        let error = "a b".parse::<Code>().expect_err("a blank");
        assert_eq!(error.to_string(), "stream code \"a b\" has ' ': only A-Z a-z 0-9 _ - and / are allowed");
    }

    #[test]
    fn a_key_that_was_put_in_the_wrong_place_is_not_repeated() {
        for path in ["live/news&key=secret", "live/news;key=secret", "live/key=secret"] {
            let error = Address::from_app_path(path).expect_err("no code");
            let said = without_key(path, &error);
            assert!(!said.contains("secret") && said.contains("?key="), "{said}");
        }
        let error = Address::from_app_path("live/a b").expect_err("no code");
        assert!(without_key("live/a b", &error).contains("' '"));
    }
}
