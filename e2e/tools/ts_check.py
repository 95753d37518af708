#!/usr/bin/env python3
"""Check an MPEG transport stream (H.264/H.265 + AAC) packet by packet; print one JSON object.

    ts_check.py FILE|-  [--segment] [--max-pcr-ms 100] [--max-psi-ms 500] [--max-gap-ms 500] [--max-hole-ms 0] [--allow-cut-start]

Rules: ISO/IEC 13818-1 (sync, continuity, PSI CRC, PCR interval 100 ms, PTS/DTS order and no decode time before its PCR),
TR 101 290 (PAT/PMT at least each 500 ms), H.222.0 (an access unit delimiter starts each H.264/H.265 access unit).
--segment: an HLS segment: begins with PAT and PMT, first video picture is a key frame with its parameter sets.
--allow-cut-start: a capture that began in the middle of a stream; what comes before the first PAT and PMT is not judged.
Exit status 0: no error. Warnings never fail. Only the standard library; about 30 MB a second.
"""

import argparse, json, sys

from units import recovery_point

WRAP = 1 << 33


def crc32(b):
    c = 0xFFFFFFFF
    for x in b:
        c = ((c << 8) & 0xFFFFFFFF) ^ TABLE[(c >> 24) ^ x]
    return c


TABLE = []
for i in range(256):
    c = i << 24
    for _ in range(8):
        c = ((c << 1) ^ 0x04C11DB7 if c & 0x80000000 else c << 1) & 0xFFFFFFFF
    TABLE.append(c)


def diff(a, b):
    """a - b in 90 kHz ticks, over the 33-bit wrap"""
    d = (a - b) % WRAP
    return d - WRAP if d >= WRAP // 2 else d


def stamp(b):
    return ((b[0] >> 1 & 7) << 30) | (b[1] << 22) | (b[2] >> 1) << 15 | (b[3] << 7) | b[4] >> 1


STREAM = {
    0x1B: 'h264',
    0x24: 'h265',
    0x0F: 'aac',
    0x11: 'aac-latm',
    0x03: 'mp2',
    0x04: 'mp2',
    0x06: 'private',
    0x02: 'mpeg2video',
    0x15: 'id3',
    0x86: 'scte35',
}


def nals(b):
    """(offset, header byte position) of each NAL unit in an Annex B buffer"""
    i, out = 0, []
    while True:
        i = b.find(b'\0\0\1', i)
        if i < 0 or i + 3 >= len(b):
            return out
        out.append(i + 3)
        i += 3


def recovers(es, starts, types):
    """Whether an H.264 access unit carries a recovery point message: broadcast sources have those instead of IDR"""
    ends = [start - 3 for start in starts[1:]] + [len(es)]
    return any(t == 6 and recovery_point(es[start:end]) for start, end, t in zip(starts, ends, types))


