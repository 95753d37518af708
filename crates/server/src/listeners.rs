//! The listeners of media: opened before anything else starts, and moved while the program runs.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use publisher::config::{self, Listener, Tls};
use publisher::{Error, MediaListener, Service, SrtListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Host, Listen};

/// What is spoken on a listener, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    Rtmp,
    Rtmps,
    Rtsp,
    Rtsps,
    Srt,
}

impl Name {
    const ALL: [Self; 5] = [Self::Rtmp, Self::Rtmps, Self::Rtsp, Self::Rtsps, Self::Srt];

    /// For people.
    fn shown(self) -> &'static str {
        match self {
            Self::Rtmp => "RTMP",
            Self::Rtmps => "RTMPS",
            Self::Rtsp => "RTSP",
            Self::Rtsps => "RTSPS",
            Self::Srt => "SRT",
        }
    }

    /// In the configuration.
    fn key(self) -> &'static str {
        match self {
            Self::Rtmp => "rtmp",
            Self::Rtmps => "rtmps",
            Self::Rtsp => "rtsp",
            Self::Rtsps => "rtsps",
            Self::Srt => "srt",
        }
    }

    fn of(self, settings: &config::Listeners) -> &Listener {
        match self {
            Self::Rtmp => &settings.rtmp,
            Self::Rtmps => &settings.rtmps,
            Self::Rtsp => &settings.rtsp,
            Self::Rtsps => &settings.rtsps,
            Self::Srt => &settings.srt,
        }
    }

    /// Makes those settings that are its own what is wanted.
    fn set(self, settings: &mut config::Listeners, wanted: &config::Listeners) {
        match self {
            Self::Rtmp => settings.rtmp = wanted.rtmp.clone(),
            Self::Rtmps => settings.rtmps = wanted.rtmps.clone(),
            Self::Rtsp => settings.rtsp = wanted.rtsp.clone(),
            Self::Rtsps => settings.rtsps = wanted.rtsps.clone(),
            Self::Srt => {
                settings.srt = wanted.srt.clone();
                settings.srt_latency = wanted.srt_latency;
                settings.srt_passphrase.clone_from(&wanted.srt_passphrase);
            }
        }
    }

    /// Whether its settings are others.
    fn differs(self, old: &config::Listeners, new: &config::Listeners) -> bool {
        let terms = |settings: &config::Listeners| (settings.srt_latency, settings.srt_passphrase.clone());
        self.of(old) != self.of(new) || self == Self::Srt && terms(old) != terms(new)
    }

    fn has_tls(self) -> bool {
        matches!(self, Self::Rtmps | Self::Rtsps)
    }

    /// Opens it as the service's settings of now say.
    fn bind(self, service: &Arc<Service>) -> Result<Option<Bound>, Error> {
        let bound = match self {
            Self::Rtmp => service.bind_rtmp()?,
            Self::Rtmps => service.bind_rtmps()?,
            Self::Rtsp => service.bind_rtsp()?,
            Self::Rtsps => service.bind_rtsps()?,
            Self::Srt => return Ok(service.bind_srt()?.map(Bound::Udp)),
        };
        Ok(bound.map(Bound::Tcp))
    }
}

/// A listener that serves nobody yet.
enum Bound {
    Tcp(MediaListener),
    Udp(SrtListener),
}

impl Bound {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr(),
            Self::Udp(listener) => Ok(listener.local_addr()),
        }
    }

    async fn run(self, cancel: CancellationToken) {
        match self {
            Self::Tcp(listener) => listener.run(cancel).await,
            Self::Udp(listener) => listener.run(cancel).await,
        }
    }
}

/// Scheme, host and port of listeners for a client on this machine, as they are now.
#[derive(Clone, Default)]
pub(crate) struct Urls(Arc<RwLock<Shown>>);

#[derive(Default)]
struct Shown {
    rtmp: Option<String>,
    rtsp: Option<String>,
    srt: Option<String>,
}

