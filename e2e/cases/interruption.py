"""Outputs outlive inputs: encoders die and come back, and so does the server, and players go on."""

import time

from harness.case import case
from harness.process import until


@case(short=4, long=15)
def encoder_restarts(c):
    """The encoder is killed and comes back three times: no viewer is thrown out, marks and counters are right"""
    server = c.server().start()
    encoder = c.push(server)
    server.wait_for_media(segments=3)
    total = 3 * (c.seconds + 2) + 12
    answer, received = c.curl(server.ts())
    segments = c.path('segments.ts')
    watch = [*c.script('hls_watch.py'), server.hls(), '--seconds', total, '--outages', '--capture', segments]
    watch = c.start('hls_watch', watch)
    limits = ['--max-stalls', '3', '--max-jumps', '3', '--min-played', str(total - 12)]
    player = c.start('hls.js', c.play_command(server.hls(), total, options=limits))
    decoder = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'fatal', '-i', server.ts(), '-t', total - 6, '-f', 'null', '-']
    decoder = c.start('ffmpeg', decoder)
    for _ in range(3):
        time.sleep(c.seconds)
        encoder.kill()
        time.sleep(1.5)
        encoder = c.push(server)
    for name, process in (('hls_watch', watch), ('hls.js', player), ('ffmpeg', decoder)):
        assert process.wait(total + 30) == 0, '%s: %s' % (name, process.output()[-1500:])
    assert answer.running(), 'the HTTP-TS viewer was thrown out'
    answer.stop()
    c.ts_check(received)
    c.match('src720.mp4', received, '--breaks', '3', name='match-ts')
    c.match('src720.mp4', segments, '--breaks', '3', name='match-hls')
    seen = c.report(watch)['variants'][0]
    assert seen['discontinuities'] == 3, '%d discontinuities in HLS instead of 3' % seen['discontinuities']
    assert seen['outages'] == 0 and seen['jumps'] == 0, seen


@case(short=25, long=60)
def server_restart(c):
    """rillcast itself is restarted while hls.js plays: it goes on, numbers do not go back, no name is used twice"""
    server = c.server().start()
    encoder = c.push(server)
    server.wait_for_media(segments=3)
    before, _ = c.fetch_segments(server, name='before.ts')
    watch = c.start('hls_watch', [*c.script('hls_watch.py'), server.hls(), '--seconds', c.seconds, '--outages'])
    limits = ['--max-stalls', '2', '--max-jumps', '3', '--min-played', str(c.seconds - 12)]
    player = c.start('hls.js', c.play_command(server.hls(), c.seconds, options=limits))
    time.sleep(6)
    assert server.stop() == 0, 'it did not end properly'
    until(lambda: not encoder.running(), 10, 'the encoder to notice')
    server.start()
    c.push(server)
    for name, process in (('hls_watch', watch), ('hls.js', player)):
        assert process.wait(c.seconds + 30) == 0, '%s: %s' % (name, process.output()[-1500:])
    seen = c.report(watch)['variants'][0]
    assert seen['jumps'] == 1, 'the media sequence number skipped ahead %d times instead of once' % seen['jumps']
    after, _ = c.fetch_segments(server, name='after.ts')
    names = [{line for line in text.splitlines() if line and line[0] != '#'} for text in (before, after)]
    assert not names[0] & names[1], 'a segment name came twice: %s' % (names[0] & names[1])
