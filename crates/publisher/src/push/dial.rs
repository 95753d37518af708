//! From a URL to a connection: the addresses of a name, one after another, then TLS.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rtmp::client::Url;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::reason::{Fault, Reason};
use super::{tcp, tls};
use crate::clock::seconds;
use crate::config::Push;
use crate::resolve::resolve;
use crate::wire::{Counted, Wire};

/// Connects. Each of the steps (name, TCP with all addresses, TLS) may take `timeout`.
pub(super) async fn dial(url: &Url, push: &Push) -> Result<Wire, Fault> {
    let addresses = resolve(url.host(), url.port(), push.timeout).await;
    let addresses = addresses.map_err(|why| Fault::new(Reason::Dns, why))?;
    let socket = connect(&addresses, push.timeout).await?;
    tcp::tune(&socket, push.timeout);
    let wire = Counted::new(socket);
    if url.is_tls() { secure(wire, url, push).await } else { Ok(Wire::plain(wire)) }
}

/// Tries the addresses in turn; each gets an equal part of the time that is left.
async fn connect(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, Fault> {
    let end = Instant::now() + patience;
    let mut failed = Vec::new();
    for (index, &address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let until = Instant::now() + end.saturating_duration_since(Instant::now()) / left;
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failed.push(format!("{address}: {}", said(&error))),
            Err(_) => failed.push(format!("{address}: no answer")),
        }
    }
    Err(Fault::new(Reason::Connect, format!("cannot connect to {}", failed.join("; "))))
}

/// What the system says, without the number of the error.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

async fn secure(wire: Counted, url: &Url, push: &Push) -> Result<Wire, Fault> {
    let fault = |why: String| Fault::new(Reason::Tls, format!("TLS with {}: {why}", url.host()));
    let name = ServerName::try_from(url.host().to_owned()).map_err(|error| fault(error.to_string()))?;
    let push_config = push.clone();
    let config = tokio::task::spawn_blocking(move || tls::config(&push_config)).await;
    let config = config.map_err(|error| fault(error.to_string()))?.map_err(|why| fault(why.message))?;
    let shaken = TlsConnector::from(config).connect(name, wire);
    let shaken = tokio::time::timeout(push.timeout, shaken).await;
    let shaken = shaken.map_err(|_| {
        let why = format!("TLS with {}: no answer within {}", url.host(), seconds(push.timeout));
        Fault::new(Reason::NoAnswer, why)
    })?;
    shaken.map(Wire::tls).map_err(|error| fault(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn all_addresses_are_tried_in_turn() {
        let closed = TcpListener::bind("127.0.0.1:0").await.expect("bound").local_addr().expect("an address");
        let listener = TcpListener::bind("127.0.0.2:0").await.expect("bound");
        let open = listener.local_addr().expect("an address");
        let patience = Duration::from_secs(10);
        let socket = connect(&[closed, open], patience).await.expect("connected");
        assert_eq!(socket.peer_addr().expect("a peer"), open);
        let fault = connect(&[closed, closed], patience).await.expect_err("nobody there");
        let why = format!("{closed}: connection refused");
        assert_eq!(fault.message, format!("cannot connect to {why}; {why}"));
        assert_eq!(fault.reason, Reason::Connect);
    }
}
