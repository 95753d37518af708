//! Files as a source: FLV and MPEG-TS, read in real time, once or for ever.
//!
//! What a file holds says which it is, not its name. A loop has no step: each round is put behind the one before by the length of
//! the longest track, its last frame included.

mod flv;
mod round;
mod ts;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use mpegts::demux::Settings;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::inputs::Feeder;
use crate::service::Service;
use crate::session::{Ended, Opening, Protocol, Role};
use crate::stream::Running;

/// Wait before a file that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

/// Where a file comes from, and how it is played.
pub(crate) struct Source {
    place: Place,
    looped: bool,
    program: Option<u16>,
}

enum Place {
    Path(PathBuf),
    Memory(&'static [u8]),
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Flv,
    MpegTs,
}

/// A file that is read, by its parts.
struct Reading {
    name: String,
    file: Box<dyn AsyncRead + Send + Unpin>,
    /// What was read of it to know what it is.
    begun: BytesMut,
}

impl Source {
    /// A file, played once or for ever; of a transport stream that program.
    pub(crate) fn path(path: PathBuf, looped: bool, program: Option<u16>) -> Self {
        Self { place: Place::Path(path), looped, program }
    }

    /// A clip in memory, played for ever.
    pub(crate) fn clip(flv: &'static [u8]) -> Self {
        Self { place: Place::Memory(flv), looped: true, program: None }
    }

    async fn open(&self) -> Result<Reading, Error> {
        let name = self.name();
        let file: io::Result<Box<dyn AsyncRead + Send + Unpin>> = match &self.place {
            Place::Path(path) => tokio::fs::File::open(path).await.map(|file| Box::new(file) as _),
            Place::Memory(bytes) => Ok(Box::new(io::Cursor::new(*bytes))),
        };
        match file {
            Ok(file) => Ok(Reading { name, file, begun: BytesMut::new() }),
            Err(error) => Err(Error::Io(name, error)),
        }
    }

    fn name(&self) -> String {
        match &self.place {
            Place::Path(path) => path.display().to_string(),
            Place::Memory(_) => "bundled clip".to_owned(),
        }
    }
}

impl Reading {
    /// What the file is, by its first bytes.
    async fn kind(&mut self) -> Result<Kind, Error> {
        while self.begun.len() < READ_BYTES && self.read_more().await? {}
        match () {
            () if self.begun.starts_with(b"FLV") => Ok(Kind::Flv),
            () if mpegts::is_transport_stream(&self.begun) => Ok(Kind::MpegTs),
            () => Err(Error::Unknown(self.name.clone())),
        }
    }

    async fn read_more(&mut self) -> Result<bool, Error> {
        self.begun.reserve(READ_BYTES);
        let read = self.file.read_buf(&mut self.begun).await;
        read.map(|read| read > 0).map_err(|error| Error::Io(self.name.clone(), error))
    }

    /// The next bytes; none at its end.
    async fn next(&mut self) -> Result<Option<BytesMut>, Error> {
        if self.begun.is_empty() && !self.read_more().await? {
            return Ok(None);
        }
        Ok(Some(self.begun.split()))
    }
}

/// Why a file could not be played to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0}: {1}")]
    Flv(String, rtmp::Error),
    #[error("{0} is neither FLV nor an MPEG transport stream")]
    Unknown(String),
    #[error("{0} has no media that can be played")]
    Empty(String),
    #[error("{0}: {1}")]
    Program(String, String),
}

/// Feeds the stream from the file until it is no input of the stream any more, the stream stops, or the file ends that is
/// not to be looped. A file that fails is tried again; where the stream's only rung is replaced by another one, or an operator
/// ends its session, it is read from the beginning.
pub(crate) async fn run(service: Arc<Service>, running: Arc<Running>, feeder: Arc<Feeder>, source: Source) {
    loop {
        let opened = tokio::select! {
            () = feeder.cancel.cancelled() => return,
            opened = open(&source) => opened,
        };
        let played = match opened {
            Ok((reading, kind)) => play(&service, &running, &feeder, &source, reading, kind).await,
            Err(error) => Played::Failed(error),
        };
        let error = match played {
            Played::Over => return,
            Played::Again => continue,
            Played::Failed(error) => error,
        };
        tracing::warn!(stream = %running.code, %error, "cannot play the file, trying again in 5 s");
        running.rungs()[0].set_error(error.to_string());
        tokio::select! {
            () = feeder.cancel.cancelled() => return,
            () = tokio::time::sleep(RETRY) => {}
        }
    }
}

async fn open(source: &Source) -> Result<(Reading, Kind), Error> {
    let mut reading = source.open().await?;
    let kind = reading.kind().await?;
    Ok((reading, kind))
}

/// How playing ended.
enum Played {
    Over,
    /// There is another rung to be fed.
    Again,
    Failed(Error),
}

async fn play(
    service: &Arc<Service>,
    running: &Arc<Running>,
    feeder: &Feeder,
    source: &Source,
    reading: Reading,
    kind: Kind,
) -> Played {
    let clock = match kind {
        Kind::Flv => flv::CLOCK,
        Kind::MpegTs => super::mpegts::CLOCK,
    };
    let opening = Opening {
        stream: running.code.clone(),
        rendition: None,
        protocol: Protocol::File,
        role: Role::Publisher,
        peer: None,
        agent: Some(source.name()),
        origin: None,
    };
    let publication = feeder.seize(service, running, opening, clock);
    let session = Arc::clone(publication.session.session());
    let cancelled = session.cancelled();
    let played = async {
        match kind {
            Kind::Flv => flv::Player::new(service, publication).play(source, reading).await,
            Kind::MpegTs => {
                let settings = Settings { program: source.program, ..Settings::default() };
                ts::Player::new(service, publication, settings).play(source, reading).await
            }
        }
    };
    tokio::select! {
        () = cancelled.cancelled() => match session.why() {
            // There is another one to be fed in its place, or it is to be begun anew.
            Some(Ended::RenditionRemoved | Ended::Kicked) => Played::Again,
            _ => Played::Over,
        },
        played = played => match played {
            Ok(()) => Played::Over,
            Err(error) => Played::Failed(error),
        }
    }
}
