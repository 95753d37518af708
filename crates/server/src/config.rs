//! The configuration: a YAML file, overridden by the environment and by what the API changed, checked as a whole.
//!
//! The names in the file are a promise: every version keeps them, and a name that this version cannot serve yet
//! is refused with a message that says so.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use publisher::Code;
use publisher::config::{Network, Settings, Stream};
use serde_json::Value as Json;

use crate::auth;

mod api;
mod difference;
mod document;
mod env;
mod fault;
mod limits;
mod listen;
mod masked;
pub(crate) mod merge;
mod play_auth;
mod push;
mod read;
mod service;
mod source;
mod stream;
mod summary;
mod tls;
mod tree;

pub(crate) use difference::{is_taken_over, settings as differing_settings};
pub(crate) use document::{Settings as SettingsDocument, Shown, Stream as StreamDocument};
pub(crate) use fault::Faults;
pub(crate) use fault::{Fault, Place};
pub(crate) use listen::{ALLOWED as LISTEN_ALLOWED, Host, Listen};
pub(crate) use masked::{restore_settings, restore_stream};
pub(crate) use merge::names as setting_names;
use read::{Item, Notes, Section};
use tree::Node;

/// Default of `http.listen`.
pub(crate) const HTTP_PORT: u16 = 8080;

/// A whole configuration that can be run.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Config {
    /// Where what must outlive the process is kept.
    pub(crate) data_dir: Option<PathBuf>,
    /// Where HTTP listens.
    pub(crate) http: Vec<Listen>,
    /// Who may use the API.
    pub(crate) api: auth::Settings,
    /// The publisher's settings.
    pub(crate) settings: Settings,
    /// The streams, in the order of the file.
    pub(crate) streams: Vec<Stream>,
}

/// What a configuration is read from: a file or none, and the environment, as they were when they were read.
pub(crate) struct Base {
    file: Option<PathBuf>,
    text: String,
    variables: Vec<(OsString, OsString)>,
}

impl Base {
    /// Reads the file, where there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn read(
        file: Option<&Path>,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Faults> {
        let text = match file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| Faults {
                file: path.to_owned(),
                list: vec![Fault::new(Place::File, format!("cannot be read: {error}"))],
            })?,
        };
        Ok(Self { file: file.map(Path::to_owned), text, variables: variables.collect() })
    }

    /// Whether there is a file.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// The configuration: what the file says, or the defaults without one, the environment over it, and over both the settings in
    /// a JSON document of the same shape; null is none.
    ///
    /// # Errors
    /// Every fault that was found.
    pub(crate) fn under(&self, over: &Json) -> Result<Config, Faults> {
        let failed = |list| Faults { file: self.file.clone().unwrap_or_default(), list };
        // Without a file any code may be published, from this machine alone: nothing to set up for a first try.
        let config = read_under(&self.text, self.variables.iter().cloned(), over).map_err(failed)?;
        Ok(Config { settings: Settings { open_publish: !self.has_file(), ..config.settings }, ..config })
    }
}

/// Reads a stream out of a JSON document of the shape that it has in the file.
///
/// # Errors
/// Every fault that was found, each with the JSON pointer of its value.
pub(crate) fn read_stream(code: Code, document: &Json) -> Result<Stream, Vec<Fault>> {
    let (notes, node) = (Notes::default(), tree::from_json(document, String::new()));
    let stream = stream::stream(Stream::new(code), Some(Item::root(&node, &notes)), true);
    let faults = notes.into_sorted();
    if faults.is_empty() { Ok(stream) } else { Err(faults) }
}

/// Sees that a merge patch of a stream has no key that a stream does not have: one that is null would go unnoticed.
///
/// # Errors
/// Those keys.
pub(crate) fn check_stream_patch(code: Code, patch: &Json) -> Result<(), Vec<Fault>> {
    unknown_keys(read_stream(code, patch).err().unwrap_or_default())
}

