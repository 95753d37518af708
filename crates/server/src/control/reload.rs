//! SIGHUP: the configuration file is read again, and the running program becomes what it says: listeners, and streams one
//! by one, each by what differs alone. What the API changed lies over it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use publisher::{Change, Code, Plan, Service};
use serde_json::Value as Json;

use super::{Changing, Control, Entry, Origin};
use crate::config::{self, Base, Config, Faults};
use crate::listeners::Moved;
use crate::store::Write;

/// What became of the streams, for the summary.
#[derive(Default)]
struct Summary {
    started: usize,
    stopped: usize,
    /// Streams of which something was changed.
    changed: usize,
    unchanged: usize,
    /// Streams whose HLS and DASH began anew, for their ladder is another.
    restarted: usize,
    /// Streams of which rates or sizes of rungs were announced anew.
    announced: usize,
    outputs_started: usize,
    outputs_stopped: usize,
    pushes_started: usize,
    pushes_stopped: usize,
    viewers_ended: usize,
    publishers_ended: usize,
    failed: usize,
}

/// Reads the file again and applies it. One that is wrong changes nothing; the log says what became of it.
pub(crate) async fn reload(control: &Control, file: &Path) {
    let mut changing = control.change().await;
    tracing::info!(file = %file.display(), "reading the configuration again");
    let read = Base::read(Some(file), std::env::vars_os());
    match read.and_then(|base| Ok((read_under(&base, &control.settings().1)?, base))) {
        Ok((new, base)) => {
            changing.base = base;
            control.apply(new, &mut changing).await;
        }
        Err(faults) => tell(&faults),
    }
}

/// The configuration with what the API changed over it; without that where the two do not go together.
///
/// # Errors
/// What is wrong with the file.
pub(crate) fn read_under(base: &Base, changed: &Json) -> Result<Config, Faults> {
    base.under(changed).or_else(|together| {
        let alone = base.under(&Json::Null)?;
        for fault in together.to_string().lines() {
            tracing::error!("{fault}");
        }
        tracing::error!(
            "what the API changed does not go with the configuration file: the file alone counts"
        );
        Ok(alone)
    })
}

impl Control {
    async fn apply(&self, new: Config, changing: &mut Changing) {
        let mut waiting = config::differing_settings(&changing.started, &new);
        waiting.retain(|name| !config::is_taken_over(name));
        if !waiting.is_empty() {
            tracing::warn!(
                "changed, and not taken over before a restart of the program: {}",
                waiting.join(", ")
            );
        }
        changing.access.set(new.api.clone());
        self.service.set_play_auth(new.settings.play_auth.clone());
        let moved = changing.listeners.change(&new.settings.listeners, new.settings.tls.as_ref()).await;
        let (old, wanted) = self.take(&new, changing, waiting.clone());
        let mut summary = Summary::default();
        for code in old.keys().filter(|code| !wanted.contains_key(*code)) {
            if self.service.config(code).is_some() {
                summary.note(code, stop(&self.service, code).await);
            }
        }
        for (code, entry) in wanted {
            // What is not of the file has not changed, unless it was hidden by the file before.
            let concerned = |entry: &Entry| entry.origin != Origin::Api;
            if concerned(&entry) || old.get(&code).is_some_and(|old| concerned(old)) {
                self.suit(&entry, &mut summary).await;
            }
        }
        self.forget(old.into_keys().collect()).await;
        summary.tell(moved, waiting.len());
    }

    /// Takes over what the file says; the streams as they were, and as they are to be.
    fn take(&self, new: &Config, changing: &Changing, waiting: Vec<&'static str>) -> (Entries, Entries) {
        let mut catalog = self.catalog_mut();
        let (old, stopped) = (catalog.streams.clone(), catalog.stopped());
        catalog.put_under(&new.streams, Origin::File, &stopped);
        (catalog.config.settings.listeners, catalog.config.settings.tls) = changing.listeners.applied();
        catalog.config.api = new.api.clone();
        catalog.waiting = waiting;
        (old, catalog.streams.clone())
    }

    async fn suit(&self, entry: &Entry, summary: &mut Summary) {
        let code = &entry.stream.code;
        match entry.stopped {
            false => summary.note(code, self.service.update(entry.stream.clone()).await),
            true if self.service.config(code).is_some() => {
                summary.note(code, stop(&self.service, code).await)
            }
            true => summary.unchanged += 1,
        }
    }

    /// Forgets of streams that are gone that they are not to run.
    async fn forget(&self, before: BTreeSet<Code>) {
        let gone: Vec<Write> = {
            let streams = &self.catalog().streams;
            let gone = before.into_iter().filter(|code| !streams.contains_key(code));
            gone.map(|code| Write::Stopped(code, false)).collect()
        };
        if self.persists()
            && !gone.is_empty()
            && let Err(error) = self.store.commit(gone).await
        {
            tracing::error!("what became of streams could not be written to data_dir: {error:#}");
        }
    }
}

type Entries = std::collections::BTreeMap<Code, Arc<Entry>>;

async fn stop(service: &Arc<Service>, code: &Code) -> Result<Plan, publisher::Error> {
    let plan = service.plan_stop(code)?;
    service.stop(code).await.map(|()| plan)
}

impl Summary {
    /// Counts what was done with a stream.
    fn note(&mut self, code: &Code, done: Result<Plan, publisher::Error>) {
        let plan = match done {
            Ok(plan) => plan,
            Err(error) => {
                self.failed += 1;
                tracing::error!(stream = %code, %error, "the configuration could not be applied to the stream");
                return;
            }
        };
        let count = |is: fn(&Change) -> bool| plan.actions.iter().filter(|action| is(&action.change)).count();
        let started = count(|change| *change == Change::StreamStarts);
        let stopped = count(|change| *change == Change::StreamStops);
        self.started += started;
        self.stopped += stopped;
        match plan.is_empty() {
            true => self.unchanged += 1,
            false => self.changed += 1 - started - stopped,
        }
        self.restarted += count(|change| matches!(change, Change::LadderChanges { .. }));
        self.announced += count(|change| matches!(change, Change::RungAnnounced(_))).min(1);
        self.outputs_started += count(|change| matches!(change, Change::OutputStarts(_)));
        self.outputs_stopped += count(|change| matches!(change, Change::OutputStops(_)));
        self.pushes_started += count(|change| matches!(change, Change::PushStarts(_)));
        self.pushes_stopped += count(|change| matches!(change, Change::PushStops(_)));
        self.viewers_ended += plan.viewers();
        self.publishers_ended += plan.publishers();
    }

    fn tell(self, listeners: Moved, settings_left: usize) {
        let Self {
            started,
            stopped,
            changed,
            unchanged,
            restarted,
            announced,
            outputs_started,
            outputs_stopped,
            pushes_started,
            pushes_stopped,
            viewers_ended,
            publishers_ended,
            failed,
        } = self;
        let Moved { moved, failed: unmoved } = listeners;
        tracing::info!(
            started,
            stopped,
            changed,
            unchanged,
            hls_dash_restarted = restarted,
            announced,
            outputs_started,
            outputs_stopped,
            pushes_started,
            pushes_stopped,
            viewers_ended,
            publishers_ended,
            listeners_moved = moved,
            failed = failed + unmoved.len(),
            settings_left,
            "configuration applied"
        );
    }
}

/// Every fault on a line of its own, as `rillcast check` has them.
fn tell(faults: &Faults) {
    for fault in faults.to_string().lines() {
        tracing::error!("{fault}");
    }
    tracing::error!("the configuration cannot be used: nothing was changed");
}
