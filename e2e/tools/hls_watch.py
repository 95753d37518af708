#!/usr/bin/env python3
"""Watch a live HLS stream for a while as a strict client and report every broken rule of RFC 8216 as JSON.

    hls_watch.py URL [--seconds 30] [--vod] [--no-segments] [--outages] [--capture FILE.ts]

Each variant of a multivariant playlist is polled on its own. Rules: the playlist's own syntax and required tags; the window
only ever moves forward and a media sequence number keeps its URI, duration, discontinuity and date; a new segment appears
within 1.5 target durations; EXTINF rounded is at most the target duration, which never changes; EXT-X-DISCONTINUITY-SEQUENCE
counts what left the window; segments can be fetched at once with a length and the right type; each one (through ts_check)
starts with PAT, PMT and a key frame and holds what its EXTINF says; timestamps run on from one segment to the next unless a
discontinuity says otherwise; the variants' segments with the same number start at the same time; CORS and cache headers.
--outages: the encoder or the server is restarted meanwhile: the playlist may stand still or be unreachable for a while, and
after a restart numbers may skip ahead; they still may not go back. --capture: the first variant's segments, one after another.
Exit status 0: nothing broken. Only the standard library.
"""

import argparse, json, re, sys, time, urllib.error, urllib.parse, urllib.request
import ts_check

ap = argparse.ArgumentParser()
ap.add_argument('url')
ap.add_argument('--seconds', type=float, default=30)
ap.add_argument('--vod', action='store_true')
ap.add_argument('--no-segments', action='store_true')
ap.add_argument('--tolerance-ms', type=float, default=60)
ap.add_argument('--outages', action='store_true')
ap.add_argument('--capture')
ap.add_argument('--origin', default='http://page.example', help='Origin header to send, to see the CORS answer')
a = ap.parse_args()
E, W, C = [], [], {}


def err(kind, text, bag=E):
    C[kind] = C.get(kind, 0) + 1
    if C[kind] <= 4:
        bag.append('%.1fs %s: %s' % (time.monotonic() - T0, kind, text))


def warn(kind, text):
    err(kind, text, W)


T0 = time.monotonic()


def get(url):
    t = time.monotonic()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers={'Origin': a.origin, 'User-Agent': 'hls_watch'}), timeout=10) as r:
            return r.status, dict((k.lower(), v) for k, v in r.headers.items()), r.read(), time.monotonic() - t
    except urllib.error.HTTPError as e:
        return e.code, dict((k.lower(), v) for k, v in e.headers.items()), e.read(), time.monotonic() - t
    except Exception as e:
        return 0, {}, str(e).encode(), time.monotonic() - t


