//! The multiplexer seen from the outside, by a demultiplexer of its own.

mod back;
mod captures;
mod codecs;
mod continuity;
mod demux;
mod timing;

use bytes::BytesMut;
use media::Timestamp;
use rillcast_mpegts::Mux;
use testkit::Clip;

/// The whole clip as a stream whose base is hub time zero.
fn mux(clip: &Clip) -> BytesMut {
    let mut mux = Mux::new(Timestamp::ZERO);
    assert_eq!(mux.set_tracks(&clip.tracks), []);
    let mut out = BytesMut::new();
    clip.frames.iter().for_each(|frame| mux.frame(frame, &mut out));
    assert_eq!(mux.dropped(), 0);
    out
}
