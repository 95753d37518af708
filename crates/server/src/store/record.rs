//! A record: a document and the version of its form.

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The newest form that this program knows.
const VERSION: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Record<T> {
    version: u64,
    config: T,
}

/// The bytes of a record.
pub(super) fn encode(document: &Json) -> Vec<u8> {
    // A value of JSON always has a text.
    serde_json::to_vec(&Record { version: VERSION, config: document }).unwrap_or_default()
}

/// The document of a record.
///
/// # Errors
/// A form that this version does not know, and what is no record.
pub(super) fn decode(bytes: &[u8]) -> anyhow::Result<Json> {
    let record: Record<Json> = serde_json::from_slice(bytes).context("is no record of Rillcast")?;
    match record.version {
        1..=VERSION => Ok(record.config),
        newer => Err(anyhow!(
            "was written by another version of Rillcast (record {newer}, this one knows {VERSION}); run that version, or name another directory"
        )),
    }
}
