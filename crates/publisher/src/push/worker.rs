//! One destination's worker: attempt after attempt, until it is stopped or gives up.

use std::sync::Arc;
use std::time::Duration;

use packager::rtmp::Chunk;
use rtmp::client::{Target, Url};

use super::connection::{Connection, Left};
use super::dial::dial;
use super::life::Ending;
use super::reason::{Fault, Reason};
use super::{Push, PushStatus};
use crate::back_off::jitter;
use crate::code::Address;
use crate::output::join::{Joined, Unjoined};
use crate::output::persist::persist;
use crate::rung::Rung;
use crate::service::{Service, random};
use crate::stream::Running;

/// Media is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Connections of one attempt: redirects and the steps of a proof of who we are.
const HOPS: u32 = 12;

/// A destination and what it is pushed from.
pub(super) struct Worker {
    pub(super) service: Arc<Service>,
    pub(super) running: Arc<Running>,
    pub(super) push: Arc<Push>,
}

impl Worker {
    /// Works until the destination is stopped or gives up. A failure of our own is an attempt that failed.
    pub(super) async fn run(mut self) {
        let code = self.running.code.clone();
        persist(&mut self, |worker| Box::pin(worker.work()), &code, "a push").await;
    }

    async fn work(&mut self) {
        if self.push.is_under_way() {
            self.end(Ending::Failed(Fault::new(Reason::Internal, "internal error; the log has the details")));
        }
        let url = match Url::parse(self.push.config.url.reveal()) {
            Ok(url) => url,
            Err(error) => {
                let fault = Fault::new(Reason::Url, error.to_string());
                self.warn(&fault, "push failed");
                return self.push.give_up(fault);
            }
        };
        let (mut next, mut media_after) = (None, Duration::ZERO);
        while self.push.status() != PushStatus::Failed {
            let target = next.take().unwrap_or_else(|| Target::new(url.clone()));
            let cancel = self.push.cancel.clone();
            let joined = tokio::select! {
                () = cancel.cancelled() => return,
                joined = self.wait_for_media(media_after) => joined,
            };
            self.push.begin();
            let ending = match joined {
                Ok(joined) => match self.attempt(target, &joined).await {
                    Some((ending, target)) => {
                        next = target;
                        ending
                    }
                    None => return,
                },
                Err(fault) => Ending::Failed(fault),
            };
            if matches!(ending, Ending::Idle(_)) {
                media_after = self.service.clock.elapsed();
            }
            self.end(ending);
        }
    }

    /// Waits until the next attempt is due and there is media to be sent, which came after that time.
    async fn wait_for_media(&self, after: Duration) -> Result<Joined<Chunk>, Fault> {
        let due = self.push.state().life.due();
        let rest = due.map(|due| due.saturating_sub(self.service.clock.elapsed()));
        tokio::time::sleep(rest.unwrap_or_default()).await;
        let rendition = self.push.config.rendition.clone();
        let address = Address { code: self.running.code.clone(), rendition };
        loop {
            if let Some(name) =
                address.rendition.as_deref().filter(|name| self.running.find_rung(name).is_none())
            {
                let has = self.running.rung_names("");
                let why = format!("the stream has no rendition {name:?}; it has {has}");
                return Err(Fault::new(Reason::Rendition, why));
            }
            match self.service.join(&self.running, &address, |rung| &rung.rtmp).await {
                Ok(joined) if self.is_fed(&joined.rung, after) => return Ok(joined),
                Ok(_) | Err(Unjoined::NoMedia | Unjoined::Ended) => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn is_fed(&self, rung: &Rung, after: Duration) -> bool {
        let now = self.service.clock.elapsed();
        rung.rank(now).is_live() && rung.hub.status(now).last_arrival.is_some_and(|last| last > after)
    }

    /// One attempt: how it ended, and where the next one goes if not to the URL. None: it was stopped.
    async fn attempt(&self, mut target: Target, joined: &Joined<Chunk>) -> Option<(Ending, Option<Target>)> {
        for _ in 0..HOPS {
            let dialled = tokio::select! {
                () = self.push.cancel.cancelled() => return None,
                dialled = dial(target.url(), &self.push.config) => dialled,
            };
            let wire = match dialled {
                Ok(wire) => wire,
                Err(fault) => return Some((Ending::Failed(fault), None)),
            };
            let mut connection = Connection::new(&self.service, &self.push, joined, wire, target);
            let left = Box::pin(connection.run()).await;
            self.push.leave();
            match left {
                Ok(Left::Stopped) => return None,
                Ok(Left::Idle | Left::Gone) => return Some((Ending::Idle(None), None)),
                Ok(Left::Moved(target)) => return Some((Ending::Moved, Some(target))),
                Ok(Left::Again(again)) => target = again,
                // Many servers throw out who sends nothing. That is no failure of either side.
                Err(fault) if connection.is_idle() => return Some((Ending::Idle(Some(fault)), None)),
                Err(fault) => return Some((Ending::Failed(fault), None)),
            }
        }
        Some((Ending::Failed(Fault::new(Reason::Refused, "the server sends us on and on")), None))
    }

    fn end(&self, ending: Ending) {
        let jitter = jitter(random());
        match &ending {
            Ending::Failed(fault) => self.warn(fault, "push interrupted"),
            Ending::Idle(Some(fault)) => self.warn(fault, "push ended for want of media"),
            Ending::Idle(None) => self.tell("push ended for want of media"),
            Ending::Moved => self.tell("push moves to where the server wants it"),
        }
        self.push.end(self.service.clock.elapsed(), ending, jitter);
        if self.push.status() == PushStatus::Failed {
            tracing::error!(
                stream = %self.push.stream,
                push = self.push.id,
                url = self.push.url,
                attempts = self.push.config.limit,
                "push failed, and is given up after as many attempts as its limit says"
            );
        }
    }

    fn warn(&self, fault: &Fault, what: &str) {
        let Push { id, url, .. } = &*self.push;
        tracing::warn!(stream = %self.push.stream, push = id, url, reason = ?fault.reason, error = %fault, "{what}");
    }

    fn tell(&self, what: &str) {
        let Push { id, url, .. } = &*self.push;
        tracing::info!(stream = %self.push.stream, push = id, url, "{what}");
    }
}
