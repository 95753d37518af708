//! Descriptions that a publisher announces.

use rtsp::Limits;
use rtsp::sdp::{Description, Kind};

use crate::input::Input;

/// The first byte chooses the limit, the rest is the description.
///
/// - What is read is bounded by the limit, and by what there is.
/// - What is read and written again is read as the same, as far as one line can hold it.
pub fn sdp(data: &[u8]) {
    let mut input = Input::new(data);
    let tracks = if input.byte() & 1 == 0 { Limits::default().tracks } else { 1 };
    let limits = Limits { tracks, ..Limits::default() };
    let bytes = input.rest();
    let found = match Description::decode(bytes, &limits) {
        Ok(found) => found,
        Err(error) => {
            assert!(error.status().is_some_and(|status| status.is_error()), "{error}");
            return;
        }
    };
    assert!(!found.media.is_empty() && found.media.len() <= tracks);
    for media in &found.media {
        assert!(media.formats.len() <= 128);
        assert!(media.formats.iter().all(|format| format.payload_type < 128));
        assert!(!matches!(&media.kind, Kind::Other(name) if name == "audio" || name == "video"));
    }
    let text = found.render(7);
    let again = Description::decode(text.as_bytes(), &limits).expect("what we wrote");
    assert_eq!(again.render(7), text);
    let facts = |description: &Description| -> Vec<_> {
        let media = description.media.iter().flat_map(|media| &media.formats);
        media.map(|format| (format.payload_type, format.clock_rate, format.channels)).collect()
    };
    assert_eq!(facts(&again), facts(&found));
}
