//! What the operator and the run say about an output.

use std::time::Duration;

/// How an output's segments are cut, numbered, kept and announced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The rungs of the ladder, one without a ladder.
    pub rungs: Vec<Rung>,
    /// Run id: lower-case alphanumerics, other than in any run before.
    pub run: String,
    /// Segment length to aim at, held to 1 … 12 s.
    pub target: Duration,
    /// The first MEDIA-SEQUENCE: the Unix second of the start, so that numbers go on across a restart. They do not
    /// outrun that clock: but for jitter, no segment that the next one goes on from is shorter than a second.
    pub first_sequence: u64,
    /// The first DISCONTINUITY-SEQUENCE. To go on across a restart it rises with time, but it must stay small:
    /// hls.js 1.7 walks through an array with one place per number.
    pub first_discontinuity: u64,
    /// Segments in the playlist; more where they do not hold three target durations.
    pub window: usize,
    /// Segments that stay available beyond the one window that all of them do after they left the playlist.
    pub history: usize,
}

/// What the operator says of a rung.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Rung {
    /// Its name, `track_1` by default: the first part of file names.
    pub name: String,
    /// The bit rate to announce at least, in bits per second; zero where nothing is said.
    pub bandwidth: u64,
    /// Width and height to announce; what the bitstream says, where nothing is said.
    pub size: Option<(u32, u32)>,
}
