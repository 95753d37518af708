//! Whether a stream has its media, told whenever that changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::events::What;
use crate::service::Service;
use crate::status::StreamStatus;
use crate::stream::{Running, Viewers};

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Without a frame for this long a rung has lost its media.
const LOST: Duration = Duration::from_secs(3);

/// What a rung has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Input {
    Never,
    Fed,
    /// For want of a source, or though there is one.
    Lost(&'static str),
}

/// What was seen last.
#[derive(Default)]
struct Health {
    inputs: BTreeMap<String, Input>,
    lacks: Vec<String>,
}

impl Health {
    /// Takes what is seen now: what of it is news. `has_ladder`: rungs have names to be told.
    fn observe(&mut self, status: &StreamStatus, has_ladder: bool) -> Vec<What> {
        let mut news = Vec::new();
        let mut inputs = BTreeMap::new();
        for rung in &status.renditions {
            let now = match (rung.silent_for, &rung.source) {
                (None, _) => Input::Never,
                (Some(silent), _) if silent < LOST => Input::Fed,
                (Some(_), Some(_)) => Input::Lost("its source is silent"),
                (Some(_), None) => Input::Lost("it has no source"),
            };
            let name = &rung.config.name;
            let rendition = has_ladder.then(|| name.clone());
            match (self.inputs.get(name).copied().unwrap_or(Input::Never), now) {
                (Input::Never, Input::Fed) => news.push(What::InputStarted(rendition)),
                (Input::Lost(_), Input::Fed) => news.push(What::InputRecovered(rendition)),
                (Input::Fed | Input::Never, Input::Lost(reason)) => {
                    news.push(What::InputLost { rendition, reason });
                }
                _ => {}
            }
            inputs.insert(name.clone(), now);
        }
        let is_fed = inputs.values().any(|input| *input == Input::Fed);
        let without = inputs.iter().filter(|(_, input)| **input != Input::Fed);
        let without = without.map(|(name, _)| format!("{name}: no media"));
        let lacks: Vec<String> = without.chain(status.warnings.iter().cloned()).collect();
        self.inputs = inputs;
        // Of a stream without any media that alone is told.
        if is_fed && lacks != self.lacks {
            news.push(if lacks.is_empty() {
                What::StreamHealthy
            } else {
                What::StreamDegraded(lacks.clone())
            });
            self.lacks = lacks;
        }
        news
    }
}

impl Service {
    /// Tells how the stream fares, until it ends. Where nobody listens, nothing is looked at.
    pub(crate) async fn watch_health(self: Arc<Self>, running: Arc<Running>) {
        let (mut health, mut were_heard) = (Health::default(), self.events.are_heard());
        loop {
            tokio::select! {
                () = running.cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if !self.events.are_heard() {
                were_heard = false;
                continue;
            }
            let status = running.status(self.clock.elapsed(), Viewers::default());
            let news = health.observe(&status, !running.config().renditions.is_empty());
            // What was so before anybody listened is no news.
            if std::mem::replace(&mut were_heard, true) {
                for what in news {
                    self.events.tell(Some(&running.code), || what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::config::{Protocols, Rendition};
    use crate::status::RenditionStatus;

    /// A stream whose rungs were silent for so many seconds.
    fn status(rungs: &[(&str, Option<u64>)], warnings: &[&str]) -> StreamStatus {
        let media = hub::Stream::new(hub::Limits::default()).status(Duration::ZERO);
        let rendition = |(name, silent): &(&str, Option<u64>)| RenditionStatus {
            config: Rendition::new(*name),
            source: None,
            media: media.clone(),
            silent_for: silent.map(Duration::from_secs),
            late_frames: 0,
            warnings: Vec::new(),
            last_error: None,
        };
        StreamStatus {
            code: "news".parse().expect("a code"),
            protocols: Protocols::BUILT,
            since: SystemTime::UNIX_EPOCH,
            source: None,
            media: media.clone(),
            silent_for: None,
            late_frames: 0,
            warnings: warnings.iter().map(|&warning| warning.to_owned()).collect(),
            last_error: None,
            viewers: 0,
            viewers_lost: 0,
            renditions: rungs.iter().map(rendition).collect(),
        }
    }

    #[test]
    fn what_changes_is_told_once() {
        let mut health = Health::default();
        let mut names = |rungs: &[(&str, Option<u64>)], warnings: &[&str]| {
            let news = health.observe(&status(rungs, warnings), true);
            news.iter().map(What::name).collect::<Vec<_>>()
        };
        assert_eq!(names(&[("a", None), ("b", None)], &[]), [""; 0], "nothing was ever there");
        assert_eq!(names(&[("a", Some(0)), ("b", None)], &[]), ["input_started", "stream_degraded"]);
        assert_eq!(names(&[("a", Some(2)), ("b", Some(0))], &[]), ["input_started", "stream_healthy"]);
        assert_eq!(names(&[("a", Some(1)), ("b", Some(2))], &[]), [""; 0]);
        assert_eq!(names(&[("a", Some(1)), ("b", Some(3))], &[]), ["input_lost", "stream_degraded"]);
        assert_eq!(names(&[("a", Some(1)), ("b", Some(9))], &[]), [""; 0]);
        assert_eq!(names(&[("a", Some(3)), ("b", Some(9))], &[]), ["input_lost"], "all are lost");
        assert_eq!(
            names(&[("a", Some(0)), ("b", Some(0))], &["left out"]),
            ["input_recovered", "input_recovered", "stream_degraded"]
        );
        assert_eq!(
            names(&[("a", Some(0))], &[]),
            ["stream_healthy"],
            "a rung that is none any more is not missed"
        );
    }
}
