"""ABR ladders: every player in every rung, and back."""

from harness import http, sources
from harness.case import LADDER, case
from harness.process import until
from harness.server import ladder as renditions

from .dash import FFMPEG_SECONDS, JOIN_MS, wait_for_dash


def three(c, settings=None, **more):
    """(server, {name: publisher}) of the usual ladder, with some segments of it"""
    server = c.server(streams={'news': renditions(*LADDER)}, settings=settings, **more).start()
    encoders = c.push_ladder(server)
    wait_for_rungs(server, LADDER)
    wait_for_dash(server)
    return server, encoders


def variants(server, code='news'):
    """{URI: line of the variant} in the multivariant playlist"""
    answer = server.get('/%s/index.m3u8' % code)
    lines = answer.body.decode().splitlines() if answer.status == 200 else []
    return {lines[n + 1]: line for n, line in enumerate(lines) if line.startswith('#EXT-X-STREAM-INF:')}


def wait_for_rungs(server, names, seconds=40):
    """Until exactly these are in the multivariant playlist and in the manifest's last Period"""

    def there():
        listed = [uri.removesuffix('.m3u8') for uri in variants(server)]
        manifest = server.get('/news/index.mpd').body.decode().rsplit('<Period ', 1)[-1]
        shown = [name for name in names if 'Representation id="%s"' % name in manifest]
        return sorted(listed) == sorted(names) and len(shown) == len(names)

    until(there, seconds, 'the rungs %s' % ' '.join(names), 0.2)


def sizes_of(report):
    return {level['size'] for level in report['levels']}


@case(short=18, long=600, alone=True)
def ladder(c):
    """Three rungs: dash.js, Shaka and hls.js are forced up and down without a stall, error or jump; VLC, GStreamer, ffmpeg play"""
    server, _ = three(c)
    for name, line in variants(server).items():
        for word in ('BANDWIDTH=', 'CODECS="avc1.', 'mp4a.40.2', 'RESOLUTION=', 'FRAME-RATE=25'):
            assert word in line, 'no %s for %s: %s' % (word, name, line)
    switch = ['--switch', '10' if c.long else '3']
    players = {'dash': server.dash(), 'shaka': server.dash(), 'hls': server.hls()}
    if c.long:
        watch = c.watch(server, c.seconds)
        c.all_pass({name: c.start('play-' + name, c.play_command(url, c.seconds, name, switch)) for name, url in players.items()}, c.seconds + 90)
    else:
        watch = c.watch(server, 3 * c.seconds + 5)
        for player, url in players.items():
            report = c.play(url, c.seconds, player, [*switch, *([] if player == 'shaka' else JOIN_MS)])
            assert sizes_of(report) == {'640x360', '426x240', '256x144'}, report['levels']
            assert not report['http_errors'], report['http_errors']
    of_hls, of_dash = c.watched(watch)
    assert len(of_hls['variants']) == 3 and all(one['discontinuities'] == 0 for one in of_hls['variants']), of_hls['variants']
    assert len(of_dash['periods']) == 1, of_dash['periods']
    # Sound is there once.
    assert sorted(one['kind'] for one in of_dash['representations']) == ['audio', 'video', 'video', 'video'], of_dash['representations']
    others = {
        'ffmpeg-hls': c.start('ffmpeg-hls', c.ffmpeg_command(server.hls(), 8)),
        'ffmpeg-dash': c.start('ffmpeg-dash', c.ffmpeg_command(server.dash(), FFMPEG_SECONDS)),
        'vlc': c.start('vlc', c.vlc_command(server.hls(), 10)),
        'gst': c.start('gst', c.gst_command(server.hls(), 9, ['--demux', 'new'])),
    }
    c.all_pass(others)
    for name in ('ffmpeg-hls', 'ffmpeg-dash'):
        c.said_nothing(others[name])


@case(short=8, long=60, alone=True)
def ladder_one_encoder(c):
    """One ffmpeg with three outputs feeds a ladder in one form of segments, fMP4; the bare code and a rung twice are refused"""
    settings = {'publisher': {'hls': {'segment_type': 'fmp4'}}}
    server = c.server(streams={'news': renditions(*LADDER)}, settings=settings).start()
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'warning']
    for source in LADDER.values():
        command += ['-stream_loop', '-1', '-re', '-i', sources.path(source)]
    for number, name in enumerate(LADDER):
        command += ['-map', str(number), '-c', 'copy', '-f', 'flv', server.rtmp('news@' + name)]
    encoder = c.start('encoder', command)
    wait_for_rungs(server, LADDER)
    wait_for_dash(server)
    watch = c.watch(server, c.seconds)
    for name in ('news', 'news@high', 'news@none'):
        refused = c.push(server, 'low.flv', name)
        assert refused.wait(10) not in (None, 0), 'a publisher was taken for ' + name
    of_hls, of_dash = c.watched(watch)
    assert encoder.running(), encoder.output()
    assert all(one['discontinuities'] == one['gaps'] == 0 for one in of_hls['variants']), of_hls['variants']
    assert not any(one['gaps'] for one in of_dash['representations']), of_dash['representations']
    text = server.get('/news/high.m3u8').body.decode()
    assert '#EXT-X-MAP:' in text and all(uri.endswith('.m4s') for uri in http.uris(text)), text
    c.play(server.hls(), c.seconds, options=JOIN_MS)


@case(short=8, long=60, alone=True)
def ladder_page(c):
    """The page plays a ladder as HLS and as DASH, and takes the rung that is chosen in its menu"""
    server, _ = three(c)
    for engine in ('hlsjs', 'dashjs') if c.long else ('dashjs',):
        shot = c.path(engine + '.png')
        command = c.browser_command('visit.mjs', '--url', server.url('/'), '--engine', engine, '--quality', '144')
        report = c.tool('visit-' + engine, [*command, '--seconds', c.seconds, '--shot', shot], c.seconds + 40)
        assert report['formats'] == ['HLS', 'DASH'], report
        assert len(report['qualities']) == 4 and [q.split(' ')[0] for q in report['qualities'][1:]] == ['360p', '240p', '144p'], report
