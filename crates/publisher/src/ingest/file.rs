//! FLV files as a source: read in real time, once or for ever.
//!
//! A loop has no step: each round is put behind the one before by the length of the longest track, its last
//! frame included.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use media::TrackId;
use media::timeline::SourceClock;
use rtmp::flv::{self, Media};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::intake::{Intake, Unit};
use crate::inputs::Feeder;
use crate::service::{Publication, Service};
use crate::session::{Ended, Opening, Protocol, Role};
use crate::stream::Running;

/// Wait before a file that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// A step of the stamps beyond this is a hole in the file and not time to be waited.
const MAX_STEP: Duration = Duration::from_secs(10);
/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;
/// Milliseconds that never wrap: rounds of a loop are added up.
const CLOCK: SourceClock = SourceClock { scale: 1000, bits: 64 };

/// Where an FLV comes from.
pub(crate) struct Source {
    place: Place,
    looped: bool,
}

enum Place {
    Path(PathBuf),
    Memory(&'static [u8]),
}

impl Source {
    /// A file, played once or for ever.
    pub(crate) fn path(path: PathBuf, looped: bool) -> Self {
        Self { place: Place::Path(path), looped }
    }

    /// A clip in memory, played for ever.
    pub(crate) fn clip(flv: &'static [u8]) -> Self {
        Self { place: Place::Memory(flv), looped: true }
    }

    async fn open(&self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        Ok(match &self.place {
            Place::Path(path) => Box::new(tokio::fs::File::open(path).await?),
            Place::Memory(bytes) => Box::new(io::Cursor::new(*bytes)),
        })
    }

    fn name(&self) -> String {
        match &self.place {
            Place::Path(path) => path.display().to_string(),
            Place::Memory(_) => "bundled clip".to_owned(),
        }
    }
}

/// Why a file could not be played to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: {1}")]
    Flv(String, rtmp::Error),
    #[error("{0} has no media that can be played")]
    Empty(String),
}

