//! Packets (draft-sharabayko-srt 3): data, and the control packets in [`Control`]. Decoding borrows from the datagram and
//! allocates nothing.

mod ack;
mod control;
mod extension;
mod handshake;
mod key_material;
mod loss;

pub use ack::{Ack, AckDetails, AckRates};
pub use control::Control;
pub(crate) use extension::MAX_STREAM_ID_BYTES;
pub use extension::{Extension, Extensions, Flags, Hello};
pub(crate) use handshake::address_field;
pub use handshake::{Handshake, HandshakeKind};
pub use key_material::{KeyMaterial, KeyState};
pub use loss::{LossList, MAX_LOSS_BYTES, encode_loss};

use bytes::Bytes;

use crate::{Error, Sequence};

/// The header of every packet.
pub const HEADER_BYTES: usize = 16;
/// The headers of IPv4 and UDP, which the MTU of a handshake counts in.
pub(crate) const UDP_BYTES: usize = 28;

/// One packet, as it goes over UDP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// The first bytes.
    pub header: [u8; HEADER_BYTES],
    /// What follows them.
    pub payload: Bytes,
}

impl Datagram {
    /// Bytes of both parts.
    pub fn bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Both parts in one piece.
    pub fn to_vec(&self) -> Vec<u8> {
        [&self.header[..], &self.payload].concat()
    }

    pub(crate) fn set_timestamp(&mut self, timestamp: u32) {
        let [.., a, b, c, d, _, _, _, _] = &mut self.header;
        [*a, *b, *c, *d] = timestamp.to_be_bytes();
    }
}

/// A packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Microseconds since the sender's socket began; wraps.
    pub timestamp: u32,
    /// The receiver's socket; 0 in a handshake that has none yet.
    pub destination: u32,
    /// The rest.
    pub body: Body<'a>,
}

/// What a packet is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body<'a> {
    /// Data.
    Data(Data<'a>),
    /// Control.
    Control(Control<'a>),
}

/// A data packet (3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data<'a> {
    /// Its number.
    pub sequence: Sequence,
    /// Where it is in its message: the two bits of PP, 3 for all of it. In live mode each packet is a message.
    pub position: u8,
    /// Whether messages are to be delivered in order.
    pub ordered: bool,
    /// What it is encrypted with.
    pub key: Option<Parity>,
    /// Whether it was sent before.
    pub retransmitted: bool,
    /// The number of its message, 26 bits.
    pub message: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Which of the two keys a packet is encrypted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parity {
    /// KK is 01.
    Even,
    /// KK is 10.
    Odd,
}

impl Parity {
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::Even => 1,
            Self::Odd => 2,
        }
    }

    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }
}

/// The bits of a message number.
pub(crate) const MESSAGE_MASK: u32 = 0x03ff_ffff;
/// A packet that is a message by itself.
pub(crate) const SOLO: u8 = 3;
const CONTROL: u32 = 1 << 31;
const ORDERED: u32 = 1 << 29;
const RETRANSMITTED: u32 = 1 << 26;

impl Data<'_> {
    /// The header of the packet.
    pub fn header(&self, timestamp: u32, destination: u32) -> [u8; HEADER_BYTES] {
        let mut second = u32::from(self.position & 3) << 30 | self.message & MESSAGE_MASK;
        second |= u32::from(self.key.map_or(0, Parity::bits)) << 27;
        second |= if self.ordered { ORDERED } else { 0 } | if self.retransmitted { RETRANSMITTED } else { 0 };
        header(self.sequence.get(), second, timestamp, destination)
    }
}

impl<'a> Packet<'a> {
    /// A control packet.
    pub fn control(timestamp: u32, destination: u32, control: Control<'a>) -> Self {
        Self { timestamp, destination, body: Body::Control(control) }
    }

