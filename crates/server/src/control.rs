//! What is configured, by whom, and how it becomes another: the one place through which the API and SIGHUP change anything.
//!
//! Changes are made one at a time, each from its check to its end; what is configured can be read meanwhile.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use publisher::{Code, Service};
use serde_json::Value as Json;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::auth::Access;
use crate::config::{Base, Config, Fault, SettingsDocument, Shown, StreamDocument};
use crate::listeners::{Listeners, Move};
use crate::store::{Kept, Store};

mod catalog;
mod reload;
mod settings;
mod streams;

use catalog::Catalog;
pub(crate) use catalog::{Entry, Origin};
pub(crate) use reload::{read_under, reload};
pub(crate) use streams::{Order, Wanted};

/// The configuration of a running program.
pub(crate) struct Control {
    service: Arc<Service>,
    store: Store,
    catalog: RwLock<Catalog>,
    changing: Arc<Mutex<Changing>>,
    /// Makes the tags of versions. Secrets are in what they are made of, so their key is nobody's.
    tags: RandomState,
}

/// What only a change has to do with.
struct Changing {
    base: Base,
    /// As the program was started: what of it is never taken over later is compared with this.
    started: Config,
    listeners: Listeners,
    access: Arc<Access>,
}

/// A change as it is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    /// Nothing is to be done; what would be is to be told.
    pub(crate) dry_run: bool,
    /// The change is made of a version that is one of these; none is any.
    pub(crate) if_match: Option<Tags>,
    /// The change is made of no version that is one of these.
    pub(crate) if_none_match: Option<Tags>,
}

/// Versions as a client names them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Tags {
    /// Whatever there is.
    Any,
    /// One of these.
    These(Vec<String>),
}

/// What was done, or would be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Done {
    /// Whether the stream was not there before.
    pub(crate) created: bool,
    /// What became of listeners.
    pub(crate) listeners: Vec<Move>,
    /// What became of settings beside them.
    pub(crate) settings: Vec<&'static str>,
    /// What became of streams.
    pub(crate) actions: Vec<publisher::Action>,
    /// The version that there is now.
    pub(crate) tag: Option<String>,
}

/// Why nothing was changed, but for [`Refused::Failed`].
#[derive(Debug)]
pub(crate) enum Refused {
    /// The document is wrong.
    Faults(Vec<Fault>),
    /// There is no such stream.
    NotFound(Code),
    /// It is not the API that says what the stream is.
    ReadOnly(Code, Origin),
    /// It was changed meanwhile, or is there already.
    Mismatch,
    /// It cannot be done now, and why.
    Conflict(String),
    /// It could not be done as it should, and why.
    Failed(String),
}

impl Control {
    /// Begins with what was configured at the start and what was kept. Streams are started by [`Control::start`].
    pub(crate) fn new(service: Arc<Service>, store: Store, kept: Kept, begun: Begun) -> Arc<Self> {
        let Begun { base, config, listeners, access } = begun;
        let catalog =
            Catalog::new(&config, if base.has_file() { Origin::File } else { Origin::Program }, kept);
        let changing = Changing { base, started: config, listeners, access };
        Arc::new(Self {
            service,
            store,
            catalog: RwLock::new(catalog),
            changing: Arc::new(Mutex::new(changing)),
            tags: RandomState::new(),
        })
    }

    /// Of a service that is not configured by a file, where nothing listens.
    #[cfg(test)]
    pub(crate) fn for_testing(service: Arc<Service>) -> Arc<Self> {
        let config = Config::default();
        let base = Base::read(None, std::iter::empty()).expect("no file");
        let mut off = config.settings.listeners.clone();
        for listener in [&mut off.rtmp, &mut off.rtsp, &mut off.srt] {
            listener.enabled = false;
        }
        service.set_listeners(off.clone());
        let listeners = Listeners::bind(&service, off, None, Default::default()).expect("nothing listens");
        let (store, kept) = Store::open(None).expect("nothing is kept");
        Self::new(service, store, kept, Begun { base, config, listeners, access: Arc::default() })
    }

