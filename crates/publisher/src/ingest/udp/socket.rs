//! The socket that datagrams come to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::if_nametoindex;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;

use crate::config::{Datagrams, Interface};
use crate::ingest::buffer;

/// A socket that listens, and what it holds for us at most, as the system says.
pub(super) struct Opened {
    pub(super) socket: UdpSocket,
    pub(super) buffer_bytes: usize,
}

/// Listens as it is configured.
///
/// # Errors
/// The port is taken, the address is none of ours, there is no such interface, or it has no multicast.
pub(super) fn open(input: &Datagrams) -> io::Result<Opened> {
    let (socket, address) = match socket_for(input.address) {
        // Every address, on a machine that has no IPv6.
        Err(error)
            if error.raw_os_error() == Some(libc::EAFNOSUPPORT) && input.address.ip().is_unspecified() =>
        {
            let address = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), input.address.port());
            (socket_for(address)?, address)
        }
        socket => (socket?, input.address),
    };
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // Every address is every address, of IPv4 too.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    let is_group = address.ip().is_multicast();
    if is_group {
        // Others on this machine may receive the same group.
        socket.set_reuse_address(true)?;
    }
    let interface = input.interface.as_ref().map(find).transpose()?;
    let address = match (address, &interface) {
        // Groups of a narrow scope are another one on each interface.
        (SocketAddr::V6(address), Some(interface)) if is_group => {
            SocketAddrV6::new(*address.ip(), address.port(), 0, interface.index).into()
        }
        (address, _) => address,
    };
    // Bound to the group, it gets nothing of other groups with that port.
    socket.bind(&address.into())?;
    if is_group {
        join(&socket, input, interface)?;
    }
    let buffer_bytes = buffer::set(&socket, input.buffer_bytes);
    let socket = UdpSocket::from_std(socket.into())?;
    Ok(Opened { socket, buffer_bytes })
}

fn socket_for(address: SocketAddr) -> io::Result<Socket> {
    Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))
}

fn join(socket: &Socket, input: &Datagrams, found: Option<Found>) -> io::Result<()> {
    match (input.address.ip(), input.source) {
        (IpAddr::V4(group), Some(IpAddr::V4(source))) => {
            let address = found.and_then(|found| found.v4).unwrap_or(Ipv4Addr::UNSPECIFIED);
            socket.join_ssm_v4(&source, &group, &address)?;
        }
        (IpAddr::V4(group), _) => {
            let interface = match found {
                Some(found) => InterfaceIndexOrAddress::Index(found.index),
                None => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
            };
            socket.join_multicast_v4_n(&group, &interface)?;
        }
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, found.map_or(0, |found| found.index))?,
    }
    if input.address.is_ipv4() {
        // What another socket of this machine joined elsewhere is not for this one.
        socket.set_multicast_all_v4(false)?;
    }
    Ok(())
}

/// A network interface.
struct Found {
    index: u32,
    /// An address that it has.
    v4: Option<Ipv4Addr>,
}

fn find(interface: &Interface) -> io::Result<Found> {
    let addresses: Vec<_> = getifaddrs()?
        .filter_map(|found| {
            let address = found.address?;
            let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
            let v6 = || address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
            Some((found.interface_name, v4.or_else(v6)?))
        })
        .collect();
    let name = match interface {
        Interface::Name(name) => name,
        Interface::Address(wanted) => match addresses.iter().find(|(_, address)| address == wanted) {
            Some((name, _)) => name,
            None => {
                let why = format!("no network interface has the address {wanted}");
                return Err(io::Error::new(io::ErrorKind::NotFound, why));
            }
        },
    };
    let index = if_nametoindex(name.as_str()).map_err(|_| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no network interface {name:?}"))
    })?;
    let v4 = addresses.iter().find_map(|(of, address)| match address {
        IpAddr::V4(address) if of == name => Some(*address),
        _ => None,
    });
    Ok(Found { index, v4 })
}

/// Whether a datagram from there is to be taken.
pub(super) fn is_from(source: Option<IpAddr>, from: SocketAddr) -> bool {
    source.is_none_or(|source| source.to_canonical() == from.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(address: &str) -> Datagrams {
        Datagrams {
            url: format!("udp://{address}"),
            address: address.parse().expect("an address"),
            interface: None,
            source: None,
            buffer_bytes: 65_536,
            program: None,
        }
    }

    #[tokio::test]
    async fn a_port_is_taken_once_and_a_group_as_often_as_wanted() {
        let first = open(&input("127.0.0.1:0")).expect("a port");
        let taken = first.socket.local_addr().expect("an address");
        let error = open(&input(&taken.to_string())).err().expect("taken");
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(first.buffer_bytes >= 65_536);
        let group = |port: u16| Datagrams {
            interface: Some(Interface::Name("lo".into())),
            ..input(&format!("239.255.77.1:{port}"))
        };
        let one = open(&group(0)).expect("a group");
        let port = one.socket.local_addr().expect("an address").port();
        open(&group(port)).expect("the same group");
        let source = Some(Ipv4Addr::LOCALHOST.into());
        let interface = Some(Interface::Address(Ipv4Addr::LOCALHOST.into()));
        open(&Datagrams { source, interface, ..group(port) }).expect("of one source");
    }

    #[tokio::test]
    async fn a_group_of_ipv6_is_joined_on_an_interface() {
        let interface = Some(Interface::Address("::1".parse().expect("an address")));
        match open(&Datagrams { interface, ..input("[ff01::1:77]:0") }) {
            Ok(_) => {}
            // A machine without IPv6 says so.
            Err(error) => assert!(!std::path::Path::new("/proc/net/if_inet6").exists(), "{error}"),
        }
    }

    #[tokio::test]
    async fn an_interface_that_is_not_there_is_told() {
        let error = |interface| {
            let input = Datagrams { interface: Some(interface), ..input("239.255.77.1:0") };
            open(&input).err().expect("no such interface").to_string()
        };
        assert_eq!(error(Interface::Name("none0".into())), "there is no network interface \"none0\"");
        let address = Interface::Address("192.0.2.1".parse().expect("an address"));
        assert_eq!(error(address), "no network interface has the address 192.0.2.1");
    }

    #[test]
    fn senders_are_compared_over_both_families() {
        let from = "[::ffff:192.0.2.1]:5000".parse().expect("an address");
        assert!(is_from(None, from) && is_from(Some("192.0.2.1".parse().expect("an address")), from));
        assert!(!is_from(Some("192.0.2.2".parse().expect("an address")), from));
    }
}
