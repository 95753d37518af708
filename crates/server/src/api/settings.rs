//! `/api/v1/config` and `/api/v1/limits`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;
use super::read::{self, Asked};
use super::{Answer, json, plan};
use crate::config::{self, Config, SettingsDocument, Shown};
use crate::control::to_its_end;
use crate::http::Site;
use crate::panics;

/// The settings outside of `streams`.
#[derive(Serialize, ToSchema)]
pub(super) struct Settings {
    /// As they run: the defaults, over them the file, the environment, and what the API changed.
    config: SettingsDocument,
    /// Those that the API changed.
    changed: Vec<String>,
    /// Those of the file that are not taken over before the program is started anew.
    waiting_for_restart: Vec<&'static str>,
}

/// The settings as they run, without secrets.
#[utoipa::path(
    get, path = "/api/v1/config", tag = "config", operation_id = "get_config",
    responses((status = 200, description = "The settings.", body = Settings, headers(("ETag" = String, description = "Their version.")))),
)]
pub(super) fn get(site: &Site, request: &Request) -> Answer {
    Asked::nothing(request)?;
    let (config, changed, waiting) = site.control.settings();
    let settings = Settings {
        config: SettingsDocument::new(&config, Shown::Masked),
        changed: config::setting_names(&changed),
        waiting_for_restart: waiting,
    };
    Ok(json(StatusCode::OK, &settings, Some(&site.control.settings_tag())))
}

/// Changes settings by a merge patch (RFC 7396), as far as a running program takes them over: `listeners` and `tls`. Null takes a
/// change back: then the file, the environment or the default counts again.
#[utoipa::path(
    patch, path = "/api/v1/config", tag = "config", operation_id = "patch_config",
    params(plan::Terms),
    request_body(content(
        (SettingsDocument = "application/merge-patch+json"),
        (SettingsDocument = "application/json"),
    )),
    responses(
        (status = 200, description = "What was changed.", body = plan::Plan, headers(("ETag" = Option<String>, description = "The version that there is now."))),
        (status = 409, description = "It cannot be done now, as when a port is taken.", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn patch(site: &Site, request: Request, timeout: Duration) -> Answer {
    let terms = read::terms(&request)?;
    let patch = read::patch(request, timeout).await?;
    let (control, dry_run) = (site.control.clone(), terms.dry_run);
    let done = to_its_end(async move { control.change_settings(patch, &terms).await }).await?;
    Ok(plan::answer(&site.control, &done, dry_run, None))
}

/// The settings where nothing is said.
#[utoipa::path(
    get, path = "/api/v1/config/defaults", tag = "config", operation_id = "get_config_defaults",
    responses((status = 200, description = "The settings.", body = SettingsDocument)),
)]
pub(super) fn defaults() -> Response {
    json(StatusCode::OK, &SettingsDocument::new(&Config::default(), Shown::Masked), None)
}

/// Each limit by its name in the configuration, and how often the program itself failed.
#[derive(Serialize, ToSchema)]
pub(super) struct Limits {
    #[serde(flatten)]
    limits: BTreeMap<&'static str, Limit>,
    /// Sessions that ended because of an error of ours.
    panics: u64,
}

/// A limit.
#[derive(Serialize, ToSchema)]
pub(super) struct Limit {
    limit: u64,
    /// How much of it is taken, where that is a number of the whole service.
    now: Option<u64>,
    /// How often something was refused, or somebody sent away, because of it.
    refused: u64,
}

/// What the limits are, and what they did.
#[utoipa::path(
    get, path = "/api/v1/limits", tag = "config", operation_id = "get_limits",
    responses((status = 200, description = "The limits.", body = Limits)),
)]
pub(super) fn limits(site: &Site) -> Response {
    let limits = site.service.limits().into_iter().map(|limit| {
        let shown = Limit { limit: limit.limit, now: limit.now, refused: limit.refused };
        (limit.name, shown)
    });
    json(StatusCode::OK, &Limits { limits: limits.collect(), panics: panics::count() }, None)
}
