//! Inputs that call: a listener elsewhere is asked for a transport stream, and asked again whenever it ends, for ever.

use std::sync::Arc;
use std::time::Duration;

use mpegts::demux::Settings;
use srt::connection::Reason;
use tokio_util::sync::CancellationToken;

use super::Publisher;
use super::line::Line;
use crate::back_off::{BackOff, jitter};
use crate::clock::seconds;
use crate::config::SrtCall;
use crate::ingest::buffer;
use crate::ingest::mpegts::CLOCK;
use crate::inputs::Feeder;
use crate::resolve::resolve;
use crate::service::{Service, random};
use crate::session::{Opening, Protocol, Role, Session};
use crate::srt::version;
use crate::stream::Running;

/// The wait after a call that came to nothing, doubled with each up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long the addresses of a name are waited for.
const RESOLVE: Duration = Duration::from_secs(5);
/// What comes within this time is taken together.
const REST: Duration = Duration::from_millis(4);

/// Feeds the stream with what is called for until it is no input of the stream any more.
pub(crate) async fn run(service: Arc<Service>, running: Arc<Running>, feeder: Arc<Feeder>, input: SrtCall) {
    let mut back_off = BackOff::new(FIRST_WAIT, LONGEST_WAIT);
    let calling = Calling { service: &service, running: &running, feeder: &feeder, input: &input };
    loop {
        let dialled = tokio::select! {
            () = feeder.cancel.cancelled() => break,
            dialled = calling.dial() => dialled,
        };
        let failed = match dialled {
            Ok(line) => {
                back_off.works(service.clock.elapsed());
                match calling.listen(line).await {
                    Left::Removed => break,
                    Left::Ended(why) => why,
                }
            }
            Err(why) => why,
        };
        back_off.fails(service.clock.elapsed());
        let wait = back_off.delay(jitter(random()));
        let why = format!("nothing comes from {input}: {failed}");
        let rung = &running.rungs()[0];
        rung.set_error(&why);
        rung.set_input(vec![format!("{why}; calling again in {}", seconds(wait))]);
        tokio::select! {
            () = feeder.cancel.cancelled() => break,
            () = tokio::time::sleep(wait) => {}
        }
    }
    running.rungs()[0].set_input(Vec::new());
}

struct Calling<'a> {
    service: &'a Arc<Service>,
    running: &'a Arc<Running>,
    feeder: &'a Feeder,
    input: &'a SrtCall,
}

/// How a connection ended.
enum Left {
    /// It is no input any more.
    Removed,
    /// By itself, or by us, with a sentence.
    Ended(String),
}

/// Who feeds the stream with what comes.
struct Feeding {
    publisher: Publisher,
    session: Arc<Session>,
}

impl Calling<'_> {
    /// Calls the addresses of the listener, one after another.
    async fn dial(&self) -> Result<Line, String> {
        let addresses = resolve(&self.input.host, self.input.port, RESOLVE).await?;
        let mut failed = Vec::new();
        for address in addresses {
            match Line::dial(self.service, address, self.input).await {
                Ok(line) => return Ok(line),
                Err(why) => failed.push(format!("{address}: {why}")),
            }
        }
        Err(failed.join("; "))
    }

    /// Takes what comes until the connection is over.
    async fn listen(&self, mut line: Line) -> Left {
        let agent = version(line.connection.peer_version());
        tracing::info!(stream = %self.running.code, peer = %line.peer, agent, "connected to {}", self.input);
        let note = buffer::lack(self.input, line.buffer_bytes, self.input.buffer_bytes);
        self.running.rungs()[0].set_input(note.into_iter().collect());
        let over = CancellationToken::new();
        let mut feeding = None;
        let left = self.receive(&mut line, &mut feeding, &over).await;
        line.close(self.service.clock.elapsed());
        if let Some(Feeding { publisher, .. }) = feeding {
            if let Left::Ended(_) = left {
                publisher.end(line.connection.closed().unwrap_or(Reason::Peer));
            } else {
                drop(publisher);
            }
            over.cancelled().await;
        }
        left
    }

    async fn receive(
        &self,
        line: &mut Line,
        feeding: &mut Option<Feeding>,
        over: &CancellationToken,
    ) -> Left {
        let clock = &self.service.clock;
        let silence = clock.elapsed() + self.service.settings.publish_timeout;
        loop {
            let (peer, agent) = (line.peer, line.connection.peer_version());
            let settled = line.settle(|payload, lost| {
                let feeding = feeding.get_or_insert_with(|| self.begin(peer, agent, over));
                feeding.publisher.take(payload, lost);
            });
            let mut until = match settled {
                Ok(until) => until,
                Err(reason) => return Left::Ended(reason.to_string()),
            };
            if feeding.is_none() {
                if clock.elapsed() >= silence {
                    return Left::Ended("it takes the call and sends nothing".to_owned());
                }
                until = until.min(silence);
            }
            tokio::select! {
                biased;
                () = self.feeder.cancel.cancelled() => return Left::Removed,
                () = over.cancelled() => {
                    let why = feeding.as_ref().and_then(|feeding| feeding.session.why());
                    return Left::Ended(why.map_or_else(|| "the session ended".to_owned(), |why| why.to_string()));
                }
                () = tokio::time::sleep(until.saturating_sub(clock.elapsed())) => {}
                // An error is met where datagrams are taken.
                _ = line.socket.readable() => tokio::time::sleep(REST).await,
            }
            line.receive(clock.elapsed());
        }
    }

    /// The first media have come.
    fn begin(&self, peer: std::net::SocketAddr, agent: u32, over: &CancellationToken) -> Feeding {
        let opening = Opening {
            stream: self.running.code.clone(),
            rendition: None,
            protocol: Protocol::Srt,
            role: Role::Publisher,
            peer: Some(peer),
            agent: Some(version(agent)),
            origin: None,
        };
        let publication = self.feeder.seize(self.service, self.running, opening, CLOCK);
        let session = Arc::clone(publication.session.session());
        let settings = Settings { program: self.input.program, ..Settings::default() };
        // Dropped with the task if that fails.
        let over = over.clone().drop_guard();
        let publisher = Publisher::start(Arc::clone(self.service), publication, settings, || drop(over));
        Feeding { publisher, session }
    }
}