    /// The packet in a datagram.
    pub fn decode(datagram: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("packet", datagram);
        let (first, second) = (fields.u32()?, fields.u32()?);
        let (timestamp, destination) = (fields.u32()?, fields.u32()?);
        let rest = fields.rest();
        let body = if first & CONTROL != 0 {
            let (kind, subtype) = ((first >> 16 & 0x7fff) as u16, first as u16);
            Body::Control(Control::decode(kind, subtype, second, rest)?)
        } else {
            let key = match second >> 27 & 3 {
                0 => None,
                1 => Some(Parity::Even),
                2 => Some(Parity::Odd),
                _ => return Err(Error::malformed("data packet", 4, "both keys at once")),
            };
            Body::Data(Data {
                sequence: Sequence::new(first),
                position: (second >> 30) as u8,
                ordered: second & ORDERED != 0,
                key,
                retransmitted: second & RETRANSMITTED != 0,
                message: second & MESSAGE_MASK,
                payload: rest,
            })
        };
        Ok(Self { timestamp, destination, body })
    }

    /// The packet as a datagram.
    pub fn encode(&self) -> Datagram {
        match &self.body {
            Body::Data(data) => Datagram {
                header: data.header(self.timestamp, self.destination),
                payload: Bytes::copy_from_slice(data.payload),
            },
            Body::Control(control) => {
                let (kind, subtype, second, payload) = control.encode();
                let first = CONTROL | u32::from(kind & 0x7fff) << 16 | u32::from(subtype);
                Datagram {
                    header: header(first, second, self.timestamp, self.destination),
                    payload: payload.into(),
                }
            }
        }
    }
}

/// The socket that a datagram is for, to find its connection by, and 0 for a handshake that has none yet; none where it is
/// no packet at all.
pub fn destination(datagram: &[u8]) -> Option<u32> {
    let word = datagram.get(12..HEADER_BYTES)?;
    word.try_into().ok().map(u32::from_be_bytes)
}

fn header(first: u32, second: u32, timestamp: u32, destination: u32) -> [u8; HEADER_BYTES] {
    let number = [first, second, timestamp, destination]
        .into_iter()
        .fold(0, |number: u128, word| number << 32 | u128::from(word));
    number.to_be_bytes()
}

/// Reads fields one after the other, and knows where it is.
pub(crate) struct Fields<'a> {
    what: &'static str,
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes, offset: 0 }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let cut = self.rest.split_at_checked(count);
        let (taken, rest) = cut.ok_or_else(|| Error::malformed(self.what, self.offset, "cut short"))?;
        self.rest = rest;
        self.offset += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("as many as were asked for"))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn block(&mut self) -> Result<[u8; 16], Error> {
        self.array()
    }

    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn error(&self, why: &'static str) -> Error {
        Error::malformed(self.what, self.offset, why)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_data_packet() {
        let data = Data {
            sequence: Sequence::new(0x1234_5678),
            position: SOLO,
            ordered: false,
            key: Some(Parity::Odd),
            retransmitted: true,
            message: 7,
            payload: b"abc",
        };
        let packet = Packet { timestamp: 1, destination: 2, body: Body::Data(data) };
        let bytes = packet.encode().to_vec();
        assert_eq!(bytes, *b"\x12\x34\x56\x78\xd4\0\0\x07\0\0\0\x01\0\0\0\x02abc");
        assert_eq!(Packet::decode(&bytes), Ok(packet));
        assert_eq!(destination(&bytes), Some(2));
        assert_eq!(destination(&bytes[..15]), None);
        let error = Packet::decode(&bytes[..15]).unwrap_err();
        assert_eq!(error, Error::malformed("packet", 12, "cut short"));
    }

    proptest! {
        /// What was read is written again as it was read, in whatever form it came.
        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..120), control in any::<bool>(), kind in 0u8..10) {
            let mut bytes = bytes;
            if control && bytes.len() > 2 {
                bytes[..2].copy_from_slice(&[0x80, kind]);
            }
            if let Ok(packet) = Packet::decode(&bytes) {
                let again = packet.encode().to_vec();
                prop_assert_eq!(Packet::decode(&again), Ok(packet));
            }
        }
    }
}
