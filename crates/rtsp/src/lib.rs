//! RTSP 1.0 (RFC 2326), the server's side: messages, descriptions (SDP, RFC 8866), proof of identity (RFC 7616), and the
//! session of one connection. Sans-IO: bytes and time are arguments, and what is to be sent comes back as bytes.
//!
//! [`server::Session`] is one connection: it answers what needs no decision, keeps the timers, asks its owner about the
//! rest, and hands out what is published over the same connection. Media that somebody plays do not pass through it.
//! What the packets hold is not known here, and neither is what a stream is.
//!
//! Every byte is hostile: what a peer can make us hold is bounded by [`Limits`].

mod auth;
mod error;
pub mod header;
mod limits;
mod message;
pub mod sdp;
pub mod server;
mod status;

pub use error::Error;
pub use limits::Limits;
pub use status::Status;
