//! Session descriptions as they are written, and as others write them.

use media::codec::{aac, av1, g711, h264, h265, mpa, opaque, opus};
use media::{Codec, Kind};
use rillcast_rtp::{Depacketizer, Format, Media, Unsupported};
use testkit::{clip, samples};

fn format(rtpmap: &str, fmtp: &str) -> Format {
    Format::of_rtpmap(96, rtpmap, fmtp).expect("an rtpmap")
}

fn aac(asc: &[u8]) -> Codec {
    Codec::Aac(aac::Config::decode(asc).expect("AudioSpecificConfig"))
}

fn h264() -> h264::Config {
    h264::Config::decode(include_bytes!("../../../media/testdata/x264-1080p.avcc")).expect("avcC")
}

/// What is written of a codec: payload type, rtpmap and fmtp.
fn written(codec: &Codec) -> (u8, String, String) {
    let format = Format::of(codec, 97).expect("a format");
    (format.payload_type, format.rtpmap(), format.fmtp)
}

#[test]
fn pictures_bring_their_parameter_sets() {
    let codec = Codec::H264(h264());
    let (payload_type, rtpmap, fmtp) = written(&codec);
    assert_eq!((payload_type, rtpmap.as_str()), (97, "H264/90000"));
    assert_eq!(
        fmtp,
        "packetization-mode=1;profile-level-id=42c028;\
         sprop-parameter-sets=Z0LAKNoB4AiflwEQAAADABAAAAMDIPGDKg==,aM4PyA=="
    );
    assert_eq!(format(&rtpmap, &fmtp).codec().unwrap().video(), codec.video());
    let codec = samples::h265().tracks[0].codec.clone();
    let (_, rtpmap, fmtp) = written(&codec);
    assert_eq!(rtpmap, "H265/90000");
    assert!(
        fmtp.starts_with("sprop-vps=QAEM")
            && fmtp.contains(";sprop-sps=QgEB")
            && fmtp.contains(";sprop-pps=")
    );
    assert_eq!(format(&rtpmap, &fmtp).codec(), Some(codec));
    let av1 = av1::Config::decode(&[0x81, 0x2d, 0xcc, 0]).unwrap();
    let expected = (97, "AV1/90000".to_owned(), "profile=1;level-idx=13;tier=1".to_owned());
    assert_eq!(written(&Codec::Av1(av1)), expected);
}

