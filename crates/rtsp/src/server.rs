//! One connection, the server's side: requests, states, timers (RFC 2326).
//!
//! ```
//! # use rillcast_rtsp as rtsp;
//! use std::time::Duration;
//! use rtsp::{Limits, Status};
//! use rtsp::server::{Event, Output, Session};
//!
//! # fn main() -> Result<(), rtsp::Error> {
//! # let (now, random, received) = (Duration::ZERO, [0; 32], b"OPTIONS * RTSP/1.0\r\n");
//! let mut session = Session::new(Limits::default(), now, random, "name/1.0".into());
//! session.handle_bytes(now, received)?;
//! loop {
//!     match session.poll_output() {
//!         Output::Send(bytes) => drop(bytes), // to the socket
//!         Output::Event(Event::Describe(_)) => session.reject(now, Status::NOT_FOUND, "no such stream")?,
//!         Output::Event(_) => {}
//!         Output::Wait(_deadline) => break, // for bytes, or call handle_timeout then
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod request;
mod session;
mod uri;

pub use request::Request;
pub use session::{PlayAnswer, Session, Stats};

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;

use crate::header::Transport;
use crate::sdp::Description;

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
///
/// The first five want a verdict: the method that accepts, or [`Session::reject`] or [`Session::challenge`]. Until then
/// nothing else is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// It asks what there is: [`Session::accept_describe`].
    Describe(Request),
    /// It wants to publish what it describes: [`Session::accept_announce`].
    Announce(Request, Description),
    /// It wants a track of what it plays, or sends a track of what it announced: [`Session::accept_setup`].
    Setup {
        /// Path and query are those of the presentation, without the part that names the track.
        request: Request,
        /// The track: of a publication its place in the description, which is sure to have it; of what is played the
        /// number in the URI (`trackID=N`), and whether there is such a one is the owner's to say (404).
        track: usize,
        /// The ways that it offers and that we can speak, the one it likes best first; never empty.
        transports: Vec<Transport>,
    },
    /// It wants media now, at first or after a pause: [`Session::accept_play`]. The path and the query are those of its
    /// first SETUP.
    Play(Request),
    /// It is about to send media: [`Session::accept_record`]. The path and the query are those of its ANNOUNCE.
    Record(Request),
    /// It wants no media for now, or sends none; already answered.
    Pause,
    /// The session is over, by the peer's own word; already answered. It may ask for something else.
    Teardown,
    /// A packet that came over the connection: of a publication, or the RTCP of who plays.
    Packet {
        /// Which track, as in [`Event::Setup`].
        track: usize,
        /// What it is.
        kind: PacketKind,
        /// The packet, as it came.
        data: Bytes,
    },
    /// A request that says no more than that the peer is there; already answered.
    Alive,
}

impl Event {
    /// Whether the session waits for a verdict.
    pub fn wants_verdict(&self) -> bool {
        use Event::{Announce, Describe, Play, Record, Setup};
        matches!(self, Describe(_) | Announce(..) | Setup { .. } | Play(_) | Record(_))
    }
}

/// What a packet is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PacketKind {
    /// Media.
    Rtp,
    /// Reports.
    Rtcp,
}

/// How a track is carried, of what its client offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chosen {
    /// Over the connection, on the channels that [`Session::channels`] then tells.
    Interleaved,
    /// Over UDP, to the ports that the client offered.
    Udp {
        /// Our ports for RTP and RTCP.
        server_ports: (u16, u16),
        /// The SSRC of what we send.
        ssrc: Option<u32>,
        /// The address that we send from, where it is not that of the connection.
        source: Option<IpAddr>,
    },
}

/// Where a track begins, for the answer to PLAY (RFC 2326 12.33).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RtpInfo {
    /// The track.
    pub track: usize,
    /// Sequence number of its first packet.
    pub sequence: u16,
    /// RTP timestamp of the moment at which playing begins, where it is known.
    pub rtp_timestamp: Option<u32>,
}

/// What a session waits for, no longer than [`Limits`](crate::Limits) say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timer {
    /// The first request.
    FirstRequest,
    /// Another request, while nothing is played or recorded.
    Request,
    /// The verdict of our own side.
    Verdict,
    /// A sign of life, while media go over UDP.
    Session,
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstRequest => "the peer sent no request",
            Self::Request => "the peer asked for nothing more",
            Self::Verdict => "the peer's request was not answered",
            Self::Session => "the peer gave no sign of life",
        })
    }
}
