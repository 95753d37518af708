//! RTMP and FLV, sans-IO.
//!
//! Adobe's Real-Time Messaging Protocol 1.0, the FLV file format 10.1 whose tag bodies it carries, and Enhanced
//! RTMP v1 and v2 for the codecs that came later. Nothing here opens a socket or reads a clock: bytes and time are
//! arguments, and what is to be sent comes back as bytes.
//!
//! From the wire to frames:
//!
//! ```text
//! bytes ─ handshake ─ chunk::Decoder ─ message ─ server::Session ─ flv::Tag ─ flv::Demux ─ flv::Media
//!                                              (or flv::file::Reader) ┘
//! ```
//!
//! [`server::Session`] is one connection as the server sees it: it answers commands, keeps the timers, and hands
//! out what was published as [`flv::Tag`]s. [`flv::Demux`] makes tracks and frames of those, whether they came from
//! a connection or from a file. A tag that cannot be understood is an error for that tag; the connection goes on.
//!
//! And from frames to the wire:
//!
//! ```text
//! frames ─ flv::mux ─ chunk::Shared ─┬─ those who play: server::Session says when and where
//!                                    └─ where it is published: client::Session does
//! ```
//!
//! Media are muxed and cut into chunks once for all who get them, and go past the sessions, which only tell the
//! [`Route`](chunk::Route).
//!
//! Every byte is hostile: what a peer can make us hold is bounded by [`Limits`].

pub mod amf0;
pub mod chunk;
pub mod client;
mod error;
pub mod flv;
pub mod handshake;
mod limits;
pub mod message;
pub mod server;

pub use error::Error;
pub use limits::Limits;
