//! What a stream looks like from outside.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::code::Code;
use crate::config::{Protocols, Rendition};
use crate::session::Protocol;

/// A stream as people and the API see it. Where it has a ladder, what is of one rung is that of the best one: of those
/// that media comes from the one that a viewer gets who names none.
#[derive(Clone, Debug)]
pub struct StreamStatus {
    /// Its code.
    pub code: Code,
    /// Which outputs are on.
    pub protocols: Protocols,
    /// When it was started.
    pub since: SystemTime,
    /// Who feeds it now.
    pub source: Option<SourceStatus>,
    /// Tracks, rates and clock.
    pub media: hub::Status,
    /// Time since the last frame of any rung came; none if none ever did.
    pub silent_for: Option<std::time::Duration>,
    /// Frames that came too late, against the other tracks, to be sent in MPEG-TS.
    pub late_frames: u64,
    /// What an output leaves out, and other things to know; with several rungs each begins with a rung's name.
    pub warnings: Vec<String>,
    /// The last thing that went wrong at the input, with its time.
    pub last_error: Option<(SystemTime, String)>,
    /// Open viewer sessions.
    pub viewers: usize,
    /// Packets that did not reach those of them that report it: players of RTSP.
    pub viewers_lost: u64,
    /// Its rungs, in the order of the configuration; one where it has no ladder.
    pub renditions: Vec<RenditionStatus>,
}

/// A rung of a stream's ladder.
#[derive(Clone, Debug)]
pub struct RenditionStatus {
    /// Its name, and what it was said to be.
    pub config: Rendition,
    /// Who feeds it now.
    pub source: Option<SourceStatus>,
    /// Tracks, rates and clock. What the timeline did is of all rungs together.
    pub media: hub::Status,
    /// Time since its last frame came; none if none ever did.
    pub silent_for: Option<std::time::Duration>,
    /// Frames that came too late, against the other tracks, to be sent in MPEG-TS.
    pub late_frames: u64,
    /// What an output leaves out, and other things to know.
    pub warnings: Vec<String>,
    /// The last thing that went wrong at its input, with its time.
    pub last_error: Option<(SystemTime, String)>,
}

/// The source of a stream.
#[derive(Clone, Debug)]
pub struct SourceStatus {
    /// Its session.
    pub session: u64,
    /// How the media comes in.
    pub protocol: Protocol,
    /// The other end; none for a file.
    pub peer: Option<SocketAddr>,
    /// What it calls itself.
    pub agent: Option<String>,
    /// Since when it feeds the stream.
    pub since: SystemTime,
    /// Packets of it that did not reach us, where it sends by UDP.
    pub lost: u64,
}
