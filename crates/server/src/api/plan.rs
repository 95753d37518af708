//! What a change does: as a plan before, or as what was done.

use axum::http::StatusCode;
use axum::response::Response;
use publisher::{Action, Change, Code};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::json;
use crate::control::{Control, Done};

/// Conditions of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it is a description; read.rs reads them")]
pub(super) struct Terms {
    /// Nothing is done, and the answer is what would be.
    dry_run: Option<bool>,
}

/// What was done, or with `dry_run` would be. Whoever is not in it notices nothing.
#[derive(Serialize, ToSchema)]
pub(super) struct Plan {
    /// Nothing was done.
    dry_run: bool,
    /// The stream that is changed; null for settings.
    stream: Option<String>,
    /// Whether the change outlives the program: `disk`, or `memory` where `data_dir` is not set.
    kept: Kept,
    /// Viewers that are ended by all of it.
    viewers: usize,
    /// Publishers and other sources that are ended by all of it.
    publishers: usize,
    /// One thing after another; empty where there is nothing to do.
    actions: Vec<PlanAction>,
}

/// Where a change is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = PlanKept)]
enum Kept {
    Disk,
    Memory,
}

/// One thing that is done.
#[derive(Serialize, ToSchema)]
pub(super) struct PlanAction {
    /// Its kind.
    action: Name,
    /// What it is done to: an output, a listener, an input, a rendition, the URL of a destination without its secrets.
    what: Option<String>,
    /// For people.
    description: String,
    /// Viewers that it ends. Those of HLS and DASH are an estimate.
    viewers: usize,
    /// Publishers and other sources that it ends.
    publishers: usize,
}

/// Kinds of what is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PlanActionKind)]
enum Name {
    StreamStarts,
    StreamStops,
    StreamKeyChanges,
    PassphraseChanges,
    TakeoverChanges,
    PlayAuthChanges,
    PrioritiesChange,
    OutputStops,
    OutputStarts,
    InputStops,
    InputStarts,
    LadderChanges,
    RenditionAnnounced,
    PushStops,
    PushStarts,
    PushNoted,
    ListenerChanges,
    SettingChanges,
    /// Something that this description does not know yet.
    Other,
}

impl From<&Action> for PlanAction {
    fn from(action: &Action) -> Self {
        let (name, what) = match &action.change {
            Change::StreamStarts => (Name::StreamStarts, None),
            Change::StreamStops => (Name::StreamStops, None),
            Change::StreamKeyChanges => (Name::StreamKeyChanges, None),
            Change::PassphraseChanges => (Name::PassphraseChanges, None),
            Change::TakeoverChanges(_) => (Name::TakeoverChanges, None),
            Change::PlayAuthChanges => (Name::PlayAuthChanges, None),
            Change::PrioritiesChange => (Name::PrioritiesChange, None),
            Change::OutputStops(output) => (Name::OutputStops, Some(output.name().to_owned())),
            Change::OutputStarts(output) => (Name::OutputStarts, Some(output.name().to_owned())),
            Change::InputStops(input) => (Name::InputStops, Some(input.clone())),
            Change::InputStarts(input) => (Name::InputStarts, Some(input.clone())),
            Change::LadderChanges { .. } => (Name::LadderChanges, None),
            Change::RungAnnounced(rung) => (Name::RenditionAnnounced, Some(rung.slug.clone())),
            Change::PushStops(url) => (Name::PushStops, Some(url.clone())),
            Change::PushStarts(url) => (Name::PushStarts, Some(url.clone())),
            Change::PushNoted(url) => (Name::PushNoted, Some(url.clone())),
            _ => (Name::Other, None),
        };
        Self {
            action: name,
            what,
            description: action.change.to_string(),
            viewers: action.viewers,
            publishers: action.publishers,
        }
    }
}

/// The answer to a change.
pub(super) fn answer(control: &Control, done: &Done, dry_run: bool, stream: Option<&Code>) -> Response {
    let aside = |action, what: &str, description: &str| PlanAction {
        action,
        what: Some(what.to_owned()),
        description: description.to_owned(),
        viewers: 0,
        publishers: 0,
    };
    let listeners =
        done.listeners.iter().map(|moved| aside(Name::ListenerChanges, moved.name, &moved.description));
    let settings =
        done.settings.iter().map(|name| aside(Name::SettingChanges, name, &format!("another {name}")));
    let plan = Plan {
        dry_run,
        stream: stream.map(ToString::to_string),
        kept: if control.persists() { Kept::Disk } else { Kept::Memory },
        viewers: done.actions.iter().map(|action| action.viewers).sum(),
        publishers: done.actions.iter().map(|action| action.publishers).sum(),
        actions: listeners.chain(settings).chain(done.actions.iter().map(PlanAction::from)).collect(),
    };
    let status = if done.created && !dry_run { StatusCode::CREATED } else { StatusCode::OK };
    json(status, &plan, done.tag.as_deref())
}
