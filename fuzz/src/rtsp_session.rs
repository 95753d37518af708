//! One RTSP connection from the server's side, with an owner that accepts, refuses, asks for a proof, waits or closes.

use std::time::Duration;

use rtsp::header::Lower;
use rtsp::server::{Chosen, Event, Output, RtpInfo, Session};
use rtsp::{Error, Limits, Status};

use crate::input::Input;

const SDP: &str = "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=control:trackID=0\r\nm=audio 0 RTP/AVP 97\r\na=control:trackID=1\r\n";
/// Our answers to a peer, at most: each byte of its shortest question is worth this many of ours.
const ANSWER_FACTOR: usize = 24;
/// The last word, and what else is said once.
const ONCE: usize = 1024;

/// The first byte chooses the limits and whether UDP is taken, the next two what the owner says to each request, two more the
/// size of the parts in which the rest arrives. The rest is what the peer sends.
///
/// - Events, answers, errors and counters do not depend on how the bytes were split.
/// - Each request is answered once, in a form that can be read, and all answers together are bounded by what came.
/// - A session that failed or was closed is silent; a deadline that passed closes it.
pub fn rtsp_session(data: &[u8]) {
    let mut input = Input::new(data);
    let (choice, verdicts, step) = (input.byte(), input.number(2) as u16, input.number(2) as usize + 1);
    let bytes = input.rest();
    let mut whole = Owner::new(choice, verdicts);
    whole.feed(bytes);
    let mut parts = Owner::new(choice, verdicts);
    bytes.chunks(step).for_each(|part| parts.feed(part));
    assert_eq!(parts.events, whole.events, "in parts of {step}");
    assert_eq!(parts.failed, whole.failed, "in parts of {step}");
    let text = |owner: &Owner| String::from_utf8_lossy(&owner.sent).into_owned();
    assert_eq!(text(&parts), text(&whole), "in parts of {step}");
    if whole.failed.is_none() && !whole.session.is_closed() {
        assert_eq!(parts.session.stats(), whole.session.stats(), "in parts of {step}");
    }
    whole.finish();
}

struct Owner {
    session: Session,
    udp: bool,
    /// Two bits for each request, used round and round.
    verdicts: u16,
    events: Vec<Event>,
    sent: Vec<u8>,
    received: usize,
    deadline: Option<Duration>,
    failed: Option<Error>,
    /// Whether a request waits for a verdict that never comes.
    waits: bool,
    /// Answers that repeat the URIs of other requests.
    plays: usize,
}

impl Owner {
    fn new(choice: u8, verdicts: u16) -> Self {
        let limits = if choice & 1 == 0 {
            Limits::default()
        } else {
            Limits {
                head_bytes: 200,
                uri_bytes: 40,
                headers: 5,
                body_bytes: 100,
                tracks: 2,
                challenges: 2,
                ..Limits::default()
            }
        };
        Self {
            session: Session::new(limits, Duration::ZERO, [9; 32], "fuzz".into()),
            udp: choice & 2 != 0,
            verdicts,
            events: Vec::new(),
            sent: Vec::new(),
            received: 0,
            deadline: None,
            failed: None,
            waits: false,
            plays: 0,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let closed = self.session.is_closed();
        let before = (self.events.len(), self.sent.len());
        let result = self.session.handle_bytes(Duration::ZERO, bytes);
        self.received += bytes.len();
        self.note(result);
        self.drain();
        if closed {
            assert_eq!((self.events.len(), self.sent.len()), before, "a closed session is silent");
        }
        assert_eq!(self.session.stats().bytes_received, self.received as u64);
        assert_eq!(self.session.stats().bytes_sent, self.sent.len() as u64);
    }

    fn note(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert!(self.session.is_closed() && self.failed.is_none(), "{error} after the end");
            self.failed = Some(error);
        }
    }

