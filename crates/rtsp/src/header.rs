//! Headers with a grammar of their own (RFC 2326 12).

mod transport;

pub use transport::{Lower, Profile, Transport};

/// The parts of a list, split where no quotes are.
pub(crate) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |char| {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            _ => {}
        }
        char == separator && !quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

/// `name=value` with the quotes of the value taken away (RFC 9110 5.6.4); a name alone has an empty value.
pub(crate) fn parameter(part: &str) -> (&str, String) {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let value = value.trim();
    let inner = value.strip_prefix('"').map(|inner| inner.strip_suffix('"').unwrap_or(inner));
    let Some(inner) = inner else { return (name.trim(), value.to_owned()) };
    let mut escaped = false;
    let kept = inner.chars().filter(|&char| {
        escaped = char == '\\' && !escaped;
        !escaped
    });
    (name.trim(), kept.collect())
}

/// The id in a `Session` header (12.37).
pub(crate) fn session_id(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_what_separates() {
        let parts: Vec<_> = split(r#"a="1,\",2", b , ,c=3"#, ',').map(parameter).collect();
        let expected = [("a", "1,\",2"), ("b", ""), ("c", "3")];
        assert_eq!(parts, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(parameter(r#"a = "b\\c"#), ("a", r"b\c".to_owned()));
    }

    #[test]
    fn a_session_is_its_id() {
        assert_eq!(session_id(" 12ab ; timeout=60"), "12ab");
    }
}
