"""DASH of one rendition: the manifest and its segments over time, players of several makes, the files on disk."""

import http.server
import os
import signal
import threading
import time

from harness import http as client
from harness.case import case
from harness.process import until
from harness.server import PUBLISH

JOIN_MS = ['--max-join', '2000']
# ffmpeg 5.1 begins at the oldest segment and reads as fast as it can. Past the newest it asks for the one that would be next,
# again and again, and says so; it must not come there.
FFMPEG_SECONDS = 5


def wait_for_dash(server, code='news', segments=4):
    """Until the first timeline lists so many segments"""

    def listed():
        text = server.get('/%s/index.mpd' % code).body.decode()
        lines = [line for line in text.split('</SegmentTimeline>')[0].split('<S ')[1:]]
        return sum(1 + int(line.split('r="')[1].split('"')[0]) if 'r="' in line else 1 for line in lines) >= segments

    until(listed, 40, '%d DASH segments of %s' % (segments, code), 0.2)


@case(short=14, long=600, alone=True)
def dash(c):
    """DASH over time: manifest and segments legal, dash.js joins within 2 s and plays without a stall, ffmpeg and later Shaka too"""
    server = c.server().start()
    c.push(server, 'lo.flv')
    wait_for_dash(server)
    # Shaka in each run plays the ladder.
    players = ('dash', 'shaka') if c.long else ('dash',)
    seconds = len(players) * (c.seconds + 2)
    watch = c.start('dash_watch', [*c.script('dash_watch.py'), server.dash(), '--seconds', seconds])
    decoder = c.start('ffmpeg', c.ffmpeg_command(server.dash(), FFMPEG_SECONDS))
    for player in players:
        report = c.play(server.dash(), c.seconds, player, JOIN_MS)
        assert not report['http_errors'] and not report['nonfatal'], (report['http_errors'], report['nonfatal'])
    c.all_pass({'ffmpeg': decoder, 'dash_watch': watch})
    c.said_nothing(decoder)
    report = c.report(watch)
    assert not report['warnings'], report['warnings']
    assert len(report['periods']) == 1 and len(report['representations']) == 2, report
    # 2 s segments: none of them may have been missed.
    assert all(one['fetched'] >= seconds / 2 - 2 for one in report['representations']), report['representations']


@case(short=1)
def dash_http(c):
    """Manifest, segments and clock: types, caching, 304, HEAD and Range; the clock of any code; DASH that is off is a 404"""
    streams = {'news': PUBLISH, 'off': {**PUBLISH, 'protocols': {'dash': False}}}
    server = c.server(streams=streams).start()
    for code in streams:
        c.push(server, 'lo.flv', code)
    wait_for_dash(server, segments=2)
    manifest = server.get('/news/index.mpd', headers={'Origin': 'http://page.example'})
    assert manifest.headers['content-type'] == 'application/dash+xml', manifest.headers
    text = manifest.body.decode()
    assert text.startswith('<?xml') and '<MPD ' in text[:512], text[:200]
    same = [server.get('/news/index.mpd', headers={'If-None-Match': server.get('/news/index.mpd').headers['etag']}) for _ in 'ab']
    assert any(answer.status == 304 and not answer.body for answer in same), same

    template = text.split('media="')[1].split('"')[0]
    first = text.split('<S t="')[1].split('"')[0]
    for name in (template.replace('$Time$', first), text.split('initialization="')[1].split('"')[0]):
        path = '/news/' + name
        whole = server.get(path)
        assert whole.status == 200 and whole.headers['content-type'] in ('video/mp4', 'video/iso.segment'), (name, whole.headers)
        assert 'max-age=' in whole.headers['cache-control'], whole.headers
        assert whole.headers['access-control-allow-origin'] == '*', whole.headers
        head = server.get(path, method='HEAD')
        assert not head.body and int(head.headers['content-length']) == len(whole.body), head
        part = server.get(path, headers={'Range': 'bytes=4-7'})
        assert part.status == 206 and part.body == whole.body[4:8], part
    missing = server.get('/news/' + template.replace('$Time$', '1'))
    assert missing.status == 404 and missing.headers['access-control-allow-origin'] == '*', missing

    for code in ('news', 'news@track_1', 'nobody', 'off'):
        clock = server.get('/%s/time' % code)
        assert clock.status == 200 and clock.headers['cache-control'] == 'no-store', clock
        assert clock.headers['access-control-allow-origin'] == '*' and clock.body.endswith(b'Z'), clock
    server.wait_for_media('off')
    assert server.get('/off/index.mpd').status == 404, 'DASH although it is switched off'


class Folder:
    """A folder as a static server has it: for every origin, with the types of DASH and HLS"""

    TYPES = {'.mpd': 'application/dash+xml', '.m4s': 'video/iso.segment', '.mp4': 'video/mp4', '.m3u8': 'application/vnd.apple.mpegurl'}

    def __init__(self, folder):
        class Handler(http.server.SimpleHTTPRequestHandler):
            extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, **self.TYPES}

            def __init__(self, *arguments):
                super().__init__(*arguments, directory=folder)

            def end_headers(self):
                self.send_header('Access-Control-Allow-Origin', '*')
                self.send_header('Cache-Control', 'no-cache')
                super().end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path):
        return 'http://127.0.0.1:%d/%s' % (self.server.server_port, path)

    def close(self):
        self.server.shutdown()


@case(short=10, long=60)
def dash_dir(c):
    """publisher.dash.dir and hls.dir: what is on the disk plays from a static server; the folders go with their stream"""
    folders = {name: c.path(name) for name in ('dash', 'hls')}
    settings = {'publisher': {name: {'dir': folder, 'live_window': 6} for name, folder in folders.items()}}
    server = c.server(settings=settings).start()
    c.push(server, 'lo.flv')
    wait_for_dash(server)
    disk = Folder(folders['dash'])
    try:
        assert client.request(disk.url('news/index.mpd')).body == server.get('/news/index.mpd').body or in_step(disk, server)
        decoder = c.start('ffmpeg', c.ffmpeg_command(disk.url('news/index.mpd'), FFMPEG_SECONDS))
        status, output = c.run('dash_watch', [*c.script('dash_watch.py'), disk.url('news/index.mpd'), '--seconds', c.seconds], c.seconds + 30)
        # A static server has no clock; all else is as it should be.
        lines = [line for line in output.splitlines() if line.strip().startswith('"') and 's clock: ' not in line and 's: ' in line]
        assert status is not None and 's clock: ' in output and not lines, output
        c.all_pass({'ffmpeg': decoder})
        c.said_nothing(decoder)
    finally:
        disk.close()
    names = os.listdir(os.path.join(folders['dash'], 'news'))
    assert not [name for name in names if name.endswith('.tmp')], names
    # The window of 6, a window more, and what is being written.
    for track in ('track_1-', 'sound'):
        segments = [name for name in names if name.startswith(track) and name.endswith('.m4s')]
        assert 6 <= len(segments) <= 16, '%d segments of %s: %s' % (len(segments), track, sorted(names))
    server.write_config({'other': PUBLISH})
    server.process.signal(signal.SIGHUP)
    for name, folder in folders.items():
        until(lambda folder=folder: not os.path.exists(os.path.join(folder, 'news')), 10, 'the folder of %s to go' % name)


def in_step(disk, server):
    """Whether disk and memory say the same, which they may not while one is being written"""
    for _ in range(20):
        time.sleep(0.1)
        if client.request(disk.url('news/index.mpd')).body == server.get('/news/index.mpd').body:
            return True
    return False