def attrs(s):
    return {k: v.strip('"') for k, v in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', s)}


def parse(text, name):
    lines = text.split('\n')
    if lines[0].rstrip('\r') != '#EXTM3U':
        err('syntax', '%s does not begin with #EXTM3U' % name)
    pl = dict(
        target=None,
        seq=0,
        dseq=0,
        segs=[],
        variants=[],
        media=[],
        end=False,
        type=None,
        version=1,
        map=None,
        tags=set(),
    )
    cur, disc_count = {}, 0
    for raw in lines[1:]:
        l = raw.rstrip('\r')
        if not l:
            continue
        if l != l.strip():
            err('syntax', '%s: blanks around %r' % (name, l[:60]))
        if l.startswith('#EXT'):
            t, _, v = l.partition(':')
            pl['tags'].add(t)
            if t == '#EXTINF':
                m = re.match(r'(\d+(?:\.\d+)?),', v)
                if not m:
                    err('syntax', '%s: EXTINF %r (the comma is required)' % (name, v))
                    continue
                cur['dur'] = float(m.group(1))
                if '.' in m.group(1) and pl['version'] < 3:
                    err('version', 'decimal EXTINF needs version 3')
            elif t == '#EXT-X-TARGETDURATION':
                pl['target'] = int(v) if v.isdigit() else err('syntax', 'target duration %r' % v)
            elif t == '#EXT-X-MEDIA-SEQUENCE':
                pl['seq'] = int(v)
                if pl['segs']:
                    err('syntax', 'EXT-X-MEDIA-SEQUENCE after a segment')
            elif t == '#EXT-X-DISCONTINUITY-SEQUENCE':
                pl['dseq'] = int(v)
                if pl['segs'] or disc_count:
                    err('syntax', 'EXT-X-DISCONTINUITY-SEQUENCE after a segment')
            elif t == '#EXT-X-DISCONTINUITY':
                cur['disc'] = True
                disc_count += 1
            elif t == '#EXT-X-GAP':
                cur['gap'] = True
            elif t == '#EXT-X-PROGRAM-DATE-TIME':
                cur['pdt'] = v
            elif t == '#EXT-X-VERSION':
                pl['version'] = int(v)
            elif t == '#EXT-X-ENDLIST':
                pl['end'] = True
            elif t == '#EXT-X-PLAYLIST-TYPE':
                pl['type'] = v
            elif t == '#EXT-X-MAP':
                pl['map'] = attrs(v).get('URI')
            elif t == '#EXT-X-STREAM-INF':
                pl['next'] = attrs(v)
                if 'BANDWIDTH' not in pl['next']:
                    err('syntax', 'EXT-X-STREAM-INF without BANDWIDTH')
                if 'CODECS' not in pl['next']:
                    warn('codecs', 'EXT-X-STREAM-INF without CODECS (RFC 8216: every one SHOULD have it)')
            elif t == '#EXT-X-MEDIA':
                pl['media'].append(attrs(v))
        elif not l.startswith('#'):
            if 'next' in pl:
                pl['variants'].append((l, pl.pop('next')))
            else:
                if 'dur' not in cur:
                    err('syntax', '%s: %s without EXTINF' % (name, l[:60]))
                    cur = {}
                    continue
                cur['uri'] = l
                cur['map'] = pl['map']
                pl['segs'].append(cur)
                cur = {}
    if cur.get('dur') is not None:
        err('syntax', '%s: EXTINF without a URI after it' % name)
    if pl['segs'] and pl['target'] is None:
        err('syntax', '%s: no EXT-X-TARGETDURATION' % name)
    if pl['segs'] and pl['variants']:
        err('syntax', '%s mixes media and multivariant tags' % name)
    for i, s in enumerate(pl['segs']):
        if pl['target'] and int(s['dur'] + 0.5) > pl['target']:
            err('target-duration', '%s: EXTINF %.3f with target %d' % (name, s['dur'], pl['target']))
        s['n'] = pl['seq'] + i
    d = pl['dseq']
    for s in pl['segs']:
        d += s.get('disc', False)
        s['d'] = d
    return pl


class Watch:
    def __init__(self, url, name, info):
        self.url, self.name, self.info, self.known, self.last, self.last_new = (
            url,
            name,
            info,
            {},
            None,
            time.monotonic(),
        )
        self.polls = self.segments = self.gaps = self.bytes = 0
        self.reload = []
        self.end_ts = {}
        self.first_pts = {}
        self.next = 0
        self.listed = {}
        self.latency = []
        self.max_rate = 0.0
        self.ended = False
        self.outages = self.jumps = self.discontinuities = self.discontinuities_left = 0
        self.discontinuity_sequence = []

    def poll(self):
        st, h, body, took = get(self.url)
        self.polls += 1
        now = time.monotonic()
        if st != 200 and a.outages:
            self.outages += 1
            self.next = now + 0.5
            return
        if st != 200:
            err('playlist-http', '%s: %s %s' % (self.name, st, body[:80]))
            self.next = now + 1
            return
        ct = h.get('content-type', '').split(';')[0].lower()
        if ct not in ('application/vnd.apple.mpegurl', 'audio/mpegurl', 'application/x-mpegurl'):
            err('playlist-type', '%s: %r' % (self.name, ct))
        if h.get('access-control-allow-origin') not in ('*', a.origin):
            err('cors', '%s: no Access-Control-Allow-Origin' % self.name)
        if not a.vod and not re.search(r'no-cache|no-store|max-age=[01]\b', h.get('cache-control', '')):
            warn('cache', '%s: Cache-Control %r on a live playlist' % (self.name, h.get('cache-control')))
        try:
            text = body.decode('utf-8')
        except UnicodeDecodeError:
            return err('syntax', '%s is not UTF-8' % self.name)
        pl = parse(text, self.name)
        if not pl['segs']:
            self.next = now + 0.5
            return
        old = self.last
        if old:
            if pl['target'] != old['target']:
                err('target-duration', '%s changed from %s to %s' % (self.name, old['target'], pl['target']))
            if pl['seq'] < old['seq']:
                err('sequence', '%s went back from %d to %d' % (self.name, old['seq'], pl['seq']))
            if pl['seq'] > old['seq'] + len(old['segs']) and a.outages:
                self.jumps += 1
                self.known, self.listed = {}, {}
            elif pl['seq'] > old['seq'] + len(old['segs']):
                err(
                    'sequence',
                    '%s jumped over unlisted segments: %d after %d+%d' % (self.name, pl['seq'], old['seq'], len(old['segs'])),
                )
            if old['end']:
                err('sequence', '%s changed after EXT-X-ENDLIST' % self.name) if text != self.text else None
            self.discontinuities_left += sum(bool(s.get('disc')) for s in old['segs'] if s['n'] < pl['seq'])
        self.discontinuity_sequence = [*self.discontinuity_sequence[:1], pl['dseq']]
        for s in pl['segs']:
            k = self.known.get(s['n'])
            if k is None:
                if self.known and s['n'] < max(self.known):
                    err('sequence', '%s: segment %d appeared late' % (self.name, s['n']))
                self.known[s['n']] = s
                self.listed[s['n']] = now
                if old:
                    self.reload.append(now - self.last_new)
                self.last_new = now
            else:
                for f in ('uri', 'dur', 'pdt'):
                    if k.get(f) != s.get(f):
                        err('rewritten', '%s: segment %d %s %r became %r' % (self.name, s['n'], f, k.get(f), s.get(f)))
                if bool(k.get('disc')) != bool(s.get('disc')):
                    err('rewritten', '%s: segment %d discontinuity changed' % (self.name, s['n']))
                if k['d'] != s['d']:
                    err(
                        'discontinuity-sequence',
                        '%s: segment %d belonged to %d, now to %d' % (self.name, s['n'], k['d'], s['d']),
                    )
        if not a.vod and not pl['end']:
            if pl['target'] and not a.outages and now - self.last_new > 1.5 * pl['target'] + 1:
                err(
                    'stale',
                    '%s: no new segment for %.1f s with target %d' % (self.name, now - self.last_new, pl['target']),
                )
                self.last_new = now
            total = sum(s['dur'] for s in pl['segs'])
            if pl['target'] and not a.outages and total < 3 * pl['target'] - 0.5 and now - T0 > 4 * pl['target']:
                err('window', '%s: %.1f s listed, less than three target durations' % (self.name, total))
        self.last, self.text, self.ended = pl, text, pl['end']
        self.next = now + (pl['target'] or 2) / 2

    def fetch(self):
        for n in sorted(self.known):
            s = self.known[n]
            if s.get('done') or (not a.vod and n < max(self.known) - 2 and not self.segments):
                s['done'] = True
                continue
            s['done'] = True
            # RFC 8216bis 4.4.4.7: there is no such media, and nothing to load.
            if s.get('gap'):
                self.gaps += 1
                continue
            url = urllib.parse.urljoin(self.url, s['uri'])
            st, h, body, took = get(url)
            if st != 200:
                if n >= self.last['seq'] and not a.outages:
                    err('segment-http', '%s: %d of %s' % (self.name, st, s['uri']))
                continue
            self.segments += 1
            self.bytes += len(body)
            # Between two segments that were listed: the first one of a run goes on from none.
            self.discontinuities += bool(s.get('disc')) and n - 1 in self.known
            if a.capture and self is W_[0]:
                capture.write(body)
            rate = len(body) * 8 / s['dur'] if s['dur'] else 0
            # RFC 8216 4.1: a peak rate is that of half a target duration at least; what a break cut short is none.
            if s['dur'] >= (self.last['target'] or 0) / 2:
                self.max_rate = max(self.max_rate, rate)
            if h.get('access-control-allow-origin') not in ('*', a.origin):
                err('cors', '%s: segment without Access-Control-Allow-Origin' % self.name)
            if 'content-length' not in h:
                warn('segment-length', '%s: segment without Content-Length' % self.name)
            is_ts = body[:1] == b'G'
            ct = h.get('content-type', '').split(';')[0].lower()
            if is_ts and ct not in ('video/mp2t', 'video/mpeg', 'application/octet-stream'):
                warn('segment-type', '%s: %r' % (self.name, ct))
            if not is_ts:
                continue
            r = ts_check.analyse(body, segment=True)
            for x in r['errors']:
                err('ts.' + x.split(' ')[0], '%s segment %d: %s' % (self.name, n, x))
            for st_ in r['streams']:
                if not st_['pes']:
                    err('empty-stream', '%s segment %d: %s in the PMT has no data' % (self.name, n, st_['kind']))
                    continue
                key = st_['kind']
                last = self.end_ts.get(key)
                if last and last[0] == n - 1 and not s.get('disc'):
                    gap = ts_check.diff(st_['first_dts'], last[1]) / 90
                    if not -1 <= gap <= a.tolerance_ms + last[2] * 2:
                        err(
                            'timeline',
                            '%s segment %d: %s starts %+.0f ms from the last one without a discontinuity tag' % (self.name, n, key, gap),
                        )
                step = st_['duration_ms'] / max(1, st_['pes'] - 1)
                self.end_ts[key] = (n, st_['last_dts'], step)
                if key in ('h264', 'h265'):
                    have = st_['duration_ms'] + step
                    if abs(have - s['dur'] * 1000) > max(a.tolerance_ms, 40):
                        err(
                            'extinf',
                            '%s segment %d: EXTINF %.3f, video lasts %.3f' % (self.name, n, s['dur'], have / 1000),
                        )
                    self.first_pts[n] = st_['first_pts']


capture = open(a.capture, 'wb') if a.capture else None
st, h, body, _ = get(a.url)
if st != 200:
    print(json.dumps(dict(ok=False, errors=['HTTP %s %s' % (st, body[:100])])))
    sys.exit(1)
top = parse(body.decode('utf-8', 'replace'), 'top')
W_ = [Watch(urllib.parse.urljoin(a.url, u), u, i) for u, i in top['variants']] or [Watch(a.url, a.url.rsplit('/', 1)[-1], {})]
for m in top['media']:
    if m.get('URI'):
        W_.append(Watch(urllib.parse.urljoin(a.url, m['URI']), m['URI'], m))
while time.monotonic() - T0 < a.seconds:
    for w in W_:
        if time.monotonic() >= w.next and not w.ended:
            w.poll()
    if not a.no_segments:
        for w in W_:
            w.fetch()
    if all(w.ended for w in W_):
        break
    time.sleep(0.1)
base = W_[0]
for w in W_[1:]:
    for n in set(w.first_pts) & set(base.first_pts):
        d = ts_check.diff(w.first_pts[n], base.first_pts[n]) / 90
        if abs(d) > a.tolerance_ms:
            err('variant-alignment', 'segment %d of %s starts %+.0f ms from %s' % (n, w.name, d, base.name))
if capture:
    capture.close()
for w in W_:
    if not w.last:
        err('empty', '%s never had a segment' % w.name)
    bw = w.info.get('BANDWIDTH')
    if bw and w.max_rate > int(bw) * 1.1:
        err('bandwidth', '%s: a segment has %d bit/s, BANDWIDTH says %s' % (w.name, w.max_rate, bw))
print(
    json.dumps(
        dict(
            ok=not E,
            errors=E,
            counts=C,
            warnings=W,
            variants=[
                dict(
                    name=w.name,
                    polls=w.polls,
                    segments=w.segments,
                    gaps=w.gaps,
                    bytes=w.bytes,
                    discontinuities=w.discontinuities,
                    discontinuities_left=w.discontinuities_left,
                    discontinuity_sequence=w.discontinuity_sequence,
                    outages=w.outages,
                    jumps=w.jumps,
                    target=w.last and w.last['target'],
                    window=w.last and len(w.last['segs']),
                    new_segment_every_s=[round(x, 1) for x in w.reload][-12:],
                    max_bit_s=round(w.max_rate),
                )
                for w in W_
            ],
        ),
        indent=1,
    )
)
sys.exit(0 if not E else 1)
