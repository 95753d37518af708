//! Segments seen from the outside: by a box walker of our own, and by the boxes of another implementation.

mod init;
mod media_segment;
mod walker;

use media::Codec;
use media::codec::{aac, ac3, av1, flac, h264, h265, opus, vp9};
use testkit::{clip, samples};

/// Every codec that fMP4 carries, once or more, by a name for messages.
fn codecs() -> Vec<(&'static str, Codec)> {
    let of = |clip: testkit::Clip| clip.tracks[0].codec.clone();
    vec![
        ("H.264", of(clip().video_only())),
        ("H.264 4:2:2", h264(include_bytes!("../../../media/testdata/x264-422-10bit-scaling-lists.avcc"))),
        ("H.265", of(samples::h265())),
        (
            "H.265 layers",
            h265(include_bytes!("../../../media/testdata/x265-10bit-layers-scaling-lists.hvcc")),
        ),
        ("AV1", Codec::Av1(av1::Config::decode(AV1C).expect("av1C"))),
        ("VP9", Codec::Vp9(vp9::Config::decode(VPCC).expect("vpcC").with_size(66, 50))),
        ("AAC", of(clip().audio_only())),
        ("HE-AAC v2", aac(&[0xeb, 0x09, 0x88, 0x00])),
        ("AAC 96 kHz", aac(&[0x10, 0x10])),
        ("MP3", of(samples::mp3())),
        ("MP2", of(samples::mp2())),
        ("AC-3", of(samples::ac3())),
        ("AC-3 5.1", ac3(include_bytes!("../../../media/testdata/ffmpeg-ac3-51-head.frame"))),
        ("E-AC-3", of(samples::eac3())),
        ("E-AC-3 5.1", ac3(include_bytes!("../../../media/testdata/ffmpeg-eac3-51-head.frame"))),
        ("Opus", of(samples::opus())),
        ("Opus surround", opus(SURROUND)),
        ("FLAC", Codec::Flac(flac::Config::decode(STREAMINFO).expect("STREAMINFO"))),
    ]
}

const AV1C: &[u8] = include_bytes!("../../../media/testdata/aom-10bit.av1c");
const VPCC: &[u8] = include_bytes!("../../../media/testdata/vpx.vpcc");
const STREAMINFO: &[u8] = include_bytes!("../../../media/testdata/ffmpeg-96k.flac-streaminfo");
const SURROUND: &[u8] = b"OpusHead\x01\x06\x38\x01\x44\xac\0\0\xfe\xff\x01\x04\x02\0\x04\x01\x02\x03\x05";

fn h264(avcc: &[u8]) -> Codec {
    Codec::H264(h264::Config::decode(avcc).expect("avcC"))
}

fn h265(hvcc: &[u8]) -> Codec {
    Codec::H265(h265::Config::decode(hvcc).expect("hvcC"))
}

fn aac(asc: &[u8]) -> Codec {
    Codec::Aac(aac::Config::decode(asc).expect("AudioSpecificConfig"))
}

fn ac3(frame: &[u8]) -> Codec {
    Codec::Ac3(ac3::Config::decode(frame).expect("syncframe"))
}

fn opus(head: &[u8]) -> Codec {
    Codec::Opus(opus::Config::decode(head).expect("OpusHead"))
}
