//! RTMP messages: what the chunk stream carries (RTMP 1.0 chapters 5.4, 6 and 7).

mod command;
mod control;

pub use command::Command;
pub use control::{Control, PeerBandwidth, UserControl};

use bytes::{Buf, Bytes};

use crate::Error;
use crate::flv::{Tag, TagKind};

/// `message type id` of every type there is (5.4, 6.2, 7.1).
pub mod kind {
    /// Set Chunk Size, 5.4.1.
    pub const SET_CHUNK_SIZE: u8 = 1;
    /// Abort Message, 5.4.2.
    pub const ABORT: u8 = 2;
    /// Acknowledgement, 5.4.3.
    pub const ACKNOWLEDGEMENT: u8 = 3;
    /// User Control, 6.2.
    pub const USER_CONTROL: u8 = 4;
    /// Window Acknowledgement Size, 5.4.4.
    pub const WINDOW_ACK_SIZE: u8 = 5;
    /// Set Peer Bandwidth, 5.4.5.
    pub const SET_PEER_BANDWIDTH: u8 = 6;
    /// Audio, 7.1.4.
    pub const AUDIO: u8 = 8;
    /// Video, 7.1.5.
    pub const VIDEO: u8 = 9;
    /// Data in AMF3, 7.1.2.
    pub const DATA_AMF3: u8 = 15;
    /// Command in AMF3, 7.1.1.
    pub const COMMAND_AMF3: u8 = 17;
    /// Data in AMF0, 7.1.2.
    pub const DATA_AMF0: u8 = 18;
    /// Command in AMF0, 7.1.1.
    pub const COMMAND_AMF0: u8 = 20;
    /// Aggregate, 7.1.6.
    pub const AGGREGATE: u8 = 22;
}

/// One message, as it leaves the chunk stream or enters it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// `message type id`, see [`kind`].
    pub kind: u8,
    /// Milliseconds, wrapping at 32 bits.
    pub timestamp_ms: u32,
    /// `message stream id`; 0 is the connection itself.
    pub stream: u32,
    /// The payload.
    pub body: Bytes,
}

/// Whether messages of this type carry media, and so may be long.
pub fn is_media(kind: u8) -> bool {
    matches!(kind, kind::AUDIO | kind::VIDEO | kind::AGGREGATE)
}

/// The body of a command or data message in its AMF0 form: those "in AMF3" begin with a byte that says "AMF0 after
/// all", and encoders send nothing else.
pub(crate) fn amf0_body(message: &Message) -> Bytes {
    let mut body = message.body.clone();
    if matches!(message.kind, kind::COMMAND_AMF3 | kind::DATA_AMF3) && body.first() == Some(&0) {
        body.advance(1);
    }
    body
}

/// Length of the header of an FLV tag, and of each message inside an aggregate.
const TAG_HEADER: usize = 11;
/// Length of the size behind each message inside an aggregate.
const BACK_POINTER: usize = 4;
/// Messages that one aggregate may hold, for each becomes a tag of its own: more than a sender has reason to gather.
const MAX_AGGREGATED: usize = 4096;

/// The messages inside an aggregate message, as tags (7.1.6).
///
/// Their timestamps count from the first of them, which stands for the time of the aggregate. What is neither
/// audio, video nor data is left out. Fails where a length goes beyond the end, and where there are more than 4096.
///
/// Bodies are copied, so that one that is kept does not keep the whole aggregate.
pub fn aggregate(message: &Message) -> Result<Vec<Tag>, Error> {
    let mut rest = message.body.clone();
    let mut tags = Vec::new();
    let mut first = None;
    for count in 1.. {
        if rest.is_empty() {
            break;
        }
        if count > MAX_AGGREGATED {
            let (what, value, limit) = ("messages in an aggregate", count as u64, MAX_AGGREGATED as u64);
            return Err(Error::Limit { what, value, limit });
        }
        let truncated = Error::Truncated { what: "aggregate message", len: message.body.len() };
        let Some(header) = rest.first_chunk::<TAG_HEADER>().copied() else { return Err(truncated) };
        rest.advance(TAG_HEADER);
        let size = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        if rest.len() < size {
            return Err(truncated);
        }
        let body = rest.split_to(size);
        // The last message comes without its size from some servers.
        rest.advance(BACK_POINTER.min(rest.len()));
        let timestamp = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
        let offset = timestamp.wrapping_sub(*first.get_or_insert(timestamp));
        if let Some(kind) = TagKind::from_type(header[0]) {
            let body = Bytes::copy_from_slice(&body);
            tags.push(Tag { kind, timestamp_ms: message.timestamp_ms.wrapping_add(offset), body });
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &[u8]) -> Message {
        Message { kind: kind::AGGREGATE, timestamp_ms: 5000, stream: 1, body: Bytes::copy_from_slice(body) }
    }

    #[test]
    fn an_aggregate_counts_time_from_its_first_message() {
        let body = b"\x08\0\0\x02\0\x01\0\0\0\0\0aa\0\0\0\x0d\x09\0\0\x01\0\x01\x14\0\0\0\0v\0\0\0\x0c";
        let tags = aggregate(&message(body)).unwrap();
        let expected = [
            Tag { kind: TagKind::Audio, timestamp_ms: 5000, body: Bytes::from_static(b"aa") },
            Tag { kind: TagKind::Video, timestamp_ms: 5020, body: Bytes::from_static(b"v") },
        ];
        assert_eq!(tags, expected);
    }

    #[test]
    fn an_aggregate_that_promises_more_than_it_has_is_an_error() {
        assert!(aggregate(&message(b"\x08\0\0\x09\0\0\0\0\0\0\0aa")).is_err());
        assert!(aggregate(&message(b"\x08\0\0")).is_err());
        assert_eq!(aggregate(&message(b"")).unwrap(), []);
    }

    #[test]
    fn an_aggregate_of_very_many_messages_is_an_error() {
        let one = b"\x08\0\0\x01\0\x01\0\0\0\0\0a\0\0\0\x0c";
        assert_eq!(aggregate(&message(&one.repeat(4096))).unwrap().len(), 4096);
        let result = aggregate(&message(&one.repeat(4097)));
        assert!(matches!(result, Err(Error::Limit { value: 4097, limit: 4096, .. })));
    }

    #[test]
    fn a_tag_out_of_an_aggregate_does_not_keep_all_of_it() {
        let filler = [0; 4000 * 15];
        let aggregated = [&b"\x08\0\0\x01\0\x01\0\0\0\0\0a\0\0\0\x0c"[..], &filler].concat();
        let aggregated = message(&aggregated);
        let tags = aggregate(&aggregated).unwrap();
        assert_eq!(tags.len(), 1);
        assert!(tags[0].body.is_unique(), "it has its own memory");
    }

    #[test]
    fn commands_in_amf3_messages_are_read_as_amf0() {
        let wrapped = Message { kind: kind::COMMAND_AMF3, ..message(b"\0\x02\0\x01x") };
        assert_eq!(amf0_body(&wrapped)[..], b"\x02\0\x01x"[..]);
        let bare = Message { kind: kind::COMMAND_AMF3, ..message(b"\x02\0\x01x") };
        assert_eq!(amf0_body(&bare)[..], b"\x02\0\x01x"[..]);
    }
}
