//! One connection, the client's side, to publish: handshake, `connect`, `publish`, what servers answer, timers (RTMP 1.0
//! chapter 7).
//!
//! ```
//! # use rillcast_rtmp as rtmp;
//! use std::time::Duration;
//! use rtmp::client::{Event, Output, Session, Settings, Target, Url};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (now, random, received) = (Duration::ZERO, [0; 32], [3u8]);
//! let target = Target::new(Url::parse("rtmp://host/live/key")?);
//! // A connection to the target's host and port is there.
//! let mut session = Session::new(Settings::default(), now, random, target);
//! loop {
//!     match session.poll_output() {
//!         Output::Send(bytes) => drop(bytes), // to the socket
//!         Output::Event(Event::Published { caps: _ }) => {} // media: `Session::publishing` tells how
//!         Output::Event(Event::Again(target) | Event::Redirect(target)) => drop(target), // a new connection
//!         Output::Event(Event::Refused(refusal)) => drop(refusal), // the session is over
//!         Output::Event(_) => {}
//!         Output::Wait(_deadline) => break, // for bytes, or call handle_timeout then
//!     }
//! }
//! session.handle_bytes(now, &received)?;
//! # Ok(())
//! # }
//! ```

mod auth;
mod refusal;
mod session;
mod target;
mod url;

pub use refusal::{Class, Refusal};
pub use session::{Session, Stats};
pub use target::Target;
pub use url::{Url, UrlError};

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::Limits;
use crate::flv::mux::Caps;

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bounds on what the server may make us hold. Its durations are those of servers and do not count here.
    pub limits: Limits,
    /// How long the server may take for each [`Step`]. Default 10 s.
    pub answer: Duration,
    /// Our name in `connect`. Default `FMLE/3.0 (compatible; Rillcast)`: there are servers that let nobody publish who
    /// does not begin like that.
    pub flash_ver: String,
    /// Whether to announce Enhanced RTMP. Default true; old servers pass over it.
    pub enhanced: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            answer: Duration::from_secs(10),
            flash_ver: "FMLE/3.0 (compatible; Rillcast)".to_owned(),
            enhanced: true,
        }
    }
}

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

/// What the server did.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Event {
    /// It takes the publication: media may be sent as [`Session::publishing`] says.
    Published {
        /// What the server announces of codecs that FLV did not always have. Some take more than they say.
        caps: Caps,
    },
    /// The session is over; the server wants a new connection, to the same address, on which the proof of who we are goes
    /// on.
    Again(Target),
    /// The server wants us elsewhere. Before [`Event::Published`] the session is over; after it, the publication goes on
    /// until its owner ends it, best at a key frame.
    Redirect(Target),
    /// The server does not want the publication, or no more: the session is over.
    Refused(Refusal),
}

/// Where a session stands: what it waits for, unless the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The end of the handshake.
    Handshake,
    /// The answer to `connect`.
    Connect,
    /// The answer to `createStream`.
    CreateStream,
    /// The answer to `publish`.
    Publish,
    /// Nothing: the publication is accepted.
    Publishing,
    /// Nothing: the session is over.
    Closed,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "the handshake",
            Self::Connect => "connect",
            Self::CreateStream => "createStream",
            Self::Publish => "publish",
            Self::Publishing => "the publication",
            Self::Closed => "the end",
        })
    }
}
