//! The destinations of a stream, and the service's functions about them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::worker::Worker;
use super::{Push, RuntimeStatus};
use crate::code::Code;
use crate::config::{self, Stream};
use crate::error::Error;
use crate::service::Service;
use crate::stream::Running;

/// The destinations of one running stream.
#[derive(Default)]
pub(crate) struct Pushes(Mutex<Vec<Arc<Push>>>);

/// What became of the destinations of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushChanges {
    /// New ones, and those that replaced others.
    pub started: usize,
    /// Those that are wanted no more, or not like that.
    pub stopped: usize,
    /// Those that went on without noticing.
    pub kept: usize,
}

impl Pushes {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Push>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes them what is wanted: what is new, and is to be begun, and what is to end.
    fn replace(
        &self,
        wanted: &[config::Push],
        make: impl Fn(&config::Push) -> Push,
    ) -> (Vec<Arc<Push>>, Vec<Arc<Push>>, usize) {
        let mut current = self.lock();
        let mut old = std::mem::take(&mut *current);
        let mut fresh = Vec::new();
        for config in wanted.iter().filter(|config| config.enabled) {
            // Each is taken once: two that are alike are two.
            if let Some(place) = old.iter().position(|push| push.is_for(config)) {
                let kept = old.remove(place);
                kept.state().comment.clone_from(&config.comment);
                current.push(kept);
            } else {
                let push = Arc::new(make(config));
                fresh.push(Arc::clone(&push));
                current.push(push);
            }
        }
        let kept = current.len() - fresh.len();
        (fresh, old, kept)
    }
}

impl Service {
    /// Begins what a stream pushes from now on and ends what it pushes no more: only what differs between the destinations
    /// that run and those of `stream` is touched. All else of `stream` is left out of account. Resolves when those that end
    /// have told their peers.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn update_pushes(self: &Arc<Self>, stream: &Stream) -> Result<PushChanges, Error> {
        let pushes = stream.pushes.clone();
        let changed = self.change(&stream.code, |current| Stream { pushes, ..current.clone() }).await?;
        Ok(changed.pushes)
    }

    /// Makes the destinations of a running stream those; resolves when those that end have told their peers.
    pub(crate) async fn change_pushes(
        self: &Arc<Self>,
        running: &Arc<Running>,
        wanted: &[config::Push],
    ) -> PushChanges {
        let (changes, gone) = self.replace_pushes(running, wanted);
        for push in gone {
            push.ended().await;
        }
        changes
    }

    /// Begins the destinations of a stream that starts.
    pub(crate) fn start_pushes(self: &Arc<Self>, running: &Arc<Running>) {
        self.replace_pushes(running, &running.config().pushes);
    }

    fn replace_pushes(
        self: &Arc<Self>,
        running: &Arc<Running>,
        wanted: &[config::Push],
    ) -> (PushChanges, Vec<Arc<Push>>) {
        let (fresh, gone, kept) = running.pushes.replace(wanted, |config| {
            // The end of the stream is the end of the push, which then still has a word for its peer.
            let (events, cancel) = (self.events.clone(), running.cancel.child_token());
            Push::new(self.next_push(), running.code.clone(), config.clone(), events, cancel)
        });
        gone.iter().for_each(|push| push.cancel.cancel());
        let changes = PushChanges { started: fresh.len(), stopped: gone.len(), kept };
        for push in fresh {
            let (service, tasks) = (Arc::clone(self), running.tasks.clone());
            let worker = Worker { service, running: Arc::clone(running), push: Arc::clone(&push) };
            push.tasks.spawn(tasks.track_future(worker.run()));
        }
        (changes, gone)
    }

    /// All destinations of a stream, sorted by URL, as they are now: a copy. None when there is none, or the stream does
    /// not run.
    pub fn runtime_status(&self, code: &Code) -> Option<RuntimeStatus> {
        let running = self.running(&code.clone().into())?;
        let pushes: Vec<Arc<Push>> = running.pushes.lock().clone();
        let (now, wall) = (self.clock.elapsed(), SystemTime::now());
        let mut pushes: Vec<_> = pushes.iter().map(|push| push.snapshot(now, wall)).collect();
        pushes.sort_by(|a, b| (&a.url, a.id).cmp(&(&b.url, b.id)));
        (!pushes.is_empty()).then_some(RuntimeStatus { pushes })
    }
}
