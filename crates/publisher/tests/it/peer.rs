//! A server that pushes come to, over real sockets, with whatever fault it is to have.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::BytesMut;
use rtmp::amf0::Value;
use rtmp::chunk;
use rtmp::flv::{Tag, TagKind};
use rtmp::message::Command;
use rtmp::server::{Event, Output, Session, code};
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// What it does with who comes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Mood {
    /// Takes everything.
    Takes,
    /// Closes the connection at once.
    Closes,
    /// Says nothing, ever.
    Silent,
    /// Denies the key, and repeats it.
    Denies,
    /// Reads nothing more once so many tags have come.
    StopsReading(usize),
    /// Reads so many bytes per second.
    Slow(usize),
    /// Resets the connection in the middle of a frame, once so many tags have come.
    Resets(usize),
    /// Wants publishers to be at another address, once so many tags have come.
    Redirects(usize, SocketAddr),
}

/// A publication as it came.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// Name of the stream.
    pub(crate) name: String,
    pub(crate) tags: Vec<Tag>,
    /// It ended by the publisher's own word.
    pub(crate) unpublished: bool,
}

impl Publication {
    /// Its frames of one kind, without what comes before them.
    pub(crate) fn frames(&self, kind: TagKind) -> Vec<&Tag> {
        self.tags.iter().filter(|tag| tag.kind == kind && tag.body[1] == 1).collect()
    }

    pub(crate) fn pictures(&self) -> Vec<&Tag> {
        self.frames(TagKind::Video)
    }
}

struct Shared {
    mood: Mutex<Mood>,
    publications: Mutex<Vec<Publication>>,
    accepted: Mutex<Vec<Instant>>,
    tls: Option<TlsAcceptor>,
}

/// A listening server; it ends with this.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    pub(crate) fn start(mood: Mood) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), mood, None)
    }

    pub(crate) fn with_tls(tls: TlsAcceptor) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), Mood::Takes, Some(tls))
    }

    /// At an address where nobody else is.
    pub(crate) fn at(address: SocketAddr, mood: Mood, tls: Option<TlsAcceptor>) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("set");
        // So that a peer that does not read is soon full.
        if matches!(mood, Mood::StopsReading(_) | Mood::Slow(_)) {
            socket.set_recv_buffer_size(8 << 10).expect("set");
        }
        socket.set_nonblocking(true).expect("set");
        socket.bind(&address.into()).expect("bound");
        socket.listen(64).expect("listening");
        let listener = TcpListener::from_std(socket.into()).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let shared = Shared {
            mood: Mutex::new(mood),
            publications: Mutex::default(),
            accepted: Mutex::default(),
            tls,
        };
        let shared = Arc::new(shared);
        let task = tokio::spawn(listen(listener, Arc::clone(&shared))).abort_handle();
        Self { address, shared, task }
    }

    /// An address where nobody listens, and nobody else comes to.
    pub(crate) async fn nobody() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        listener.local_addr().expect("an address")
    }

    /// From now on it is like this to who comes.
    pub(crate) fn change(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("rtmp://{}/live/{name}", self.address)
    }

    /// What was published so far.
    pub(crate) fn publications(&self) -> Vec<Publication> {
        lock(&self.shared.publications).clone()
    }

    /// The only publication.
    pub(crate) fn only(&self) -> Publication {
        let mut all = self.publications();
        assert_eq!(all.len(), 1, "publications");
        all.remove(0)
    }

    /// Tags of the newest publication; 0 before the first.
    pub(crate) fn tags(&self) -> usize {
        lock(&self.shared.publications).last().map_or(0, |publication| publication.tags.len())
    }

    /// When connections were accepted.
    pub(crate) fn accepted(&self) -> Vec<Instant> {
        lock(&self.shared.accepted).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("whole")
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("accepted");
        let mood = lock(&shared.mood).clone();
        lock(&shared.accepted).push(Instant::now());
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            match &shared.tls {
                None => {
                    let reset = SockRef::from(&stream).try_clone().expect("a handle");
                    serve(stream, mood, &shared, || {
                        let _ = reset.set_linger(Some(Duration::ZERO));
                    })
                    .await;
                }
                Some(tls) => {
                    // One that does not trust us is no publication.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    serve(stream, mood, &shared, || {}).await;
                }
            }
        });
    }
}

/// `reset` has the connection reset when it is dropped.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mood: Mood,
    shared: &Shared,
    reset: impl FnOnce(),
) {
    match mood {
        Mood::Closes => return,
        Mood::Silent => std::future::pending().await,
        _ => {}
    }
    let accepted = Instant::now();
    let now = || accepted.elapsed();
    let mut session = Session::new(rtmp::Limits::default(), Duration::ZERO, [7; 32]);
    let mut place = None;
    let mut redirected = false;
    let mut buffer = vec![0; if matches!(mood, Mood::Slow(_)) { 1024 } else { 32 << 10 }];
    let (mut reset, mut read) = (Some(reset), 0);
    loop {
        loop {
            match session.poll_output() {
                Output::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Output::Event(Event::Publish(request)) if mood == Mood::Denies => {
                    let why = format!("{} may not be published", request.name);
                    session.reject_publish(now(), code::PUBLISH_DENIED, &why).expect("pending");
                }
                Output::Event(Event::Publish(request)) => {
                    session.accept_publish(now()).expect("pending");
                    let mut publications = lock(&shared.publications);
                    place = Some(publications.len());
                    let name = request.name;
                    publications.push(Publication { name, tags: Vec::new(), unpublished: false });
                }
                Output::Event(event) => {
                    let mut publications = lock(&shared.publications);
                    let Some(publication) = place.map(|place| &mut publications[place]) else { continue };
                    match event {
                        Event::Tag(tag) => publication.tags.push(tag),
                        Event::Unpublish => publication.unpublished = true,
                        _ => {}
                    }
                }
                Output::Wait(_) => break,
            }
        }
        let tags = place.map_or(0, |place| lock(&shared.publications)[place].tags.len());
        match mood {
            Mood::StopsReading(after) if tags >= after => std::future::pending().await,
            Mood::Resets(after) if tags >= after => {
                // A frame of the clip has more bytes than that.
                let _ = stream.read_exact(&mut buffer[..40]).await;
                reset.take().expect("once")();
                return;
            }
            Mood::Redirects(after, to) if tags >= after && !redirected => {
                redirected = true;
                if stream.write_all(&reconnect_request(to)).await.is_err() {
                    return;
                }
            }
            Mood::Slow(rate) => {
                let due = Duration::from_secs_f64(read as f64 / rate as f64);
                tokio::time::sleep_until(accepted + due).await;
            }
            _ => {}
        }
        match stream.read(&mut buffer).await {
            Ok(bytes @ 1..) => {
                read += bytes;
                if session.handle_bytes(now(), &buffer[..bytes]).is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// Enhanced RTMP v2, "Reconnect Request".
fn reconnect_request(to: SocketAddr) -> BytesMut {
    let url = format!("rtmp://{to}/live");
    let info = Value::object([
        ("level", "status".into()),
        ("code", code::RECONNECT_REQUEST.into()),
        ("tcUrl", url.as_str().into()),
    ]);
    let command = Command { name: "onStatus".to_owned(), transaction: 0.0, values: vec![Value::Null, info] };
    let (mut encoder, mut bytes) = (chunk::Encoder::new(), BytesMut::new());
    // The size that the session told.
    encoder.set_chunk_size(60_000, &mut bytes);
    bytes.clear();
    encoder.encode(3, &command.encode(0), &mut bytes);
    bytes
}
