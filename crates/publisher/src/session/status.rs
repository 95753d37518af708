//! A session as it is at one moment: the same for every protocol.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use super::{Protocol, Role, Session};
use crate::code::Code;

/// What a session does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum State {
    /// Media moves.
    Active,
    /// It is open, and nothing moved for 3 s: paused, between two requests, or a source that is silent.
    Idle,
    /// It is being closed.
    Ending,
}

impl State {
    /// Its name, as `active`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Ending => "ending",
        }
    }
}

/// A session at one moment. Nothing in it is secret.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionStatus {
    /// Unique in this process, rising.
    pub id: u64,
    /// The stream.
    pub stream: Code,
    /// As [`Session::rendition`].
    pub rendition: Option<String>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Which way the media goes.
    pub role: Role,
    /// The other end; none for a file.
    pub peer: Option<SocketAddr>,
    /// What the client calls itself, shortened.
    pub agent: Option<String>,
    /// When it was opened.
    pub since: SystemTime,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes of media so far.
    pub bytes: u64,
    /// Over the last 8 s, or since it was opened.
    pub bits_per_second: u64,
    /// GOPs that were skipped, for a viewer that was too slow.
    pub skipped_gops: u64,
    /// Packets lost on the way, as far as that is known.
    pub packets_lost: u64,
    /// What it does.
    pub state: State,
    /// A viewer of HLS or DASH that is told by address and user agent: several behind one address may be one, and one that
    /// moves is two.
    pub estimated: bool,
}

impl Session {
    /// As it is now.
    pub fn status(&self) -> SessionStatus {
        let age = self.opened.elapsed();
        let mut meter = self.meter();
        let (bits_per_second, is_idle) = (meter.bits_per_second(age), meter.is_idle(age));
        drop(meter);
        SessionStatus {
            id: self.id,
            stream: self.stream.clone(),
            rendition: self.rendition.clone(),
            protocol: self.protocol,
            role: self.role,
            peer: self.peer,
            agent: self.agent.clone(),
            since: self.since,
            age,
            bytes: self.bytes(),
            bits_per_second,
            skipped_gops: self.skips(),
            packets_lost: self.packets_lost(),
            state: match () {
                () if self.cancel.is_cancelled() => State::Ending,
                () if is_idle => State::Idle,
                () => State::Active,
            },
            estimated: self.client.as_ref().is_some_and(super::Client::is_estimated),
        }
    }
}
