//! The address of what is measured.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use anyhow::{Context as _, bail};

/// A URL on this machine: `http`, `rtmp`, `rtsp` or `srt`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    /// `http`, `rtmp`, `rtsp` or `srt`.
    pub(crate) scheme: String,
    /// Host and port as the URL has them, for the `Host` header and the like.
    pub(crate) authority: String,
    /// Where to connect to; always loopback.
    pub(crate) address: SocketAddr,
    /// Path and query, with the leading slash; of SRT the query may stand alone.
    pub(crate) path: String,
}

impl Target {
    /// The same with the client's or stream's number for `{i}`.
    pub(crate) fn numbered(&self, number: usize) -> Self {
        Self { path: self.path.replace("{i}", &number.to_string()), ..self.clone() }
    }

    /// Fails unless the scheme is that one.
    pub(crate) fn expect(&self, scheme: &str) -> anyhow::Result<()> {
        if self.scheme != scheme {
            bail!("{self}: a URL that begins with {scheme}:// is needed here");
        }
        Ok(())
    }

    /// Application and stream name of an RTMP URL: all but the last part of the path, and the last.
    pub(crate) fn app_and_stream(&self) -> anyhow::Result<(&str, &str)> {
        let path = self.path.trim_start_matches('/');
        path.rsplit_once('/').with_context(|| format!("{self}: an RTMP URL ends with /app/stream"))
    }
}

impl FromStr for Target {
    type Err = anyhow::Error;

    /// Resolves the host too. Fails for what is not on this machine: the tool is no weapon.
    fn from_str(url: &str) -> anyhow::Result<Self> {
        let (scheme, rest) = url.split_once("://").context("a URL has a scheme, as in http://")?;
        let default_port = match scheme {
            "http" => 80,
            "rtmp" => 1935,
            "rtsp" => 554,
            "srt" => 9999,
            _ => bail!("scheme {scheme}:// is not known; http, rtmp, rtsp and srt are"),
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(end) => rest.split_at(end),
            None => (rest, "/"),
        };
        let has_port =
            authority.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let address = if has_port { authority.to_owned() } else { format!("{authority}:{default_port}") };
        let address = loopback(&address)?;
        Ok(Self { scheme: scheme.into(), authority: authority.into(), address, path: path.into() })
    }
}

/// The loopback address that a host and port stand for, IPv4 first.
pub(crate) fn loopback(host_and_port: &str) -> anyhow::Result<SocketAddr> {
    let found =
        host_and_port.to_socket_addrs().with_context(|| format!("{host_and_port}: no such address"))?;
    let mut local: Vec<SocketAddr> = found.filter(|address| address.ip().is_loopback()).collect();
    local.sort_by_key(SocketAddr::is_ipv6);
    let local = local.into_iter().next();
    local.with_context(|| {
        format!("{host_and_port} is not on this machine; only loopback addresses are loaded")
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Target {
        url.parse().unwrap()
    }

    #[test]
    fn a_url_is_taken_apart() {
        let url = parsed("http://127.0.0.1:8080/x/mpegts?token=1");
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("127.0.0.1:8080", "/x/mpegts?token=1"));
        assert_eq!(url.address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(url.to_string(), "http://127.0.0.1:8080/x/mpegts?token=1");
        assert_eq!(parsed("http://127.0.0.1").path, "/");
        let srt = parsed("srt://127.0.0.1:9998?streamid=live/x");
        assert_eq!((srt.address.port(), srt.path.as_str()), (9998, "?streamid=live/x"));
        assert_eq!(parsed("rtmp://127.0.0.1/live/x").address.port(), 1935);
        assert_eq!(parsed("rtsp://[::1]/x").address, "[::1]:554".parse().unwrap());
        assert_eq!(parsed("rtsp://[::1]:8554/x").address.port(), 8554);
    }

    #[test]
    fn other_machines_and_schemes_are_refused() {
        for url in [
            "http://192.0.2.1/",
            "http://10.0.0.1:80/",
            "https://127.0.0.1/",
            "127.0.0.1:80",
            "udp://127.0.0.1",
        ] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }

    #[test]
    fn streams_are_numbered_and_rtmp_paths_split() {
        let url = parsed("rtmp://127.0.0.1/live/s{i}?key=a").numbered(7);
        assert_eq!(url.app_and_stream().unwrap(), ("live", "s7?key=a"));
        assert_eq!(parsed("rtmp://127.0.0.1/a/b/c").app_and_stream().unwrap(), ("a/b", "c"));
        assert!(parsed("rtmp://127.0.0.1/live").app_and_stream().is_err());
        assert!(url.expect("http").is_err() && url.expect("rtmp").is_ok());
    }
}
