//! The RTMP carrier: a rung's frames as messages, made once for all viewers and push destinations.
//!
//! A message is the head of a FLV tag body and the frame's own payload. What differs from peer to peer is in the message
//! header alone: the message stream, and the zero of its timestamps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hub::{Context, Entry};
use media::{Track, TrackId};
use rtmp::chunk::Shared;
use rtmp::flv::mux::{self, Caps, Description, Head};
use rtmp::flv::{FourCc, TagKind};

use crate::program::{Gate, Omitted};
use crate::starts::{Place, Starts};

/// What we call ourselves in the metadata.
const ENCODER: &str = concat!("Rillcast ", env!("CARGO_PKG_VERSION"));

/// The message of one frame, with what readers need to know about it. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// The message, which holds no time.
    pub message: Shared,
    /// Decode time in milliseconds of hub time, which is Unix time at the start.
    pub time_ms: i64,
    /// Only peers that announce its codec can read it.
    pub needs: Option<FourCc>,
    /// When the frame came in, on the monotonic clock of the process.
    pub arrival: Duration,
    /// A viewer may start here.
    pub start: bool,
    /// How many such places there were up to this frame: tells how much somebody missed who was skipped.
    pub starts: u64,
    /// The frame is a picture.
    pub picture: bool,
    /// What has to be sent before it to whoever starts here; and to all where `join` says so.
    pub setup: Option<Arc<Setup>>,
    /// The tracks or their configurations are other ones from here on.
    pub join: bool,
    /// The stream's state.
    pub context: Arc<Context>,
}

/// What a peer has to know before the first frame.
#[derive(Clone, Debug)]
pub struct Setup {
    /// `onMetaData` of all tracks.
    pub metadata: Metadata,
    /// The same for a peer that can get only some of them: of those that every peer can.
    pub legacy_metadata: Metadata,
    /// Sequence headers, in the order in which they are to be sent.
    pub headers: Vec<Header>,
    /// What a peer must announce to get all tracks.
    pub needs: Vec<FourCc>,
}

/// `onMetaData` in its two forms.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// For who plays.
    pub play: Shared,
    /// For a server that we publish to: `@setDataFrame` in front has it kept for who plays there.
    pub publish: Shared,
}

/// A sequence header.
#[derive(Clone, Debug)]
pub struct Header {
    /// The message.
    pub message: Shared,
    /// Only peers that announce its codec can read it.
    pub needs: Option<FourCc>,
}

impl hub::Item for Chunk {
    fn size(&self) -> usize {
        self.message.body_bytes()
    }

    fn arrival(&self) -> Duration {
        self.arrival
    }

    fn is_start(&self) -> bool {
        self.start
    }
}

/// What was made of a rung, for a carrier that goes on where another one failed.
#[derive(Clone, Debug, Default)]
pub struct Past(Option<Arc<Context>>);

impl Past {
    /// Takes note of the next chunk.
    pub fn note(&mut self, chunk: &Chunk) {
        self.0 = Some(Arc::clone(&chunk.context));
    }
}

/// Makes messages of the entries of one rung; which of them, `program::Gate` decides.
#[derive(Debug)]
pub struct Carrier {
    gate: Gate,
    tracks: BTreeMap<TrackId, Form>,
    setup: Option<Arc<Setup>>,
    /// The tracks that the setup is about.
    known: Arc<[Track]>,
    starts: Starts,
    /// How many there were.
    count: u64,
}

/// How the messages of a track look.
#[derive(Debug)]
struct Form {
    track: mux::Track,
    needs: Option<FourCc>,
}

/// Tracks that RTMP has no form for: the codecs, and all but the first of each kind, for players know one of each.
fn omits(tracks: &[Track]) -> Vec<Omitted> {
    let mut omitted = Vec::new();
    let mut kinds = Vec::new();
    for track in tracks {
        let kind = track.codec.kind();
        let reason = match mux::carries(&track.codec, Caps::ALL) {
            Err(reason) => reason.to_string(),
            Ok(()) if kinds.contains(&kind) => "RTMP has one track of each kind".to_owned(),
            Ok(()) => {
                kinds.push(kind);
                continue;
            }
        };
        omitted.push(Omitted { track: track.id, reason });
    }
    omitted
}

