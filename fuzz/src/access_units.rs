//! Access units: random access, configurations inside the stream, and NAL units.

use std::borrow::Cow;

use bytes::Bytes;
use media::codec::{av1, h264, h265, opus, vp9};
use media::{Codec, Error, nal};

use crate::codec_configs;
use crate::input::Input;

/// A configuration for each codec that may change in the stream.
fn start(choice: u8) -> Result<Codec, Error> {
    const AVCC: &[u8] = include_bytes!("../../crates/media/testdata/x264-1080p.avcc");
    const HVCC: &[u8] = include_bytes!("../../crates/media/testdata/x265-1080p.hvcc");
    const AV1C: &[u8] = include_bytes!("../../crates/media/testdata/aom-10bit.av1c");
    const VPCC: &[u8] = include_bytes!("../../crates/media/testdata/vpx.vpcc");
    Ok(match choice % 4 {
        0 => Codec::H264(h264::Config::decode(AVCC)?),
        1 => Codec::H265(h265::Config::decode(HVCC)?),
        2 => Codec::Av1(av1::Config::decode(AV1C)?),
        _ => Codec::Vp9(vp9::Config::decode(VPCC)?),
    })
}

/// The first byte chooses a codec; then come access units, each behind a length of 16 bits.
///
/// - An update is made once, gives a sound configuration, and holds no more parameter sets than a record can.
/// - Units, escapes, lengths and samples of fMP4 are what they are said to be, whichever way they are read.
pub fn access_units(data: &[u8]) {
    let mut input = Input::new(data);
    let choice = input.byte();
    let mut codec = start(choice).expect("a record of an encoder");
    while !input.is_empty() {
        let unit = input.block();
        if let Some(updated) = codec.update(unit) {
            assert_ne!(updated, codec);
            assert_eq!(updated.update(unit), None, "an update is made once");
            codec_configs::check(&updated);
            codec = updated;
        }
        if let Codec::H264(config) = &codec {
            assert!(config.sps().len() <= 31 && config.pps().len() <= 255);
        }
        let key = codec.is_random_access(unit);
        details(&codec, unit, key);
        nal_units(unit, choice);
        sample(&codec, unit);
    }
}

/// The payload in fMP4 shares the bytes; of NAL units it is whole ones.
fn sample(codec: &Codec, unit: &[u8]) {
    let (unit, mut parts) = (Bytes::copy_from_slice(unit), Vec::new());
    let len = fmp4::payload(codec, &unit, &mut parts);
    let all = Bytes::from(parts.concat());
    assert_eq!(all.len(), len);
    if matches!(codec, Codec::H264(_) | Codec::H265(_)) {
        assert_eq!(nal::relength(all.clone(), 4), Ok(all));
    } else {
        assert_eq!(all, unit);
    }
}

fn details(codec: &Codec, unit: &[u8], key: bool) {
    match codec {
        Codec::H264(_) => {
            let _ = (h264::has_aud(unit), h264::has_parameter_sets(unit));
        }
        Codec::H265(_) => {
            let _ = (h265::has_aud(unit), h265::has_parameter_sets(unit));
        }
        Codec::Av1(_) => {
            let whole = Bytes::copy_from_slice(unit);
            let rest = av1::without_temporal_delimiter(whole);
            assert!(unit.ends_with(&rest));
            assert_eq!(av1::is_random_access(&rest), key, "the delimiter says nothing");
        }
        _ => assert!(vp9::frame_size(unit).is_none_or(|size| key && size.0 > 0 && size.1 > 0)),
    }
    assert!(opus::samples(unit).is_none_or(|samples| (1..=5760).contains(&samples)));
}

fn nal_units(data: &[u8], choice: u8) {
    let size = [1, 2, 3, 4][usize::from(choice >> 2 & 3)];
    if let Ok(relengthed) = nal::relength(Bytes::copy_from_slice(data), size) {
        assert_ne!(size, 3);
        let units: Vec<_> = nal::units(&relengthed).collect();
        assert_eq!(nal::join(units.iter().copied()), relengthed, "all of it is units");
        assert_eq!(nal::relength(relengthed.clone(), 4).as_ref(), Ok(&relengthed));
    }
    let mut count = 0;
    for unit in nal::annex_b(data) {
        count += unit.len() + 3;
        assert!(!unit.is_empty() && unit.last() != Some(&0));
        assert!(!unit.windows(3).any(|bytes| bytes == [0, 0, 1]), "a start code ends a unit");
    }
    assert!(count <= data.len());
    let escapes = data.windows(3).filter(|bytes| *bytes == [0, 0, 3]).count();
    let payload = nal::unescape(data);
    assert_eq!(payload.len() + escapes, data.len());
    assert_eq!(matches!(payload, Cow::Borrowed(_)), escapes == 0);
}
