//! Program map versions, discontinuities, splices, starts in the middle.

use bytes::BytesMut;
use media::{Frame, Timestamp, Track, TrackId};
use rillcast_mpegts::Mux;
use testkit::{clip, samples};

use crate::demux::{Demux, demux};

fn push(mux: &mut Mux, frames: &[Frame]) -> BytesMut {
    let mut out = BytesMut::new();
    frames.iter().for_each(|frame| mux.frame(frame, &mut out));
    out
}

#[test]
fn the_map_has_a_new_version_when_it_differs() {
    let clip = clip();
    let mut mux = Mux::new(Timestamp::ZERO);
    let mut out = BytesMut::new();
    let sound_first: Vec<Track> = clip.tracks.iter().rev().cloned().collect();
    let sets: [&[Track]; 5] =
        [&clip.tracks, &sound_first, &clip.tracks[1..], &clip.tracks[1..], &clip.tracks];
    for (frames, tracks) in clip.frames.chunks(100).zip(sets) {
        mux.set_tracks(tracks);
        out.extend_from_slice(&push(&mut mux, frames));
    }
    let demux = demux(&out);
    let mut versions = demux.versions;
    versions.dedup();
    assert_eq!(versions, [0, 1, 2]);
    for pair in demux.pcrs.windows(2) {
        assert!(pair[1].value >= pair[0].value, "the clock goes on from PID to PID");
    }
}

#[test]
fn a_track_keeps_its_pid() {
    let (clip, dolby) = (clip(), samples::ac3());
    let mut extra = dolby.tracks[0].clone();
    extra.id = TrackId(5);
    let pids = |mux: &mut Mux, tracks: &[Track]| {
        mux.set_tracks(tracks);
        let mut out = BytesMut::new();
        mux.tables(&mut out);
        demux(&out).streams.into_iter().map(|(pid, (kind, _))| (pid, kind)).collect::<Vec<_>>()
    };
    let mut mux = Mux::new(Timestamp::ZERO);
    let [video, audio] = [&clip.tracks[0], &clip.tracks[1]];
    assert_eq!(pids(&mut mux, std::slice::from_ref(audio)), [(0x101, 0x0F)]);
    assert_eq!(pids(&mut mux, &[video.clone(), extra.clone()]), [(0x100, 0x1B), (0x102, 0x81)]);
    assert_eq!(pids(&mut mux, &[audio.clone(), extra]), [(0x101, 0x0F), (0x102, 0x81)]);
    assert_eq!(pids(&mut mux, &[]), []);
}

#[test]
fn a_discontinuity_is_marked_on_every_pid_once() {
    let clip = clip();
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let (before, after) = clip.frames.split_at(100);
    let mut demux = Demux::default();
    demux.push(&push(&mut mux, before));
    assert_eq!(demux.discontinuities, []);
    mux.mark_discontinuity();
    let mut out = BytesMut::new();
    mux.tables(&mut out);
    demux.push(&out);
    demux.push(&push(&mut mux, after));
    demux.finish();
    demux.discontinuities.sort();
    assert_eq!(demux.discontinuities, [0, 0x100, 0x101, 0x1000]);
    let marked: Vec<_> = demux.pcrs.iter().filter(|pcr| pcr.discontinuity).collect();
    assert!(marked.len() == 1 && marked[0].pid == 0x100);
    assert_eq!(demux.pes.len(), clip.frames.len());
}

#[test]
fn a_viewer_may_skip_over_a_splice() {
    let clip = clip();
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let keys: Vec<_> = (0..clip.frames.len())
        .filter(|&i| clip.frames[i].key && clip.frames[i].track == TrackId::VIDEO)
        .collect();
    let mut viewer = Demux::default();
    viewer.push(&push(&mut mux, &clip.frames[..keys[1]]));
    push(&mut mux, &clip.frames[keys[1]..keys[4]]);
    let mut splice = BytesMut::new();
    mux.splice(&mut splice);
    assert_eq!(splice.len(), 4 * 188);
    let mut again = BytesMut::new();
    mux.splice(&mut again);
    assert_eq!(splice, again);
    viewer.push(&splice);
    let mut out = BytesMut::new();
    mux.tables(&mut out);
    viewer.push(&out);
    viewer.push(&push(&mut mux, &clip.frames[keys[4]..]));
    viewer.finish();
    viewer.discontinuities.sort();
    assert_eq!(viewer.discontinuities, [0, 0x100, 0x101, 0x1000]);
    for pair in viewer.pcrs.windows(2).filter(|pair| !pair[1].discontinuity) {
        assert!(pair[1].value - pair[0].value <= 27_000 * 50);
    }
}

#[test]
fn sound_first_gets_a_clock_on_the_pid_of_the_pictures() {
    let clip = clip();
    let mut mux = Mux::new(Timestamp::ZERO);
    mux.set_tracks(&clip.tracks);
    let first = clip.frames.iter().position(|frame| frame.track == TrackId::AUDIO).expect("sound");
    let demux = demux(&push(&mut mux, &clip.frames[first..=first]));
    assert_eq!(demux.pcrs.len(), 1);
    assert!(demux.pcrs[0].alone && demux.pcrs[0].pid == 0x100);
    assert_eq!(demux.pes.len(), 1);
}
