//! Changes to the segmented outputs of a stream that runs: whatever else it has goes on untouched.

use std::sync::Arc;

use crate::change::Change;
use crate::code::Code;
use crate::config::{AbrRepMeta, Stream};
use crate::error::Error;
use crate::output::segmented::Outputs;
use crate::rung::Rung;
use crate::service::{Service, kept};
use crate::session::{Ended, Protocol};
use crate::stream::Running;

/// The rungs of a new ladder, and those of the old one that are not in it.
pub(crate) type NewRungs = (Vec<Arc<Rung>>, Vec<Arc<Rung>>);

impl Service {
    /// Ends HLS and DASH of a running stream and starts them anew with the ladder of `stream` and its switches for the
    /// two. Rungs that are in the old ladder and in the new one go on with their publishers and viewers; those that are
    /// in the old one alone end. All else of `stream` is left as it was.
    ///
    /// # Errors
    /// [`Error::NotRunning`]; [`Error::Ladder`] when the ladder cannot be run: nothing has changed then.
    /// [`Error::Directory`] or [`Error::Memory`] when the new outputs cannot be started: the stream has none then.
    pub async fn restart_hls_dash(&self, stream: &Stream) -> Result<(), Error> {
        let code = &stream.code;
        let running = self.running(&code.clone().into()).ok_or_else(|| Error::NotRunning(code.clone()))?;
        let _nobody_else = running.changing.lock().await;
        let mut config = Stream::clone(&running.config());
        config.renditions = stream.renditions.clone();
        config.protocols.hls = stream.protocols.hls;
        config.protocols.dash = stream.protocols.dash;
        config.check_ladder().map_err(|why| Error::Ladder(code.clone(), why))?;
        if running.cancel.is_cancelled() {
            return Err(Error::NotRunning(code.clone()));
        }
        let ladder = self.new_rungs(&running, &config)?;
        let plan = self.plan_of(&running, &config);
        let restarted = self.restart_segmented(&running, config, ladder).await;
        self.tell_changed(&plan);
        restarted
    }

    /// Puts HLS and DASH of this configuration, with these rungs, in the place of those that run.
    pub(crate) async fn restart_segmented(
        &self,
        running: &Arc<Running>,
        config: Stream,
        (rungs, gone): NewRungs,
    ) -> Result<(), Error> {
        let _players_wait = running.restarting.lock().await;
        for session in self.sessions.list() {
            let is_segmented = matches!(session.protocol, Protocol::Hls | Protocol::Dash);
            if is_segmented && session.stream == running.code {
                session.cancel(Ended::OutputRestarted);
            }
        }
        running.segmented.replace(Outputs::default()).stop(true).await;
        running.set_shape(config.clone(), rungs.clone().into());
        for rung in &gone {
            self.end_rung(running, rung).await;
        }
        for (place, (rung, rendition)) in rungs.iter().zip(config.rungs()).enumerate() {
            rung.cutting.set_place(Some(place));
            rung.set_config(&rendition);
        }
        let outputs = self.segmented_outputs(&config);
        let outputs = outputs.map(|outputs| drop(running.segmented.replace(outputs)));
        running.set_applied(config);
        running.suit();
        if outputs.is_ok() {
            tracing::info!(stream = %running.code, renditions = rungs.len(), "HLS and DASH restarted");
        }
        outputs
    }

    /// The rungs of the new ladder, and those of the old one that are not in it.
    pub(crate) fn new_rungs(&self, running: &Arc<Running>, config: &Stream) -> Result<NewRungs, Error> {
        let old = running.rungs();
        let mut rungs = Vec::new();
        for (place, rendition) in config.rungs().into_iter().enumerate() {
            if let Some(known) = old.iter().find(|rung| rung.name == rendition.name) {
                rungs.push(Arc::clone(known));
                continue;
            }
            let hub = old[0].hub.add_rung(kept()).ok_or_else(|| {
                let why = format!(
                    "it has had {} renditions since it started, and can have no more; restart the stream",
                    hub::MAX_RUNGS
                );
                Error::Ladder(config.code.clone(), why)
            })?;
            rungs.push(self.build_rung(config, rendition, place, hub, &running.segmented, &running.cancel));
        }
        let stays = |rung: &Arc<Rung>| rungs.iter().any(|kept| Arc::ptr_eq(kept, rung));
        let gone = old.iter().filter(|rung| !stays(rung)).cloned().collect();
        Ok((rungs, gone))
    }

    /// A rung is in the ladder no more: its publisher and its viewers go.
    async fn end_rung(&self, running: &Running, rung: &Rung) {
        rung.cutting.set_place(None);
        rung.end_source(Ended::RenditionRemoved);
        for session in self.sessions.list() {
            let is_its = session.stream == running.code && session.rendition.as_deref() == Some(&rung.name);
            if is_its {
                session.cancel(Ended::RenditionRemoved);
            }
        }
        rung.hub.close();
        rung.stopped().await;
    }

    /// Announces other bit rates and sizes of rungs, whose ladder stays as it is. The multivariant playlist says so at
    /// once and from then on, the MPD the bit rate, the status both; no segment and no viewer is touched. Rungs that the
    /// stream does not have are passed over, with a line in the log. Whether a rung has sound, what comes tells.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn update_abr_master_meta(&self, code: &Code, updates: &[AbrRepMeta]) -> Result<(), Error> {
        let running = self.running(&code.clone().into()).ok_or_else(|| Error::NotRunning(code.clone()))?;
        let mut changes = Vec::new();
        for update in updates {
            match running.find_rung(&update.slug) {
                Some(rung) => {
                    self.announce(&running, &rung, update);
                    changes.push(Change::RungAnnounced(update.clone()));
                }
                None => {
                    tracing::warn!(stream = %code, rendition = update.slug, "there is no such rendition to announce anew");
                }
            }
        }
        self.tell_changed(&self.with_counts(&running, changes));
        Ok(())
    }

    /// Announces a rung anew.
    pub(crate) fn announce(&self, running: &Running, rung: &Rung, update: &AbrRepMeta) {
        let size = (update.width > 0 && update.height > 0).then_some((update.width, update.height));
        let announced = packager::Rung { name: update.slug.clone(), bandwidth: update.bandwidth, size };
        if let Some(place) = rung.cutting.place() {
            running.segmented.set_rung(place, &announced);
        }
        rung.note_announced(&announced);
        tracing::info!(stream = %running.code, rendition = update.slug, bandwidth = update.bandwidth, "announced anew");
    }
}
