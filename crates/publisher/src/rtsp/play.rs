//! A connection that plays: what was described to it, what of that it set up, and how it is served.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use packager::rtp::Lane;
use rtsp::Status;
use rtsp::header::{Lower, Transport};
use rtsp::sdp;
use rtsp::server::{Chosen, PlayAnswer};

use super::connection::Ways;
use super::pairs::{Heard, Listening, PlayPair};
use crate::code::Address;
use crate::error::Error;
use crate::line::Line;
use crate::output::apart::Player;
use crate::output::rtsp::form::{Form, Taken};
use crate::output::rtsp::udp::{Destination, Membership};
use crate::output::rtsp::{Described, Playing, Viewer};
use crate::service::Service;
use crate::session::{Opening, Protocol, Role, Session};

/// How long PLAY over UDP waits for a place to begin.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a request is refused.
pub(super) struct Refused {
    pub(super) status: Status,
    /// For the log, and for the peer.
    pub(super) why: String,
}

impl Refused {
    pub(super) fn new(status: Status, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }
}

/// One who plays.
pub(super) struct Play {
    described: Described,
    tracks: Vec<SetUp>,
    pair: Option<Arc<PlayPair>>,
    serving: Serving,
}

/// A track that was set up.
struct SetUp {
    lane: usize,
    form: u32,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    /// On these channels of its connection.
    Channels(u8, u8),
    /// To these ports of its machine.
    Ports(u16, u16),
}

enum Serving {
    /// PLAY has not come.
    No,
    Connection(Playing),
    Udp {
        membership: Membership,
        heard: Arc<Heard>,
        _listening: Listening,
    },
}

/// What a PLAY begins with.
pub(super) enum Begun {
    /// It is served already, and goes on.
    Again,
    Anew(Box<Viewer>, SocketAddr),
}

/// What is to be done with the answer to PLAY.
pub(super) enum Step {
    /// It goes the way of the media.
    Serving,
    Answer(Bytes),
}

impl Play {
    /// Finds what is addressed, and waits for its media.
    pub(super) async fn describe(service: &Service, address: Address) -> Result<Self, Refused> {
        let described = service.describe_rtsp(address).await.map_err(|error| not_played(&error))?;
        Ok(Self { described, tracks: Vec::new(), pair: None, serving: Serving::No })
    }

    /// Whether it plays, or is about to play, what is addressed so.
    pub(super) fn is_of(&self, address: &Address) -> bool {
        self.described.address == *address
    }

    /// Whether a track was set up.
    pub(super) fn has_set_up(&self) -> bool {
        !self.tracks.is_empty()
    }

    /// The description of what there is.
    pub(super) fn sdp(&self) -> String {
        let lanes = &self.described.setup.lanes;
        let live = lanes.iter().enumerate().filter(|(_, lane)| lane.live);
        let description = sdp::Description {
            name: self.described.address.to_string(),
            control: None,
            media: live.map(|(number, lane)| media(number, lane)).collect(),
        };
        // Those of one carrier are one description.
        description.render(lanes.first().map_or(0, |lane| lane.ssrc.into()))
    }

    /// Picks a way for a track, of those that its client can go.
    pub(super) fn choose(
        &mut self,
        ways: &Ways<'_>,
        track: usize,
        transports: &[Transport],
    ) -> Result<Chosen, Refused> {
        let lane = self.described.setup.lanes.get(track).filter(|lane| lane.live);
        let Some(lane) = lane else {
            let why = format!("{} has no track {track}", self.described.address);
            return Err(Refused::new(Status::NOT_FOUND, why));
        };
        let (ssrc, form) = (lane.ssrc, lane.form);
        let others = self.tracks.iter().filter(|other| other.lane != track).map(|other| other.way);
        let (mut over_udp, mut over_connection) = (ways.line.plain().is_some(), true);
        for way in others {
            match way {
                Way::Channels(..) => over_udp = false,
                Way::Ports(..) => over_connection = false,
            }
        }
        let usable = transports.iter().find(|transport| match transport.lower {
            Lower::Interleaved(_) => over_connection,
            Lower::Udp(_) => over_udp,
        });
        let Some(usable) = usable else {
            let why = match ways.line.plain() {
                None => "over TLS media go over the connection (RTP/AVP/TCP) alone",
                Some(_) => "all tracks of a session go the same way, over the connection or over UDP",
            };
            return Err(Refused::new(Status::UNSUPPORTED_TRANSPORT, why));
        };
        self.tracks.retain(|other| other.lane != track);
        let (way, chosen) = match usable.lower {
            Lower::Interleaved(_) => (Way::Channels(0, 0), Chosen::Interleaved),
            Lower::Udp((rtp, rtcp)) => {
                let pair = self.pair(ways)?;
                let ports = pair.pair.ports;
                (Way::Ports(rtp, rtcp), Chosen::Udp { server_ports: ports, ssrc: Some(ssrc), source: None })
            }
        };
        self.tracks.push(SetUp { lane: track, form, way });
        Ok(chosen)
    }

