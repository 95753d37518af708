//! Initialization segments.

use media::{Codec, Kind};
use mp4_atom::{Any, Codec as Entry, Decode, Ftyp, Moov};
use rillcast_fmp4::{init_segment, timescale};

use crate::walker::{Node, u16_at, u32_at, walk};
use crate::{SURROUND, aac, codecs, opus};

/// `ftyp` and `moov` as another implementation reads them; it refuses bytes that it has no field for.
fn read(codec: &Codec) -> (Ftyp, Moov) {
    let bytes = init_segment(codec, timescale(codec), "und").expect("carried");
    let mut rest = &bytes[..];
    let Ok(Any::Ftyp(ftyp)) = Any::decode(&mut rest) else { panic!("ftyp") };
    let moov = Moov::decode(&mut rest).expect("moov");
    assert!(rest.is_empty());
    (ftyp, moov)
}

fn entry(codec: &Codec) -> Entry {
    let (_, moov) = read(codec);
    let [track] = &moov.trak[..] else { panic!("one track") };
    let [entry] = &track.mdia.minf.stbl.stsd.codecs[..] else { panic!("one entry") };
    entry.clone()
}

/// The codec named so.
fn named(name: &str) -> Codec {
    codecs().into_iter().find(|(other, _)| *other == name).expect("a name of the list").1
}

/// The payload of the configuration box.
fn config_box(name: &str) -> Vec<u8> {
    let bytes = init_segment(&named(name), 1000, "und").expect("carried");
    let entry = walk(&bytes)[1].find("trak/mdia/minf/stbl/stsd").children()[0];
    entry.children()[0].body.to_vec()
}

#[test]
fn every_codec_has_the_same_frame() {
    for (name, codec) in codecs() {
        let bytes = init_segment(&codec, 12_345, "deu").expect("carried");
        let boxes = walk(&bytes);
        assert_eq!(boxes.len(), 2, "{name}");
        let (ftyp, moov) = (boxes[0], boxes[1]);
        let brands: Vec<_> = ftyp.body.chunks(4).collect();
        assert_eq!(brands[..4], [b"iso6", &[0; 4], b"iso6", b"cmfc"], "{name}");
        assert_eq!(brands[4..], if name == "AV1" { vec![b"av01"] } else { vec![] });

        let header = if codec.kind() == Kind::Video { "vmhd" } else { "smhd" };
        let entry = moov.find("trak/mdia/minf/stbl/stsd").children()[0].outline();
        let tables = format!("stbl(stsd({entry}) stts stsc stsz stco)");
        let minf = format!("minf({header} dinf(dref(url)) {tables})");
        let outline = format!("moov(mvhd trak(tkhd mdia(mdhd hdlr {minf})) mvex(trex))");
        assert_eq!(moov.outline(), outline, "{name}");
        check_headers(moov, &codec);
    }
}

fn check_headers(moov: Node<'_>, codec: &Codec) {
    let at = |path: &str, at| u32_at(moov.find(path).body, at);
    assert_eq!([at("mvhd", 12), at("mvhd", 16)], [12_345, 0]);
    assert_eq!(moov.find("trak/tkhd").version_flags(), (0, 7));
    assert_eq!([at("trak/tkhd", 12), at("mvex/trex", 4), at("mvex/trex", 8)], [1, 1, 1]);
    let size = codec.video().map_or((0, 0), |video| (video.width << 16, video.height << 16));
    assert_eq!((at("trak/tkhd", 76), at("trak/tkhd", 80)), size);
    assert_eq!([at("trak/mdia/mdhd", 12), at("trak/mdia/mdhd", 16)], [12_345, 0]);
    assert_eq!(u16_at(moov.find("trak/mdia/mdhd").body, 20), 0x10b5);
    let handler = if codec.kind() == Kind::Video { b"vide" } else { b"soun" };
    assert_eq!(moov.find("trak/mdia/hdlr").body[8..12], *handler);
    assert_eq!(moov.find("trak/mdia/minf/dinf/dref/url ").version_flags(), (0, 1));
    if codec.kind() == Kind::Video {
        assert_eq!(moov.find("trak/mdia/minf/vmhd").version_flags(), (0, 1));
    }
}

#[test]
fn another_implementation_reads_them() {
    for (name, codec) in codecs() {
        let (ftyp, moov) = read(&codec);
        assert_eq!(ftyp.minor_version, 0, "{name}");
        let track = &moov.trak[0];
        assert_eq!(track.mdia.mdhd.timescale, timescale(&codec), "{name}");
        assert_eq!(track.mdia.mdhd.language, "und", "{name}");
        assert_eq!((track.tkhd.enabled, track.edts.is_none()), (true, true), "{name}");
        let trex = &moov.mvex.expect("mvex").trex[0];
        assert_eq!(
            (trex.track_id, trex.default_sample_description_index),
            (track.tkhd.track_id, 1),
            "{name}"
        );
    }
}

