//! A YAML file as a tree in which each node knows its place.
//!
//! Settings are checked in three steps (types, ranges, how they agree), and every fault of every step names
//! line and column. Deserializing straight into structures would lose the places after the first step and stop
//! at the first fault, so `serde-saphyr` fills this tree and `read` takes the settings out of it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, MessageFormatter, Spanned, UserMessageFormatter};

use super::fault::{Fault, Place};

/// One node of the file, or one value of an environment variable.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) value: Value,
}

/// What a node holds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Value {
    /// Nothing, `~` or `null`: as if the key were not there.
    Null,
    /// Text, a number or a boolean, as it is written. Its type is decided by who reads it, so that a stream key
    /// of `007` stays what it is.
    Scalar {
        /// The text without quotes.
        text: String,
        /// It was quoted, so it is neither a number nor a boolean.
        quoted: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) place: Place,
    /// Its value.
    pub(crate) node: Node,
}

/// Reads one YAML document. An empty one is `Null`.
///
/// # Errors
/// The place and kind of the first thing that is not YAML, or a key that stands there twice.
pub(crate) fn parse(source: &str) -> Result<Node, Fault> {
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options::<Spanned<Raw>>(source, options)
        .map(|raw| locate(source, raw))
        .map_err(|error| not_yaml(&error))
}

fn not_yaml(error: &Error) -> Fault {
    let place = error.location().map_or(Place::File, place);
    let problem = match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("the key {key:?} is there twice"),
        Error::MultipleDocuments { .. } => "a second document begins here, one is allowed".to_owned(),
        Error::NullIntoString { .. } => "a key cannot be empty".to_owned(),
        error => format!("not valid YAML: {}", UserMessageFormatter.format_message(error).escape_debug()),
    };
    Fault::new(place, problem)
}

fn place(location: Location) -> Place {
    Place::At { line: location.line(), column: location.column() }
}

/// What the YAML reader sees, before places and spelling are put to it.
enum Raw {
    Null,
    /// A number or boolean: its spelling is taken from the source.
    Plain,
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

/// The tree of a JSON document that is to be found at `pointer`. A whole number is one however it is written.
pub(crate) fn from_json(value: &serde_json::Value, pointer: String) -> Node {
    use serde_json::Value as Json;
    let plain = |text: String| Value::Scalar { text, quoted: false };
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => plain(flag.to_string()),
        Json::Number(number) => plain(spelt(number)),
        Json::String(text) => Value::Scalar { text: text.clone(), quoted: true },
        Json::Array(items) => {
            let items = items.iter().enumerate();
            Value::List(items.map(|(index, item)| from_json(item, format!("{pointer}/{index}"))).collect())
        }
        Json::Object(members) => {
            let entry = |(key, value): (&String, &Json)| {
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                let place = Place::Pointer(pointer.clone());
                Entry { key: key.clone(), place, node: from_json(value, pointer) }
            };
            Value::Map(members.iter().map(entry).collect())
        }
    };
    Node { place: Place::Pointer(pointer), value }
}

/// A number without the fraction that it does not have.
fn spelt(number: &serde_json::Number) -> String {
    /// Up to here every whole number is a float as well.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            format!("{float:.0}")
        }
        _ => number.to_string(),
    }
}

/// Puts one tree over another: mappings are put together, anything else takes the place of what is there.
pub(crate) fn overlay(under: &mut Node, over: Node) {
    match (&mut under.value, over.value) {
        (Value::Map(old), Value::Map(new)) => {
            for entry in new {
                match old.iter_mut().find(|old| old.key == entry.key) {
                    Some(old) => overlay(&mut old.node, entry.node),
                    None => old.push(entry),
                }
            }
        }
        (value, new) => {
            *value = new;
            under.place = over.place;
        }
    }
}

fn locate(source: &str, raw: Spanned<Raw>) -> Node {
    let at = place(raw.referenced);
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Plain => Value::Scalar { text: spelling(source, raw.defined).to_owned(), quoted: false },
        Raw::Text(text) => {
            // A block scalar begins behind its `|`, and cannot be told from plain text by its first letter: it
            // ends with a line break, which plain text never does.
            let quoted = spelling(source, raw.defined).starts_with(['"', '\'']) || text.ends_with('\n');
            Value::Scalar { text, quoted }
        }
        Raw::List(items) => Value::List(items.into_iter().map(|item| locate(source, item)).collect()),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, node)| Entry {
                    place: place(key.referenced),
                    key: key.value,
                    node: locate(source, node),
                })
                .collect(),
        ),
    };
    Node { place: at, value }
}

/// The characters of the file at a location.
fn spelling(source: &str, location: Location) -> &str {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, len)| {
        let start = usize::try_from(start).ok()?;
        Some(start..start.checked_add(usize::try_from(len).ok()?)?)
    });
    range.and_then(|range| source.get(range)).unwrap_or_default().trim()
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar<'a>(node: &'a Node, key: &str) -> (&'a str, bool, Place) {
        let Value::Map(entries) = &node.value else { panic!("{node:?}") };
        let entry = entries.iter().find(|entry| entry.key == key).expect(key);
        let Value::Scalar { text, quoted } = &entry.node.value else { panic!("{entry:?}") };
        (text, *quoted, entry.node.place.clone())
    }

    #[test]
    fn a_scalar_keeps_its_spelling_and_place() {
        let tree =
            parse("key: 007\nbig: 99999999999999999999999\n'true': \"true\"\ntext: é x # no\nyes: true\n")
                .expect("valid");
        let at = |line, column| Place::At { line, column };
        assert_eq!(scalar(&tree, "key"), ("007", false, at(1, 6)));
        assert_eq!(scalar(&tree, "big"), ("99999999999999999999999", false, at(2, 6)));
        assert_eq!(scalar(&tree, "true"), ("true", true, at(3, 9)));
        assert_eq!(scalar(&tree, "text"), ("é x", false, at(4, 7)));
        assert_eq!(scalar(&tree, "yes"), ("true", false, at(5, 6)));
    }

    #[test]
    fn what_is_no_yaml_is_told_with_its_place() {
        let fault = |source| parse(source).expect_err(source).located("f.yaml");
        assert_eq!(fault("a: 1\na: 2\n"), "f.yaml:2:1: the key \"a\" is there twice");
        assert_eq!(fault("a: 1\n---\nb: 1\n"), "f.yaml:3:1: a second document begins here, one is allowed");
        assert_eq!(fault("k: 'open\n"), "f.yaml:1:4: not valid YAML: unclosed quote");
        assert_eq!(parse("").expect("an empty file").value, Value::Null);
    }
}
