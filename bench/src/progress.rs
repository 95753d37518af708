//! What the tool is doing, on standard error.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

/// Says what happens, where somebody looks: on a terminal, or when asked to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    on: bool,
    /// What this is part of, as "run 2 of 5, rillcast: ".
    prefix: String,
}

impl Progress {
    /// On when asked for or when standard error is a terminal.
    pub(crate) fn new(asked_for: bool) -> Self {
        Self { on: asked_for || io::stderr().is_terminal(), prefix: String::new() }
    }

    /// The same for a part of the work.
    pub(crate) fn part(&self, of: impl fmt::Display) -> Self {
        Self { on: self.on, prefix: format!("{of}: ") }
    }

    /// Says one line.
    pub(crate) fn say(&self, line: impl fmt::Display) {
        if self.on {
            warn(format_args!("{}{line}", self.prefix));
        }
    }
}

/// Says one line whether somebody looks or not.
pub(crate) fn warn(line: impl fmt::Display) {
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(io::stderr(), "{line}");
}
