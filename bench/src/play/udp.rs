//! RTP that comes by UDP: two sockets for each track of a player, of which one is read.

use std::io;
use std::net::{IpAddr, UdpSocket};

use rustix::net::sockopt;

use crate::net::{self, Poller};

/// Datagrams that are read from a socket in one turn.
const TURN: usize = 1024;
/// Key frames that come between two reads fit many times.
const BUFFER_BYTES: usize = 1 << 20;
/// Enough of a packet to see its sequence number.
pub(super) const HEADER_BYTES: usize = 16;

/// The sockets of a player.
#[derive(Default, Debug)]
pub(super) struct Media {
    tracks: Vec<Track>,
    /// How many of them the poller knows.
    watched: usize,
}

#[derive(Debug)]
struct Track {
    rtp: UdpSocket,
    /// Takes reports that nobody reads.
    _rtcp: UdpSocket,
    sequence: Sequence,
}

/// What packets say of those that did not come (RFC 3550 A.3).
#[derive(Clone, Copy, Default, Debug)]
struct Sequence {
    /// Of the first packet, and the greatest, both unrolled.
    span: Option<(u64, u64)>,
    received: u64,
}

/// What came, and what did not.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Count {
    pub(super) packets: u64,
    pub(super) lost: u64,
}

impl Media {
    /// Two more sockets, for RTP at an even port and for RTCP at the next (RFC 3550 11).
    pub(super) fn open(&mut self, host: IpAddr) -> io::Result<(u16, u16)> {
        const TRIES: usize = 200;
        for _ in 0..TRIES {
            let rtp = UdpSocket::bind((host, 0))?;
            let port = rtp.local_addr()?.port();
            if port.is_multiple_of(2)
                && let Ok(rtcp) = UdpSocket::bind((host, port + 1))
            {
                let forced = sockopt::set_socket_recv_buffer_size_force(&rtp, BUFFER_BYTES);
                if forced.is_err() {
                    sockopt::set_socket_recv_buffer_size(&rtp, BUFFER_BYTES)?;
                }
                self.tracks.push(Track { rtp, _rtcp: rtcp, sequence: Sequence::default() });
                return Ok((port, port + 1));
            }
        }
        Err(io::Error::new(io::ErrorKind::AddrInUse, "no two neighbouring ports are free"))
    }

    /// Lets the poller report new sockets under that number.
    pub(super) fn watch(&mut self, poller: &Poller, number: usize) -> io::Result<()> {
        for track in self.tracks.iter().skip(self.watched) {
            poller.watch(&track.rtp, number)?;
        }
        self.watched = self.tracks.len();
        Ok(())
    }

    /// Reads what there is, each packet into the buffer as far as that goes; bytes in all.
    pub(super) fn receive(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> io::Result<u64> {
        let mut total = 0;
        for track in &mut self.tracks {
            for _ in 0..TURN {
                let Some(bytes) = net::receive_datagram(&track.rtp, buffer)? else { break };
                total += bytes as u64;
                let packet = &buffer[..bytes.min(buffer.len())];
                if let &[_, _, high, low, ..] = packet {
                    track.sequence.count(u16::from_be_bytes([high, low]));
                }
                take(packet);
            }
        }
        Ok(total)
    }

    /// What came of all tracks.
    pub(super) fn count(&self) -> Count {
        self.tracks.iter().fold(Count::default(), |sum, track| Count {
            packets: sum.packets + track.sequence.received,
            lost: sum.lost + track.sequence.lost(),
        })
    }
}

impl Sequence {
    fn count(&mut self, number: u16) {
        self.received += 1;
        // A round in front, for what comes late to begin with.
        let begin = 0x1_0000 + u64::from(number);
        let (first, greatest) = self.span.unwrap_or((begin, begin));
        let ahead = number.wrapping_sub(greatest as u16) as i16;
        let unrolled = greatest.saturating_add_signed(ahead.into());
        self.span = Some((first, greatest.max(unrolled)));
    }

    fn lost(&self) -> u64 {
        let expected = self.span.map_or(0, |(first, greatest)| greatest - first + 1);
        expected.saturating_sub(self.received)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(numbers: impl IntoIterator<Item = u16>) -> u64 {
        let mut sequence = Sequence::default();
        numbers.into_iter().for_each(|number| sequence.count(number));
        sequence.lost()
    }

    #[test]
    fn holes_are_lost_and_late_packets_are_not() {
        assert_eq!(lost([]), 0);
        assert_eq!(lost([7]), 0);
        assert_eq!(lost([7, 8, 10, 12]), 2);
        assert_eq!(lost([7, 9, 8, 10]), 0);
        assert_eq!(lost([65_534, 65_535, 0, 2]), 1);
        assert_eq!(lost((0..200_000u32).map(|number| number as u16)), 0);
    }

    #[test]
    fn datagrams_are_counted_without_being_read_whole() {
        let mut media = Media::default();
        let host = "127.0.0.1".parse().unwrap();
        let (rtp, rtcp) = media.open(host).unwrap();
        assert!(rtp.is_multiple_of(2) && rtcp == rtp + 1);
        let sender = UdpSocket::bind((host, 0)).unwrap();
        for number in [1, 2, 4] {
            let packet = [&[0x80, 96, 0, number][..], &[0; 1000]].concat();
            sender.send_to(&packet, (host, rtp)).unwrap();
        }
        let mut seen = Vec::new();
        let bytes = media.receive(&mut [0; HEADER_BYTES], |packet| seen.push(packet.len())).unwrap();
        assert_eq!((bytes, seen), (3 * 1004, vec![HEADER_BYTES; 3]));
        assert_eq!(media.count(), Count { packets: 3, lost: 1 });
    }
}
