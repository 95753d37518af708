//! A server as the command line describes it.

use std::str::FromStr;

use anyhow::{Context as _, bail, ensure};

use super::workload::Workload;
use crate::target::Target;

/// A name, its processes, and what can be done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Server {
    pub(super) name: String,
    pub(super) pids: Vec<u32>,
    /// Where a stream is to be published all the while.
    pub(super) feed: Option<Target>,
    urls: Vec<(Workload, Target)>,
    /// Where it publishes to: as many times as there would be viewers over RTMP, whose place those take.
    pub(super) sink: Option<Target>,
}

impl Server {
    /// The reference, which knows one endless stream.
    pub(super) fn reference(name: &str, pid: u32, url: Target) -> Self {
        Self {
            name: name.to_owned(),
            pids: vec![pid],
            feed: None,
            urls: vec![(Workload::HttpTs, url)],
            sink: None,
        }
    }

    /// Whether it can be loaded in that way.
    pub(super) fn knows(&self, workload: Workload) -> bool {
        let pushes = workload == Workload::Rtmp && self.sink.is_some();
        pushes || self.urls.iter().any(|(known, _)| *known == workload)
    }

    /// Its URLs for that load.
    pub(super) fn urls(&self, workload: Workload) -> Vec<Target> {
        self.urls.iter().filter(|(known, _)| *known == workload).map(|(_, url)| url.clone()).collect()
    }
}

impl FromStr for Server {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default().to_owned();
        ensure!(!name.is_empty() && !name.contains('='), "a server begins with its name: NAME,KEY=VALUE,…");
        let mut server = Self { name, pids: Vec::new(), feed: None, urls: Vec::new(), sink: None };
        for part in parts {
            let (key, value) = part.split_once('=').with_context(|| format!("{part:?} is not KEY=VALUE"))?;
            match key {
                "pid" => {
                    server.pids.push(value.parse().with_context(|| format!("pid={value}: no process id"))?)
                }
                "feed" => server.feed = Some(value.parse()?),
                "push" => {
                    ensure!(!server.knows(Workload::Rtmp), "push= and rtmp= exclude each other");
                    server.sink = Some(value.parse()?);
                }
                _ => {
                    let Some(workload) = Workload::ALL.into_iter().find(|workload| workload.key() == key)
                    else {
                        let known = Workload::ALL.map(Workload::key).join(", ");
                        bail!("{key:?} is not known; known are pid, feed, push, {known}");
                    };
                    let again = server.knows(workload) && workload != Workload::Get;
                    ensure!(!again, "{key}= is given twice");
                    server.urls.push((workload, value.parse()?));
                }
            }
        }
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read() {
        let text = "mine,pid=1,pid=2,http-ts=http://127.0.0.1:1/x?a=b,get=http://127.0.0.1:1/1,get=http://127.0.0.1:1/2";
        let server: Server = text.parse().unwrap();
        assert_eq!((server.name.as_str(), &server.pids[..]), ("mine", &[1, 2][..]));
        assert_eq!(server.urls(Workload::HttpTs)[0].path, "/x?a=b");
        assert_eq!(server.urls(Workload::Get).len(), 2);
        assert!(!server.knows(Workload::Hls) && server.feed.is_none());
        let pushing: Server = "mine,push=rtmp://127.0.0.1:1/live/x".parse().unwrap();
        assert!(pushing.knows(Workload::Rtmp) && pushing.sink.is_some());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "pid=1",
            "mine,pid=x",
            "mine,8080",
            "mine,dash=http://127.0.0.1/",
            "mine,hls=http://192.0.2.1/",
            "mine,push=rtmp://127.0.0.1/a/b,rtmp=rtmp://127.0.0.1/a/b",
            "mine,hls=http://127.0.0.1/a,hls=http://127.0.0.1/b",
        ] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }
}
