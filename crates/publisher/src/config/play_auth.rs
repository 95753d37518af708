//! What viewers need.

use super::{Secret, Stream};

/// Whether viewers need a token, and the keys with which tokens are made.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PlayAuth {
    /// Viewers need one; none: as by default, which is that they do not.
    pub needs_token: Option<bool>,
    /// The keys, the newest first; a token made with any of them is good. None: those by default.
    pub keys: Vec<Secret>,
}

impl Stream {
    /// The keys with which its tokens are made; none where viewers need no token.
    pub fn play_keys(&self, default: &PlayAuth) -> Option<Vec<Secret>> {
        let own = &self.play_auth;
        let needed = own.needs_token.or(default.needs_token).unwrap_or(false);
        needed.then(|| if own.keys.is_empty() { default.keys.clone() } else { own.keys.clone() })
    }
}