    /// The session has given a track these channels.
    pub(super) fn set_up(&mut self, track: usize, channels: Option<(u8, u8)>) {
        let set_up = self.tracks.iter_mut().find(|set_up| set_up.lane == track);
        if let (Some(set_up), Some((rtp, rtcp))) = (set_up, channels) {
            set_up.way = Way::Channels(rtp, rtcp);
        }
    }

    fn pair(&mut self, ways: &Ways<'_>) -> Result<Arc<PlayPair>, Refused> {
        if let Some(pair) = &self.pair {
            return Ok(Arc::clone(pair));
        }
        let failed = |error: std::io::Error| {
            tracing::warn!(%error, "no UDP ports for a player");
            Refused::new(Status::UNSUPPORTED_TRANSPORT, "no UDP port is free here; use TCP")
        };
        let ours = ways.line.socket().local_addr().map_err(failed)?;
        let pair = ways.service.play_pairs.of(ways.service, ours.ip().to_canonical()).map_err(failed)?;
        self.pair = Some(Arc::clone(&pair));
        Ok(pair)
    }

    /// Opens its session, the first time.
    pub(super) fn begin(
        &self,
        service: &Service,
        peer: SocketAddr,
        agent: Option<String>,
        protocol: Protocol,
    ) -> Result<Begun, Refused> {
        if !matches!(self.serving, Serving::No) {
            return Ok(Begun::Again);
        }
        let address = &self.described.address;
        let opening = Opening {
            stream: address.code.clone(),
            rendition: self.described.rung().shown().or_else(|| address.rendition.clone()),
            protocol,
            role: Role::Viewer,
            peer: Some(peer),
            agent,
            origin: None,
        };
        let taken = self.tracks.iter().map(|set_up| {
            let channels = match set_up.way {
                Way::Channels(rtp, rtcp) => (rtp, rtcp),
                Way::Ports(..) => (0, 0),
            };
            Taken { lane: set_up.lane, form: set_up.form, channels }
        });
        let viewer = service.open_rtsp(&self.described, opening, Form::new(taken.collect()));
        let viewer = viewer.map_err(|error| match error {
            Error::OutputOff(..) => not_played(&error),
            _ => Refused::new(Status::NOT_ENOUGH_BANDWIDTH, error.to_string()),
        })?;
        Ok(Begun::Anew(Box::new(viewer), peer))
    }

    /// Has it served, behind the answer to its PLAY.
    pub(super) async fn go_on(
        &mut self,
        service: &Service,
        begun: Begun,
        answer: PlayAnswer,
        line: &Line,
    ) -> Step {
        match (begun, &mut self.serving) {
            (Begun::Again, Serving::No) => return Step::Answer(answer.encode(&[])),
            (Begun::Again, Serving::Connection(playing)) => {
                playing.resume(answer);
                return Step::Serving;
            }
            (Begun::Again, Serving::Udp { .. }) => {}
            (Begun::Anew(viewer, peer), _) => {
                let Some(pair) = self.pair.clone() else {
                    let viewer = viewer.answering(answer);
                    self.serving = Serving::Connection(service.play_rtsp(viewer, line));
                    return Step::Serving;
                };
                self.serving = self.serve_over_udp(service, *viewer, pair, peer.ip());
            }
        }
        let Serving::Udp { membership, .. } = &self.serving else { return Step::Answer(answer.encode(&[])) };
        let begins = tokio::time::timeout(PATIENCE, membership.resume()).await;
        Step::Answer(answer.encode(&begins.ok().and_then(Result::ok).unwrap_or_default()))
    }

