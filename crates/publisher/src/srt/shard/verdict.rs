//! What becomes of callers: who is let in, to play or to publish, and what the others are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fanout::End;
use mpegts::demux::Settings;
use packager::ts::Chunk;
use srt::listener::{self, Request};
use srt::{Passphrase, Rejection};
use tokio_util::task::AbortOnDropHandle;

use super::{Command, Shard};
use crate::code::Address;
use crate::config::Secret;
use crate::ingest::mpegts::CLOCK;
use crate::ingest::srt::Publisher;
use crate::limits::{Admission, Pass, holder};
use crate::output::account::Account;
use crate::output::srt::{Lane, NotPlayed, Viewer};
use crate::rung::Refused as NotAdmitted;
use crate::service::{Denied, Publication};
use crate::session::{Opening, Protocol, Role as SessionRole};
use crate::srt::link::Role;
use crate::srt::port::Terms;
use crate::srt::version;
use crate::srt::wish::{self, Refused, Wish};

/// Callers that hear in one turn whether they are let in: each may cost a derivation of keys, about a millisecond.
const VERDICTS: usize = 4;
/// Callers of one address that may wait for a verdict; not bounded for this machine.
const MAX_WAITING_PER_ADDRESS: usize = 32;
/// A caller that was looked at as a publisher.
pub(in crate::srt) struct Published {
    request: Request,
    admission: Admission,
    result: Result<Publication, Denied>,
    _handshake: Pass,
}

/// A caller that waits for a verdict.
pub(super) struct Caller {
    request: Request,
    _handshake: Pass,
}

impl Shard {
    /// Sends what the listener has to say, and tells callers whether they are let in.
    pub(super) fn answer_callers(&mut self, now: Duration) {
        self.listener.handle_timeout(now);
        self.drain_listener(now);
        for _ in 0..VERDICTS {
            let Some(caller) = self.callers.pop_front() else { break };
            let request = caller.request.clone();
            if let Err(refused) = self.let_in(now, caller) {
                self.refuse(now, &request, &refused);
            }
        }
        self.drain_listener(now);
    }

    fn drain_listener(&mut self, now: Duration) {
        loop {
            match self.listener.poll_output() {
                listener::Output::Send(to, datagram) => self.sender.one(to, datagram),
                listener::Output::Request(request) => match self.room_for(&request) {
                    Ok(handshake) => self.callers.push_back(Caller { request, _handshake: handshake }),
                    Err(refused) => self.refuse(now, &request, &refused),
                },
                listener::Output::Wait(_) => return,
            }
        }
    }

    /// Whether there is room for a caller that waits for its verdict.
    fn room_for(&self, request: &Request) -> Result<Pass, Refused> {
        let of = |request: &Request| canonical(request.path.peer).ip();
        let address = of(request);
        let same = |caller: &&Caller| holder(of(&caller.request)) == holder(address);
        if !address.is_loopback() && self.callers.iter().filter(same).count() >= MAX_WAITING_PER_ADDRESS {
            let why = format!("{MAX_WAITING_PER_ADDRESS} callers of its address wait for an answer");
            return Err(Refused::new(Rejection::OVERLOAD, why));
        }
        let gates = &self.service.gates;
        gates.begin_handshake().map_err(|refusal| Refused::new(Rejection::OVERLOAD, gates.sentence(refusal)))
    }

    /// Lets a caller in, or says why not.
    fn let_in(&mut self, now: Duration, caller: Caller) -> Result<(), Refused> {
        let Some(terms) = self.terms.clone() else {
            return Err(closing());
        };
        match wish::read(caller.request.stream_id.as_deref())? {
            Wish::Play(address, token) => {
                let token = token.as_ref().map(Secret::reveal);
                let client = canonical(caller.request.path.peer).ip();
                self.service.may_play(&address, token, client).map_err(|denied| {
                    Refused::new(Rejection::UNAUTHORIZED, format!("{address}: {denied}"))
                })?;
                self.play(now, &caller.request, address, &terms)
            }
            Wish::Publish(address, key) => self.publish(now, caller, address, key, &terms),
        }
    }

    /// Has a task find out whether a publisher is let in. It may take the place of another one, so its passphrase is looked at
    /// before.
    fn publish(
        &mut self,
        now: Duration,
        caller: Caller,
        address: Address,
        key: Option<Secret>,
        terms: &Terms,
    ) -> Result<(), Refused> {
        let Caller { request, _handshake } = caller;
        let own = self.service.running(&address.code.clone().into());
        let own = own.and_then(|running| running.config().srt_passphrase.clone());
        let passphrase = passphrase(own.as_ref(), terms)?;
        let verified = self.listener.verify(now, request.id, passphrase.as_ref());
        verified.map_err(|error| Refused::new(error.rejection(), error.to_string()))?;
        let admission = self.admit(request.path.peer)?;
        let (service, outbox) = (Arc::clone(&self.service), self.outbox.clone());
        tokio::spawn(async move {
            let (peer, agent) = (Some(canonical(request.path.peer)), Some(version(request.version)));
            let opening = |stream| Opening {
                stream,
                rendition: None,
                protocol: Protocol::Srt,
                role: SessionRole::Publisher,
                peer,
                agent,
                origin: None,
            };
            let key = key.as_ref().map(Secret::reveal);
            let result = service.publish(&address, key, opening, CLOCK).await;
            let published = Published { request, admission, result, _handshake };
            // The shard may have ended.
            let _ = outbox.send(Command::Published(Box::new(published)));
        });
        Ok(())
    }

