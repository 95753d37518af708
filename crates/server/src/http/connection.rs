//! Sockets and connections: accept, serve, end.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use anyhow::anyhow;
use axum::Router;
use axum::extract::Request;
use axum::http::HeaderMap;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use publisher::{Arrival, Service, listener};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use super::Site;
use super::edge::{self, Fate};
use super::forwarded;
use crate::config::{Host, Listen};

/// The library's own lower bound on the size of a head.
const LEAST_HEAD_BYTES: usize = 8192;

/// Whom a request comes from, IPv4 always as IPv4.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// The client, as far as it is known.
    pub(super) address: SocketAddr,
    /// A trusted proxy spoke for it.
    pub(super) proxied: bool,
}

impl Peer {
    /// The same of one request on the connection, by what a trusted proxy says in its head.
    pub(super) fn of(self, headers: &HeaderMap, service: &Service) -> Self {
        if !service.trusts(self.address.ip()) {
            return self;
        }
        let client = forwarded::client(headers, |proxy| service.trusts(proxy));
        client.map_or(self, |address| Self { address, proxied: true })
    }
}

/// A socket that listens.
pub(super) struct Socket {
    listen: Listen,
    listener: TcpListener,
    address: SocketAddr,
}

impl Socket {
    fn open(listen: Listen, ip: Option<IpAddr>, port: u16) -> io::Result<Self> {
        let listener = listener::bind(ip, port)?;
        let address = listener.local_addr()?;
        Ok(Self { listen, listener, address })
    }

    /// Scheme, host and port for a client on this machine.
    pub(super) fn url(&self) -> String {
        format!("http://{}", super::authority(self.listen.host, self.address.port()))
    }
}

/// Opens the sockets for one address of `http.listen`: two for `localhost`, one for all others.
pub(super) fn bind(listen: Listen) -> anyhow::Result<Vec<Socket>> {
    let open = |ip, port| Socket::open(listen, ip, port);
    let opened = match listen.host {
        Host::All => open(None, listen.port).map(|socket| vec![socket]),
        Host::Ip(ip) => open(Some(ip), listen.port).map(|socket| vec![socket]),
        Host::Localhost => open(Some(Ipv4Addr::LOCALHOST.into()), listen.port).and_then(|v4| {
            // The same port in both families, also where the system chose it.
            match open(Some(Ipv6Addr::LOCALHOST.into()), v4.address.port()) {
                Ok(v6) => Ok(vec![v4, v6]),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
                // A system without IPv6.
                Err(_) => Ok(vec![v4]),
            }
        }),
    };
    opened.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!(
            "http.listen {listen}: address in use: another program listens there; choose another in the file, with \
             RILLCAST_HTTP_LISTEN or with demo --listen"
        ),
        _ => anyhow!("http.listen {listen}: {error}"),
    })
}

/// The connections of all sockets.
pub(crate) struct Connections {
    tasks: TaskTracker,
}

impl Connections {
    /// Accepts on all sockets until `stop`; then idle connections are closed and busy ones after their answer.
    pub(super) fn serve(
        sockets: Vec<Socket>,
        site: &Arc<Site>,
        router: &Router,
        stop: &CancellationToken,
    ) -> Self {
        let tasks = TaskTracker::new();
        for socket in sockets {
            tracing::info!(address = %socket.address, "HTTP listens");
            let edge = Edge { site: Arc::clone(site), router: router.clone(), stop: stop.clone() };
            tasks.spawn(accept(socket.listener, edge, tasks.clone()));
        }
        Self { tasks }
    }

    /// Waits until every connection has ended, after `stop`.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Edge {
    site: Arc<Site>,
    router: Router,
    stop: CancellationToken,
}

async fn accept(listener: TcpListener, edge: Edge, tasks: TaskTracker) {
    loop {
        let (stream, peer) = tokio::select! {
            () = edge.stop.cancelled() => return,
            accepted = listener::accept(&listener) => accepted,
        };
        // One that is not let in is closed without a word: a flood gets no work out of us.
        let Ok(admission) = edge.site.service.admit(peer) else { continue };
        let edge = edge.clone();
        tasks.spawn(async move {
            let arrival = edge.site.service.client(&stream, peer, admission).await;
            let Some(Arrival { peer, proxied, admission: _admission }) = arrival else { return };
            edge.serve(stream, Peer { address: peer, proxied }).await;
        });
    }
}

impl Edge {
    async fn serve(self, stream: TcpStream, peer: Peer) {
        let raw = edge::Connection::new(stream, peer, Arc::clone(&self.site), self.stop.clone());
        match Box::pin(raw.run()).await {
            Fate::Closed => {}
            Fate::Live(live, stream, head, framing) => live.serve(stream, head, framing).await,
            Fate::Library(stream, read) => Box::pin(self.serve_by_library(stream, read, peer)).await,
        }
    }

    /// Serves what is not media, and all that comes after it. `read` was taken from the connection already.
    async fn serve_by_library(self, stream: TcpStream, read: Vec<u8>, peer: Peer) {
        let (router, site) = (self.router, Arc::clone(&self.site));
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let peer = peer.of(request.headers(), &site.service);
            request.extensions_mut().insert(peer);
            router.clone().call(request)
        });
        let (reader, writer) = stream.into_split();
        let stream = tokio::io::join(io::Cursor::new(read).chain(reader), writer);
        let limits = self.site.limits;
        // HTTP/2 without TLS is spoken by no browser or player, and finding out which of the two a client means would
        // wait for its first bytes without a limit of time.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.handshake_timeout)
            .max_buf_size(limits.request_head_bytes.max(LEAST_HEAD_BYTES))
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %peer.address, %error, "HTTP connection ended");
        }
    }
}
