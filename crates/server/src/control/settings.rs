//! Changes of the settings outside of `streams`, as far as a running program takes them over.

use serde_json::Value as Json;

use super::{Control, Done, Refused, Terms};
use crate::config::{self, Config, Fault, Place, merge};
use crate::store::Write;

/// What is changed here. Who may use the API is for the file alone to say.
const CHANGED_HERE: [&str; 2] = ["listeners.", "tls."];

impl Control {
    /// Puts settings over those of the file, and keeps them. Null takes one back: then the file, the environment or the default
    /// counts again.
    ///
    /// # Errors
    /// See [`Refused`].
    pub(crate) async fn change_settings(&self, mut patch: Json, terms: &Terms) -> Result<Done, Refused> {
        let mut changing = self.change().await;
        if !terms.hold(Some(&self.settings_tag())) {
            return Err(Refused::Mismatch);
        }
        let (running, mut changed, _) = self.settings();
        config::restore_settings(&mut patch, &running).map_err(Refused::Faults)?;
        if !patch.is_object() {
            return Err(Refused::Faults(vec![at(String::new(), "an object of settings is wanted")]));
        }
        config::check_settings_patch(&patch).map_err(Refused::Faults)?;
        // Without what cannot be used any more, as after a change of the file.
        let before = changing.base.under(&changed).or_else(|_| changing.base.under(&Json::Null));
        let before = before.map_err(|faults| Refused::Faults(faults.list))?;
        merge::apply(&mut changed, &patch);
        merge::prune(&mut changed);
        let wanted = changing.base.under(&changed).map_err(|faults| Refused::Faults(faults.list))?;
        check(&before, &wanted, &patch)?;
        let (listeners, tls) = (&wanted.settings.listeners, wanted.settings.tls.as_ref());
        let mut done = Done { listeners: changing.listeners.plan(listeners, tls), ..Done::default() };
        if terms.dry_run {
            return Ok(done);
        }
        let (old_listeners, old_tls) = changing.listeners.applied();
        let moved = changing.listeners.change(listeners, tls).await;
        let kept = match moved.failed.is_empty() {
            true => self.keep(vec![Write::Settings(changed.clone())]).await,
            false => Err(Refused::Conflict(moved.failed.join("; "))),
        };
        if let Err(refused) = kept {
            changing.listeners.change(&old_listeners, old_tls.as_ref()).await;
            return Err(refused);
        }
        let mut catalog = self.catalog_mut();
        (catalog.config.settings.listeners, catalog.config.settings.tls) = changing.listeners.applied();
        catalog.changed = changed;
        drop(catalog);
        for change in &done.listeners {
            tracing::info!(kept = self.persists(), "changed through the API: {}", change.description);
        }
        done.tag = Some(self.settings_tag());
        Ok(done)
    }
}

/// Only what a running program takes over may differ.
fn check(before: &Config, wanted: &Config, patch: &Json) -> Result<(), Refused> {
    let mut faults: Vec<Fault> = config::differing_settings(before, wanted)
        .into_iter()
        .filter(|name| !CHANGED_HERE.iter().any(|section| name.starts_with(section)))
        .map(|name| {
            let pointer = format!("/{}", name.replace('.', "/"));
            let then = if config::is_taken_over(name) { "send SIGHUP" } else { "start the program anew" };
            at(pointer, &format!("{name} is not changed here; set it in the file, and {then}"))
        })
        .collect();
    if patch.get("streams").is_some_and(|streams| !streams.is_null()) {
        faults.push(at("/streams".to_owned(), "streams are changed at /api/v1/streams"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Refused::Faults(faults)) }
}

fn at(pointer: String, why: &str) -> Fault {
    Fault::new(Place::Pointer(pointer), why)
}
