//! The publisher service: the contract's functions, and the streams that run.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fanout::FanOut;
use media::timeline::SourceClock;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::code::{Address, Code};
use crate::config::{self, DEFAULT_RENDITION, Listeners, PlayAuth, Rendition, Settings, Source, Stream, Tls};
use crate::error::Error;
use crate::events::{Events, What};
use crate::limits::{Admission, Gate, Gates, LimitStatus, Refusal};
use crate::output::carrier;
use crate::output::cutting::Cutting;
use crate::output::rtmp::Rtmp;
use crate::output::rtsp::Rtsp;
use crate::output::segmented::{Outputs, Segmented};
use crate::output::{dash, disk, hls, ts};
use crate::refusals::Refusals;
use crate::rtsp::PlayPairs;
use crate::rtsp::ports::Ports;
use crate::rung::{Refused, Rung};
use crate::session::{Ended, Open, Opening, Role, Sessions};
use crate::srt;
use crate::status::StreamStatus;
use crate::stream::{Running, Viewers};

/// A stream that a publisher made by coming is stopped this long after its last media.
const UNUSED: Duration = Duration::from_secs(60);

/// What the hub keeps of a rung for the carriers: they skip nothing.
pub(crate) fn kept() -> hub::Limits {
    hub::Limits { keep_unread: true, ..hub::Limits::default() }
}

/// Delivers streams to all their outputs.
///
/// Made once per process with [`Service::new`]. All methods may be called from any task at any time; they need
/// a Tokio runtime around them.
pub struct Service {
    pub(crate) settings: Settings,
    pub(crate) clock: Clock,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) events: Events,
    pub(crate) refusals: Refusals,
    pub(crate) gates: Arc<Gates>,
    pub(crate) fan_out: Arc<FanOut>,
    /// Sockets that players of RTSP over UDP are sent from, and the ports that they and those of publishers are taken from.
    pub(crate) play_pairs: PlayPairs,
    pub(crate) udp_ports: Ports,
    /// Where SRT is spoken.
    pub(crate) srt_ports: srt::Ports,
    listeners: Mutex<Listeners>,
    tls: Mutex<Option<Tls>>,
    play_auth: Mutex<PlayAuth>,
    streams: Mutex<BTreeMap<Code, Slot>>,
    /// Push destinations so far.
    pushes: AtomicU64,
    /// The segment directories are ours alone as long as these are held.
    _claims: Vec<disk::Claim>,
    /// Ends everything.
    cancel: CancellationToken,
    /// Connections and workers that belong to no stream.
    pub(crate) tasks: TaskTracker,
}

/// How the fan-out works with these settings.
fn fan_out(settings: &Settings) -> fanout::Settings {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    fanout::Settings {
        workers: settings.fan_out.workers.unwrap_or_else(cores),
        merge_window: settings.fan_out.merge_window,
        hold: !settings.fan_out.sound_at_once,
        slow_viewer_timeout: settings.fan_out.slow_viewer_timeout,
        limits: viewer_limits(settings),
    }
}

/// What a carrier and the fan-out keep for viewers.
fn viewer_limits(settings: &Settings) -> hub::Limits {
    let bytes = usize::try_from(settings.limits.viewer_queue_bytes).unwrap_or(usize::MAX);
    hub::Limits { bytes, ..hub::Limits::default() }
}

/// What a code stands for.
enum Slot {
    Running(Arc<Running>),
    /// Its workers are being waited for, its folder is being removed.
    Stopping,
}

impl Slot {
    fn running(&self) -> Option<&Arc<Running>> {
        match self {
            Self::Running(running) => Some(running),
            Self::Stopping => None,
        }
    }
}

/// Frees the code of a stopping stream, also when the caller of `stop` does not wait for its end.
struct Vacating<'a> {
    service: &'a Service,
    code: &'a Code,
}

impl Drop for Vacating<'_> {
    fn drop(&mut self) {
        self.service.sessions.forget_stream(self.code);
        self.service.streams().remove(self.code);
    }
}

