//! RTP data packets (RFC 3550 5.1): the fixed header, and the payload without what may surround it.

use bytes::Bytes;

use crate::Error;

/// Size in bytes of the fixed header, which is all the header that packets of ours have.
pub const HEADER_BYTES: usize = 12;

const WHAT: &str = "RTP packet";

/// Version 2 in the two upper bits of the first byte (RFC 3550 5.1).
const VERSION: u8 = 2;

/// The fixed header of a packet (RFC 3550 5.1), without what only frames the payload: padding, contributing sources and
/// extension are cut off when a packet is read, and never written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Header {
    /// M: the end of an access unit, or what else the payload format makes of it.
    pub marker: bool,
    /// PT: which of the session's formats the payload has, 0 to 127.
    pub payload_type: u8,
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// When the payload is to be shown, in ticks of the format's clock rate from a zero that nobody knows. Wraps.
    pub timestamp: u32,
    /// SSRC: which of the session's senders sent it.
    pub ssrc: u32,
}

impl Header {
    /// The header on the wire. Of the payload type the lower 7 bits are written.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = u8::from(self.marker) << 7 | (self.payload_type & 0x7f);
        [VERSION << 6, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// A data packet: its header, and the payload as its format defines it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packet {
    /// The fixed header.
    pub header: Header,
    /// What the format has to say; it may be empty.
    pub payload: Bytes,
}

impl Packet {
    /// Reads a datagram, or the content of an interleaved frame. The payload shares its memory. Contributing sources, a
    /// header extension (RFC 3550 5.3.1) and padding are cut off.
    ///
    /// # Errors
    ///
    /// It is shorter than its header says, has another version than 2, or more padding than there is room for.
    pub fn decode(mut data: Bytes) -> Result<Self, Error> {
        let len = data.len();
        let truncated = Error::Truncated { what: WHAT, len };
        let Some(&[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]) = data.first_chunk() else {
            return Err(truncated);
        };
        if first >> 6 != VERSION {
            return Err(Error::Invalid {
                what: WHAT,
                field: "version",
                value: u64::from(first >> 6),
                expected: "2",
            });
        }
        let mut start = HEADER_BYTES + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            // A profile's two bytes, then the length in words of 32 bits without these four bytes (RFC 3550 5.3.1).
            let Some(&[_, _, l0, l1]) = data.get(start..).and_then(<[u8]>::first_chunk) else {
                return Err(truncated);
            };
            start += 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        }
        if start > len {
            return Err(truncated);
        }
        let mut payload = data.split_off(start);
        if first & 0x20 != 0 {
            let padding = payload.last().copied().unwrap_or(0);
            let kept = payload.len().checked_sub(usize::from(padding));
            let (Some(kept), 1..) = (kept, padding) else {
                return Err(Error::Invalid {
                    what: WHAT,
                    field: "padding",
                    value: u64::from(padding),
                    expected: "1 to the size of the payload",
                });
            };
            payload.truncate(kept);
        }
        let header = Header {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok(Self { header, payload })
    }

    /// The packet on the wire.
    pub fn encode(&self) -> Vec<u8> {
        [&self.header.encode()[..], &self.payload].concat()
    }
}

/// Whether what came on a port or channel that data and reports share is a report (RFC 5761 4): what would be the payload
/// type with its marker lies in the range of RTCP's packet types, 192 to 223. Data has no payload types of 64 to 95 there.
pub fn is_rtcp(data: &[u8]) -> bool {
    matches!(data, [first, 192..=223, ..] if first >> 6 == VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 96,
        sequence: 0x1234,
        timestamp: 0x5678_9abc,
        ssrc: 0xdef0_1122,
    };

    fn with(first: u8, rest: &[u8]) -> Bytes {
        let mut data = HEADER.encode().to_vec();
        data[0] = first;
        data.extend_from_slice(rest);
        data.into()
    }

    fn payload(first: u8, rest: &[u8]) -> Result<Bytes, Error> {
        Packet::decode(with(first, rest)).map(|packet| packet.payload)
    }

    #[test]
    fn a_header_on_the_wire() {
        let wire = [0x80, 0xe0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0x11, 0x22];
        assert_eq!(HEADER.encode(), wire);
        let packet = Packet { header: HEADER, payload: Bytes::new() };
        assert_eq!(Packet::decode(Bytes::copy_from_slice(&wire)), Ok(packet));
    }

    #[test]
    fn what_surrounds_the_payload_is_cut_off() {
        assert_eq!(payload(0x80, b"data").unwrap(), "data");
        assert_eq!(payload(0x82, b"csrccsrcdata").unwrap(), "data");
        assert_eq!(payload(0x90, b"\xbe\xde\0\x01extndata").unwrap(), "data");
        assert_eq!(payload(0xa0, b"data\0\0\x03").unwrap(), "data");
        assert_eq!(payload(0xb1, b"csrc\xbe\xde\0\x01extndata\x01").unwrap(), "data");
        // A whole payload of padding is how senders probe for bandwidth.
        assert_eq!(payload(0xa0, b"\0\0\x03").unwrap(), "");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(
            Packet::decode(Bytes::from_static(&[0x80; 11])),
            Err(Error::Truncated { len: 11, .. })
        ));
        assert!(matches!(payload(0x40, b""), Err(Error::Invalid { field: "version", value: 1, .. })));
        assert!(matches!(payload(0x82, b"csrccsr"), Err(Error::Truncated { .. })));
        assert!(matches!(payload(0x90, b"\xbe\xde\0"), Err(Error::Truncated { .. })));
        assert!(matches!(payload(0x90, b"\xbe\xde\xff\xffextn"), Err(Error::Truncated { .. })));
        for rest in [&b""[..], b"data\0", b"data\x06"] {
            assert!(matches!(payload(0xa0, rest), Err(Error::Invalid { field: "padding", .. })), "{rest:?}");
        }
    }

    #[test]
    fn reports_are_told_from_data() {
        assert!(is_rtcp(&[0x81, 200]));
        assert!(!is_rtcp(&HEADER.encode()));
        assert!(!is_rtcp(&[0x80, 0x80 | 33]));
        assert!(!is_rtcp(&[0x01, 200]));
        assert!(!is_rtcp(&[0x80]));
    }

    proptest! {
        #[test]
        fn packets_survive_the_round_trip(
            marker: bool, payload_type in 0u8..128, sequence: u16, timestamp: u32, ssrc: u32, payload: Vec<u8>,
        ) {
            let header = Header { marker, payload_type, sequence, timestamp, ssrc };
            let packet = Packet { header, payload: payload.into() };
            prop_assert_eq!(Packet::decode(packet.encode().into()), Ok(packet));
        }

        #[test]
        fn any_bytes_are_taken(first: u8, rest in proptest::collection::vec(any::<u8>(), 0..100)) {
            let data = [&[first], &rest[..]].concat();
            let _ = is_rtcp(&data);
            if let Ok(packet) = Packet::decode(data.into()) {
                prop_assert!(packet.payload.len() <= rest.len());
            }
        }
    }
}
