//! A connection of a shard, and what it is for.

use std::time::Duration;

use fanout::End;
use srt::Connection;
use srt::connection::Reason;
use srt::listener::Path;
use tokio_util::task::AbortOnDropHandle;

use super::port::Counted;
use crate::ingest::srt::Publisher;
use crate::limits::Admission;
use crate::output::srt::Viewer;

/// One connection.
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Where it is, as our socket has it, and which of our addresses it called: what comes from elsewhere in its name is not its.
    pub(super) path: Path,
    pub(super) role: Role,
    /// When it is looked at next.
    pub(super) set: Option<Duration>,
    pub(super) _admission: Admission,
    pub(super) _counted: Counted,
}

/// What a connection is for.
pub(super) enum Role {
    /// It waits for media, in this task.
    Joining {
        _task: AbortOnDropHandle<()>,
    },
    Viewer(Box<Viewer>),
    Publisher(Publisher),
    /// It was ended by us, and has its last packet to send.
    Over,
}

impl Role {
    /// The connection has ended by itself.
    pub(super) fn closed(self, reason: Reason) {
        match self {
            Self::Publisher(publisher) => publisher.end(reason),
            other => other.end(End::Left),
        }
    }

    /// It is served no longer.
    pub(super) fn end(self, why: End) {
        match self {
            Self::Viewer(viewer) => viewer.end(why),
            // Its task says why, where it is not the connection that ended.
            Self::Publisher(publisher) => publisher.end(match why {
                End::Left => Reason::Timeout,
                _ => Reason::Local,
            }),
            Self::Joining { .. } | Self::Over => {}
        }
    }
}
