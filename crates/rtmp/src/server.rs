//! One connection, the server's side: handshake, commands, timers (RTMP 1.0 chapter 7).
//!
//! ```
//! # use rillcast_rtmp as rtmp;
//! use std::time::Duration;
//! use rtmp::Limits;
//! use rtmp::server::{Event, Output, Session};
//!
//! # fn main() -> Result<(), rtmp::Error> {
//! # let (now, random, received) = (Duration::ZERO, [0; 32], [3u8]);
//! let mut session = Session::new(Limits::default(), now, random);
//! session.handle_bytes(now, &received)?;
//! loop {
//!     match session.poll_output() {
//!         Output::Send(bytes) => drop(bytes), // to the socket
//!         Output::Event(Event::Publish(_)) => session.accept_publish(now)?,
//!         Output::Event(_) => {}
//!         Output::Wait(_deadline) => break, // for bytes, or call handle_timeout then
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod connect;
mod request;
mod session;
mod status;

pub use connect::Connect;
pub(crate) use connect::{enhanced, fourccs};
pub(crate) use request::percent_decode;
pub use request::{Address, Request};
pub use session::{Session, Stats};
pub(crate) use status::call;
pub use status::code;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::flv::{Tag, TagKind};

/// What a session wants its owner to do next.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Send(Bytes),
    /// Take note.
    Event(Event),
    /// Nothing until more bytes come or this time is reached; with none, until bytes come.
    Wait(Option<Duration>),
}

/// What the peer did.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// It named itself and the application; already accepted, for only what it then asks for is worth a verdict.
    Connect(Connect),
    /// It wants to publish: [`Session::accept_publish`] or [`Session::reject_publish`].
    Publish(Request),
    /// It wants to play: [`Session::accept_play`] or [`Session::reject_play`].
    Play(Request),
    /// The player wants no media for now.
    Pause,
    /// The player wants media again, from a place where it may start.
    Resume,
    /// The player wants this kind of media, or does not.
    Receive {
        /// Sound or pictures.
        kind: TagKind,
        /// Whether it wants them.
        wanted: bool,
    },
    /// The player wants no more, by its own word. It may ask for something else.
    Stopped,
    /// Media or metadata of the accepted publication.
    Tag(Tag),
    /// The publication is over, by the peer's own word.
    Unpublish,
}

/// What a session waits for, no longer than [`Limits`](crate::Limits) say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The end of the handshake.
    Handshake,
    /// A `publish` or `play`.
    Request,
    /// The verdict of our own side.
    Verdict,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the peer did not end the handshake",
            Self::Request => "the peer asked neither to publish nor to play",
            Self::Verdict => "the peer's request was not answered",
        })
    }
}
