//! The start of a viewer: which rung it gets, and the wait for its first media.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hub::{Cursor, Haste, Read};

use super::carrier::{Kind, Output, Reading};
use crate::code::Address;
use crate::rung::Rung;
use crate::service::Service;
use crate::stream::Running;

/// When nothing came before and a first rung comes, the others come about now: a viewer gets the best of those that are
/// there after this.
const OTHERS: Duration = Duration::from_secs(1);

/// A carrier with media, for a viewer.
pub(crate) struct Joined<T> {
    pub(crate) rung: Arc<Rung>,
    pub(crate) reading: Arc<Reading<T>>,
    /// Says that somebody waits for each frame.
    pub(crate) haste: Haste,
}

/// Why there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unjoined {
    /// The stream ended meanwhile.
    Ended,
    /// No media came in time.
    NoMedia,
}

/// A rung whose media is waited for.
struct Waiting<T> {
    rung: Arc<Rung>,
    joined: Joined<T>,
    cursor: Cursor<T>,
    state: Readiness,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Readiness {
    Silent,
    Ready,
    Closed,
}

impl Service {
    /// Joins the rung that an address names, or the best one, and waits for its media for `join_timeout` at most.
    /// `carrier` is that of a rung.
    pub(crate) async fn join<K: Kind>(
        &self,
        running: &Running,
        address: &Address,
        carrier: fn(&Rung) -> &Output<K>,
    ) -> Result<Joined<K::Chunk>, Unjoined> {
        let patience = self.settings.join_timeout;
        if let Some(name) = &address.rendition {
            return self.join_one_of(running.find_rung(name), carrier, patience).await;
        }
        let now = self.clock.elapsed();
        let all = running.rungs();
        let best = all.iter().max_by_key(|rung| rung.rank(now)).cloned();
        if let Some(best) = best.filter(|rung| all.len() > 1 && rung.rank(now).is_live())
            && let Ok(joined) = self.join_one_of([best], carrier, patience.min(OTHERS)).await
        {
            return Ok(joined);
        }
        // No media yet, or none of the best one that could be sent.
        self.join_one_of(all.iter().cloned(), carrier, patience).await
    }

    /// Waits for the first media of these rungs, and takes the best that has some.
    async fn join_one_of<K: Kind>(
        &self,
        rungs: impl IntoIterator<Item = Arc<Rung>>,
        carrier: fn(&Rung) -> &Output<K>,
        patience: Duration,
    ) -> Result<Joined<K::Chunk>, Unjoined> {
        let mut waiting: Vec<_> = rungs.into_iter().filter_map(|rung| wait_for(rung, carrier)).collect();
        if waiting.is_empty() {
            return Err(Unjoined::Ended);
        }
        let first = tokio::time::timeout(patience, until(&mut waiting, 1));
        first.await.map_err(|_| Unjoined::NoMedia)?;
        // All that is to be known is which are there by then.
        let all = waiting.len();
        let _ = tokio::time::timeout(OTHERS, until(&mut waiting, all)).await;
        let now = self.clock.elapsed();
        let ready = waiting.into_iter().filter(|waiting| waiting.state == Readiness::Ready);
        let best = ready.max_by_key(|waiting| waiting.rung.rank(now));
        best.map(|waiting| waiting.joined).ok_or(Unjoined::NoMedia)
    }
}

/// Begins to read a rung. None: it has ended.
fn wait_for<K: Kind>(rung: Arc<Rung>, carrier: fn(&Rung) -> &Output<K>) -> Option<Waiting<K::Chunk>> {
    let haste = rung.hub.hasten();
    let reading = carrier(&rung).join()?;
    let cursor = reading.ring().subscribe()?;
    let joined = Joined { rung: Arc::clone(&rung), reading, haste };
    Some(Waiting { rung, joined, cursor, state: Readiness::Silent })
}

/// Waits until so many of the rungs have media or have ended.
async fn until<T: hub::Item + Clone>(waiting: &mut [Waiting<T>], count: usize) {
    poll_fn(|cx| {
        waiting.iter_mut().for_each(|waiting| waiting.look(cx));
        match waiting.iter().filter(|waiting| waiting.state != Readiness::Silent).count() >= count {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

impl<T: hub::Item + Clone> Waiting<T> {
    /// Finds out whether there is something to begin with; else the task is woken when there is.
    fn look(&mut self, cx: &mut Context<'_>) {
        if self.state != Readiness::Silent {
            return;
        }
        self.state = match self.cursor.poll_read(cx, &mut Vec::new(), 1) {
            Poll::Pending => Readiness::Silent,
            Poll::Ready(Read::Closed) => Readiness::Closed,
            Poll::Ready(Read::Items | Read::Skipped) => Readiness::Ready,
        };
    }
}
