"""RTSP: played and published over TCP and UDP by clients of several makes, frame by frame; through a bad network; in a crowd."""

import json
import os
import time

from harness import paced
from harness.bystander import Bystander
from harness.case import case
from harness.process import until
from harness.server import PUBLISH
from harness.tls import Tls

from .dash import FFMPEG_SECONDS, wait_for_dash

TRANSPORTS = ('tcp', 'udp')
# H.264 with B-frames and AAC; H.265 with B-frames and Opus: what is published, and what exact.py compares with.
SOURCES = {'news': ('lo.mp4', 'lo.mp4'), 'hevc': ('hevcopus.flv', 'hevcopus.mp4')}


def live(c, **more):
    """Both of them, over RTMP"""
    server = c.server(streams=dict.fromkeys(SOURCES, PUBLISH), rtsp=True, **more).start()
    c.push(server, 'lo.mp4')

    def again():
        for number in range(1 + 3600 // 32):
            yield from paced.file('hevcopus.flv', number * 32_000)

    c.publish(server, again(), 'hevc')
    server.wait_for_media('news')
    wait_for_dash(server, 'hevc', segments=1)
    return server


def played(c, transport):
    """Every player of a stream at once, one stream after the other"""
    server = live(c)
    for code, (source, file) in SOURCES.items():
        url = server.rtsp(code)
        named = lambda name: '%s-%s-%s' % (name, code, transport)  # noqa: B023, E731
        frames = ['--rtsp', transport, '--min-frames', 20 * (c.seconds - 3)]
        running = {
            named('ffmpeg'): c.ffmpeg_rtsp_command(url, c.seconds, transport),
            named('gst'): c.gst_command(url, c.seconds, frames),
            named('mpv'): c.mpv_command(url, c.seconds, '--transport', transport),
            named('rtsp_watch'): c.rtsp_watch_command(url, c.seconds, transport, source),
        }
        running = {name: c.start(name, command) for name, command in running.items()}
        received = c.ffmpeg_rtsp(url, c.seconds, transport, named('received'))
        c.all_pass(running, c.seconds + 40)
        c.said_nothing(running[named('ffmpeg')])
        c.exact(file, received, '--min-video', 20 * (c.seconds - 3), name=named('exact'))
    assert server.limits()['panics'] == 0, server.log_text()[-2000:]


@case(short=8, long=60, alone=True)
def rtsp_play_tcp(c):
    """RTSP play over TCP: ffmpeg, GStreamer and mpv, H.264 with B-frames and AAC, H.265 and Opus: every frame, A/V to 1 ms by RTCP"""
    played(c, 'tcp')


@case(short=8, long=60, alone=True)
def rtsp_play_udp(c):
    """RTSP play over UDP: as over TCP"""
    played(c, 'udp')


@case(short=6, long=600, alone=True)
def rtsp_long(c):
    """RTSP for a long time, over TCP and UDP at once: no session ends, every frame comes, and sender reports never drift"""
    server = live(c)
    running = {
        'rtsp_watch-%s-%s' % (code, transport): c.rtsp_watch_command(server.rtsp(code), c.seconds, transport, source)
        for code, (source, _) in SOURCES.items()
        for transport in TRANSPORTS
    }
    running = {name: c.start(name, command) for name, command in running.items()}
    received = c.ffmpeg_rtsp(server.rtsp(), c.seconds, 'udp', 'received')
    c.all_pass(running, 120)
    c.exact('lo.mp4', received, '--min-video', 20 * (c.seconds - 3))


def leaves_everywhere(c, server, codes):
    """What leaves on all outputs is lo.mp4, frame by frame. RTP has no decode times, so they are the server's own"""
    running = {}
    for code in codes:
        running['ts-' + code], _ = c.curl(server.ts(code), 'http-%s.ts' % code)
        rtmp = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i', server.rtmp(code), '-t', c.seconds]
        running['rtmp-' + code] = c.start('rtmp-' + code, [*rtmp, '-c', 'copy', c.path('rtmp-%s.ts' % code)])
        hls = [server.hls(code), '--seconds', c.seconds, '--capture', c.path('hls-%s.ts' % code)]
        running['hls-' + code] = c.start('hls_watch-' + code, [*c.script('hls_watch.py'), *hls])
        dash = [server.dash(code), '--seconds', c.seconds]
        running['dash-' + code] = c.start('dash_watch-' + code, [*c.script('dash_watch.py'), *dash])
        running['rtsp-' + code] = c.start('rtsp_watch-' + code, c.rtsp_watch_command(server.rtsp(code), c.seconds, 'tcp', 'lo.mp4'))
    time.sleep(c.seconds)
    for code in codes:
        viewer = running.pop('ts-' + code)
        assert viewer.running(), 'the HTTP-TS viewer of %s was thrown out: %s' % (code, viewer.output())
        viewer.stop()
    c.all_pass(running, 60)
    for code in codes:
        c.ts_check(c.path('http-%s.ts' % code), '--allow-cut-start', name='ts_check-' + code)
        for output in ('http', 'rtmp', 'hls'):
            file = c.path('%s-%s.ts' % (output, code))
            c.match('lo.mp4', file, '--own-dts', name='match-%s-%s' % (output, code))
        c.exact('lo.mp4', c.path('http-%s.ts' % code), name='exact-' + code)


@case(short=8, long=40, alone=True)
def rtsp_publish(c):
    """RTSP publish by ffmpeg and GStreamer over TCP and UDP: the stream leaves on every output frame by frame as it came"""
    codes = ['%s-%s' % (program, transport) for program in ('ffmpeg', 'gst') for transport in TRANSPORTS]
    server = c.server(streams=dict.fromkeys(codes, PUBLISH), rtsp=True).start()
    publishers = []
    for transport in TRANSPORTS:
        publishers.append(c.push_to(server.rtsp('ffmpeg-' + transport), 'lo.mp4', rtsp=transport))
        publishers.append(c.record(server.rtsp('gst-' + transport), 'lo.mp4', transport))
    for code in codes:
        server.wait_for_media(code)
        wait_for_dash(server, code, segments=2)
    leaves_everywhere(c, server, codes)
    assert all(publisher.running() for publisher in publishers), [publisher.output() for publisher in publishers]


@case(short=8)
def rtsp_publish_hevc(c):
    """H.265 with Opus published over RTSP: legal in DASH and decoded from HLS, and played over RTSP frame by frame"""
    server = c.server(streams=dict.fromkeys(TRANSPORTS, PUBLISH), rtsp=True).start()
    for transport in TRANSPORTS:
        c.push_to(server.rtsp(transport), 'hevcopus.mp4', rtsp=transport)
    running = {}
    for code in TRANSPORTS:
        wait_for_dash(server, code, segments=2)
        commands = {
            'rtsp_watch-': c.rtsp_watch_command(server.rtsp(code), c.seconds, code, 'hevcopus.flv'),
            'dash_watch-': [*c.script('dash_watch.py'), server.dash(code), '--seconds', c.seconds],
            'ffmpeg-hls-': c.ffmpeg_command(server.hls(code), FFMPEG_SECONDS),
        }
        running.update({name + code: c.start(name + code, command) for name, command in commands.items()})
    # Of HLS with fragmented MP4 ffmpeg complains whenever it reads a playlist again.
    c.all_pass(running)


@case(short=8, long=60)
def rtsps(c):
    """RTSPS: ffmpeg publishes, ffmpeg and GStreamer play, all over TLS: each frame is as it was pushed"""
    key = 's3cret-key'
    tls = Tls(c)
    server = c.server(streams={'news': {**PUBLISH, 'stream_key': key}}, tls=tls.files, rtsp=True).start()
    c.push_to(server.rtsps('news?key=' + key), 'lo.mp4')
    server.wait_for_media()
    command = ['gst-launch-1.0', '-q', 'rtspsrc', 'location=' + server.rtsps(), 'protocols=tcp', 'tls-validation-flags=0']
    gstreamer = c.start('gstreamer', [*command, '!', 'rtph264depay', '!', 'h264parse', '!', 'filesink', 'location=' + c.path('gst.264')])
    received = c.ffmpeg_rtsp(server.rtsps(), c.seconds, 'tcp')
    c.exact('lo.mp4', received, '--min-video', 20 * (c.seconds - 3))
    assert gstreamer.running(), gstreamer.output()
    gstreamer.stop()
    assert os.path.getsize(c.path('gst.264')) > 50_000, 'GStreamer got nothing'
    log = server.log_text()
    assert 'protocol=rtsps' in log and key not in log, log


@case(short=5)
def rtsp_key(c):
    """A stream key in the URL or as a password is taken; none and a wrong one are 401 and end; no key stands in the log"""
    key = 's3cret-key'
    codes = ('query', 'password', 'none', 'wrong', 'wrong-password', 'gst')
    server = c.server(streams=dict.fromkeys(codes, {**PUBLISH, 'stream_key': key}), rtsp=True).start()

    def with_password(code, password):
        return server.rtsp(code).replace('rtsp://', 'rtsp://any:%s@' % password)

    right = [c.push_to(server.rtsp('query?key=' + key), 'lo.mp4'), c.push_to(with_password('password', key), 'lo.mp4', rtsp='udp')]
    right.append(c.record(with_password('gst', key), 'lo.mp4'))
    wrong = [c.push_to(url, 'lo.mp4') for url in (server.rtsp('none'), server.rtsp('wrong?key=wr0ng'), with_password('wrong-password', 'wr0ng'))]
    for publisher in wrong:
        status = publisher.wait(15)
        assert status and '401' in publisher.output(), (status, publisher.output())
    for code in ('query', 'password', 'gst'):
        server.wait_for_media(code)
        c.match('lo.mp4', c.capture(server.ts(code), c.seconds, code + '.ts'), '--own-dts', name='match-' + code)
    assert all(publisher.running() for publisher in right)
    assert server.stop() == 0
    with open(server.log) as file:
        log = file.read()
    assert key not in log and 'wr0ng' not in log, 'a stream key stands in the log'


BAD = {'loss': 0.02, 'jitter_ms': 30, 'delay_ms': 15, 'reorder': 0.02, 'duplicate': 0.01}


def said_to_be_lost(value, name=''):
    """The sum of all numbers that are called lost in what the API says"""
    if isinstance(value, dict):
        return sum(said_to_be_lost(one, key) for key, one in value.items())
    if isinstance(value, list):
        return sum(said_to_be_lost(one, name) for one in value)
    return value if 'lost' in name and isinstance(value, (int, float)) else 0


@case(short=12, long=60)
def rtsp_bad_network(c):
    """2 % loss, 30 ms jitter, reordering and duplicates between encoder, server and players: no session ends, and loss is shown"""
    server = c.server(streams={'news': PUBLISH, 'lossy': PUBLISH}, rtsp=True).start()
    c.push(server, 'lo.mp4')
    server.wait_for_media()
    inwards = c.relay('rtsp', server.rtsp_port, 'relay-in', seed=11, **BAD)
    publisher = c.push_to('rtsp://127.0.0.1:%d/live/lossy' % inwards.port, 'lo.mp4', rtsp='udp')
    server.wait_for_media('lossy')

    outwards = c.relay('rtsp', server.rtsp_port, 'relay-out', seed=12, **BAD)
    late = c.relay('tcp', server.rtsp_port, 'relay-tcp', seed=13, **BAD)
    lossy, clean = 'rtsp://127.0.0.1:%d/live/news' % outwards.port, 'rtsp://127.0.0.1:%d/live/news' % late.port
    viewer, _ = c.curl(server.ts('lossy'), 'lossy.ts')
    commands = {
        'rtsp_watch-udp': c.rtsp_watch_command(lossy, c.seconds, 'udp', None, '--max-lost', 0.06),
        'ffmpeg-udp': c.ffmpeg_rtsp_command(lossy, c.seconds, 'udp'),
        'gst-udp': c.gst_command(lossy, c.seconds, ['--rtsp', 'udp', '--min-frames', 10 * c.seconds, '--lossy']),
        'mpv-udp': c.mpv_command(lossy, c.seconds, '--transport', 'udp', '--lossy'),
        # Over TCP nothing is lost, it is only late.
        'rtsp_watch-tcp': c.rtsp_watch_command(clean, c.seconds, 'tcp', 'lo.mp4'),
        'ffmpeg-tcp': c.ffmpeg_rtsp_command(clean, c.seconds, 'tcp'),
    }
    running = {name: c.start(name, command) for name, command in commands.items()}
    # Shown while it happens: what was lost of what came, and what players report.
    until(lambda: said_to_be_lost(server.stream('lossy')) > 0, c.seconds, 'loss of the publisher to be shown: %s' % server.stream('lossy'))
    until(lambda: said_to_be_lost(server.stream('news')) > 0, c.seconds, 'loss of players to be shown: %s' % server.stream('news'))
    c.all_pass(running, c.seconds + 40)
    c.said_nothing(running['ffmpeg-tcp'])
    assert publisher.running() and viewer.running(), publisher.output() + viewer.output()
    viewer.stop()
    # A lost packet damages one picture; what leaves is legal all the same.
    c.ts_check(c.path('lossy.ts'), '--allow-cut-start', '--max-gap-ms', 1000, '--max-hole-ms', 500)
    for relay in (inwards, outwards, late):
        did = relay.stop()
        assert did['there']['lost'] + did['back']['lost'] > 10, json.dumps(did)
    assert server.limits()['panics'] == 0, server.log_text()[-2000:]


@case(short=25, long=120, idle=True)
def rtsp_slow_viewers(c):
    """Of 300 sessions over TCP 3 stop reading: the others miss no packet, these are sent away, and memory stays bounded"""
    by = Bystander(c, settings={'fan_out': {'slow_viewer_timeout_sec': 10}}, rtsp=True)
    server, most = by.server, by.memory
    command = [*c.script('rtsp_viewers.py'), server.rtsp(), '--count', 297, '--stalled', 3, '--seconds', c.seconds]
    viewers = c.start('rtsp_viewers', command)
    while viewers.running():
        most = max(most, server.memory())
        time.sleep(0.5)
    assert viewers.wait(1) == 0, viewers.output()[-2000:]
    report = c.report(viewers)
    assert all(viewer['closed'] for viewer in report['stalled']), report
    closed = [line for line in server.log_text().splitlines() if 'viewer closed' in line and 'too slow' in line]
    assert len(closed) == 3, '%d viewers were sent away as too slow:\n%s' % (len(closed), '\n'.join(closed))
    assert server.refused('slow_viewer_timeout_sec') == 3, server.limits()
    grown = (most - by.memory) / (1 << 20)
    assert grown < 48, 'the server grew by %.1f MB' % grown
    by.unharmed()