#[test]
fn video_entries_have_the_record_and_the_size() {
    let video = |codec: &Codec| codec.video().map(|video| (video.width, video.height));
    let of = |visual: &mp4_atom::Visual| Some((u32::from(visual.width), u32::from(visual.height)));

    let codec = named("H.264");
    let (Entry::Avc1(avc1), Codec::H264(config)) = (entry(&codec), &codec) else { panic!("avc1") };
    assert_eq!(of(&avc1.visual), video(&codec));
    assert_eq!(avc1.avcc.sequence_parameter_sets, config.sps());
    assert_eq!(avc1.avcc.length_size, 4);
    assert_eq!(
        config_box("H.264 4:2:2"),
        *include_bytes!("../../../media/testdata/x264-422-10bit-scaling-lists.avcc")
    );

    let codec = named("H.265 layers");
    let (Entry::Hvc1(hvc1), Codec::H265(config)) = (entry(&codec), &codec) else { panic!("hvc1") };
    assert_eq!(of(&hvc1.visual), video(&codec));
    let sets: Vec<_> =
        hvc1.hvcc.arrays.iter().filter(|array| (32..=34).contains(&array.nal_unit_type)).collect();
    assert_eq!(sets.len(), 3);
    assert!(sets.iter().all(|array| array.completeness));
    assert_eq!(sets[1].nalus, config.sps());

    let codec = named("AV1");
    let Entry::Av01(av01) = entry(&codec) else { panic!("av01") };
    assert_eq!(of(&av01.visual), video(&codec));
    assert_eq!(config_box("AV1"), crate::AV1C);

    let codec = named("VP9");
    let Entry::Vp09(vp09) = entry(&codec) else { panic!("vp09") };
    assert_eq!(of(&vp09.visual), Some((66, 50)));
    assert_eq!(config_box("VP9"), crate::VPCC);
}

#[test]
fn audio_entries_have_rate_and_channels() {
    let of = |audio: &mp4_atom::Audio| (audio.channel_count, audio.sample_size, audio.sample_rate.integer());
    let Entry::Mp4a(mp4a) = entry(&named("AAC")) else { panic!("mp4a") };
    assert_eq!(of(&mp4a.audio), (1, 16, 48_000));
    let Entry::Mp4a(mp4a) = entry(&named("AAC 96 kHz")) else { panic!("mp4a") };
    assert_eq!(of(&mp4a.audio), (2, 16, 48_000));
    let Entry::Flac(flac) = entry(&named("FLAC")) else { panic!("fLaC") };
    assert_eq!(of(&flac.audio), (1, 24, 48_000));
    assert_eq!(config_box("FLAC"), [&[0, 0, 0, 0, 0x80], &crate::STREAMINFO[1..]].concat());
    let Entry::Ac3(ac3) = entry(&named("AC-3 5.1")) else { panic!("ac-3") };
    assert_eq!(of(&ac3.audio), (6, 16, 48_000));
    assert_eq!((ac3.dac3.acmod, ac3.dac3.lfeon, ac3.dac3.bit_rate_code), (7, true, 15));
    let Entry::Eac3(eac3) = entry(&named("E-AC-3")) else { panic!("ec-3") };
    assert_eq!((of(&eac3.audio), eac3.dec3.substreams.len()), ((1, 16, 48_000), 1));
    assert_eq!((eac3.dec3.data_rate, eac3.dec3.substreams[0].acmod), (32, 1));
}

#[test]
fn mpeg_descriptors_have_the_whole_configuration() {
    for asc in [&[0x11, 0x90][..], &[0xeb, 0x09, 0x88, 0x00], &[0x13, 0x08, 0x56, 0xe5, 0x9d, 0x48, 0x80]] {
        let codec = aac(asc);
        let bytes = init_segment(&codec, 48_000, "und").expect("carried");
        let esds = walk(&bytes)[1].find("trak/mdia/minf/stbl/stsd/mp4a/esds").body;
        assert!(esds.windows(asc.len()).any(|window| window == asc), "{asc:x?}");
        let Entry::Mp4a(mp4a) = entry(&codec) else { panic!("mp4a") };
        let config = &mp4a.esds.es_desc.dec_config;
        assert_eq!((config.object_type_indication, config.stream_type), (0x40, 5));
        assert!(config.dec_specific.is_some());
    }
    let esds = config_box("MP3");
    // ES descriptor, its identifier and flags, then the decoder configuration without more behind it.
    assert_eq!(esds[4..19], *b"\x03\x80\x80\x80\x1b\0\0\0\x04\x80\x80\x80\x0d\x6b\x15");
    assert_eq!(esds[30..], *b"\x06\x80\x80\x80\x01\x02");
}

#[test]
fn opus_has_its_header_in_the_other_byte_order() {
    let Entry::Opus(entry) = entry(&opus(SURROUND)) else { panic!("Opus") };
    assert_eq!((entry.audio.channel_count, entry.audio.sample_rate.integer()), (6, 48_000));
    let dops = entry.dops;
    assert_eq!((dops.output_channel_count, dops.pre_skip, dops.input_sample_rate), (6, 312, 44_100));
    assert_eq!(dops.output_gain, -2);
    let mapping = dops.channel_mapping.expect("a mapping");
    assert_eq!((mapping.family, mapping.stream_count, mapping.coupled_count), (1, 4, 2));
    assert_eq!(mapping.channel_mapping, [0, 4, 1, 2, 3, 5]);
}
