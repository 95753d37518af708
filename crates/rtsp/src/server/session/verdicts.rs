//! What our own side says to a request that is pending.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::requests::SDP;
use super::{Pending, Phase, Session, Wanted};
use crate::auth;
use crate::message::Response;
use crate::sdp::TRACK;
use crate::server::RtpInfo;
use crate::{Error, Status};

impl Session {
    /// Whether the pending request proves to know this password: none if it tried to prove nothing.
    ///
    /// Any name of a user is taken. Compared in constant time.
    pub fn credentials_match(&self, password: &str) -> Option<bool> {
        let pending = self.pending.as_ref()?;
        Some(pending.authorization.as_ref()?.matches(password, &self.nonce(), &pending.method))
    }

    /// Answers the pending request with a description: the text of an SDP whose tracks have the control `trackID=N`.
    ///
    /// Fails if no DESCRIBE is pending, and as [`Session::handle_bytes`] does for what came since the request. So do the
    /// other verdicts.
    pub fn accept_describe(&mut self, now: Duration, sdp: &str) -> Result<(), Error> {
        let pending = self.take("accept_describe", |wanted| matches!(wanted, Wanted::Describe { .. }))?;
        let Wanted::Describe { base, mut described } = pending.wanted else { return Ok(()) };
        described.tracks = sdp.lines().filter(|line| line.starts_with("m=")).count();
        // Who resolves URIs by the book (rtspsrc) loses the query, and with it the last part of the path: `key` and all are
        // only kept by a control that is whole.
        let control = format!("a=control:{TRACK}");
        let sdp = match base.contains('?') {
            true => sdp.replace(&control, &format!("a=control:{base}{TRACK}")),
            false => sdp.to_owned(),
        };
        if self.presentation.is_none() {
            self.described = Some(Box::new(described));
        }
        self.answer(Status::OK, "", Some(pending.cseq)).header("Content-Base", base).body(SDP, &sdp);
        self.resume(now)
    }

    /// Lets the pending ANNOUNCE succeed.
    pub fn accept_announce(&mut self, now: Duration) -> Result<(), Error> {
        let pending = self.take("accept_announce", |wanted| matches!(wanted, Wanted::Announce(_)))?;
        let Wanted::Announce(presentation) = pending.wanted else { return Ok(()) };
        self.described = None;
        self.presentation = Some(Box::new(presentation));
        self.answer(Status::OK, "", Some(pending.cseq)).end();
        self.resume(now)
    }

    /// Lets the pending PLAY succeed: what there is to be sent now goes before the first of the media. `info` may leave
    /// tracks out whose beginning is not known yet.
    pub fn accept_play(&mut self, now: Duration, info: &[RtpInfo]) -> Result<(), Error> {
        let answer = self.begin_play("accept_play")?;
        self.send.extend_from_slice(&answer.encode(info));
        self.resume(now)
    }

    /// As [`Session::accept_play`], with an answer that the owner sends itself, before all else, once it knows where the tracks
    /// begin.
    pub fn accept_play_later(&mut self, now: Duration) -> Result<PlayAnswer, Error> {
        let answer = self.begin_play("accept_play_later")?;
        self.resume(now)?;
        Ok(answer)
    }

    fn begin_play(&mut self, call: &'static str) -> Result<PlayAnswer, Error> {
        let pending = self.take(call, |wanted| matches!(wanted, Wanted::Play))?;
        self.phase = Phase::Playing;
        let tracks = self.presentation.as_mut().map(|presentation| {
            presentation.begun = true;
            presentation.tracks.iter().map(|track| (track.index, track.uri.clone())).collect()
        });
        let head = self.begun(pending.cseq);
        Ok(PlayAnswer { head, tracks: tracks.unwrap_or_default() })
    }

