//! What the operator and the run say about a rendition.

/// How a rendition is named, and how its segments are numbered, kept and announced.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Name of the rendition, `track_1` by default: the first part of file names.
    pub rendition: String,
    /// Run id: lower-case alphanumerics, other than in any run before.
    pub run: String,
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
    /// The BANDWIDTH to announce at least, in bits per second.
    pub bandwidth: u64,
}
