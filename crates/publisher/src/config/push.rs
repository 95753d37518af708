//! Push destinations.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// Somewhere that a stream is pushed to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Push {
    /// `rtmp://` or `rtmps://`, with the stream key in it. Anything else is no error here: the destination is shown as
    /// failed, with the reason.
    pub url: Secret,
    /// Off: nothing is pushed there, and it is not shown.
    pub enabled: bool,
    /// How long the peer may take for each step of a connection, and how long it may take nothing while there is
    /// something to send. 10 s by default.
    pub timeout: Duration,
    /// The first delay between two attempts, 5 s by default; it doubles up to a minute. See [`Push::MAX_DELAY`].
    pub retry_timeout: Duration,
    /// Attempts that may fail one after another; 0, the default, is without end.
    pub limit: u32,
    /// The rung of the ladder that is pushed; none is the best one that media comes from when the connection is made.
    pub rendition: Option<String>,
    /// For people.
    pub comment: Option<String>,
    /// Certificates that are trusted for `rtmps://` (PEM) instead of those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Whoever answers at `rtmps://` is trusted: encrypted, but to anybody.
    pub insecure: bool,
}

impl Push {
    /// The longest delay between two attempts, unless `retry_timeout` is longer.
    pub const MAX_DELAY: Duration = Duration::from_secs(60);

    /// The URL without its secrets: key, query and credentials are stars.
    pub fn shown_url(&self) -> String {
        crate::push::masked(self.url.reveal())
    }

    /// Whether it is the same destination, reached in the same way, whatever the comment.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        *self == Self { comment: self.comment.clone(), ..other.clone() }
    }

    /// With every default.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            enabled: true,
            timeout: Duration::from_secs(10),
            retry_timeout: Duration::from_secs(5),
            limit: 0,
            rendition: None,
            comment: None,
            ca_file: None,
            insecure: false,
        }
    }
}