/// A publisher that was let in: the right to feed a rung, and its session.
pub(crate) struct Publication {
    pub(crate) running: Arc<Running>,
    rung: Arc<Rung>,
    pub(crate) feed: Arc<hub::Feed>,
    pub(crate) session: Open,
}

impl Publication {
    /// The rung that it feeds.
    pub(crate) fn rung(&self) -> &Rung {
        &self.rung
    }
}

impl Drop for Publication {
    fn drop(&mut self) {
        self.rung().clear_source(self.session.session());
    }
}

/// Why a publisher was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Denied {
    #[error("there is no stream {0}")]
    Unknown(Code),
    #[error("stream {0} takes no publisher: publish:// is none of its inputs")]
    NotPublished(Code),
    #[error("stream {0} has no rendition {1:?}; it has {2}")]
    Rendition(Code, String, String),
    #[error("stream {0} has several renditions, each with an address of its own: {1}")]
    Several(Code, String),
    #[error("{0}: {1}")]
    Refused(Address, Refused),
    #[error("{0}")]
    Start(Error),
}

impl Denied {
    /// The `code` of the status that tells an RTMP publisher of it.
    pub(crate) fn status(&self) -> &'static str {
        match self {
            Self::Refused(_, Refused::Key) => rtmp::server::code::PUBLISH_DENIED,
            _ => rtmp::server::code::PUBLISH_BAD_NAME,
        }
    }
}

