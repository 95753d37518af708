//! Clock references, repetition of the tables, wraps, and tracks that do not keep step.

use bytes::BytesMut;
use media::{TimeDelta, Timestamp, TrackId};
use rillcast_mpegts::{Mux, PACKET_BYTES};
use testkit::{Clip, clip};

use crate::demux::{Demux, demux, diff};
use crate::mux;

/// Every n-th picture only, with the time of all.
fn thinned(n: usize) -> Clip {
    let mut clip = clip().video_only();
    clip.frames = clip.frames.into_iter().step_by(n).collect();
    clip.frames.iter_mut().for_each(|frame| frame.pts = frame.dts);
    clip
}

#[test]
fn both_tracks_keep_the_clock() {
    let demux = demux(&mux(&clip().looped(2)));
    demux.check_clock();
    assert_eq!((demux.pes_of(0x100).len(), demux.pes_of(0x101).len()), (400, 750));
    let lead = |pid| demux.pes_of(pid).iter().map(|pes| diff(pes.dts, pes.pcr)).min();
    assert!(lead(0x100) >= Some(450 * 90) && lead(0x101) >= Some(450 * 90));
    // The pictures carry all of them; only the sound that outlasts them needs a packet.
    assert_eq!(demux.pcrs.iter().filter(|pcr| pcr.alone).count(), 1);
}

#[test]
fn audio_alone_carries_the_clock() {
    let demux = demux(&mux(&clip().audio_only()));
    demux.check_clock();
    assert_eq!(demux.pcr_pid, 0x101);
    // Every second frame of 21.3 ms.
    assert!((187..=190).contains(&demux.pcrs.len()), "{}", demux.pcrs.len());
    assert!(demux.pes.iter().filter(|pes| pes.random_access).count() == demux.pcrs.len());
}

#[test]
fn slow_pictures_leave_packets_for_the_clock() {
    for n in [2, 5, 25, 100] {
        let demux = demux(&mux(&thinned(n)));
        demux.check_clock();
        assert!(demux.pcrs.iter().any(|pcr| pcr.alone), "every {n}th picture");
        assert!(demux.pes.iter().all(|pes| diff(pes.dts, pes.pcr) == 45_000));
    }
}

#[test]
fn pictures_that_stop_do_not_stop_the_clock() {
    let mut clip = clip();
    clip.frames.retain(|frame| frame.track == TrackId::AUDIO || frame.dts < Timestamp::from_scale(2, 1));
    demux(&mux(&clip)).check_clock();
}

#[test]
fn stamps_wrap_without_a_seam() {
    let before = Timestamp::from_scale((1 << 33) - 900_000 - 90_000 * 4, 90_000);
    let demux = demux(&mux(&clip().starting_at(before)));
    demux.check_clock();
    for pid in [0x100, 0x101] {
        let units = demux.pes_of(pid);
        assert!(units.windows(2).all(|pair| diff(pair[1].dts, pair[0].dts) > 0));
        assert!(units[0].dts > 1 << 32 && units[units.len() - 1].dts < 1 << 20);
    }
}

/// The wraps of the first days of March 2026, a few moments before and after each.
#[test]
fn a_wrap_may_come_at_any_moment() {
    const WRAP: i64 = 1 << 33;
    let second = TimeDelta::from_secs(1);
    for (round, off_ms) in [(18_550, 0), (18_550, 333), (18_551, 480), (18_551, 520), (18_552, 4000)] {
        let wrap = Timestamp::from_scale(round * WRAP, 90_000) - rillcast_mpegts::START;
        let clip = clip().starting_at(wrap - TimeDelta::from_millis(off_ms));
        let mut mux = Mux::new(Timestamp::ZERO);
        mux.set_tracks(&clip.tracks);
        let mut all = Demux::default();
        for frame in &clip.frames {
            let mut out = BytesMut::new();
            if frame.key && frame.track == TrackId::VIDEO {
                let mut splice = BytesMut::new();
                mux.splice(&mut splice);
                let mut viewer = Demux::default();
                viewer.push(&splice);
                let newest = all.pcrs.last().map(|pcr| pcr.value);
                assert_eq!(viewer.pcrs.last().map(|pcr| pcr.value), newest);
            }
            mux.frame(frame, &mut out);
            all.push(&out);
        }
        all.finish();
        all.check_clock();
        assert!(all.discontinuities.is_empty());
        assert_eq!(all.pes.len(), clip.frames.len());
        let of = |time: Timestamp| (time - Timestamp::ZERO + rillcast_mpegts::START).to_scale(90_000);
        for (pes, frame) in all.pes_of(0x100).iter().zip(clip.clone().video_only().frames) {
            assert_eq!((pes.pts, pes.dts), (of(frame.pts).rem_euclid(WRAP), of(frame.dts).rem_euclid(WRAP)));
            assert!(diff(pes.dts, pes.pcr) <= second.to_scale(90_000));
        }
    }
}

#[test]
fn a_short_hole_is_filled_and_a_long_one_marked() {
    let clip = clip().video_only();
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut demux = Demux::default();
    let mut picture = clip.frames[0].clone();
    for (hole, packets, marked) in
        [(0, 0..20, &[][..]), (9, 225..350, &[]), (3600, 3..20, &[0, 0x1000, 0x100])]
    {
        picture.dts += TimeDelta::from_secs(hole);
        picture.pts = picture.dts;
        let mut out = BytesMut::new();
        mux.frame(&picture, &mut out);
        assert!(
            packets.contains(&(out.len() / PACKET_BYTES)),
            "{hole} s: {} packets",
            out.len() / PACKET_BYTES
        );
        demux.push(&out);
        assert_eq!(demux.discontinuities, marked);
    }
    assert_eq!(demux.pcrs.last().map(|pcr| pcr.discontinuity), Some(true));
}

#[test]
fn a_track_that_comes_late_is_waited_for() {
    let mut clip = clip();
    // Sound comes 1.5 s after the pictures of its time.
    let late = TimeDelta::from_millis(1500);
    clip.frames.sort_by_key(|frame| if frame.track == TrackId::AUDIO { frame.dts + late } else { frame.dts });
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::new();
    clip.frames.iter().for_each(|frame| mux.frame(frame, &mut out));
    let demux = demux(&out);
    demux.check_clock();
    // A second more than the lead, at 21.3 ms each.
    assert!((1..=55).contains(&mux.dropped()), "{}", mux.dropped());
    assert_eq!(demux.pes_of(0x100).len(), 200);
    assert!(demux.pes_of(0x101).len() >= 320);
}

#[test]
fn pictures_after_a_lost_one_wait_for_the_next_key_frame() {
    let mut mux = Mux::new(Timestamp::ZERO);
    let clip = clip();
    mux.set_tracks(&clip.tracks);
    let mut out = BytesMut::new();
    let (mut video, audio) = (clip.clone().video_only().frames, clip.audio_only().frames);
    mux.frame(&video[0], &mut out);
    // The sound runs two seconds ahead.
    audio
        .iter()
        .take_while(|frame| frame.dts < Timestamp::from_scale(2, 1))
        .for_each(|frame| mux.frame(frame, &mut out));
    video.remove(0);
    video.iter().for_each(|frame| mux.frame(frame, &mut out));
    let demux = demux(&out);
    demux.check_clock();
    let pictures = demux.pes_of(0x100);
    assert!(pictures[0].random_access && pictures[1].random_access);
    assert_eq!(pictures.len() as u64 + mux.dropped(), 200);
}
