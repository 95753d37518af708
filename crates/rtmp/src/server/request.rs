//! Where a peer wants to publish or play, whichever way it splits the address.

use super::Connect;
use crate::flv::mux::Caps;

/// A `publish` or `play`, with what the peer's `connect` said. May hold a stream key: not for logs as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Request {
    /// Application as `connect` named it, query string included.
    pub app: String,
    /// Name of the stream, query string included.
    pub name: String,
    /// URL as `connect` named it.
    pub tc_url: String,
    /// Name and version of the program, as `connect` named it.
    pub flash_ver: String,
    /// Page that the player is on, as `connect` named it.
    pub page_url: String,
    /// What the peer takes of codecs that FLV did not always have.
    pub caps: Caps,
}

/// The path and the query of an address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Address {
    /// Application and name with one `/` between them, none at either end; not percent-decoded.
    pub path: String,
    /// Names and values, percent-decoded, in the order: application, name, `tcUrl`. What `tcUrl` repeats of the
    /// others is left out.
    pub query: Vec<(String, String)>,
}

impl Request {
    pub(super) fn new(connect: &Connect, name: &str) -> Self {
        Self {
            app: connect.app.clone(),
            name: name.to_owned(),
            tc_url: connect.tc_url.clone(),
            flash_ver: connect.flash_ver.clone(),
            page_url: connect.page_url.clone(),
            caps: connect.caps(),
        }
    }

    /// Application and name joined, and the query apart from both.
    ///
    /// For `rtmp://host/region/north/news?key=x` some clients take `region` for the application, some
    /// `region/north`; some leave the query on the name, others put it on the application or into `tcUrl` alone.
    /// All of them give the same address here.
    pub fn address(&self) -> Address {
        let (app, app_query) = split_query(&self.app);
        let (name, name_query) = split_query(&self.name);
        let (_, url_query) = split_query(&self.tc_url);
        let parts = [app, name].map(|part| part.trim_matches('/'));
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let mut query: Vec<_> = pairs(app_query).chain(pairs(name_query)).collect();
        for pair in pairs(url_query) {
            if !query.contains(&pair) {
                query.push(pair);
            }
        }
        Address { path: parts.join("/"), query }
    }
}

impl Address {
    /// The first value of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> {
    // A second '?' separates as well: a user pasted `name?a=b` into a program that appends `?c=d`.
    query.split(['&', '?']).filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (percent_decode(name), percent_decode(value))
    })
}

/// RFC 3986 2.1. `+` is itself, for a key may have one; a `%` without two digits behind it stays as it is.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |index: usize| tail.get(index).and_then(|&byte| char::from(byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high << 4 | low) as u8);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(app: &str, name: &str, tc_url: &str) -> Address {
        let (app, name, tc_url) = (app.to_owned(), name.to_owned(), tc_url.to_owned());
        let request = Request { app, name, tc_url, ..Request::default() };
        request.address()
    }

    #[test]
    fn every_way_to_split_an_address_gives_the_same() {
        let path = "region/north/news";
        let expected = Address { path: path.to_owned(), query: vec![("key".to_owned(), "x y".to_owned())] };
        for (app, name, tc_url) in [
            ("region", "north/news?key=x%20y", "rtmp://host/region"),
            ("region/north", "news?key=x%20y", "rtmp://host/region/north"),
            ("region/north/news?key=x%20y", "", "rtmp://host/region/north/news?key=x%20y"),
            ("region/north?key=x%20y", "news", "rtmp://host/region/north?key=x%20y"),
            ("/region/north/", "/news", "rtmp://host/region/north?key=x%20y"),
            ("", "region/north/news?key=x%20y", ""),
        ] {
            assert_eq!(address(app, name, tc_url), expected, "{app} {name} {tc_url}");
        }
    }

    #[test]
    fn the_nearer_query_comes_first() {
        let address = address("live?key=app", "cam?key=name&flag", "rtmp://host/live?key=url");
        assert_eq!(address.get("key"), Some("app"));
        assert_eq!(address.get("flag"), Some(""));
        assert_eq!(address.query.len(), 4);
        assert_eq!(address.get("none"), None);
    }

    #[test]
    fn odd_queries_are_read_as_far_as_they_go() {
        let address = address("live", "cam?a=1?b=2&&=c&d=%zz%4", "");
        let pairs: Vec<_> = address.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(pairs, ["a=1", "b=2", "=c", "d=%zz%4"]);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address(app in ".{0,40}", name in "[%?&=/a-f0-9]{0,40}", tc_url in ".{0,40}") {
            let path = address(&app, &name, &tc_url).path;
            prop_assert!(!path.starts_with('/') && !path.ends_with('/'));
        }
    }
}
