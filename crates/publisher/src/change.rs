//! Changes to a stream that runs: it becomes what is wanted by what differs alone, and whoever that does not touch keeps its
//! connection and its bytes.

mod difference;
mod plan;

use std::sync::Arc;

use crate::code::Code;
use crate::config::{Output, Stream};
use crate::error::Error;
use crate::events::What;
use crate::inputs::{self, InputChanges};
use crate::output::segmented::Outputs;
use crate::push::PushChanges;
use crate::service::Service;
use crate::session::{Ended, Role, Session};
use crate::stream::Running;
pub use plan::{Action, Change, Plan};

/// What was done.
pub(crate) struct Changed {
    pub(crate) plan: Plan,
    pub(crate) pushes: PushChanges,
}

/// Whom a change ends.
#[derive(Clone, Copy, Default)]
struct Touched {
    viewers: usize,
    publishers: usize,
}

impl Service {
    /// What [`Service::update`] would do, and to how many; nothing is done.
    ///
    /// # Errors
    /// [`Error::Ladder`] when the ladder cannot be run.
    pub fn plan(&self, stream: &Stream) -> Result<Plan, Error> {
        stream.check_ladder().map_err(|why| Error::Ladder(stream.code.clone(), why))?;
        Ok(match self.running(&stream.code.clone().into()) {
            Some(running) => self.plan_of(&running, stream),
            None => Plan {
                stream: stream.code.clone(),
                actions: vec![Action { change: Change::StreamStarts, viewers: 0, publishers: 0 }],
            },
        })
    }

