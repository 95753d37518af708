//! Networks of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address, or a network of them: `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    /// Bits that all its addresses share.
    prefix: u32,
}

impl Network {
    /// Whether the address is in it. An IPv4 address is one of IPv4 here, however a socket shows it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let shift = |bits: u32| bits - self.prefix;
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| prefix.parse::<u32>().map_err(|_| ()))?;
        (prefix <= bits).then_some(Self { address, prefix }).ok_or(())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_their_addresses_and_no_others() {
        let has = |network: &str, address: &str| {
            let network: Network = network.parse().expect(network);
            network.contains(address.parse().expect(address))
        };
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("192.0.2.77/24", "192.0.2.1", "192.0.3.1"),
            ("2001:db8::/32", "2001:db8:ffff::", "2001:db9::"),
            ("::1/128", "::1", "::2"),
        ] {
            assert!(has(network, inside) && !has(network, outside), "{network}");
        }
        assert!(has("0.0.0.0/0", "203.0.113.1") && !has("0.0.0.0/0", "::2") && has("::/0", "2001:db8::"));
        for wrong in ["", "x", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "::/129", "10.0.0/8"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }
}
