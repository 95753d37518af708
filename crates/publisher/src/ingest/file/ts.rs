//! Plays a file that is a transport stream.

use std::sync::Arc;

use mpegts::demux::Settings;

use super::round::{Pace, Round};
use super::{Error, Reading, Source};
use crate::ingest::mpegts::{CLOCK, Demux, distance};
use crate::service::{Publication, Service};
use crate::session::Ended;

pub(super) struct Player<'a> {
    service: &'a Service,
    publication: Publication,
    demux: Demux,
    pace: Pace,
    /// The stamp of the newest frame, as the demultiplexer gives it and without wraps.
    newest: Option<(u64, i64)>,
    round: Round,
}

impl<'a> Player<'a> {
    pub(super) fn new(service: &'a Service, publication: Publication, settings: Settings) -> Self {
        let demux = Demux::new(Arc::clone(&publication.feed), settings);
        let (pace, round) = (Pace::new(CLOCK.scale), Round::default());
        Self { service, publication, demux, pace, newest: None, round }
    }

    /// Plays the file, and as a loop again and again.
    pub(super) async fn play(mut self, source: &Source, mut reading: Reading) -> Result<(), Error> {
        let played = self.play_all(source, &mut reading).await;
        let why = match &played {
            Ok(()) => Ended::Unpublished,
            Err(error) => Ended::Io(error.to_string()),
        };
        self.publication.session.cancel(why);
        played
    }

    async fn play_all(&mut self, source: &Source, reading: &mut Reading) -> Result<(), Error> {
        loop {
            self.play_once(reading).await?;
            let length = std::mem::take(&mut self.round).length();
            if length == 0 {
                return Err(match self.demux.lack(self.service.clock.elapsed()) {
                    Some(why) => Error::Program(source.name(), why),
                    None => Error::Empty(source.name()),
                });
            }
            if !source.looped {
                return Ok(());
            }
            self.demux.begin_again(length);
            *reading = source.open().await?;
        }
    }

    async fn play_once(&mut self, reading: &mut Reading) -> Result<(), Error> {
        while let Some(bytes) = reading.next().await? {
            self.publication.session.add_bytes(bytes.len() as u64);
            self.demux.push(self.service.clock.now(), &bytes);
            self.give().await;
        }
        self.demux.finish(self.service.clock.now());
        self.give().await;
        Ok(())
    }

    /// Gives to the hub what has come out, each access unit when it is due.
    async fn give(&mut self) {
        while let Some((track, dts)) = self.demux.next_unit(self.service.clock.now(), self.publication.rung())
        {
            let (last, at) = *self.newest.get_or_insert((dts, 0));
            let stamp = at.saturating_add(distance(last, dts));
            self.newest = Some((dts, stamp));
            // Data come when they come: how often says nothing of how long the last lasts.
            if self.demux.is_media(track) {
                self.round.note(track, stamp);
            }
            let now = self.service.clock.elapsed();
            tokio::time::sleep(self.pace.due(now, stamp).saturating_sub(now)).await;
            self.demux.deliver_unit(self.service.clock.now(), self.publication.rung());
        }
        self.demux.deliver(self.service.clock.now(), self.publication.rung());
        self.demux.report(self.publication.session.session());
    }
}
