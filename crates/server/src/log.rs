//! Logs: one line per event on standard error, for people or as JSON.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable with the filter, as `info` or `warn,rillcast_rtmp=trace`.
pub(crate) const FILTER: &str = "RILLCAST_LOG";
/// The variable with the form, `text` or `json`.
pub(crate) const FORMAT: &str = "RILLCAST_LOG_FORMAT";

/// What the filter may be, for messages.
const FILTERS: &str = "off, error, warn, info, debug, trace, and part=level, with commas between them";

/// Starts logging as the two variables say.
///
/// # Errors
/// A variable that cannot be understood.
pub(crate) fn start() -> anyhow::Result<()> {
    let filter = match variable(FILTER)? {
        Some(text) => {
            filter(&text).with_context(|| format!("{FILTER}: {text:?} is not allowed; allowed: {FILTERS}"))?
        }
        None => EnvFilter::new("info"),
    };
    let base = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match variable(FORMAT)?.as_deref() {
        None | Some("text") => base.with_target(false).init(),
        Some("json") => base.json().init(),
        Some(other) => anyhow::bail!("{FORMAT}: {other:?} is not allowed; allowed: text, json"),
    }
    Ok(())
}

/// Reads a filter. A bare word would be the name of a part of the program to the library, so that a mistyped level
/// silences everything; only levels may stand alone here.
fn filter(text: &str) -> anyhow::Result<EnvFilter> {
    let text = text.replace(' ', "");
    let is_level = |word: &str| !word.is_empty() && word.parse::<LevelFilter>().is_ok();
    anyhow::ensure!(text.split(',').all(|part| part.contains('=') || is_level(part)), "no such level");
    Ok(EnvFilter::try_new(text)?)
}

/// The value of a variable, unless it is absent or empty.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(error).context(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_and_mistyped_levels_are_not() {
        for good in ["info", "off", "warn,rillcast_rtmp=trace", "debug, hyper=info", "rillcast=debug"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["inof", "rillcast=loud", "warn,rillcast", ",", " "] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }
}