impl Urls {
    /// With these.
    #[cfg(test)]
    pub(crate) fn new(rtmp: &str, rtsp: &str, srt: &str) -> Self {
        let [rtmp, rtsp, srt] = [rtmp, rtsp, srt].map(|url| Some(url.to_owned()));
        Self(Arc::new(RwLock::new(Shown { rtmp, rtsp, srt })))
    }

    /// Of RTMP, where it listens.
    pub(crate) fn rtmp(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).rtmp.clone()
    }

    /// The same of RTSP.
    pub(crate) fn rtsp(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).rtsp.clone()
    }

    /// The same of SRT.
    pub(crate) fn srt(&self) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).srt.clone()
    }

    fn note(&self, name: Name, settings: &Listener, listener: Option<&Bound>) -> io::Result<()> {
        let url = |scheme, usual| url(scheme, usual, settings, listener);
        let mut shown = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match name {
            Name::Rtmp => shown.rtmp = url("rtmp", Some(1935))?,
            Name::Rtsp => shown.rtsp = url("rtsp", Some(554))?,
            Name::Srt => shown.srt = url("srt", None)?,
            Name::Rtmps | Name::Rtsps => {}
        }
        Ok(())
    }
}

/// Scheme, host and port of a listener for a client on this machine; the scheme's own port, where it has one, is left out.
fn url(
    scheme: &str,
    usual: Option<u16>,
    settings: &Listener,
    listener: Option<&Bound>,
) -> io::Result<Option<String>> {
    let Some(listener) = listener else { return Ok(None) };
    let host = Host::of(settings.listen_host).in_url();
    let port = listener.local_addr()?.port();
    Ok(Some(if Some(port) == usual {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    }))
}

/// A listener that is open.
enum Open {
    /// Nobody is served yet.
    Bound(Bound),
    Running {
        cancel: CancellationToken,
        task: JoinHandle<()>,
    },
}

/// All of them.
pub(crate) struct Listeners {
    service: Arc<Service>,
    /// Ends them.
    stop: CancellationToken,
    /// What they were opened with.
    applied: config::Listeners,
    tls: Option<Tls>,
    open: Vec<(Name, Open)>,
    urls: Urls,
}

/// What became of listeners that are to be others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Moved {
    /// Opened, closed, or elsewhere.
    pub(crate) moved: usize,
    /// Why some were left where they were.
    pub(crate) failed: Vec<String>,
}

/// What is to become of a listener.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Move {
    /// Its name in the configuration.
    pub(crate) name: &'static str,
    /// For people: from where to where.
    pub(crate) description: String,
}

impl Listeners {
    /// Opens those that are enabled. They run after [`Listeners::run`], until `stop`.
    ///
    /// # Errors
    /// What keeps one from being opened.
    pub(crate) fn bind(
        service: &Arc<Service>,
        applied: config::Listeners,
        tls: Option<Tls>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (mut open, urls) = (Vec::new(), Urls::default());
        for name in Name::ALL {
            let listener = name.bind(service)?;
            urls.note(name, name.of(&applied), listener.as_ref())?;
            open.extend(listener.map(|listener| (name, Open::Bound(listener))));
        }
        Ok(Self { service: Arc::clone(service), stop, applied, tls, open, urls })
    }

    /// Where they are, also later.
    pub(crate) fn urls(&self) -> Urls {
        self.urls.clone()
    }

    /// Serves who comes.
    pub(crate) fn run(&mut self) -> io::Result<()> {
        for (name, open) in std::mem::take(&mut self.open) {
            let open = match open {
                Open::Bound(listener) => self.serve(name, listener)?,
                running @ Open::Running { .. } => running,
            };
            self.open.push((name, open));
        }
        Ok(())
    }

    fn serve(&self, name: Name, listener: Bound) -> io::Result<Open> {
        tracing::info!(address = %listener.local_addr()?, "{} listens", name.shown());
        let cancel = self.stop.child_token();
        Ok(Open::Running { task: tokio::spawn(listener.run(cancel.clone())), cancel })
    }

