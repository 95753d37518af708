"""Ladders whose encoders fail, differ or disagree: what can play plays on, and it is marked where it must be."""

import threading
import time

from harness import paced
from harness.case import LADDER, case
from harness.process import until
from harness.rtmp import AUDIO
from harness.server import ladder as renditions

from .dash import FFMPEG_SECONDS, wait_for_dash
from .ladder import three, wait_for_rungs

SHORT_WINDOW = {'publisher': {'hls': {'live_window': 5}, 'dash': {'live_window': 5}}}


@case(short=50, long=120, alone=True)
def rung_away(c):
    """A rung's encoder restarts; another is silent, leaves playlist and manifest and comes back: the others go on unmarked"""
    server, encoders = three(c, SHORT_WINDOW)
    watch = c.watch(server, c.seconds)
    players = {player: c.start(player, c.play_command(url, c.seconds - 5, player)) for player, url in (('hls', server.hls()), ('dash', server.dash()))}
    time.sleep(5)
    encoders['mid'].kill()
    time.sleep(2)
    encoders['mid'] = c.push(server, LADDER['mid'], 'news@mid')
    time.sleep(4)
    encoders['low'].kill()
    wait_for_rungs(server, ['high', 'mid'])
    assert 'Representation id="low"' not in server.get('/news/index.mpd').body.decode().rsplit('<Period ', 1)[-1], 'in the manifest'
    c.push(server, LADDER['low'], 'news@low')
    wait_for_rungs(server, LADDER)
    c.all_pass(players, c.seconds + 30)
    of_hls, of_dash = c.watched(watch, c.seconds + 30)
    seen = {one['name'].removesuffix('.m3u8'): one for one in of_hls['variants']}
    assert all(one['discontinuities'] == 0 for one in seen.values()), seen
    assert seen['high']['gaps'] == 0 and seen['mid']['gaps'] > 0 and seen['low']['gaps'] > 0, seen
    # DASH knows no hole in one Representation: without it and with it again are Periods of their own, with no break in time.
    assert len(of_dash['periods']) <= 5, of_dash['periods']


@case(short=32, long=90, alone=True)
def ladder_encoder_restarts(c):
    """All encoders of a ladder are killed and come back: one DISCONTINUITY per rung, one new Period, players go on"""
    server, encoders = three(c)
    # The encoders do not die at the same picture. Their last segments have one length, which is right to a few pictures.
    watch = c.watch(server, c.seconds, '--outages', hls=['--tolerance-ms', '160'])
    limits = ['--max-stalls', '2', '--max-jumps', '3', '--min-played', str(c.seconds - 14)]
    players = {p: c.start(p, c.play_command(url, c.seconds - 2, p, limits)) for p, url in (('hls', server.hls()), ('dash', server.dash()))}
    time.sleep(c.seconds / 3)
    for encoder in encoders.values():
        encoder.kill()
    time.sleep(2)
    c.push_ladder(server)
    c.all_pass(players, c.seconds + 30)
    of_hls, of_dash = c.watched(watch)
    assert [one['discontinuities'] for one in of_hls['variants']] == [1, 1, 1], of_hls['variants']
    assert len(of_dash['periods']) == 2, of_dash['periods']


@case(short=8, long=60, alone=True)
def rungs_apart(c):
    """A rung with key frames elsewhere and one with another frame rate: status and log say so, and every rung plays"""
    rungs = {'high': 'lo.flv', 'apart': 'apart.flv', 'rate30': 'rate30.flv'}
    server = c.server(streams={'news': renditions(*rungs)}).start()
    c.push_ladder(server, rungs)
    wait_for_rungs(server, rungs)
    wait_for_dash(server)
    until(lambda: any('key frames' in text for text in server.stream()['warnings']), 20, 'a warning in the status', 0.5)
    server.wait_for_log('its key frames are not at the same times')
    by_rung = {rung['name']: ' '.join(rung['warnings']) for rung in server.stream()['renditions']}
    elsewhere = {name for name, text in by_rung.items() if 'key frames' in text}
    # Whichever of them leads, the other two agree.
    assert elsewhere == {'apart'}, by_rung
    for player, url in (('hls', server.hls()), ('dash', server.dash())):
        c.play(url, c.seconds, player, ['--max-jumps', '3', '--max-stalls', '1'])
    if c.long:
        for name in rungs:
            c.play(server.hls('news@' + name), c.seconds, name='play-' + name)


