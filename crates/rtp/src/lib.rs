//! RTP (RFC 3550) and what it carries: packets, reports, reception over networks that lose and reorder, and the payload
//! formats of the codecs, both ways. Sans-IO.

mod decode_time;
mod error;
pub mod format;
mod packet;
pub mod receive;
pub mod rtcp;
pub mod sync;

pub use decode_time::{DecodeTimes, Timed};
pub use error::Error;
pub use format::{Depacketizer, Format, Media, Packetizer, Payload, Unsupported};
pub use packet::{HEADER_BYTES, Header, Packet, is_rtcp};