    /// What they were opened with, and the certificate that those with TLS show.
    pub(crate) fn applied(&self) -> (config::Listeners, Option<Tls>) {
        (self.applied.clone(), self.tls.clone())
    }

    /// What [`Listeners::change`] would do.
    pub(crate) fn plan(&self, wanted: &config::Listeners, tls: Option<&Tls>) -> Vec<Move> {
        let place = |listener: &Listener| match (listener.enabled, listener.listen_host) {
            (false, _) => "off".to_owned(),
            (true, host) => Listen { host: Host::of(host), port: listener.port }.to_string(),
        };
        let moves = self.differing(wanted, tls).into_iter().map(|name| {
            let (old, new) = (name.of(&self.applied), name.of(wanted));
            let description = match old == new {
                true if name.has_tls() => format!("{} shows another certificate", name.shown()),
                true => format!("{} has another latency or passphrase for who comes next", name.shown()),
                false => format!("{} from {} to {}", name.shown(), place(old), place(new)),
            };
            Move { name: name.key(), description }
        });
        let ports = (self.applied.rtsp_udp_ports != wanted.rtsp_udp_ports).then(|| {
            let (first, last) = (wanted.rtsp_udp_ports.start(), wanted.rtsp_udp_ports.end());
            Move {
                name: "rtsp",
                description: format!("RTSP over UDP from {first}-{last} for who comes next"),
            }
        });
        moves.chain(ports).collect()
    }

    fn differing(&self, wanted: &config::Listeners, tls: Option<&Tls>) -> Vec<Name> {
        let tls_differs = self.tls.as_ref() != tls;
        let differs = |name: &Name| {
            name.differs(&self.applied, wanted) || name.has_tls() && name.of(wanted).enabled && tls_differs
        };
        Name::ALL.into_iter().filter(differs).collect()
    }

    /// Moves those that are to be elsewhere; whoever is connected stays. One that cannot be opened as wanted stays where it
    /// was, and is tried again by the next call. Ports for UDP are those of who comes from now on.
    pub(crate) async fn change(&mut self, wanted: &config::Listeners, tls: Option<&Tls>) -> Moved {
        let mut moved = Moved::default();
        let differing = self.differing(wanted, tls);
        self.applied.rtsp_udp_ports = wanted.rtsp_udp_ports.clone();
        for name in differing {
            match self.move_one(name, wanted, tls).await {
                Ok(()) => moved.moved += 1,
                Err(error) => {
                    tracing::error!(%error, "{} stays as it was", name.shown());
                    moved.failed.push(error.to_string());
                }
            }
        }
        if moved.failed.is_empty() {
            self.tls = tls.cloned();
        }
        self.service.set_listeners(self.applied.clone());
        self.service.set_tls(self.tls.clone());
        moved
    }

    async fn move_one(
        &mut self,
        name: Name,
        all: &config::Listeners,
        tls: Option<&Tls>,
    ) -> anyhow::Result<()> {
        let wanted = name.of(all);
        let old = name.of(&self.applied).clone();
        let mut settings = self.applied.clone();
        name.set(&mut settings, all);
        self.service.set_listeners(settings.clone());
        self.service.set_tls(tls.cloned());
        let bound = match name.bind(&self.service) {
            // It is in its own way.
            Err(Error::Listen { .. }) if old.enabled && old.port == wanted.port => {
                self.close(name).await;
                match name.bind(&self.service) {
                    Ok(listener) => listener,
                    Err(error) => {
                        self.open_again(name)?;
                        return Err(error.into());
                    }
                }
            }
            bound => bound?,
        };
        self.urls.note(name, wanted, bound.as_ref())?;
        self.close(name).await;
        if let Some(listener) = bound {
            let running = self.serve(name, listener)?;
            self.open.push((name, running));
        } else {
            tracing::info!("{} listens no more", name.shown());
        }
        self.applied = settings;
        Ok(())
    }