/// What a peer has to announce to get a track.
fn needs(track: &Track) -> Option<FourCc> {
    match mux::carries(&track.codec, Caps::LEGACY) {
        Err(mux::Reason::NotAnnounced { fourcc, .. }) => Some(fourcc),
        _ => None,
    }
}

impl Carrier {
    /// A carrier that made nothing yet.
    pub fn new() -> Self {
        Self {
            gate: Gate::new(omits),
            tracks: BTreeMap::new(),
            setup: None,
            known: Arc::default(),
            starts: Starts::default(),
            count: 0,
        }
    }

    /// A carrier that goes on after another one that made `past`: it begins at the next key frame.
    pub fn resume(past: &Past) -> Self {
        let gate = past.0.clone().map_or_else(|| Gate::new(omits), |context| Gate::after(omits, context));
        Self { gate, ..Self::new() }
    }

    /// Makes the message of the next entry. None: the frame is left out.
    pub fn push(&mut self, entry: &Entry) -> Option<Chunk> {
        let passed = self.gate.push(entry)?;
        let changed = passed.join && self.set_up();
        let frame = &entry.frame;
        let form = self.tracks.get(&frame.track)?;
        let Place { start, picture } = self.starts.push(passed, self.gate.program().has_video(), frame);
        let time_ms = frame.dts.to_scale(1000);
        let delay_ms = i32::try_from(frame.pts.to_scale(1000) - time_ms).unwrap_or(0);
        let chunk = Chunk {
            message: Shared::new(form.track.kind(), form.track.head(frame.key, delay_ms), frame.data.clone())
                .ok()?,
            time_ms,
            needs: form.needs,
            arrival: entry.arrival,
            start,
            starts: self.count + u64::from(start),
            picture,
            setup: self.setup.clone().filter(|_| start || changed),
            join: changed,
            context: Arc::clone(&entry.context),
        };
        self.count = chunk.starts;
        Some(chunk)
    }

    /// Takes the tracks of the program. Whether a peer has to be told.
    fn set_up(&mut self) -> bool {
        let form = |track: &Track| {
            let form = Form { track: mux::Track::new(&track.codec, Caps::ALL).ok()?, needs: needs(track) };
            Some((track.id, form))
        };
        let program = self.gate.program();
        self.tracks = program.tracks().iter().filter_map(form).collect();
        let describe = |is_told: fn(&Form) -> bool| {
            let of = |kind| self.tracks.values().find(|form| form.track.kind() == kind && is_told(form));
            let [video, audio] =
                [of(TagKind::Video), of(TagKind::Audio)].map(|form| form.map(|form| &form.track));
            let text = Description { video, audio, encoder: ENCODER, ..Description::default() }.encode();
            let message = |text| Shared::new(TagKind::Script, Head::EMPTY, text).ok();
            Some(Metadata { publish: message(mux::set_data_frame(&text))?, play: message(text)? })
        };
        let header = |form: &Form| {
            let body = form.track.sequence_header()?.clone();
            let message = Shared::new(form.track.kind(), Head::EMPTY, body).ok()?;
            Some(Header { message, needs: form.needs })
        };
        let changed = self.known != *program.tracks();
        self.known = Arc::clone(program.tracks());
        if let Some((metadata, legacy_metadata)) =
            describe(|_| true).zip(describe(|form| form.needs.is_none()))
        {
            let headers = self.tracks.values().filter_map(header).collect();
            let needs = self.tracks.values().filter_map(|form| form.needs).collect();
            self.setup = Some(Arc::new(Setup { metadata, legacy_metadata, headers, needs }));
        }
        changed
    }

    /// Entries were missed: what comes next does not go on from what was before.
    pub fn mark_skipped(&mut self) {
        self.gate.mark_skipped();
    }

    /// Tracks of the stream that RTMP cannot carry.
    pub fn omitted(&self) -> &[Omitted] {
        self.gate.omitted()
    }
}

impl Default for Carrier {
    fn default() -> Self {
        Self::new()
    }
}
