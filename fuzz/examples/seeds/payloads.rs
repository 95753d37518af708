//! Payloads of RTP: what our packetizers make of the samples, and forms that others have.

use media::{Codec, Kind};
use rtp::Packetizer;
use testkit::{Clip, clip, samples};

use crate::{Result, Seeds, block, file};

/// A packet in the form of the target.
fn packet(flags: u8, payload: &[u8]) -> Vec<u8> {
    [&[flags], &block(payload)[..]].concat()
}

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    let clips = [
        ("h264", 0, clip().only(Kind::Video)),
        ("h265", 1, samples::h265()),
        ("aac", 4, clip().only(Kind::Audio)),
        ("opus", 8, samples::opus()),
        ("mp3", 12, samples::mp3()),
        ("ac3", 13, samples::ac3()),
        ("eac3", 14, samples::eac3()),
    ];
    for (name, format, clip) in clips {
        for (form, max_payload, lost) in
            [("whole", 1200, usize::MAX), ("fragments", 110, usize::MAX), ("lost", 110, 3)]
        {
            let packets = packets(&clip, max_payload, lost);
            seeds.add("rtp_payloads", &format!("{name} {form}"), &[&[format], &block(&[]), &packets])?;
        }
    }
    let av1 = [file("media/testdata/aom-10bit-key.tu")?, file("media/testdata/aom-10bit-inter.tu")?];
    let codec = Codec::Av1(media::codec::av1::Config::decode(&file("media/testdata/aom-10bit.av1c")?)?);
    for max_payload in [1200, 60] {
        let mut out = Vec::new();
        let mut packetizer = Packetizer::new(&codec, max_payload)?;
        for (index, unit) in av1.iter().enumerate() {
            let mut first = 4;
            packetizer.pack(unit, index == 0, &mut |payload| {
                out.extend(packet(first | u8::from(payload.marker), &payload.parts.concat()));
                first = 0;
            });
        }
        seeds.add("rtp_payloads", &format!("av1 {max_payload}"), &[&[3], &block(&[]), &out])?;
    }
    let sets = "packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aOvjyyLA; profile-level-id=64001E";
    for (name, format, fmtp, packets) in others(sets) {
        let packets: Vec<_> = packets.iter().flat_map(|&(flags, payload)| packet(flags, payload)).collect();
        seeds.add("rtp_payloads", name, &[&[format], &block(fmtp.as_bytes()), &packets])?;
    }
    Ok(())
}

type Other<'a> = (&'a str, u8, &'a str, Vec<(u8, &'a [u8])>);

/// Forms that ours do not have.
fn others(sets: &str) -> Vec<Other<'_>> {
    vec![
        (
            "h264 stap b",
            0,
            sets,
            vec![(1, b"\x39\0\x01\0\x02\x65\x88\0\x02\x65\x40"), (5, b"\x3a\0\x01\0\x02\x65\x88")],
        ),
        (
            "h264 fu b",
            0,
            sets,
            vec![(0, b"\x7d\x85\0\x01\x88\x80"), (1, b"\x7c\x45\x11\x22"), (5, b"\x7c\x05\x11\x22")],
        ),
        (
            "h264 start codes",
            0,
            sets,
            vec![(1, b"\0\0\0\x01\x09\xf0\0\0\0\x01\x65\x88\x80"), (1, b"\x41\x40"), (5, b"\x1f")],
        ),
        ("h264 interleaved", 0, "packetization-mode=2", vec![]),
        (
            "h265 donl",
            2,
            "",
            vec![
                (0, b"\x60\x01\0\x01\0\x03\x40\x01\x0c\x01\0\x03\x42\x01\x01"),
                (1, b"\x62\x01\x93\0\x02\x80"),
                (5, b"\x26\x01\0\x03\xaf"),
                (5, b"\x64\x01\0"),
            ],
        ),
        ("aac lbr", 5, "", vec![(1, b"\0\x10\x0c\x08ABCDE"), (5, b"\0\x08\x08AB")]),
        ("aac fields", 6, "", vec![(1, b"\0\x1a\0\x10\x20\0\x07\x10AB"), (5, b"\0\x19\0\x18\x40\0\x00ABC")]),
        ("aac constant", 7, "", vec![(1, &[7; 120])]),
        ("aac interleaved", 4, "", vec![(1, b"\0\x20\0\x10\0\x11ABCD")]),
        ("multiopus", 9, "", vec![(0, b"\xfc\xff\xfe")]),
        ("g711", 10, "", vec![(0, &[0xff; 80]), (6, &[0xd5; 80])]),
        ("g711 stereo", 11, "", vec![(0, &[0xd5; 80]), (12, &[0; 82])]),
        ("unknown", 15, "", vec![]),
        (
            "latm",
            16,
            "",
            vec![
                (1, b"\x02\x11\x90\x01\x21"),
                (4, b"\x07\x01\x02"),
                (1, b"\x03\x04\x05\x06\x07"),
                (7, b"\x01\x07"),
            ],
        ),
        ("latm gstreamer", 16, "cpresent=0;config=40002320adca00;object=2", vec![(1, b"\x02\x11\x90")]),
        (
            "latm several",
            16,
            "cpresent=0;config=41002320",
            vec![(1, b"\x02\x08\x09\x01\x07"), (5, b"\x01\x07\0\0\x01\x06")],
        ),
        ("latm layers", 16, "cpresent=0;config=400224103fc0", vec![]),
        ("latm version 1", 17, "", vec![(5, b"\x47\xfc\x00\x00\x80\x8c\x80\xff\x80\x7a\x50\x22\x11\x7a")]),
        ("latm other data", 17, "", vec![(5, b"\x20\x00\x13\x10\x56\xe5\x98\xff\xc0\x00\x60\x22\x11\x7a")]),
        (
            "latm in band",
            17,
            "",
            vec![
                (5, b"\x20\0\x11\x90\x1f\xe0\x12\xad\x50"),
                (5, b"\x81\xaa\xbb\x3c\x80"),
                (5, b"\x20\x08\0\0\0\0"),
            ],
        ),
    ]
}

/// The packets of a clip's first frames; each `lost` counts down to one that is missing.
fn packets(clip: &Clip, max_payload: usize, lost: usize) -> Vec<u8> {
    let (mut out, mut gap, mut count) = (Vec::new(), 0, 0);
    let Ok(mut packetizer) = Packetizer::new(&clip.tracks[0].codec, max_payload) else { return out };
    for frame in clip.frames.iter().take(8) {
        let mut first = 4;
        packetizer.pack(&frame.data, frame.key, &mut |payload| {
            count += 1;
            if count % lost == 0 {
                gap = 2;
            } else {
                out.extend(packet(first | gap | u8::from(payload.marker), &payload.parts.concat()));
                gap = 0;
            }
            first = 0;
        });
    }
    out
}
