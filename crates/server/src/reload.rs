//! SIGHUP: the configuration file is read again, and the running program becomes what it says: listeners, and streams one
//! by one, each by what differs alone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use publisher::{Change, Code, Plan, Service};

use crate::auth::Access;
use crate::config::{self, Config, Faults};
use crate::listeners::{Listeners, Moved};

/// The file, and what of it was applied.
pub(crate) struct Reload {
    file: PathBuf,
    /// As the program was started: what of it is never taken over later is compared with this.
    started: Config,
    /// The streams that the file had last; how they are now the service knows.
    codes: BTreeSet<Code>,
    listeners: Listeners,
    access: Arc<Access>,
}

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

impl Reload {
    /// Begins with the configuration of the start, which came from this file.
    pub(crate) fn new(file: PathBuf, started: Config, listeners: Listeners, access: Arc<Access>) -> Self {
        let codes = started.streams.iter().map(|stream| stream.code.clone()).collect();
        Self { file, started, codes, listeners, access }
    }

    /// Reads the file again and applies it. One that is wrong changes nothing; the log says what became of it.
    pub(crate) async fn run(&mut self, service: &Arc<Service>) {
        tracing::info!(file = %self.file.display(), "reading the configuration again");
        match config::load(Some(&self.file), std::env::vars_os()) {
            Ok(new) => self.apply(new, service).await,
            Err(faults) => tell(&faults),
        }
    }

    async fn apply(&mut self, new: Config, service: &Arc<Service>) {
        let mut left = config::differing_settings(&self.started, &new);
        left.retain(|name| !config::is_taken_over(name));
        if !left.is_empty() {
            tracing::warn!(
                "changed, and not taken over before a restart of the program: {}",
                left.join(", ")
            );
        }
        self.access.set(new.api);
        let listeners = self.listeners.change(&new.settings.listeners, new.settings.tls.as_ref()).await;
        let mut summary = Summary::default();
        let wanted: BTreeSet<Code> = new.streams.iter().map(|stream| stream.code.clone()).collect();
        for code in self.codes.difference(&wanted) {
            summary.note(code, stop(service, code).await);
        }
        for stream in new.streams {
            let code = stream.code.clone();
            summary.note(&code, service.update(stream).await);
        }
        self.codes = wanted;
        summary.tell(listeners, left.len());
    }
}

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
            failed = failed + unmoved,
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
