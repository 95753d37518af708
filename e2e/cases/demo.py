"""`rillcast demo`: nothing to set up, and every client plays it."""

from harness import http
from harness.case import case


@case(short=12, long=60, alone=True)
def demo(c):
    """rillcast demo plays in Chromium by hls.js and by its own HLS, with no stall, error or jump; the loop has no step"""
    server = c.server().demo()
    path, _ = server.wait_for_media('demo')
    assert http.uris(server.get(path).body.decode()), 'no segment'
    said = server.log_text()
    for url in (server.hls('demo'), server.ts('demo')):
        assert url in said, '%s is not among the printed URLs' % url
    c.play(server.hls('demo'), c.seconds)
    c.play(server.hls('demo'), min(c.seconds, 20), 'native')
    # More than one round of the clip, so that its wrap is in it.
    received = c.capture(server.ts('demo'), max(c.seconds, 18))
    report = c.ts_check(received)
    video, audio = (next(s for s in report['streams'] if s['kind'] == kind) for kind in ('h264', 'aac'))
    assert video['pictures'] > 16 * 25, video
    assert audio['rate'] == 48000 and audio['channels'] == 2, audio
    c.decodes(received)


@case(short=8, long=60, alone=True)
def page(c):
    """The page at / plays the demo with the browser's own HLS and with the embedded hls.js, and tells what it is"""
    server = c.server().demo()
    server.wait_for_media('demo')
    for engine in ('native', 'hlsjs'):
        shot = c.path(engine + '.png')
        command = c.browser_command('visit.mjs', '--url', server.url('/'), '--engine', engine)
        report = c.tool('visit-' + engine, [*command, '--seconds', c.seconds, '--shot', shot], c.seconds + 40)
        assert report['urls'] == [server.hls('demo'), server.dash('demo'), server.ts('demo'), server.rtmp('demo')], report['urls']
        for fact in ('avc1.64', 'mp4a.40.2', '960×540', '25 frames/s', '48 kHz', '2 s'):
            assert fact in report['facts'], '%r is not on the page: %s' % (fact, report['facts'])
