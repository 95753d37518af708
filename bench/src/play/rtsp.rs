//! RTSP 1.0 (RFC 2326) with RTP interleaved in the same connection (10.12), or over UDP.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bytes::BytesMut;

use super::Protocol;
use super::udp::Media;
use crate::http;
use crate::target::Target;

/// Between two signs that a player over UDP is still there; servers wait for a minute (RFC 2326 12.37).
const ALIVE: Duration = Duration::from_secs(20);

/// What was asked last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Options,
    Describe,
    Setup,
    Play,
}

/// One player of all tracks.
pub(super) struct Play {
    url: String,
    sequence: u32,
    step: Step,
    /// URLs of the tracks that are still to be set up.
    tracks: std::vec::IntoIter<String>,
    channel: u32,
    session: Option<String>,
    input: Vec<u8>,
    asked: Option<Instant>,
    host: IpAddr,
    /// None where media comes in the same connection.
    media: Option<Media>,
    alive: Option<Instant>,
}

impl Play {
    /// With the sockets for media, where it is to come by UDP.
    pub(super) fn new(target: Target, media: Option<Media>) -> Self {
        Self {
            url: target.to_string(),
            sequence: 0,
            step: Step::Options,
            tracks: Vec::new().into_iter(),
            channel: 0,
            session: None,
            input: Vec::new(),
            asked: None,
            host: target.address.ip(),
            media,
            alive: None,
        }
    }

    fn request(&mut self, method: &str, url: &str, fields: &str, out: &mut BytesMut) {
        self.sequence += 1;
        let session = self.session.as_ref().map(|id| format!("Session: {id}\r\n")).unwrap_or_default();
        let sequence = self.sequence;
        // Writing to a buffer in memory cannot fail.
        let _ = write!(
            out,
            "{method} {url} RTSP/1.0\r\nCSeq: {sequence}\r\nUser-Agent: rillcast-bench\r\n{session}{fields}\r\n"
        );
    }

    /// Sets up the next track, or plays.
    fn go_on(&mut self, out: &mut BytesMut) -> anyhow::Result<()> {
        if let Some(track) = self.tracks.next() {
            self.step = Step::Setup;
            let transport = if let Some(media) = &mut self.media {
                let (rtp, rtcp) = media.open(self.host)?;
                format!("Transport: RTP/AVP;unicast;client_port={rtp}-{rtcp}\r\n")
            } else {
                let (rtp, rtcp) = (self.channel, self.channel + 1);
                self.channel += 2;
                format!("Transport: RTP/AVP/TCP;unicast;interleaved={rtp}-{rtcp}\r\n")
            };
            self.request("SETUP", &track, &transport, out);
        } else {
            self.step = Step::Play;
            self.request("PLAY", &self.url.clone(), "Range: npt=0.000-\r\n", out);
            self.asked = Some(Instant::now());
        }
        Ok(())
    }

    fn response(&mut self, head: &str, body: &str, out: &mut BytesMut) -> anyhow::Result<()> {
        let first = head.lines().next().unwrap_or_default();
        ensure!(first.split(' ').nth(1) == Some("200"), "RTSP: {first}");
        if let Some(session) = http::header(head, "session") {
            self.session = session.split(';').next().map(str::to_owned);
        }
        match self.step {
            Step::Options => {
                self.step = Step::Describe;
                self.request("DESCRIBE", &self.url.clone(), "Accept: application/sdp\r\n", out);
            }
            Step::Describe => {
                let tracks = tracks(body, http::header(head, "content-base").unwrap_or(&self.url));
                if tracks.is_empty() {
                    bail!("RTSP: a description without tracks");
                }
                self.tracks = tracks.into_iter();
                self.go_on(out)?;
            }
            Step::Setup => self.go_on(out)?,
            Step::Play => {}
        }
        Ok(())
    }
}

/// The URL of each track of an SDP (RFC 2326 C.1.1).
fn tracks(sdp: &str, base: &str) -> Vec<String> {
    let of_tracks = sdp.lines().map(str::trim).skip_while(|line| !line.starts_with("m="));
    let controls = of_tracks.filter_map(|line| line.strip_prefix("a=control:"));
    let absolute = |control: &str| match control.starts_with("rtsp://") {
        true => control.to_owned(),
        false => format!("{}/{control}", base.trim_end_matches('/')),
    };
    controls.map(absolute).collect()
}

