//! SRT in live mode (draft-sharabayko-srt-01): who calls and who listens, sending and receiving, encrypted or not. Sans-IO:
//! datagrams and time are arguments, and what is to be sent comes back as datagrams.
//!
//! [`Listener`] answers strangers without keeping anything of them until they have proved their address, and then asks its
//! owner about each. [`Caller`] is the other side. Both end in a [`Connection`], which is the same for both: a buffer of
//! what was sent and not confirmed, one of what has arrived and is not due, and the timers. Which connection a datagram is
//! for, [`packet::destination`] and the address that it came from tell; the owner keeps that table.
//!
//! Not here: rendezvous, file mode, groups, packet filters, AES-GCM, and the handshake of versions before 1.3.
//!
//! Every byte is hostile: what a peer can make us hold is bounded by [`Settings`] and [`Limits`]. A packet that cannot be
//! read is left out and ends nothing, for UDP lets anyone write in another's name.

pub mod caller;
pub mod connection;
mod crypto;
mod error;
pub mod listener;
pub mod packet;
mod random;
mod rejection;
mod sequence;
mod settings;
mod stream_id;
mod timestamp;

pub use caller::Caller;
pub use connection::Connection;
pub use crypto::{KeyLength, Passphrase, Refresh};
pub use error::Error;
pub use listener::Listener;
pub use rejection::Rejection;
pub use sequence::Sequence;
pub use settings::{Bandwidth, Limits, Settings};
pub use stream_id::{Mode, StreamId};
