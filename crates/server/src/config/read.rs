//! Takes settings out of the tree, checks them, and notes every fault instead of stopping at the first.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use super::fault::{Fault, Place};
use super::tree::{Entry, Node, Value};

/// Characters of a value that a fault shows.
const SHOWN: usize = 80;
/// Keys whose values no message may show.
const SECRET: [&str; 6] = ["stream_key", "passphrase", "push", "play_auth", "play_auth_keys", "hash"];

/// The faults found so far, shared by all readers of one configuration.
#[derive(Default)]
pub(crate) struct Notes(RefCell<Vec<Fault>>);

impl Notes {
    /// Notes one.
    pub(crate) fn add(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// All of them, in the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<Fault> {
        let mut faults = self.0.into_inner();
        faults.sort();
        faults.dedup();
        faults
    }
}

/// A mapping that is being read. Every key that it may have is asked for once; [`Section::close`] reports the
/// others.
pub(crate) struct Section<'a> {
    path: String,
    entries: &'a [Entry],
    secret: bool,
    asked: Vec<&'static str>,
    notes: &'a Notes,
}

/// A value that is there.
#[derive(Clone)]
pub(crate) struct Item<'a> {
    path: String,
    node: &'a Node,
    secret: bool,
    notes: &'a Notes,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(crate) fn root(node: &'a Node, notes: &'a Notes) -> Self {
        Item::root(node, notes).section()
    }

    fn empty(path: String, notes: &'a Notes) -> Self {
        Self { path, entries: &[], secret: false, asked: Vec::new(), notes }
    }

    /// The value of a key, unless it is absent or null.
    pub(crate) fn item(&mut self, key: &'static str) -> Option<Item<'a>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let item = self.entry_item(entry);
        (item.node.value != Value::Null).then_some(item)
    }

    /// The mapping of a key; an absent one is empty.
    pub(crate) fn section(&mut self, key: &'static str) -> Self {
        match self.item(key) {
            Some(item) => item.section(),
            None => Self::empty(join(&self.path, key), self.notes),
        }
    }

    /// Every entry, for a mapping with free keys. Nothing in it is unknown then.
    pub(crate) fn entries(self) -> impl Iterator<Item = (&'a Entry, Option<Item<'a>>)> {
        let entries = self.entries;
        entries.iter().map(move |entry| {
            let item = self.entry_item(entry);
            (entry, (item.node.value != Value::Null).then_some(item))
        })
    }

    /// Reports the keys that nobody asked for.
    pub(crate) fn close(self) {
        let unknown = self.entries.iter().filter(|entry| !self.asked.contains(&entry.key.as_str()));
        for entry in unknown {
            let path = join(&self.path, &entry.key);
            let guess = closest(&entry.key, &self.asked).map(|known| format!("did you mean {known}? "));
            let problem = format!(
                "{path}: unknown key; {}allowed: {}",
                guess.unwrap_or_default(),
                self.asked.join(", ")
            );
            self.notes.add(Fault::unknown_key(entry.place.clone(), problem));
        }
    }

    fn entry_item(&self, entry: &'a Entry) -> Item<'a> {
        Item {
            path: join(&self.path, &entry.key),
            node: &entry.node,
            secret: self.secret || SECRET.contains(&entry.key.as_str()),
            notes: self.notes,
        }
    }
}

impl<'a> Item<'a> {
    /// A whole document.
    pub(crate) fn root(node: &'a Node, notes: &'a Notes) -> Self {
        Self { path: String::new(), node, secret: false, notes }
    }

    /// Where the value stands.
    pub(crate) fn place(&self) -> Place {
        self.node.place.clone()
    }