impl Protocol for Play {
    fn open(&mut self, out: &mut BytesMut) {
        self.request("OPTIONS", &self.url.clone(), "", out);
    }

    fn input(&mut self, bytes: &[u8], out: &mut BytesMut) -> anyhow::Result<bool> {
        self.input.extend_from_slice(bytes);
        loop {
            if self.step == Step::Play && self.input.first() == Some(&b'$') {
                return Ok(true);
            }
            let before = self.input.clone();
            let Some(head) = http::take_head(&mut self.input)? else { return Ok(false) };
            let length = http::header(&head, "content-length").and_then(|length| length.parse().ok());
            let length: usize = length.unwrap_or(0);
            if self.input.len() < length {
                self.input = before;
                return Ok(false);
            }
            let body: Vec<u8> = self.input.drain(..length).collect();
            self.response(&head, &String::from_utf8_lossy(&body), out)?;
        }
    }

    fn asked(&self) -> Option<Instant> {
        self.asked
    }

    fn received(&mut self, _total: u64, out: &mut BytesMut) {
        let due = self.alive.or(self.asked).is_some_and(|since| since.elapsed() > ALIVE);
        if due && self.media.is_some() {
            self.alive = Some(Instant::now());
            self.request("GET_PARAMETER", &self.url.clone(), "", out);
        }
    }

    fn media(&mut self) -> Option<&mut Media> {
        self.media.as_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\na=control:track1\r\n\
                       m=audio 0 RTP/AVP 97\r\na=control:rtsp://127.0.0.1/x/track2\r\n";

    #[test]
    fn all_tracks_are_set_up_and_played_however_the_answers_are_split() {
        let ok = "RTSP/1.0 200 OK\r\nSession: 77;timeout=60\r\n\r\n";
        let described = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
        let answers = ["RTSP/1.0 200 OK\r\n\r\n", &described, ok, ok, ok, "$\0\0\x04rtp!"].concat();
        for size in 1..answers.len() {
            let mut play = Play::new("rtsp://127.0.0.1/x".parse().unwrap(), None);
            let mut out = BytesMut::new();
            play.open(&mut out);
            let begun: Vec<bool> =
                answers.as_bytes().chunks(size).map(|piece| play.input(piece, &mut out).unwrap()).collect();
            let sent = String::from_utf8(out.to_vec()).unwrap();
            let requests: Vec<&str> = sent.lines().filter(|line| line.ends_with("RTSP/1.0")).collect();
            let expected = [
                "OPTIONS rtsp://127.0.0.1/x RTSP/1.0",
                "DESCRIBE rtsp://127.0.0.1/x RTSP/1.0",
                "SETUP rtsp://127.0.0.1/x/track1 RTSP/1.0",
                "SETUP rtsp://127.0.0.1/x/track2 RTSP/1.0",
                "PLAY rtsp://127.0.0.1/x RTSP/1.0",
            ];
            assert_eq!(requests, expected);
            assert!(sent.contains("interleaved=0-1") && sent.contains("interleaved=2-3"));
            assert_eq!(sent.matches("Session: 77\r\n").count(), 2);
            assert!(begun.contains(&true), "pieces of {size}");
        }
    }

    #[test]
    fn over_udp_each_track_has_ports_of_its_own() {
        let described = format!("RTSP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{SDP}", SDP.len());
        let answers = ["RTSP/1.0 200 OK\r\n\r\n", &described, "RTSP/1.0 200 OK\r\n\r\n"].concat();
        let mut play = Play::new("rtsp://127.0.0.1/x".parse().unwrap(), Some(Media::default()));
        let mut out = BytesMut::new();
        assert!(!play.input(answers.as_bytes(), &mut out).unwrap());
        let sent = String::from_utf8(out.to_vec()).unwrap();
        let ports: Vec<&str> =
            sent.lines().filter_map(|line| line.split_once("client_port=")).map(|(_, p)| p).collect();
        assert!(ports.len() == 2 && ports[0] != ports[1], "{sent}");
        assert!(sent.matches("Transport: RTP/AVP;unicast;client_port=").count() == 2);
    }

    #[test]
    fn a_refusal_is_an_error() {
        let mut play = Play::new("rtsp://127.0.0.1/x".parse().unwrap(), None);
        assert!(play.input(b"RTSP/1.0 404 Not Found\r\n\r\n", &mut BytesMut::new()).is_err());
    }
}
