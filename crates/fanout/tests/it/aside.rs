//! What is said to a viewer beside its items, and viewers that pause.

use bytes::Bytes;
use hub::{Limits, Ring};

use crate::world::{Peer, Unit, join, join_with, lock, settings, start, until};

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

fn select(peer: &Peer, word: u8, restart: bool) {
    peer.membership.as_ref().expect("a viewer").select(word, restart);
}

#[test]
fn a_viewer_gets_what_it_selects_behind_the_item_that_is_under_way() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join(&fan_out, &ring, None);
    ring.push(Unit::new(10, 10));
    assert_eq!(peer.head().item(), ('F', 10));
    // Far more than the socket takes.
    ring.push(Unit::new(11, 8_000_000));
    until(|| (lock(&peer.told).sent > 100).then_some(()));
    select(&peer, 1, false);
    assert_eq!(peer.item(), ('f', 11), "it left in part, and is whole");
    ring.extend((12..16).map(|n| Unit::new(n, 10)));
    assert_eq!([peer.item(), peer.item()], [('f', 12), ('f', 14)]);
    select(&peer, 0, false);
    say(&peer, b"head");
    peer.head();
    ring.extend((16..18).map(|n| Unit::new(n, 10)));
    assert_eq!([peer.item(), peer.item()], [('f', 16), ('f', 17)]);
}

#[test]
fn a_selection_may_begin_at_the_newest_start_and_viewers_of_one_selection_share_a_write() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peers: Vec<_> = (0..20).map(|_| join(&fan_out, &ring, None)).collect();
    ring.extend((10..15).map(|n| Unit::new(n, 10)));
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.head();
        (10..15).for_each(|n| assert_eq!(peer.item(), (if n == 10 { 'F' } else { 'f' }, n)));
        select(peer, (number % 2) as u8, true);
        assert_eq!(peer.item(), ('S', 10), "viewer {number} begins again");
    }
    ring.push(Unit::new(15, 10));
    ring.push(Unit::new(16, 10));
    for (number, peer) in peers.iter_mut().enumerate() {
        let expected: &[u32] = if number % 2 == 1 { &[12, 14, 16] } else { &[11, 12, 13, 14, 15, 16] };
        expected.iter().for_each(|&n| assert_eq!(peer.item(), ('f', n), "viewer {number}"));
        assert_eq!(lock(&peer.told).skips, 0, "it was not too slow");
    }
}

#[test]
fn a_viewer_is_told_where_it_begins_before_what_is_said_and_again_after_a_pause() {
    let fan_out = start(settings());
    let ring = Ring::new(Limits::default());
    let mut peer = join_with(&fan_out, &ring, |viewer| viewer.opens = true);
    peer.head();
    say(&peer, b"head");
    ring.extend((20..25).map(|n| Unit::new(n, 10)));
    assert_eq!(&peer.bytes::<4>(), b"0020");
    peer.head();
    (20..25).for_each(|n| assert_eq!(peer.item(), (if n == 20 { 'F' } else { 'f' }, n)));
    pause(&peer, true);
    say(&peer, b"head");
    peer.head();
    ring.extend((25..33).map(|n| Unit::new(n, 10)));
    say(&peer, b"head");
    peer.head();
    pause(&peer, false);
    assert_eq!(&peer.bytes::<4>(), b"0030");
    (30..33).for_each(|n| assert_eq!(peer.item(), (if n == 30 { 'S' } else { 'f' }, n)));
}