impl Service {
    /// A service without streams. Nothing listens until a `bind_…` is called.
    ///
    /// # Errors
    /// [`Error::Directory`] when a segment directory is neither empty nor ours, or cannot be used, or when those of HLS
    /// and DASH are not apart. What an earlier run left in it is removed. [`Error::Threads`] when the system has no room
    /// for a thread.
    pub fn new(settings: Settings) -> Result<Arc<Self>, Error> {
        if let (Some(hls), Some(dash)) = (&settings.hls.dir, &settings.dash.dir)
            && config::overlap(hls, dash)
        {
            return Err(Error::Directory {
                setting: "publisher.dash.dir",
                path: dash.clone(),
                reason: "and publisher.hls.dir are the same directory, or one is in the other; \
                         name two that are apart"
                    .to_owned(),
            });
        }
        let dirs = [("publisher.hls.dir", &settings.hls.dir), ("publisher.dash.dir", &settings.dash.dir)];
        let wanted = dirs.into_iter().filter_map(|(setting, dir)| Some((setting, dir.as_deref()?)));
        let claims = wanted.map(|(setting, dir)| disk::claim(setting, dir)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self::with(settings, claims)?))
    }

    /// A service for tests, without the rest of the server: default settings, system-chosen ports on loopback,
    /// segments in memory only.
    pub fn for_testing() -> Arc<Self> {
        let mut settings = Settings::default();
        let listeners = &mut settings.listeners;
        let Listeners { rtmp, rtmps, rtsp, rtsps, srt, .. } = listeners;
        for listener in [rtmp, rtmps, rtsp, rtsps, srt] {
            listener.listen_host = Some(std::net::Ipv4Addr::LOCALHOST.into());
            listener.port = 0;
        }
        Arc::new(Self::with(settings, Vec::new()).expect("a machine that runs tests has room for a thread"))
    }

    fn with(settings: Settings, claims: Vec<disk::Claim>) -> Result<Self, Error> {
        let events = Events::default();
        let gates = Gates::new(settings.limits.clone(), settings.fan_out.slow_viewer_timeout);
        Ok(Self {
            gates: Arc::new(gates),
            fan_out: Arc::new(FanOut::start(fan_out(&settings)).map_err(Error::Threads)?),
            play_pairs: PlayPairs::default(),
            udp_ports: Ports::default(),
            srt_ports: srt::Ports::default(),
            clock: Clock::start(),
            sessions: Arc::new(Sessions::new(settings.kick_time, events.clone())),
            events,
            refusals: Refusals::default(),
            listeners: Mutex::new(settings.listeners.clone()),
            tls: Mutex::new(settings.tls.clone()),
            play_auth: Mutex::new(settings.play_auth.clone()),
            streams: Mutex::default(),
            pushes: AtomicU64::new(0),
            _claims: claims,
            cancel: CancellationToken::new(),
            tasks: TaskTracker::new(),
            settings,
        })
    }

    /// Starts a stream: its inputs, its outputs and what it pushes. It is active from now on, with or without media.
    ///
    /// # Errors
    /// [`Error::Running`] when a stream with that code runs; it is left as it is. [`Error::Stopping`] when its `stop`
    /// has not ended yet. [`Error::Ladder`] when its ladder cannot be run. [`Error::Directory`] when its segments cannot be
    /// written where the settings say.
    pub async fn start(self: &Arc<Self>, stream: Stream) -> Result<(), Error> {
        let running = {
            let mut streams = self.streams();
            match streams.get(&stream.code) {
                Some(Slot::Running(_)) => return Err(Error::Running(stream.code)),
                Some(Slot::Stopping) => return Err(Error::Stopping(stream.code)),
                None => {}
            }
            let running = Arc::new(self.build(stream)?);
            self.sessions.begin_stream(&running.code);
            streams.insert(running.code.clone(), Slot::Running(Arc::clone(&running)));
            running
        };
        for input in &running.config().inputs {
            self.start_input(&running, &input.source);
        }
        self.start_pushes(&running);
        running.tasks.spawn(Arc::clone(self).watch_health(Arc::clone(&running)));
        self.events.tell(Some(&running.code), || What::StreamStarted);
        tracing::info!(stream = %running.code, "stream started");
        Ok(())
    }

    fn build(&self, config: Stream) -> Result<Running, Error> {
        config.check_ladder().map_err(|why| Error::Ladder(config.code.clone(), why))?;
        let cancel = self.cancel.child_token();
        let renditions = config.rungs();
        let segmented = Arc::new(Segmented::new(self.segmented_outputs(&config)?));
        let hubs = hub::Stream::ladder(kept(), renditions.len());
        let rungs = hubs.into_iter().zip(renditions).enumerate().map(|(place, (hub, rendition))| {
            self.build_rung(&config, rendition, place, hub, &segmented, &cancel)
        });
        let rungs = rungs.collect();
        let viewers = Gate::new(self.settings.limits.viewers_per_stream);
        Ok(Running::new(config, rungs, segmented, viewers, cancel))
    }

    /// HLS and DASH, as far as the stream has them.
    pub(crate) fn segmented_outputs(&self, config: &Stream) -> Result<Outputs, Error> {
        let hls = config.protocols.hls.then(|| self.hls_output(config)).transpose()?;
        let dash = config.protocols.dash.then(|| self.dash_output(config)).transpose()?;
        Ok(Outputs { hls, dash })
    }

    /// HLS of a stream, without media yet.
    pub(crate) fn hls_output(&self, config: &Stream) -> Result<Arc<hls::Output>, Error> {
        let Settings { hls, hls_segment_type, viewer_idle, .. } = &self.settings;
        hls::Output::start(&config.code, hls, *hls_segment_type, &config.rungs(), *viewer_idle)
    }

    /// DASH of a stream, without media yet.
    pub(crate) fn dash_output(&self, config: &Stream) -> Result<Arc<dash::Output>, Error> {
        let Settings { dash, viewer_idle, .. } = &self.settings;
        dash::Output::start(&config.code, dash, &config.rungs(), *viewer_idle)
    }

    /// A rung with its carriers, which run from now on.
    pub(crate) fn build_rung(
        &self,
        config: &Stream,
        rendition: Rendition,
        place: usize,
        hub: Arc<hub::Stream>,
        segmented: &Arc<Segmented>,
        cancel: &CancellationToken,
    ) -> Arc<Rung> {
        let (code, clock) = (&config.code, self.clock);
        let limits = viewer_limits(&self.settings);
        let of_hub = Arc::clone(&hub);
        let ts = ts::Output::new(
            of_hub,
            code.clone(),
            place,
            Arc::clone(segmented),
            clock,
            limits,
            cancel.clone(),
        );
        let ts = Arc::new(ts);
        let cutting = Cutting::start(
            code.clone(),
            place,
            Arc::clone(&hub),
            Arc::clone(&ts),
            Arc::clone(segmented),
            clock,
            cancel.clone(),
        );
        let rtmp = carrier::Output::new(Rtmp, Arc::clone(&hub), code.clone(), clock, limits, cancel.clone());
        let rtsp =
            carrier::Output::new(Rtsp::new(), Arc::clone(&hub), code.clone(), clock, limits, cancel.clone());
        Arc::new(Rung::new(config, rendition, hub, ts, cutting, rtmp, rtsp))
    }

    /// Stops a stream: ends its inputs, viewers and workers, waits for them, and removes its segments.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn stop(&self, code: &Code) -> Result<(), Error> {
        self.stop_because(code, &Ended::StreamStopped).await
    }

    async fn stop_because(&self, code: &Code, why: &Ended) -> Result<(), Error> {
        let running = {
            let mut streams = self.streams();
            let running = streams.get(code).and_then(Slot::running).cloned();
            let running = running.ok_or_else(|| Error::NotRunning(code.clone()))?;
            streams.insert(code.clone(), Slot::Stopping);
            running
        };
        let _vacating = Vacating { service: self, code };
        self.sessions.cancel_stream(code, why);
        running.cancel.cancel();
        let _nobody_else = (running.changing.lock().await, running.restarting.lock().await);
        let rungs = running.rungs();
        rungs.iter().for_each(|rung| rung.hub.close());
        running.tasks.close();
        running.tasks.wait().await;
        for rung in rungs.iter() {
            rung.stopped().await;
        }
        running.segmented.replace(Outputs::default()).stop(*why == Ended::StreamStopped).await;
        self.events.tell(Some(code), || What::StreamStopped(why.clone()));
        tracing::info!(stream = %code, reason = %why, "stream stopped");
        Ok(())
    }

    /// Stops everything: listeners, sessions, streams. Segments that were written to disk stay for the players
    /// that are still there; the next start removes them.
    pub async fn shutdown(&self) {
        for session in self.sessions.list() {
            session.cancel(Ended::Shutdown);
        }
        self.cancel.cancel();
        let codes: Vec<Code> = self.streams().keys().cloned().collect();
        for code in codes {
            // Stopped by somebody else meanwhile: then there is nothing left to do.
            let _ = self.stop_because(&code, &Ended::Shutdown).await;
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Replaces the addresses of the listeners. A running listener keeps its address until it is run again.
    pub fn set_listeners(&self, listeners: Listeners) {
        let mut current = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        if *current != listeners {
            *current = listeners;
            self.events.tell(None, || What::ListenersChanged);
        }
    }

    /// Replaces the files of the certificate that listeners for TLS show. A running listener keeps its own until it is run
    /// again.
    pub fn set_tls(&self, tls: Option<Tls>) {
        *self.tls.lock().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    /// What viewers need of streams that say nothing of their own.
    pub(crate) fn default_play_auth(&self) -> MutexGuard<'_, PlayAuth> {
        self.play_auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next listener for TLS will show.
    pub(crate) fn tls(&self) -> Option<Tls> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The addresses that the next listener to be run will take.
    pub(crate) fn listeners(&self) -> Listeners {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The sessions of all protocols.
    pub fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    /// Every running stream, by code.
    pub fn statuses(&self) -> Vec<StreamStatus> {
        self.statuses_of(&self.all_running())
    }

    /// The running ones of these streams, in their order.
    pub fn statuses_among(&self, codes: &[Code]) -> Vec<StreamStatus> {
        let streams: Vec<Arc<Running>> = {
            let all = self.streams();
            codes.iter().filter_map(|code| all.get(code).and_then(Slot::running).cloned()).collect()
        };
        self.statuses_of(&streams)
    }

    fn statuses_of(&self, streams: &[Arc<Running>]) -> Vec<StreamStatus> {
        let (now, mut viewers) = (self.clock.elapsed(), HashMap::<Code, Viewers>::new());
        for session in self.sessions.list().iter().filter(|session| session.role == Role::Viewer) {
            let of_stream = viewers.entry(session.stream.clone()).or_default();
            of_stream.count += 1;
            of_stream.lost += session.packets_lost();
        }
        let of = |code: &Code| viewers.get(code).copied().unwrap_or_default();
        streams.iter().map(|running| running.status(now, of(&running.code))).collect()
    }

    /// The codes of all running streams, in order.
    pub fn codes(&self) -> Vec<Code> {
        let streams = self.streams();
        streams.iter().filter(|(_, slot)| slot.running().is_some()).map(|(code, _)| code.clone()).collect()
    }

    /// How a running stream is configured now.
    pub fn config(&self, code: &Code) -> Option<Stream> {
        let running = self.streams().get(code).and_then(Slot::running).cloned()?;
        Some(Stream::clone(&running.config()))
    }

    /// Every running stream, by code.
    pub(crate) fn all_running(&self) -> Vec<Arc<Running>> {
        self.streams().values().filter_map(Slot::running).cloned().collect()
    }

    /// The running stream that an address means; a rendition must exist.
    pub(crate) fn running(&self, address: &Address) -> Option<Arc<Running>> {
        let running = self.streams().get(&address.code).and_then(Slot::running).cloned()?;
        let known = address.rendition.as_deref().is_none_or(|name| running.find_rung(name).is_some());
        known.then_some(running)
    }

    /// Why there is nothing at an address, as a sentence.
    pub(crate) fn absence(&self, address: &Address) -> String {
        let code = Address { code: address.code.clone(), rendition: None };
        match (self.running(&code), &address.rendition) {
            (Some(running), Some(name)) => {
                Denied::Rendition(code.code, name.clone(), running.rung_names("")).to_string()
            }
            _ => format!("stream {} is not running", address.code),
        }
    }

    /// Lets a publisher in, or says why not. `key` is what it gave as `?key=`. On a ladder of several rungs the address
    /// must name one.
    pub(crate) async fn publish(
        self: &Arc<Self>,
        address: &Address,
        key: Option<&str>,
        opening: impl FnOnce(Code) -> Opening,
        clock: SourceClock,
    ) -> Result<Publication, Denied> {
        let code = address.code.clone();
        let opening = opening(code.clone());
        let is_new = self.streams().get(&code).is_none() && self.may_create(opening.peer);
        if is_new && address.rendition.as_deref().is_none_or(|name| name == DEFAULT_RENDITION) {
            match self.start(Stream::new(code.clone())).await {
                // Somebody else was quicker: then the stream is there as well.
                Ok(()) | Err(Error::Running(_)) => {}
                Err(error) => return Err(Denied::Start(error)),
            }
        }
        let running = self.streams().get(&code).and_then(Slot::running).cloned();
        let running = running.ok_or_else(|| Denied::Unknown(code.clone()))?;
        if !publishes(&running.config()) {
            return Err(Denied::NotPublished(code));
        }
        let rungs = running.rungs();
        let rung = match &address.rendition {
            Some(name) => running
                .find_rung(name)
                .ok_or_else(|| Denied::Rendition(code.clone(), name.clone(), running.rung_names("")))?,
            None if rungs.len() == 1 => Arc::clone(&rungs[0]),
            None => {
                let addresses = running.rung_names(&format!("{code}@"));
                return Err(Denied::Several(code, addresses));
            }
        };
        let config = running.config();
        let has_ladder = !config.renditions.is_empty();
        let rendition = if has_ladder { Some(rung.name.clone()) } else { address.rendition.clone() };
        let opening = Opening { rendition, ..opening };
        let open = || self.sessions.open(opening, &running.cancel);
        let claimed = rung.claim(&config, key, self.clock.elapsed(), clock, open);
        let (session, feed) = claimed.map_err(|refused| Denied::Refused(address.clone(), refused))?;
        let publication = Publication { running, rung, feed: Arc::new(feed), session };
        // Whoever took the input away meanwhile has not seen this session.
        if !publishes(&publication.running.config()) {
            publication.session.cancel(Ended::InputRemoved);
            return Err(Denied::NotPublished(code));
        }
        Ok(publication)
    }

    /// Lets a source of our own feed a stream, which has one rung then.
    pub(crate) fn seize(&self, running: &Arc<Running>, opening: Opening, clock: SourceClock) -> Publication {
        let open = || self.sessions.open(opening, &running.cancel);
        let rung = Arc::clone(&running.rungs()[0]);
        let (session, feed) = rung.seize(self.clock.elapsed(), clock, open);
        Publication { running: Arc::clone(running), rung, feed: Arc::new(feed), session }
    }

    /// Whether a publisher from there may make a stream by coming.
    fn may_create(&self, peer: Option<SocketAddr>) -> bool {
        self.settings.open_publish && peer.is_some_and(|peer| peer.ip().is_loopback())
    }

    /// Stops the stream if a publisher made it, none has come again, and it has been silent for [`UNUSED`].
    pub(crate) async fn reap(self: Arc<Self>, running: Arc<Running>) {
        if !self.settings.open_publish || *running.config() != Stream::new(running.code.clone()) {
            return;
        }
        tokio::select! {
            () = self.cancel.cancelled() => return,
            () = running.cancel.cancelled() => return,
            () = tokio::time::sleep(UNUSED) => {}
        }
        let now = self.clock.elapsed();
        let silent = running.last_arrival(now).is_none_or(|last| now.saturating_sub(last) >= UNUSED);
        if silent && running.is_unfed() {
            // Stopped by somebody else meanwhile: that is what was wanted.
            let _ = self.stop(&running.code).await;
        }
    }

    /// Lets a TCP connection in. It counts for as long as the admission is held. Whose it is says [`Service::client`].
    ///
    /// # Errors
    /// The limit that it ran into; it is counted, and logged as far as a flood allows.
    pub fn admit(&self, peer: SocketAddr) -> Result<Admission, Refusal> {
        let admitted = match self.trusts(peer.ip()) {
            true => self.gates.admit_proxy(),
            false => self.gates.admit(peer.ip()),
        };
        admitted.inspect_err(|&refusal| self.note_refusal(peer, refusal))
    }

    /// Logs a peer that was refused outside of this service, as far as a flood allows. `why` has nothing secret in it.
    pub fn note_refused(&self, peer: SocketAddr, why: &str) {
        self.refusals.note(self.clock.elapsed(), peer, why);
    }

    /// Counts a peer that ran into a limit outside of this service, and logs it as far as a flood allows.
    pub fn refuse(&self, peer: SocketAddr, refusal: Refusal) {
        self.note_refusal(peer, self.gates.refuse(refusal));
    }

    pub(crate) fn note_refusal(&self, peer: SocketAddr, refusal: Refusal) {
        self.refusals.note(self.clock.elapsed(), peer, &self.gates.sentence(refusal));
    }

    /// What the limits are, how much of them is taken, and what they have refused.
    pub fn limits(&self) -> Vec<LimitStatus> {
        self.gates.statuses()
    }

    /// The id of the next push destination.
    pub(crate) fn next_push(&self) -> u64 {
        self.pushes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What is kept for a viewer that lags.
    pub(crate) fn viewer_limits(&self) -> hub::Limits {
        viewer_limits(&self.settings)
    }

    /// The key that publishers of a stream must have, if it runs and wants one.
    pub(crate) fn stream_key(&self, code: &Code) -> Option<config::Secret> {
        self.streams().get(code).and_then(Slot::running)?.config().stream_key.clone()
    }

    /// Whether [`Service::shutdown`] was called.
    pub fn is_ending(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Ends with the service.
    pub(crate) fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    fn streams(&self) -> MutexGuard<'_, BTreeMap<Code, Slot>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether encoders may come.
fn publishes(stream: &Stream) -> bool {
    stream.inputs.iter().any(|input| input.source == Source::Publish)
}

/// Unpredictable bytes. Where the system has none they are zeros: nothing that is kept secret is made of them.
pub(crate) fn random() -> [u8; 32] {
    let mut seed = [0; 32];
    let _ = aws_lc_rs::rand::fill(&mut seed);
    seed
}
