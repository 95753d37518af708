//! A running stream: the rungs of its ladder, and the outputs that they have in common.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::code::{Address, Code};
use crate::config;
use crate::inputs::Inputs;
use crate::limits::Gate;
use crate::output::segmented::{Outputs, Segmented};
use crate::push::Pushes;
use crate::rung::{Rung, rank};
use crate::status::{RenditionStatus, StreamStatus};

/// The rungs of a stream.
pub(crate) type Rungs = Arc<[Arc<Rung>]>;

/// Who takes a stream.
#[derive(Clone, Copy, Default)]
pub(crate) struct Viewers {
    pub(crate) count: usize,
    /// Packets that did not reach them.
    pub(crate) lost: u64,
}

/// What of a running stream may be changed.
#[derive(Clone)]
struct Shape {
    config: Arc<config::Stream>,
    rungs: Rungs,
}

/// A stream between `start` and `stop`.
pub(crate) struct Running {
    /// Its name.
    pub(crate) code: Code,
    shape: RwLock<Shape>,
    /// Ends everything that belongs to the stream.
    pub(crate) cancel: CancellationToken,
    /// Workers that `stop` waits for.
    pub(crate) tasks: TaskTracker,
    pub(crate) segmented: Arc<Segmented>,
    pub(crate) inputs: Inputs,
    pub(crate) pushes: Pushes,
    /// Held while anything is changed.
    pub(crate) changing: tokio::sync::Mutex<()>,
    /// Held while HLS and DASH are put in the place of others.
    pub(crate) restarting: tokio::sync::Mutex<()>,
    /// Viewers of all its outputs.
    pub(crate) viewers: Arc<Gate>,
    since: SystemTime,
}

impl Running {
    pub(crate) fn new(
        config: config::Stream,
        rungs: Rungs,
        segmented: Arc<Segmented>,
        viewers: Arc<Gate>,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            code: config.code.clone(),
            shape: RwLock::new(Shape { config: Arc::new(config), rungs }),
            cancel,
            tasks: TaskTracker::new(),
            segmented,
            inputs: Inputs::default(),
            pushes: Pushes::default(),
            changing: tokio::sync::Mutex::default(),
            restarting: tokio::sync::Mutex::default(),
            viewers,
            since: SystemTime::now(),
        }
    }

    /// HLS and DASH, where they are put in the place of others once that is done.
    pub(crate) async fn outputs(&self) -> Outputs {
        if self.restarting.try_lock().is_err() {
            drop(self.restarting.lock().await);
        }
        self.segmented.outputs()
    }

    /// As it is configured now.
    pub(crate) fn config(&self) -> Arc<config::Stream> {
        Arc::clone(&self.shape().config)
    }

    /// Its rungs, at least one, in the order of the configuration.
    pub(crate) fn rungs(&self) -> Rungs {
        Arc::clone(&self.shape().rungs)
    }

    /// Is configured like this from now on, with these rungs.
    pub(crate) fn set_shape(&self, config: config::Stream, rungs: Rungs) {
        let mut shape = self.shape.write().unwrap_or_else(PoisonError::into_inner);
        *shape = Shape { config: Arc::new(config), rungs };
    }

    /// Is configured like this from now on, but that HLS and DASH are on only where they run.
    pub(crate) fn set_applied(&self, mut config: config::Stream) {
        let outputs = self.segmented.outputs();
        config.protocols.hls = outputs.hls.is_some();
        config.protocols.dash = outputs.dash.is_some();
        self.set_shape(config, self.rungs());
    }

    /// Has the rungs read what HLS and DASH want now, and nothing else.
    pub(crate) fn suit(&self) {
        self.rungs().iter().for_each(|rung| rung.cutting.suit());
    }

    fn shape(&self) -> RwLockReadGuard<'_, Shape> {
        self.shape.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rung of that name.
    pub(crate) fn find_rung(&self, name: &str) -> Option<Arc<Rung>> {
        self.rungs().iter().find(|rung| rung.name == name).cloned()
    }

    /// The name under which the file that a player asks for is kept: what it is told as the text about `all` rungs is
    /// another one where it was sent to one of several.
    pub(crate) fn kept_name(&self, address: &Address, file: &str, all: &str) -> String {
        match &address.rendition {
            Some(rung) if file == all && self.rungs().len() > 1 => format!("{rung}@{all}"),
            _ => file.to_owned(),
        }
    }

    /// The names of its rungs, for a sentence: in front of each stands `before`.
    pub(crate) fn rung_names(&self, before: &str) -> String {
        let names: Vec<_> = self.rungs().iter().map(|rung| format!("{before}{}", rung.name)).collect();
        names.join(", ")
    }

    /// Whether nobody feeds any rung.
    pub(crate) fn is_unfed(&self) -> bool {
        self.rungs().iter().all(|rung| rung.is_unfed())
    }

    /// When the last frame of any rung came.
    pub(crate) fn last_arrival(&self, now: Duration) -> Option<Duration> {
        self.rungs().iter().filter_map(|rung| rung.hub.status(now).last_arrival).max()
    }

    /// The stream as seen from outside.
    pub(crate) fn status(&self, now: Duration, viewers: Viewers) -> StreamStatus {
        let Shape { config, rungs } = self.shape().clone();
        let renditions: Vec<RenditionStatus> = rungs.iter().map(|rung| rung.status(now)).collect();
        let best = (0..renditions.len())
            .max_by_key(|&place| rank(&renditions[place].config, &renditions[place].media, now, place))
            .unwrap_or(0);
        let source =
            std::iter::once(&renditions[best]).chain(&renditions).find_map(|rung| rung.source.clone());
        StreamStatus {
            code: self.code.clone(),
            protocols: config.protocols,
            since: self.since,
            source,
            silent_for: renditions.iter().filter_map(|rung| rung.silent_for).min(),
            media: renditions[best].media.clone(),
            warnings: told(rungs.len(), &renditions, |rung| rung.warnings.clone()),
            late_frames: renditions.iter().map(|rung| rung.late_frames).sum(),
            last_error: last_error(&renditions),
            viewers: viewers.count,
            viewers_lost: viewers.lost,
            renditions,
        }
    }
}

/// Sentences about rungs, of `count` in all; with several, each says which one it is about.
fn told(
    count: usize,
    renditions: &[RenditionStatus],
    of: impl Fn(&RenditionStatus) -> Vec<String>,
) -> Vec<String> {
    let named = |rung: &RenditionStatus| {
        let name = rung.config.name.clone();
        of(rung).into_iter().map(move |sentence| match count {
            1 => sentence,
            _ => format!("{name}: {sentence}"),
        })
    };
    renditions.iter().flat_map(named).collect()
}

/// The newest error of all rungs.
fn last_error(renditions: &[RenditionStatus]) -> Option<(SystemTime, String)> {
    let newest = renditions.iter().filter_map(|rung| rung.last_error.as_ref().map(|error| (rung, error)));
    let (rung, (at, _)) = newest.max_by_key(|(_, (at, _))| *at)?;
    let told = told(renditions.len(), std::slice::from_ref(rung), |rung| {
        rung.last_error.iter().map(|(_, error)| error.clone()).collect()
    });
    Some((*at, told.into_iter().next()?))
}
