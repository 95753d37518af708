//! URIs of requests (RFC 2326 3.2), in the many ways that clients put them together.

use crate::sdp::TRACK;

/// Numbers of tracks have so many digits at most.
const TRACK_DIGITS: usize = 4;

/// A URI taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Uri {
    /// As it came, but without user and password.
    pub(super) text: String,
    /// Path and query, without the part that names a track.
    pub(super) rest: String,
    /// The track that it names as those who play do.
    pub(super) track: Option<usize>,
    /// Where path and query, with all that they had, begin in `text`.
    start: usize,
}

impl Uri {
    /// # Errors
    /// With what is wrong.
    pub(super) fn decode(text: &str) -> Result<Self, &'static str> {
        let text = text.split('#').next().unwrap_or_default();
        let (text, start) = match text.split_once("://") {
            // `?` may have a URI behind it.
            Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
                if !["rtsp", "rtsps"].iter().any(|known| known.eq_ignore_ascii_case(scheme)) {
                    return Err("the URI's scheme is neither rtsp nor rtsps");
                }
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                let (authority, rest) = rest.split_at(end);
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                if host.is_empty() {
                    return Err("the URI has no host");
                }
                (format!("{scheme}://{host}{rest}"), scheme.len() + 3 + host.len())
            }
            _ => (text.to_owned(), 0),
        };
        let whole = text.get(start..).unwrap_or_default();
        let (rest, track) = split_track(whole);
        Ok(Self { rest, track, start, text })
    }

    /// Path and query as they came.
    pub(super) fn whole(&self) -> &str {
        self.text.get(self.start..).unwrap_or_default()
    }

    /// The path, percent-decoded, without `/` at its ends.
    pub(super) fn path(&self) -> String {
        percent_decode(split_query(&self.rest).0.trim_matches('/'))
    }

    /// The query. One that ends with `/` does so because a client put a track, or nothing, behind our `Content-Base`:
    /// `based` says that such is possible.
    pub(super) fn query(&self, based: bool) -> Vec<(String, String)> {
        let query = split_query(&self.rest).1;
        let cut = based && self.track.is_none();
        pairs(if cut { query.strip_suffix('/').unwrap_or(query) } else { query })
    }
}

fn split_query(text: &str) -> (&str, &str) {
    text.split_once('?').unwrap_or((text, ""))
}

/// Takes `/trackID=N` away from the end of the path, or from behind the query, where clients put it that append a control to
/// what they have.
fn split_track(whole: &str) -> (String, Option<usize>) {
    let (path, query) = whole.find('?').map_or((whole, ""), |at| whole.split_at(at));
    if let Some((path, track)) = cut_track(path) {
        return (format!("{path}{query}"), Some(track));
    }
    match cut_track(query) {
        Some((query, track)) => (format!("{path}{query}"), Some(track)),
        None => (whole.to_owned(), None),
    }
}

fn cut_track(text: &str) -> Option<(&str, usize)> {
    let (before, last) = text.rsplit_once('/')?;
    let (name, number) = last.split_at_checked(TRACK.len())?;
    let digits = number.len() <= TRACK_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit());
    let track = number.parse().ok().filter(|_| digits && name.eq_ignore_ascii_case(TRACK))?;
    Some((before, track))
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decode(name), percent_decode(value))
        })
        .collect()
}

/// RFC 3986 2.1. `+` is itself, for a key may have one; a `%` without two digits behind it stays as it is.
pub(super) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |index: usize| tail.get(index).and_then(|&byte| char::from(byte).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (first, digit(0), digit(1)) {
            bytes.push((high << 4 | low) as u8);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, query as it would come behind a `Content-Base`, track, and the text itself.
    fn read(text: &str) -> (String, String, Option<usize>, String) {
        let uri = Uri::decode(text).unwrap();
        let query: Vec<_> = uri.query(true).iter().map(|(name, value)| format!("{name}={value}")).collect();
        (uri.path(), query.join(" "), uri.track, uri.text)
    }

    #[test]
    fn every_way_to_name_a_track() {
        for (text, path, query, track) in [
            ("rtsp://h/live/cam", "live/cam", "", None),
            ("rtsp://h:8554/live/cam/", "live/cam", "", None),
            ("RTSPS://[fe80::1%25eth0]:322/live/cam/trackID=3", "live/cam", "", Some(3)),
            ("/live/cam/TrackID=3", "live/cam", "", Some(3)),
            ("rtsp://h/live/cam?key=a%2Fb/trackID=1", "live/cam", "key=a/b", Some(1)),
            ("rtsp://h/live/cam?key=a/b//trackID=1", "live/cam", "key=a/b/", Some(1)),
            // rtspclientsink 1.22 decodes and puts the query behind.
            ("rtsp://h/live/cam/trackID=1?key=a/b&x", "live/cam", "key=a/b x=", Some(1)),
            ("rtsp://h/live/cam?key=ab/", "live/cam", "key=ab", None),
            ("rtsp://h/live/cam/?key=ab", "live/cam", "key=ab", None),
            ("rtsp://h/a%20b%zz/+", "a b%zz/+", "", None),
            ("rtsp://h/cam/trackID=", "cam/trackID=", "", None),
            ("rtsp://h/cam/trackID=+1", "cam/trackID=+1", "", None),
            ("rtsp://h/cam/trackID=99999", "cam/trackID=99999", "", None),
            ("rtsp://h/trackID=0", "", "", Some(0)),
            ("rtsp://h?u=rtsp://x/y", "", "u=rtsp://x/y", None),
            ("rtsp://h", "", "", None),
        ] {
            assert_eq!(read(text), (path.to_owned(), query.to_owned(), track, text.to_owned()));
        }
    }

    #[test]
    fn user_and_password_are_left_out() {
        for text in ["rtsp://bob:s3cret@h/live", "rtsp://bob:s3cr@t@h/live", "rtsp://bob@h/live"] {
            assert_eq!(Uri::decode(text).unwrap().text, "rtsp://h/live");
        }
        assert_eq!(Uri::decode("rtsp://h/a@b?c=@d").unwrap().text, "rtsp://h/a@b?c=@d");
    }

    #[test]
    fn other_schemes_and_no_host_are_refused() {
        for text in ["http://h/live", "rtspu://h/live", "rtsp:///live", "rtsp://bob@/live", "://h"] {
            assert!(Uri::decode(text).is_err(), "{text}");
        }
    }
}
