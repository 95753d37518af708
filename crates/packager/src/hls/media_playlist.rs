//! The media playlist of one rendition, RFC 8216 4.3.2 and 4.3.3.

use std::fmt::Write;
use std::sync::Arc;

use media::TimeDelta;

use crate::date;
use crate::segment::Segment;

/// What a live media playlist says.
#[derive(Clone, PartialEq, Debug)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION in seconds.
    pub target_duration: u32,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// The segments, numbered without a gap.
    pub segments: Vec<Arc<Segment>>,
}

impl MediaPlaylist {
    /// Whether every segment can be decoded without the one before it.
    pub fn is_independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.body.independent)
    }
}

/// The playlist's text. Version 3, for durations have decimals (RFC 8216 7).
pub fn render_media(playlist: &MediaPlaylist) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-VERSION:3\n");
    if playlist.is_independent() {
        text.push_str("#EXT-X-INDEPENDENT-SEGMENTS\n");
    }
    let sequence = playlist.segments.first().map_or(0, |segment| segment.sequence);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{sequence}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n",
        playlist.target_duration, playlist.discontinuity_sequence
    );
    for segment in &playlist.segments {
        render_segment(segment, &mut text);
    }
    text
}

fn render_segment(segment: &Segment, text: &mut String) {
    if segment.body.discontinuity {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    let date = date::utc(segment.program_date_time);
    let duration = seconds(segment.body.duration);
    let _ = write!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}\n#EXTINF:{duration},\n{}\n", segment.name);
}

/// Seconds with six decimals, which is exact enough for any timescale in use.
fn seconds(duration: TimeDelta) -> String {
    let micros = duration.to_scale(1_000_000).max(0);
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
