//! What is said to a viewer beside its items, and viewers that pause.

use bytes::Bytes;
use hub::{Limits, Ring};

use crate::world::{Peer, Unit, join, lock, settings, start, until};

fn say(peer: &Peer, text: &'static [u8]) {
    peer.membership.as_ref().expect("a viewer").say(Bytes::from_static(text));
}

fn pause(peer: &Peer, paused: bool) {
    peer.membership.as_ref().expect("a viewer").pause(paused);
}

#[test]
fn what_is_said_comes_between_items_and_in_order() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    peer.head();
    say(&peer, b"he");
    say(&peer, b"ad");
    peer.head();
    // Far more than the socket takes: the rest of it leaves before what is said meanwhile.
    ring.push(Unit::new(10, 8_000_000));
    until(|| (lock(&peer.told).sent > 0).then_some(()));
    say(&peer, b"head");
    assert_eq!(peer.item(), ('F', 10));
    ring.push(Unit::new(11, 10));
    peer.head();
    assert_eq!(peer.item(), ('f', 11));
}

#[test]
fn who_takes_nothing_of_what_is_said_is_sent_away() {
    let fan_out = start(settings());
    let ring: Ring<Unit> = Ring::new(Limits::default());
    let peer = join(&fan_out, &ring, None);
    for _ in 0..200 {
        say(&peer, &[0; 32 << 10]);
    }
    assert!(matches!(peer.end(), rillcast_fanout::End::TooSlow(_)));
}

#[test]
fn a_viewer_that_pauses_goes_on_at_the_newest_start() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    ring.push(Unit::new(10, 10));
    assert_eq!(peer.head().item(), ('F', 10));
    pause(&peer, true);
    say(&peer, b"head");
    peer.head();
    ring.extend((11..35).map(|n| Unit::new(n, 10)));
    say(&peer, b"head");
    peer.head();
    pause(&peer, false);
    (30..35).for_each(|n| assert_eq!(peer.item(), (if n == 30 { 'S' } else { 'f' }, n)));
    let told = lock(&peer.told);
    assert_eq!(told.skips, 0, "it was not too slow");
}