@case(short=10, long=60, alone=True)
def twelve_rungs(c):
    """A ladder of twelve: all are listed and legal, equal in time, and hls.js plays it"""
    rungs = {'r%02d' % number: 'low.flv' for number in range(12)}
    server = c.server(streams={'news': renditions(*rungs)}).start()
    c.push_ladder(server, rungs)
    wait_for_rungs(server, rungs)
    wait_for_dash(server)
    watch = c.watch(server, c.seconds + 4)
    c.play(server.hls(), c.seconds)
    of_hls, of_dash = c.watched(watch)
    assert len(of_hls['variants']) == 12 and len(of_dash['representations']) == 13, (of_hls, of_dash)


def browsers(server):
    """Players in a browser that have come so far"""
    return sum('viewer opened' in line and 'Chrome' in line for line in server.log_text().splitlines())


def watched_change(c, server, limits, *options):
    """hls_watch, dash_watch, hls.js and dash.js for the case's time, once both players have been playing for some seconds"""
    watch = c.watch(server, c.seconds, *options)
    players = {p: c.start(p, c.play_command(url, c.seconds - 3, p, limits)) for p, url in (('hls', server.hls()), ('dash', server.dash()))}
    until(lambda: browsers(server) == 2, 30, 'both players to have come', 0.2)
    time.sleep(5)
    return watch, players


@case(short=26, long=60, alone=True)
def resolution_changes(c):
    """A source whose pictures change their size plays on: one DISCONTINUITY, one new Period, both sizes are seen"""
    server, smaller = c.server().start(), threading.Event()

    def tags():
        for tag in paced.file('lo.flv'):
            if smaller.is_set():
                break
            yield tag
        yield from paced.file('low.flv', tag[1])

    c.publish(server, tags())
    wait_for_dash(server)
    watch, players = watched_change(c, server, ['--max-jumps', '2', '--max-stalls', '1'])
    smaller.set()
    c.all_pass(players, c.seconds + 30)
    for name, process in players.items():
        shown = [one['size'] for one in c.report(process)['shown']]
        assert shown == ['640x360', '256x144'], '%s has shown %s' % (name, shown)
    of_hls, of_dash = c.watched(watch)
    assert of_hls['variants'][0]['discontinuities'] == 1, of_hls['variants']
    assert len(of_dash['periods']) == 2, of_dash['periods']


@case(short=30, long=60, alone=True)
def sound_stops(c):
    """Silence stands in for sound that stops for a while: players notice nothing, and status and log say so"""
    server, quiet = c.server().start(), threading.Event()
    c.publish(server, paced.file('lo.flv', drop=lambda kind, ms: kind == AUDIO and quiet.is_set()))
    wait_for_dash(server)
    watch, players = watched_change(c, server, [])
    quiet.set()
    server.wait_for_log('silence stands in for it')
    assert any('no sound' in text for text in server.stream()['warnings']), server.stream()['warnings']
    time.sleep(30 if c.long else 8)
    quiet.clear()
    server.wait_for_log('the sound of the source is back')
    c.all_pass(players, c.seconds + 30)
    of_hls, of_dash = c.watched(watch)
    assert of_hls['variants'][0]['discontinuities'] == 0 and len(of_dash['periods']) == 1, (of_hls['variants'], of_dash['periods'])


@case(short=8, long=60, alone=True)
def one_track_dash(c):
    """A source without sound, one without pictures and one whose sound is announced and never comes play in DASH"""
    streams = {code: {'inputs': [{'url': 'publish://'}]} for code in ('silent', 'radio', 'never')}
    server = c.server(streams=streams).start()
    c.push(server, 'noaudio.mp4', 'silent')
    c.push(server, 'novideo.mp4', 'radio')
    # The header of the sound is there, and nothing after it.
    c.publish(server, paced.file('lo.flv', drop=lambda kind, ms: kind == AUDIO and ms > 0), 'never')
    for code in streams:
        wait_for_dash(server, code)
    watches = {code: c.start('dash_watch-' + code, [*c.script('dash_watch.py'), server.dash(code), '--seconds', c.seconds + 2]) for code in streams}
    decoders = {code: c.start('ffmpeg-' + code, c.ffmpeg_command(server.dash(code), FFMPEG_SECONDS)) for code in streams}
    c.play(server.dash('never'), c.seconds, 'dash', ['--no-audio'], 'play-never')
    if c.long:
        c.play(server.dash('silent'), c.seconds, 'dash', ['--no-audio'], 'play-silent')
        c.play(server.dash('radio'), c.seconds, 'dash', ['--no-video'], 'play-radio')
    c.all_pass({**watches, **{'ffmpeg-' + code: decoder for code, decoder in decoders.items()}})
    for decoder in decoders.values():
        c.said_nothing(decoder)
    kinds = {code: [one['kind'] for one in c.report(watch)['representations']] for code, watch in watches.items()}
    assert kinds == {'silent': ['video'], 'radio': ['audio'], 'never': ['video']}, kinds
