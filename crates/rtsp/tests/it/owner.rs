//! An owner of a session who gives its verdicts at once.

use std::time::Duration;

use rillcast_rtsp::header::Lower;
use rillcast_rtsp::sdp::{Description, Format, Kind, Media};
use rillcast_rtsp::server::{Chosen, Event, Output, RtpInfo, Session};
use rillcast_rtsp::{Error, Limits, Status};

/// The nonce and the first id that come of the random bytes below.
pub(crate) const NONCE: &str = "74c1d87dbfb69ab543c5f918eeea004c";
pub(crate) const ID: &str = "0835aec219d9a802";

pub(crate) struct Owner {
    pub(crate) session: Session,
    pub(crate) events: Vec<Event>,
    pub(crate) sent: String,
    pub(crate) deadline: Option<Duration>,
    pub(crate) now: Duration,
    /// Whether requests get a verdict at all.
    pub(crate) decides: bool,
    pub(crate) udp: bool,
    pub(crate) tracks: usize,
    pub(crate) password: Option<&'static str>,
}

impl Owner {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        let session = Session::new(limits, Duration::ZERO, [9; 32], "test/1".into());
        let mut owner = Self {
            session,
            events: Vec::new(),
            sent: String::new(),
            deadline: None,
            now: Duration::ZERO,
            decides: true,
            udp: false,
            tracks: 2,
            password: None,
        };
        owner.drain().expect("nothing to fail");
        owner
    }

    pub(crate) fn feed(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Error> {
        let result = self.session.handle_bytes(self.now, bytes.as_ref());
        let drained = self.drain();
        result.and(drained)
    }

    /// One request with `\n` at the ends of lines, with CSeq 1; the answer to it.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        let (line, headers) = request.split_once('\n').unwrap_or((request, ""));
        let headers = format!("CSeq: 1\n{headers}\n\n").replace("\n\n\n", "\n\n");
        let before = self.sent.len();
        let _ = self.feed(format!("{line} RTSP/1.0\n{headers}").replace('\n', "\r\n"));
        self.sent[before..].to_owned()
    }

    /// The status of the answer to [`Owner::ask`].
    pub(crate) fn status(&mut self, request: &str) -> u16 {
        let answer = self.ask(request);
        answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// What happened since the last time.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.sent.push_str(std::str::from_utf8(&bytes).expect("text")),
                Output::Event(event) => {
                    let verdict = if self.decides { self.judge(&event) } else { Ok(()) };
                    self.events.push(event);
                    result = result.and(verdict);
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return result;
                }
            }
        }
    }

    pub(crate) fn judge(&mut self, event: &Event) -> Result<(), Error> {
        let (now, udp, tracks) = (self.now, self.udp, self.tracks);
        let session = &mut self.session;
        if event.wants_verdict()
            && let Some(password) = self.password
            && session.credentials_match(password) != Some(true)
        {
            return session.challenge(now, "rillcast");
        }
        match event {
            Event::Describe(request) if request.path != "live/news" => {
                session.reject(now, Status::NOT_FOUND, "no such stream")
            }
            Event::Describe(_) => session.accept_describe(now, &description(tracks).render(5)),
            Event::Announce(..) => session.accept_announce(now),
            Event::Setup { track, .. } if *track >= tracks => {
                session.reject(now, Status::NOT_FOUND, "no such track")
            }
            Event::Setup { transports, .. } => {
                let tcp = |lower: &Lower| matches!(lower, Lower::Interleaved(_));
                match transports.iter().find(|offer| udp || tcp(&offer.lower)) {
                    None => session.reject(now, Status::UNSUPPORTED_TRANSPORT, "UDP is off"),
                    Some(offer) if tcp(&offer.lower) => session.accept_setup(now, Chosen::Interleaved),
                    Some(_) => {
                        let source = Some([127, 0, 0, 1].into());
                        let (server_ports, ssrc) = ((7000, 7001), Some(0xabc));
                        session.accept_setup(now, Chosen::Udp { server_ports, ssrc, source })
                    }
                }
            }
            Event::Play(_) => {
                let info = [(0, Some(9)), (1, None)];
                let info = info.map(|(track, rtp_timestamp)| RtpInfo { track, sequence: 7, rtp_timestamp });
                session.accept_play(now, &info)
            }
            Event::Record(_) => session.accept_record(now),
            _ => Ok(()),
        }
    }
}

/// Pictures, and sound behind them.
fn description(tracks: usize) -> Description {
    let media = |track| {
        let (kind, encoding, clock_rate) = match track {
            0 => (Kind::Video, "H264", 90000),
            _ => (Kind::Audio, "opus", 48000),
        };
        let payload_type = 96 + track as u8;
        let channels = (track != 0).then_some(2);
        let fmtp = String::new();
        let format = Format { payload_type, encoding: encoding.to_owned(), clock_rate, channels, fmtp };
        Media::playing(kind, track, format)
    };
    Description { name: "news".to_owned(), control: None, media: (0..tracks).map(media).collect() }
}

/// A description as FFmpeg announces it, with that many tracks.
pub(crate) fn announcement(tracks: usize) -> String {
    let media = |track| format!("m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=control:streamid={track}\n");
    format!("v=0\ns=No Name\n{}", (0..tracks).map(media).collect::<String>()).replace('\n', "\r\n")
}

/// The ANNOUNCE of it, without its line ends.
pub(crate) fn announce(owner: &mut Owner, uri: &str, tracks: usize) -> u16 {
    let body = announcement(tracks);
    let head = format!("ANNOUNCE {uri}\nContent-Type: application/sdp\nContent-Length: {}\n\n", body.len());
    let before = owner.sent.len();
    let head = head.replacen('\n', " RTSP/1.0\nCSeq: 1\n", 1).replace('\n', "\r\n");
    owner.feed(head + &body).expect("a session that goes on");
    let answer = &owner.sent[before..];
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// An interleaved packet.
pub(crate) fn packet(channel: u8, data: &[u8]) -> Vec<u8> {
    [&[b'$', channel][..], &(data.len() as u16).to_be_bytes(), data].concat()
}
