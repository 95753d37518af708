//! Who may see the page and its API: whoever has a token, and where there are none a browser on this machine, and nobody
//! who comes through something else.
//!
//! That the peer is loopback is not enough. A reverse proxy on this machine makes everybody's requests come from
//! loopback, and a foreign web page can point a name of its own at 127.0.0.1 and have the browser read our
//! answers (DNS rebinding). So a request with the marks of a proxy is refused, and so is one for any host but
//! this machine.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, Version, header, uri::Authority};
use axum::middleware::Next;
use axum::response::Response;

use super::connection::Peer;
use super::{Site, answer};
use crate::api::{Kind, Problem};
use crate::auth::Refused;

/// Headers that only a proxy writes, beside all that begin with `x-forwarded-`.
const PROXY_HEADERS: [&str; 10] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-host",
    "x-envoy-external-address",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
];

/// Lets requests pass of those who may send them, and answers the others with 401 or 403 and the reason. Whoever passes
/// finds its [`Role`](crate::auth::Role) in the request.
pub(super) async fn admit(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let elsewhere = refusal(peer, request.version(), request.uri(), request.headers());
    let mut given = request.headers().get_all(header::AUTHORIZATION).iter();
    let authorization = given.next().map(HeaderValue::as_bytes);
    let verdict = site.access.judge(request.method(), authorization, elsewhere);
    match verdict {
        Ok(role) => {
            request.extensions_mut().insert(role);
            next.run(request).await
        }
        Err(refused) => {
            if let (Refused::WrongToken, Some(peer)) = (refused, peer) {
                site.service.note_refused(peer.address, "the API, for a token that is none of ours");
            }
            refuse(refused, request.uri().path())
        }
    }
}

/// Lets everybody see the page where it asks for a token, and this machine alone where there is none to ask for: in its
/// files there is nothing to hide.
pub(super) async fn admit_to_page(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if site.access.has_tokens() {
        return next.run(request).await;
    }
    admit(State(site), request, next).await
}