    fn drain(&mut self) {
        loop {
            match self.session.poll_output() {
                Output::Send(bytes) => self.sent.extend_from_slice(&bytes),
                Output::Event(event) => {
                    let result = self.judge(&event);
                    self.events.push(event);
                    self.note(result);
                }
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn judge(&mut self, event: &Event) -> Result<(), Error> {
        let now = Duration::ZERO;
        if !event.wants_verdict() {
            return Ok(());
        }
        let verdict = self.verdicts & 3;
        self.verdicts = self.verdicts.rotate_right(2);
        let session = &mut self.session;
        // A peer that proves its password is let in whatever else.
        let proved = session.credentials_match("secret") == Some(true);
        match (verdict, event) {
            (1, _) if !proved => session.reject(now, Status::NOT_FOUND, "no"),
            (2, _) if !proved => session.challenge(now, "fuzz"),
            (3, _) if self.events.len() > 6 => {
                session.close("that was all");
                Ok(())
            }
            (3, Event::Play(_)) => {
                self.waits = true;
                Ok(())
            }
            (_, Event::Describe(_)) => session.accept_describe(now, SDP),
            (_, Event::Announce(..)) => session.accept_announce(now),
            (_, Event::Setup { transports, .. }) => {
                let udp = self.udp;
                let tcp = |lower: Lower| matches!(lower, Lower::Interleaved(_));
                match transports.iter().find(|offer| udp || tcp(offer.lower)) {
                    None => session.reject(now, Status::UNSUPPORTED_TRANSPORT, ""),
                    Some(offer) if tcp(offer.lower) => session.accept_setup(now, Chosen::Interleaved),
                    Some(_) => {
                        let udp = Chosen::Udp { server_ports: (7000, 7001), ssrc: Some(1), source: None };
                        session.accept_setup(now, udp)
                    }
                }
            }
            (_, Event::Play(_)) => {
                self.plays += 1;
                session.accept_play(now, &[RtpInfo { track: 0, sequence: 1, rtp_timestamp: Some(2) }])
            }
            _ => session.accept_record(now),
        }
    }

    /// Lets the deadline pass, and calls what must not be called.
    fn finish(mut self) {
        let said = String::from_utf8(std::mem::take(&mut self.sent)).expect("text");
        assert!(
            said.len() <= ONCE + ANSWER_FACTOR * self.received + 5000 * self.plays,
            "{} bytes",
            said.len()
        );
        let answers = count(&said);
        let stats = self.session.stats();
        if self.failed.is_none() {
            assert_eq!(answers, stats.requests - u64::from(self.waits), "answers");
        }
        if let Some(deadline) = self.deadline {
            let early = deadline.saturating_sub(Duration::from_nanos(1));
            assert!(self.session.handle_timeout(early).is_ok());
            assert!(matches!(self.session.handle_timeout(deadline), Err(Error::Timeout(_))));
        } else {
            self.session.note_alive(Duration::ZERO);
            self.session.close("that was all");
        }
        self.drain();
        assert!(self.session.is_closed() && self.deadline.is_none());
        assert!(self.session.handle_timeout(Duration::MAX).is_ok());
        let now = Duration::ZERO;
        assert!(matches!(self.session.accept_play(now, &[]), Err(Error::Misuse { .. })));
        assert!(matches!(self.session.challenge(now, ""), Err(Error::Misuse { .. })));
        assert_eq!(self.session.channels(0), None);
    }
}

/// How many answers a text has, which must have nothing else.
fn count(mut text: &str) -> u64 {
    let mut answers = 0;
    while !text.is_empty() {
        let (head, rest) = text.split_once("\r\n\r\n").expect("the end of a head");
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default();
        assert!(line.starts_with("RTSP/1.0 ") || line.starts_with("HTTP/1.0 501 "), "{line}");
        let mut length = 0;
        for line in lines {
            assert!(!line.contains(char::is_control), "{line:?}");
            let (name, value) = line.split_once(": ").expect("a header");
            if name == "Content-Length" {
                length = value.parse().expect("a length");
            }
        }
        text = rest.get(length..).expect("a whole body");
        answers += 1;
    }
    answers
}
