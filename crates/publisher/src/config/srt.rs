//! Whom an input calls over SRT.

use std::fmt;
use std::time::Duration;

use srt::KeyLength;

use super::{Datagrams, Secret};

/// A transport stream that is called for over SRT, and called for again whenever it ends. Shown as a URL without secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SrtCall {
    /// Name or address of the listener; an IPv6 address without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
    /// What is wanted of it, 512 bytes at most; it is told as it is. Keys are often a part of it.
    pub stream_id: Option<Secret>,
    /// What is encrypted with, 10 to 79 bytes; none for plain.
    pub passphrase: Option<Secret>,
    /// How long the keys are.
    pub key_length: KeyLength,
    /// How long after it was sent a packet is taken, at least; the listener may ask for more. Whole milliseconds up to 65 s.
    pub latency: Duration,
    /// Bytes that the system may hold for us.
    pub buffer_bytes: usize,
    /// The program that is taken; without it the first with sound or pictures.
    pub program: Option<u16>,
}

impl SrtCall {
    /// Calls that listener, with every default.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            stream_id: None,
            passphrase: None,
            key_length: KeyLength::default(),
            latency: Duration::from_millis(120),
            buffer_bytes: Datagrams::BUFFER_BYTES,
            program: None,
        }
    }
}

impl SrtCall {
    /// The URL with all its secrets.
    pub fn whole_url(&self) -> String {
        self.url(str::to_owned, Secret::reveal)
    }

    /// The URL with what is not as by default.
    fn url(&self, id: fn(&str) -> String, passphrase: fn(&Secret) -> &str) -> String {
        let default = Self::new("", 0);
        let id = self.stream_id.as_ref().map(|secret| format!("streamid={}", escaped(&id(secret.reveal()))));
        let passphrase =
            self.passphrase.as_ref().map(|secret| format!("passphrase={}", escaped(passphrase(secret))));
        let key_length =
            (self.key_length != default.key_length).then(|| format!("pbkeylen={}", self.key_length.bytes()));
        let latency =
            (self.latency != default.latency).then(|| format!("latency={}", self.latency.as_millis()));
        let buffer =
            (self.buffer_bytes != default.buffer_bytes).then(|| format!("buffer={}", self.buffer_bytes));
        let program = self.program.map(|program| format!("program={program}"));
        let options: Vec<String> =
            [id, passphrase, key_length, latency, buffer, program].into_iter().flatten().collect();
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let place = format!("srt://{open}{}{close}:{}", self.host, self.port);
        if options.is_empty() { place } else { format!("{place}?{}", options.join("&")) }
    }
}

impl fmt::Display for SrtCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(without_keys, |_| HIDDEN))
    }
}

/// What stands for a secret.
const HIDDEN: &str = "***";

/// A value as it is in a URL.
fn escaped(value: &str) -> String {
    value.replace('%', "%25").replace('&', "%26")
}

/// What of a stream id says which stream it is: the path in one of the syntaxes in use. A word alone may be a key.
fn without_keys(id: &str) -> String {
    if let Some(pairs) = id.strip_prefix("#!::") {
        let shown = pairs.split(',').map(|pair| match pair.split_once('=') {
            Some(("r", resource)) => format!("r={}", path(resource)),
            Some(("m" | "t", _)) => pair.to_owned(),
            Some((key, _)) => format!("{key}={HIDDEN}"),
            None => HIDDEN.to_owned(),
        });
        return format!("#!::{}", shown.collect::<Vec<_>>().join(","));
    }
    match id.split_once(':') {
        // Behind the path are user and key.
        Some((action @ ("read" | "request" | "play"), rest)) => match rest.split_once(':') {
            Some((of, _)) => format!("{action}:{}:{HIDDEN}", path(of)),
            None => format!("{action}:{}", path(rest)),
        },
        Some(_) => HIDDEN.to_owned(),
        None if id.is_empty() => String::new(),
        None if id.contains('/') => path(id),
        None => HIDDEN.to_owned(),
    }
}

/// A path without its query.
fn path(resource: &str) -> String {
    match resource.split_once('?') {
        Some((path, _)) => format!("{path}?{HIDDEN}"),
        None => resource.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_not_shown() {
        let shown = |id: &str| {
            let passphrase = Some(Secret::new("geheim geheim"));
            let call = SrtCall { stream_id: Some(Secret::new(id)), passphrase, ..SrtCall::new("host", 9000) };
            assert!(!format!("{call:?}").contains("geheim"), "{call:?}");
            let text = call.to_string();
            let id = text
                .strip_prefix("srt://host:9000?streamid=")
                .and_then(|id| id.strip_suffix("&passphrase=***"));
            id.unwrap_or_else(|| panic!("{text}")).to_owned()
        };
        for (id, expected) in [
            ("live/news", "live/news"),
            ("live/news?key=geheim", "live/news?***"),
            ("geheim", "***"),
            ("read:live/news", "read:live/news"),
            ("read:live/news:me:geheim", "read:live/news:***"),
            ("geheim:live/news", "***"),
            ("#!::r=live/news,m=request", "#!::r=live/news,m=request"),
            ("#!::r=live/news?geheim,u=geheim,key=geheim,geheim", "#!::r=live/news?***,u=***,key=***,***"),
        ] {
            assert_eq!(shown(id), expected);
        }
    }

    #[test]
    fn what_is_not_there_is_not_shown() {
        assert_eq!(SrtCall::new("::1", 9000).to_string(), "srt://[::1]:9000");
        let with = SrtCall { passphrase: Some(Secret::new("geheim geheim")), ..SrtCall::new("host", 1) };
        assert_eq!(with.to_string(), "srt://host:1?passphrase=***");
        let all = SrtCall {
            stream_id: Some(Secret::new("live/a&b%")),
            key_length: KeyLength::Aes256,
            latency: Duration::from_millis(200),
            buffer_bytes: 65_536,
            program: Some(7),
            ..with
        };
        let rest = "pbkeylen=32&latency=200&buffer=65536&program=7";
        assert_eq!(all.to_string(), format!("srt://host:1?streamid=live/a%26b%25&passphrase=***&{rest}"));
        let whole = format!("srt://host:1?streamid=live/a%26b%25&passphrase=geheim geheim&{rest}");
        assert_eq!(all.whole_url(), whole);
    }
}