    /// Opens one where it was before.
    fn open_again(&mut self, name: Name) -> anyhow::Result<()> {
        self.service.set_listeners(self.applied.clone());
        self.service.set_tls(self.tls.clone());
        if let Some(listener) = name.bind(&self.service)? {
            let running = self.serve(name, listener)?;
            self.open.push((name, running));
        }
        Ok(())
    }

    /// Takes nobody in any more. Connections go on.
    async fn close(&mut self, name: Name) {
        let Some(place) = self.open.iter().position(|(open, _)| *open == name) else { return };
        if let (_, Open::Running { cancel, task }) = self.open.swap_remove(place) {
            cancel.cancel();
            // A failure of its own was told by the hook.
            let _ = task.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    fn here(port: u16) -> Listener {
        Listener { enabled: true, listen_host: Some(std::net::Ipv4Addr::LOCALHOST.into()), port }
    }

    /// How many moved, and how many could not, as was planned.
    async fn tried(listeners: &mut Listeners, wanted: &config::Listeners) -> (usize, usize) {
        let planned = listeners.plan(wanted, None).len();
        let Moved { moved, failed } = listeners.change(wanted, None).await;
        assert_eq!(planned, moved + failed.len());
        (moved, failed.len())
    }

    fn port(url: Option<String>) -> u16 {
        let url = url.expect("it listens");
        url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    #[tokio::test]
    async fn a_listener_moves_and_one_that_cannot_stays() {
        let service = Service::for_testing();
        let off = Listener { enabled: false, ..here(0) };
        let applied = config::Listeners {
            rtmp: here(0),
            rtmps: off.clone(),
            rtsp: here(0),
            rtsps: off.clone(),
            srt: here(0),
            ..config::Listeners::default()
        };
        service.set_listeners(applied.clone());
        let mut listeners =
            Listeners::bind(&service, applied.clone(), None, CancellationToken::new()).expect("bound");
        listeners.run().expect("running");
        let urls = listeners.urls();
        let (rtmp, rtsp) = (port(urls.rtmp()), port(urls.rtsp()));
        let connect = |port: u16| TcpStream::connect(("127.0.0.1", port));
        let mut old = connect(rtmp).await.expect("it listens");

        // Elsewhere: with another address of this machine at the same port.
        let elsewhere =
            Listener { listen_host: Some("127.0.0.2".parse().expect("an address")), ..here(rtmp) };
        let wanted = config::Listeners { rtmp: elsewhere, ..applied.clone() };
        assert_eq!(tried(&mut listeners, &wanted).await, (1, 0));
        assert_eq!(urls.rtmp(), Some(format!("rtmp://127.0.0.2:{rtmp}")));
        assert!(connect(rtmp).await.is_err() && connect(rtsp).await.is_ok());
        TcpStream::connect(("127.0.0.2", rtmp)).await.expect("it has moved");
        old.write_all(&[3; 1 + 1536]).await.expect("it is still connected");
        assert_eq!(old.read_u8().await.expect("an answer"), 3, "though it was perhaps not accepted yet");
        assert_eq!(listeners.change(&wanted, None).await, Moved::default(), "nothing is left to do");

        // Its own port on all addresses: it is in its own way, and so is closed first.
        let all = config::Listeners { rtmp: Listener { listen_host: None, ..here(rtmp) }, ..applied.clone() };
        assert_eq!(tried(&mut listeners, &all).await, (1, 0));
        connect(rtmp).await.expect("it has moved");

        // Where somebody else is; TLS without a certificate; and what is off is closed all the same.
        let wanted = config::Listeners { rtmp: here(rtsp), rtmps: here(0), rtsp: off, ..applied };
        assert_eq!(tried(&mut listeners, &wanted).await, (1, 2));
        assert_eq!((port(urls.rtmp()), urls.rtsp()), (rtmp, None));
        assert!(connect(rtmp).await.is_ok() && connect(rtsp).await.is_err());
        assert_eq!(tried(&mut listeners, &wanted).await, (1, 1), "it is tried again");
        service.shutdown().await;
    }
}
