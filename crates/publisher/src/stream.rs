//! A running stream: the rungs of its ladder, and the outputs that they have in common.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config;
use crate::limits::Gate;
use crate::output::hls;
use crate::rung::{Rank, Rung, rank};
use crate::status::{RenditionStatus, StreamStatus};

/// A stream between `start` and `stop`.
pub(crate) struct Running {
    pub(crate) config: config::Stream,
    /// At least one, in the order of the configuration.
    pub(crate) rungs: Vec<Rung>,
    /// Ends everything that belongs to the stream.
    pub(crate) cancel: CancellationToken,
    /// Workers that `stop` waits for.
    pub(crate) tasks: TaskTracker,
    pub(crate) hls: Option<Arc<hls::Output>>,
    /// Viewers of all its outputs.
    pub(crate) viewers: Arc<Gate>,
    since: SystemTime,
}

impl Running {
    pub(crate) fn new(
        config: config::Stream,
        rungs: Vec<Rung>,
        hls: Option<Arc<hls::Output>>,
        viewers: Arc<Gate>,
        cancel: CancellationToken,
    ) -> Self {
        Self { config, rungs, cancel, tasks: TaskTracker::new(), hls, viewers, since: SystemTime::now() }
    }

    /// The place of the rung of that name.
    pub(crate) fn find_rung(&self, name: &str) -> Option<usize> {
        self.rungs.iter().position(|rung| rung.config.name == name)
    }

    /// The names of its rungs, for a sentence: in front of each stands `before`.
    pub(crate) fn rung_names(&self, before: &str) -> String {
        let names: Vec<_> = self.rungs.iter().map(|rung| format!("{before}{}", rung.config.name)).collect();
        names.join(", ")
    }

    /// How good each rung is for a viewer who named none.
    pub(crate) fn rank(&self, rung: usize, now: Duration) -> Rank {
        let Rung { config, hub, .. } = &self.rungs[rung];
        rank(config, &hub.status(now), now, rung)
    }

    /// Whether nobody feeds any rung.
    pub(crate) fn is_unfed(&self) -> bool {
        self.rungs.iter().all(Rung::is_unfed)
    }

    /// When the last frame of any rung came.
    pub(crate) fn last_arrival(&self, now: Duration) -> Option<Duration> {
        self.rungs.iter().filter_map(|rung| rung.hub.status(now).last_arrival).max()
    }

    /// The stream as seen from outside.
    pub(crate) fn status(&self, now: Duration, viewers: usize) -> StreamStatus {
        let renditions: Vec<RenditionStatus> = self.rungs.iter().map(|rung| rung.status(now)).collect();
        let best = (0..renditions.len())
            .max_by_key(|&place| rank(&renditions[place].config, &renditions[place].media, now, place))
            .unwrap_or(0);
        let source =
            std::iter::once(&renditions[best]).chain(&renditions).find_map(|rung| rung.source.clone());
        StreamStatus {
            code: self.config.code.clone(),
            protocols: self.config.protocols,
            since: self.since,
            source,
            silent_for: renditions.iter().filter_map(|rung| rung.silent_for).min(),
            media: renditions[best].media.clone(),
            warnings: self.told(&renditions, |rung| rung.warnings.clone()),
            late_frames: renditions.iter().map(|rung| rung.late_frames).sum(),
            last_error: self.last_error(&renditions),
            viewers,
            renditions,
        }
    }

    /// Sentences about all rungs; with several, each says which one it is about.
    fn told(
        &self,
        renditions: &[RenditionStatus],
        of: impl Fn(&RenditionStatus) -> Vec<String>,
    ) -> Vec<String> {
        let named = |rung: &RenditionStatus| {
            let name = rung.config.name.clone();
            of(rung).into_iter().map(move |sentence| match self.rungs.len() {
                1 => sentence,
                _ => format!("{name}: {sentence}"),
            })
        };
        renditions.iter().flat_map(named).collect()
    }

    /// The newest error of all rungs.
    fn last_error(&self, renditions: &[RenditionStatus]) -> Option<(SystemTime, String)> {
        let newest = renditions.iter().filter_map(|rung| rung.last_error.as_ref().map(|error| (rung, error)));
        let (rung, (at, _)) = newest.max_by_key(|(_, (at, _))| *at)?;
        let told = self.told(std::slice::from_ref(rung), |rung| {
            rung.last_error.iter().map(|(_, error)| error.clone()).collect()
        });
        Some((*at, told.into_iter().next()?))
    }
}
