//! What the API changed, on disk: one file under `data_dir`, one transaction for a change, on the disk before it is answered.
//!
//! Without a `data_dir` nothing is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use publisher::Code;
use redb::backends::FileBackend;
use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde_json::Value as Json;

mod record;

/// Its name in `data_dir`.
const FILE: &str = "rillcast.redb";
/// How the tables are laid out.
const FORMAT: u64 = 1;

/// `format` is the number of the layout.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Records of streams by code.
const STREAMS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("streams");
/// Codes of streams that were stopped, also of those in the configuration file.
const STOPPED: TableDefinition<'_, &str, ()> = TableDefinition::new("stopped");
/// Under `changed` the record of the settings that were changed.
const SETTINGS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("settings");
const CHANGED: &str = "changed";

/// Where changes are kept.
#[derive(Clone)]
pub(crate) struct Store(Option<Arc<Database>>);

/// What was kept.
#[derive(Default, Debug, PartialEq)]
pub(crate) struct Kept {
    /// Documents of streams, with their secrets.
    pub(crate) streams: BTreeMap<Code, Json>,
    /// Streams that are not to run.
    pub(crate) stopped: BTreeSet<Code>,
    /// Settings that lie over those of the file; null is none.
    pub(crate) settings: Json,
}

/// A part of a change.
#[derive(Clone, Debug)]
pub(crate) enum Write {
    /// The stream is like this from now on, or is there no more.
    Stream(Code, Option<Json>),
    /// The stream is not to run, or is.
    Stopped(Code, bool),
    /// The settings that lie over those of the file.
    Settings(Json),
}

impl Store {
    /// Opens what is kept in a directory, which is made where it is missing.
    ///
    /// # Errors
    /// A directory that cannot be used, that another process uses, or whose contents this version cannot read.
    pub(crate) fn open(dir: Option<&Path>) -> anyhow::Result<(Self, Kept)> {
        let Some(dir) = dir else { return Ok((Self(None), Kept::default())) };
        open(dir).with_context(|| format!("data_dir {}", dir.display()))
    }

    /// Whether a change outlives the process.
    pub(crate) fn persists(&self) -> bool {
        self.0.is_some()
    }

    /// Writes a change, as a whole or not at all. When this returns it is on the disk.
    ///
    /// # Errors
    /// What the disk says; nothing was changed.
    pub(crate) async fn commit(&self, writes: Vec<Write>) -> anyhow::Result<()> {
        let Some(database) = self.0.clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || commit(&database, &writes)).await.context("the store failed")?
    }
}

fn open(dir: &Path) -> anyhow::Result<(Store, Kept)> {
    // It holds stream keys: nobody else is to read them.
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let path: PathBuf = dir.join(FILE);
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    let opened = FileBackend::new(file).and_then(|file| Database::builder().create_with_backend(file));
    let database = opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => anyhow!("is used by another rillcast"),
        error => anyhow!("{FILE} cannot be read: {error}"),
    })?;
    let kept = read(&database)?;
    Ok((Store(Some(Arc::new(database))), kept))
}

/// Makes the tables where they are missing, and reads them.
fn read(database: &Database) -> anyhow::Result<Kept> {
    let begun = database.begin_write()?;
    {
        let mut meta = begun.open_table(META)?;
        let format = meta.get("format")?.map(|format| format.value());
        match format {
            None => drop(meta.insert("format", FORMAT)?),
            Some(format) => check_format(format)?,
        }
        begun.open_table(STREAMS)?;
        begun.open_table(STOPPED)?;
        begun.open_table(SETTINGS)?;
    }
    begun.commit()?;
    let reading = database.begin_read()?;
    let mut kept = Kept::default();
    for row in reading.open_table(STREAMS)?.iter()? {
        let (code, record) = row?;
        let code = code.value();
        let document = record::decode(record.value()).with_context(|| format!("stream {code}"))?;
        match code.parse() {
            Ok(code) => drop(kept.streams.insert(code, document)),
            Err(error) => tracing::error!(%error, "a stream in data_dir is left out"),
        }
    }
    for row in reading.open_table(STOPPED)?.iter()? {
        kept.stopped.extend(row?.0.value().parse::<Code>());
    }
    if let Some(record) = reading.open_table(SETTINGS)?.get(CHANGED)? {
        kept.settings = record::decode(record.value()).context("settings")?;
    }
    Ok(kept)
}

fn check_format(format: u64) -> anyhow::Result<()> {
    match format {
        FORMAT => Ok(()),
        _ => Err(anyhow!(
            "{FILE} was written by another version of Rillcast (format {format}, this one knows {FORMAT}); \
             run that version, or name another directory"
        )),
    }
}

fn commit(database: &Database, writes: &[Write]) -> anyhow::Result<()> {
    // By default it is durable when it returns.
    let begun = database.begin_write()?;
    {
        let (mut streams, mut stopped) = (begun.open_table(STREAMS)?, begun.open_table(STOPPED)?);
        let mut settings = begun.open_table(SETTINGS)?;
        for write in writes {
            match write {
                Write::Stream(code, Some(document)) => {
                    streams.insert(code.as_str(), record::encode(document).as_slice())?;
                }
                Write::Stream(code, None) => drop(streams.remove(code.as_str())?),
                Write::Stopped(code, true) => drop(stopped.insert(code.as_str(), ())?),
                Write::Stopped(code, false) => drop(stopped.remove(code.as_str())?),
                Write::Settings(document) => {
                    settings.insert(CHANGED, record::encode(document).as_slice())?;
                }
            }
        }
    }
    begun.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests;
