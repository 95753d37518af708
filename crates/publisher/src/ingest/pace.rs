//! How closely a publisher is listened to.
//!
//! Each message that is read as it comes costs a system call and a wake-up. While nobody waits for each frame (HLS cuts
//! segments of seconds) several messages are read together, a moment later, at half the cost.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::setsockopt;
use nix::{setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// SO_RCVLOWAT, socket(7): a socket with less than this counts as one that has nothing.
    LeastBytes,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    i32
);

/// How long what has come may lie unread.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Publishers are looked at in this many groups, each at a time of its own: a few wake-ups for all of them, and no long
/// pause for others.
const GROUPS: u16 = 4;
/// So much is told at once all the same. The system holds more than this without making a publisher wait.
const LOOK_BYTES: i32 = 32 << 10;
/// A publisher is listened to closely for this long, for the wall clock of its stream comes from when its frames arrive.
const SETTLING: Duration = Duration::from_secs(6);

/// The pace of one publisher.
#[derive(Debug)]
pub(super) struct Pace {
    since: Duration,
    /// From each multiple of [`LOOK_EVERY`] to the moment when its group is looked at.
    phase: Duration,
    /// The runtime is told of whole bunches only.
    relaxed: bool,
}

impl Pace {
    /// A publisher that began at `now`; `number` puts it into a group.
    pub(super) fn new(now: Duration, number: u16) -> Self {
        let phase = LOOK_EVERY * u32::from(number % GROUPS) / u32::from(GROUPS);
        Self { since: now, phase, relaxed: false }
    }

    /// Time until it is to be looked what has come. None: the runtime tells of everything.
    pub(super) fn look_in(&mut self, now: Duration, awaited: bool, socket: &impl AsFd) -> Option<Duration> {
        let relaxed = !awaited && now.saturating_sub(self.since) >= SETTLING;
        self.relax(relaxed, socket);
        relaxed.then(|| self.until_look(now))
    }

    /// It publishes no more: whatever it says next is told at once.
    pub(super) fn end(mut self, socket: &impl AsFd) {
        self.relax(false, socket);
    }

    fn relax(&mut self, relaxed: bool, socket: &impl AsFd) {
        if relaxed != self.relaxed {
            self.relaxed = relaxed;
            let bytes = if relaxed { LOOK_BYTES } else { 1 };
            // A system that cannot do this tells of everything, which is right too.
            let _ = setsockopt(socket, LeastBytes, &bytes);
        }
    }

    fn until_look(&self, now: Duration) -> Duration {
        let period = LOOK_EVERY.as_nanos();
        let past = (now.as_nanos() + period - self.phase.as_nanos()) % period;
        Duration::from_nanos(u64::try_from(period - past).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Our end of a connection, and the publisher's.
    fn sockets() -> (tokio::net::TcpStream, std::net::TcpStream) {
        let (ours, peer) = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| {
                let peer = std::net::TcpStream::connect(listener.local_addr()?)?;
                Ok((listener.accept()?.0, peer))
            })
            .expect("sockets");
        ours.set_nonblocking(true).expect("a socket");
        let ours = tokio::net::TcpStream::from_std(ours).expect("a socket");
        (ours, peer)
    }

    #[test]
    fn a_publisher_is_listened_to_closely_at_first_and_while_anybody_waits() {
        let (socket, _peer) = UnixStream::pair().expect("sockets");
        let mut pace = Pace::new(ms(1000), 0);
        assert_eq!(pace.look_in(ms(6999), false, &socket), None);
        assert_eq!(pace.look_in(ms(7020), false, &socket), Some(ms(80)));
        assert_eq!(pace.look_in(ms(7030), true, &socket), None);
        assert_eq!(pace.look_in(ms(7040), false, &socket), Some(ms(60)));
    }

    #[test]
    fn groups_have_their_times() {
        let waits = |number, now| Pace::new(Duration::ZERO, number).until_look(ms(now)).as_millis();
        assert_eq!([waits(0, 200), waits(1, 200), waits(2, 200), waits(3, 200)], [100, 25, 50, 75]);
        assert_eq!([waits(1, 224), waits(1, 225), waits(5, 226)], [1, 100, 99]);
    }

    #[tokio::test]
    async fn a_bunch_is_told_of_and_less_is_not() {
        let (ours, peer) = sockets();
        let mut pace = Pace::new(Duration::ZERO, 0);
        assert!(pace.look_in(SETTLING, false, &ours).is_some());
        (&peer).write_all(&[0; 1000]).expect("sent");
        let told = tokio::time::timeout(ms(50), ours.readable()).await;
        assert!(told.is_err(), "1000 bytes are no bunch");
        (&peer).write_all(&[0; LOOK_BYTES as usize]).expect("sent");
        ours.readable().await.expect("a bunch");
    }

    #[tokio::test]
    async fn a_publisher_that_has_ended_is_heard_again() {
        let (ours, peer) = sockets();
        let mut pace = Pace::new(Duration::ZERO, 0);
        assert!(pace.look_in(SETTLING, false, &ours).is_some());
        pace.end(&ours);
        // Its next request is a few hundred bytes.
        (&peer).write_all(&[0; 300]).expect("sent");
        tokio::time::timeout(Duration::from_secs(10), ours.readable())
            .await
            .expect("told")
            .expect("a socket");
    }
}
