#!/usr/bin/env python3
"""Plays an RTSP stream by hand and judges what comes: SDP, RTP, RTCP, and with a source, the very media.

    rtsp_watch.py URL [--transport tcp|udp] [--seconds 15] [--source FILE [--loop]] [--max-lost SHARE] [--no-wall]

The SDP must have parameter sets, RTP-Info the number and time of the first packet. Of each track: one SSRC, no sequence
number missing (or no more than that share), a marker exactly where a picture ends, sound at even steps. Sender reports
come within a second and then each 6 s at least, and agree with each other to 1 ms. By them the tracks share one clock,
which is the wall clock to within 5 s. With --source the access units must be one run of the file's, and by the sender
reports as well as by RTP-Info each is as far behind the file as all others, of both tracks, to 1 ms. Prints JSON; exit
status 0: all of it was so.
"""

import argparse
import collections
import json
import statistics
import sys
import time

import match
import rtp_units
import rtsp_client
import units
from rtsp_client import BYE, SENDER_REPORT, Sequence, parameter_sets

FIRST_REPORT, LATER_REPORTS = 1.0, 6.0
OWN_REPORTS, KEEP_ALIVE = 5.0, 20.0
OWN_SSRC = 0x5EE5
WALL = 5.0
AGREE_MS = 1.0
PERIODS = {'OPUS': None, 'MPEG4-GENERIC': 1024}