def analyse(data, segment=False, max_pcr_ms=100, max_psi_ms=500, max_gap_ms=500, allow_cut_start=False, max_hole_ms=0):
    E, W = [], []

    def err(kind, at, text):
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= 5:
            E.append('%s @packet %d: %s' % (kind, at, text))

    def warn(kind, at, text):
        wcounts[kind] = wcounts.get(kind, 0) + 1
        if wcounts[kind] <= 3:
            W.append('%s @packet %d: %s' % (kind, at, text))

    counts, wcounts = {}, {}
    n = len(data) // 188
    if len(data) % 188:
        err('size', n, '%d bytes past the last whole packet' % (len(data) % 188))
    cc, pes, streams, last_psi, psi_buf = {}, {}, {}, {}, {}
    pmt_pid = pcr_pid = None
    pcr_list, order, broken = [], [], set()
    first_pcr = last_pcr = None

    def pes_done(pid, at):
        p = pes.pop(pid, None)
        if not p:
            return
        s, b = streams[pid], bytes(p['b'])
        if len(b) < 9 or b[:3] != b'\0\0\1':
            return err('pes-start', p['at'], 'PID %d' % pid)
        flags, hl = b[7] >> 6, b[8]
        pts = stamp(b[9:14]) if flags & 2 and len(b) >= 14 else None
        dts = stamp(b[14:19]) if flags == 3 and len(b) >= 19 else pts
        es = b[9 + hl :]
        plen = b[4] << 8 | b[5]
        if plen and plen != len(b) - 6:
            err('pes-length', p['at'], 'PID %d says %d, has %d' % (pid, plen, len(b) - 6))
        s['pes'] += 1
        s['bytes'] += len(es)
        if pts is None:
            (err if s['kind'] in ('h264', 'h265', 'aac') else warn)('no-pts', p['at'], 'PID %d' % pid)
            return
        if diff(pts, dts) < 0:
            err('pts-before-dts', p['at'], 'PID %d by %d ms' % (pid, -diff(pts, dts) / 90))
        if s['last_dts'] is not None:
            d = diff(dts, s['last_dts'])
            if d <= 0 and not p['disc']:
                err('dts-order', p['at'], 'PID %d %s moved %d ms' % (pid, s['kind'], d / 90))
            elif d > max_gap_ms * 90 and not p['disc']:
                err('dts-gap', p['at'], 'PID %d %s %d ms' % (pid, s['kind'], d / 90))
            if 0 < d and not p['disc']:
                s['dts_span'] += d
        else:
            s['first_dts'] = dts
        s['last_dts'] = dts
        if s['first_pts'] is None or diff(pts, s['first_pts']) < 0 and s['pes'] < 20:
            s['first_pts'] = pts
        if s['max_pts'] is None or diff(pts, s['max_pts']) > 0:
            s['max_pts'] = pts
        if p['pcr'] is not None:
            lead = diff(dts, p['pcr']) / 90
            s['min_lead_ms'] = lead if s['min_lead_ms'] is None else min(s['min_lead_ms'], lead)
            s['max_lead_ms'] = lead if s['max_lead_ms'] is None else max(s['max_lead_ms'], lead)
            if lead < 0:
                err('late', p['at'], 'PID %d %s decode time %d ms before the PCR' % (pid, s['kind'], -lead))
        if s['kind'] in ('h264', 'h265'):
            at_ = nals(es)
            t = [es[i] & 31 if s['kind'] == 'h264' else es[i] >> 1 & 63 for i in at_]
            h264 = s['kind'] == 'h264'
            key = (5 in t or recovers(es, at_, t)) if h264 else any(16 <= x <= 21 for x in t)
            ps = (7 in t and 8 in t) if h264 else (32 in t and 33 in t and 34 in t)
            aud = 9 if h264 else 35
            if not t:
                err('no-nal', p['at'], 'PID %d' % pid)
            elif t[0] != aud:
                (err if h264 else warn)('no-aud', p['at'], 'access unit begins with NAL type %d' % t[0])
            if t.count(aud) > 1:
                err('many-units', p['at'], '%d access units in one PES packet' % t.count(aud))
            s['pictures'] += 1
            if key:
                s['keys'] += 1
                s['key_dts'].append(dts)
                if not ps:
                    err('key-without-parameter-sets', p['at'], 'PID %d' % pid)
                if not p['rai']:
                    warn('no-random-access-flag', p['at'], 'key frame without random_access_indicator')
            if s['pictures'] == 1:
                s['first_is_key'] = key
        elif s['kind'] == 'aac':
            i, frames = 0, 0
            while i + 7 <= len(es):
                if es[i] != 0xFF or es[i + 1] & 0xF6 != 0xF0:
                    err('adts', p['at'], 'no ADTS sync at byte %d of the PES payload' % i)
                    break
                fl = (es[i + 3] & 3) << 11 | es[i + 4] << 3 | es[i + 5] >> 5
                if fl < 7:
                    err('adts', p['at'], 'frame length %d' % fl)
                    break
                sr = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350, 0, 0, 0)[es[i + 2] >> 2 & 15]
                s['rate'] = sr
                s['channels'] = (es[i + 2] & 1) << 2 | es[i + 3] >> 6
                if i + fl > len(es):
                    err('adts', p['at'], 'frame runs past the PES packet')
                    break
                frames += (es[i + 6] & 3) + 1
                i += fl
            if s.get('rate'):
                apart = 0 if s['aac_next'] is None or p['disc'] else diff(pts, s['aac_next'])
                # A hole of whole frames is what a lossy network leaves.
                is_hole = 0 < apart <= max_hole_ms * 90 and abs(apart / 90000 * s['rate'] / 1024 % 1 - 0.5) > 0.45
                if abs(apart) > 1350 and not is_hole:  # 15 ms
                    err(
                        'audio-clock',
                        p['at'],
                        'PTS is %+.1f ms from where the samples before it end' % (apart / 90),
                    )
                s['aac_next'] = (pts + frames * 1024 * 90000 // s['rate']) % WRAP
                s['samples'] += frames * 1024

    for k in range(n):
        p = data[k * 188 : k * 188 + 188]
        if p[0] != 0x47:
            err('sync', k, '0x%02x' % p[0])
            continue
        pid = (p[1] & 31) << 8 | p[2]
        if p[1] & 0x80:
            err('transport-error', k, 'PID %d' % pid)
        if pid == 0x1FFF:
            continue
        if p[3] & 0xC0:
            err('scrambled', k, 'PID %d' % pid)
        afc, c = p[3] >> 4 & 3, p[3] & 15
        off, disc, rai, this_pcr = 4, False, False, None
        if afc & 2:
            al = p[4]
            off = 5 + al
            if al > (183 if afc == 2 else 182):
                err('adaptation', k, 'length %d' % al)
                continue
            if al:
                disc, rai = bool(p[5] & 0x80), bool(p[5] & 0x40)
                if p[5] & 0x10:
                    base = p[6] << 25 | p[7] << 17 | p[8] << 9 | p[9] << 1 | p[10] >> 7
                    this_pcr = base
                    if pid == pcr_pid:
                        if last_pcr is not None and not disc:
                            d = diff(base, last_pcr[0])
                            if d < 0:
                                err('pcr-back', k, '%d ms' % (d / 90))
                            elif d > max_pcr_ms * 90 + 90:
                                err('pcr-interval', k, '%d ms' % (d / 90))
                            pcr_list.append(d / 90)
                        if disc:  # a new time base: intervals are counted from here
                            last_psi.update((q, base) for q in last_psi)
                        if first_pcr is None:
                            first_pcr = base
                        last_pcr = (base, k)
        if pid in cc and not disc:
            prev, dup = cc[pid]
            if afc & 1:
                if c == prev and not dup:
                    cc[pid] = (c, True)
                    warn('duplicate-packet', k, 'PID %d' % pid)
                    continue
                if c != (prev + 1) & 15:
                    err('continuity', k, 'PID %d: %d after %d' % (pid, c, prev))
            elif c != prev:
                err('continuity', k, 'PID %d: %d after %d without payload' % (pid, c, prev))
        cc[pid] = (c, False)
        if not afc & 1:
            if disc:
                broken.add(pid)  # it is about what comes next on this PID
            continue
        payload, start = p[off:], bool(p[1] & 0x40)
        if len(order) < 2 and not 0x10 <= pid <= 0x1F:
            order.append(pid)  # SDT and the like may stand before the PAT
        if pid == 0 or pid == pmt_pid:
            if start:
                psi_buf[pid] = bytearray(payload[1 + payload[0] :])
            elif pid in psi_buf:
                psi_buf[pid] += payload
            b = psi_buf.get(pid)
            if b is None or len(b) < 3:
                continue
            sl = (b[1] & 15) << 8 | b[2]
            if len(b) < 3 + sl:
                continue
            sec = bytes(b[: 3 + sl])
            psi_buf.pop(pid)
            if crc32(sec):
                err('psi-crc', k, 'PID %d' % pid)
                continue
            now = last_pcr[0] if last_pcr else None
            before = last_psi[pid] if last_psi.get(pid) is not None else first_pcr
            if pid in last_psi and now is not None and before is not None:
                d = diff(now, before) / 90
                if d > max_psi_ms:
                    (warn if segment else err)('psi-interval', k, '%s %d ms' % ('PAT' if pid == 0 else 'PMT', d))
            last_psi[pid] = now
            if pid == 0:
                progs = [((sec[i] << 8 | sec[i + 1]), (sec[i + 2] & 31) << 8 | sec[i + 3]) for i in range(8, len(sec) - 4, 4)]
                progs = [x for x in progs if x[0]]
                if len(progs) != 1:
                    warn('programs', k, '%d programs' % len(progs))
                if progs:
                    pmt_pid = progs[0][1]
            else:
                pcr_pid = (sec[8] & 31) << 8 | sec[9]
                i = 12 + ((sec[10] & 15) << 8 | sec[11])
                while i < len(sec) - 4:
                    t, ep, dl = sec[i], (sec[i + 1] & 31) << 8 | sec[i + 2], (sec[i + 3] & 15) << 8 | sec[i + 4]
                    if ep not in streams:
                        streams[ep] = dict(
                            pid=ep,
                            kind=STREAM.get(t, '0x%02x' % t),
                            pes=0,
                            bytes=0,
                            pictures=0,
                            keys=0,
                            samples=0,
                            first_is_key=None,
                            key_dts=[],
                            first_pts=None,
                            max_pts=None,
                            first_dts=None,
                            last_dts=None,
                            dts_span=0,
                            aac_next=None,
                            min_lead_ms=None,
                            max_lead_ms=None,
                        )
                    i += 5 + dl
        elif pid in streams and streams[pid]['kind'] == 'scte35':
            if start and crc32(payload[1 + payload[0] : 4 + payload[0] + ((payload[2] & 15) << 8 | payload[3])]):
                err('splice-crc', k, 'PID %d' % pid)
        elif pid in streams:
            if start:
                pes_done(pid, k)
                pes[pid] = dict(
                    at=k,
                    b=bytearray(payload),
                    disc=disc or pid in broken,
                    rai=rai,
                    pcr=this_pcr if pid == pcr_pid and this_pcr is not None else (last_pcr[0] if last_pcr else None),
                )
                broken.discard(pid)
            elif pid in pes:
                pes[pid]['b'] += payload
        elif pmt_pid is None and not allow_cut_start and order == [pid]:
            err('no-pat-first', k, 'PID %d comes before the first PAT' % pid)
    for pid in list(pes):
        pes_done(pid, n)
    if pmt_pid is None:
        err('no-pat', n, 'no PAT in the stream')
    elif not streams:
        err('no-pmt', n, 'no PMT in the stream')
    for pid, t in last_psi.items():
        t = first_pcr if t is None else t
        if t is not None and last_pcr and diff(last_pcr[0], t) / 90 > max_psi_ms:
            (warn if segment else err)(
                'psi-interval',
                n,
                '%s none in the last %d ms' % ('PAT' if pid == 0 else 'PMT', diff(last_pcr[0], t) / 90),
            )
    if first_pcr is not None:
        span = max((s['dts_span'] for s in streams.values()), default=0) / 90
        if span > 4 * max_pcr_ms and span / (len(pcr_list) + 1) > 1.5 * max_pcr_ms:
            err('pcr-interval', n, '%d PCRs in %d ms' % (len(pcr_list) + 1, span))
    if pcr_pid is not None and first_pcr is None:
        err('no-pcr', n, 'no PCR on PID %d' % pcr_pid)
    if segment:
        if not order or order[0] != 0 or (len(order) > 1 and pmt_pid is not None and order[1] != pmt_pid):
            err('segment-start', 0, 'does not begin with PAT, PMT: PIDs %s' % order)
        for s in streams.values():
            if s['pictures'] and not s['first_is_key']:
                err('segment-key', 0, 'first picture is not a key frame')
    out = []
    for s in streams.values():
        k = s.pop('key_dts')
        s['key_interval_ms'] = [round(diff(b, a) / 90) for a, b in zip(k, k[1:])][:20]
        s['duration_ms'] = round(s.pop('dts_span') / 90)
        s.pop('aac_next')
        out.append(s)
    v = next((s for s in out if s['kind'] in ('h264', 'h265')), None)
    a = next((s for s in out if s['kind'] == 'aac'), None)
    res = dict(
        ok=not E,
        errors=E,
        error_counts=counts,
        warnings=W,
        warning_counts=wcounts,
        packets=n,
        pmt_pid=pmt_pid,
        pcr_pid=pcr_pid,
        pcr_max_interval_ms=round(max(pcr_list), 1) if pcr_list else None,
        pcr_count=len(pcr_list) + (first_pcr is not None),
        streams=out,
    )
    if v and a and v['first_pts'] is not None and a['first_pts'] is not None:
        res['audio_minus_video_start_ms'] = round(diff(a['first_pts'], v['first_pts']) / 90, 1)
    return res


if __name__ == '__main__':
    ap = argparse.ArgumentParser()
    ap.add_argument('file')
    ap.add_argument('--segment', action='store_true')
    ap.add_argument('--allow-cut-start', action='store_true')
    for k, d in (('max-pcr-ms', 100), ('max-psi-ms', 500), ('max-gap-ms', 500), ('max-hole-ms', 0)):
        ap.add_argument('--' + k, type=int, default=d)
    a = ap.parse_args()
    r = analyse(
        sys.stdin.buffer.read() if a.file == '-' else open(a.file, 'rb').read(),
        a.segment,
        a.max_pcr_ms,
        a.max_psi_ms,
        a.max_gap_ms,
        a.allow_cut_start,
        a.max_hole_ms,
    )
    print(json.dumps(r, indent=1))
    sys.exit(0 if r['ok'] else 1)
