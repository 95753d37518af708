//! What a change of a stream does, before it is done: the same plan is shown and carried out.

use std::fmt;

use crate::code::Code;
use crate::config::{AbrRepMeta, Output};

/// What makes a stream what is wanted, in the order in which it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The stream.
    pub stream: Code,
    /// What is done. Whoever is touched by none of it notices nothing. Empty: the stream is what is wanted.
    pub actions: Vec<Action>,
}

/// One thing that is done, and to how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    /// What is done.
    pub change: Change,
    /// Viewers that it ends. Those of HLS and DASH are an estimate, and go on where both only begin anew.
    pub viewers: usize,
    /// Publishers and other sources that it ends.
    pub publishers: usize,
}

/// What of a stream becomes another.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Change {
    /// The stream starts.
    StreamStarts,
    /// The stream stops, with all that it has.
    StreamStops,
    /// What a publisher must give as `?key=` is another from now on, or nothing. Who publishes stays.
    StreamKeyChanges,
    /// What callers over SRT encrypt with is another from now on, or nothing. Who is connected stays.
    PassphraseChanges,
    /// Whether a publisher with the right key replaces the one that is sending.
    TakeoverChanges(bool),
    /// Viewers need a token from now on, or none, or it is made with other keys. Who plays over a connection stays.
    PlayAuthChanges,
    /// Another order of the inputs by preference.
    PrioritiesChange,
    /// An output ends, with its viewers.
    OutputStops(Output),
    /// An output begins.
    OutputStarts(Output),
    /// An input is none any more: who feeds the stream by it ends.
    InputStops(String),
    /// An input begins.
    InputStarts(String),
    /// Another ladder, or another order: HLS and DASH begin anew, as far as they are on. Who feeds or plays a rung that is taken
    /// out ends.
    LadderChanges {
        /// Rungs that are new.
        added: Vec<String>,
        /// Rungs that go.
        removed: Vec<String>,
    },
    /// Another bit rate or size of a rung is announced in place.
    RungAnnounced(AbrRepMeta),
    /// A destination ends. Its URL is without secrets.
    PushStops(String),
    /// A destination begins.
    PushStarts(String),
    /// A destination goes on under another comment.
    PushNoted(String),
}

impl Plan {
    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Viewers that are ended.
    pub fn viewers(&self) -> usize {
        self.actions.iter().map(|action| action.viewers).sum()
    }

    /// Publishers and other sources that are ended.
    pub fn publishers(&self) -> usize {
        self.actions.iter().map(|action| action.publishers).sum()
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamStarts => f.write_str("the stream starts"),
            Self::StreamStops => f.write_str("the stream stops"),
            Self::StreamKeyChanges => f.write_str("another stream key"),
            Self::PassphraseChanges => f.write_str("another passphrase for SRT"),
            Self::PlayAuthChanges => f.write_str("other tokens for viewers"),
            Self::TakeoverChanges(true) => f.write_str("takeover on"),
            Self::TakeoverChanges(false) => f.write_str("takeover off"),
            Self::PrioritiesChange => f.write_str("other priorities of inputs"),
            Self::OutputStops(output) => write!(f, "{output} off"),
            Self::OutputStarts(output) => write!(f, "{output} on"),
            Self::InputStops(input) => write!(f, "input {input} removed"),
            Self::InputStarts(input) => write!(f, "input {input} added"),
            Self::LadderChanges { added, removed } => {
                f.write_str("another ladder")?;
                let parts = [("added", added), ("removed", removed)];
                parts
                    .into_iter()
                    .filter(|(_, names)| !names.is_empty())
                    .try_for_each(|(what, names)| write!(f, ", {what}: {}", names.join(", ")))
            }
            Self::RungAnnounced(rung) => write!(f, "{} announced anew", rung.slug),
            Self::PushStops(url) => write!(f, "push to {url} removed"),
            Self::PushStarts(url) => write!(f, "push to {url} added"),
            Self::PushNoted(url) => write!(f, "another comment for the push to {url}"),
        }
    }
}
