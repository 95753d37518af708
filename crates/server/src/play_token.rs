//! `rillcast play-token`: makes a token with which a stream can be played.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use publisher::{Address, Grant};

use crate::config::Config;

/// Makes a token for what is addressed, with the newest key that the configuration has for it, and says where it goes.
///
/// # Errors
/// The configuration has no key for the stream.
pub(crate) fn make(
    config: &Config,
    address: &Address,
    client: Option<IpAddr>,
    lasts: Duration,
) -> anyhow::Result<String> {
    let expires = SystemTime::now().checked_add(lasts).context("the end is too far away")?;
    let (own, default) =
        (config.streams.iter().find(|stream| stream.code == address.code), &config.settings.play_auth);
    let keys = match own {
        Some(stream) => stream.play_keys(default),
        None => Some(default.keys.clone()),
    };
    let keys = keys.with_context(|| {
        let code = &address.code;
        format!("stream {code} is played without a token: set play_auth: token in the file")
    })?;
    let key = keys.first().context("the configuration has no play_auth_keys for this stream")?;
    let grant = Grant { code: address.code.clone(), rendition: address.rendition.clone(), client, expires };
    let token = grant.token(key);
    let mut text = format!("{token}\n\nUntil {}:\n\n", httpdate::fmt_http_date(expires));
    for (output, url) in [
        ("HLS", format!("/t/{token}/{address}/index.m3u8")),
        ("DASH", format!("/t/{token}/{address}/index.mpd")),
        ("HTTP MPEG-TS", format!("/{address}/mpegts?token={token}")),
        ("RTMP, RTSP", format!("/live/{address}?token={token}")),
        ("SRT", format!("streamid=#!::r=live/{address},token={token}")),
    ] {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {output:<14} {url}");
    }
    Ok(text)
}
