//! SETUP: which track, and how it is carried (RFC 2326 10.4, 12.39).

use std::net::IpAddr;
use std::time::Duration;

use super::presentation::{Presentation, Track};
use super::requests::{Asked, Refusal, refuse, uri};
use super::{Phase, Session, Wanted};
use crate::header::{Lower, Transport};
use crate::server::uri::Uri;
use crate::server::{Chosen, Event, Request};
use crate::{Error, Status};

impl Session {
    pub(super) fn setup(&mut self, asked: &Asked<'_>) -> Result<(), Refusal> {
        let uri = uri(asked)?;
        // One that comes without an id, where there is a session, was sent before the answer to the first: it is of the same.
        self.check_id(asked, false)?;
        if self.phase != Phase::Idle {
            return self.not_now("media flow already");
        }
        let publication =
            self.presentation.as_ref().and_then(|presentation| presentation.publication.as_ref());
        let track = match publication {
            Some(publication) => match publication.track(&uri) {
                Some(track) => track,
                None => return refuse(Status::NOT_FOUND, "no such track was announced"),
            },
            None => self.track(&uri)?,
        };
        let mut given = asked.request.headers.all("Transport").peekable();
        if given.peek().is_none() {
            return refuse(Status::BAD_REQUEST, "the header Transport is missing");
        }
        let offers: Vec<_> = given.flat_map(Transport::decode).collect();
        if offers.is_empty() {
            return refuse(Status::UNSUPPORTED_TRANSPORT, "");
        }
        if publication.is_none() && offers.iter().all(|offer| offer.record) {
            return self.not_now("ANNOUNCE comes first");
        }
        let request = self.target(uri, asked.user_agent())?;
        let event = Event::Setup { request: request.clone(), track, transports: offers.clone() };
        self.pending = Some(asked.pending(Wanted::Setup { track, offers, request }));
        self.events.push_back(event);
        Ok(())
    }

    /// The track of those that are played. The URI of the whole stands for the one track that there is (RFC 2326 C.3).
    fn track(&self, uri: &Uri) -> Result<usize, Refusal> {
        match (uri.track, &self.described) {
            (Some(track), _) => Ok(track),
            (None, Some(described)) if described.tracks > 1 && described.path == uri.path() => {
                refuse(Status::AGGREGATE_NOT_ALLOWED, "")
            }
            (None, _) => Ok(0),
        }
    }

    /// What the SETUP is about. A client that lost the query on its way from DESCRIBE means the same all the same.
    fn target(&self, uri: Uri, user_agent: Option<String>) -> Result<Request, Refusal> {
        let (path, mut query) = (uri.path(), uri.query(true));
        match (&self.presentation, &self.described) {
            (Some(presentation), _) if presentation.publication.is_some() => {
                return Ok(presentation.request(uri.text, user_agent));
            }
            (Some(presentation), _) if presentation.path != path => {
                return refuse(Status::AGGREGATE_NOT_ALLOWED, "the session is about another path");
            }
            (Some(presentation), _) if query.is_empty() => query.clone_from(&presentation.query),
            (None, Some(described)) if query.is_empty() && described.path == path => {
                query.clone_from(&described.query);
            }
            _ => {}
        }
        Ok(Request { uri: uri.text, path, query, user_agent })
    }

    /// Lets the pending SETUP succeed. Fails as well if the client did not offer what was chosen.
    ///
    /// Channels that the client proposes and that another track has already are replaced by a free pair: the answer says which
    /// they are (RFC 2326 12.39), and clients go by that.
    pub fn accept_setup(&mut self, now: Duration, chosen: Chosen) -> Result<(), Error> {
        let misuse = |when| Err(Error::Misuse { call: "accept_setup", when });
        let Some(Wanted::Setup { track, offers, .. }) = self.pending.as_ref().map(|pending| &pending.wanted)
        else {
            return misuse("as no SETUP is pending");
        };
        let track = *track;
        let fits = |offer: &&Transport| {
            matches!(
                (offer.lower, chosen),
                (Lower::Interleaved(_), Chosen::Interleaved) | (Lower::Udp(_), Chosen::Udp { .. })
            )
        };
        let Some(offer) = offers.iter().find(fits).cloned() else {
            return misuse("as the client did not offer that");
        };
        let old = self.presentation.as_ref();
        let others = old.map_or(0, |old| old.tracks.iter().filter(|other| other.index != track).count());
        let proposed = if let Lower::Interleaved(channels) = offer.lower { Some(channels) } else { None };
        let channels = proposed.map(|proposed| match old {
            Some(old) => old.free_channels(track, proposed),
            None => Some(proposed.unwrap_or((0, 1))),
        });
        if others >= self.limits.tracks || channels == Some(None) {
            return self.reject(now, Status::NOT_ENOUGH_BANDWIDTH, "too many tracks");
        }
        let channels = channels.flatten();
        let Some(pending) = self.pending.take() else { return misuse("as no SETUP is pending") };
        let Wanted::Setup { request, .. } = pending.wanted else { return misuse("as no SETUP is pending") };
        if !self.exists() {
            self.number = self.number.wrapping_add(1);
        }
        self.described = None;
        let presentation = self.presentation.get_or_insert_with(|| {
            let (path, query) = (request.path, request.query);
            Box::new(Presentation { path, query, publication: None, tracks: Vec::new(), begun: false })
        });
        let record = presentation.publication.is_some();
        presentation.tracks.retain(|other| other.index != track);
        presentation.tracks.push(Track { index: track, uri: request.uri, channels });
        let session = format!("{};timeout={}", self.id(), self.limits.session.as_secs().max(1));
        let mut answer = self.answer(Status::OK, "", Some(pending.cseq));
        answer.header("Transport", transport(&offer, chosen, channels, record));
        answer.header("Session", session).end();
        self.resume(now)
    }
}

/// The answer to an offer.
fn transport(offer: &Transport, chosen: Chosen, channels: Option<(u8, u8)>, record: bool) -> String {
    let profile = offer.profile.name();
    let mut text = match (offer.lower, channels) {
        (Lower::Udp((rtp, rtcp)), _) => format!("{profile};unicast;client_port={rtp}-{rtcp}"),
        (_, Some((rtp, rtcp))) => format!("{profile}/TCP;unicast;interleaved={rtp}-{rtcp}"),
        (_, None) => format!("{profile}/TCP;unicast"),
    };
    if let Chosen::Udp { server_ports: (rtp, rtcp), ssrc, source } = chosen {
        text.push_str(&format!(";server_port={rtp}-{rtcp}"));
        text.push_str(&ssrc.map(|ssrc| format!(";ssrc={ssrc:08X}")).unwrap_or_default());
        text.push_str(&source.map(|source: IpAddr| format!(";source={source}")).unwrap_or_default());
    }
    if record {
        text.push_str(";mode=record");
    }
    text
}
