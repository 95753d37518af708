//! RTP packets and RTCP packets, and scripts for the receiver of them.

use rtp::rtcp::{
    NtpTime, ReportBlock, SenderReport, encode_bye, encode_receiver_report, encode_sender_report,
};

use crate::{Result, Seeds, block};

/// The sender's next packet, so many milliseconds after the one before it.
const NEXT: u8 = 4;
/// One whose number is a little off the next one's, and one that is far off.
const NEAR: u8 = 6;
const FAR: u8 = 7;

pub(crate) fn write(seeds: &mut Seeds) -> Result<()> {
    write_scripts(seeds)?;
    write_reports(seeds)
}

fn write_scripts(seeds: &mut Seeds) -> Result<()> {
    let steady = [NEXT | 0x30, 40, 0x0e, 0x10].repeat(30);
    // An I, a P and two B pictures, the last of them shown before the other.
    let pyramid =
        [[NEXT, 40, 0x38, 0x40], [NEXT, 40, 0xe3, 0xe0], [NEXT, 40, 0xf1, 0xf0], [NEXT, 40, 0x1c, 0x20]];
    let pyramid = pyramid.concat().repeat(8);
    for (name, choice) in [("usual", 0), ("ordered", 1), ("few-packets", 2), ("few-bytes", 3)] {
        let swapped =
            [near(2, 5), near(-1, 5), near(3, 5), near(-1, 1), near(-1, 5), near(2, 90)].concat().repeat(6);
        let parts: [&[u8]; 6] =
            [&[choice], &steady, &swapped, &[NEAR, 200, 9, 0, 0], &steady, &near(-120, 5)];
        seeds.add("rtp_packets", &format!("{name}-order"), &parts)?;
        let hole = [near(50, 5), [NEXT, 5, 0, 0].repeat(12)].concat();
        seeds.add(
            "rtp_packets",
            &format!("{name}-hole"),
            &[&[choice], &steady, &hole, &near(-9, 1).repeat(2)],
        )?;
    }
    for (name, choice) in [("unknown", 0), ("too-small", 4), ("known", 4 | 2 << 3)] {
        seeds.add(
            "rtp_packets",
            &format!("depth-{name}"),
            &[&[choice], &steady, &pyramid, &steady, &pyramid],
        )?;
    }
    let source: &[u8] = &[3, 1, 7];
    seeds.add("rtp_packets", "source", &[&[0], &steady, source, &steady, &[0x83, 8, 0, 9], &steady])?;
    let far = |step: i16| [&[FAR, 9], &step.to_be_bytes()[..], &[0, 0]].concat();
    seeds.add(
        "rtp_packets",
        "jump",
        &[&[0], &steady, &far(20_000), &steady, &far(-500), &steady, &far(-9999)],
    )?;

    let audio = [2, 20, 0, 0, 4, 0];
    let media = [&audio[..], &steady[..16]].concat().repeat(20);
    let both = [report(0, 1 << 40, 9000), report(1, 1 << 40, 2000)].concat();
    seeds.add("rtp_packets", "reports", &[&[0], &both, &media, &both, &media])?;
    seeds.add("rtp_packets", "late-reports", &[&[0], &media, &media, &both, &media])?;
    let (late, later) = (report(1, (1 << 40) + (1 << 31), 2000), report(0, 1 << 41, 9000));
    seeds.add(
        "rtp_packets",
        "disputed",
        &[&[0], &both, &media, &[&late[..], &both].concat().repeat(6), &media, &later],
    )?;
    let jump = [NEXT, 40, 0x7f, 0xff].repeat(60);
    seeds.add("rtp_packets", "clock-jump", &[&[0], &both, &media, &jump, &both, &media])?;

    for (name, packet) in [
        ("plain", &b"\x80\xe0\0\x01\0\0\0\x02\0\0\0\x03data"[..]),
        ("surrounded", b"\xb1\x60\0\x01\0\0\0\x02\0\0\0\x03csrc\xbe\xde\0\x01extndata\0\0\x03"),
        ("long-extension", b"\x90\x60\0\x01\0\0\0\x02\0\0\0\x03\xbe\xde\xff\xff"),
        ("no-padding", b"\xa0\x60\0\x01\0\0\0\x02\0\0\0\x03data\0"),
        ("version", b"\x40\x60\0\x01\0\0\0\x02\0\0\0\x03"),
        ("report", b"\x80\xc8\0\x01\0\0\0\x02\0\0\0\x03"),
    ] {
        seeds.add(
            "rtp_packets",
            &format!("packet-{name}"),
            &[&[0, 0, 1], &block(packet), &[0, 1], &block(packet)],
        )?;
    }
    Ok(())
}

/// A packet so far from the next one, after that time.
fn near(step: i8, wait: u8) -> Vec<u8> {
    vec![NEAR, wait, step as u8, 0, 0]
}

/// A report on one of the two tracks, of the sender with SSRC 0.
fn report(track: u8, ntp: u64, rtp_timestamp: u32) -> Vec<u8> {
    [&[1, 10, track], &ntp.to_be_bytes()[..], &rtp_timestamp.to_be_bytes()].concat()
}

fn write_reports(seeds: &mut Seeds) -> Result<()> {
    let report = SenderReport {
        ssrc: 1,
        ntp: NtpTime(0xe8a1_2345_8000_0000),
        rtp_timestamp: 90_000,
        packets: 9,
        octets: 900,
    };
    let of = ReportBlock {
        ssrc: 2,
        fraction_lost: 3,
        lost: -1,
        highest_sequence: 0x1_0002,
        ..ReportBlock::default()
    };
    let sender = encode_sender_report(&report, &[of], "name");
    let bye = encode_bye(1, "name");
    seeds.add("rtcp", "sender", &[&sender])?;
    seeds.add("rtcp", "receiver", &[&encode_receiver_report(1, &[of; 3], "name")])?;
    seeds.add(
        "rtcp",
        "after-2036",
        &[&encode_sender_report(&SenderReport { ntp: NtpTime(9), ..report }, &[], "")],
    )?;
    seeds.add("rtcp", "bye", &[&bye])?;
    seeds.add("rtcp", "all", &[&sender, &bye, &[0x80, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]])?;
    seeds.add("rtcp", "nonsense-behind", &[&sender, &[0x81, 203, 0, 9]])?;
    seeds.add("rtcp", "many", &[&[0x80, 204, 0, 0].repeat(65)])?;
    seeds.add("rtcp", "short", &[&[0x82, 201, 0, 7], &[0; 28]])?;
    seeds.add("rtcp", "version", &[&[0x40, 200, 0, 0]])
}