    fn serve_over_udp(&self, service: &Service, viewer: Viewer, pair: Arc<PlayPair>, ip: IpAddr) -> Serving {
        let lanes = &self.described.setup.lanes;
        let destination = |set_up: &SetUp| match set_up.way {
            Way::Channels(..) => None,
            Way::Ports(rtp, rtcp) => {
                let [rtp, rtcp] = [rtp, rtcp].map(|port| SocketAddr::new(ip, port));
                Some(Destination { lane: set_up.lane, rtp, rtcp, ssrc: lanes.get(set_up.lane)?.ssrc })
            }
        };
        let to: Vec<Destination> = self.tracks.iter().filter_map(destination).collect();
        let heard = Heard::new(Arc::clone(viewer.account.session.session()), lanes.iter());
        let listening = pair.listen(to.iter().map(|to| to.rtcp).collect(), &heard);
        let limits = service.viewer_limits();
        let membership = self.described.rung().rtsp_udp.join(viewer, Arc::clone(&pair.pair), to, limits);
        Serving::Udp { membership, heard, _listening: listening }
    }

    pub(super) fn pause(&mut self) {
        match &mut self.serving {
            Serving::No => {}
            Serving::Connection(playing) => playing.pause(),
            Serving::Udp { membership, .. } => membership.pause(),
        }
    }

    /// Takes a report that came over the connection.
    pub(super) fn note_report(&self, now: Duration, data: &[u8]) {
        if let Serving::Connection(playing) = &self.serving {
            let lanes = self.described.setup.lanes.iter();
            Heard::new(Arc::clone(&playing.session), lanes).note(now, data);
        }
    }

    /// When it was last heard of over UDP.
    pub(super) fn heard(&self) -> Option<Duration> {
        match &self.serving {
            Serving::Udp { heard, .. } => Some(heard.last()).filter(|last| !last.is_zero()),
            _ => None,
        }
    }

    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        match &self.serving {
            Serving::No => None,
            Serving::Connection(playing) => Some(&playing.session),
            Serving::Udp { heard, .. } => Some(&heard.session),
        }
    }

    /// Who writes to the connection, where that is not the connection's task alone.
    pub(super) fn over_connection(&mut self) -> Option<&mut Playing> {
        match &mut self.serving {
            Serving::Connection(playing) => Some(playing),
            _ => None,
        }
    }

    pub(super) fn player(&mut self) -> Option<&mut Player<Viewer>> {
        self.over_connection().and_then(Playing::player)
    }

    /// The player, where the connection's task serves it, and the moment at which it cannot go on: a track that it plays has
    /// become another one.
    pub(super) fn split(&mut self) -> (Option<&mut Player<Viewer>>, impl Future<Output = ()>) {
        let Self { described, tracks, serving, .. } = self;
        let is_served = !matches!(serving, Serving::No);
        let player = match serving {
            Serving::Connection(playing) => playing.player(),
            _ => None,
        };
        let changed = async move {
            loop {
                let is_readable = |lanes: &[Lane]| {
                    let is_same =
                        |set_up: &SetUp| lanes.get(set_up.lane).is_some_and(|lane| lane.form == set_up.form);
                    lanes.is_empty() || tracks.iter().all(is_same)
                };
                if is_served && !is_readable(&described.lanes.borrow_and_update()) {
                    return;
                }
                if described.lanes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        (player, changed)
    }
}

/// A lane as a description has it.
fn media(number: usize, lane: &Lane) -> sdp::Media {
    let format = sdp::Format {
        payload_type: lane.format.payload_type,
        encoding: lane.format.encoding.clone(),
        clock_rate: lane.format.clock_rate,
        channels: lane.format.channels,
        fmtp: lane.format.fmtp.clone(),
    };
    sdp::Media {
        kind: match lane.kind {
            media::Kind::Video => sdp::Kind::Video,
            media::Kind::Audio => sdp::Kind::Audio,
            media::Kind::Data => sdp::Kind::Other("application".to_owned()),
        },
        protocol: "RTP/AVP".to_owned(),
        formats: vec![format],
        control: Some(format!("trackID={number}")),
    }
}

fn not_played(error: &Error) -> Refused {
    Refused::new(Status::NOT_FOUND, error.to_string())
}
