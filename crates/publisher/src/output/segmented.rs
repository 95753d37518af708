//! The segmented outputs of a stream, HLS and DASH, which its rungs feed; they may be put in each other's place while
//! the rest goes on.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use hub::{Context, Entry};
use packager::ts::Chunk;

use super::hls::Feed;
use super::{dash, hls};

/// HLS and DASH as they are now.
#[derive(Default)]
pub(crate) struct Segmented(RwLock<Outputs>);

/// The two outputs, each none where it is off.
#[derive(Clone, Default)]
pub(crate) struct Outputs {
    pub(crate) hls: Option<Arc<hls::Output>>,
    pub(crate) dash: Option<Arc<dash::Output>>,
}

impl Outputs {
    /// Ends them: waits for the disk and removes the folders, if told so.
    pub(crate) async fn stop(&self, remove: bool) {
        if let Some(hls) = &self.hls {
            hls.stop(remove).await;
        }
        if let Some(dash) = &self.dash {
            dash.stop(remove).await;
        }
    }
}

impl Segmented {
    /// Nothing but these.
    pub(crate) fn new(outputs: Outputs) -> Self {
        Self(RwLock::new(outputs))
    }

    /// Puts others in their place; those that were there.
    pub(crate) fn replace(&self, outputs: Outputs) -> Outputs {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut current, outputs)
    }

    /// Puts another HLS, or none, in the place of the one that was there, which is returned.
    pub(crate) fn replace_hls(&self, hls: Option<Arc<hls::Output>>) -> Option<Arc<hls::Output>> {
        std::mem::replace(&mut self.0.write().unwrap_or_else(PoisonError::into_inner).hls, hls)
    }

    /// The same of DASH.
    pub(crate) fn replace_dash(&self, dash: Option<Arc<dash::Output>>) -> Option<Arc<dash::Output>> {
        std::mem::replace(&mut self.0.write().unwrap_or_else(PoisonError::into_inner).dash, dash)
    }

    /// Those that there are now.
    pub(crate) fn outputs(&self) -> Outputs {
        self.read().clone()
    }

    /// Whether any of them may want the frames of a rung as they are.
    pub(super) fn may_want_entries(&self) -> bool {
        let outputs = self.read();
        let hls = outputs.hls.as_ref().is_some_and(|hls| hls.fixed_feed() != Some(Feed::Chunks));
        hls || outputs.dash.is_some()
    }

    /// Whether HLS wants what the TS carriers make, now that a rung is in this state; none where nothing tells yet.
    pub(super) fn wants_chunks(&self, state: Option<(usize, &Context)>) -> Option<bool> {
        let Some(hls) = self.outputs().hls else { return Some(false) };
        let feed = hls.fixed_feed().or_else(|| state.map(|(rung, context)| hls.feed(rung, context)))?;
        Some(feed == Feed::Chunks)
    }

    /// Takes what the TS carrier of a rung made.
    pub(super) fn push_chunks(&self, rung: usize, chunks: &[Chunk]) {
        if let Some(hls) = self.outputs().hls.filter(|hls| hls.fixed_feed() != Some(Feed::Entries)) {
            hls.push_chunks(rung, chunks);
        }
    }

    /// Takes the frames of a rung.
    pub(super) fn push(&self, rung: usize, entries: &[Entry]) {
        let Outputs { hls, dash } = self.outputs();
        if let Some(hls) = hls.filter(|hls| hls.fixed_feed() != Some(Feed::Chunks)) {
            hls.push_entries(rung, entries);
        }
        if let Some(dash) = dash {
            dash.push(rung, entries);
        }
    }

    /// Takes note that it is `now` on the monotonic clock, where a rung is silent.
    pub(super) fn tick(&self, now: Duration) {
        let Outputs { hls, dash } = self.outputs();
        if let Some(hls) = hls {
            hls.tick(now);
        }
        if let Some(dash) = dash {
            dash.tick(now);
        }
    }

    /// Frames of a rung were missed.
    pub(super) fn mark_skipped(&self, rung: usize) {
        let Outputs { hls, dash } = self.outputs();
        if let Some(hls) = hls {
            hls.mark_skipped(rung);
        }
        if let Some(dash) = dash {
            dash.mark_skipped(rung);
        }
    }

    /// Announces something else of a rung from now on.
    pub(crate) fn set_rung(&self, rung: usize, announced: &packager::Rung) {
        let Outputs { hls, dash } = self.outputs();
        if let Some(hls) = hls {
            hls.set_rung(rung, announced.clone());
        }
        if let Some(dash) = dash {
            dash.set_rung(rung, announced.clone());
        }
    }

    /// What viewers of a rung will miss, as sentences.
    pub(crate) fn warnings(&self, rung: usize) -> Vec<String> {
        let Outputs { hls, dash } = self.outputs();
        let hls = hls.map(|hls| hls.warnings(rung)).unwrap_or_default();
        let dash = dash.map(|dash| dash.warnings(rung)).unwrap_or_default();
        hls.into_iter().chain(dash).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Outputs> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}
