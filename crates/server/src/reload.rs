//! SIGHUP: the configuration file is read again, and the running streams become what it says, as far as they can
//! without anybody else noticing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use publisher::config::Stream;
use publisher::{Code, Error, Service};

use crate::config::{self, Change, Config, Faults};

/// The file, and what of it was applied.
pub(crate) struct Reload {
    file: PathBuf,
    /// As the program was started. Nothing of it but its streams is ever taken over later.
    started: Config,
    /// The streams as they run. What could not be applied is not in here, and so is tried or told again.
    streams: BTreeMap<Code, Applied>,
}

/// A stream as it runs.
struct Applied {
    stream: Stream,
    /// HLS and DASH could not be started: they are to be, even if nothing else has changed.
    lacks_outputs: bool,
}

impl Applied {
    fn new(stream: Stream) -> Self {
        Self { stream, lacks_outputs: false }
    }
}

/// What became of the streams, for the summary.
#[derive(Default)]
struct Summary {
    started: usize,
    stopped: usize,
    restarted: usize,
    announced: usize,
    /// Destinations that were begun, or ended.
    pushes_started: usize,
    pushes_stopped: usize,
    unchanged: usize,
    /// Not changed, for that needs a restart of the program.
    left: usize,
    failed: usize,
}

impl Reload {
    /// Begins with the configuration of the start, which came from this file.
    pub(crate) fn new(file: PathBuf, started: Config) -> Self {
        let streams = started.streams.iter().cloned();
        let streams = streams.map(|stream| (stream.code.clone(), Applied::new(stream))).collect();
        Self { file, started, streams }
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
        let settings = config::differing_settings(&self.started, &new);
        if !settings.is_empty() {
            tracing::warn!(
                "changed, and not taken over before a restart of the program: {}",
                settings.join(", ")
            );
        }
        let mut summary = Summary::default();
        let is_wanted = |code: &Code| new.streams.iter().any(|stream| stream.code == *code);
        let gone: Vec<Code> = self.streams.keys().filter(|code| !is_wanted(code)).cloned().collect();
        for code in gone {
            self.stop(&code, service, &mut summary).await;
        }
        for stream in new.streams {
            self.change(stream, service, &mut summary).await;
        }
        let Summary {
            started,
            stopped,
            restarted,
            announced,
            pushes_started,
            pushes_stopped,
            unchanged,
            left,
            failed,
        } = summary;
        tracing::info!(
            started,
            stopped,
            hls_dash_restarted = restarted,
            announced,
            pushes_started,
            pushes_stopped,
            unchanged,
            left_as_they_were = left,
            failed,
            settings_left = settings.len(),
            "configuration applied to the streams"
        );
    }

    async fn stop(&mut self, code: &Code, service: &Arc<Service>, summary: &mut Summary) {
        match service.stop(code).await {
            Ok(()) => summary.stopped += 1,
            Err(error) => summary.fail(code, &error),
        }
        self.streams.remove(code);
    }

    async fn change(&mut self, new: Stream, service: &Arc<Service>, summary: &mut Summary) {
        let code = new.code.clone();
        let Some(applied) = self.streams.get_mut(&code) else {
            match service.start(new.clone()).await {
                Ok(()) => {
                    summary.started += 1;
                    self.streams.insert(code, Applied::new(new));
                }
                Err(error) => summary.fail(&code, &error),
            }
            return;
        };
        let change = config::stream_change(&applied.stream, &new);
        // Where the stream is left as it was, so is what it pushes.
        let pushes = if matches!(change, Change::Unfit(_)) { None } else { Some(new.clone()) };
        match change {
            Change::Unfit(keys) => {
                summary.left += 1;
                let keys = keys.join(", ");
                tracing::warn!(
                    stream = %code,
                    "left as it was: {keys} changed, which needs a restart of the program"
                );
            }
            Change::Restart => applied.restart(new, service, summary).await,
            _ if applied.lacks_outputs => applied.restart(new, service, summary).await,
            Change::None => {
                summary.unchanged += 1;
                applied.stream = new;
            }
            Change::Announce(rungs) => match service.update_abr_master_meta(&code, &rungs) {
                Ok(()) => {
                    summary.announced += 1;
                    applied.stream = new;
                }
                Err(error) => summary.fail(&code, &error),
            },
        }
        if let Some(new) = pushes {
            applied.push(new, service, summary).await;
        }
    }
}

impl Applied {
    /// Last, for a destination may be for a rung that was not there before.
    async fn push(&mut self, new: Stream, service: &Arc<Service>, summary: &mut Summary) {
        match service.update_pushes(&new).await {
            Ok(changes) => {
                summary.pushes_started += changes.started;
                summary.pushes_stopped += changes.stopped;
                self.stream.pushes = new.pushes;
            }
            Err(error) => summary.fail(&new.code, &error),
        }
    }

    async fn restart(&mut self, new: Stream, service: &Arc<Service>, summary: &mut Summary) {
        match service.restart_hls_dash(&new).await {
            Ok(()) => {
                summary.restarted += 1;
                *self = Self::new(new);
            }
            Err(error) => {
                summary.fail(&new.code, &error);
                // The ladder is the new one then, without outputs.
                if matches!(error, Error::Directory { .. } | Error::Memory(_)) {
                    *self = Self { stream: new, lacks_outputs: true };
                }
            }
        }
    }
}

impl Summary {
    fn fail(&mut self, code: &Code, error: &Error) {
        self.failed += 1;
        tracing::error!(stream = %code, %error, "the configuration could not be applied to the stream");
    }
}

/// Every fault on a line of its own, as `rillcast check` has them.
fn tell(faults: &Faults) {
    for fault in faults.to_string().lines() {
        tracing::error!("{fault}");
    }
    tracing::error!("the configuration cannot be used: nothing was changed");
}
