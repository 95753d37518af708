//! HLS: what the carriers made becomes segments and playlists.
//!
//! Segments are MPEG-TS or fragmented MP4, as `publisher.hls.segment_type` says; where that leaves it to us, MPEG-TS
//! unless a track has a codec that players do not take from it. If the codecs change so that the other is needed, the
//! output begins anew.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Response;
use http::request::Parts;
use hub::{Context, Entry};
use media::{Codec, Track};
use packager::hls::MULTIVARIANT;
use packager::segment::Changes;
use packager::ts::Chunk;
use packager::{cmaf, hls};
use tokio::time::Instant;

use super::answer;
use super::files::{Files, Text};
use super::run;
use super::viewers::Viewers;
use crate::body::Body;
use crate::clock;
use crate::code::{Address, Code};
use crate::config::{Rendition, SegmentType, Segmented};
use crate::error::Error;
use crate::measures::SegmentTotals;
use crate::service::Service;
use crate::session::Protocol;

/// The setting that names the directory.
const DIRECTORY: &str = "publisher.hls.dir";

/// The HLS output of one stream.
pub(crate) struct Output {
    code: Code,
    settings: Segmented,
    renditions: Vec<Rendition>,
    segment_type: SegmentType,
    files: Files,
    state: Mutex<State>,
    viewers: Viewers,
}

#[derive(Default)]
struct State {
    packager: Packager,
    /// The epoch by whose tracks the form was chosen.
    epoch: Option<u64>,
    /// The form that the tracks of each rung need, as far as they are known.
    forms: BTreeMap<usize, Feed>,
    /// What was announced of rungs since the start, for whatever makes the segments next.
    announced: BTreeMap<usize, packager::Rung>,
}

/// What makes the segments, by their form.
#[derive(Default)]
enum Packager {
    /// No media has come that would tell.
    #[default]
    Undecided,
    Ts(Box<hls::Output>),
    Cmaf(Box<cmaf::Output>),
}

/// What an output wants to be fed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Feed {
    /// Chunks of the TS carriers.
    Chunks,
    /// Frames as they are.
    Entries,
}

impl Output {
    /// An output without segments; its folder is made, if there is to be one.
    pub(crate) fn start(
        code: &Code,
        settings: &Segmented,
        segment_type: SegmentType,
        renditions: &[Rendition],
        viewer_idle: Duration,
    ) -> Result<Arc<Self>, Error> {
        let output = Self {
            code: code.clone(),
            settings: settings.clone(),
            renditions: renditions.to_vec(),
            segment_type,
            files: Files::start(code, settings, DIRECTORY)?,
            state: Mutex::default(),
            viewers: Viewers::new(viewer_idle),
        };
        Ok(Arc::new(output))
    }

    /// Whether the form of the segments does not depend on what comes.
    pub(super) fn fixed_feed(&self) -> Option<Feed> {
        match self.segment_type {
            SegmentType::Ts => Some(Feed::Chunks),
            SegmentType::Fmp4 => Some(Feed::Entries),
            SegmentType::Auto => None,
        }
    }

    /// What the output wants to be fed with, now that a rung is in this state.
    pub(super) fn feed(&self, rung: usize, context: &Context) -> Feed {
        let mut state = self.lock();
        self.decide(&mut state, rung, context)
    }

    /// All rungs have one form: fragmented MP4 as soon as one needs it, and not MPEG-TS again before another source comes.
    fn decide(&self, state: &mut State, rung: usize, context: &Context) -> Feed {
        let now = match state.packager {
            Packager::Undecided => None,
            Packager::Ts(_) => Some(Feed::Chunks),
            Packager::Cmaf(_) => Some(Feed::Entries),
        };
        state.forms.insert(rung, form_of(&context.tracks));
        let needs_entries = state.forms.values().any(|&form| form == Feed::Entries);
        let needed = if needs_entries { Feed::Entries } else { Feed::Chunks };
        let wanted = self.fixed_feed().unwrap_or(needed);
        let is_newer = state.epoch.is_none_or(|epoch| epoch < context.epoch.id);
        if let Some(now) = now.filter(|&now| now == wanted || wanted == Feed::Chunks && !is_newer) {
            return now;
        }
        if now.is_some() {
            tracing::warn!(stream = %self.code, "the codecs changed: HLS begins anew with another form of segments");
            self.files.clear();
        }
        let mut settings = run::begin(&self.settings, &self.renditions);
        for (&rung, announced) in &state.announced {
            if let Some(known) = settings.rungs.get_mut(rung) {
                known.clone_from(announced);
            }
        }
        state.epoch = Some(context.epoch.id);
        state.packager = match wanted {
            Feed::Chunks => Packager::Ts(Box::new(hls::Output::new(settings))),
            Feed::Entries => Packager::Cmaf(Box::new(cmaf::Output::new(settings, cmaf::Text::Hls))),
        };
        wanted
    }

