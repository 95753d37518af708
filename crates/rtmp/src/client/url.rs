//! Addresses to publish to: `rtmp://` and `rtmps://`.

use std::fmt;

use crate::server::percent_decode;

/// What stands for what is not shown.
const MASK: &str = "***";

/// An address to publish to. It has secrets in it: `Display` and `Debug` show it without them.
///
/// The last part of the path is the name of the stream, with the query; what is before it is the application. So it
/// is with YouTube (`/live2/KEY`), Twitch (`/app/KEY?bandwidthtest=true`), Facebook (`/rtmp/KEY?s_bl=1`), Akamai
/// (`/EntryPoint/name@12345`) and Wowza (`/app/_definst_/name`). A name of several parts, as nginx-rtmp may have, is
/// parted from the application by two slashes: `/live//region/news`. A query between both, `/app?token=x/name`,
/// belongs to the application.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    tls: bool,
    credentials: Option<Credentials>,
    host: String,
    port: Option<u16>,
    app: String,
    name: String,
}

/// Name and password of a publisher.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) password: String,
}

/// What is wrong with an address. The address itself is not repeated, for it may have a key in it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `rtmp` nor `rtmps`.
    #[error("cannot push to {0}: only rtmp:// and rtmps:// can be pushed to")]
    Scheme(String),
    /// No `scheme://` at the start.
    #[error("not a URL: rtmp://host/application/name is expected")]
    Form,
    /// No host, or one with characters that no host has.
    #[error("the host is missing or malformed")]
    Host,
    /// A port that is no number from 1 to 65535.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// White space or control characters.
    #[error("the URL has a space or a control character in it")]
    Character,
}

impl Url {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        Self::read(text, split)
    }

    /// `split` parts the path, without its first slash, into application and name.
    fn read(text: &str, split: impl Fn(&str) -> (&str, &str)) -> Result<Self, UrlError> {
        if text.chars().any(|character| character.is_whitespace() || character.is_control()) {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Form)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "rtmp" => false,
            "rtmps" => true,
            other if other.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)) => {
                return Err(UrlError::Scheme(format!("{other}://")));
            }
            _ => return Err(UrlError::Form),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // A password may have an '@' that its user did not encode.
        let (user_info, host_port) = match authority.rsplit_once('@') {
            Some((user_info, host_port)) => (Some(user_info), host_port),
            None => (None, authority),
        };
        let (host, port) = host_port_of(host_port)?;
        let (app, name) = split(path.strip_prefix('/').unwrap_or(path));
        let (app, name) = (app.to_owned(), name.to_owned());
        Ok(Self { tls, credentials: user_info.map(Credentials::decode), host, port, app, name })
    }

    /// Where a server sends us: `target` is an absolute or relative reference to an application (Enhanced RTMP v2,
    /// "Reconnect Request"); the name of the stream and the credentials stay. None if it makes no sense, or would give
    /// what was to be encrypted to an address that is not.
    pub(super) fn redirect(&self, target: &str) -> Option<Self> {
        let absolute = if target.starts_with("//") {
            format!("{}:{target}", self.scheme())
        } else if target.starts_with('/') {
            format!("{}://{}{target}", self.scheme(), self.authority())
        } else {
            target.to_owned()
        };
        let url = Self::read(&absolute, |path| (path.trim_end_matches('/'), "")).ok()?;
        let app = if url.app.is_empty() { self.app.clone() } else { url.app.clone() };
        let (credentials, name) = (self.credentials.clone(), self.name.clone());
        (url.tls || !self.tls).then_some(Self { credentials, app, name, ..url })
    }

    /// Whether the connection is to be made with TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Name or address to connect to; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port to connect to: 1935 for `rtmp` and 443 for `rtmps` if none is given.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.tls { 443 } else { 1935 })
    }

    /// The application, with a query if that belongs to it.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// The name of the stream with its query: a secret with most services.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `tcUrl` of `connect`.
    pub fn tc_url(&self) -> String {
        format!("{}://{}/{}", self.scheme(), self.authority(), self.app)
    }

    /// A text of the server's with what is secret in this address taken out: some repeat the name of the stream in
    /// what they say of it.
    pub fn mask(&self, text: &str) -> String {
        let (name, query) = self.name.split_once('?').unwrap_or((&self.name, ""));
        let (_, app_query) = self.app.split_once('?').unwrap_or_default();
        let password = self.credentials.as_ref().map_or("", |credentials| &credentials.password);
        let mut secrets = [self.name.as_str(), name, query, app_query, password];
        // The longest first, for it may hold others.
        secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
        let secrets = secrets.into_iter().filter(|secret| secret.len() > 2);
        secrets.fold(text.to_owned(), |text, secret| text.replace(secret, MASK))
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "rtmps" } else { "rtmp" }
    }

    /// Host and port, as they were given.
    fn authority(&self) -> String {
        let mut authority =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if let Some(port) = self.port {
            authority.push_str(&format!(":{port}"));
        }
        authority
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = if self.credentials.is_some() { "***@" } else { "" };
        let (app, query) = match self.app.split_once('?') {
            Some((app, _)) => (app, "?***"),
            None => (self.app.as_str(), ""),
        };
        write!(f, "{}://{user}{}/{app}{query}", self.scheme(), self.authority())?;
        if self.name.is_empty() {
            return Ok(());
        }
        f.write_str(if app.is_empty() { MASK } else { "/***" })
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl Credentials {
    fn decode(user_info: &str) -> Self {
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        Self { user: percent_decode(user), password: percent_decode(password) }
    }
}

fn host_port_of(text: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(UrlError::Host)?;
            let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
            let port = port.strip_prefix(':').or_else(|| port.is_empty().then_some(""));
            (Some(host).filter(|_| is_address), port.ok_or(UrlError::Port)?)
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte) || byte >= 0x80;
            (Some(host).filter(|host| !host.is_empty() && host.bytes().all(fits)), port)
        }
    };
    let host = host.ok_or(UrlError::Host)?.to_owned();
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|&port| digits && port > 0).ok_or(UrlError::Port)?;
    Ok((host, Some(port)))
}

