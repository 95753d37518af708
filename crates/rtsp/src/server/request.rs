//! What a request is about.

use std::fmt;

/// The URI of a request and who sent it. May hold a stream key: its `Debug` shows no value of the query.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// As it came, but without user and password. May hold a stream key: not for logs.
    pub uri: String,
    /// Percent-decoded; without scheme and host, query, track, and the `/` at both ends.
    pub path: String,
    /// Names and values, percent-decoded.
    pub query: Vec<(String, String)>,
    /// `User-Agent`.
    pub user_agent: Option<String>,
}

impl Request {
    /// The first value of that name in the query.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.query.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("path", &self.path)
            .field("query", &names)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}
