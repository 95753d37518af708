//! Control packets (draft-sharabayko-srt 3.2).

use super::{Ack, Fields, Handshake, LossList};
use crate::{Error, Sequence};

/// What a control packet says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Control<'a> {
    /// A step of the handshake (3.2.1).
    Handshake(Handshake<'a>),
    /// The peer is there (3.2.3).
    KeepAlive,
    /// What has arrived (3.2.4).
    Ack(Ack),
    /// What is missing (3.2.5).
    Nak(LossList<'a>),
    /// Congestion is near (3.2.6); nobody sends it.
    Congestion,
    /// The connection is over (3.2.7).
    Shutdown,
    /// The ACK of this number has arrived (3.2.8).
    AckAck(u32),
    /// Packets that will not come (3.2.9).
    DropRequest {
        /// The number of their message.
        message: u32,
        /// The first.
        first: Sequence,
        /// The last.
        last: Sequence,
    },
    /// The peer cannot go on (3.2.10); of file transfers.
    PeerError(u32),
    /// Key material, or the answer to it, within a connection (3.2.2).
    KeyMaterial {
        /// Whether it is the answer.
        response: bool,
        /// A [`super::KeyMaterial`], or a word that says why not.
        content: &'a [u8],
    },
    /// Of another kind, which is left alone.
    Other {
        /// Its kind.
        kind: u16,
        /// Its kind within the kind.
        subtype: u16,
    },
}

const HANDSHAKE: u16 = 0;
const KEEP_ALIVE: u16 = 1;
const ACK: u16 = 2;
const NAK: u16 = 3;
const CONGESTION: u16 = 4;
const SHUTDOWN: u16 = 5;
const ACKACK: u16 = 6;
const DROP_REQUEST: u16 = 7;
const PEER_ERROR: u16 = 8;
const USER: u16 = 0x7fff;
const KEY_REQUEST: u16 = 3;
const KEY_RESPONSE: u16 = 4;

impl<'a> Control<'a> {
    pub(super) fn decode(kind: u16, subtype: u16, second: u32, rest: &'a [u8]) -> Result<Self, Error> {
        Ok(match (kind, subtype) {
            (HANDSHAKE, _) => Self::Handshake(Handshake::decode(rest)?),
            (KEEP_ALIVE, _) => Self::KeepAlive,
            (ACK, _) => Self::Ack(Ack::decode(second, rest)?),
            (NAK, _) => Self::Nak(LossList::decode(rest)?),
            (CONGESTION, _) => Self::Congestion,
            (SHUTDOWN, _) => Self::Shutdown,
            (ACKACK, _) => Self::AckAck(second),
            (DROP_REQUEST, _) => {
                let mut fields = Fields::new("drop request", rest);
                let (first, last) = (Sequence::new(fields.u32()?), Sequence::new(fields.u32()?));
                if last.since(first) < 0 {
                    return Err(fields.error("the last one is before the first"));
                }
                Self::DropRequest { message: second, first, last }
            }
            (PEER_ERROR, _) => Self::PeerError(second),
            (USER, KEY_REQUEST) => Self::KeyMaterial { response: false, content: rest },
            (USER, KEY_RESPONSE) => Self::KeyMaterial { response: true, content: rest },
            (kind, subtype) => Self::Other { kind, subtype },
        })
    }

    /// Kind, kind within the kind, second word, and what follows the header.
    pub(super) fn encode(&self) -> (u16, u16, u32, Vec<u8>) {
        match self {
            Self::Handshake(handshake) => (HANDSHAKE, 0, 0, handshake.encode()),
            Self::KeepAlive => (KEEP_ALIVE, 0, 0, Vec::new()),
            Self::Ack(ack) => (ACK, 0, ack.number, ack.encode()),
            Self::Nak(losses) => (NAK, 0, 0, losses.as_bytes().to_vec()),
            Self::Congestion => (CONGESTION, 0, 0, Vec::new()),
            Self::Shutdown => (SHUTDOWN, 0, 0, Vec::new()),
            Self::AckAck(number) => (ACKACK, 0, *number, Vec::new()),
            Self::DropRequest { message, first, last } => {
                let range = [first.get().to_be_bytes(), last.get().to_be_bytes()].concat();
                (DROP_REQUEST, 0, *message, range)
            }
            Self::PeerError(code) => (PEER_ERROR, 0, *code, Vec::new()),
            Self::KeyMaterial { response, content } => {
                (USER, if *response { KEY_RESPONSE } else { KEY_REQUEST }, 0, content.to_vec())
            }
            Self::Other { kind, subtype } => (*kind, *subtype, 0, Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::packet::{Body, Packet};

    use super::*;

    #[test]
    fn each_kind_comes_back() {
        let kinds = [
            Control::KeepAlive,
            Control::Congestion,
            Control::Shutdown,
            Control::AckAck(9),
            Control::DropRequest { message: 3, first: Sequence::new(u32::MAX), last: Sequence::new(2) },
            Control::PeerError(4000),
            Control::KeyMaterial { response: false, content: b"1234" },
            Control::KeyMaterial { response: true, content: b"1234" },
            Control::Other { kind: 0x7fff, subtype: 1 },
        ];
        for control in kinds {
            let packet = Packet::control(5, 6, control);
            let bytes = packet.encode().to_vec();
            assert_eq!(Packet::decode(&bytes), Ok(packet));
        }
    }

    #[test]
    fn a_drop_request_has_an_order() {
        let bytes = b"\x80\x07\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0\x04";
        assert_eq!(
            Packet::decode(bytes),
            Err(Error::malformed("drop request", 8, "the last one is before the first"))
        );
    }

    #[test]
    fn what_is_behind_a_keep_alive_does_not_matter() {
        // libsrt puts four bytes there.
        let packet = Packet::decode(b"\x80\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").expect("a packet");
        assert_eq!(packet.body, Body::Control(Control::KeepAlive));
    }
}
