"""RTMP in by ffmpeg, HLS and HTTP MPEG-TS out to players of several makes: the same media, bit by bit and tick by tick."""

from harness.case import case


def live(c, source='src720.mp4', segments=1):
    server = c.server().start()
    c.push(server, source)
    server.wait_for_media(segments=segments)
    return server


@case(short=12, long=60)
def http_ts(c):
    """HTTP-TS by curl: legal MPEG-TS, each frame's bytes, PTS and DTS as pushed"""
    server = live(c)
    answer, received = c.curl(server.ts())
    other = c.capture(server.ts(), c.seconds, 'second.ts')
    assert answer.running(), 'the first viewer was thrown out'
    answer.stop()
    for file in (received, other):
        c.ts_check(file, '--allow-cut-start')
        c.match('src720.mp4', file)
    c.decodes(other)
    c.exact('src720.mp4', other)


@case(short=20, long=300)
def hls(c):
    """HLS over time: playlists and segments legal, strict parser content, ffmpeg receives exactly what was pushed"""
    server = live(c)
    capture = c.path('segments.ts')
    report = c.hls_watch(server.hls(), c.seconds, '--capture', capture)
    assert report['variants'][0]['segments'] >= c.seconds / 2 - 3, report['variants']
    c.match('src720.mp4', capture)
    c.ts_check(capture)
    c.hls_strict(server.hls())
    # ffmpeg as a player of its own
    received = c.path('ffmpeg.ts')
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i', server.hls(), '-t', '8', '-c', 'copy', received]
    status, said = c.run('ffmpeg', command, 60)
    assert status == 0 and not said.strip(), said
    c.exact('src720.mp4', received)


@case(short=12, long=60, alone=True)
def browser(c):
    """Chromium plays HLS by hls.js and by itself, and HTTP-TS by mpegts.js: no stall, no error, no jump"""
    # A player that begins at the very first segment steps over the 80 ms before its first picture, and says so.
    server = live(c, segments=4)
    for player, url in (('hls', server.hls()), ('native', server.hls()), ('mpegts', server.ts())):
        report = c.play(url, c.seconds, player)
        assert not report['http_errors'] and not report['nonfatal'], (report['http_errors'], report['nonfatal'])


@case(short=9, long=60)
def gstreamer(c):
    """GStreamer plays HLS with both of its demuxers, and HTTP-TS"""
    server = live(c)
    frames = ['--min-frames', str(20 * (c.seconds - 3))]
    for demux in ('old', 'new'):
        c.gst(server.hls(), c.seconds, ['--demux', demux, *frames], 'gst-hls-' + demux)
    c.gst(server.ts(), c.seconds, frames, 'gst-ts')


@case(short=10, long=60)
def vlc(c):
    """VLC plays HLS and HTTP-TS without a lost, late or corrupt picture, and finds no discontinuity"""
    server = live(c)
    c.vlc(server.hls(), c.seconds, 'vlc-hls')
    c.vlc(server.ts(), c.seconds, 'vlc-ts')


@case(short=9, long=60)
def rtmp_play(c):
    """RTMP play: ffmpeg receives each frame as it was pushed, GStreamer and VLC play, and who asks for nothing that is there is told so"""
    server = live(c)
    received = c.path('received.flv')
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'warning', '-i', server.rtmp(), '-t', c.seconds, '-c', 'copy', received]
    status, said = c.run('ffmpeg-copy', command, c.seconds + 30)
    assert status == 0 and not said.strip(), said
    c.exact('src720.mp4', received)
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'warning', '-i', server.rtmp(), '-t', '5', '-f', 'null', '-']
    status, said = c.run('ffmpeg-decode', command, 60)
    assert status == 0 and not said.strip(), said
    c.gst(server.rtmp(), c.seconds, ['--min-frames', str(20 * (c.seconds - 3))], 'gst-rtmp')
    c.vlc(server.rtmp(), c.seconds, 'vlc-rtmp')
    status, said = c.run('ffmpeg-nothing', ['ffmpeg', '-nostdin', '-v', 'error', '-i', server.rtmp('nothing'), '-f', 'null', '-'], 30)
    assert status and 'stream nothing is not running' in said, said


@case(short=25, long=600, idle=True)
def soak(c):
    """Every client at once for the whole time; at the end the matcher and exact.py over all that was received"""
    server = live(c, 'lo.mp4')
    seconds = c.seconds
    answer, received = c.curl(server.ts())
    ffmpeg = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'warning']
    until_then = ['-t', seconds, '-map', '0:v:0', '-map', '0:a:0', '-f', 'null', '-']
    players = {
        'hls.js': c.play_command(server.hls(), seconds),
        'ffmpeg-hls': [*ffmpeg, '-i', server.hls(), *until_then],
        'ffmpeg-ts': [*ffmpeg, '-i', server.ts(), *until_then],
        'gst-hls': c.gst_command(server.hls(), seconds, ['--demux', 'new']),
        'gst-ts': c.gst_command(server.ts(), seconds),
        'vlc-hls': c.vlc_command(server.hls(), seconds),
        'vlc-ts': c.vlc_command(server.ts(), seconds),
    }
    running = {name: c.start(name, command) for name, command in players.items()}
    capture = c.path('segments.ts')
    c.hls_watch(server.hls(), seconds, '--capture', capture)
    for name, process in running.items():
        assert process.wait(60) == 0, '%s: %s' % (name, process.output()[-1500:])
    for name in ('ffmpeg-hls', 'ffmpeg-ts'):
        said = running[name].output().splitlines()[1:]
        assert not said, '%s says %s' % (name, said[:5])
    assert answer.running(), 'the HTTP-TS viewer was thrown out'
    answer.stop()
    for name, file in (('ts', received), ('hls', capture)):
        c.match('lo.mp4', file, '--min-video', str(25 * (seconds - 5)), name='match-' + name)
        c.exact('lo.mp4', file, name='exact-' + name)
    c.ts_check(received, '--allow-cut-start')
