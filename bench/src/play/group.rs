//! The players of one thread.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use super::Protocol;
use super::client::{Buffers, Client, Outcome};
use crate::load::Schedule;
use crate::net::{Link, Poller};

/// Longest wait for a connection to have something.
const TURN: Duration = Duration::from_millis(5);

/// Starts the players, each at its time, and reads until the window is over. With `batch`, all are left alone for that
/// long between two rounds of reads once they have started.
pub(super) fn run(
    address: SocketAddr,
    players: Vec<(usize, Box<dyn Protocol>)>,
    schedule: Schedule,
    batch: Option<Duration>,
) -> anyhow::Result<Vec<Outcome>> {
    let poller = Poller::new()?;
    let mut buffers = Buffers::new();
    let mut clients: Vec<Client> = Vec::with_capacity(players.len());
    let mut waiting = players.into_iter().peekable();
    let mut ready = Vec::new();
    let mut second = None;
    loop {
        let now = Instant::now();
        while let Some((_, protocol)) = waiting.next_if(|(number, _)| now >= schedule.start_of(*number)) {
            let place = clients.len();
            let link = Link::open(address, &poller, place);
            clients.push(Client::new(place, link, protocol, batch.is_none()));
        }
        let current = schedule.window.second(now);
        if current != second {
            match second {
                None => clients.iter_mut().for_each(Client::begin),
                Some(_) => clients.iter_mut().for_each(Client::count_second),
            }
            second = current;
        }
        if now >= schedule.window.end() {
            break;
        }
        if let (Some(batch), None) = (batch, waiting.peek()) {
            thread::sleep(batch);
        }
        poller.wait(TURN, &mut ready)?;
        for &event in &ready {
            clients[event.number].serve(event, &poller, &mut buffers, second.is_some());
        }
    }
    Ok(clients.into_iter().map(Client::into_outcome).collect())
}
