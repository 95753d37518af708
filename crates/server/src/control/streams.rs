//! Changes of one stream.

use std::sync::Arc;

use publisher::{Action, Change, Code, Plan};
use serde_json::Value as Json;

use super::{Changing, Control, Done, Entry, Origin, Refused, Terms};
use crate::config::{self, merge};
use crate::store::Write;

/// What a stream is to be.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// This, whatever it was.
    Document(Json),
    /// What this merge patch (RFC 7396) makes of it.
    Patch(Json),
    /// Nothing any more.
    Gone,
}

/// What a stream is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Run, from now on.
    Start,
    /// Not run, until it is started; also after the program was started anew.
    Stop,
    /// Begin anew, with everybody gone.
    Restart,
}

impl Control {
    /// Makes a stream what is wanted, and keeps that.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(crate) async fn change_stream(
        &self,
        code: &Code,
        wanted: Wanted,
        terms: &Terms,
    ) -> Result<Done, Refused> {
        let changing = self.change().await;
        let old = self.entry(code);
        if !terms.hold(old.as_ref().map(|entry| self.tag(entry)).as_deref()) {
            return Err(Refused::Mismatch);
        }
        if let Some(old) = old.as_ref().filter(|old| matches!(old.origin, Origin::File | Origin::Program)) {
            return Err(Refused::ReadOnly(code.clone(), old.origin));
        }
        match (wanted, old) {
            (Wanted::Document(document), old) => self.put(&changing, code, document, old, terms).await,
            (Wanted::Patch(patch), Some(old)) => {
                config::check_stream_patch(code.clone(), &patch).map_err(Refused::Faults)?;
                let mut document = match old.origin {
                    Origin::Api => old.document.clone(),
                    _ => Json::Object(serde_json::Map::new()),
                };
                merge::apply(&mut document, &patch);
                self.put(&changing, code, document, Some(old), terms).await
            }
            (Wanted::Gone, Some(old)) => self.remove(&changing, code, &old, terms).await,
            (Wanted::Patch(_) | Wanted::Gone, None) => Err(Refused::NotFound(code.clone())),
        }
    }

    async fn put(
        &self,
        _one_at_a_time: &Changing,
        code: &Code,
        mut document: Json,
        old: Option<Arc<Entry>>,
        terms: &Terms,
    ) -> Result<Done, Refused> {
        config::restore_stream(&mut document, old.as_ref().map(|old| &old.stream))
            .map_err(Refused::Faults)?;
        let stream = config::read_stream(code.clone(), &document).map_err(Refused::Faults)?;
        let stopped = old.as_ref().is_some_and(|old| old.stopped);
        let plan =
            if stopped { idle(code) } else { self.service.plan(&stream).map_err(|error| refused(&error))? };
        let entry =
            Entry { origin: Origin::Api, stream: stream.clone(), document: document.clone(), stopped };
        let mut done = Done { created: old.is_none(), actions: plan.actions, ..Done::default() };
        if terms.dry_run {
            return Ok(done);
        }
        done.tag = Some(self.tag(&entry));
        self.keep(vec![Write::Stream(code.clone(), Some(document))]).await?;
        self.catalog_mut().streams.insert(code.clone(), Arc::new(entry));
        tracing::info!(stream = %code, kept = self.persists(), "{} through the API", if done.created { "made" } else { "changed" });
        if !stopped {
            done.actions = self.service.update(stream).await.map_err(|error| failed(&error))?.actions;
        }
        Ok(done)
    }

    async fn remove(
        &self,
        _one_at_a_time: &Changing,
        code: &Code,
        old: &Entry,
        terms: &Terms,
    ) -> Result<Done, Refused> {
        let plan = self.service.plan_stop(code).unwrap_or_else(|_| idle(code));
        let done = Done { actions: plan.actions, ..Done::default() };
        if terms.dry_run {
            return Ok(done);
        }
        if old.origin == Origin::Api {
            self.keep(vec![Write::Stream(code.clone(), None), Write::Stopped(code.clone(), false)]).await?;
            self.catalog_mut().streams.remove(code);
            tracing::info!(stream = %code, "removed through the API");
        }
        self.end(code).await?;
        Ok(done)
    }

    /// Starts, stops or restarts a stream, whoever configured it, and keeps whether it is to run.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(crate) async fn order(&self, code: &Code, order: Order, terms: &Terms) -> Result<Done, Refused> {
        let _one_at_a_time = self.change().await;
        let old = self.entry(code).ok_or_else(|| Refused::NotFound(code.clone()))?;
        if !terms.hold(Some(&self.tag(&old))) {
            return Err(Refused::Mismatch);
        }
        let (stops, starts) = (order != Order::Start, order != Order::Stop);
        let mut plan = self.service.plan_stop(code).ok().filter(|_| stops).unwrap_or_else(|| idle(code));
        let runs = self.service.config(code).is_some();
        if starts && (stops || !runs) {
            plan.actions.push(Action { change: Change::StreamStarts, viewers: 0, publishers: 0 });
        }
        let mut done = Done { actions: plan.actions, ..Done::default() };
        if terms.dry_run {
            return Ok(done);
        }
        let entry = Entry { stopped: !starts, ..Entry::clone(&old) };
        // One that a publisher made is not configured: it ends, and comes with the next publisher.
        if old.origin != Origin::Publisher {
            if entry.stopped != old.stopped {
                self.keep(vec![Write::Stopped(code.clone(), entry.stopped)]).await?;
                self.catalog_mut().streams.insert(code.clone(), Arc::new(entry.clone()));
            }
            done.tag = Some(self.tag(&entry));
        }
        if stops {
            self.end(code).await?;
        }
        if starts && (stops || !runs) {
            self.service.start(old.stream.clone()).await.map_err(|error| failed(&error))?;
        }
        Ok(done)
    }

    /// Ends a stream, where it runs.
    async fn end(&self, code: &Code) -> Result<(), Refused> {
        match self.service.stop(code).await {
            Ok(()) | Err(publisher::Error::NotRunning(_)) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Writes a change before it is made.
    pub(super) async fn keep(&self, writes: Vec<Write>) -> Result<(), Refused> {
        if !self.persists() {
            tracing::warn!("changes through the API are kept in memory only: data_dir is not set");
        }
        self.store.commit(writes).await.map_err(|error| {
            tracing::error!("a change could not be written to data_dir: {error:#}");
            Refused::Failed(
                "the change could not be written to data_dir, and nothing was changed; the log says why"
                    .to_owned(),
            )
        })
    }
}

/// Nothing is done.
fn idle(code: &Code) -> Plan {
    Plan { stream: code.clone(), actions: Vec::new() }
}

/// What keeps a change from being made at all.
fn refused(error: &publisher::Error) -> Refused {
    Refused::Conflict(error.to_string())
}

/// What went wrong with a change that was kept.
fn failed(error: &publisher::Error) -> Refused {
    match error {
        publisher::Error::Stopping(_) | publisher::Error::NotRunning(_) | publisher::Error::Running(_) => {
            refused(error)
        }
        error => Refused::Failed(format!("the change was kept, and could not be made as a whole: {error}")),
    }
}
