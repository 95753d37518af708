//! The media of one publication: from the carrier's ring, from a key frame on, as the peer takes them.

use std::sync::Arc;
use std::time::Duration;

use fanout::How;
use hub::Read;
use media::{Codec, Track};
use packager::rtmp::Chunk;
use rtmp::chunk::Route;
use rtmp::flv::mux::{self, Caps};

use super::reason::{Fault, Reason};
use crate::output::apart::{Outbox, Reader};
use crate::output::carrier::Reading;
use crate::output::rtmp::form::{Form, To};

/// What an accepted publication is fed from.
pub(super) struct Feed {
    form: Form,
    caps: Caps,
    reader: Reader<Chunk>,
    /// Places to start at up to the newest frame that was taken.
    starts: u64,
    /// Takes no more frames; the next one would be a key frame.
    stopped: bool,
    /// When media was there last, or the publication began.
    pub(super) last_media: Duration,
    /// GOPs that the peer did not get whole.
    pub(super) skipped: u64,
    /// Tracks that the peer does not get, as sentences.
    pub(super) warnings: Vec<String>,
}

impl Feed {
    /// None: there is no carrier any more.
    pub(super) fn new(
        reading: &Arc<Reading<Chunk>>,
        route: Route,
        caps: Caps,
        merge_window: Duration,
        now: Duration,
    ) -> Option<Self> {
        Some(Self {
            form: Form::new(route, caps, To::Server),
            caps,
            reader: Reader::new(reading.ring(), merge_window)?,
            starts: 0,
            stopped: false,
            last_media: now,
            skipped: 0,
            warnings: Vec::new(),
        })
    }

    /// How the peer gets frames.
    pub(super) fn form(&self) -> &Form {
        &self.form
    }

    /// The same, and where frames are read from, unless no more are to be taken. [`Feed::take`] takes what was read.
    pub(super) fn split(&mut self) -> (&Form, Option<&mut Reader<Chunk>>) {
        (&self.form, (!self.stopped).then_some(&mut self.reader))
    }

    /// Puts what was read into the outbox; up to the next key frame only, where the peer wants us elsewhere.
    pub(super) fn take(
        &mut self,
        now: Duration,
        read: Read,
        moving: bool,
        outbox: &mut Outbox<Chunk>,
    ) -> Result<(), Fault> {
        self.last_media = now;
        for (chunk, how) in self.reader.take(read) {
            if moving && chunk.start && how != How::First {
                self.stopped = true;
                break;
            }
            if how == How::Skipped {
                // From the one under way to the one that it goes on with; a carrier that was begun anew counts anew.
                self.skipped += chunk.starts.saturating_sub(self.starts).max(1);
            }
            if how != How::Follows || chunk.join {
                self.warnings = left_out(&chunk.context.tracks, self.caps)?;
            }
            self.starts = chunk.starts;
            outbox.send(chunk, how);
        }
        Ok(())
    }

    /// Whether anything was taken.
    pub(super) fn has_started(&self) -> bool {
        self.reader.has_started()
    }

    /// Whether it stopped before a key frame.
    pub(super) fn has_stopped(&self) -> bool {
        self.stopped
    }
}

/// What a peer does not get of these tracks for want of a codec, as sentences. Fails if that is all that RTMP can carry.
fn left_out(tracks: &[Track], caps: Caps) -> Result<Vec<String>, Fault> {
    let refused = |codec: &Codec| match mux::carries(codec, Caps::ALL) {
        // What RTMP cannot carry at all the stream says of itself.
        Err(_) => None,
        Ok(()) => Some(mux::carries(codec, caps).err()),
    };
    let verdicts: Vec<_> = tracks.iter().filter_map(|track| Some((track, refused(&track.codec)?))).collect();
    let sentence = |(track, why): &(&Track, Option<mux::Reason>)| {
        let why = why.as_ref()?;
        Some(format!("{} is left out: the server does not announce that it takes it: {why}", track.id))
    };
    let sentences: Vec<String> = verdicts.iter().filter_map(sentence).collect();
    if verdicts.is_empty() || sentences.len() < verdicts.len() {
        return Ok(sentences);
    }
    Err(Fault::new(Reason::Codec, format!("the server can take nothing of it: {}", sentences.join("; "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_does_not_announce_is_left_out_and_named_and_nothing_at_all_is_a_fault() {
        use testkit::samples::{h265, mp2, mp3, opus};
        let [hevc, opus, mp3, mp2] = [h265(), opus(), mp3(), mp2()].map(|clip| clip.tracks[0].clone());
        let both = [hevc.clone(), mp3];
        assert_eq!(left_out(&both, Caps::ALL), Ok(vec![]));
        let told = left_out(&both, Caps::LEGACY).expect("sound");
        assert!(told.len() == 1 && told[0].starts_with("track 0 is left out: "), "{told:?}");
        let fault = left_out(&[hevc, opus], Caps::LEGACY).expect_err("neither");
        assert_eq!(fault.reason, Reason::Codec);
        assert!(fault.message.contains("track 0") && fault.message.contains("hvc1"), "{fault}");
        assert_eq!(
            left_out(&[mp2], Caps::LEGACY),
            Ok(vec![]),
            "RTMP cannot carry it: that is said of the stream"
        );
    }
}