    /// Lets the pending RECORD succeed.
    pub fn accept_record(&mut self, now: Duration) -> Result<(), Error> {
        let pending = self.take("accept_record", |wanted| matches!(wanted, Wanted::Record))?;
        self.phase = Phase::Recording;
        if let Some(presentation) = &mut self.presentation {
            presentation.begun = true;
        }
        let head = self.begun(pending.cseq);
        self.send.extend_from_slice(&head);
        self.send.extend_from_slice(b"\r\n");
        self.resume(now)
    }

    /// Refuses the pending request, of whatever kind. `reason` is for the peer's user, who sees it in place of the status's
    /// own phrase; empty, for that phrase. The peer may ask again; [`Session::close`] if it may not.
    pub fn reject(&mut self, now: Duration, status: Status, reason: &str) -> Result<(), Error> {
        let pending = self.take("reject", |_| true)?;
        self.answer(status, reason, Some(pending.cseq)).end();
        self.resume(now)
    }

    /// Answers the pending request with 401, so that the peer proves to know the password: by Digest with SHA-256 or MD5, or
    /// Basic. `realm` is what its user is asked for, and the same each time.
    ///
    /// Fails as well, and ends the session, when that was in vain for [`Limits::challenges`](crate::Limits::challenges) times.
    pub fn challenge(&mut self, now: Duration, realm: &str) -> Result<(), Error> {
        let pending = self.take("challenge", |_| true)?;
        let nonce = self.nonce();
        let stale = pending.authorization.is_some_and(|authorization| authorization.is_stale(&nonce));
        let mut answer = self.answer(Status::UNAUTHORIZED, "", Some(pending.cseq));
        for challenge in auth::challenges(realm, &nonce, stale) {
            answer.header("WWW-Authenticate", challenge);
        }
        answer.end();
        self.challenged = self.challenged.saturating_add(1);
        let (value, limit) = (u64::from(self.challenged), u64::from(self.limits.challenges));
        if value > limit {
            self.end();
            let (what, status) = ("requests without a proof", Status::UNAUTHORIZED);
            return Err(Error::Limit { what, value, limit, status });
        }
        self.resume(now)
    }

    /// The answer to PLAY or RECORD, without the empty line at its end.
    fn begun(&self, cseq: u64) -> BytesMut {
        let mut head = BytesMut::new();
        let mut answer = Response::begin(&mut head, Status::OK, "", Some(cseq));
        answer.header("Server", &self.server);
        answer.header("Session", self.id());
        // RFC 2326 12.29: live media begin at the present, whatever was asked for.
        answer.header("Range", "npt=now-");
        head
    }

    /// The pending request, which is pending no more, if it is of that kind.
    fn take(&mut self, call: &'static str, kind: fn(&Wanted) -> bool) -> Result<Pending, Error> {
        match self.pending.take_if(|pending| kind(&pending.wanted)) {
            Some(pending) => Ok(*pending),
            None => Err(Error::Misuse { call, when: "as nothing of that kind is pending" }),
        }
    }

    /// There was a verdict: on with what came meanwhile.
    pub(super) fn resume(&mut self, now: Duration) -> Result<(), Error> {
        self.wait(now);
        self.read(now)
    }
}

/// The answer to PLAY, but for where the tracks begin.
#[derive(Debug)]
pub struct PlayAnswer {
    head: BytesMut,
    /// Number and URI of each track that is set up.
    tracks: Vec<(usize, String)>,
}

impl PlayAnswer {
    /// The whole answer. `info` may leave tracks out whose beginning is not known yet.
    pub fn encode(mut self, info: &[RtpInfo]) -> Bytes {
        let places = self.tracks.iter().filter_map(|(track, uri)| {
            let RtpInfo { sequence, rtp_timestamp, .. } = info.iter().find(|info| info.track == *track)?;
            let time = rtp_timestamp.map(|time| format!(";rtptime={time}")).unwrap_or_default();
            Some(format!("url={uri};seq={sequence}{time}"))
        });
        let places: Vec<_> = places.collect();
        let mut answer = Response::go_on(&mut self.head);
        if !places.is_empty() {
            answer.header("RTP-Info", places.join(","));
        }
        answer.end();
        self.head.freeze()
    }
}
