//! URLs of inputs.

mod call;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use publisher::config::{Datagrams, Interface, Source};
use url::{Url, form_urlencoded};

use super::read::Item;

/// What the sources of this version look like, for messages.
pub(super) const SOURCES: &str = "publish://, file:///path/to/clip.flv?loop=true, file:///path/to/clip.ts?program=1, \
    udp://239.1.1.1:5000?interface=eth0, udp://127.0.0.1:5000, udp://@:5000, rtp://127.0.0.1:5000, \
    srt://host:9000?streamid=live/news";
/// Schemes of sources that later versions have.
const LATER_SOURCES: [&str; 7] = ["rtmp", "rtmps", "rtsp", "rtsps", "http", "https", "hls"];
/// What may stand behind the `?` of a file.
const FILE_OPTIONS: &str = "loop=true, loop=false, program=1 to 65535";
/// What may stand behind the `?` of UDP and RTP.
const DATAGRAM_OPTIONS: &str = "interface=NAME or ADDRESS, source=ADDRESS, buffer=65536 to 1073741824 (bytes), \
    program=1 to 65535";
/// program_number; 0 is none (ISO/IEC 13818-1 2.4.4.5).
pub(super) const PROGRAMS: RangeInclusive<u16> = 1..=u16::MAX;
/// Bounds of the receive buffer of a socket.
pub(super) const BUFFER_BYTES: RangeInclusive<usize> = 64 << 10..=1 << 30;
/// Characters of an interface's name at most (IFNAMSIZ less the zero).
const INTERFACE_CHARS: RangeInclusive<usize> = 1..=15;

/// Reads the URL of an input.
pub(super) fn source(item: &Item<'_>) -> Option<Source> {
    let text = item.text()?;
    if text == "publish://" {
        return Some(Source::Publish);
    }
    // Forms like `udp://@:5000` are no URLs to the letter.
    if let Some((scheme @ ("udp" | "rtp"), rest)) = text.split_once("://") {
        return match datagrams(text, rest) {
            Ok(datagrams) => Some(Source::Datagrams(datagrams)),
            Err(why) => {
                item.wrong(&format!("{why} (inputs of {scheme}://)"));
                None
            }
        };
    }
    // Nor are those whose stream id begins with `#!::`.
    if let Some(rest) = text.strip_prefix("srt://") {
        return match call::read(rest) {
            Ok(call) => Some(Source::Srt(call)),
            Err(why) => {
                item.wrong(&format!("{why} (inputs of srt://)"));
                None
            }
        };
    }
    let Ok(url) = Url::parse(text) else {
        item.refuse(SOURCES);
        return None;
    };
    if LATER_SOURCES.contains(&url.scheme()) {
        item.wrong(&format!("inputs of {}:// are not in this version yet; allowed: {SOURCES}", url.scheme()));
        return None;
    }
    let absolute = url.host().is_none() && url.scheme() == "file" && url.fragment().is_none();
    let path = if absolute { url.to_file_path().ok() } else { None };
    let Some(path) = path else {
        item.refuse(SOURCES);
        return None;
    };
    let (mut looped, mut program) = (false, None);
    let read = options(url.query(), FILE_OPTIONS, |key, value| {
        match key {
            "loop" => looped = value.parse().ok()?,
            "program" => program = Some(value.parse().ok().filter(|number| PROGRAMS.contains(number))?),
            _ => return None,
        }
        Some(())
    });
    match read {
        Ok(()) => Some(Source::File { path, looped, program }),
        Err(why) => {
            item.wrong(&why);
            None
        }
    }
}

/// A transport stream in datagrams, as `rest` behind the `://` of `url` says, or what is wrong with it.
fn datagrams(url: &str, rest: &str) -> Result<Datagrams, String> {
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let place = place.strip_prefix('@').unwrap_or(place);
    let place = place.strip_suffix('/').unwrap_or(place);
    let address = match place.strip_prefix(':') {
        Some(port) => port.parse().ok().map(|port| SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)),
        None => place.parse().ok(),
    };
    let Some(address) = address.filter(|address: &SocketAddr| address.port() != 0) else {
        return Err(format!(
            "{place:?} is no address and port; allowed: ADDRESS:PORT, [ADDRESS]:PORT, @:PORT"
        ));
    };
    let (mut interface, mut source, mut program) = (None, None, None);
    let mut buffer_bytes = Datagrams::BUFFER_BYTES;
    options(query, DATAGRAM_OPTIONS, |key, value| {
        match key {
            "interface" => interface = Some(self::interface(value)?),
            "source" => source = Some(value.parse::<IpAddr>().ok()?),
            "buffer" => buffer_bytes = value.parse().ok().filter(|bytes| BUFFER_BYTES.contains(bytes))?,
            "program" => program = Some(value.parse().ok().filter(|number| PROGRAMS.contains(number))?),
            _ => return None,
        }
        Some(())
    })?;
    if interface.is_some() && !address.ip().is_multicast() {
        return Err(format!(
            "interface is where a multicast group is joined, and {} is none; leave it out",
            address.ip()
        ));
    }
    if let Some(source) = source.filter(|source| source.is_ipv4() != address.is_ipv4())
        && address.ip().is_multicast()
    {
        return Err(format!("source {source} cannot send to {}", address.ip()));
    }
    Ok(Datagrams { url: url.to_owned(), address, interface, source, buffer_bytes, program })
}

