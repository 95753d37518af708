//! The session: what comes in, what goes out, what is waited for.

use std::sync::Arc;
use std::time::Duration;

use super::{Chosen, Output, RtpInfo, Timer};
use crate::{Error, Limits, Status};

/// One connection of one peer.
///
/// After any call, drain [`Session::poll_output`] until it says [`Output::Wait`]. A session that has failed or was closed
/// has nothing more to say once drained, and takes what comes without a word: the owner then closes the connection.
#[derive(Debug)]
pub struct Session {
    timer: Option<(Timer, Duration)>,
    closed: bool,
    stats: Stats,
}

/// Counters of one session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Bytes received.
    pub bytes_received: u64,
    /// Bytes handed out to be sent; the media that somebody plays do not pass through here.
    pub bytes_sent: u64,
    /// Requests read.
    pub requests: u64,
    /// Requests answered with a status of 400 and above, those that prove nothing yet (401) among them.
    pub refused: u64,
    /// Interleaved packets handed out.
    pub packets: u64,
    /// Interleaved packets left out: on a channel that is not set up, or when nothing is played or recorded.
    pub dropped_packets: u64,
}

impl Session {
    /// A connection accepted at `now`. `random` is 32 unpredictable bytes, for the session's id and what passwords are
    /// proved with; `server` is what the header `Server` of each answer says.
    pub fn new(limits: Limits, now: Duration, random: [u8; 32], server: Arc<str>) -> Self {
        let _ = (random, server);
        Self {
            timer: Some((Timer::FirstRequest, now.saturating_add(limits.first_request))),
            closed: false,
            stats: Stats::default(),
        }
    }

    /// Bytes from the peer, however they were split.
    ///
    /// An error is the end of the session: what is left to be sent tells the peer of it where that makes sense.
    pub fn handle_bytes(&mut self, now: Duration, bytes: &[u8]) -> Result<(), Error> {
        let _ = now;
        self.stats.bytes_received += bytes.len() as u64;
        Ok(())
    }

    /// The time that [`Output::Wait`] named has come, or may have.
    pub fn handle_timeout(&mut self, now: Duration) -> Result<(), Error> {
        let _ = now;
        Ok(())
    }

    /// What to do next; to be asked again until it is to wait.
    pub fn poll_output(&mut self) -> Output {
        Output::Wait(self.timer.map(|(_, deadline)| deadline))
    }

    /// The peer gave a sign of life past this connection: RTP or RTCP over UDP.
    pub fn note_alive(&mut self, now: Duration) {
        let _ = now;
    }

    /// Whether the pending request proves to know this password: none if it tried to prove nothing.
    ///
    /// Any name of a user is taken. Compared in constant time.
    pub fn credentials_match(&self, password: &str) -> Option<bool> {
        let _ = password;
        None
    }

    /// Answers the pending request with a description: the text of an SDP whose tracks have the control `trackID=N`.
    ///
    /// Fails if no DESCRIBE is pending, and as [`Session::handle_bytes`] does for what came since the request. So do the
    /// other verdicts.
    pub fn accept_describe(&mut self, now: Duration, sdp: &str) -> Result<(), Error> {
        let _ = (now, sdp);
        Err(Error::Misuse { call: "accept_describe", when: "as nothing of that kind is pending" })
    }

    /// Lets the pending ANNOUNCE succeed.
    pub fn accept_announce(&mut self, now: Duration) -> Result<(), Error> {
        let _ = now;
        Err(Error::Misuse { call: "accept_announce", when: "as nothing of that kind is pending" })
    }

    /// Lets the pending SETUP succeed. Fails as well if the client did not offer what was chosen.
    ///
    /// Channels that the client proposes and that another track has already are replaced by free ones, which is for the
    /// server to say (RFC 2326 12.39) and what clients go by.
    pub fn accept_setup(&mut self, now: Duration, chosen: Chosen) -> Result<(), Error> {
        let _ = (now, chosen);
        Err(Error::Misuse { call: "accept_setup", when: "as nothing of that kind is pending" })
    }

    /// Lets the pending PLAY succeed: what there is to be sent now goes before the first of the media. `info` may leave
    /// tracks out whose beginning is not known yet.
    pub fn accept_play(&mut self, now: Duration, info: &[RtpInfo]) -> Result<(), Error> {
        let _ = (now, info);
        Err(Error::Misuse { call: "accept_play", when: "as nothing of that kind is pending" })
    }

    /// Lets the pending RECORD succeed.
    pub fn accept_record(&mut self, now: Duration) -> Result<(), Error> {
        let _ = now;
        Err(Error::Misuse { call: "accept_record", when: "as nothing of that kind is pending" })
    }

    /// Refuses the pending request, of whatever kind. `reason` is for the peer's user, who sees it in place of the
    /// status's own phrase; empty, for that phrase. The peer may ask again; [`Session::close`] if it may not.
    pub fn reject(&mut self, now: Duration, status: Status, reason: &str) -> Result<(), Error> {
        let _ = (now, status, reason);
        Err(Error::Misuse { call: "reject", when: "as nothing is pending" })
    }

    /// Answers the pending request with 401, so that the peer proves to know the password: by Digest with SHA-256 or
    /// MD5, or Basic. `realm` is what its user is asked for, and the same each time.
    pub fn challenge(&mut self, now: Duration, realm: &str) -> Result<(), Error> {
        let _ = (now, realm);
        Err(Error::Misuse { call: "challenge", when: "as nothing is pending" })
    }

    /// Ends the session from our side. A pending request is answered with 503 and `reason`; RTSP 1.0 has no other way to
    /// tell. Closed sessions stay as they are.
    pub fn close(&mut self, reason: &str) {
        let _ = reason;
        self.closed = true;
    }

    /// The channels of RTP and RTCP of a track that is set up over the connection.
    pub fn channels(&self, track: usize) -> Option<(u8, u8)> {
        let _ = track;
        None
    }

    /// Whether media are to go out.
    pub fn is_playing(&self) -> bool {
        false
    }

    /// Whether media may come in.
    pub fn is_recording(&self) -> bool {
        false
    }

    /// Whether the session has failed or was closed.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Counters so far.
    pub fn stats(&self) -> Stats {
        self.stats
    }
}
