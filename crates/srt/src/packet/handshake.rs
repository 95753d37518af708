//! The handshake packet (draft-sharabayko-srt 3.2.1).

use std::net::IpAddr;

use super::{Extensions, Fields};
use crate::rejection::Rejection;
use crate::{Error, Sequence};

/// One step of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handshake<'a> {
    /// 4 in the first packet of a caller, else 5.
    pub version: u32,
    /// Key length in units of 8 bytes; 0 where the sender leaves that open.
    pub encryption: u16,
    /// What extensions follow; in an induction a magic number.
    pub extension: u16,
    /// The first packet of the sender.
    pub sequence: Sequence,
    /// The longest IP packet.
    pub mtu: u32,
    /// Packets that may be under way.
    pub flow_window: u32,
    /// Which step it is.
    pub kind: HandshakeKind,
    /// The sender's socket.
    pub socket: u32,
    /// What the listener proves the caller's address with.
    pub cookie: u32,
    /// The receiver's address, as the sender sees it.
    pub address: [u8; 16],
    /// The extensions as they came, see [`Handshake::extensions`].
    pub content: &'a [u8],
}

/// The step of a handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HandshakeKind {
    /// The first, which asks for a cookie.
    Induction,
    /// The second, with everything.
    Conclusion,
    /// Of the rendezvous mode, which is not spoken here: the raw number.
    Rendezvous(u32),
    /// No.
    Rejection(Rejection),
}

const INDUCTION: u32 = 1;
const CONCLUSION: u32 = 0xffff_ffff;

impl Handshake<'_> {
    /// The version that is spoken here.
    pub const VERSION: u32 = 5;
    /// What a listener's induction has in `extension` (4.3.1.1).
    pub const MAGIC: u16 = 0x4a17;
    /// What a caller's induction has there: datagrams.
    pub(crate) const DATAGRAMS: u16 = 2;
    /// Extensions in `extension`: the hello, key material, and any of the others.
    pub(crate) const HAS_HELLO: u16 = 1;
    pub(crate) const HAS_KEY_MATERIAL: u16 = 2;
    pub(crate) const HAS_OTHERS: u16 = 4;
}

impl<'a> Handshake<'a> {
    /// What follows the header.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut fields = Fields::new("handshake", bytes);
        Ok(Self {
            version: fields.u32()?,
            encryption: fields.u16()?,
            extension: fields.u16()?,
            sequence: Sequence::new(fields.u32()?),
            mtu: fields.u32()?,
            flow_window: fields.u32()?,
            kind: match fields.u32()? {
                INDUCTION => HandshakeKind::Induction,
                CONCLUSION => HandshakeKind::Conclusion,
                other => Rejection::from_wire(other)
                    .map_or(HandshakeKind::Rendezvous(other), HandshakeKind::Rejection),
            },
            socket: fields.u32()?,
            cookie: fields.u32()?,
            address: fields.block()?,
            content: fields.rest(),
        })
    }

    /// The extensions; an error where one is cut short or breaks its form.
    pub fn extensions(&self) -> Result<Extensions<'a>, Error> {
        Extensions::decode(self.content)
    }

    /// What follows the header.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.kind {
            HandshakeKind::Induction => INDUCTION,
            HandshakeKind::Conclusion => CONCLUSION,
            HandshakeKind::Rendezvous(number) => number,
            HandshakeKind::Rejection(rejection) => rejection.wire(),
        };
        let mut bytes = Vec::with_capacity(48 + self.content.len());
        bytes.extend(self.version.to_be_bytes());
        bytes.extend(self.encryption.to_be_bytes());
        bytes.extend(self.extension.to_be_bytes());
        for word in [self.sequence.get(), self.mtu, self.flow_window, kind, self.socket, self.cookie] {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(self.address);
        bytes.extend(self.content);
        bytes
    }
}

/// An address in the order that libsrt has on the machines it runs on: each word with its lowest byte first.
pub(crate) fn address_field(address: IpAddr) -> [u8; 16] {
    let mut field = [0; 16];
    match address {
        IpAddr::V4(address) => {
            for (byte, octet) in field.iter_mut().zip(address.octets().into_iter().rev()) {
                *byte = octet;
            }
        }
        IpAddr::V6(address) => {
            field = address.octets();
            field.as_chunks_mut::<4>().0.iter_mut().for_each(|word| word.reverse());
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field() {
        for kind in [
            HandshakeKind::Induction,
            HandshakeKind::Conclusion,
            HandshakeKind::Rendezvous(0xffff_fffe),
            HandshakeKind::Rejection(Rejection::NOT_FOUND),
        ] {
            let handshake = Handshake {
                version: 5,
                encryption: 2,
                extension: 7,
                sequence: Sequence::new(11),
                mtu: 1500,
                flow_window: 8192,
                kind,
                socket: 12,
                cookie: 13,
                address: address_field("127.0.0.1".parse().unwrap()),
                content: &[1, 2, 3],
            };
            let bytes = handshake.encode();
            assert_eq!(bytes.len(), 51);
            assert_eq!(bytes[32..37], [1, 0, 0, 127, 0]);
            assert_eq!(Handshake::decode(&bytes), Ok(handshake));
            assert!(Handshake::decode(&bytes[..47]).is_err());
        }
    }

    #[test]
    fn ipv6() {
        let field = address_field("0102:0304::".parse().unwrap());
        assert_eq!(field[..5], [4, 3, 2, 1, 0]);
    }
}