/// Feeds the stream from the file until it is no input of the stream any more, the stream stops, or the file ends that is
/// not to be looped. A file that fails is tried again; where the stream's only rung is replaced by another one, or an operator
/// ends its session, it is read from the beginning.
pub(crate) async fn run(service: Arc<Service>, running: Arc<Running>, feeder: Arc<Feeder>, source: Source) {
    loop {
        let opening = Opening {
            stream: running.code.clone(),
            rendition: None,
            protocol: Protocol::File,
            role: Role::Publisher,
            peer: None,
            agent: Some(source.name()),
            origin: None,
        };
        let publication = feeder.seize(&service, &running, opening, CLOCK);
        let session = Arc::clone(publication.session.session());
        let cancelled = session.cancelled();
        let played = tokio::select! {
            () = cancelled.cancelled() => match session.why() {
                // There is another one to be fed in its place, or it is to be begun anew.
                Some(Ended::RenditionRemoved | Ended::Kicked) => continue,
                _ => return,
            },
            played = Player::new(&service, publication).play(&source) => played,
        };
        let Err(error) = played else { return };
        tracing::warn!(stream = %running.code, %error, "cannot play the file, trying again in 5 s");
        running.rungs()[0].set_error(error.to_string());
        tokio::select! {
            () = feeder.cancel.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

struct Player<'a> {
    service: &'a Service,
    publication: Publication,
    intake: Intake,
    demux: flv::Demux,
    pace: Option<Pace>,
    /// What is added to the stamps of this round.
    offset_ms: u64,
    round: Round,
}

/// When playing began, and with which stamp.
#[derive(Clone, Copy)]
struct Pace {
    started: Duration,
    first_ms: u64,
}

/// The stamps of a round, to know how long it is.
#[derive(Default)]
struct Round {
    tracks: BTreeMap<TrackId, Span>,
}

struct Span {
    first_ms: u32,
    last_ms: u32,
    frames: u32,
}

impl Round {
    fn note(&mut self, track: TrackId, dts_ms: u32) {
        let span = self.tracks.entry(track).or_insert(Span { first_ms: dts_ms, last_ms: dts_ms, frames: 0 });
        span.last_ms = span.last_ms.max(dts_ms);
        span.frames += 1;
    }

    /// From the first frame to the end of the last one, of the track that is longest.
    fn length_ms(&self) -> u64 {
        let length = |span: &Span| {
            let steps = f64::from(span.frames.saturating_sub(1).max(1));
            let distance = f64::from(span.last_ms - span.first_ms);
            (distance + distance / steps).round() as u64
        };
        self.tracks.values().map(length).max().unwrap_or(0)
    }
}

impl<'a> Player<'a> {
    fn new(service: &'a Service, publication: Publication) -> Self {
        let intake = Intake::new(Arc::clone(&publication.feed));
        let (demux, round) = (flv::Demux::new(), Round::default());
        Self { service, publication, intake, demux, pace: None, offset_ms: 0, round }
    }

    async fn play(mut self, source: &Source) -> Result<(), Error> {
        loop {
            let file = source.open().await.map_err(|error| Error::Io(source.name(), error))?;
            if let Err(error) = self.play_once(source, file).await {
                self.publication.session.cancel(Ended::Io(error.to_string()));
                return Err(error);
            }
            let round = std::mem::take(&mut self.round);
            let length_ms = round.length_ms();
            if length_ms == 0 {
                let error = Error::Empty(source.name());
                self.publication.session.cancel(Ended::Io(error.to_string()));
                return Err(error);
            }
            if !source.looped {
                self.publication.session.cancel(Ended::Unpublished);
                return Ok(());
            }
            self.offset_ms += length_ms;
        }
    }

    async fn play_once(&mut self, source: &Source, mut file: impl AsyncRead + Unpin) -> Result<(), Error> {
        let mut reader = flv::file::Reader::new(&rtmp::Limits::default());
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ_BYTES);
            let read = file.read_buf(&mut buffer).await.map_err(|error| Error::Io(source.name(), error))?;
            if read == 0 {
                return Ok(());
            }
            self.publication.session.add_bytes(read as u64);
            reader.push(&buffer.split());
            while let Some(tag) = reader.poll().map_err(|error| Error::Flv(source.name(), error))? {
                self.tag(tag).await;
            }
        }
    }

    async fn tag(&mut self, tag: flv::Tag) {
        if let Err(error) = self.demux.push(tag) {
            self.publication.rung().set_damaged(self.service.clock.elapsed(), &error.to_string());
        }
        while let Some(media) = self.demux.poll() {
            match media {
                Media::Track { id, codec } => self.intake.track(id, codec),
                Media::Frame { track, dts_ms, cts_ms, key, data, .. } => {
                    self.round.note(track, dts_ms);
                    self.frame(track, dts_ms, cts_ms, key, data).await;
                }
                Media::Unsupported { what } => {
                    self.publication.rung().set_unsupported(&format!("{what} is not supported"));
                }
                _ => {}
            }
        }
    }

    async fn frame(&mut self, track: TrackId, dts_ms: u32, cts_ms: i32, key: bool, data: Bytes) {
        let dts = u64::from(dts_ms) + self.offset_ms;
        let now = self.service.clock.elapsed();
        let pace = *self.pace.get_or_insert(Pace { started: now, first_ms: dts });
        let mut due = pace.started + Duration::from_millis(dts.saturating_sub(pace.first_ms));
        if due > now + MAX_STEP {
            // A hole in the file's stamps: what comes behind it is not waited for.
            self.pace = Some(Pace { started: now, first_ms: dts });
            due = now;
        }
        tokio::time::sleep(due.saturating_sub(now)).await;
        let unit = Unit { track, dts, cts: cts_ms.into(), key, data };
        self.publication.rung().note_pushed(self.intake.unit(self.service.clock.now(), unit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_lasts_until_its_last_frame_has_ended() {
        let mut round = Round::default();
        for n in 0..200u32 {
            round.note(TrackId::VIDEO, 80 + n * 40);
        }
        for n in 0..375u32 {
            round.note(TrackId::AUDIO, (f64::from(n) * 1024.0 / 48.0).round() as u32);
        }
        assert_eq!(round.length_ms(), 8000);
        assert_eq!(Round::default().length_ms(), 0, "nothing to loop");
    }
}
