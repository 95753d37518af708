//! Whom a trusted proxy says that a request is from: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! Each proxy puts the address that a request came from behind those that it was told. So they are read from the end, and
//! the first that is no proxy of ours is the client: what is before it anybody may have written.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};

/// Proxies in a row at most.
const MOST: usize = 32;

/// The client, if the headers tell one; its port is 0 where they do not say. A proxy sets the one header or the other and
/// may pass on what a client wrote into the other: where both are there and differ, neither counts.
pub(super) fn client(headers: &HeaderMap, trusts: impl Fn(IpAddr) -> bool) -> Option<SocketAddr> {
    let values = |name: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim).map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = values("x-forwarded-for");
    let elements = values(header::FORWARDED.as_str());
    let by_list = walk(listed.iter().map(|text| address(text)), &trusts);
    let by_elements = walk(elements.iter().map(|text| address(node(text)?)), &trusts);
    match (listed.is_empty(), elements.is_empty()) {
        (false, true) => by_list,
        (true, false) => by_elements,
        (false, false) if by_list.map(|one| one.ip()) == by_elements.map(|one| one.ip()) => by_list,
        _ => None,
    }
}

/// The last address that is none of a proxy of ours; the first of all, where all are.
fn walk(
    addresses: impl DoubleEndedIterator<Item = Option<SocketAddr>>,
    trusts: impl Fn(IpAddr) -> bool,
) -> Option<SocketAddr> {
    let mut found = None;
    for address in addresses.rev().take(MOST) {
        // A proxy that does not say whom it serves is the last that is known.
        let Some(address) = address else { break };
        found = Some(address);
        if !trusts(address.ip()) {
            break;
        }
    }
    found
}

/// The node in `for=…` of an element of `Forwarded` (RFC 7239 4).
fn node(element: &str) -> Option<&str> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })?;
    Some(value.trim_matches('"'))
}

/// An address with or without port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found = match bare.parse::<IpAddr>() {
        Ok(ip) => SocketAddr::new(ip, 0),
        Err(_) => text.parse().ok()?,
    };
    Some(SocketAddr::new(found.ip().to_canonical(), found.port()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn found(headers: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut all = HeaderMap::new();
        headers.for_each(|(name, value)| {
            all.append(name, value);
        });
        let proxies: [IpAddr; 2] = ["10.0.0.1", "::1"].map(|ip| ip.parse().expect("an address"));
        client(&all, |ip| proxies.contains(&ip)).map(|client| client.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_of_ours_is_the_client() {
        let listed = |value| found(&[("x-forwarded-for", value)]);
        assert_eq!(listed("192.0.2.1").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(listed("127.0.0.1, 192.0.2.1, 10.0.0.1").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(listed("192.0.2.1:77,::1").as_deref(), Some("192.0.2.1:77"));
        assert_eq!(listed("[2001:db8::1]:8").as_deref(), Some("[2001:db8::1]:8"));
        assert_eq!(listed("::ffff:192.0.2.1").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(listed("10.0.0.1, ::1").as_deref(), Some("10.0.0.1:0"), "all are ours");
        assert_eq!(listed("192.0.2.1, unknown"), None);
        assert_eq!(listed("192.0.2.1, unknown, 10.0.0.1").as_deref(), Some("10.0.0.1:0"));
        let two = [("x-forwarded-for", "192.0.2.8"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(found(&two).as_deref(), Some("192.0.2.9:0"), "two headers are one list");
        assert_eq!((listed(""), found(&[])), (None, None));
    }

    #[test]
    fn forwarded_says_the_same_in_other_words() {
        let elements = |value| found(&[("forwarded", value)]);
        assert_eq!(elements("for=192.0.2.1;proto=https, For=10.0.0.1").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(elements("by=x; for=\"[2001:db8::1]:4711\"").as_deref(), Some("[2001:db8::1]:4711"));
        assert_eq!(elements("for=_hidden"), None);
        assert_eq!(elements("proto=http"), None);
    }

    #[test]
    fn where_both_are_there_and_differ_neither_counts() {
        let both = |one, other| found(&[("x-forwarded-for", one), ("forwarded", other)]);
        assert_eq!(both("192.0.2.1", "for=192.0.2.1").as_deref(), Some("192.0.2.1:0"));
        assert_eq!(both("192.0.2.1", "for=192.0.2.2"), None);
    }
}
