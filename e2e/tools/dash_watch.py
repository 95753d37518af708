#!/usr/bin/env python3
"""Watch a live DASH stream for a while as a strict client and report every broken rule as JSON.

    dash_watch.py MPD_URL [--seconds 30] [--no-segments] [--outages] [--xsd DASH-MPD.xsd] [--max-latency 15]

ISO/IEC 23009-1 for the manifest, 14496-12 and 23000-19 for the segments, DASH-IF's guidelines for live. Each MPD: elements and
attributes as in the schema, what a dynamic one must say, content type, CORS, and what GStreamer's type finder needs. Over time:
availabilityStartTime and Period@start never change; an MPD that changed has a later publishTime; a segment once listed keeps
its time and duration; the timeline has no gap and no overlap, moves forward with the clock and reaches neither far behind the
live edge nor into the future. Segments: each is there the moment it is listed and for timeShiftBufferDepth after, and one ahead
of the edge is a 404; the init segment says what the MPD says; a segment's first sample is shown at S@t and its samples last
S@d, to the tick; the next one goes on where it ended; it begins as startWithSAP says; @bandwidth and minBufferTime hold.
Representations of one AdaptationSet have equal segments where segmentAlignment says so. UTCTiming tells the right time.
--outages: the encoder is restarted or falls silent meanwhile: the MPD may stand still or be unreachable, a timeline may have
gaps. --xsd: xmllint holds each MPD against the schema as well. Exit status 0: nothing broken. Only the standard library.
"""

import argparse
import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import mp4
import mpd

MEDIA_TYPES = ('video/mp4', 'audio/mp4', 'video/iso.segment', 'audio/iso.segment', 'application/mp4')
# What a clock may be off, and what listing a segment may take.
SLACK = 0.5


class Findings:
    """Errors and warnings: the first four of a kind in words, all of them counted"""

    def __init__(self):
        self.began = time.monotonic()
        self.errors, self.warnings, self.counts = [], [], {}

    def error(self, kind, text, bag=None):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= 4:
            (self.errors if bag is None else bag).append('%.1fs %s: %s' % (time.monotonic() - self.began, kind, text))

    def warn(self, kind, text):
        self.error(kind, text, self.warnings)


class Client:
    """Requests as a page of another site makes them"""

    def __init__(self, origin, findings):
        self.origin, self.findings = origin, findings

    def get(self, url, what, method='GET'):
        """(status, headers, body); status 0: no connection"""
        request = urllib.request.Request(url, method=method, headers={'Origin': self.origin, 'User-Agent': 'dash_watch'})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                status, headers, body = answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            status, headers, body = error.code, error.headers, error.read()
        except OSError as error:
            return 0, {}, str(error).encode()
        headers = {name.lower(): value for name, value in headers.items()}
        if headers.get('access-control-allow-origin') not in ('*', self.origin):
            self.findings.error('cors', '%s: %d without Access-Control-Allow-Origin' % (what, status))
        return status, headers, body


class Watched:
    """One Representation over time"""

    def __init__(self, one):
        self.name, self.kind, self.one = one.name, one.kind, one
        self.known, self.done, self.listed, self.edge = {}, set(), [], None
        self.tracks = self.track = self.last = None  # the last: (segment, Fragments)
        self.fetched = self.bytes = self.samples = self.gaps = 0
        self.peak = self.debt = self.worst = 0.0
        self.asked_ahead = self.ended = False
        self.news = time.monotonic()

    def report(self):
        track = self.track
        return dict(
            name=self.name,
            kind=self.kind,
            codecs=self.one.values.get('codecs'),
            size=track and track.width and '%dx%d' % (track.width, track.height),
            bandwidth=self.one.bandwidth,
            peak=round(self.peak),
            fetched=self.fetched,
            bytes=self.bytes,
            samples=self.samples,
            listed=len(self.listed),
            gaps=self.gaps,
        )


