//! A stream as a document of the shape that it has in the file, for the API and the store.

use publisher::config::{self, Source};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

mod settings;

pub(crate) use settings::Settings;

/// Whether secrets are in a document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shown {
    /// Stars stand for them: for people.
    Masked,
    /// As they are: for the store.
    Whole,
}

impl Shown {
    fn secret(self, secret: &config::Secret) -> String {
        match self {
            Self::Masked => secret.to_string(),
            Self::Whole => secret.reveal().to_owned(),
        }
    }
}

/// A stream as the configuration file has it under `streams.<code>`. What is left out, or null, has its default.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamConfig)]
pub(crate) struct Stream {
    /// Where the media comes from; an encoder connects where nothing is said.
    #[schema(min_items = 1, max_items = 1)]
    inputs: Option<Vec<Input>>,
    /// The outputs.
    protocols: Option<Protocols>,
    /// The rungs of an ABR ladder.
    #[schema(max_items = 32)]
    renditions: Option<Vec<Rendition>>,
    /// What a publisher must give as `?key=`. Shown as `***`, which sent back means that it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    stream_key: Option<String>,
    /// What encrypts the stream over SRT, 10 to 79 bytes. Shown as `***`, which sent back means that it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 3, max_length = 79)]
    passphrase: Option<String>,
    /// Whether a publisher with the right key replaces the one that sends.
    takeover: Option<bool>,
    /// Whether viewers need a token: `token` or `none`; as the settings say where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^(token|none)$")]
    play_auth: Option<&'static str>,
    /// Keys that tokens are made with, the newest first; those of the settings where there are none. Shown as `***`, which sent back
    /// means that the one at its place stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 16)]
    play_auth_keys: Option<Vec<String>>,
    /// Other servers that get the stream.
    #[schema(max_items = 256)]
    push: Option<Vec<Push>>,
}

/// `play_auth`, as the file has it.
fn needs(play_auth: &config::PlayAuth) -> Option<&'static str> {
    play_auth.needs_token.map(|needed| if needed { "token" } else { "none" })
}

/// `play_auth_keys`, as the file has them.
fn keys(play_auth: &config::PlayAuth, shown: Shown) -> Option<Vec<String>> {
    let keys: Vec<String> = play_auth.keys.iter().map(|key| shown.secret(key)).collect();
    (!keys.is_empty()).then_some(keys)
}

/// A source of a stream.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamInput)]
pub(crate) struct Input {
    /// `publish://`, or a source of its own: a file, a transport stream by UDP or RTP, or an SRT listener that is called. That is
    /// shown with stars for its secrets; sent back so, it stays. The clip of `rillcast demo` is shown as `demo://`, which cannot
    /// be set.
    #[schema(
        pattern = "^(publish|demo|file|udp|rtp|srt)://",
        examples("publish://", "file:///srv/clip.flv?loop=true")
    )]
    url: String,
    /// Lower is preferred.
    priority: Option<u32>,
}

/// Outputs that are on.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamProtocols)]
pub(crate) struct Protocols {
    /// `/<code>/index.m3u8`.
    hls: Option<bool>,
    /// `/<code>/index.mpd`.
    dash: Option<bool>,
    /// `/<code>/mpegts`.
    mpegts: Option<bool>,
    /// `rtmp://host/live/<code>`.
    rtmp: Option<bool>,
    /// `rtsp://host:8554/live/<code>`.
    rtsp: Option<bool>,
    /// `srt://host:9999?streamid=live/<code>`.
    srt: Option<bool>,
}

/// A rung of a ladder.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamRendition)]
pub(crate) struct Rendition {
    /// Each once; `index` is taken. `track_1`, `track_2`, … by place where nothing is said.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,64}$")]
    name: Option<String>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    width: Option<u32>,
    /// Pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 65535)]
    height: Option<u32>,
    /// What HLS and DASH announce at least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 4000000)]
    bitrate_kbps: Option<u32>,
}

/// Somewhere that a stream is pushed to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = StreamPush)]
pub(crate) struct Push {
    /// `rtmp://host[:1935]/application/key` or `rtmps://host[:443]/application/key`. Shown with stars for its secrets; sent back
    /// like that it stays what it is.
    #[schema(min_length = 1, examples("rtmp://backup.example.com/live/KEY"))]
    url: String,
    /// Whether anything is pushed there.
    enabled: Option<bool>,
    /// Seconds for each step of a connection.
    #[schema(minimum = 1, maximum = 86400)]
    timeout_sec: Option<u32>,
    /// Seconds between the first two attempts.
    #[schema(minimum = 1, maximum = 86400)]
    retry_timeout_sec: Option<u32>,
    /// Attempts that may fail one after another; 0 is without end.
    limit: Option<u32>,
    /// The rung that is pushed; the best one where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    rendition: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    comment: Option<String>,
    /// A file in PEM whose certificates are trusted instead of those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    ca_file: Option<String>,
    /// Whoever answers at `rtmps://` is trusted.
    insecure: Option<bool>,
}

