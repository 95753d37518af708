//! URLs of inputs that call over SRT.

use std::net::Ipv6Addr;
use std::time::Duration;

use publisher::config::{KeyLength, Secret, SrtCall};
use url::form_urlencoded;

use super::{BUFFER_BYTES, PROGRAMS};
use crate::config::service::PASSPHRASE;

/// What may stand behind the `?`.
const OPTIONS: &str = "streamid=TEXT, passphrase=TEXT, pbkeylen=16, 24 or 32, latency=0 to 65535 (milliseconds), \
    mode=caller, buffer=65536 to 1073741824 (bytes), program=1 to 65535";
/// Bytes of a stream id at most (draft-sharabayko-srt 3.2.1.3).
const STREAM_ID_BYTES: usize = 512;

/// Reads what is behind `srt://`, or says what is wrong with it, without any value that may be a secret.
pub(super) fn read(rest: &str) -> Result<SrtCall, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, port) = place_of(place.strip_suffix('/').unwrap_or(place))?;
    let mut call = SrtCall::new(host, port);
    let mut seen = Vec::new();
    // A plus sign is one: stream ids are told as they are given.
    for (key, value) in form_urlencoded::parse(query.replace('+', "%2B").as_bytes()) {
        if seen.contains(&key) {
            return Err(format!("{key} is given twice"));
        }
        take(&mut call, &key, &value)?;
        seen.push(key);
    }
    Ok(call)
}

fn place_of(place: &str) -> Result<(&str, u16), String> {
    let parts = place
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok().filter(|port| *port != 0)?)));
    let Some((host, port)) = parts else {
        return Err("it has no host and port; allowed: HOST:PORT, ADDRESS:PORT, [ADDRESS]:PORT".to_owned());
    };
    if host.is_empty() || host == "@" {
        return Err("it has no host, which would be to listen; an input calls, and who calls us comes to listeners.srt \
                    with publish://"
            .to_owned());
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let is_address = address.parse::<Ipv6Addr>().is_ok();
        return is_address.then_some((address, port)).ok_or_else(|| format!("{host} is no IPv6 address"));
    }
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    let why = "its host is neither a name nor an address; an IPv6 address has brackets around it";
    is_name.then_some((host, port)).ok_or_else(|| why.to_owned())
}

fn take(call: &mut SrtCall, key: &str, value: &str) -> Result<(), String> {
    let wrong = || format!("{key}={value} is not allowed; allowed: {OPTIONS}");
    match key {
        "streamid" if value.len() > STREAM_ID_BYTES => {
            return Err(format!("streamid has {} bytes, at most {STREAM_ID_BYTES} are allowed", value.len()));
        }
        "streamid" => call.stream_id = Some(Secret::new(value)),
        "passphrase" if !PASSPHRASE.contains(&value.len()) => {
            return Err("passphrase has 10 to 79 characters".to_owned());
        }
        "passphrase" => call.passphrase = Some(Secret::new(value)),
        "pbkeylen" => {
            call.key_length = match value {
                "16" => KeyLength::Aes128,
                "24" => KeyLength::Aes192,
                "32" => KeyLength::Aes256,
                _ => return Err(wrong()),
            };
        }
        "latency" => {
            let ms = value.parse::<u16>().map_err(|_| wrong())?;
            call.latency = Duration::from_millis(ms.into());
        }
        "buffer" => {
            let bytes = value.parse().ok().filter(|bytes| BUFFER_BYTES.contains(bytes));
            call.buffer_bytes = bytes.ok_or_else(wrong)?;
        }
        "program" => {
            let number = value.parse().ok().filter(|number| PROGRAMS.contains(number));
            call.program = Some(number.ok_or_else(wrong)?);
        }
        "mode" => match value {
            "caller" => {}
            "listener" => {
                return Err(
                    "mode=listener: an input calls; who calls us comes to listeners.srt with publish://"
                        .to_owned(),
                );
            }
            "rendezvous" => {
                return Err("mode=rendezvous is not spoken here; an input calls a listener".to_owned());
            }
            _ => return Err(wrong()),
        },
        // Its value may be what was meant to be a passphrase.
        _ => return Err(format!("{key} is no option; allowed: {OPTIONS}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_host_and_options() {
        assert_eq!(read("host:9000"), Ok(SrtCall::new("host", 9000)));
        assert_eq!(read("host:9000/?mode=caller"), Ok(SrtCall::new("host", 9000)));
        assert_eq!(read("[::1]:9000"), Ok(SrtCall::new("::1", 9000)));
        let all = "192.0.2.1:9000?streamid=live/news&passphrase=long%20enough&pbkeylen=32&latency=200&mode=caller\
                   &buffer=4194304&program=3";
        let expected = SrtCall {
            stream_id: Some(Secret::new("live/news")),
            passphrase: Some(Secret::new("long enough")),
            key_length: KeyLength::Aes256,
            latency: Duration::from_millis(200),
            buffer_bytes: 4 << 20,
            program: Some(3),
            ..SrtCall::new("192.0.2.1", 9000)
        };
        assert_eq!(read(all), Ok(expected));
        for (given, told) in [
            ("#!::r=live/news,m=request,u=a+b", "#!::r=live/news,m=request,u=a+b"),
            ("live/news?key=k%26l", "live/news?key=k&l"),
        ] {
            let id = read(&format!("h:1?streamid={given}")).expect(given).stream_id;
            assert_eq!(id, Some(Secret::new(told)));
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_named_without_secrets() {
        let wrong = |text: &str| read(text).expect_err(text);
        for place in ["", "host", "host:0", "host:x", "[::1]"] {
            assert!(wrong(place).starts_with("it has no host and port; allowed: "), "{place}");
        }
        for place in [":9000", "@:9000"] {
            assert!(wrong(place).starts_with("it has no host, which would be to listen"), "{place}");
        }
        for place in ["::1:9000", "me:geheim@host:9000", "a b:9000", "[host]:9000"] {
            let why = wrong(place);
            assert!(!why.contains("geheim") && why.contains("address"), "{why}");
        }
        for (option, start) in [
            ("mode=listener", "mode=listener: an input calls; "),
            ("mode=rendezvous", "mode=rendezvous is not spoken here; "),
            ("mode=x", "mode=x is not allowed; allowed: "),
            ("pbkeylen=8", "pbkeylen=8 is not allowed; allowed: "),
            ("latency=-1", "latency=-1 is not allowed; allowed: "),
            ("program=0", "program=0 is not allowed; allowed: "),
            ("buffer=1k", "buffer=1k is not allowed; allowed: "),
            ("passphrase=geheim", "passphrase has 10 to 79 characters"),
            ("passphrse=geheim", "passphrse is no option; allowed: "),
            ("latency=1&latency=2", "latency is given twice"),
        ] {
            let why = wrong(&format!("host:9000?{option}"));
            assert!(why.starts_with(start) && !why.contains("geheim"), "{why}");
        }
        let long = wrong(&format!("host:9000?streamid={}", "x".repeat(513)));
        assert_eq!(long, "streamid has 513 bytes, at most 512 are allowed");
    }
}
