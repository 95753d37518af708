//! What a session is about: its path, its tracks and how each is carried.

use super::super::uri::{Uri, percent_decode};
use super::super::{PacketKind, Request};

/// Channels of one connection.
const CHANNELS: u8 = u8::MAX;

/// What a DESCRIBE was answered for.
pub(super) struct Described {
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) tracks: usize,
}

/// What is set up or announced.
pub(super) struct Presentation {
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    /// What was announced, if the peer publishes.
    pub(super) publication: Option<Publication>,
    /// Those that are set up.
    pub(super) tracks: Vec<Track>,
    /// Whether it has been played or recorded.
    pub(super) begun: bool,
}

pub(super) struct Track {
    pub(super) index: usize,
    /// The URI of its SETUP, which clients look for in `RTP-Info`.
    pub(super) uri: String,
    /// Over the connection, or over UDP.
    pub(super) channels: Option<(u8, u8)>,
}

/// Which URI is which track of an ANNOUNCE.
pub(super) struct Publication {
    /// Path and query of the ANNOUNCE.
    base: String,
    controls: Vec<Option<String>>,
}

impl Presentation {
    pub(super) fn has_udp(&self) -> bool {
        self.tracks.iter().any(|track| track.channels.is_none())
    }

    pub(super) fn channels(&self, track: usize) -> Option<(u8, u8)> {
        self.tracks.iter().find(|found| found.index == track)?.channels
    }

    pub(super) fn find_channel(&self, channel: u8) -> Option<(usize, PacketKind)> {
        self.tracks.iter().find_map(|track| match track.channels? {
            (rtp, _) if rtp == channel => Some((track.index, PacketKind::Rtp)),
            (_, rtcp) if rtcp == channel => Some((track.index, PacketKind::Rtcp)),
            _ => None,
        })
    }

    /// The channels that were proposed for a track if no other has one of them, else a free pair.
    pub(super) fn free_channels(&self, track: usize, proposed: Option<(u8, u8)>) -> Option<(u8, u8)> {
        let others =
            || self.tracks.iter().filter(|other| other.index != track).filter_map(|other| other.channels);
        let free =
            |pair: &(u8, u8)| others().all(|(a, b)| ![a, b].contains(&pair.0) && ![a, b].contains(&pair.1));
        let pairs = (0..CHANNELS).step_by(2).map(|first| (first, first + 1));
        proposed.into_iter().chain(pairs).find(free)
    }

    /// Whether a URI names one track where there are several.
    pub(super) fn is_one_of_many(&self, uri: &Uri) -> bool {
        let named = match &self.publication {
            Some(publication) => publication.track(uri).is_some(),
            None => uri.track.is_some(),
        };
        named && self.tracks.len() > 1
    }

    /// A request about it.
    pub(super) fn request(&self, uri: String, user_agent: Option<String>) -> Request {
        Request { uri, path: self.path.clone(), query: self.query.clone(), user_agent }
    }
}

impl Publication {
    pub(super) fn new(uri: &Uri, controls: impl Iterator<Item = Option<String>>) -> Self {
        Self { base: uri.whole().to_owned(), controls: controls.collect() }
    }

    /// The track that the URI of a SETUP names.
    ///
    /// A control is put behind the URI of the ANNOUNCE (RFC 2326 C.1.1), by some behind its query (FFmpeg), by others in front
    /// of it, which they decode on the way (rtspclientsink).
    pub(super) fn track(&self, uri: &Uri) -> Option<usize> {
        let whole = uri.whole();
        let path = whole.split('?').next().unwrap_or_default();
        let ends = |text: &str, control: &str| {
            text.strip_suffix(control).is_some_and(|before| before.ends_with('/'))
                || percent_decode(text).strip_suffix(control).is_some_and(|before| before.ends_with('/'))
        };
        let named = |control: &Option<String>| match control.as_deref() {
            None | Some("" | "*") => false,
            Some(control) if control.contains("://") => {
                Uri::decode(control).is_ok_and(|control| control.whole() == whole)
            }
            Some(control) => {
                let control = control.trim_start_matches('/');
                ends(path, control) || ends(whole, control)
            }
        };
        let aggregate = || {
            let same = whole.trim_end_matches('/') == self.base.trim_end_matches('/');
            (same && self.controls.len() == 1).then_some(0)
        };
        let numbered = || uri.track.filter(|track| *track < self.controls.len());
        self.controls.iter().position(named).or_else(aggregate).or_else(numbered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(base: &str, controls: &[&str]) -> Publication {
        let controls =
            controls.iter().map(|control| Some((*control).to_owned()).filter(|text| !text.is_empty()));
        Publication::new(&Uri::decode(base).unwrap(), controls)
    }

    fn track(publication: &Publication, uri: &str) -> Option<usize> {
        publication.track(&Uri::decode(uri).unwrap())
    }

    #[test]
    fn tracks_are_found_however_their_uri_was_put_together() {
        let several = publication(
            "rtsp://h/live/cam?key=a%2Fb",
            &["streamid=1", "streamid=11", "rtsp://other/x/y", "/a b"],
        );
        for (uri, expected) in [
            ("rtsp://h/live/cam?key=a%2Fb/streamid=1", Some(0)),
            ("rtsp://h/live/cam?key=a%2Fb/streamid=11", Some(1)),
            ("rtsp://h/live/cam/streamid=11?key=a/b", Some(1)),
            ("rtsp://h/live/cam//streamid=1", Some(0)),
            ("rtsp://h/x/y", Some(2)),
            ("rtsp://h/live/cam/a%20b", Some(3)),
            ("rtsp://h/live/cam/trackID=2", Some(2)),
            ("rtsp://h/live/cam/trackID=4", None),
            ("rtsp://h/live/cam/streamid=2", None),
            ("rtsp://h/live/cam/xstreamid=1", None),
            ("rtsp://h/live/cam?key=a%2Fb", None),
        ] {
            assert_eq!(track(&several, uri), expected, "{uri}");
        }
        for single in [publication("rtsp://h/cam/", &[""]), publication("rtsp://h/cam", &["*"])] {
            assert_eq!(track(&single, "rtsp://h/cam/"), Some(0));
            assert_eq!(track(&single, "rtsp://h/other"), None);
        }
    }

    #[test]
    fn channels_are_given_once() {
        let track = |index, channels| Track { index, uri: String::new(), channels };
        let tracks = vec![track(0, Some((0, 1))), track(1, Some((7, 2))), track(2, None)];
        let (path, query) = (String::new(), Vec::new());
        let presentation = Presentation { path, query, publication: None, tracks, begun: false };
        for (track, proposed, expected) in [
            (3, Some((4, 5)), (4, 5)),
            (3, Some((1, 9)), (4, 5)),
            (3, Some((9, 0)), (4, 5)),
            (3, None, (4, 5)),
            (0, Some((0, 1)), (0, 1)),
            (0, Some((2, 3)), (0, 1)),
        ] {
            assert_eq!(presentation.free_channels(track, proposed), Some(expected));
        }
        assert_eq!(presentation.find_channel(2), Some((1, PacketKind::Rtcp)));
        assert_eq!(presentation.find_channel(3), None);
    }
}
