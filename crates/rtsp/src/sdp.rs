//! Descriptions (SDP, RFC 8866), as far as RTSP wants them (RFC 2326 C): what a publisher announces is read, what players
//! ask for is rendered.

mod decode;
mod payload_types;
mod render;

use std::fmt;

/// The end of the control of a track that is played; its number follows.
pub(crate) const TRACK: &str = "trackID=";

/// A presentation: what it is called and what it has. A control that is a URI may have a key in it: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// `s=`; empty for the names that stand for none (`-`, a space).
    pub name: String,
    /// `a=control` of the whole, which the media's are relative to.
    pub control: Option<String>,
    /// In the order of the description; the place of each is its track.
    pub media: Vec<Media>,
}

/// One `m=` with what belongs to it. `Debug` shows no control that is a URI.
#[derive(Clone, PartialEq, Eq)]
pub struct Media {
    /// What it is.
    pub kind: Kind,
    /// `RTP/AVP` and the like, as it stands there.
    pub protocol: String,
    /// The formats, in the sender's order: it sends the first of them.
    pub formats: Vec<Format>,
    /// `a=control`, which says how the URI of its SETUP is made.
    pub control: Option<String>,
}

/// The kind of a medium (RFC 8866 5.14).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Sound.
    Audio,
    /// Pictures.
    Video,
    /// Anything else, by its name.
    Other(String),
}

/// What `m=`, `a=rtpmap` and `a=fmtp` say of one payload type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Format {
    /// 0 to 127.
    pub payload_type: u8,
    /// Name of the encoding, as it stands there; for a static payload type without `a=rtpmap` that of RFC 3551 6, and
    /// empty for one that is not known.
    pub encoding: String,
    /// Ticks of the RTP timestamp in a second; 0 where nothing says it.
    pub clock_rate: u32,
    /// Channels of sound, where they are said.
    pub channels: Option<u16>,
    /// Parameters behind the payload type of `a=fmtp`; empty if there are none.
    pub fmtp: String,
}

impl Media {
    /// What is played over RTP/AVP as track `track`, with one format.
    pub fn playing(kind: Kind, track: usize, format: Format) -> Self {
        let (protocol, control) = ("RTP/AVP".to_owned(), Some(format!("{TRACK}{track}")));
        Self { kind, protocol, formats: vec![format], control }
    }
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = shown(self.control.as_deref());
        f.debug_struct("Description")
            .field("name", &self.name)
            .field("control", &control)
            .field("media", &self.media)
            .finish()
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = shown(self.control.as_deref());
        f.debug_struct("Media")
            .field("kind", &self.kind)
            .field("protocol", &self.protocol)
            .field("formats", &self.formats)
            .field("control", &control)
            .finish()
    }
}

fn shown(control: Option<&str>) -> Option<&str> {
    control.map(|control| if control.contains(['/', '?']) { ".." } else { control })
}