    /// Lets a publisher in, or says why not.
    pub(super) fn published(&mut self, now: Duration, published: Published) {
        let Published { request, admission, result, _handshake } = published;
        let publication = match result {
            Ok(publication) => publication,
            Err(denied) => return self.refuse(now, &request, &refused(&denied, &request)),
        };
        // It was looked whether it has the right one.
        let settings = match &self.terms {
            Some(terms) => terms.settings(),
            None => return self.refuse(now, &request, &closing()),
        };
        let own = publication.running.config().srt_passphrase.clone();
        let passphrase = self.terms.as_ref().and_then(|terms| passphrase(own.as_ref(), terms).ok()).flatten();
        let connection = match self.listener.accept(now, request.id, passphrase.as_ref(), &settings) {
            Ok(connection) => connection,
            Err(error) => {
                return self.note(now, request.path.peer, &error.to_string());
            }
        };
        let (socket, outbox) = (connection.socket(), self.outbox.clone());
        let over = move || drop(outbox.send(Command::Over(socket)));
        let publisher = Publisher::start(Arc::clone(&self.service), publication, Settings::default(), over);
        self.add(connection, request.path, admission, Role::Publisher(publisher));
    }

    fn play(
        &mut self,
        now: Duration,
        request: &Request,
        address: Address,
        terms: &Terms,
    ) -> Result<(), Refused> {
        let peer = canonical(request.path.peer);
        let ticket = self.service.find_srt(address).map_err(|not_played| match not_played {
            NotPlayed::Absent(why) => Refused::new(Rejection::NOT_FOUND, why),
            NotPlayed::Full(why) => Refused::new(Rejection::OVERLOAD, why),
        })?;
        let passphrase = passphrase(ticket.running.config().srt_passphrase.as_ref(), terms)?;
        let admission = self.admit(request.path.peer)?;
        let accepted = self.listener.accept(now, request.id, passphrase.as_ref(), &terms.settings());
        // It was told already.
        let connection = accepted.map_err(|error| Refused::new(error.rejection(), error.to_string()))?;
        let (socket, agent) = (connection.socket(), version(request.version));
        let (service, outbox) = (Arc::clone(&self.service), self.outbox.clone());
        let join = async move {
            let joined = service.join_srt(ticket, peer, agent).await;
            // The shard may have ended.
            let _ = outbox.send(Command::Joined(socket, joined));
        };
        let task = AbortOnDropHandle::new(tokio::spawn(join));
        self.add(connection, request.path, admission, Role::Joining { _task: task });
        Ok(())
    }

    /// Whether there is room for a connection from there.
    fn admit(&self, peer: SocketAddr) -> Result<Admission, Refused> {
        let gates = &self.service.gates;
        let admitted = gates.admit(canonical(peer).ip());
        admitted.map_err(|refusal| Refused::new(Rejection::OVERLOAD, gates.sentence(refusal)))
    }

    /// A viewer has media now, or there are none for it.
    pub(super) fn joined(&mut self, now: Duration, socket: u32, joined: Result<Account<Chunk>, String>) {
        let Some(link) = self.links.get_mut(&socket) else {
            // It has gone meanwhile, and with it the account.
            return;
        };
        let peer = link.path.peer;
        self.touched.push(socket);
        let account = match joined {
            Ok(account) => account,
            Err(why) => {
                link.role = Role::Over;
                link.connection.close(now);
                return self.note(now, peer, &why);
            }
        };
        let ring = account.reading.ring().id();
        if !self.lanes.contains_key(&ring) {
            let settings = &self.service.settings.fan_out;
            let limits = self.service.viewer_limits();
            match Lane::new(&account.reading, limits, settings.merge_window) {
                Some(lane) => drop(self.lanes.insert(ring, lane)),
                None => {
                    account.end(End::Closed);
                    link.role = Role::Over;
                    link.connection.close(now);
                    return;
                }
            }
        }
        if let Some(lane) = self.lanes.get_mut(&ring) {
            link.role = Role::Viewer(Box::new(Viewer::new(account, lane.join(socket))));
        }
    }

    fn refuse(&mut self, now: Duration, request: &Request, refused: &Refused) {
        self.listener.reject(now, request.id, refused.rejection);
        self.note(now, request.path.peer, &format!("{} (SRT: {})", refused.why, refused.rejection));
    }

    pub(super) fn note(&self, now: Duration, peer: SocketAddr, why: &str) {
        self.port.note_refused(&self.service, now, canonical(peer), why);
    }
}

/// What a caller has to have, by what its stream says, or else the listener.
fn passphrase(own: Option<&Secret>, terms: &Terms) -> Result<Option<Passphrase>, Refused> {
    let secret = own.or(terms.passphrase.as_ref());
    let passphrase = secret.map(|secret| Passphrase::new(secret.reveal())).transpose();
    passphrase.map_err(|error| Refused::new(Rejection::INTERNAL, error.to_string()))
}

fn closing() -> Refused {
    Refused::new(Rejection::CLOSE, "nobody listens on that port any more")
}

/// What a publisher is told that is not let in.
fn refused(denied: &Denied, request: &Request) -> Refused {
    let rejection = match denied {
        Denied::Refused(_, NotAdmitted::Key) => match wish::read(request.stream_id.as_deref()) {
            Ok(Wish::Publish(_, Some(_))) => Rejection::FORBIDDEN,
            _ => Rejection::UNAUTHORIZED,
        },
        Denied::Refused(_, NotAdmitted::Busy) => Rejection::CONFLICT,
        Denied::NotPublished(_) => Rejection::BAD_MODE,
        Denied::Start(_) => Rejection::UNAVAILABLE,
        Denied::Unknown(_) | Denied::Rendition(..) | Denied::Several(..) => Rejection::NOT_FOUND,
    };
    Refused::new(rejection, denied.to_string())
}

/// An address as it is shown: one of IPv4 as such.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}
