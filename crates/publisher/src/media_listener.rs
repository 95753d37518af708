//! The listeners of RTMP and RTSP, plain and over TLS: who is let in, and the handshake of TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::config::Listener;
use crate::error::Error;
use crate::ingest;
use crate::limits::{Pass, Refusal};
use crate::line::Line;
use crate::listener;
use crate::proxy::Arrival;
use crate::rtsp;
use crate::service::Service;
use crate::tls::{self, Certificates};

/// An open listener that serves nobody yet.
pub struct MediaListener {
    service: Arc<Service>,
    listener: TcpListener,
    speaks: Speaks,
    /// What it shows to who comes; none is without TLS.
    certificates: Option<Arc<Certificates>>,
}

/// What is spoken on a listener.
#[derive(Clone, Copy)]
enum Speaks {
    Rtmp,
    Rtsp,
}

impl Service {
    /// Opens the RTMP listener of the settings; none when it is disabled.
    ///
    /// # Errors
    /// [`Error::Listen`] with the address and the setting, when the port is taken for example.
    pub fn bind_rtmp(self: &Arc<Self>) -> Result<Option<MediaListener>, Error> {
        self.bind(Speaks::Rtmp, &self.listeners().rtmp, "listeners.rtmp.port", None)
    }

    /// Opens the listener of the settings for RTMP over TLS; none when it is disabled. While it runs it looks each second
    /// whether the files of its certificate have changed, and shows the new one to who comes from then on.
    ///
    /// # Errors
    /// As [`Service::bind_rtmp`], and [`Error::NoCertificate`] or [`Error::Certificate`] when there is none that it could
    /// show.
    pub fn bind_rtmps(self: &Arc<Self>) -> Result<Option<MediaListener>, Error> {
        let certificates = self.certificates(&self.listeners().rtmps, "listeners.rtmps")?;
        self.bind(Speaks::Rtmp, &self.listeners().rtmps, "listeners.rtmps.port", certificates)
    }

    /// Opens the RTSP listener of the settings; none when it is disabled.
    ///
    /// # Errors
    /// As [`Service::bind_rtmp`].
    pub fn bind_rtsp(self: &Arc<Self>) -> Result<Option<MediaListener>, Error> {
        self.bind(Speaks::Rtsp, &self.listeners().rtsp, "listeners.rtsp.port", None)
    }

    /// Opens the listener of the settings for RTSP over TLS; none when it is disabled.
    ///
    /// # Errors
    /// As [`Service::bind_rtmps`].
    pub fn bind_rtsps(self: &Arc<Self>) -> Result<Option<MediaListener>, Error> {
        let certificates = self.certificates(&self.listeners().rtsps, "listeners.rtsps")?;
        self.bind(Speaks::Rtsp, &self.listeners().rtsps, "listeners.rtsps.port", certificates)
    }

    /// Listens for RTSP where the listeners of now say, plain and over TLS, until `cancel` or the end of the service.
    /// Connections go on when only `cancel` ends: [`Service::set_listeners`] and another call move the port. Returns at once
    /// where RTSP is disabled.
    ///
    /// # Errors
    /// Those of [`Service::bind_rtsp`] and [`Service::bind_rtsps`].
    pub async fn run_rtsp_play_server(self: &Arc<Self>, cancel: CancellationToken) -> Result<(), Error> {
        let listeners = [self.bind_rtsp()?, self.bind_rtsps()?];
        let run = listeners.map(|listener| {
            let cancel = cancel.clone();
            async move {
                if let Some(listener) = listener {
                    if let Ok(address) = listener.local_addr() {
                        let name = if listener.certificates.is_some() { "RTSPS" } else { "RTSP" };
                        tracing::info!(%address, "{name} listens");
                    }
                    listener.run(cancel).await;
                }
            }
        });
        let [plain, tls] = run;
        tokio::join!(plain, tls);
        Ok(())
    }

    /// What a listener with TLS shows; none where it is disabled.
    fn certificates(
        &self,
        settings: &Listener,
        name: &'static str,
    ) -> Result<Option<Arc<Certificates>>, Error> {
        if !settings.enabled {
            return Ok(None);
        }
        let files = self.tls().ok_or(Error::NoCertificate(name))?;
        Ok(Some(Arc::new(Certificates::load(files)?)))
    }