    /// Takes what the TS carrier of a rung made, unless segments have another form.
    pub(super) fn push_chunks(&self, rung: usize, chunks: &[Chunk]) {
        let mut state = self.lock();
        for chunk in chunks {
            self.decide(&mut state, rung, &chunk.context);
            if let Packager::Ts(packager) = &mut state.packager {
                self.files.apply(packager.push(rung, chunk));
            }
        }
        drop(state);
        self.viewers.sweep();
    }

    /// Takes the frames of a rung, unless segments have another form.
    pub(super) fn push_entries(&self, rung: usize, entries: &[Entry]) {
        let mut state = self.lock();
        let now = clock::wall();
        for entry in entries {
            self.decide(&mut state, rung, &entry.context);
            if let Packager::Cmaf(packager) = &mut state.packager {
                self.files.apply(packager.push(rung, entry, now));
            }
        }
        drop(state);
        self.viewers.sweep();
    }

    /// Takes note that it is `now` on the monotonic clock, where a rung is silent.
    pub(super) fn tick(&self, now: Duration) {
        let changes = match &mut self.lock().packager {
            Packager::Undecided => Changes::default(),
            Packager::Ts(packager) => packager.tick(now),
            Packager::Cmaf(packager) => packager.tick(now, clock::wall()),
        };
        self.files.apply(changes);
        self.viewers.sweep();
    }

    /// Frames of a rung were missed.
    pub(super) fn mark_skipped(&self, rung: usize) {
        if let Packager::Cmaf(packager) = &mut self.lock().packager {
            packager.mark_skipped(rung);
        }
    }

    /// Announces something else of a rung from now on.
    pub(super) fn set_rung(&self, rung: usize, announced: packager::Rung) {
        let mut state = self.lock();
        if rung < self.renditions.len() {
            state.announced.insert(rung, announced.clone());
        }
        let changes = match &mut state.packager {
            Packager::Undecided => Changes::default(),
            Packager::Ts(packager) => packager.set_rung(rung, announced),
            Packager::Cmaf(packager) => packager.set_rung(rung, announced, clock::wall()),
        };
        // Under the lock, so that a text made before cannot replace this one.
        self.files.apply(changes);
    }

    /// What viewers of a rung will miss, as sentences.
    pub(super) fn warnings(&self, rung: usize) -> Vec<String> {
        let state = self.lock();
        let (omitted, misaligned) = match &state.packager {
            Packager::Undecided => return Vec::new(),
            Packager::Ts(packager) => (Vec::new(), packager.misaligned()),
            Packager::Cmaf(packager) => (packager.omitted(rung).to_vec(), packager.misaligned()),
        };
        let left_out =
            omitted.iter().map(|omitted| format!("{} is left out of HLS: {}", omitted.track, omitted.reason));
        left_out.chain(misaligned.contains(&rung).then(|| super::misaligned("HLS"))).collect()
    }

    /// How many segments it has made; none before the first.
    pub(crate) fn segments(&self) -> Option<SegmentTotals> {
        self.files.segments()
    }

    /// Ends the output: waits for the disk and removes the folder, if told so.
    pub(crate) async fn stop(&self, remove: bool) {
        self.files.stop(remove).await;
        self.viewers.close();
    }

    /// None of the values in it can be left half changed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form that segments with these tracks need.
fn form_of(tracks: &[Track]) -> Feed {
    let rare = |track: &Track| {
        matches!(
            track.codec,
            Codec::H265(_) | Codec::Av1(_) | Codec::Vp9(_) | Codec::Opus(_) | Codec::Flac(_)
        )
    };
    if tracks.iter().any(rare) { Feed::Entries } else { Feed::Chunks }
}

impl Service {
    /// Answers a GET or HEAD of one of the stream's HLS files: a playlist or a segment.
    ///
    /// 404 when the stream is not running, its HLS output is off, the file does not exist (any more), or no
    /// media comes within `join_timeout`; 503 for a new viewer when the stream has all that it may have; 403
    /// for one whose session an operator ended.
    pub async fn handle_hls(
        self: &Arc<Self>,
        request: &Parts,
        peer: SocketAddr,
        address: &Address,
        file: &str,
    ) -> Response<Body> {
        let Some(running) = self.running(address) else {
            return answer::not_found(&self.absence(address));
        };
        let name = running.kept_name(address, file, MULTIVARIANT);
        let deadline = Instant::now() + self.settings.join_timeout;
        let (hls, found) = loop {
            let Some(hls) = running.outputs().await.hls else {
                return answer::not_found(&format!("stream {} has no HLS output", address.code));
            };
            if !file.ends_with(".m3u8") {
                let Some(found) = hls.files.find(&name) else {
                    let why = format!("stream {} has no such segment, or not any more", address.code);
                    return answer::not_found(&why);
                };
                break (hls, found);
            }
            match hls.files.find_text(&name, deadline, &running.cancel).await {
                Text::Found(found) => break (hls, found),
                Text::Absent => {
                    return answer::not_found(&format!("stream {} has no media now", address.code));
                }
                Text::Ended => {}
            }
        };
        let response = found.answer(request);
        self.note_viewer(&running, &hls.viewers, request, peer, Protocol::Hls, response)
    }
}
