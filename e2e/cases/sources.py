"""Sources as they come in the field: long and open GOPs, bursts, one track only."""

from harness import sources
from harness.case import case
from harness.process import until


def live(c, source, segments=1):
    server = c.server().start()
    c.push(server, source)
    server.wait_for_media(segments=segments)
    return server


@case(short=22, long=90, alone=True)
def long_gop(c):
    """A source with a key frame every 10 s plays; TARGETDURATION follows the GOP and stays"""
    server = live(c, 'gop10.mp4', segments=2)
    report = c.hls_watch(server.hls(), c.seconds, '--capture', c.path('segments.ts'))
    assert 10 <= report['variants'][0]['target'] <= 12, report['variants']
    c.match('gop10.mp4', c.path('segments.ts'))
    c.play(server.hls(), 12)
    received = c.capture(server.ts(), 12)
    c.ts_check(received)
    c.match('gop10.mp4', received, name='match-ts')


PICTURES = 1600  # of a source with open GOPs; only the first is an IDR picture
# Its 16th recovery point has frame_num 0. libavcodec does not notice there that pictures are missing, puts nothing in their
# place, and finds none when one of them is to be forgotten. It goes on, unless told to be strict, as Chromium tells it.
STRICT_STUMBLES = 799


def wait_for_recovery_points(c, server, source, before=PICTURES):
    """Until players can only begin at a recovery point: in what the playlist lists, and in the 8 s after it, stands no IDR
    picture, nor the picture `before`"""

    def listed():
        _, file = c.fetch_segments(server)
        run = c.match(source, file, name='match-listed')['tracks']['h264']['runs'][0]
        return 0 < run['first'] and run['first'] + run['units'] + 8 * 25 <= before

    until(listed, 90, 'a playlist without an IDR picture', 1)


def open_gops(c, source):
    server = c.server(settings={'publisher': {'hls': {'live_window': 5}}}).start()
    c.push(server, source)
    server.wait_for_media(segments=4)
    return server


@case(short=10, long=60, alone=True)
def open_gop(c):
    """A source with open GOPs and no IDR but the first plays from a recovery point"""
    source = 'opengop.mp4'
    server = open_gops(c, source)
    wait_for_recovery_points(c, server, source, before=STRICT_STUMBLES)
    c.play(server.hls(), c.seconds)
    for demux in ('old', 'new'):
        wait_for_recovery_points(c, server, source)
        report = c.gst(server.hls(), 8, ['--demux', demux, '--leading', '1'], 'gst-' + demux)
        # Not none either: then it would have begun at an IDR picture, and this would prove nothing.
        assert [s['leading'] for s in report['streams'].values() if s['kind'] == 'video'] == [1], report['streams']
    received = c.capture(server.ts(), c.seconds)
    c.ts_check(received)
    c.match(source, received)
    c.exact(source, received)
    report = c.hls_watch(server.hls(), c.seconds)
    assert report['variants'][0]['target'] == 2, report['variants']


@case(short=8, long=60)
def open_gop_x264(c):
    """Open GOPs as x264 makes them by itself: every picture arrives, and GStreamer plays from any recovery point"""
    source = 'opengop-x264.mp4'
    server = open_gops(c, source)
    wait_for_recovery_points(c, server, source)
    c.gst(server.hls(), 8, ['--leading', '2'])
    received = c.capture(server.ts(), c.seconds)
    c.ts_check(received)
    c.match(source, received)
    c.exact(source, received)


@case(short=12, alone=True)
def burst(c):
    """A source that sends 30 s at once and then in real time plays, with nothing lost and nothing in the future"""
    server = c.server().start()
    pace = [*c.script('pace.py'), sources.path('lo.flv'), '--burst', '30']
    publish = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', '-f', 'flv', '-i', '-', '-c', 'copy', '-f', 'flv', server.rtmp()]
    answer, received = c.curl_when_there(server.ts())
    c.start('publish', ['bash', '-c', '"${@:1:%d}" | "${@:%d}"' % (len(pace), len(pace) + 1), 'publish', *pace, *publish])
    server.wait_for_media()
    c.play(server.hls(), c.seconds)
    c.hls_watch(server.hls(), 10)
    assert answer.running(), 'the HTTP-TS viewer was thrown out'
    answer.stop()
    c.ts_check(received)
    c.match('lo.mp4', received)


@case(short=9, long=60, alone=True)
def audio_only(c):
    """A source without a picture plays, and no output announces one"""
    server = live(c, 'novideo.mp4', segments=2)
    c.hls_watch(server.hls(), c.seconds)
    top = server.get('/news/index.m3u8').body.decode()
    assert 'mp4a.40.2' in top and 'avc1' not in top and 'RESOLUTION' not in top, top
    received = c.capture(server.ts(), c.seconds)
    report = c.ts_check(received)
    assert [s['kind'] for s in report['streams']] == ['aac'], report['streams']
    c.match('novideo.mp4', received)
    c.play(server.hls(), c.seconds, options=['--no-video'])
    c.gst(server.ts(), 8, ['--no-video'])


@case(short=9, long=60, alone=True)
def video_only(c):
    """A source without sound plays, and no output announces any"""
    server = live(c, 'noaudio.mp4', segments=2)
    c.hls_watch(server.hls(), c.seconds)
    top = server.get('/news/index.m3u8').body.decode()
    assert 'avc1' in top and 'mp4a' not in top, top
    received = c.capture(server.ts(), c.seconds)
    report = c.ts_check(received)
    assert [s['kind'] for s in report['streams']] == ['h264'], report['streams']
    c.match('noaudio.mp4', received)
    c.play(server.hls(), c.seconds, options=['--no-audio'])
    c.gst(server.ts(), 8, ['--no-audio'])


@case(short=30, long=75)
def no_key_frame(c):
    """A source with one key frame only is cut at the limit, whole and in order, and says that segments depend on others"""
    server = c.server().start()
    c.push(server, 'nokey.mp4')
    server.wait_for_media(segments=max(2, c.seconds // 12 - 1), seconds=c.seconds + 30)
    text, file = c.fetch_segments(server)
    assert 'EXT-X-INDEPENDENT-SEGMENTS' not in text, text
    target = int(text.split('#EXT-X-TARGETDURATION:')[1].split()[0])
    assert target <= 12, text
    c.ts_check(file)
    c.match('nokey.mp4', file, '--min-video', '400')
    c.decodes(file)


@case(short=10)
def uneven_frames(c):
    """A source with a varying frame rate keeps its times"""
    server = live(c, 'vfr.mp4', segments=2)
    received = c.capture(server.ts(), c.seconds)
    c.ts_check(received)
    c.match('vfr.mp4', received, '--tolerance-ms', '1')