    /// What [`Service::stop`] would do, and to how many.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub fn plan_stop(&self, code: &Code) -> Result<Plan, Error> {
        let running = self.running(&code.clone().into()).ok_or_else(|| Error::NotRunning(code.clone()))?;
        Ok(self.with_counts(&running, vec![Change::StreamStops]))
    }

    /// Makes a stream what is wanted: one that runs by what differs alone, one that does not by starting it. What was done
    /// is what [`Service::plan`] says at that moment. It goes on to its end when nobody waits for it, and resolves when all that
    /// ends has ended.
    ///
    /// # Errors
    /// [`Error::Ladder`] when the ladder cannot be run: nothing has changed then. [`Error::Directory`] or [`Error::Memory`] when
    /// HLS or DASH cannot be started: all else is as wanted, and the output is off, so that another call tries again.
    /// [`Error::NotRunning`] or [`Error::Stopping`] when it is stopped meanwhile.
    pub async fn update(self: &Arc<Self>, stream: Stream) -> Result<Plan, Error> {
        let plan = self.plan(&stream)?;
        if plan.actions.first().is_some_and(|action| action.change == Change::StreamStarts) {
            return self.start(stream).await.map(|()| plan);
        }
        let code = stream.code.clone();
        self.change(&code, |_| stream).await.map(|changed| changed.plan)
    }

    /// Stops and starts outputs and destinations of a running stream, only those that differ between `old` and `new`; all else
    /// of the stream stays as it is. Viewers of an output that is switched off end with [`Ended::OutputOff`]; all others,
    /// publishers and other destinations notice nothing. As [`Service::update`], it goes on when nobody waits for it.
    ///
    /// # Errors
    /// Those of [`Service::update`] but for the ladder's; [`Error::OtherStream`] when the two are not of one stream.
    pub async fn update_protocols(self: &Arc<Self>, old: &Stream, new: &Stream) -> Result<Plan, Error> {
        if old.code != new.code {
            return Err(Error::OtherStream(old.code.clone(), new.code.clone()));
        }
        let (before, after) = (old.protocols, new.protocols);
        let pushes = (old.pushes != new.pushes).then(|| new.pushes.clone());
        let wanted = move |current: &Stream| {
            let mut wanted = current.clone();
            for output in Output::ALL.into_iter().filter(|&output| before.has(output) != after.has(output)) {
                wanted.protocols.set(output, after.has(output));
            }
            if let Some(pushes) = pushes {
                wanted.pushes = pushes;
            }
            wanted
        };
        self.change(&new.code, wanted).await.map(|changed| changed.plan)
    }

    /// Makes a running stream what `wanted` makes of what it is. It goes on when nobody waits for it.
    pub(crate) async fn change(
        self: &Arc<Self>,
        code: &Code,
        wanted: impl FnOnce(&Stream) -> Stream + Send + 'static,
    ) -> Result<Changed, Error> {
        let running = self.running(&code.clone().into()).ok_or_else(|| Error::NotRunning(code.clone()))?;
        let service = Arc::clone(self);
        let task = self.tasks.spawn(async move { service.change_now(&running, wanted).await });
        match task.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(changed) => changed,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(Err(_)) => Err(Error::NotRunning(code.clone())),
        }
    }

    async fn change_now(
        self: &Arc<Self>,
        running: &Arc<Running>,
        wanted: impl FnOnce(&Stream) -> Stream,
    ) -> Result<Changed, Error> {
        let code = &running.code;
        let _nobody_else = running.changing.lock().await;
        if running.cancel.is_cancelled() {
            return Err(Error::NotRunning(code.clone()));
        }
        let old = running.config();
        let new = wanted(&old);
        new.check_ladder().map_err(|why| Error::Ladder(code.clone(), why))?;
        let plan = self.plan_of(running, &new);
        let is_other_ladder = difference::is_other_ladder(&old, &new);
        let ladder = is_other_ladder.then(|| self.new_rungs(running, &new)).transpose()?;
        // From here on nobody is let in who is not wanted; what is made of rungs comes with them.
        let mut config = new.clone();
        config.renditions.clone_from(&old.renditions);
        config.protocols.hls = old.protocols.hls;
        config.protocols.dash = old.protocols.dash;
        running.set_shape(config, running.rungs());
        self.end_viewers(running, &old, &new);
        let InputChanges { fresh, gone } = inputs::changes(&old.inputs, &new.inputs);
        if difference::publishes(&old.inputs) && !difference::publishes(&new.inputs) {
            self.of_stream(running).iter().filter(|session| is_published(running, session)).for_each(
                |session| {
                    session.cancel(Ended::InputRemoved);
                },
            );
        }
        for source in &gone {
            self.end_input(running, source).await;
        }
        let segmented = match ladder {
            Some(ladder) => self.restart_segmented(running, new.clone(), ladder).await,
            None => self.switch_segmented(running, new.clone()).await,
        };
        for (rung, announced) in difference::announcements(&old, &new)
            .iter()
            .filter_map(|announced| Some((running.find_rung(&announced.slug)?, announced)))
        {
            self.announce(running, &rung, announced);
        }
        for (rung, rendition) in running.rungs().iter().zip(new.rungs()) {
            rung.set_config(&rendition);
        }
        fresh.iter().for_each(|source| self.start_input(running, source));
        let pushes = self.change_pushes(running, &new.pushes).await;
        self.tell_changed(&plan);
        for action in &plan.actions {
            let Action { change, viewers, publishers } = action;
            tracing::info!(stream = %code, viewers, publishers, "{change}");
        }
        segmented.map(|()| Changed { plan, pushes })
    }

    /// Tells whoever listens of a change that was made.
    pub(crate) fn tell_changed(&self, plan: &Plan) {
        if !plan.is_empty() {
            self.events.tell(Some(&plan.stream), || What::ConfigChanged(plan.clone()));
        }
    }

    /// Ends the viewers of outputs that are switched off. Whoever is let in at the same moment looks at the switch again
    /// once its session is open, and so is seen here or sees it there.
    fn end_viewers(&self, running: &Running, old: &Stream, new: &Stream) {
        let off = |output: &Output| old.protocols.has(*output) && !new.protocols.has(*output);
        let off: Vec<Output> = Output::ALL.into_iter().filter(off).collect();
        for session in self.of_stream(running) {
            if off.iter().any(|output| output.serves(&session)) {
                session.cancel(Ended::OutputOff);
            }
        }
    }

    /// Switches HLS and DASH on and off, each without the other.
    async fn switch_segmented(&self, running: &Running, new: Stream) -> Result<(), Error> {
        let current = running.segmented.outputs();
        let (hls, dash) = (new.protocols.hls, new.protocols.dash);
        let mut gone = Outputs::default();
        if current.hls.is_some() && !hls {
            gone.hls = running.segmented.replace_hls(None);
        }
        if current.dash.is_some() && !dash {
            gone.dash = running.segmented.replace_dash(None);
        }
        // What is off reads nothing any more, before it ends.
        running.suit();
        gone.stop(true).await;
        let mut switched = Ok(());
        if current.hls.is_none() && hls {
            match self.hls_output(&new) {
                Ok(output) => drop(running.segmented.replace_hls(Some(output))),
                Err(error) => switched = Err(error),
            }
        }
        if current.dash.is_none() && dash {
            match self.dash_output(&new) {
                Ok(output) => drop(running.segmented.replace_dash(Some(output))),
                Err(error) => switched = Err(error),
            }
        }
        running.set_applied(new);
        running.suit();
        switched
    }

    pub(crate) fn plan_of(&self, running: &Running, new: &Stream) -> Plan {
        self.with_counts(running, difference::changes(&running.config(), new))
    }

    /// The changes with whom they end. Who is ended by several is counted with the first.
    pub(crate) fn with_counts(&self, running: &Running, changes: Vec<Change>) -> Plan {
        let mut left = self.of_stream(running);
        let actions = changes.into_iter().map(|change| {
            let mut touched = Touched::default();
            left.retain(|session| {
                let is_touched = touches(running, &change, session);
                match session.role {
                    Role::Viewer => touched.viewers += usize::from(is_touched),
                    Role::Publisher => touched.publishers += usize::from(is_touched),
                }
                !is_touched
            });
            Action { change, viewers: touched.viewers, publishers: touched.publishers }
        });
        Plan { stream: running.code.clone(), actions: actions.collect() }
    }

    fn of_stream(&self, running: &Running) -> Vec<Arc<Session>> {
        self.sessions.list().into_iter().filter(|session| session.stream == running.code).collect()
    }
}

/// Whether the session is that of an encoder that came by itself.
fn is_published(running: &Running, session: &Session) -> bool {
    session.role == Role::Publisher && running.inputs.source_of(session).is_none()
}

/// Whether a change ends the session.
fn touches(running: &Running, change: &Change, session: &Session) -> bool {
    match change {
        Change::StreamStops => true,
        Change::OutputStops(output) => output.serves(session),
        Change::InputStops(input) => match running.inputs.source_of(session) {
            Some(source) => inputs::shown(&source) == *input,
            None => {
                is_published(running, session) && *input == inputs::shown(&crate::config::Source::Publish)
            }
        },
        Change::LadderChanges { removed, .. } => {
            let is_segmented = Output::Hls.serves(session) || Output::Dash.serves(session);
            is_segmented || session.rendition.as_ref().is_some_and(|name| removed.contains(name))
        }
        _ => false,
    }
}
