//! HTTP: media for everybody, and a page with its API for this machine alone, or for who has a token.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::Response;
use axum::routing::{any, get};
use publisher::Service;
use tokio_util::sync::CancellationToken;

mod access;
mod answer;
mod connection;
mod edge;
mod forwarded;
mod media;
mod page;
mod timed;
mod utc;

use crate::api;
use crate::auth::Access;
use crate::config::{Host, Listen};
use crate::control::Control;
use crate::listeners::Urls;
use crate::metrics;
pub(crate) use connection::Connections;

/// What the answers are made from.
pub(crate) struct Site {
    /// The publisher.
    pub(crate) service: Arc<Service>,
    /// What is configured.
    pub(crate) control: Arc<Control>,
    /// Where RTMP and RTSP listen.
    pub(crate) urls: Urls,
    /// What a client may do.
    pub(crate) limits: Limits,
    /// Who may use the API.
    pub(crate) access: Arc<Access>,
}

/// Bounds on a client of HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the connection, or from the first byte of a request, to the end of the request's head.
    pub(crate) handshake_timeout: Duration,
    /// Bytes of the head of a request.
    pub(crate) request_head_bytes: usize,
}

impl From<&publisher::config::Limits> for Limits {
    fn from(limits: &publisher::config::Limits) -> Self {
        Self {
            handshake_timeout: limits.handshake_timeout,
            request_head_bytes: usize::try_from(limits.request_head_bytes).unwrap_or(usize::MAX),
        }
    }
}

/// Open sockets, nothing accepted yet.
pub(crate) struct Server {
    sockets: Vec<connection::Socket>,
}

impl Server {
    /// Opens the sockets, so that a busy port is known before anything else starts.
    ///
    /// # Errors
    /// The address that cannot be used, the setting that has it, and why.
    pub(crate) fn bind(addresses: &[Listen]) -> anyhow::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            sockets.extend(connection::bind(*address)?);
        }
        Ok(Self { sockets })
    }

    /// Scheme, host and port for a client on this machine.
    pub(crate) fn url(&self) -> String {
        self.sockets.first().map_or_else(String::new, connection::Socket::url)
    }

    /// Accepts connections until `stop`.
    pub(crate) fn serve(self, site: Site, stop: &CancellationToken) -> Connections {
        let site = Arc::new(site);
        Connections::serve(self.sockets, &site, &router(Arc::clone(&site)), stop)
    }
}

/// The answers to all paths.
fn router(site: Arc<Site>) -> Router {
    let page = Router::new()
        .route("/", get(page::index))
        .route("/assets/{file}", get(page::asset))
        .method_not_allowed_fallback(|method: Method| async move {
            answer::method_not_allowed(&method, "GET, HEAD")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&site), access::admit_to_page));
    let api = Router::new()
        .route("/api", any(api::answer))
        .route("/api/", any(api::answer))
        .route("/api/{*call}", any(api::answer))
        .route("/metrics", get(metrics::answer))
        .layer(middleware::from_fn_with_state(Arc::clone(&site), access::admit));
    Router::new()
        .route("/healthz", get(|| async { answer::text(StatusCode::OK, "ok") }))
        .route("/readyz", get(ready))
        .merge(page)
        .merge(api)
        .fallback(media::serve)
        .with_state(site)
}

/// Whether it is worth while to send somebody here: HTTP listens when everything else does, and until the program is to end.
async fn ready(State(site): State<Arc<Site>>) -> Response {
    match site.service.is_ending() {
        false => answer::text(StatusCode::OK, "ready"),
        true => answer::text(StatusCode::SERVICE_UNAVAILABLE, "the program ends"),
    }
}

/// Host and port for a URL; HTTP's own port is left out.
fn authority(host: Host, port: u16) -> String {
    match port {
        80 => host.in_url(),
        port => format!("{}:{port}", host.in_url()),
    }
}

#[cfg(test)]
mod tests;