class Watch:
    def __init__(self, options):
        self.o, self.findings = options, Findings()
        self.error, self.warn = self.findings.error, self.findings.warn
        self.client = Client(options.origin, self.findings)
        self.watched, self.starts, self.latency = {}, {}, []
        self.first = self.last = self.text = None
        self.polls = self.changes = self.outages = 0
        self.clock_asked = False

    def run(self):
        until = time.monotonic() + self.o.seconds
        while time.monotonic() < until:
            pause = self.poll()
            if self.last and not self.last.dynamic:
                break
            time.sleep(max(0, min(pause, until - time.monotonic())))
        if not self.watched and not self.findings.errors:
            self.error('mpd', 'no Representation with a SegmentTemplate')

    def poll(self):
        """Asks once and looks at all that is new; returns seconds until the next time"""
        status, headers, body = self.client.get(self.o.url, 'MPD')
        now = time.time()
        self.polls += 1
        if status != 200:
            if self.o.outages:
                self.outages += 1
            else:
                self.error('mpd-http', '%d %s' % (status, body[:80]))
            return 0.5
        self.look_at_answer(headers, body)
        if body != self.text:
            if not self.look_at_text(body, now):
                return 1
        self.look_at_segments(now)
        return max(0.2, min(self.last.seconds('minimumUpdatePeriod') or 2, 1))

    # ---- the manifest ----

    def look_at_answer(self, headers, body):
        kind, cache = headers.get('content-type', '').split(';')[0], headers.get('cache-control', '')
        if kind != 'application/dash+xml':
            self.error('mpd-type', repr(kind))
        if not re.search(r'no-cache|no-store|max-age=[01]\b', cache):
            self.warn('cache', 'Cache-Control %r on an MPD' % cache)
        start = re.search(rb'<MPD(.)[^>]*>', body, re.S)
        if not body.startswith(b'<?xml') or not start or start.end() > 512 or start[1] != b' ':
            self.warn('gstreamer', 'MPD not recognised by GStreamer: the start tag ends at byte %d' % (start.end() if start else -1))

    def look_at_text(self, body, now):
        """What can be said of the manifest and of how it changed; False: nothing can"""
        try:
            manifest = mpd.Mpd(body, self.o.url)
        except ValueError as error:
            self.error('xml', str(error))
            return False
        for fault in mpd.schema_faults(manifest.root):
            self.error('schema', fault)
        for fault in mpd.rule_faults(manifest):
            self.error('mpd', fault)
        if self.o.xsd:
            command = ['xmllint', '--nonet', '--noent', '--noout', '--schema', self.o.xsd, '-']
            checked = subprocess.run(command, input=body, capture_output=True, check=False)
            if checked.returncode != 0:
                self.error('xsd', checked.stderr.decode()[:300])
        if manifest.dynamic:
            self.look_at_times(manifest, now)
        self.text, self.last, self.changes = body, manifest, self.changes + 1
        return True

    def look_at_times(self, manifest, now):
        if self.first is None:
            self.first = manifest
            self.look_at_clock(manifest)
        if manifest.start != self.first.start:
            self.error('availability-start', 'moved from %s to %s' % (self.first.start, manifest.start))
        before = self.last.published if self.last else None
        if before and manifest.published and manifest.published <= before:
            self.error('publish-time', 'the MPD changed, publishTime went from %.3f to %.3f' % (before, manifest.published))
        if manifest.published and manifest.published > now + SLACK:
            self.error('publish-time', '%.1f s ahead' % (manifest.published - now))
        for period in manifest.periods:
            if self.starts.setdefault(period.id, period.start) != period.start:
                self.error('period', 'the start of %s moved from %s to %s' % (period.id, self.starts[period.id], period.start))
        longest = max((s.d / one.timescale for _, one, s in every_segment(manifest)), default=0)
        delay = manifest.seconds('suggestedPresentationDelay')
        if longest and (delay is None or delay < 2 * longest - 0.1):
            self.warn('delay', 'suggestedPresentationDelay %s with segments of %.1f s: players stall' % (delay, longest))

    def look_at_clock(self, manifest):
        """UTCTiming, whichever of the two forms of http that tell the time as text"""
        values = [value for scheme, value in manifest.clocks if re.search(r':utc:http-(iso|xsdate):2014$', scheme or '')]
        if not values:
            return self.warn('clock', 'no UTCTiming by HTTP: players ask a server of their own choice, or trust their clock')
        status, headers, body = self.client.get(urllib.parse.urljoin(self.o.url, values[0].split()[0]), 'UTCTiming')
        try:
            off = mpd.unix(body.decode().strip()) - time.time()
        except (ValueError, TypeError):
            return self.error('clock', 'UTCTiming answers %d %r' % (status, body[:60]))
        if status != 200 or abs(off) > SLACK:
            self.error('clock', 'UTCTiming answers %d and is %.1f s off' % (status, off))
        if not re.search('no-store|no-cache|max-age=0', headers.get('cache-control', '')):
            self.error('clock', 'UTCTiming may be kept by a cache')

    # ---- timelines ----

    def look_at_segments(self, now):
        for number, period in enumerate(self.last.periods):
            end = self.last.periods[number + 1].start if number + 1 < len(self.last.periods) else None
            for values, inside in period.sets:
                lines = [self.look_at_timeline(one, period, end, now) for one in inside]
                if values.get('segmentAlignment') in ('true', '1'):
                    self.look_at_alignment(lines)
        for watched in self.watched.values():
            if watched.listed and not self.o.no_segments:
                self.fetch(watched)

    def look_at_timeline(self, one, period, end, now):
        def gap(text):
            watched.gaps += 1
            if not self.o.outages:
                self.error('timeline', '%s: %s' % (one.name, text))

        watched = self.watched.setdefault(one.name, Watched(one))
        segments = one.segments(gap)
        before, watched.one, watched.listed = watched.listed, one, segments
        watched.ended = end is not None
        watched.shift = period.start - one.offset / one.timescale + (self.last.start or 0)
        if not segments:
            return watched
        if before and segments[0].t < before[0].t:
            self.error('window', '%s: went back to t=%d' % (one.name, segments[0].t))
        for segment in segments:
            was = watched.known.setdefault(segment.t, segment)
            if was.d != segment.d or was.n != segment.n and '$Number' in one.template.get('media', ''):
                self.error('rewritten', '%s: %s became %s' % (one.name, was, segment))
        edge = segments[-1].t + segments[-1].d
        if edge != watched.edge:
            watched.edge, watched.news = edge, time.monotonic()
        if end is not None and (edge - one.offset) / one.timescale + period.start > end + 0.1:
            self.error('period', '%s: the Period after it starts %.3f s before it ends' % (one.name, (edge - one.offset) / one.timescale + period.start - end))
        if self.last.dynamic and end is None:
            self.look_at_edge(watched, segments, edge, now)
        return watched

    def look_at_edge(self, watched, segments, edge, now):
        one, behind = watched.one, now - (edge / watched.one.timescale + watched.shift)
        self.latency.append(behind)
        longest = max(s.d for s in segments) / one.timescale
        if behind < -SLACK:
            self.error('future', '%s: the last segment ends %.2f s after now' % (one.name, -behind))
        if self.o.outages:
            return
        if behind > self.o.max_latency:
            self.error('late', '%s: the edge is %.1f s behind' % (one.name, behind))
        if time.monotonic() - watched.news > 2 * longest + 1:
            self.error('stale', '%s: no new segment for %.1f s' % (one.name, time.monotonic() - watched.news))
            watched.news = time.monotonic()
        depth, span = self.last.seconds('timeShiftBufferDepth'), (edge - segments[0].t) / one.timescale
        if depth and span > depth + 2.5 * longest:
            self.warn('window', '%s: lists %.1f s with timeShiftBufferDepth %.1f' % (one.name, span, depth))

    def look_at_alignment(self, lines):
        """Equal times where the windows overlap, to the millisecond"""
        lines = [line for line in lines if line.listed]
        times = [[round(s.t / line.one.timescale, 3) for s in line.listed] for line in lines]
        for line, own in zip(lines[1:], times[1:], strict=False):
            first, last = max(own[0], times[0][0]), min(own[-1], times[0][-1])
            apart = {t for t in own if first <= t <= last} ^ {t for t in times[0] if first <= t <= last}
            if apart:
                self.error('alignment', '%s and %s have not the same segments at %s' % (lines[0].name, line.name, sorted(apart)[:4]))
            if abs(own[-1] - times[0][-1]) > 2 * line.listed[-1].d / line.one.timescale and not self.o.outages:
                self.warn('alignment', '%s ends at %.3f, %s at %.3f' % (lines[0].name, times[0][-1], line.name, own[-1]))

    # ---- segments ----

    def fetch(self, watched):
        one = watched.one
        if watched.tracks is None:
            watched.tracks = {}
            status, headers, body = self.client.get(one.url('initialization'), watched.name + ' init')
            if status == 200:
                self.look_at_init(watched, headers, body)
            else:
                self.error('init-http', '%s: %d' % (watched.name, status))
            # It begins where a player would; the oldest one is asked for again when its time is nearly over.
            watched.done = {s.t for s in watched.listed[:-2]}
            watched.oldest = watched.listed[0]
        for segment in watched.listed:
            if segment.t not in watched.done:
                watched.done.add(segment.t)
                self.fetch_one(watched, segment)
        self.ask_for_what_left(watched)
        # What is ahead of a Period that has ended may well be there: in the next one.
        if not watched.asked_ahead and not watched.ended and self.last.dynamic:
            watched.asked_ahead = True
            last = watched.listed[-1]
            ahead = mpd.Segment(last.t + 5 * last.d, last.d, last.n + 5)
            status, _, _ = self.client.get(one.url('media', ahead), watched.name + ' ahead')
            if status not in (404, 410, 425):
                self.error('ahead', '%s: a segment five ahead of the edge answers %d' % (watched.name, status))

    def ask_for_what_left(self, watched):
        """A segment is there for timeShiftBufferDepth and its own duration after it was available (5.3.5.1, A.3.4)"""
        oldest, depth = watched.oldest, self.last.seconds('timeShiftBufferDepth')
        if not depth or oldest.t >= watched.listed[0].t:
            return
        over = (oldest.t + 2 * oldest.d) / watched.one.timescale + watched.shift + depth
        if time.time() < over - SLACK:
            status, _, _ = self.client.get(watched.one.url('media', oldest), watched.name + ' before the window', 'HEAD')
            if status != 200:
                self.error('gone', '%s: t=%d answers %d, %.1f s before its time is over' % (watched.name, oldest.t, status, over - time.time()))
        watched.oldest = watched.listed[0]

    def look_at_init(self, watched, headers, body):
        one, values = watched.one, watched.one.values
        self.look_at_type(watched, headers)
        try:
            watched.tracks = mp4.init(body)
        except mp4.Damaged as error:
            return self.error('init', '%s: %s' % (watched.name, error))
        if len(watched.tracks) != 1:
            return self.error('init', '%s: %d tracks' % (watched.name, len(watched.tracks)))
        watched.track = track = next(iter(watched.tracks.values()))
        said = values.get('codecs', '')
        if track.codecs.lower() != said.lower() and not (track.fourcc == 'av01' and said.startswith(track.codecs)):
            self.error('codecs', '%s: the MPD says %s, the init segment %s' % (watched.name, said, track.codecs))
        size = (int(values.get('width', 0)), int(values.get('height', 0)))
        if track.width and size != (track.width, track.height):
            self.error('size', '%s: the MPD says %dx%d, the init segment %dx%d' % (watched.name, *size, track.width, track.height))
        rate = values.get('audioSamplingRate', '')
        if track.rate and rate and int(rate.split()[-1]) % track.rate:
            self.error('rate', '%s: the MPD says %s Hz, the init segment %d' % (watched.name, rate, track.rate))
        if track.timescale != one.timescale:
            self.warn('timescale', '%s: %d in the MPD, %d in the media' % (watched.name, one.timescale, track.timescale))

    def look_at_type(self, watched, headers):
        kind = headers.get('content-type', '').split(';')[0]
        if kind not in MEDIA_TYPES:
            self.warn('segment-type', '%s: %r' % (watched.name, kind))
        if 'content-length' not in headers:
            self.warn('segment-length', '%s: no Content-Length' % watched.name)

    def fetch_one(self, watched, segment):
        status, headers, body = self.client.get(watched.one.url('media', segment), watched.name)
        if status != 200:
            return self.error('segment-http', '%s: %d for t=%d' % (watched.name, status, segment.t))
        self.look_at_type(watched, headers)
        watched.fetched += 1
        watched.bytes += len(body)
        self.look_at_rate(watched, segment, len(body) * 8)
        if not watched.track:
            return None
        try:
            found = mp4.segment(body, watched.tracks)
        except mp4.Damaged as error:
            return self.error('media', '%s: t=%d: %s' % (watched.name, segment.t, error))
        if len(found) != 1 or not next(iter(found.values())).samples:
            return self.error('media', '%s: t=%d holds %d tracks' % (watched.name, segment.t, len(found)))
        self.look_at_media(watched, segment, next(iter(found.values())))

    def look_at_rate(self, watched, segment, bits):
        """A client that has minBufferTime of @bandwidth ahead must never run dry (5.3.5.4)"""
        seconds = segment.d / watched.one.timescale
        watched.peak = max(watched.peak, bits / seconds)
        watched.debt = max(0, watched.debt + bits - watched.one.bandwidth * seconds)
        allowed = watched.one.bandwidth * (self.last.seconds('minBufferTime') or 0)
        if watched.debt > allowed > 0:
            self.error('bandwidth', '%s: %d bit/s at t=%d with @bandwidth %d' % (watched.name, bits / seconds, segment.t, watched.one.bandwidth))
            watched.debt = 0

    def look_at_media(self, watched, segment, media):
        one, track, samples = watched.one, watched.track, media.samples
        scale = one.timescale / track.timescale
        # Exact in one timescale; between two a tick is what rounding takes.
        tick = 0 if scale == 1 else 1

        def off(ticks):
            return '%+d ticks, %+.2f ms' % (ticks, ticks / one.timescale * 1e3)

        shown = samples[0].pts * scale - segment.t
        if abs(shown) > tick:
            self.error('time', '%s: S@t %d, the first sample is shown %s from there' % (watched.name, segment.t, off(shown)))
        longer = media.duration * scale - segment.d
        if abs(longer) > tick:
            self.error('duration', '%s: S@d %d at t=%d, its samples last %s more' % (watched.name, segment.d, segment.t, off(longer)))
        if watched.last and watched.last[0].t + watched.last[0].d == segment.t and watched.last[1].end != media.tfdt:
            self.error('chain', '%s: tfdt %d at t=%d, the segment before ends at %d' % (watched.name, media.tfdt, segment.t, watched.last[1].end))
        if watched.last and media.sequences[0] <= watched.last[1].sequences[-1] or media.sequences != sorted(set(media.sequences)):
            self.warn('sequence', '%s: mfhd %s' % (watched.name, media.sequences[:4]))
        self.look_at_start(watched, segment, samples)
        times = [s.pts for s in samples]
        if len(set(times)) != len(times):
            self.error('media', '%s: t=%d shows two samples at once' % (watched.name, segment.t))
        if track.kind == 'video' and (rate := one.values.get('frameRate')):
            above, _, below = rate.partition('/')
            had = track.timescale / max(1, mp4.usual_duration(samples))
            if abs(had - int(above) / int(below or 1)) > 0.02 * had:
                self.error('frame-rate', '%s: the MPD says %s, samples come at %.3f' % (watched.name, rate, had))
        watched.last, watched.samples = (segment, media), watched.samples + len(samples)

    def look_at_start(self, watched, segment, samples):
        """Stream access points (14496-12 annex I): 1 nothing is shown before it, 2 something that needs nothing older, 3 it does"""
        if watched.kind != 'video':
            return
        sap, earlier = watched.one.values.get('startWithSAP'), any(s.pts < samples[0].pts for s in samples)
        if sap in ('1', '2') and not samples[0].sync:
            self.error('sap', '%s: startWithSAP %s, t=%d does not begin with a sync sample' % (watched.name, sap, segment.t))
        if sap == '1' and earlier:
            self.error('sap', '%s: startWithSAP 1, t=%d shows a sample before its first' % (watched.name, segment.t))
        if sap in (None, '0') and samples[0].sync:
            self.warn('sap', '%s: begins with sync samples and has no startWithSAP' % watched.name)


def every_segment(manifest):
    for period in manifest.periods:
        for values, inside in period.sets:
            for one in inside:
                yield from ((values, one, segment) for segment in one.segments(lambda text: None))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('url')
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--no-segments', action='store_true')
    parser.add_argument('--outages', action='store_true')
    parser.add_argument('--xsd')
    parser.add_argument('--max-latency', type=float, default=15)
    parser.add_argument('--origin', default='http://page.example', help='Origin header to send, to see the CORS answer')
    options = parser.parse_args()
    watch = Watch(options)
    watch.run()
    found, latency = watch.findings, watch.latency
    report = dict(
        ok=not found.errors,
        errors=found.errors,
        counts=found.counts,
        warnings=found.warnings,
        polls=watch.polls,
        changes=watch.changes,
        outages=watch.outages,
        periods=list(watch.starts),
        edge_latency_s=[round(min(latency), 2), round(max(latency), 2)] if latency else None,
        representations=[watched.report() for watched in watch.watched.values()],
    )
    print(json.dumps(report, indent=1))
    return 0 if not found.errors else 1


if __name__ == '__main__':
    sys.exit(main())
