//! What is configured: by the file, by the API, or by the program itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use publisher::Code;
use publisher::config::Stream;
use serde_json::Value as Json;

use crate::config::{self, Config};
use crate::store::Kept;

/// Who says what a stream is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// The configuration file; the API cannot change it.
    File,
    /// The API.
    Api,
    /// `rillcast demo`.
    Program,
    /// A publisher that came, where every code may be published.
    Publisher,
}

/// A stream that is configured.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Who says what it is.
    pub(crate) origin: Origin,
    /// What it is.
    pub(crate) stream: Stream,
    /// What was said of it, with its secrets, where the API did.
    pub(crate) document: Json,
    /// It is not to run.
    pub(crate) stopped: bool,
}

/// All of it.
pub(super) struct Catalog {
    /// What counts.
    pub(super) streams: BTreeMap<Code, Arc<Entry>>,
    /// What the API made and the file makes as well: the file counts.
    pub(super) hidden: BTreeMap<Code, Arc<Entry>>,
    /// The settings as they run.
    pub(super) config: Config,
    /// Those that the API changed, as they lie over the file; null is none.
    pub(super) changed: Json,
    /// Those that wait for a restart.
    pub(super) waiting: Vec<&'static str>,
}

impl Catalog {
    /// What is there at the start. What was kept of a stream that this version cannot read is told and left out.
    pub(super) fn new(config: &Config, origin: Origin, kept: Kept) -> Self {
        let Kept { streams, stopped, settings } = kept;
        let made = streams.into_iter().filter_map(|(code, document)| made(code, document, &stopped));
        let made: BTreeMap<Code, Arc<Entry>> =
            made.map(|entry| (entry.stream.code.clone(), Arc::new(entry))).collect();
        let mut catalog = Self {
            streams: made,
            hidden: BTreeMap::new(),
            config: Config { streams: Vec::new(), ..config.clone() },
            changed: settings,
            waiting: Vec::new(),
        };
        catalog.put_under(&config.streams, origin, &stopped);
        catalog
    }

    /// Replaces the streams of the file by these. `stopped` is what is not to run.
    pub(super) fn put_under(&mut self, streams: &[Stream], origin: Origin, stopped: &BTreeSet<Code>) {
        self.streams.retain(|_, entry| entry.origin == Origin::Api);
        self.streams.append(&mut self.hidden);
        for stream in streams {
            let code = stream.code.clone();
            let entry = Entry {
                origin,
                stream: stream.clone(),
                document: Json::Null,
                stopped: stopped.contains(&code),
            };
            if let Some(hidden) = self.streams.insert(code.clone(), Arc::new(entry)) {
                tracing::warn!(stream = %code, "is in the configuration file and made by the API as well: the file counts");
                self.hidden.insert(code, hidden);
            }
        }
    }

    /// The streams that are not to run.
    pub(super) fn stopped(&self) -> BTreeSet<Code> {
        self.streams.iter().filter(|(_, entry)| entry.stopped).map(|(code, _)| code.clone()).collect()
    }
}

/// A stream out of what was kept of it.
fn made(code: Code, document: Json, stopped: &BTreeSet<Code>) -> Option<Entry> {
    match config::read_stream(code.clone(), &document) {
        Ok(stream) => Some(Entry { origin: Origin::Api, stream, document, stopped: stopped.contains(&code) }),
        Err(faults) => {
            for fault in faults {
                tracing::error!(stream = %code, "in data_dir, and left out: {}", fault.located(""));
            }
            None
        }
    }
}
