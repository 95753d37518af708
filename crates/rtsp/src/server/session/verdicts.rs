//! What our own side says to a request that is pending.

use std::time::Duration;

use super::requests::SDP;
use super::{Pending, Phase, Session, Wanted};
use crate::auth;
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
        let pending = self.take("accept_play", |wanted| matches!(wanted, Wanted::Play))?;
        let tracks =
            self.presentation.as_ref().map(|presentation| presentation.tracks.as_slice()).unwrap_or_default();
        let places = tracks.iter().filter_map(|track| {
            let RtpInfo { sequence, rtp_timestamp, .. } =
                info.iter().find(|info| info.track == track.index)?;
            let time = rtp_timestamp.map(|time| format!(";rtptime={time}")).unwrap_or_default();
            Some(format!("url={};seq={sequence}{time}", track.uri))
        });
        let places: Vec<_> = places.collect();
        self.begun(now, pending.cseq, Phase::Playing, &places.join(","))
    }

    /// Lets the pending RECORD succeed.
    pub fn accept_record(&mut self, now: Duration) -> Result<(), Error> {
        let pending = self.take("accept_record", |wanted| matches!(wanted, Wanted::Record))?;
        self.begun(now, pending.cseq, Phase::Recording, "")
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

    fn begun(&mut self, now: Duration, cseq: u64, phase: Phase, places: &str) -> Result<(), Error> {
        self.phase = phase;
        if let Some(presentation) = &mut self.presentation {
            presentation.begun = true;
        }
        let id = self.id();
        let mut answer = self.answer(Status::OK, "", Some(cseq));
        answer.header("Session", id);
        // RFC 2326 12.29: live media begin at the present, whatever was asked for.
        answer.header("Range", "npt=now-");
        if !places.is_empty() {
            answer.header("RTP-Info", places);
        }
        answer.end();
        self.resume(now)
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
