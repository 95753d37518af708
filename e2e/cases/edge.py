"""The way to a viewer: slow ones beside fast ones, bounds, the disk."""

import json
import os
import re
import shutil
import subprocess
import time

from harness import http
from harness.bystander import MEGABYTE, Bystander
from harness.case import case
from harness.process import until
from harness.server import PUBLISH


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def whole_units(path):
    """Cuts a capture that ended anywhere to whole access units; how many splices it has"""
    data = read(path)
    packets = [data[at : at + 188] for at in range(0, len(data) - 187, 188)]
    begin = [n for n, p in enumerate(packets) if p[1] & 0x40 and (p[1] & 31) << 8 | p[2] > 31]
    packets = packets[: begin[-1]]
    with open(path, 'wb') as file:
        file.write(b''.join(packets))
    # A new time base: discontinuity_indicator in a packet with a PCR (ISO/IEC 13818-1 2.4.3.5).
    return sum(1 for p in packets if p[3] & 0x20 and p[4] and p[5] & 0x90 == 0x90)


@case(short=30, long=120, idle=True)
def slow_viewers(c):
    """Of 300 viewers 3 are slow and 2 do not read: the others lose nothing, these skip GOPs and are sent away"""
    # Long enough for a slow one to make room once, and be skipped, before it is sent away.
    by = Bystander(c, settings={'fan_out': {'slow_viewer_timeout_sec': 15}})
    server, most = by.server, by.memory
    rate = json.loads(server.get('/api/v1/streams').body)['streams'][0]['bits_per_second'] // 8
    command = ['--out', c.path('viewers'), '--count', 295, '--slow', 3, '--rate', rate // 10, '--stalled', 2, '--seconds', c.seconds]
    viewers = c.start('viewers', [*c.script('viewers.py'), server.ts(), *command])
    while viewers.running():
        most = max(most, server.memory())
        time.sleep(0.5)
    assert viewers.wait(1) == 0, viewers.output()[-2000:]
    report = c.report(viewers)
    assert all(viewer['closed'] for viewer in report['slow'] + report['stalled']), report

    closed = [line for line in server.log_text().splitlines() if 'viewer closed' in line and 'too slow' in line]
    assert len(closed) == 5, '%d viewers were sent away as too slow:\n%s' % (len(closed), '\n'.join(closed))
    assert server.refused('slow_viewer_timeout_sec') == 5, server.limits()
    assert not re.search('viewer closed.*(failed|internal)', server.log_text()), server.log_text()[-3000:]
    for name in ('slow0', 'slow1', 'slow2', 'stalled0', 'stalled1'):
        file = c.path('viewers/%s.ts' % name)
        splices = whole_units(file)
        assert splices >= (1 if name.startswith('slow') else 0), '%s skipped nothing' % name
        c.ts_check(file, name='ts_check-' + name)
        c.match('lo.mp4', file, '--breaks', splices, name='match-' + name)
        # With times as they are; ffmpeg would close the gap, and then find two pictures at one time.
        c.decodes(file, '-copyts', name='decode-' + name)
    grown = (most - by.memory) / MEGABYTE
    assert grown < 16, 'the server grew by %.1f MB' % grown
    by.unharmed()


@case(short=1)
def connection_limits(c):
    """Connections and viewers beyond the limits are turned away and counted, and who comes when others left is served"""
    # What one address may have does not hold for loopback.
    settings = {'limits': {'connections': 24, 'connections_per_address': 5, 'viewers_per_stream': 4}}
    by = Bystander(c, settings=settings)
    server = by.server
    # With the bystander, and with ourselves, who have asked for HLS.
    viewers = [http.Wire(server).get('/news/mpegts') for _ in range(2)]
    for viewer in viewers:
        assert viewer.head()[1] == 200
    turned_away = http.Wire(server).get('/news/mpegts', 'Origin: http://page.example').answer()
    assert turned_away.status == 503 and b'viewers_per_stream' in turned_away.body, turned_away
    assert turned_away.headers['access-control-allow-origin'], turned_away.headers
    assert server.refused('viewers_per_stream') == 1, server.limits()
    # HLS is not held up by that.
    assert server.get('/news/index.m3u8').status == 200
    viewers.pop().close()

    def served():
        late = http.Wire(server).get('/news/mpegts')
        status = late.head()[1]
        late.close()
        return status == 200

    until(served, 5, 'a viewer to take the place of one who left', 0.2)

    idle = []
    while not server_closed(idle):
        idle.append(http.Wire(server))
        assert len(idle) < 40, 'no connection was turned away'
    assert len(idle) > 15, 'only %d connections were taken' % len(idle)
    for wire in idle:
        wire.close()
    until(lambda: answers(server), 5, 'the server to answer again')
    assert server.refused('connections') >= 1, server.limits()
    for viewer in viewers:
        viewer.close()
    by.unharmed()


def server_closed(wires):
    """Whether the newest connection was closed at once"""
    return bool(wires) and wires[-1].rest(0.3)[1]


def answers(server):
    try:
        return server.get('/healthz', timeout=2).status == 200
    except OSError:
        return False


@case(short=6)
def http_connections(c):
    """One connection serves many requests in their order: pipelined, HEAD, Range, If-None-Match, HTTP/1.0, any path"""
    by = Bystander(c)
    server = by.server
    media, text = server.wait_for_media(segments=2)
    segment = '/news/' + http.uris(text)[-1]
    whole = server.get(segment)

    wire = http.Wire(server)
    for _ in range(3):
        assert wire.get(media).answer().body.startswith(b'#EXTM3U')
        assert wire.get(segment).answer().body == whole.body
        assert wire.get(segment, method='HEAD').answer('HEAD').headers['content-length'] == str(len(whole.body))
        part = wire.get(segment, 'Range: bytes=188-375').answer()
        assert part.status == 206 and part.body == whole.body[188:376], part.status
        same = wire.get(segment, 'If-None-Match: ' + whole.headers['etag']).answer()
        assert same.status == 304, same
        assert wire.get('/news/nothing.ts').answer().status == 404
        assert wire.get(segment, 'Range: bytes=99999999-').answer().status == 416
    # The page and the API are on another way through the server; media after them on the same connection as well.
    for path, status in (('/healthz', 200), (segment, 200), ('/api/v1/streams', 200), (media, 200), ('/nowhere', 404)):
        assert wire.get(path).answer().status == status, path
    wire.close()

    # All at once, and answered in order; more than fits into any buffer, from a client that reads late.
    wire = http.Wire(server, timeout=30)
    for _ in range(30):
        wire.get(segment).get('/news/nothing.ts').get(segment, 'Range: bytes=0-187')
    wire.get('/healthz').get(segment)
    time.sleep(1)
    for _ in range(30):
        assert wire.answer().body == whole.body
        assert wire.answer().status == 404
        assert wire.answer().body == whole.body[:188]
    assert wire.answer().body == b'ok\n'
    assert wire.answer().body == whole.body
    wire.close()

    # HTTP/1.0: closed after the answer, unless asked otherwise; endless media without chunks.
    wire = http.Wire(server).get(segment, version='1.0')
    assert wire.answer().body == whole.body and wire.rest(3) == (b'', True), 'HTTP/1.0 was not closed after its answer'
    wire = http.Wire(server)
    for _ in range(2):
        assert wire.get(segment, 'Connection: keep-alive', version='1.0').answer().body == whole.body
    wire.close()
    wire = http.Wire(server).get(segment, 'Connection: close')
    assert wire.answer().body == whole.body and wire.rest(3) == (b'', True), 'not closed although asked to'
    wire = http.Wire(server).get('/news/mpegts', version='1.0')
    _, status, headers = wire.head()
    assert status == 200 and not {'transfer-encoding', 'content-length'} & set(headers), headers
    data, closed = wire.rest(c.seconds)
    assert not closed, 'endless media ended'
    with open(c.path('old.ts'), 'wb') as file:
        file.write(data)
    c.ts_check(c.path('old.ts'))
    c.match('lo.mp4', c.path('old.ts'), name='match-old')
    by.unharmed()


@case(short=1)
def late_reader(c):
    """A client that asks for much and reads nothing costs no memory, and does not hold up the end of the server"""
    by = Bystander(c)
    media, text = by.server.wait_for_media(segments=2)
    wires = [http.Wire(by.server) for _ in range(20)]
    for wire in wires:
        wire.send(('GET /news/%s HTTP/1.1\r\nHost: localhost\r\n\r\n' % http.uris(text)[-1]) * 200)
    time.sleep(2)
    by.unharmed()
    started = time.monotonic()
    assert by.server.stop(6) == 0, 'it did not end properly'
    assert time.monotonic() - started < 5, 'it took %.1f s' % (time.monotonic() - started)


class SmallDisk:
    """A server in a mount namespace of its own, with a small file system at `folder`"""

    SIZE = 6 * MEGABYTE

    def __init__(self, c, streams):
        self.folder = c.path('hls')
        os.makedirs(self.folder)
        # Two streams hold some two megabytes in it.
        settings = {'publisher': {'hls': {'dir': self.folder, 'live_window': 3, 'live_history': 1}}}
        self.server = c.server(streams=streams, settings=settings)
        wrapper = c.path('server-on-a-small-disk')
        with open(wrapper, 'w') as file:
            mount = 'mount -t tmpfs -o size=%d none "%s"' % (self.SIZE, self.folder)
            file.write('#!/bin/sh\nset -e\n%s\nexec "%s" "$@"\n' % (mount, self.server.binary))
        os.chmod(wrapper, 0o755)
        enter = c.path('enter')
        with open(enter, 'w') as file:
            # Without root a namespace of users gives the right to mount, where the system allows that.
            file.write('#!/bin/sh\nexec unshare %s "%s" "$@"\n' % ('-m' if os.getuid() == 0 else '-rm', wrapper))
        os.chmod(enter, 0o755)
        probe = subprocess.run([enter, '--version'], capture_output=True, text=True)
        assert probe.returncode == 0, 'this case needs the right to mount (root, or user namespaces): ' + probe.stderr
        self.server.binary = enter
        self.server.start()
        self.seen = '/proc/%d/root%s' % (self.server.process.child.pid, self.folder)

    def path(self, name):
        return os.path.join(self.seen, name)

    def fill(self):
        """Takes all the room that is left"""
        with open(self.path('ballast'), 'wb', buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        assert shutil.disk_usage(self.seen).free == 0


@case(short=12)
def full_disk(c):
    """A full disk below hls.dir is a warning: HLS goes on from memory, and when there is room the files are whole again"""
    disk = SmallDisk(c, {'news': PUBLISH, 'other': PUBLISH})
    server = disk.server
    for code in ('news', 'other'):
        c.push(server, 'lo.mp4', code)
    server.wait_for_media('news', segments=2)
    server.wait_for_media('other', segments=2)
    until(lambda: os.path.exists(disk.path('news/index.m3u8')), 5, 'files on the disk')
    viewer, received = c.curl(server.ts('other'), 'other.ts')

    disk.fill()
    server.wait_for_log('cannot write segments to disk', 15)
    assert 'No space left' in server.log_text(), server.log_text()[-1000:]
    c.hls_watch(server.hls(), c.seconds)
    for name in os.listdir(disk.path('news')):
        data = read(disk.path('news/' + name))
        assert not name.endswith('.ts') or (data and len(data) % 188 == 0), '%s is cut' % name
        assert not name.endswith('.m3u8') or data.endswith(b'\n'), '%s is cut' % name
    warnings = server.log_text().count('cannot write segments to disk')
    assert warnings <= 2 * (c.seconds // 10 + 2), '%d warnings' % warnings

    os.unlink(disk.path('ballast'))

    def in_step():
        """All that the playlist on the disk lists is there with the bytes that are served"""
        media, _ = server.wait_for_media('news')
        try:
            text = read(disk.path(media.lstrip('/')))
            if text != server.get(media).body:
                return False
            for uri in http.uris(text.decode()):
                assert read(disk.path('news/' + uri)) == server.get('/news/' + uri).body, uri
        except FileNotFoundError:
            return False
        return True

    until(in_step, 25, 'the disk to hold what is served', 0.3)
    assert not [name for name in os.listdir(disk.path('news')) if name.endswith('.tmp')]
    assert server.limits()['panics'] == 0
    assert viewer.running(), 'a viewer was thrown out'
    viewer.stop()
    c.ts_check(received)
    c.match('lo.mp4', received)
    assert server.stop() == 0
