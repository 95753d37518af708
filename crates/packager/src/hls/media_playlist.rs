//! The media playlist of one rendition, RFC 8216 4.3.2 and 4.3.3; gaps are of its second edition
//! (draft-pantos-hls-rfc8216bis 4.4.4.7).

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
    /// Whether every segment that can be fetched can be decoded without the one before it.
    pub fn is_independent(&self) -> bool {
        self.segments.iter().all(|segment| segment.gap || segment.body.independent)
    }

    /// EXT-X-VERSION (RFC 8216 7): 3 for durations with decimals, 6 for initialization segments. Gaps took 8 in the
    /// first drafts of the second edition, and strict readers hold to that; players that know neither ignore it.
    fn version(&self) -> u32 {
        if self.segments.iter().any(|segment| segment.gap) {
            8
        } else if self.segments.iter().any(|segment| segment.init.is_some()) {
            6
        } else {
            3
        }
    }
}

/// The playlist's text.
///
/// The initialization segment is told before the first segment that needs one and again where it changes. It then
/// holds for all that follow: segments that need none may come before those that do, and not after.
pub fn render_media(playlist: &MediaPlaylist) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{}\n", playlist.version());
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
    let mut told = None;
    for segment in &playlist.segments {
        let init = segment.init.as_deref();
        render_segment(segment, init.filter(|_| init != told), &mut text);
        told = init.or(told);
    }
    text
}

/// `init` is the initialization segment where it is to be told.
fn render_segment(segment: &Segment, init: Option<&str>, text: &mut String) {
    if segment.body.discontinuity {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if let Some(uri) = init {
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{uri}\"");
    }
    let date = date::utc(segment.program_date_time);
    let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{date}");
    if segment.gap {
        text.push_str("#EXT-X-GAP\n");
    }
    let duration = seconds(segment.body.duration);
    let _ = write!(text, "#EXTINF:{duration},\n{}\n", segment.name);
}

/// Seconds with six decimals, which is exact enough for any timescale in use.
fn seconds(duration: TimeDelta) -> String {
    let micros = duration.to_scale(1_000_000).max(0);
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
