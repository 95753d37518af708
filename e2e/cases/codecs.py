"""Codecs that no player takes in MPEG-TS: in fragmented MP4, by Enhanced RTMP."""

from harness import http, paced
from harness.case import case
from harness.server import PUBLISH

from .dash import FFMPEG_SECONDS, wait_for_dash

CODES = {'hevc': ('hvc1.', 'mp4a.40.2'), 'av1': ('av01.', 'opus')}


@case(short=8, long=28, alone=True)
def hevc_av1_opus(c):
    """HEVC with AAC and AV1 with Opus: legal in HLS and DASH, ffmpeg decodes all, Firefox plays HEVC and Chromium AV1"""
    server = c.server(streams=dict.fromkeys(CODES, PUBLISH)).start()
    for code in CODES:

        def again(code=code):
            for again_ in range(8):
                yield from paced.file(code + '.flv', again_ * 32_000)

        c.publish(server, again(), code)
    for code in CODES:
        wait_for_dash(server, code)
    running = {}
    for code, codecs in CODES.items():
        top = server.get('/%s/index.m3u8' % code).body.decode()
        media = server.get('/%s/%s' % (code, http.uris(top)[0])).body.decode()
        assert all(codec in top for codec in codecs) and '#EXT-X-MAP:' in media, top + media
        for name, command in (
            ('dash_watch-', [*c.script('dash_watch.py'), server.dash(code), '--seconds', 2 * c.seconds]),
            ('ffmpeg-dash-', c.ffmpeg_command(server.dash(code), FFMPEG_SECONDS)),
            ('ffmpeg-hls-', c.ffmpeg_command(server.hls(code), FFMPEG_SECONDS)),
        ):
            running[name + code] = c.start(name + code, command)
    c.all_pass({name: process for name, process in running.items() if name.startswith('ffmpeg')})
    for code, browser in (('hevc', 'firefox'), ('av1', 'chromium')):
        for player, url in (('hls', server.hls(code)), ('dash', server.dash(code))):
            c.play(url, c.seconds, player, ['--browser', browser], 'play-%s-%s' % (code, player))
    c.all_pass(running)
    for name, process in running.items():
        if name.startswith('ffmpeg'):
            c.said_nothing(process)
