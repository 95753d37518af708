//! The PROXY protocol, version 1 and 2: what a proxy that passes TCP on says of its client before the first byte of that
//! (haproxy.org, `doc/proxy-protocol.txt`). It counts from those alone who are trusted.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::limits::{Admission, Refusal};
use crate::service::Service;

/// The first bytes of version 1.
const TEXT: &[u8] = b"PROXY ";
/// The first bytes of version 2.
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, with its end (2.1).
const TEXT_BYTES: usize = 107;
/// The same of version 2, whose extensions have no bound of their own.
const BINARY_BYTES: usize = 2048;
/// Bytes of version 2 before the addresses.
const FIXED_BYTES: usize = 16;
/// What is missing of a header comes with the next packet.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What the first bytes of a connection are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Begin {
    /// Too few to tell.
    More,
    /// No header of a proxy.
    Plain,
    /// One of that many bytes; without an address the proxy speaks for itself.
    Header { bytes: usize, client: Option<SocketAddr> },
    /// One that is none.
    Broken,
}

fn decode(bytes: &[u8]) -> Begin {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(one, other)| one == other);
    match () {
        () if begins(TEXT) && bytes.len() >= TEXT.len() => decode_text(bytes),
        () if begins(BINARY) && bytes.len() >= BINARY.len() => decode_binary(bytes),
        () if begins(TEXT) || begins(BINARY) => Begin::More,
        () => Begin::Plain,
    }
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n` (2.1).
fn decode_text(bytes: &[u8]) -> Begin {
    let shown = bytes.get(..TEXT_BYTES).unwrap_or(bytes);
    let Some(end) = shown.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.len() < TEXT_BYTES { Begin::More } else { Begin::Broken };
    };
    let header = |client| Begin::Header { bytes: end + 2, client };
    let Some(line) = shown.get(TEXT.len()..end).and_then(|line| std::str::from_utf8(line).ok()) else {
        return Begin::Broken;
    };
    let mut words = line.split(' ');
    let family = words.next();
    if family == Some("UNKNOWN") {
        return header(None);
    }
    let (source, _, port) = (words.next(), words.next(), words.next());
    let address = source.and_then(|text| text.parse::<IpAddr>().ok());
    let port = port.and_then(|text| text.parse().ok());
    match (family, address, port) {
        (Some("TCP4"), Some(ip @ IpAddr::V4(_)), Some(port)) => header(Some(SocketAddr::new(ip, port))),
        (Some("TCP6"), Some(ip @ IpAddr::V6(_)), Some(port)) => {
            header(Some(SocketAddr::new(ip.to_canonical(), port)))
        }
        _ => Begin::Broken,
    }
}

/// Version and command, family, length, addresses, extensions (2.2).
fn decode_binary(bytes: &[u8]) -> Begin {
    let Some(&[version, family, high, low]) = bytes.get(BINARY.len()..).and_then(|rest| rest.first_chunk())
    else {
        return Begin::More;
    };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([high, low]));
    if version >> 4 != 2 || length > BINARY_BYTES {
        return Begin::Broken;
    }
    let Some(body) = bytes.get(FIXED_BYTES..length) else { return Begin::More };
    let client = match (version & 0xf, family) {
        // LOCAL: the proxy itself, to see whether we are there.
        (0, _) => None,
        (1, 0x11) => match body.first_chunk() {
            Some(&[a, b, c, d, _, _, _, _, p, q, _, _]) => {
                Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([p, q])))
            }
            None => return Begin::Broken,
        },
        (1, 0x21) => {
            let source = body.first_chunk::<16>();
            let port = body.get(32..36).and_then(|ports| ports.first_chunk::<2>());
            match (source, port) {
                (Some(source), Some(port)) => {
                    let ip = IpAddr::from(Ipv6Addr::from(*source)).to_canonical();
                    Some(SocketAddr::new(ip, u16::from_be_bytes(*port)))
                }
                _ => return Begin::Broken,
            }
        }
        // Other families have no address that means anything here.
        (1, _) => None,
        _ => return Begin::Broken,
    };
    Begin::Header { bytes: length, client }
}

/// Reads a header off a connection, with the client in it, if it names one. None: there is no header.
async fn read(stream: &TcpStream) -> io::Result<Option<Option<SocketAddr>>> {
    let mut bytes = [0; BINARY_BYTES];
    loop {
        let there = stream.peek(&mut bytes).await?;
        match decode(bytes.get(..there).unwrap_or_default()) {
            // Its end; whoever serves it will see that.
            _ if there == 0 => return Ok(None),
            Begin::Plain => return Ok(None),
            Begin::Broken => return Err(io::ErrorKind::InvalidData.into()),
            // Nothing wakes for what comes behind what is there already.
            Begin::More => tokio::time::sleep(LOOK_EVERY).await,
            Begin::Header { bytes: length, client } => {
                take(stream, &mut bytes, length).await?;
                return Ok(Some(client));
            }
        }
    }
}

/// Takes that many bytes off a connection.
async fn take(stream: &TcpStream, room: &mut [u8], mut count: usize) -> io::Result<()> {
    while count > 0 {
        stream.readable().await?;
        match stream.try_read(room.get_mut(..count).unwrap_or_default()) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => count -= read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A connection that was let in, and whose it is.
#[derive(Debug)]
pub struct Arrival {
    /// The client, by what is known of it.
    pub peer: SocketAddr,
    /// A proxy spoke for it.
    pub proxied: bool,
    /// Counts it for as long as it is held.
    pub admission: Admission,
}

impl Service {
    /// Whether what this address says of its clients counts.
    pub fn trusts(&self, proxy: IpAddr) -> bool {
        let proxy = proxy.to_canonical();
        self.settings.trusted_proxies.iter().any(|network| network.contains(proxy))
    }

    /// Who is at the other end of a connection that was let in: where it comes from a trusted proxy, and begins with what
    /// the PROXY protocol says of its client, that client, which is let in or not by its own address.
    ///
    /// None: the connection is to be closed. What was wrong is counted or logged.
    pub async fn client(
        &self,
        stream: &TcpStream,
        peer: SocketAddr,
        admission: Admission,
    ) -> Option<Arrival> {
        if !self.trusts(peer.ip()) {
            return Some(Arrival { peer, proxied: false, admission });
        }
        match tokio::time::timeout(self.settings.limits.handshake_timeout, Box::pin(read(stream))).await {
            Ok(Ok(None)) => Some(Arrival { peer, proxied: false, admission }),
            Ok(Ok(Some(None))) => Some(Arrival { peer, proxied: true, admission }),
            Ok(Ok(Some(Some(peer)))) => {
                drop(admission);
                Some(Arrival { peer, proxied: true, admission: self.admit(peer).ok()? })
            }
            Ok(Err(error)) => {
                if error.kind() == io::ErrorKind::InvalidData {
                    self.note_refused(peer, "the PROXY protocol of a trusted proxy is damaged");
                }
                None
            }
            Err(_) => {
                self.refuse(peer, Refusal::HandshakeTimeout);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(bytes: usize, client: Option<&str>) -> Begin {
        Begin::Header { bytes, client: client.map(|client| client.parse().expect("an address")) }
    }

    /// Version 2 with these two bytes and this body.
    fn binary(version: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("short").to_be_bytes();
        [BINARY, &[version, family], &length, body].concat()
    }

    #[test]
    fn both_versions_are_read_and_nothing_behind_them() {
        let text = b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\nGET / HTTP/1.1\r\n";
        assert_eq!(decode(text), header(42, Some("192.0.2.1:50000")));
        let text = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n\x03";
        assert_eq!(decode(text), header(40, Some("[2001:db8::1]:1")));
        assert_eq!(decode(b"PROXY UNKNOWN\r\n"), header(15, None));
        assert_eq!(decode(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), header(35, None));
        let mut four = binary(0x21, 0x11, &[192, 0, 2, 9, 192, 0, 2, 1, 0x10, 0, 1, 0xbb, 0x20, 0, 1, 7]);
        four.push(3);
        assert_eq!(decode(&four), header(32, Some("192.0.2.9:4096")), "with an extension");
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("an address").octets());
        six[33] = 80;
        assert_eq!(decode(&binary(0x21, 0x21, &six)), header(52, Some("[2001:db8::7]:80")));
        assert_eq!(decode(&binary(0x20, 0, &[])), header(16, None), "LOCAL");
        assert_eq!(decode(&binary(0x21, 0x31, &[0; 216])), header(232, None), "a socket of Unix");
    }

    #[test]
    fn each_beginning_of_a_header_waits_for_more() {
        let binary = binary(0x21, 0x11, &[1; 12]);
        for whole in [&b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 443\r\n"[..], &binary] {
            for length in 0..whole.len() {
                assert_eq!(decode(&whole[..length]), Begin::More, "{length} of {whole:?}");
            }
        }
    }

    #[test]
    fn other_protocols_are_plain_and_damage_is_told() {
        for plain in
            [&b"\x03\0\0\0"[..], b"GET / HTTP/1.1", b"POST", b"PLAY rtsp", b"\x16\x03\x01", b"\r\n\r\nGET"]
        {
            assert_eq!(decode(plain), Begin::Plain, "{plain:?}");
        }
        let long = [TEXT, &[b'1'; 200]].concat();
        for broken in [
            &b"PROXY TCP4 x y 1 2\r\n"[..],
            b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            b"PROXY \xff\r\n",
            b"PROXY TCP4\r\n",
            &long,
            &binary(0x11, 0x11, &[0; 12]),
            &binary(0x22, 0x11, &[0; 12]),
            &binary(0x21, 0x11, &[0; 11]),
            &binary(0x21, 0x21, &[0; 35]),
            &binary(0x21, 0x11, &[0; 2033]),
        ] {
            assert_eq!(decode(broken), Begin::Broken, "{broken:?}");
        }
    }
}