/// Application and name of a path without its first slash.
fn split(path: &str) -> (&str, &str) {
    let query = path.find('?').unwrap_or(path.len());
    let (plain, rest) = path.split_at(query);
    if let Some((app, name)) = plain.split_once("//") {
        return (app, &path[path.len() - name.len() - rest.len()..]);
    }
    match (plain.rfind('/'), rest.rfind('/')) {
        (Some(at), _) => (&path[..at], &path[at + 1..]),
        (None, Some(at)) if !plain.is_empty() => (&path[..query + at], &path[query + at + 1..]),
        (None, _) => ("", path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> (String, u16, String, String, String) {
        let url = Url::parse(text).unwrap();
        (url.host.clone(), url.port(), url.app.clone(), url.name.clone(), url.tc_url())
    }

    fn expect(text: &str, host: &str, port: u16, app: &str, name: &str, tc_url: &str) {
        let expected = [host, app, name, tc_url].map(str::to_owned);
        let (found_host, found_port, found_app, found_name, found_tc_url) = parts(text);
        assert_eq!([found_host, found_app, found_name, found_tc_url], expected, "{text}");
        assert_eq!(found_port, port, "{text}");
    }

    #[test]
    fn the_forms_of_the_services() {
        let youtube = "rtmp://a.rtmp.youtube.com/live2/abcd-efgh";
        expect(youtube, "a.rtmp.youtube.com", 1935, "live2", "abcd-efgh", "rtmp://a.rtmp.youtube.com/live2");
        let twitch = "rtmp://live.twitch.tv/app/live_1_x?bandwidthtest=true";
        expect(
            twitch,
            "live.twitch.tv",
            1935,
            "app",
            "live_1_x?bandwidthtest=true",
            "rtmp://live.twitch.tv/app",
        );
        let facebook = "rtmps://live-api-s.facebook.com:443/rtmp/FB-1-0-A?s_bl=1&a=b/c";
        expect(
            facebook,
            "live-api-s.facebook.com",
            443,
            "rtmp",
            "FB-1-0-A?s_bl=1&a=b/c",
            "rtmps://live-api-s.facebook.com:443/rtmp",
        );
        let akamai = "rtmp://12:p%40w@p.ep1.i.akamaientrypoint.net/EntryPoint/name_1@12345";
        expect(
            akamai,
            "p.ep1.i.akamaientrypoint.net",
            1935,
            "EntryPoint",
            "name_1@12345",
            "rtmp://p.ep1.i.akamaientrypoint.net/EntryPoint",
        );
        let credentials = Url::parse(akamai).unwrap().credentials.unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("12", "p@w"));
        let wowza = "rtmp://host:1936/live/_definst_/cam";
        expect(wowza, "host", 1936, "live/_definst_", "cam", "rtmp://host:1936/live/_definst_");
        expect(
            "rtmp://host/live//region/news?key=a//b",
            "host",
            1935,
            "live",
            "region/news?key=a//b",
            "rtmp://host/live",
        );
        expect(
            "rtmp://host/app?token=1/2/cam",
            "host",
            1935,
            "app?token=1/2",
            "cam",
            "rtmp://host/app?token=1/2",
        );
    }

    #[test]
    fn hosts_ports_and_odd_paths() {
        expect(
            "RTMPS://[2001:db8::1]:8443/a/b",
            "2001:db8::1",
            8443,
            "a",
            "b",
            "rtmps://[2001:db8::1]:8443/a",
        );
        expect("rtmps://[::1]/a/b", "::1", 443, "a", "b", "rtmps://[::1]/a");
        expect("rtmp://host/name?key=x", "host", 1935, "", "name?key=x", "rtmp://host/");
        expect("rtmp://host/app/", "host", 1935, "app", "", "rtmp://host/app");
        expect("rtmp://host", "host", 1935, "", "", "rtmp://host/");
        expect("rtmp://host:/a/b", "host", 1935, "a", "b", "rtmp://host/a");
        expect("rtmp://u:p@w/d@host/a/b", "w", 1935, "d@host/a", "b", "rtmp://w/d@host/a");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_key() {
        let scheme = |text: &str| UrlError::Scheme(text.to_owned());
        for (text, error) in [
            ("srt://host/secret", scheme("srt://")),
            ("http://host/secret", scheme("http://")),
            ("live/secret", UrlError::Form),
            ("a secret://host", UrlError::Character),
            ("rtmp://ho st/secret", UrlError::Character),
            ("rtmp:///live/secret", UrlError::Host),
            ("rtmp://[::1/live/secret", UrlError::Host),
            ("rtmp://[nonsense]/live/secret", UrlError::Host),
            ("rtmp://ho<st/live/secret", UrlError::Host),
            ("rtmp://host:0/live/secret", UrlError::Port),
            ("rtmp://host:65536/live/secret", UrlError::Port),
            ("rtmp://host:+1/live/secret", UrlError::Port),
            ("rtmp://[::1]x/live/secret", UrlError::Port),
        ] {
            let found = Url::parse(text).unwrap_err();
            assert!(!found.to_string().contains("secret"), "{found}");
            assert_eq!(found, error, "{text}");
        }
    }

    #[test]
    fn keys_and_passwords_are_not_shown() {
        for (text, shown) in [
            ("rtmp://a.rtmp.youtube.com/live2/secret", "rtmp://a.rtmp.youtube.com/live2/***"),
            ("rtmps://user:secret@[::1]:444/app?t=secret/secret", "rtmps://***@[::1]:444/app?***/***"),
            ("rtmp://host/secret?key=secret", "rtmp://host/***"),
            ("rtmp://host/live//secret/secret", "rtmp://host/live/***"),
            ("rtmp://host/live/", "rtmp://host/live"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), format!("Url({shown})"));
        }
        let url = Url::parse("rtmp://user:pass1@host/live/stream-key?token=hidden").unwrap();
        let said = "stream-key is taken; stream-key?token=hidden of user with pass1";
        assert_eq!(url.mask(said), "*** is taken; *** of user with ***");
        assert_eq!(Url::parse("rtmp://host/live/a").unwrap().mask("a b"), "a b");
    }

    #[test]
    fn redirects_keep_the_name_and_do_not_give_up_encryption() {
        let url = Url::parse("rtmps://u:p@old:444/live/key?a=b").unwrap();
        let to = |target: &str| {
            let url = url.redirect(target)?;
            assert_eq!((url.name(), url.credentials().is_some()), ("key?a=b", true));
            Some((url.tc_url(), url.port()))
        };
        let expected = |tc_url: &str, port| Some((tc_url.to_owned(), port));
        assert_eq!(to("rtmps://new/live/inst"), expected("rtmps://new/live/inst", 443));
        assert_eq!(to("//new:445/live"), expected("rtmps://new:445/live", 445));
        assert_eq!(to("/other"), expected("rtmps://old:444/other", 444));
        assert_eq!(to("rtmps://new/live?x=1"), expected("rtmps://new/live?x=1", 443));
        assert_eq!(to("rtmps://new"), expected("rtmps://new/live", 443));
        assert_eq!(to("rtmp://new/live"), None);
        assert_eq!(to("http://new/live"), None);
        assert_eq!(to("nonsense"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,60}", path in "[a?/@:&=%\\[\\]]{0,30}") {
            for text in [text, format!("rtmp://host{path}"), format!("rtmps://{path}")] {
                if let Ok(url) = Url::parse(&text) {
                    let _ = (url.tc_url(), url.mask(&text), url.redirect(&path));
                    prop_assert!(url.port() > 0 && !url.host().is_empty());
                }
            }
        }

        #[test]
        fn the_key_is_never_shown(path in "[a-c/?]{0,12}", user in "[a-c]{0,3}") {
            let text = format!("rtmp://{user}:SECRET@host/{path}/SECRET?SECRET");
            if let Ok(url) = Url::parse(&text) {
                prop_assert!(!format!("{url} {url:?}").contains("SECRET"), "{}", text);
            }
        }
    }
}
