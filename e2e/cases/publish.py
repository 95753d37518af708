"""Who may publish, from which program, to which code."""

import time

from harness import sources
from harness.case import case
from harness.process import until
from harness.server import PUBLISH


def ended_with_an_error(process, seconds=10):
    status = process.wait(seconds)
    return status is not None and status != 0


@case(short=10, alone=True)
def gstreamer_publishes(c):
    """GStreamer's rtmp2sink publishes; what comes out matches the file"""
    server = c.server().start()
    pipeline = [
        'gst-launch-1.0', '-q', 'filesrc', 'location=' + sources.path('src720.mp4'), '!', 'qtdemux', 'name=d',
        'd.video_0', '!', 'queue', '!', 'h264parse', '!', 'flvmux', 'name=m', 'streamable=true', '!',
        'rtmp2sink', 'sync=true', 'location=' + server.rtmp(),
        'd.audio_0', '!', 'queue', '!', 'aacparse', '!', 'm.',
    ]  # fmt: skip
    c.start('gst-launch', pipeline)
    server.wait_for_media()
    received = c.capture(server.ts(), c.seconds)
    c.ts_check(received)
    c.match('src720.mp4', received)
    c.play(server.hls(), c.seconds)


@case(short=6)
def encoder_options(c):
    """ffmpeg with small and large chunks, and encoding itself with B-frames: all are taken"""
    server = c.server(streams={'a': PUBLISH, 'b': PUBLISH}).start()
    c.push(server, 'src720.mp4', 'a', options=['-rtmp_buffer', '100', '-flvflags', 'no_metadata'])
    encode = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30']
    encode += ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=44100', '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2']
    encode += ['-g', '60', '-c:a', 'aac', '-ac', '1', '-f', 'flv', server.rtmp('b')]
    c.start('encode', encode)
    for code in ('a', 'b'):
        server.wait_for_media(code)
        received = c.capture(server.ts(code), c.seconds, code + '.ts')
        report = c.ts_check(received, name='ts_check-' + code)
        c.decodes(received, name='decode-' + code)
    assert next(s for s in report['streams'] if s['kind'] == 'aac')['rate'] == 44100, report


@case(short=6)
def stream_key(c):
    """With a stream_key: none and a wrong one are refused, the right one is taken; no key ever stands in the log"""
    server = c.server(streams={'news': {**PUBLISH, 'stream_key': 's3cret-key'}}).start()
    assert ended_with_an_error(c.push(server, name='news')), 'a publisher without a key was taken'
    assert ended_with_an_error(c.push(server, name='news?key=wr0ng-key')), 'a publisher with a wrong key was taken'
    first = c.push(server, name='news?key=s3cret-key')
    server.wait_for_media()
    # The same key again: an encoder that lost power comes back and must not find itself locked out.
    second = c.push(server, name='news?key=s3cret-key')
    until(lambda: not first.running(), 10, 'the first publisher to be replaced')
    time.sleep(2)
    assert second.running(), 'the second publisher with the key was not taken'
    c.ts_check(c.capture(server.ts(), c.seconds))
    assert server.stop() == 0
    with open(server.log) as file:
        log = file.read()
    assert 's3cret-key' not in log and 'wr0ng-key' not in log, 'a stream key stands in the log'


@case(short=5)
def second_publisher(c):
    """Without keys a second publisher is refused while the first sends, and the first goes on undisturbed"""
    server = c.server().start()
    first = c.push(server)
    server.wait_for_media()
    answer, received = c.curl(server.ts())
    assert ended_with_an_error(c.push(server)), 'the second publisher was taken'
    time.sleep(c.seconds)
    assert first.running() and answer.running()
    answer.stop()
    c.match('src720.mp4', received)


@case(short=5)
def codes(c):
    """Codes of several parts are reached however the encoder splits them; what is no code and what is not there is refused"""
    server = c.server(streams={'region/north/news': PUBLISH, 'a-b_C9': PUBLISH}).start()
    c.push(server, 'lo.mp4', 'north/news', 'live/region')
    c.push(server, 'lo.mp4', 'a-b_C9')
    for code in ('region/north/news', 'a-b_C9'):
        server.wait_for_media(code)
        c.ts_check(c.capture(server.ts(code), c.seconds, code.replace('/', '-') + '.ts'))
    for name, app in (('other', 'live'), ('a%20b', 'live'), ('x..y', 'live')):
        assert ended_with_an_error(c.push(server, 'lo.mp4', name, app)), '%s/%s was taken' % (app, name)


@case(short=5)
def no_configuration(c):
    """rillcast run without a file takes any code from loopback"""
    server = c.server().without_file('run')
    c.push(server, 'lo.mp4', 'anything/at-all')
    server.wait_for_media('anything/at-all')
    c.ts_check(c.capture(server.ts('anything/at-all'), c.seconds))