    /// The mapping it should be.
    pub(crate) fn section(self) -> Section<'a> {
        let entries: &[Entry] = match &self.node.value {
            Value::Map(entries) => entries,
            Value::Null if !self.is_json() => &[],
            _ => {
                self.refuse("a mapping of keys and values");
                &[]
            }
        };
        Section { path: self.path, entries, secret: self.secret, asked: Vec::new(), notes: self.notes }
    }

    /// The items of a list.
    pub(crate) fn list(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(_) => self.one_or_more(),
            _ => {
                self.refuse("a list");
                Vec::new()
            }
        }
    }

    /// The items of a list, or the value itself where it is one.
    pub(crate) fn one_or_more(&self) -> Vec<Self> {
        match &self.node.value {
            Value::List(nodes) => nodes
                .iter()
                .enumerate()
                .map(|(index, node)| Self { path: format!("{}[{index}]", self.path), node, ..self.clone() })
                .collect(),
            _ => vec![self.clone()],
        }
    }

    /// Whether it is a list or mapping without a thing in it.
    pub(crate) fn holds_nothing(&self) -> bool {
        match &self.node.value {
            Value::List(nodes) => nodes.is_empty(),
            Value::Map(entries) => entries.is_empty(),
            Value::Null => true,
            Value::Scalar { .. } => false,
        }
    }

    /// Text that is not empty; a number is taken as it is spelt.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.read("text that is not empty", |text| (!text.is_empty()).then_some(text))
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        self.unquoted("true, false", |text| text.parse().ok())
    }

    /// A whole number within the range.
    pub(crate) fn whole(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.unquoted(&allowed, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// A number within the range, with or without a fraction.
    pub(crate) fn decimal(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        self.unquoted(&allowed, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// What `parse` makes of the text; `allowed` tells what it takes. In JSON, whose values say what they are, only a string is
    /// text.
    pub(crate) fn read<T>(&self, allowed: &str, parse: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let is_other = self.is_json() && matches!(self.node.value, Value::Scalar { quoted: false, .. });
        self.scalar(allowed, |text| if is_other { None } else { parse(text) })
    }

    fn is_json(&self) -> bool {
        matches!(self.node.place, Place::Pointer(_))
    }

    fn scalar<T>(&self, allowed: &str, parse: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let value = match &self.node.value {
            Value::Scalar { text, .. } => parse(text),
            _ => None,
        };
        if value.is_none() {
            self.refuse(allowed);
        }
        value
    }

    fn unquoted<T>(&self, allowed: &str, parse: impl FnOnce(&'a str) -> Option<T>) -> Option<T> {
        let quoted = matches!(self.node.value, Value::Scalar { quoted: true, .. });
        self.scalar(allowed, |text| if quoted { None } else { parse(text) })
    }

    /// Notes that the value is not one of those allowed.
    pub(crate) fn refuse(&self, allowed: &str) {
        self.note(&format!("{} is not allowed; allowed: {allowed}", self.shown()));
    }

    /// Notes why the value cannot be.
    pub(crate) fn wrong(&self, reason: &str) {
        match self.node.value {
            Value::Scalar { .. } => self.note(&format!("{}: {reason}", self.shown())),
            _ => self.note(reason),
        }
    }

    fn note(&self, problem: &str) {
        let problem =
            if self.path.is_empty() { problem.to_owned() } else { format!("{}: {problem}", self.path) };
        self.notes.add(Fault::new(self.place(), problem));
    }

    /// The value for a message: short, on one line, and never a secret.
    fn shown(&self) -> String {
        match &self.node.value {
            Value::Null => "nothing".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar { .. } if self.secret => "***".to_owned(),
            Value::Scalar { text, quoted } => {
                let text = without_secrets(text);
                let short: String = text.chars().take(SHOWN).collect();
                let rest = if short.len() < text.len() { "…" } else { "" };
                let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
                if *quoted || short.is_empty() || !short.chars().all(is_word) {
                    format!("{short:?}{rest}")
                } else {
                    short + rest
                }
            }
        }
    }
}

/// A URL may carry a password before its host and keys in its query.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    // Nothing of these is secret, and all of it is worth showing when it is wrong.
    if matches!(scheme, "file" | "udp" | "rtp") {
        return text.to_owned();
    }
    let (address, query) =
        rest.split_once('?').map_or((rest, None), |(address, query)| (address, Some(query)));
    let address = match address.rsplit_once('@') {
        Some((_, host)) => format!("***@{host}"),
        None => address.to_owned(),
    };
    match query {
        None => format!("{scheme}://{address}"),
        Some(_) => format!("{scheme}://{address}?***"),
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// The name that was probably meant: few of its letters differ.
pub(crate) fn closest<'n>(word: &str, names: &[&'n str]) -> Option<&'n str> {
    // Longer words are no typing mistakes, and the distance costs the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let near = |name: &&str| distance(word, name) <= 1 + name.len() / 3;
    names.iter().copied().filter(|name| near(name)).min_by_key(|name| distance(word, name))
}

/// Letters to add, drop or change (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_is_found_and_a_far_one_is_not() {
        let names = ["enabled", "listen_host", "port"];
        assert_eq!(closest("prot", &names), Some("port"));
        assert_eq!(closest("ports", &names), Some("port"));
        assert_eq!(closest("listenhost", &names), Some("listen_host"));
        assert_eq!(closest("zzz", &names), None);
    }

    #[test]
    fn passwords_and_keys_of_urls_are_not_shown() {
        assert_eq!(without_secrets("rtsp://me:pw@cam/1"), "rtsp://***@cam/1");
        assert_eq!(without_secrets("srt://h:1?passphrase=x"), "srt://h:1?***");
        assert_eq!(without_secrets("file:///a.flv?loop=yes"), "file:///a.flv?loop=yes");
        assert_eq!(without_secrets("udp://@:5000?program=x"), "udp://@:5000?program=x");
    }
}