fn interface(text: &str) -> Option<Interface> {
    if let Ok(address) = text.parse() {
        return Some(Interface::Address(address));
    }
    let is_name = INTERFACE_CHARS.contains(&text.len())
        && text.chars().all(|c| c.is_ascii_graphic() && c != '/' && c != ':');
    is_name.then(|| Interface::Name(text.to_owned()))
}

/// Gives each option of a query to `take`, which says none to one that it does not know or whose value cannot be.
fn options(
    query: Option<&str>,
    allowed: &str,
    mut take: impl FnMut(&str, &str) -> Option<()>,
) -> Result<(), String> {
    let mut seen = Vec::new();
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if seen.contains(&key) {
            return Err(format!("{key} is given twice"));
        }
        if take(&key, &value).is_none() {
            return Err(format!("{key}={value} is not allowed; allowed: {allowed}"));
        }
        seen.push(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Datagrams, String> {
        datagrams(url, url.split_once("://").expect("a scheme").1)
    }

    #[test]
    fn datagrams_have_an_address_and_options() {
        let plain = |url: &str, address: &str| Datagrams {
            url: url.to_owned(),
            address: address.parse().expect("an address"),
            interface: None,
            source: None,
            buffer_bytes: 2 << 20,
            program: None,
        };
        for (url, address) in [
            ("udp://239.1.1.1:5000", "239.1.1.1:5000"),
            ("udp://@239.1.1.1:5000", "239.1.1.1:5000"),
            ("rtp://127.0.0.1:5000/", "127.0.0.1:5000"),
            ("udp://@:5000", "[::]:5000"),
            ("udp://:5000", "[::]:5000"),
            ("udp://[ff15::1]:5000", "[ff15::1]:5000"),
        ] {
            assert_eq!(read(url), Ok(plain(url, address)));
        }
        let url = "udp://239.1.1.1:5000?interface=eth0.7&source=192.0.2.1&buffer=4194304&program=3";
        let all = Datagrams {
            interface: Some(Interface::Name("eth0.7".to_owned())),
            source: Some("192.0.2.1".parse().expect("an address")),
            buffer_bytes: 4 << 20,
            program: Some(3),
            ..plain(url, "239.1.1.1:5000")
        };
        assert_eq!(read(url), Ok(all));
        let by_address = read("udp://[ff15::1]:5000?interface=fe80::1").expect("it is right");
        assert_eq!(by_address.interface, Some(Interface::Address("fe80::1".parse().expect("an address"))));
    }

    #[test]
    fn what_is_wrong_with_them_is_named() {
        let wrong = |url: &str| read(url).expect_err(url);
        for url in ["udp://", "udp://host:5000", "udp://127.0.0.1", "udp://127.0.0.1:0", "udp://@:70000"] {
            assert!(wrong(url).contains("is no address and port; allowed: "), "{url}");
        }
        for (option, shown) in [
            ("program=0", "program=0"),
            ("buffer=1k", "buffer=1k"),
            ("buffer=1000", "buffer=1000"),
            ("source=host", "source=host"),
            ("interface=a/b", "interface=a/b"),
            ("interface=", "interface="),
            ("pkt_size=1316", "pkt_size=1316"),
        ] {
            let why = wrong(&format!("udp://239.1.1.1:5000?{option}"));
            assert_eq!(why, format!("{shown} is not allowed; allowed: {DATAGRAM_OPTIONS}"));
        }
        assert_eq!(wrong("udp://239.1.1.1:5000?program=1&program=2"), "program is given twice");
        assert_eq!(
            wrong("udp://127.0.0.1:5000?interface=lo"),
            "interface is where a multicast group is joined, and 127.0.0.1 is none; leave it out"
        );
        assert_eq!(wrong("udp://239.1.1.1:5000?source=::1"), "source ::1 cannot send to 239.1.1.1");
    }
}
