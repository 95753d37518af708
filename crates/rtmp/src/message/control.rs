//! Protocol control and user control messages (RTMP 1.0 5.4, 6.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::{Message, kind};
use crate::Error;

/// Message types 1 to 6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// The sender's chunks have this size from now on, 1 to 0x7fff_ffff.
    SetChunkSize(u32),
    /// The message begun on this chunk stream will not be ended.
    Abort(u32),
    /// Bytes received so far, wrapping at 32 bits.
    Acknowledgement(u32),
    /// An event about a stream or the connection.
    UserControl(UserControl),
    /// The sender wants an acknowledgement each time it has sent this many bytes.
    WindowAckSize(u32),
    /// The receiver should send no more than this unacknowledged.
    SetPeerBandwidth(u32, PeerBandwidth),
}

/// `limit type` of Set Peer Bandwidth, 5.4.5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerBandwidth {
    /// Exactly that.
    Hard,
    /// That, or what is in force if it is less.
    Soft,
    /// As `Hard` if the last one was hard, else to be ignored.
    Dynamic,
}

/// `event type` of a User Control message, 7.1.7.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UserControl {
    /// The stream can be used.
    StreamBegin(u32),
    /// The stream that was played is over.
    StreamEof(u32),
    /// The stream that is played has no data for now.
    StreamDry(u32),
    /// The player keeps this many milliseconds of the stream.
    SetBufferLength(u32, u32),
    /// The stream is a recording.
    StreamIsRecorded(u32),
    /// To be answered with the same number.
    PingRequest(u32),
    /// The answer to a ping.
    PingResponse(u32),
    /// Something of no meaning to us, or cut off: nothing depends on such a message.
    Other(u16),
}

impl Control {
    /// Reads a message of type 1 to 6, none for other types.
    ///
    /// Fails on a body too short, a chunk size out of range, an unknown limit type.
    pub fn decode(message: &Message) -> Result<Option<Self>, Error> {
        let body = &message.body;
        Ok(Some(match message.kind {
            kind::SET_CHUNK_SIZE => Self::SetChunkSize(chunk_size(word(body, 0, "set chunk size")?)?),
            kind::ABORT => Self::Abort(word(body, 0, "abort message")?),
            kind::ACKNOWLEDGEMENT => Self::Acknowledgement(word(body, 0, "acknowledgement")?),
            kind::USER_CONTROL => Self::UserControl(UserControl::decode(body)?),
            kind::WINDOW_ACK_SIZE => Self::WindowAckSize(word(body, 0, "window acknowledgement size")?),
            kind::SET_PEER_BANDWIDTH => {
                let limit = match body.get(4) {
                    Some(0) => PeerBandwidth::Hard,
                    Some(1) => PeerBandwidth::Soft,
                    // Some encoders leave the type out.
                    _ => PeerBandwidth::Dynamic,
                };
                Self::SetPeerBandwidth(word(body, 0, "set peer bandwidth")?, limit)
            }
            _ => return Ok(None),
        }))
    }

    /// The message, on the stream and with the timestamp that such messages have.
    pub fn encode(self) -> Message {
        let mut body = BytesMut::new();
        let kind = match self {
            Self::SetChunkSize(size) => {
                body.put_u32(size);
                kind::SET_CHUNK_SIZE
            }
            Self::Abort(stream) => {
                body.put_u32(stream);
                kind::ABORT
            }
            Self::Acknowledgement(count) => {
                body.put_u32(count);
                kind::ACKNOWLEDGEMENT
            }
            Self::UserControl(event) => {
                event.encode(&mut body);
                kind::USER_CONTROL
            }
            Self::WindowAckSize(size) => {
                body.put_u32(size);
                kind::WINDOW_ACK_SIZE
            }
            Self::SetPeerBandwidth(size, limit) => {
                body.put_u32(size);
                body.put_u8(match limit {
                    PeerBandwidth::Hard => 0,
                    PeerBandwidth::Soft => 1,
                    PeerBandwidth::Dynamic => 2,
                });
                kind::SET_PEER_BANDWIDTH
            }
        };
        Message { kind, timestamp_ms: 0, stream: 0, body: body.freeze() }
    }
}

impl UserControl {
    fn decode(body: &Bytes) -> Result<Self, Error> {
        const WHAT: &str = "user control message";
        let kind = body.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
        let kind = kind.ok_or(Error::Truncated { what: WHAT, len: body.len() })?;
        let value = |at| word(body, at, WHAT).ok();
        let event = match kind {
            0 => value(2).map(Self::StreamBegin),
            1 => value(2).map(Self::StreamEof),
            2 => value(2).map(Self::StreamDry),
            3 => value(2).zip(value(6)).map(|(stream, length_ms)| Self::SetBufferLength(stream, length_ms)),
            4 => value(2).map(Self::StreamIsRecorded),
            6 => value(2).map(Self::PingRequest),
            7 => value(2).map(Self::PingResponse),
            _ => None,
        };
        Ok(event.unwrap_or(Self::Other(kind)))
    }

    fn encode(self, body: &mut BytesMut) {
        let (kind, value) = match self {
            Self::StreamBegin(stream) => (0, Some(stream)),
            Self::StreamEof(stream) => (1, Some(stream)),
            Self::StreamDry(stream) => (2, Some(stream)),
            Self::SetBufferLength(stream, _) => (3, Some(stream)),
            Self::StreamIsRecorded(stream) => (4, Some(stream)),
            Self::PingRequest(time) => (6, Some(time)),
            Self::PingResponse(time) => (7, Some(time)),
            Self::Other(kind) => (kind, None),
        };
        body.put_u16(kind);
        if let Some(value) = value {
            body.put_u32(value);
        }
        if let Self::SetBufferLength(_, length_ms) = self {
            body.put_u32(length_ms);
        }
    }
}

fn word(body: &Bytes, at: usize, what: &'static str) -> Result<u32, Error> {
    let bytes = body.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Error::Truncated { what, len: body.len() })
}

fn chunk_size(size: u32) -> Result<u32, Error> {
    if !(1..=0x7fff_ffff).contains(&size) {
        let expected = "1 to 2147483647 (5.4.1)";
        return Err(Error::Invalid {
            what: "set chunk size",
            field: "chunk size",
            value: size.into(),
            expected,
        });
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_message_survives_the_round_trip() {
        use UserControl as User;
        let users = [
            User::StreamBegin(1),
            User::StreamEof(2),
            User::StreamDry(3),
            User::SetBufferLength(1, 3000),
            User::StreamIsRecorded(4),
            User::PingRequest(77),
            User::PingResponse(78),
            User::Other(31),
        ];
        let others = [
            Control::SetChunkSize(4096),
            Control::Abort(6),
            Control::Acknowledgement(u32::MAX),
            Control::WindowAckSize(2_500_000),
            Control::SetPeerBandwidth(1, PeerBandwidth::Hard),
            Control::SetPeerBandwidth(2, PeerBandwidth::Soft),
            Control::SetPeerBandwidth(3, PeerBandwidth::Dynamic),
        ];
        for control in others.into_iter().chain(users.map(Control::UserControl)) {
            assert_eq!(Control::decode(&control.encode()), Ok(Some(control)));
        }
    }

    #[test]
    fn chunk_sizes_out_of_range_and_short_bodies_are_errors() {
        for size in [0, 0x8000_0000] {
            assert!(Control::decode(&Control::SetChunkSize(size).encode()).is_err());
        }
        let short = Message { body: Bytes::from_static(b"\0\0\0"), ..Control::Abort(0).encode() };
        assert!(matches!(Control::decode(&short), Err(Error::Truncated { len: 3, .. })));
    }
}
