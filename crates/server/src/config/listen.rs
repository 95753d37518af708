//! Addresses to listen on, as the file has them: `:8080`, `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// What a listening address looks like, for messages.
pub(crate) const ALLOWED: &str =
    "an address as \":8080\" (all addresses), \"127.0.0.1:8080\", \"[::1]:8080\" or \"localhost:8080\"";

/// The host part of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Host {
    /// Every address, IPv4 and IPv6.
    All,
    /// The loopback of IPv4, and of IPv6 where there is one.
    Localhost,
    /// One address.
    Ip(IpAddr),
}

/// Where HTTP listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Listen {
    /// Address.
    pub(crate) host: Host,
    /// TCP port; 0 lets the system choose.
    pub(crate) port: u16,
}

impl Listen {
    /// Whether both would take the same address and port.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.port != 0 && self.port == other.port && self.host.overlaps(other.host)
    }
}

impl Host {
    /// From an address, or none for all of them.
    pub(crate) fn of(ip: Option<IpAddr>) -> Self {
        ip.map_or(Self::All, Self::Ip)
    }

    /// The host to write into a URL for a client on this machine.
    pub(crate) fn in_url(self) -> String {
        match self {
            Self::All | Self::Localhost => "localhost".to_owned(),
            Self::Ip(ip) if ip.is_unspecified() && ip.is_ipv4() => Ipv4Addr::LOCALHOST.to_string(),
            Self::Ip(ip) if ip.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            Self::Ip(ip) => ip.to_string(),
        }
    }

    fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Localhost, Self::Localhost) => true,
            (Self::Localhost, Self::Ip(ip)) | (Self::Ip(ip), Self::Localhost) => {
                ip == Ipv4Addr::LOCALHOST || ip == Ipv6Addr::LOCALHOST || ip.is_unspecified()
            }
            (Self::Ip(a), Self::Ip(b)) => {
                a == b || a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified())
            }
        }
    }

    /// An address without a port, as `listen_host` has it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "*" => Some(Self::All),
            "localhost" => Some(Self::Localhost),
            text => text.parse().ok().map(Self::Ip),
        }
    }
}

impl FromStr for Listen {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self { host: Host::Ip(address.ip()), port: address.port() });
        }
        let (host, port) = text.rsplit_once(':').ok_or(())?;
        // An IPv6 address stands in brackets, and those were read above.
        if host.contains(':') || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self { host: Host::parse(host).ok_or(())?, port: port.parse().map_err(|_| ())? })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match self.host {
            Host::All => write!(f, ":{port}"),
            Host::Localhost => write!(f, "localhost:{port}"),
            Host::Ip(ip) => SocketAddr::new(ip, port).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_alike() {
        for good in [":8080", "127.0.0.1:80", "[::1]:8080", "localhost:0", "[::]:65535"] {
            assert_eq!(good.parse::<Listen>().expect(good).to_string(), good);
        }
        assert_eq!("*:80".parse::<Listen>().expect("all").host, Host::All);
        for bad in ["", "8080", ":", ":70000", "::1:80", "example.com:80", "1.2.3.4", ":+80", ": 80", "[::1]"]
        {
            assert!(bad.parse::<Listen>().is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_have_a_host_that_a_client_can_use() {
        for (address, host) in [
            (":1", "localhost"),
            ("0.0.0.0:1", "127.0.0.1"),
            ("[::]:1", "[::1]"),
            ("[fd00::1]:1", "[fd00::1]"),
        ] {
            assert_eq!(address.parse::<Listen>().expect(address).host.in_url(), host);
        }
    }

    #[test]
    fn overlaps_are_found() {
        let overlaps = |a: &str, b: &str| {
            let parse = |text: &str| text.parse::<Listen>().expect("an address");
            parse(a).overlaps(parse(b))
        };
        assert!(overlaps(":80", "127.0.0.1:80"));
        assert!(overlaps("0.0.0.0:80", "127.0.0.1:80"));
        assert!(overlaps("localhost:80", "[::1]:80"));
        assert!(!overlaps("127.0.0.1:80", "127.0.0.1:81"));
        assert!(!overlaps("127.0.0.1:80", "[::1]:80"));
        assert!(!overlaps("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!overlaps(":0", ":0"), "the system finds two");
    }
}