    fn bind(
        self: &Arc<Self>,
        speaks: Speaks,
        settings: &Listener,
        setting: &'static str,
        certificates: Option<Arc<Certificates>>,
    ) -> Result<Option<MediaListener>, Error> {
        if !settings.enabled {
            return Ok(None);
        }
        let host = settings.listen_host.map_or_else(|| "*".to_owned(), |host| host.to_string());
        let address = format!("{host}:{}", settings.port);
        let listener = listener::bind(settings.listen_host, settings.port)
            .map_err(|source| Error::Listen { address, setting, source })?;
        Ok(Some(MediaListener { service: Arc::clone(self), listener, speaks, certificates }))
    }
}

impl MediaListener {
    /// The address that it has, with the port that the system chose where the setting is 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves connections until `cancel`, or the end of the service. Connections go on when only `cancel` ends, those too that
    /// were not accepted yet.
    pub async fn run(self, cancel: CancellationToken) {
        let ended = self.service.cancelled();
        tokio::select! {
            () = cancel.cancelled() => {
                while let Some((stream, peer)) = listener::accept_waiting(&self.listener) {
                    self.take(stream, peer);
                }
            }
            () = ended.cancelled() => {}
            () = self.accept() => {}
            () = self.watch() => {}
        }
    }

    /// Looks after the certificate, if there is one.
    async fn watch(&self) {
        match &self.certificates {
            Some(certificates) => Arc::clone(certificates).watch().await,
            None => std::future::pending().await,
        }
    }

    async fn accept(&self) {
        loop {
            let (stream, peer) = listener::accept(&self.listener).await;
            self.take(stream, peer);
        }
    }

    /// Serves a connection, if it is let in.
    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let since = self.service.clock.elapsed();
        // One that is not let in is closed without a word: a flood gets no work out of us.
        let Ok(admission) = self.service.admit(peer) else { return };
        let begun = self.service.gates.begin_handshake();
        let begun = begun.inspect_err(|&refusal| self.service.note_refusal(peer, refusal));
        let Ok(handshake) = begun else { return };
        let (service, speaks) = (Arc::clone(&self.service), self.speaks);
        let certificates = self.certificates.clone();
        self.service.tasks.spawn(async move {
            let Some(Arrival { peer, admission: _admission, .. }) =
                service.client(&stream, peer, admission).await
            else {
                return;
            };
            let line = match certificates {
                None => Line::Plain(Arc::new(stream)),
                // In a box, which is given back: what it needs is much.
                Some(certificates) => match Box::pin(secure(&service, &certificates, stream, peer)).await {
                    Some(line) => line,
                    None => return,
                },
            };
            serve(service, speaks, line, peer, since, handshake).await;
        });
    }
}

/// Serves a connection to its end.
async fn serve(
    service: Arc<Service>,
    speaks: Speaks,
    line: Line,
    peer: SocketAddr,
    since: Duration,
    handshake: Pass,
) {
    // In boxes: a future holds what it was given beside what it uses, and there are many.
    match speaks {
        Speaks::Rtmp => {
            Box::new(ingest::rtmp::Connection::new(service, line, peer, since, handshake)).run().await;
        }
        Speaks::Rtsp => Box::new(rtsp::Connection::new(service, line, peer, since, handshake)).run().await,
    }
}

/// The handshake of TLS. None: it failed, which was noted, or the service ends.
async fn secure(
    service: &Service,
    certificates: &Certificates,
    stream: TcpStream,
    peer: SocketAddr,
) -> Option<Line> {
    let ended = service.cancelled();
    let patience: Duration = service.settings.limits.handshake_timeout;
    let shaken = tokio::select! {
        () = ended.cancelled() => return None,
        shaken = tokio::time::timeout(patience, certificates.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(wire)) => return Some(Line::Tls(Box::new(wire))),
        Err(_) => service.refuse(peer, Refusal::HandshakeTimeout),
        // It has gone without a word, as who only looks whether a port is open.
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Ok(Err(error)) => service.refusals.note(service.clock.elapsed(), peer, &tls::failure(&error)),
    }
    None
}