fn refuse(refused: Refused, path: &str) -> Response {
    let is_api = path.starts_with("/api");
    let (status, sentence, challenge) = match refused {
        Refused::Elsewhere(why) => {
            if is_api {
                let sentence = format!("the API is for this machine alone, and {why}");
                return Problem::new(Kind::Forbidden, sentence).into_response();
            }
            let sentence =
                format!("This page is for a browser on the machine that Rillcast runs on, and {why}.");
            return answer::text(StatusCode::FORBIDDEN, &sentence);
        }
        Refused::NoToken => (
            StatusCode::UNAUTHORIZED,
            "a token is needed, as Authorization: Bearer TOKEN; `rillcast token` makes one",
            "Bearer realm=\"rillcast\"",
        ),
        Refused::WrongToken => (
            StatusCode::UNAUTHORIZED,
            "this token is not known here",
            "Bearer realm=\"rillcast\", error=\"invalid_token\"",
        ),
        Refused::Role => (
            StatusCode::FORBIDDEN,
            "this token is for looking; a change needs one with the role admin",
            "Bearer realm=\"rillcast\", error=\"insufficient_scope\"",
        ),
    };
    let mut response = match (is_api, status) {
        (false, status) => answer::text(status, sentence),
        (true, StatusCode::UNAUTHORIZED) => Problem::new(Kind::Unauthorized, sentence).into_response(),
        (true, _) => Problem::new(Kind::Forbidden, sentence).into_response(),
    };
    // RFC 9110 11.6.1, RFC 6750 3.
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// Why a request may not pass.
fn refusal(peer: Option<Peer>, version: Version, uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if !peer.is_some_and(|peer| peer.address.ip().is_loopback()) {
        return Some("this request comes from another one");
    }
    if peer.is_some_and(|peer| peer.proxied) {
        return Some("this request comes through a proxy");
    }
    let forwarded = |name: &str| name.starts_with("x-forwarded-") || PROXY_HEADERS.contains(&name);
    // Browsers speak HTTP/1.1; nginx speaks 1.0 to what is behind it, by default without any header of a proxy.
    if version < Version::HTTP_11 || headers.keys().any(|name| forwarded(name.as_str())) {
        return Some("this request comes through a proxy");
    }
    let host = match uri.authority() {
        Some(authority) => is_this_machine(authority.as_str()),
        None => only(headers, header::HOST).is_some_and(is_this_machine),
    };
    if !host {
        return Some("this request is for another host; open it as http://localhost with the port");
    }
    // Browsers send it with what a page of another site asks for.
    let foreign = |origin: &str| !origin.split_once("://").is_some_and(|(_, host)| is_this_machine(host));
    if headers.contains_key(header::ORIGIN) && only(headers, header::ORIGIN).is_none_or(foreign) {
        return Some("this request was made by a page of another site");
    }
    None
}

/// The value of a header that must be there once, as text.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether `host` or `host:port` is `localhost` or a loopback address.
fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn refused(peer: &str, headers: &[(&'static str, &'static str)]) -> Option<&'static str> {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        let peer = Peer { address: SocketAddr::new(peer.parse().expect("an address"), 1), proxied: false };
        refusal(Some(peer), Version::HTTP_11, &Uri::from_static("/"), &headers.collect())
    }

    #[test]
    fn a_browser_here_may() {
        for (peer, host) in [
            ("127.0.0.1", "localhost:8080"),
            ("127.0.0.1", "127.0.0.1:8080"),
            ("::1", "[::1]:8080"),
            ("::1", "LOCALHOST"),
            ("127.9.9.9", "127.9.9.9"),
        ] {
            assert_eq!(refused(peer, &[("host", host)]), None, "{peer} {host}");
        }
        assert_eq!(refused("::1", &[("host", "localhost"), ("origin", "http://localhost:8080")]), None);
    }

    #[test]
    fn other_machines_may_not() {
        for peer in ["192.0.2.1", "2001:db8::1", "10.0.0.1", "0.0.0.0"] {
            assert!(
                refused(peer, &[("host", "localhost")]).is_some_and(|why| why.contains("another one")),
                "{peer}"
            );
        }
        assert!(refusal(None, Version::HTTP_11, &Uri::from_static("/"), &HeaderMap::new()).is_some());
    }

    #[test]
    fn a_proxy_may_not() {
        for name in
            PROXY_HEADERS.into_iter().chain(["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"])
        {
            let why = refused("127.0.0.1", &[("host", "localhost"), (name, "x")]);
            assert!(why.is_some_and(|why| why.contains("proxy")), "{name}");
        }
        let headers = [(header::HOST, HeaderValue::from_static("127.0.0.1:8080"))].into_iter().collect();
        let peer = Some(Peer { address: "127.0.0.1:1".parse().expect("an address"), proxied: false });
        let why = refusal(peer, Version::HTTP_10, &Uri::from_static("/"), &headers);
        assert!(why.is_some_and(|why| why.contains("proxy")), "nginx as it is by default");
        let headers = [(header::HOST, HeaderValue::from_static("localhost"))].into_iter().collect();
        let peer = Some(Peer { address: "127.0.0.1:1".parse().expect("an address"), proxied: true });
        let why = refusal(peer, Version::HTTP_11, &Uri::from_static("/"), &headers);
        assert!(why.is_some_and(|why| why.contains("proxy")), "by the PROXY protocol");
    }

    #[test]
    fn another_host_or_site_may_not() {
        for host in
            ["example.com", "localhost.example.com", "127.0.0.1.example.com", "evil@localhost", "", "[::2]"]
        {
            assert!(refused("::1", &[("host", host)]).is_some(), "{host}");
        }
        assert!(refused("::1", &[]).is_some(), "no host at all");
        assert!(refused("::1", &[("host", "localhost"), ("host", "example.com")]).is_some(), "two hosts");
        for origin in ["http://example.com", "null", ""] {
            assert!(refused("::1", &[("host", "localhost"), ("origin", origin)]).is_some(), "{origin}");
        }
        let absolute = Uri::from_static("http://example.com/");
        let headers = [(header::HOST, HeaderValue::from_static("localhost"))].into_iter().collect();
        let peer = Some(Peer { address: "127.0.0.1:1".parse().expect("an address"), proxied: false });
        assert!(
            refusal(peer, Version::HTTP_11, &absolute, &headers).is_some(),
            "the URI counts, not the header"
        );
    }
}