impl Stream {
    /// All of a stream, defaults too.
    pub(crate) fn new(stream: &config::Stream, shown: Shown) -> Self {
        // Taken apart, so that a new field cannot be forgotten.
        let config::Stream {
            code: _,
            inputs,
            renditions,
            protocols,
            pushes,
            stream_key,
            srt_passphrase,
            takeover,
            play_auth,
        } = stream;
        let config::Protocols { hls, dash, rtsp, rtmp, srt, mpegts } = *protocols;
        let protocols = Protocols {
            hls: Some(hls),
            dash: Some(dash),
            mpegts: Some(mpegts),
            rtmp: Some(rtmp),
            rtsp: Some(rtsp),
            srt: Some(srt),
        };
        Self {
            inputs: Some(inputs.iter().map(|input| Input::new(input, shown)).collect()),
            protocols: Some(protocols),
            renditions: Some(renditions.iter().map(Rendition::new).collect()),
            stream_key: stream_key.as_ref().map(|key| shown.secret(key)),
            passphrase: srt_passphrase.as_ref().map(|passphrase| shown.secret(passphrase)),
            takeover: Some(*takeover),
            play_auth: needs(play_auth),
            play_auth_keys: keys(play_auth, shown),
            push: Some(pushes.iter().map(|push| Push::new(push, shown)).collect()),
        }
    }
}

impl Input {
    fn new(input: &config::Input, shown: Shown) -> Self {
        let url = match &input.source {
            Source::Publish => "publish://".to_owned(),
            Source::Clip { .. } => "demo://".to_owned(),
            Source::Datagrams(datagrams) => datagrams.url.clone(),
            Source::Srt(call) => match shown {
                Shown::Masked => call.to_string(),
                Shown::Whole => call.whole_url(),
            },
            Source::File { path, looped, program } => {
                let url = Url::from_file_path(path).map_or_else(|()| String::new(), String::from);
                let options = [
                    looped.then(|| "loop=true".to_owned()),
                    program.map(|program| format!("program={program}")),
                ];
                let options: Vec<String> = options.into_iter().flatten().collect();
                if options.is_empty() { url } else { format!("{url}?{}", options.join("&")) }
            }
        };
        Self { url, priority: Some(input.priority) }
    }
}

impl Rendition {
    fn new(rendition: &config::Rendition) -> Self {
        let config::Rendition { name, width, height, bitrate_kbps } = rendition.clone();
        Self { name: Some(name), width, height, bitrate_kbps }
    }
}

impl Push {
    fn new(push: &config::Push, shown: Shown) -> Self {
        let config::Push {
            url,
            enabled,
            timeout,
            retry_timeout,
            limit,
            rendition,
            comment,
            ca_file,
            insecure,
        } = push;
        let seconds = |time: &std::time::Duration| u32::try_from(time.as_secs()).ok();
        Self {
            url: match shown {
                Shown::Masked => push.shown_url(),
                Shown::Whole => url.reveal().to_owned(),
            },
            enabled: Some(*enabled),
            timeout_sec: seconds(timeout),
            retry_timeout_sec: seconds(retry_timeout),
            limit: Some(*limit),
            rendition: rendition.clone(),
            comment: comment.clone(),
            ca_file: ca_file.as_ref().map(|path| path.display().to_string()),
            insecure: Some(*insecure),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::read_stream;
    use super::*;

    #[test]
    fn every_stream_comes_back_out_of_its_document() {
        for document in [
            json!({}),
            json!({
                "inputs": [{"url": "file:///srv/a%20b.flv?loop=true&program=7", "priority": 3}],
                "protocols": {"hls": false, "dash": true, "mpegts": false, "rtmp": true, "rtsp": false},
                "renditions": [{"name": "hd", "width": 1920, "height": 1080, "bitrate_kbps": 6000}],
                "stream_key": "007", "passphrase": "ten letters", "takeover": false,
                "play_auth": "token", "play_auth_keys": ["0123456789abcdef", "fedcba9876543210"],
                "push": [{"url": "rtmps://a/live/key", "enabled": false, "timeout_sec": 3, "retry_timeout_sec": 4, "limit": 5,
                          "rendition": "hd", "comment": "x", "ca_file": "/a.pem", "insecure": true},
                         {"url": "rtmp://b/live/key"}],
            }),
            json!({
                "inputs": [{"url": "srt://[::1]:9000?streamid=#!::r=a%26b,u=a+b&passphrase=ten letters%25&pbkeylen=24&latency=7"}],
            }),
        ] {
            let code = || "news".parse().expect("a code");
            let stream = read_stream(code(), &document).expect("valid");
            let written = serde_json::to_value(Stream::new(&stream, Shown::Whole)).expect("JSON");
            assert_eq!(read_stream(code(), &written).expect("valid"), stream, "{written}");
        }
    }

    #[test]
    fn the_types_of_json_count_and_faults_have_their_place() {
        let document = json!({
            "stream_key": 7, "takeover": "true", "inputs": [null], "renditions": [{"width": "1", "height": 2.0, "hight": 1}],
            "a/b~": 1, "push": [{"url": "rtmp://h/a/geheim", "limit": -1}],
        });
        let faults = read_stream("news".parse().expect("a code"), &document).expect_err("faults");
        let told: Vec<_> =
            faults.iter().map(|fault| (fault.pointer().unwrap_or("?"), fault.problem())).collect();
        let pointers: Vec<_> = told.iter().map(|(pointer, _)| *pointer).collect();
        let expected = [
            "/a~1b~0",
            "/inputs/0",
            "/inputs/0",
            "/push/0/limit",
            "/renditions/0/hight",
            "/renditions/0/width",
            "/stream_key",
            "/takeover",
        ];
        assert_eq!(pointers, expected, "{told:#?}");
        assert!(
            told.contains(&(
                "/stream_key",
                "stream_key: *** is not allowed; allowed: text that is not empty"
            ))
        );
    }
}