#[test]
fn sound_is_described_as_players_know_it() {
    let config =
        "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=";
    for (asc, rtpmap, hex) in [
        (&[0x11, 0x90][..], "MPEG4-GENERIC/48000/2", "1190"),
        // HE-AAC of 24 kHz that is heard at 48 kHz, and HE-AAC v2 of one channel that is heard as two.
        (&[0x2b, 0x11, 0x88, 0x00], "MPEG4-GENERIC/48000/2", "2b118800"),
        (&[0xeb, 0x09, 0x88, 0x00], "MPEG4-GENERIC/48000/2", "eb098800"),
    ] {
        let codec = aac(asc);
        assert_eq!(written(&codec), (97, rtpmap.to_owned(), format!("{config}{hex}")));
        assert_eq!(Format::of(&codec, 97).unwrap().codec(), Some(codec));
    }
    let opus = |head: &[u8]| Codec::Opus(opus::Config::decode(head).unwrap());
    let text = |codec: &Codec| {
        let (payload_type, rtpmap, fmtp) = written(codec);
        format!("{payload_type} {rtpmap} {fmtp}")
    };
    assert_eq!(text(&opus(b"OpusHead\x01\x01\x38\x01\x80\xbb\0\0\0\0\0")), "97 opus/48000/2 sprop-stereo=0");
    assert_eq!(text(&opus(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0")), "97 opus/48000/2 sprop-stereo=1");
    let surround = opus(b"OpusHead\x01\x06\0\0\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05");
    let fmtp = "channel_mapping=0,4,1,2,3,5;num_streams=4;coupled_streams=2";
    assert_eq!(text(&surround), format!("97 multiopus/48000/6 {fmtp}"));
    assert_eq!(format("MULTIOPUS/48000/6", fmtp).codec(), Some(surround));
    let g711 = |law, rate, channels| Codec::G711(g711::Config::new(law, rate, channels).unwrap());
    assert_eq!(text(&g711(g711::Law::Mu, 8000, 1)), "0 PCMU/8000 ");
    assert_eq!(text(&g711(g711::Law::A, 8000, 1)), "8 PCMA/8000 ");
    assert_eq!(text(&g711(g711::Law::A, 16_000, 2)), "97 PCMA/16000/2 ");
    assert_eq!(text(&Codec::Mpa(mpa::Config::decode(&[0xff, 0xfb, 0x90, 0x64]).unwrap())), "14 MPA/90000 ");
    assert_eq!(text(&samples::ac3().tracks[0].codec), "97 ac3/48000/1 ");
    assert_eq!(text(&samples::eac3().tracks[0].codec), "97 eac3/48000/1 ");
}

#[test]
fn what_has_no_format_has_a_reason() {
    let opaque = Codec::Opaque(opaque::Config { stream_type: 2, descriptors: Default::default() });
    assert_eq!(Format::of(&opaque, 96).unwrap_err().to_string(), "RTP has no form for MPEG-2 video");
    let avcc = h264();
    let head = avcc.record()[..8 + avcc.sps()[0].len()].to_vec();
    let bare = Codec::H264(h264::Config::decode(&[&head[..], &[0]].concat()).unwrap());
    assert_eq!(Format::of(&bare, 96), Err(Unsupported::Incomplete { codec: "H.264" }));
    for (rtpmap, fmtp, reason) in [
        ("VP8/90000", "", "the RTP payload format VP8 is not supported"),
        (
            "H264/90000",
            "packetization-mode=2",
            "the RTP payload format H264 with interleaving is not supported",
        ),
        (
            "mpeg4-generic/48000",
            "mode=AAC-hbr",
            "the RTP payload format mpeg4-generic with no config that is one of AAC is not supported",
        ),
        (
            "MPEG4-GENERIC/48000/2",
            "mode=AAC-hbr;config=1190;maxDisplacement=8",
            "the RTP payload format MPEG4-GENERIC with interleaving is not supported",
        ),
        ("PCMA/8000/9", "", "the RTP payload format PCMA with this number of channels is not supported"),
        (
            "multiopus/48000/6",
            "",
            "the RTP payload format multiopus with no channel mapping is not supported",
        ),
    ] {
        assert_eq!(Depacketizer::new(&format(rtpmap, fmtp)).unwrap_err().to_string(), reason);
    }
}

/// As ffmpeg 5.1, GStreamer 1.22 and cameras write it.
#[test]
fn descriptions_of_others() {
    let codec = |rtpmap, fmtp| format(rtpmap, fmtp).codec();
    for fmtp in [
        "packetization-mode=1; sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aOvjyyLA; profile-level-id=64001E",
        "profile-level-id=64001E;packetization-mode=1;sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY,aOvjyyLA,;",
        "packetization-mode=0;sprop-parameter-sets=aOvjyyLA,Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=",
    ] {
        let video = codec("h264/90000", fmtp).and_then(|codec| codec.video()).expect(fmtp);
        assert_eq!((video.width, video.height), (640, 360));
    }
    assert_eq!(codec("H264/90000", "packetization-mode=1"), None);
    assert_eq!(codec("H265/90000", ""), None);
    let h265 = "sprop-vps=QAEMAf//AWAAAAMAkAAAAwAAAwA/lZgJ; sprop-sps=QgEBAWAAAAMAkAAAAwAAAwA/oAUCAWlllZpJMrwFoCAAAAMAIAAAAwMh; sprop-pps=RAHBcrRiQA==";
    let Some(Codec::H265(config)) = codec("H265/90000", h265) else { panic!("H.265") };
    assert_eq!(h265::Config::decode(config.record()).unwrap().video().width, 640);
    let fmtp =
        "profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3; config=119056E500";
    assert_eq!(codec("mpeg4-generic/48000/2", fmtp).unwrap().audio().unwrap().sample_rate, 48_000);
    let fmtp = "streamtype=5; profile-level-id=2; mode=aac-HBR; config=120856e500; SizeLength=13; IndexLength=3; IndexDeltaLength=3; Profile=1;";
    assert_eq!(codec("MPEG4-GENERIC/44100/1", fmtp).unwrap().audio().unwrap().channels, 1);
    for (fmtp, channels) in [("sprop-stereo=0;sprop-maxcapturerate=48000", 1), ("sprop-stereo=1", 2), ("", 2)]
    {
        assert_eq!(codec("OPUS/48000/2", fmtp).unwrap().audio().unwrap().channels, channels);
    }
    assert_eq!(codec("PCMA/16000/2", "").unwrap().audio().unwrap().sample_rate, 16_000);
    assert_eq!(Format::of_payload_type(0).unwrap().rtpmap(), "PCMU/8000/1");
    assert_eq!(Format::of_payload_type(8).unwrap().codec().unwrap().name(), "G.711");
    assert_eq!(Format::of_payload_type(14).unwrap().rtpmap(), "MPA/90000");
    assert_eq!(Format::of_payload_type(26), None);
    assert_eq!(format("AC3/44100", "").kind(), Some(Kind::Audio));
    assert_eq!((format("AV1/90000", "").kind(), format("VP8/90000", "").kind()), (Some(Kind::Video), None));
    for rtpmap in ["", "H264", "/90000", "H264/0", "H264/x"] {
        assert_eq!(Format::of_rtpmap(96, rtpmap, ""), None, "{rtpmap}");
    }
}

#[test]
fn what_a_description_tells_comes_before_packets() {
    let first = |codec: &Codec| Depacketizer::new(&Format::of(codec, 96).unwrap()).unwrap().poll();
    for codec in
        [clip().audio_only(), clip().video_only(), samples::h265()].map(|clip| clip.tracks[0].codec.clone())
    {
        let Some(Media::Codec(told)) = first(&codec) else { panic!("{}", codec.name()) };
        assert_eq!((told.video(), told.audio()), (codec.video(), codec.audio()));
    }
    assert_eq!(first(&samples::ac3().tracks[0].codec), None);
}
