//! `rillcast demo`: a bundled clip as a stream, and what to do with it.

use std::io::{self, Write as _};

use anyhow::Context as _;
use publisher::config::{Input, Source, Stream};

use crate::config::{Config, Listen};
use crate::run::Addresses;

/// Its stream's code.
const CODE: &str = "demo";
/// H.264 with B-frames and AAC: running timecode, a beep per second. Made by `scripts/make-demo-clip`.
static CLIP: &[u8] = include_bytes!("../assets/demo.flv");

/// The configuration of the demo, from the one that there is without a file.
///
/// # Errors
/// None that a user can cause.
pub(crate) fn configure(config: Config, listen: Option<Listen>) -> anyhow::Result<Config> {
    let code = CODE.parse().context("the code of the demo")?;
    let clip = Input { source: Source::Clip { flv: CLIP }, priority: 0 };
    let stream = Stream { inputs: vec![clip], ..Stream::new(code) };
    let http = listen.map_or(config.http, |listen| vec![listen]);
    Ok(Config { http, streams: vec![stream], ..config })
}

/// Tells the user what there is now.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn greet(addresses: &Addresses) -> io::Result<()> {
    io::stdout().write_all(greeting(addresses).as_bytes())
}

/// What the user sees: every URL, and commands to copy.
fn greeting(addresses: &Addresses) -> String {
    let http = &addresses.http;
    let mut text = format!(
        "
The stream \"{CODE}\" is on the air. Ctrl-C ends it.

  Page           {http}/
  HLS            {http}/{CODE}/index.m3u8
  DASH           {http}/{CODE}/index.mpd
  HTTP MPEG-TS   {http}/{CODE}/mpegts

Play it:

  ffplay {http}/{CODE}/index.m3u8
  vlc {http}/{CODE}/mpegts
"
    );
    if let Some(rtsp) = &addresses.rtsp {
        text += &format!("  ffplay {rtsp}/live/{CODE}\n");
    }
    if let Some(srt) = &addresses.srt {
        text += &format!("  ffplay {srt}?streamid=live/{CODE}\n");
    }
    if let Some(rtmp) = &addresses.rtmp {
        text += &format!(
            "
Publish a stream of your own from this machine:

  ffmpeg -re -i FILE -c:v libx264 -g 50 -c:a aac -f flv {rtmp}/live/test
  ffplay {http}/test/index.m3u8
"
        );
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_has_every_url() {
        let addresses = Addresses {
            http: "http://localhost:8080".to_owned(),
            rtmp: Some("rtmp://localhost".to_owned()),
            rtsp: Some("rtsp://localhost:8554".to_owned()),
            srt: Some("srt://localhost:9999".to_owned()),
        };
        let text = greeting(&addresses);
        for url in [
            "http://localhost:8080/\n",
            "/demo/index.m3u8\n",
            "/demo/index.mpd\n",
            "/demo/mpegts\n",
            "rtsp://localhost:8554/live/demo\n",
            "srt://localhost:9999?streamid=live/demo\n",
            "rtmp://localhost/live/test\n",
        ] {
            assert!(text.contains(url), "{url} in {text}");
        }
    }

    #[test]
    fn the_clip_is_flv_and_small() {
        assert!(CLIP.starts_with(b"FLV\x01") && CLIP.len() < 1_000_000);
    }
}
