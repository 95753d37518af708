//! SRT: from the payloads of a connection, which delivers them in order and in time, to the hub. The connection is that of a
//! publisher, or one that an input has called for.

pub(crate) mod call;
mod line;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mpegts::demux::Settings;
use srt::connection::Reason;
use tokio::sync::mpsc;

use super::mpegts::Demux;
use crate::service::{Publication, Service};
use crate::session::{Ended, Reception};

/// Payloads that may wait for the publisher's task: half a second of 80 Mbit/s. What comes on top is lost, and counted.
const QUEUE: usize = 4096;
/// Payloads that are taken together.
const TAKEN: usize = 256;
/// How often the session is told what was lost.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What a connection delivers to the task of its publisher.
enum Delivery {
    Payload(Bytes),
    /// The connection is over.
    Closed(Reason),
}

/// The connection's end of a publisher.
pub(crate) struct Publisher {
    deliveries: mpsc::Sender<Delivery>,
    /// Payloads that did not come, and had no room.
    lost: Arc<AtomicU64>,
}

impl Publisher {
    /// Feeds what is published from now on. `over` is called when the publisher is to be sent away.
    pub(crate) fn start(
        service: Arc<Service>,
        publication: Publication,
        settings: Settings,
        over: impl FnOnce() + Send + 'static,
    ) -> Self {
        let (deliveries, incoming) = mpsc::channel(QUEUE);
        let lost = Arc::default();
        let feeding = Feeding {
            demux: Demux::new(Arc::clone(&publication.feed), settings),
            publication,
            incoming,
            lost: Arc::clone(&lost),
            told: 0,
            reported: service.clock.elapsed(),
            service,
        };
        tokio::spawn(async move {
            feeding.run().await;
            over();
        });
        Self { deliveries, lost }
    }

    /// The next payload, and how many before it did not come in time.
    pub(crate) fn take(&self, payload: Bytes, lost: u32) {
        let had_room = self.deliveries.try_send(Delivery::Payload(payload)).is_ok();
        let lost = u64::from(lost) + u64::from(!had_room);
        self.lost.fetch_add(lost, Ordering::Relaxed);
    }

    /// The connection is over.
    pub(crate) fn end(self, reason: Reason) {
        // With no room for it the end alone is heard, without its reason.
        let _ = self.deliveries.try_send(Delivery::Closed(reason));
    }
}

struct Feeding {
    service: Arc<Service>,
    publication: Publication,
    demux: Demux,
    incoming: mpsc::Receiver<Delivery>,
    lost: Arc<AtomicU64>,
    /// What of it the session was told.
    told: u64,
    reported: Duration,
}

impl Feeding {
    async fn run(mut self) {
        let cancelled = self.publication.session.cancelled();
        let mut waiting = Vec::new();
        let ended = loop {
            let silence = self.publication.session.last_media() + self.service.settings.publish_timeout;
            let until =
                silence.min(self.reported + REPORT_EVERY).saturating_sub(self.service.clock.elapsed());
            let received = tokio::select! {
                () = cancelled.cancelled() => break None,
                received = tokio::time::timeout(until, self.incoming.recv_many(&mut waiting, TAKEN)) => received,
            };
            if received == Ok(0) {
                break Some(Ended::ClientLeft);
            }
            if let Some(ended) = self.take(&mut waiting) {
                break Some(ended);
            }
        };
        self.demux.finish(self.service.clock.now());
        let _ = self.demux.deliver(self.service.clock.now(), self.publication.rung());
        self.report(self.service.clock.elapsed());
        if let Some(ended) = ended {
            self.publication.session.cancel(ended);
        }
        let running = Arc::clone(&self.publication.running);
        tokio::spawn(Arc::clone(&self.service).reap(running));
    }

    /// Takes what was delivered, and the time. Why it is over, if it is.
    fn take(&mut self, waiting: &mut Vec<Delivery>) -> Option<Ended> {
        let now = self.service.clock.now();
        let session = &self.publication.session;
        let mut ended = None;
        for delivery in waiting.drain(..) {
            match delivery {
                Delivery::Payload(bytes) => {
                    session.add_bytes(bytes.len() as u64);
                    self.demux.push(now, &bytes);
                }
                Delivery::Closed(Reason::Peer) => ended = Some(Ended::Unpublished),
                Delivery::Closed(Reason::Local | Reason::Timeout) => ended = Some(Ended::ClientLeft),
            }
        }
        let delivered = self.demux.deliver(now, self.publication.rung());
        if delivered.units > 0 {
            session.note_media(now.mono);
        }
        if delivered.taken_over {
            return Some(Ended::TakenOver);
        }
        let silence = now.mono.saturating_sub(session.last_media());
        if now.mono.saturating_sub(self.reported) >= REPORT_EVERY {
            self.report(now.mono);
        }
        let is_silent = silence >= self.service.settings.publish_timeout;
        ended.or_else(|| is_silent.then_some(Ended::NoMedia(silence)))
    }

    /// Tells the session, and with it the status of the source, what did not come.
    fn report(&mut self, now: Duration) {
        self.reported = now;
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > self.told {
            self.told = lost;
            let reception = Reception { packets_lost: lost, ..Reception::default() };
            self.publication.session.note_reception(0, reception);
        }
    }
}
