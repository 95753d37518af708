//! Plays an FLV file.

use std::sync::Arc;

use bytes::Bytes;
use media::TrackId;
use media::timeline::SourceClock;
use rtmp::flv::{self, Media};

use super::round::{Pace, Round};
use super::{Error, Reading, Source};
use crate::ingest::intake::{Intake, Unit};
use crate::service::{Publication, Service};
use crate::session::Ended;

/// Milliseconds that never wrap: rounds of a loop are added up.
pub(super) const CLOCK: SourceClock = SourceClock { scale: 1000, bits: 64 };

pub(super) struct Player<'a> {
    service: &'a Service,
    publication: Publication,
    intake: Intake,
    demux: flv::Demux,
    pace: Pace,
    /// What is added to the stamps of this round.
    offset_ms: u64,
    round: Round,
}

impl<'a> Player<'a> {
    pub(super) fn new(service: &'a Service, publication: Publication) -> Self {
        let intake = Intake::new(Arc::clone(&publication.feed));
        let (demux, round, pace) = (flv::Demux::new(), Round::default(), Pace::new(CLOCK.scale));
        Self { service, publication, intake, demux, pace, offset_ms: 0, round }
    }

    /// Plays the file, and as a loop again and again.
    pub(super) async fn play(mut self, source: &Source, mut reading: Reading) -> Result<(), Error> {
        loop {
            if let Err(error) = self.play_once(&mut reading).await {
                self.publication.session.cancel(Ended::Io(error.to_string()));
                return Err(error);
            }
            let length_ms = std::mem::take(&mut self.round).length();
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
            reading = source.open().await?;
        }
    }

    async fn play_once(&mut self, reading: &mut Reading) -> Result<(), Error> {
        let mut reader = flv::file::Reader::new(&rtmp::Limits::default());
        while let Some(bytes) = reading.next().await? {
            self.publication.session.add_bytes(bytes.len() as u64);
            reader.push(&bytes);
            while let Some(tag) = reader.poll().map_err(|error| Error::Flv(reading.name.clone(), error))? {
                self.tag(tag).await;
            }
        }
        Ok(())
    }

    async fn tag(&mut self, tag: flv::Tag) {
        if let Err(error) = self.demux.push(tag) {
            self.publication.rung().set_damaged(self.service.clock.elapsed(), &error.to_string());
        }
        while let Some(media) = self.demux.poll() {
            match media {
                Media::Track { id, codec } => self.intake.track(id, codec),
                Media::Frame { track, dts_ms, cts_ms, key, data, .. } => {
                    self.round.note(track, dts_ms.into());
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
        let due = self.pace.due(now, i64::try_from(dts).unwrap_or(i64::MAX));
        tokio::time::sleep(due.saturating_sub(now)).await;
        let unit = Unit { track, dts, cts: cts_ms.into(), key, data };
        self.publication.rung().note_pushed(self.intake.unit(self.service.clock.now(), unit));
    }
}
