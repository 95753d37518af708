//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::PathBuf;

/// Where a setting stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Place {
    /// Somewhere in the file.
    File,
    /// In the file at a line and a column, both from 1.
    At {
        /// Line.
        line: u64,
        /// Column in characters.
        column: u64,
    },
    /// In this environment variable.
    Variable(String),
    /// In a JSON document, as a JSON pointer (RFC 6901).
    Pointer(String),
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Fault {
    place: Place,
    problem: String,
    /// It is a key that nobody knows, whatever its value.
    no_such_key: bool,
}

impl Fault {
    /// A fault at a place. `problem` begins with the key it is about.
    pub(crate) fn new(place: Place, problem: impl Into<String>) -> Self {
        Self { place, problem: problem.into(), no_such_key: false }
    }

    /// A key that nobody knows.
    pub(crate) fn unknown_key(place: Place, problem: impl Into<String>) -> Self {
        Self { no_such_key: true, ..Self::new(place, problem) }
    }

    /// Whether it is such a key.
    pub(crate) fn is_unknown_key(&self) -> bool {
        self.no_such_key
    }

    /// Where in a JSON document, if it is in one.
    pub(crate) fn pointer(&self) -> Option<&str> {
        match &self.place {
            Place::Pointer(pointer) => Some(pointer),
            _ => None,
        }
    }

    /// What is wrong, without the place.
    pub(crate) fn problem(&self) -> &str {
        &self.problem
    }

    /// The fault as one line that an editor can jump to.
    pub(crate) fn located(&self, file: &str) -> String {
        let problem = &self.problem;
        match &self.place {
            Place::File => format!("{file}: {problem}"),
            Place::At { line, column } => format!("{file}:{line}:{column}: {problem}"),
            Place::Variable(name) => format!("{name}: {problem}"),
            Place::Pointer(pointer) => format!("{pointer}: {problem}"),
        }
    }
}

/// Every fault of a configuration, one in a line.
#[derive(Debug)]
pub(crate) struct Faults {
    /// The file they are in.
    pub(crate) file: PathBuf,
    /// At least one.
    pub(crate) list: Vec<Fault>,
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display().to_string();
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&fault.located(&file))?;
        }
        Ok(())
    }
}