class Watched:
    """What came of one track"""

    def __init__(self, track, why):
        self.track, self.why = track, why
        self.name = '%s %s' % (track.kind, track.encoding)
        self.sequence, self.ssrc, self.packets, self.reports, self.bye = Sequence(), set(), [], [], False
        self.arrivals, self.bytes = [], 0

    def fault(self, text):
        if sum(fault.startswith(self.name) for fault in self.why) < 5:
            self.why.append('%s: %s' % (self.name, text))

    def take(self, data, at):
        packet = rtsp_client.rtp(data)
        if packet is None:
            return self.fault('no RTP packet: %r' % data[:16])
        if packet.type != self.track.type:
            self.fault('payload type %d' % packet.type)
        self.ssrc.add(packet.ssrc)
        number = self.sequence.take(packet.sequence)
        if number is not None:
            self.packets.append((number, packet))
            self.arrivals.append((at, packet.timestamp))
            self.bytes += len(data)

    def take_report(self, data, at):
        try:
            for kind, body, _ in rtsp_client.rtcp(data):
                if kind == SENDER_REPORT:
                    self.reports.append((at, rtsp_client.sender_report(body)))
                self.bye |= kind == BYE
        except (ValueError, rtsp_client.struct.error) as error:
            self.fault('RTCP: %s' % error)

    def answer(self, now):
        """A receiver report, as every player sends them"""
        last, delay = 0, 0
        if self.reports:
            at, report = self.reports[-1]
            ntp = int((report.wall + rtsp_client.UNIX_IN_NTP) * 65536)
            last, delay = ntp & 0xFFFFFFFF, max(0, int((now - at) * 65536))
        ssrc, highest = next(iter(self.ssrc), 0), self.sequence.highest or 0
        lost = max(0, self.sequence.lost())
        return rtsp_client.receiver_report(OWN_SSRC, ssrc, self.sequence.fraction(), lost, highest & 0xFFFFFFFF, last, delay)

    # ---- judged at the end ----

    def seconds_since(self, timestamp, start):
        """From one RTP timestamp to another, which is less than half a round away"""
        return ((timestamp - start + 0x80000000 & 0xFFFFFFFF) - 0x80000000) / self.track.rate

    def wall(self, timestamp):
        """Unix time of an RTP timestamp by the first sender report"""
        _, report = self.reports[0]
        return report.wall + self.seconds_since(timestamp, report.timestamp)

    def judge(self, max_lost, wall_matters):
        self.packets.sort(key=lambda one: one[0])
        report = dict(track=self.name, packets=len(self.packets), lost=self.sequence.lost(), late=self.sequence.late)
        report.update(bytes=self.bytes, sr_count=len(self.reports))
        if not self.packets:
            self.fault('no packet came')
            return report
        if self.sequence.lost() > max_lost * self.sequence.expected():
            self.fault('%d of %d packets are lost' % (self.sequence.lost(), self.sequence.expected()))
        if len(self.ssrc) != 1:
            self.fault('SSRCs %s' % self.ssrc)
        self.judge_order(report)
        self.judge_reports(report, wall_matters, max_lost > 0)
        return report

    def judge_order(self, report):
        steps = collections.Counter()
        for (number, one), (following, other) in zip(self.packets, self.packets[1:]):
            if following != number + 1:
                continue
            step = (other.timestamp - one.timestamp + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            if self.track.kind == 'video':
                if (step != 0) != one.marker:
                    self.fault('packet %d: marker %s, and the timestamp moves by %d' % (number & 0xFFFF, one.marker, step))
            else:
                steps[step] += 1
                if step <= 0:
                    self.fault('packet %d: the timestamp moves by %d' % (following & 0xFFFF, step))
        times = [self.seconds_since(packet.timestamp, self.packets[0][1].timestamp) for _, packet in self.packets]
        report.update(seconds=round(max(times) - min(times), 3), first_arrival=round(self.arrivals[0][0], 3), last_arrival=round(self.arrivals[-1][0], 3))
        if steps:
            report['steps'] = dict(steps.most_common(4))

    def judge_reports(self, report, wall_matters, may_be_lost):
        if not self.reports:
            return self.fault('no sender report')
        begin = self.arrivals[0][0]
        times = [at for at, _ in self.reports]
        report['first_sr_s'] = round(times[0] - begin, 3)
        report['longest_sr_gap_s'] = round(max((b - a for a, b in zip(times, [*times[1:], self.arrivals[-1][0]])), default=0), 3)
        # Where packets are lost, reports are as well.
        first, later = (LATER_REPORTS, 2 * LATER_REPORTS) if may_be_lost else (FIRST_REPORT, LATER_REPORTS)
        if times[0] - begin > first:
            self.fault('the first sender report came after %.1f s' % (times[0] - begin))
        if report['longest_sr_gap_s'] > later:
            self.fault('%.1f s without a sender report' % report['longest_sr_gap_s'])
        apart = [(one.wall - self.wall(one.timestamp)) * 1000 for _, one in self.reports]
        report['sr_apart_ms'] = round(max(map(abs, apart)), 3)
        if report['sr_apart_ms'] > AGREE_MS:
            self.fault('sender reports are %.3f ms from the first' % report['sr_apart_ms'])
        for _, one in self.reports:
            if one.ssrc not in self.ssrc:
                self.fault('a sender report of SSRC %08x' % one.ssrc)
        behind = [at - self.wall(timestamp) for at, timestamp in self.arrivals]
        report['behind_wall_s'] = [round(f(behind), 3) for f in (min, statistics.median, max)]
        if wall_matters and abs(statistics.median(behind)) > WALL:
            self.fault('%.1f s between the wall clock of the reports and arrival' % statistics.median(behind))

    def units(self, time_of):
        """As units.py has them, at the times in ms that `time_of` gives for timestamps"""
        known = rtp_units.of(self.track)
        if not known:
            self.fault('not known here')
            return None
        (kind, depacketizer), found, before = known, [], None
        for number, packet in self.packets:
            for timestamp, key, digest in depacketizer.units(packet, before is not None and number != before + 1):
                found.append(units.Unit(key, time_of(timestamp) * 1000, None, digest))
            before = number
        return kind, units.Track(kind, found, None)


def judge_sdp(sdp, tracks, why):
    lines = sdp.splitlines()
    for wanted in ('v=0', 'o=', 's=', 't='):
        if not any(line.startswith(wanted) for line in lines):
            why.append('the SDP has no %s' % wanted)
    for track in tracks:
        name, fmtp = '%s %s' % (track.kind, track.encoding), track.fmtp
        if not track.control or not track.rate:
            why.append('%s: no control or rtpmap' % name)
        if track.encoding == 'H264':
            sets = [nal[0] & 31 for nal in parameter_sets(fmtp.get('sprop-parameter-sets', ''))]
            if fmtp.get('packetization-mode') != '1' or len(fmtp.get('profile-level-id', '')) != 6 or not {7, 8} <= set(sets):
                why.append('%s: fmtp %s' % (name, fmtp))
            elif parameter_sets(fmtp['sprop-parameter-sets'])[0][1:4].hex() != fmtp['profile-level-id'].lower():
                why.append('%s: profile-level-id is not that of the SPS' % name)
        elif track.encoding == 'H265':
            sets = [parameter_sets(fmtp.get('sprop-' + which, '')) for which in ('vps', 'sps', 'pps')]
            if [nals[0][0] >> 1 for nals in sets if nals] != [32, 33, 34]:
                why.append('%s: fmtp %s' % (name, fmtp))
        elif track.encoding == 'MPEG4-GENERIC':
            wanted = dict(mode='aac-hbr', sizelength='13', indexlength='3', indexdeltalength='3')
            if not fmtp.get('config') or any(fmtp.get(key, '').lower() != value for key, value in wanted.items()):
                why.append('%s: fmtp %s' % (name, fmtp))
        elif track.encoding == 'OPUS' and (track.rate, track.channels) != (48000, 2):
            why.append('%s: %d/%d (RFC 7587 7)' % (name, track.rate, track.channels))


def judge_start(watched, info, urls, report, why):
    """RTP-Info says which packet is the first, and its time"""
    for one, url in zip(watched, urls):
        sequence, timestamp = info.get(url, (None, None))
        if sequence is None or timestamp is None:
            why.append('%s: no seq and rtptime in RTP-Info for %s: %s' % (one.name, url, info))
        elif one.packets:
            number, packet = one.packets[0]
            off = (number - sequence + 0x8000 & 0xFFFF) - 0x8000
            report[one.name]['behind_rtp_info'] = [off, round(one.seconds_since(packet.timestamp, timestamp), 3)]
            if off < 0:
                why.append('%s: packet %d before that of RTP-Info, %d' % (one.name, number & 0xFFFF, sequence))


def judge_media(watched, source, loop, time_of, name, why):
    received = {}
    for one in watched:
        found = one.units(time_of(one))
        if found:
            received[found[0]] = found[1]
    result = match.compare(units.read(source), received, loop)
    why += ['%s: %s' % (name, fault) for fault in result['why']]
    return result['tracks']


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('url')
    parser.add_argument('--transport', choices=['tcp', 'udp'], default='tcp')
    parser.add_argument('--seconds', type=float, default=15)
    parser.add_argument('--source')
    parser.add_argument('--loop', action='store_true')
    parser.add_argument('--max-lost', type=float, default=0.0)
    parser.add_argument('--no-wall', action='store_true', help='the wall clock of the reports need not be the time of day')
    o = parser.parse_args()
    why, report = [], {}
    try:
        session = rtsp_client.Session(o.url, o.transport)
        session.request('OPTIONS')
        described = session.describe()
        judge_sdp(described.body.decode(), session.tracks, why)
        agreed = [session.setup(number) for number in range(len(session.tracks))]
        watched = [Watched(track, why) for track in session.tracks]
        asked = time.time()
        info = session.play()
        played = watch(session, watched, o.seconds)
        if session.closed:
            why.append('the server closed the session after %.1f s' % played)
        else:
            session.send('TEARDOWN')
        session.close()
    except (rtsp_client.Refused, OSError) as error:
        print(json.dumps(dict(ok=False, why=['%s: %s' % (type(error).__name__, error)]), indent=1))
        return 1
    tracks = {one.name: one.judge(o.max_lost, not o.no_wall) for one in watched}
    for one in watched:
        if one.arrivals:
            tracks[one.name]['first_media_s'] = round(one.arrivals[0][0] - asked, 3)
    judge_start(watched, info, [session.track_url(one.track) for one in watched], tracks, why)
    report.update(transport=agreed, sdp=described.body.decode().splitlines(), tracks=list(tracks.values()))
    report['keep_alive_answers'] = [answer.status for answer in session.said]
    if all(one.reports and one.packets for one in watched):
        # The same, of what is shown at the same time, where both tracks' first packets are.
        report['sr_walls_apart_ms'] = walls_apart(watched, info, session)
        if o.source:
            report['by_sender_reports'] = judge_media(watched, o.source, o.loop, lambda one: one.wall, 'by sender reports', why)
    if o.source and all(info.get(session.track_url(one.track), (None, None))[1] is not None for one in watched):
        def since(one):
            start = info[session.track_url(one.track)][1]
            return lambda timestamp: one.seconds_since(timestamp, start)

        report['by_rtp_info'] = judge_media(watched, o.source, o.loop, since, 'by RTP-Info', why)
    print(json.dumps(dict(ok=not why, why=why, **report), indent=1))
    return 0 if not why else 1


def walls_apart(watched, info, session):
    """How far the wall clocks of RTP-Info's times are from each other, which stand for the same moment (RFC 2326 12.33)"""
    times = [info.get(session.track_url(one.track), (None, None))[1] for one in watched]
    walls = [one.wall(timestamp) for one, timestamp in zip(watched, times) if timestamp is not None]
    return round((max(walls) - min(walls)) * 1000, 3) if len(walls) > 1 else None


def watch(session, watched, seconds):
    """Takes all that comes, and says from time to time that we are there; how long that went"""
    begin = time.time()
    reported = alive = begin
    while (now := time.time()) < begin + seconds and not session.closed:
        for number, is_rtcp, data, at in session.packets(0.25):
            (watched[number].take_report if is_rtcp else watched[number].take)(data, at)
        if now > reported + OWN_REPORTS:
            reported = now
            for number, one in enumerate(watched):
                session.rtcp(number, one.answer(now))
        if now > alive + KEEP_ALIVE:
            alive = now
            session.send('GET_PARAMETER')
    return time.time() - begin


if __name__ == '__main__':
    sys.exit(main())
