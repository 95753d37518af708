//! The sources of our own that feed a running stream: files, datagrams and calls. Each has a task, and is begun and ended without the others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use media::timeline::SourceClock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Input, Source};
use crate::ingest::{file, srt, udp};
use crate::service::{Publication, Service};
use crate::session::{Ended, Opening, Session};
use crate::stream::Running;

/// Those of one running stream.
#[derive(Default)]
pub(crate) struct Inputs(Mutex<Vec<Arc<Feeder>>>);

/// One source of our own, as its task and whoever ends it know it.
pub(crate) struct Feeder {
    source: Source,
    /// Ends the task, with the stream at the latest.
    pub(crate) cancel: CancellationToken,
    tasks: TaskTracker,
    /// What it feeds the stream by now.
    session: Mutex<Option<Arc<Session>>>,
}

/// What is begun, and what ended, to make inputs others.
pub(crate) struct InputChanges<T> {
    pub(crate) fresh: Vec<T>,
    pub(crate) gone: Vec<T>,
}

/// What differs between two lists of sources of our own; two that are alike are two. Publishers come by themselves.
pub(crate) fn changes(old: &[Input], new: &[Input]) -> InputChanges<Source> {
    let reads = |input: &&Input| input.source != Source::Publish;
    let mut gone: Vec<Source> = old.iter().filter(reads).map(|input| input.source.clone()).collect();
    let mut fresh = Vec::new();
    for input in new.iter().filter(reads) {
        match gone.iter().position(|source| *source == input.source) {
            Some(place) => drop(gone.remove(place)),
            None => fresh.push(input.source.clone()),
        }
    }
    InputChanges { fresh, gone }
}

/// A source as people write it.
pub(crate) fn shown(source: &Source) -> String {
    match source {
        Source::Publish => "publish://".to_owned(),
        Source::File { path, .. } => format!("file://{}", path.display()),
        Source::Clip { .. } => "bundled clip".to_owned(),
        Source::Datagrams(datagrams) => datagrams.url.clone(),
        Source::Srt(call) => call.to_string(),
    }
}

impl Inputs {
    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Feeder>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the session reads, if it is that of one of these.
    pub(crate) fn source_of(&self, session: &Session) -> Option<Source> {
        let feeders = self.lock();
        let is_its =
            |feeder: &&Arc<Feeder>| feeder.session().as_ref().is_some_and(|its| its.id == session.id);
        feeders.iter().find(is_its).map(|feeder| feeder.source.clone())
    }

    /// Takes one that reads this out of the list.
    fn take(&self, source: &Source) -> Option<Arc<Feeder>> {
        let mut feeders = self.lock();
        let place = feeders.iter().position(|feeder| feeder.source == *source)?;
        Some(feeders.remove(place))
    }
}

impl Feeder {
    /// Lets it feed the stream from now on, which has one rung then.
    pub(crate) fn seize(
        &self,
        service: &Service,
        running: &Arc<Running>,
        opening: Opening,
        clock: SourceClock,
    ) -> Publication {
        let publication = service.seize(running, opening, clock);
        *self.session() = Some(Arc::clone(publication.session.session()));
        // Whoever ended it meanwhile has not seen this session.
        if self.cancel.is_cancelled() && !running.cancel.is_cancelled() {
            publication.session.cancel(Ended::InputRemoved);
        }
        publication
    }

    fn session(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it, and resolves when its task has ended.
    async fn end(&self) {
        self.cancel.cancel();
        if let Some(session) = self.session().as_ref() {
            session.cancel(Ended::InputRemoved);
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Service {
    /// Begins to read a source of our own.
    pub(crate) fn start_input(self: &Arc<Self>, running: &Arc<Running>, source: &Source) {
        let feeder = Arc::new(Feeder {
            source: source.clone(),
            cancel: running.cancel.child_token(),
            tasks: TaskTracker::new(),
            session: Mutex::default(),
        });
        let (service, of_stream) = (Arc::clone(self), Arc::clone(running));
        let file = |source| file::run(service.clone(), of_stream.clone(), Arc::clone(&feeder), source);
        match source {
            Source::Publish => return,
            Source::File { path, looped, program } => {
                let task = file(file::Source::path(path.clone(), *looped, *program));
                feeder.tasks.spawn(running.tasks.track_future(task));
            }
            Source::Clip { flv } => {
                feeder.tasks.spawn(running.tasks.track_future(file(file::Source::clip(flv))));
            }
            Source::Datagrams(input) => {
                let task = udp::run(service, of_stream, Arc::clone(&feeder), input.clone());
                feeder.tasks.spawn(running.tasks.track_future(task));
            }
            Source::Srt(call) => {
                let task = srt::call::run(service, of_stream, Arc::clone(&feeder), call.clone());
                feeder.tasks.spawn(running.tasks.track_future(task));
            }
        }
        running.inputs.lock().push(feeder);
    }

    /// Ends a source of our own that is no input any more, and resolves when its task has ended.
    pub(crate) async fn end_input(&self, running: &Running, source: &Source) {
        if let Some(feeder) = running.inputs.take(source) {
            feeder.end().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_our_own_that_differ_are_begun_and_ended() {
        let file = |name: &str| Source::File { path: name.into(), looped: true, program: None };
        let inputs = |sources: &[Source]| -> Vec<Input> {
            let numbered = sources.iter().cloned().zip(0..);
            numbered.map(|(source, priority)| Input { source, priority }).collect()
        };
        let old = inputs(&[Source::Publish, file("a"), file("a"), file("b")]);
        let new = inputs(&[file("c"), file("b"), file("a")]);
        let InputChanges { fresh, gone } = changes(&old, &new);
        assert_eq!((fresh, gone), (vec![file("c")], vec![file("a")]));
        let InputChanges { fresh, gone } = changes(&new, &inputs(&[file("a"), file("b"), file("c")]));
        assert!(fresh.is_empty() && gone.is_empty(), "another order is no other source");
    }
}