    /// Starts the streams that are to run, then has the listeners serve who comes.
    ///
    /// # Errors
    /// The first stream of the file that cannot be started. One that the API made is told in the log, and left.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let entries: Vec<Arc<Entry>> = self.catalog().streams.values().cloned().collect();
        for entry in entries.iter().filter(|entry| !entry.stopped) {
            match self.service.start(entry.stream.clone()).await {
                Err(error) if entry.origin == Origin::Api => {
                    tracing::error!(%error, "a stream cannot be started")
                }
                started => started?,
            }
        }
        Ok(self.change().await.listeners.run()?)
    }

    /// The publisher.
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Whether changes outlive the process.
    pub(crate) fn persists(&self) -> bool {
        self.store.persists()
    }

    /// All that is there, in the order of their codes: what is configured, and what a publisher made by coming.
    pub(crate) fn codes(&self) -> Vec<Code> {
        let mut codes = self.service.codes();
        codes.extend(self.catalog().streams.keys().cloned());
        codes.sort_unstable();
        codes.dedup();
        codes
    }

    /// A stream that is there.
    pub(crate) fn entry(&self, code: &Code) -> Option<Arc<Entry>> {
        let configured = self.catalog().streams.get(code).cloned();
        configured.or_else(|| {
            let stream = self.service.config(code)?;
            Some(Arc::new(Entry { origin: Origin::Publisher, stream, document: Json::Null, stopped: false }))
        })
    }

    /// The version of a stream.
    pub(crate) fn tag(&self, entry: &Entry) -> String {
        let document = StreamDocument::new(&entry.stream, Shown::Whole);
        self.tag_of(&(
            entry.origin as u8,
            entry.stopped,
            serde_json::to_string(&document).unwrap_or_default(),
        ))
    }

    /// The settings as they run, those that the API changed, and the names of those that wait for a restart of the program.
    pub(crate) fn settings(&self) -> (Config, Json, Vec<&'static str>) {
        let catalog = self.catalog();
        (catalog.config.clone(), catalog.changed.clone(), catalog.waiting.clone())
    }

    /// The version of the settings.
    pub(crate) fn settings_tag(&self) -> String {
        let catalog = self.catalog();
        let document = SettingsDocument::new(&catalog.config, Shown::Whole);
        self.tag_of(&(serde_json::to_string(&document).unwrap_or_default(), catalog.changed.to_string()))
    }

    fn tag_of(&self, what: &impl std::hash::Hash) -> String {
        format!("{:016x}", self.tags.hash_one(what))
    }

    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other change is made.
    async fn change(&self) -> OwnedMutexGuard<Changing> {
        Arc::clone(&self.changing).lock_owned().await
    }
}

/// What there is when the program starts.
pub(crate) struct Begun {
    /// What the configuration was read from.
    pub(crate) base: Base,
    /// As it is run.
    pub(crate) config: Config,
    /// Its listeners.
    pub(crate) listeners: Listeners,
    /// Who may use the API.
    pub(crate) access: Arc<Access>,
}

impl Terms {
    /// Whether they hold of the version that there is.
    fn hold(&self, tag: Option<&str>) -> bool {
        let is_among = |tags: &Tags| match (tags, tag) {
            (_, None) => false,
            (Tags::Any, Some(_)) => true,
            (Tags::These(tags), Some(tag)) => tags.iter().any(|other| other == tag),
        };
        self.if_match.as_ref().is_none_or(is_among) && !self.if_none_match.as_ref().is_some_and(is_among)
    }
}

/// Has a change go on to its end, also when nobody waits for it any more.
pub(crate) async fn to_its_end<T: Send + 'static>(
    change: impl Future<Output = Result<T, Refused>> + Send + 'static,
) -> Result<T, Refused> {
    let ended = tokio::spawn(change).await;
    ended.unwrap_or_else(|_| Err(Refused::Failed("internal error; the log has the details".to_owned())))
}