/// The same of a merge patch of the settings.
///
/// # Errors
/// Those keys.
pub(crate) fn check_settings_patch(patch: &Json) -> Result<(), Vec<Fault>> {
    unknown_keys(read_under("", std::iter::empty(), patch).err().unwrap_or_default())
}

fn unknown_keys(mut faults: Vec<Fault>) -> Result<(), Vec<Fault>> {
    faults.retain(Fault::is_unknown_key);
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Reads the text of a file.
#[cfg(test)]
fn read(text: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<Config, Vec<Fault>> {
    read_under(text, variables, &Json::Null)
}

fn read_under(
    text: &str,
    variables: impl Iterator<Item = (OsString, OsString)>,
    over: &Json,
) -> Result<Config, Vec<Fault>> {
    let notes = Notes::default();
    let mut root = tree::parse(text).map_err(|fault| vec![fault])?;
    env::overlay(&mut root, variables, &notes);
    if !over.is_null() {
        tree::overlay(&mut root, tree::from_json(over, String::new()));
    }
    let config = whole(&root, &notes);
    let faults = notes.into_sorted();
    if faults.is_empty() { Ok(config) } else { Err(faults) }
}

fn whole(root: &Node, notes: &Notes) -> Config {
    let mut file = Section::root(root, notes);
    let data_dir = file.item("data_dir").and_then(|item| item.text()).map(PathBuf::from);
    let mut http = file.section("http");
    let listen_item = http.item("listen");
    let listen = listen_item.as_ref().map(listen_addresses);
    http.close();
    let api = api::api(file.section("api"));
    let has_tls = file.item("tls").is_some_and(|item| !item.holds_nothing());
    let tls = tls::tls(file.section("tls"));
    let listeners = service::listeners(file.section("listeners"), listen.as_deref(), listen_item, has_tls);
    let publisher = service::outputs(file.section("publisher"));
    let fan_out = limits::fan_out(file.section("fan_out"));
    let limits = limits::limits(file.section("limits"));
    let trusted_proxies = file.item("trusted_proxies").map(|item| networks(&item)).unwrap_or_default();
    let play_auth = play_auth::play_auth(&mut file, false);
    let streams = stream::streams(file.section("streams"), notes, !play_auth.keys.is_empty());
    file.close();
    Config {
        data_dir,
        http: listen.unwrap_or_else(|| vec![Listen { host: Host::All, port: HTTP_PORT }]),
        api,
        settings: Settings { listeners, tls, fan_out, limits, play_auth, trusted_proxies, ..publisher },
        streams,
    }
}

/// `http.listen`: one address or a list of them.
fn listen_addresses(item: &Item<'_>) -> Vec<Listen> {
    let mut addresses: Vec<Listen> = Vec::new();
    let items = item.one_or_more();
    if items.is_empty() {
        item.refuse(listen::ALLOWED);
    }
    for item in items {
        let Some(address) = item.read(listen::ALLOWED, |text| text.parse::<Listen>().ok()) else { continue };
        match addresses.iter().find(|other| other.overlaps(address)) {
            Some(other) => item.wrong(&format!("listens where {other} listens already")),
            None => addresses.push(address),
        }
    }
    addresses
}

/// `trusted_proxies`: one network or a list of them.
fn networks(item: &Item<'_>) -> Vec<Network> {
    let allowed = "an address or a network, as 192.0.2.1, 10.0.0.0/8 or 2001:db8::/32";
    let items = item.one_or_more();
    items.iter().filter_map(|item| item.read(allowed, |text| text.parse().ok())).collect()
}

impl Default for Config {
    /// What counts where nothing is said.
    fn default() -> Self {
        whole(&Node { place: Place::File, value: tree::Value::Null }, &Notes::default())
    }
}

impl Config {
    /// The addresses of HTTP for a message.
    pub(crate) fn http_shown(&self) -> String {
        self.http.iter().fold(String::new(), |mut text, address| {
            let separator = if text.is_empty() { "" } else { ", " };
            // Writing to a string cannot fail.
            let _ = write!(text, "{separator}{address}");
            text
        })
    }
}

#[cfg(test)]
mod tests;
