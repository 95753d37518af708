//! This program again, as a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

/// A child that ends with this value, and with this process.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
}

impl Child {
    /// Starts it with those arguments. What it says on standard error goes where ours goes.
    pub(super) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--end-with-parent").stdin(Stdio::null()).stdout(Stdio::piped());
        Ok(Self { process: command.spawn().context("cannot start this program again")? })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The first line that it prints.
    pub(super) fn first_line(&mut self) -> anyhow::Result<String> {
        let out = self.process.stdout.take().context("its output was read before")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(!line.is_empty(), "it ended at once");
        Ok(line.trim_end().to_owned())
    }

    /// Whether it has not ended by itself.
    pub(super) fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Ends this process when the one that started it ends.
pub(crate) fn end_with_parent() -> anyhow::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::TERM)).context("cannot follow the parent")
}
