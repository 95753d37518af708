//! The life of the process: everything that can fail first, then work, then a drain with a deadline.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use publisher::Service;
use tokio_util::sync::CancellationToken;

use crate::auth::Access;
use crate::config::{self, Base, Config};
use crate::control::{self, Begun, Control};
use crate::http;
use crate::listeners::Listeners;
use crate::panics;
use crate::signals::{Hangup, Signals};
use crate::store::Store;

/// Time from the first signal to the end: 5 s are promised, and ending takes a moment itself.
const DRAIN: Duration = Duration::from_millis(4500);
/// Exit status when a second signal cut the drain short, as shells have it for Ctrl-C.
const CUT_SHORT: u8 = 130;

/// What to do once everything listens.
pub(crate) type Ready = fn(&Addresses) -> io::Result<()>;

/// Where the program listens, with the ports that the system chose.
pub(crate) struct Addresses {
    /// Scheme, host and port of HTTP for a client on this machine, as `http://localhost:8080`.
    pub(crate) http: String,
    /// The same of RTMP, where it listens.
    pub(crate) rtmp: Option<String>,
    /// The same of RTSP.
    pub(crate) rtsp: Option<String>,
    /// The same of SRT.
    pub(crate) srt: Option<String>,
}

/// Runs a configuration, which was read from `base`, until a signal ends it. `ready` is called once everything listens. With the
/// `file` that it is from, SIGHUP has that read again; without one SIGHUP ends the program, as the system does by itself.
///
/// # Errors
/// Whatever keeps it from starting: a busy port, a directory that cannot be written.
pub(crate) fn until_stopped(
    base: Base,
    config: Config,
    file: Option<PathBuf>,
    ready: Ready,
) -> anyhow::Result<ExitCode> {
    panics::watch();
    raise_file_limit();
    let runtime = tokio::runtime::Runtime::new().context("cannot start worker threads")?;
    let outcome = runtime.block_on(work(base, config, file, ready));
    // Whatever still runs has had its time.
    runtime.shutdown_background();
    outcome
}

async fn work(
    base: Base,
    mut config: Config,
    file: Option<PathBuf>,
    ready: Ready,
) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch().context("cannot catch signals")?;
    let hangup = file.as_ref().map(|_| Hangup::catch()).transpose().context("cannot catch signals")?;
    // First, for the service clears the directories that it is given: what cannot run must not have done so.
    let http = http::Server::bind(&config.http)?;
    let (store, kept) = Store::open(config.data_dir.as_deref())?;
    if !kept.settings.is_null() {
        let changed = control::read_under(&base, &kept.settings)?.settings;
        (config.settings.listeners, config.settings.tls) = (changed.listeners, changed.tls);
        let names = config::setting_names(&kept.settings).join(", ");
        tracing::info!("settings that the API changed lie over those of the configuration file: {names}");
    }
    let access = Arc::new(Access::new(config.api.clone()));
    let limits = http::Limits::from(&config.settings.limits);
    let service = Service::new(config.settings.clone())?;
    let stop = CancellationToken::new();
    let (wanted, tls) = (config.settings.listeners.clone(), config.settings.tls.clone());
    let listeners = Listeners::bind(&service, wanted, tls, stop.clone())?;
    let urls = listeners.urls();
    let addresses = Addresses { http: http.url(), rtmp: urls.rtmp(), rtsp: urls.rtsp(), srt: urls.srt() };
    let begun = Begun { base, config, listeners, access: Arc::clone(&access) };
    let control = Control::new(Arc::clone(&service), store, kept, begun);
    control.start().await?;
    let site =
        http::Site { service: Arc::clone(&service), control: Arc::clone(&control), urls, limits, access };
    let connections = http.serve(site, &stop);
    ready(&addresses)?;
    let signal = tokio::select! {
        signal = signals.next() => signal,
        never = keep_reloading(hangup.zip(file), &control) => match never {},
    };
    tracing::info!(signal, "stopping; once more to stop at once");
    let drained = tokio::time::timeout(DRAIN, async {
        stop.cancel();
        service.shutdown().await;
        connections.ended().await;
    });
    tokio::select! {
        drained = drained => {
            match drained {
                Ok(()) => tracing::info!("stopped"),
                Err(_) => tracing::warn!("stopped before every connection was ended"),
            }
            Ok(ExitCode::SUCCESS)
        }
        signal = signals.next() => {
            tracing::warn!(signal, "stopped at once");
            Ok(ExitCode::from(CUT_SHORT))
        }
    }
}

/// Has the configuration read again at each SIGHUP. An end of the program cuts it short: what it stops is stopped either
/// way.
async fn keep_reloading(what: Option<(Hangup, PathBuf)>, control: &Control) -> Infallible {
    let Some((mut hangup, file)) = what else { return std::future::pending().await };
    loop {
        hangup.next().await;
        control::reload(control, &file).await;
    }
}

/// A viewer is a file to the system, and the usual limit of 1024 is soon reached: take all that we are allowed.
fn raise_file_limit() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) => tracing::debug!(limit, "open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
