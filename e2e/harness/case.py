"""One case: its folder, the server and the peers it starts, and the checkers it holds their results against."""

import json
import os
import shutil
import sys

from . import http, paced, relay, sources
from .process import Process, run
from .server import Server

TOOLS = os.path.join(sources.HERE, 'tools')
DEBIAN_PYTHON = '/usr/bin/python3'  # python3-gi is installed for this one
CASES = {}
LADDER = {'high': 'lo.flv', 'mid': 'mid.flv', 'low': 'low.flv'}  # the usual one, best first


def case(short=15, long=None, alone=False, idle=False):
    """Registers a function as a case. `short`, `long`: seconds it watches in CI and with --long. `alone`: a browser plays
    in it, or it looks at the time that things take, so that no other such case may run beside it, but small ones may.
    `idle`: it needs a machine that does nothing else."""

    def register(function):
        name = function.__name__
        assert name not in CASES, name
        function.alone, function.idle = alone or idle, idle
        CASES[name] = (function, short, long or short)
        return function

    return register


class Case:
    """Passed to each case; everything it started is ended when the case is over, whatever happened"""

    def __init__(self, name, binary, seconds, long, alone=True):
        self.name, self.binary, self.seconds, self.long, self.alone = name, binary, seconds, long, alone
        self.folder = os.path.join(sources.HERE, 'out', name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        self.started, self.servers, self.count = [], [], 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def server(self, *arguments, **more):
        """A server that is configured and not started yet"""
        folder = self.path('server%d' % len(self.servers) if self.servers else 'server')
        os.makedirs(folder)
        self.servers.append(Server(self.binary, folder, *arguments, **more))
        return self.servers[-1]

    def start(self, name, command, **more):
        """A peer that runs beside; its output goes to <name>.log"""
        self.started.append(Process(command, self.path(name + '.log'), **more))
        return self.started[-1]

    def run(self, name, command, seconds, **more):
        """A peer that runs to its end: (exit status, output)"""
        return run(command, self.path(name + '.log'), seconds, **more)

    def close(self):
        for process in reversed(self.started):
            process.stop(2)
        for server in self.servers:
            server.stop()

    def tool_path(self, name):
        return os.path.join(TOOLS, name)

    # ---- encoders ----

    def push(self, server, source='src720.mp4', name='news', app='live', options=()):
        """ffmpeg publishes a file over and over in real time, without re-encoding"""
        return self.push_to(server.rtmp(name, app), source, options)

    def push_to(self, url, source, options=(), rtsp='tcp'):
        """The same to a URL; `rtsp`: tcp or udp, where the URL is of RTSP"""
        self.count += 1
        command = [os.path.join(TOOLS, 'push.sh'), sources.path(source), url, *options]
        return self.start('push%d' % self.count, command, env={'RTSP': rtsp})

    def record(self, url, source, transport='tcp', parsers=('h264parse', 'aacparse')):
        """GStreamer's rtspclientsink publishes a file once, in real time"""
        self.count += 1
        command = ['gst-launch-1.0', '-q', 'rtspclientsink', 'name=s', 'location=' + url, 'protocols=' + transport]
        command += ['filesrc', 'location=' + sources.path(source), '!', 'qtdemux', 'name=d']
        for pad, parser in zip(('d.video_0', 'd.audio_0'), parsers):
            command += [pad, '!', 'queue', '!', parser, '!', 's.']
        return self.start('record%d' % self.count, command)

    def push_ladder(self, server, rungs=LADDER, code='news'):
        """One ffmpeg for each rung of {name: source}: {name: process}"""
        return {name: self.push(server, source, '%s@%s' % (code, name)) for name, source in rungs.items()}

    def publish(self, server, tags, name='news'):
        """A publisher by hand, see `paced`"""
        self.started.append(paced.Paced(server, name, tags))
        return self.started[-1]

    def relay(self, kind, target, name='relay', **options):
        """A network that loses and delays before a port; see `relay`"""
        return relay.Relay(self, kind, target, name, **options)

    # ---- receivers and checkers: each returns its report and fails the case when it is not satisfied ----

    def tool(self, name, command, seconds):
        status, output = self.run(name, command, seconds)
        start = output.find('{')
        try:
            report = json.loads(output[start : output.rindex('}') + 1]) if start >= 0 else {}
        except ValueError:
            report = {}
        if status != 0:
            why = report.get('why') or report.get('errors') or output[-600:]
            raise AssertionError('%s (exit status %s): %s' % (name, status, why))
        return report

    def script(self, name):
        """The command that runs one of our Python tools"""
        return [sys.executable, os.path.join(TOOLS, name)]

    def python(self, name, script, *arguments, seconds=120):
        return self.tool(name, [*self.script(script), *arguments], seconds)

    def report(self, process):
        """The JSON report that a tool printed which ran beside"""
        output = process.output()
        return json.loads(output[output.index('{') : output.rindex('}') + 1])

    def curl(self, url, name='received.ts'):
        """Starts to record an endless answer; returns (process, path)"""
        file = self.path(name)
        return self.start(name, ['curl', '-sS', '-N', '--fail', '-o', file, url]), file

    def curl_when_there(self, url, name='received.ts'):
        """As `curl`, asking again until there is media"""
        file = self.path(name)
        command = ['curl', '-sS', '-N', '--fail', '--retry', '30', '--retry-all-errors', '--retry-delay', '1', '-o', file, url]
        return self.start(name, command), file

    def capture(self, url, seconds, name='received.ts'):
        """Records an endless answer for some seconds; the server must not end it"""
        status, output = self.run(name, ['curl', '-sS', '-N', '--fail', '-m', seconds, '-o', self.path(name), url], seconds + 10)
        assert status == 28, 'curl did not run into its time limit but ended with %s: %s' % (status, output)
        return self.path(name)

    def ts_check(self, file, *options, name='ts_check'):
        return self.python(name, 'ts_check.py', file, *options)

    def exact(self, source, file, *options, name='exact'):
        return self.python(name, 'exact.py', sources.path(source), file, '--loop', *options, seconds=900)

    def match(self, source, file, *options, name='match'):
        return self.python(name, 'match.py', sources.path(source), file, '--loop', *options)

    def decodes(self, file, *options, name='decode'):
        """ffmpeg decodes it and has nothing to say"""
        command = ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'warning', '-i', file, '-map', '0', *options, '-f', 'null', '-']
        status, output = self.run(name, command, 300)
        assert status == 0 and not output.strip(), 'ffmpeg says: %s' % output[:600]

    def hls_watch(self, url, seconds, *options, name='hls_watch'):
        report = self.python(name, 'hls_watch.py', url, '--seconds', seconds, *options, seconds=seconds + 60)
        assert not report['warnings'], report['warnings']
        return report

    def dash_watch(self, url, seconds, *options, name='dash_watch'):
        report = self.python(name, 'dash_watch.py', url, '--seconds', seconds, *options, seconds=seconds + 60)
        assert not report['warnings'], report['warnings']
        return report

    def watch(self, server, seconds, *options, hls=()):
        """hls_watch and dash_watch beside what else a case does, until `watched`"""
        commands = {'hls_watch': [server.hls(), *hls], 'dash_watch': [server.dash()]}
        return {tool: self.start(tool, [*self.script(tool + '.py'), *own, '--seconds', seconds, *options]) for tool, own in commands.items()}

    def watched(self, watch, seconds=60):
        """(report of hls_watch, report of dash_watch), which must be content"""
        self.all_pass(watch, seconds)
        reports = [self.report(watch[tool]) for tool in ('hls_watch', 'dash_watch')]
        for report in reports:
            assert not report['warnings'], report['warnings']
        return reports

    def all_pass(self, running, seconds=60):
        """Waits for {name: process}; each must end well"""
        for name, process in running.items():
            assert process.wait(seconds) == 0, '%s: %s' % (name, process.output()[-1500:])

    def hls_strict(self, url, name='hls_strict'):
        status, output = self.run(name, ['node', os.path.join(TOOLS, 'hls_strict.mjs'), url], 30)
        assert status == 0 and 'REJECTED' not in output, output[-600:]

    def play(self, url, seconds, player='hls', options=(), name=None):
        """A web player in headless Chromium"""
        return self.tool(name or 'play-' + player, self.play_command(url, seconds, player, options), seconds + 60)

    def play_command(self, url, seconds, player='hls', options=()):
        return self.browser_command('play.mjs', '--url', url, '--player', player, '--seconds', seconds, *options)

    def browser_command(self, script, *arguments):
        """A tool that drives a browser"""
        assert self.alone, 'a case with a browser has to say so'
        return ['node', self.tool_path(script), *arguments]

    def ffmpeg_command(self, url, seconds):
        """ffmpeg as a player; `said_nothing` looks at it afterwards"""
        maps = ['-map', '0:v:0?', '-map', '0:a:0?']
        return ['ffmpeg', '-hide_banner', '-nostdin', '-v', 'warning', '-i', url, '-t', seconds, *maps, '-f', 'null', '-']

    def said_nothing(self, process):
        said = process.output().splitlines()[1:]
        assert not said, '%s: %s' % (' '.join(process.command[:8]), said[:5])

    def gst_command(self, url, seconds, options=()):
        return [DEBIAN_PYTHON, os.path.join(TOOLS, 'gst_play.py'), url, '--seconds', seconds, *options]

    def gst(self, url, seconds, options=(), name='gst'):
        return self.tool(name, self.gst_command(url, seconds, options), seconds + 40)

    def vlc_command(self, url, seconds):
        return [os.path.join(TOOLS, 'vlc_play.sh'), url, seconds]

    def vlc(self, url, seconds, name='vlc'):
        return self.tool(name, self.vlc_command(url, seconds), seconds + 40)

    # ---- RTSP ----

    def ffmpeg_rtsp(self, url, seconds, transport='tcp', name='ffmpeg-rtsp'):
        """ffmpeg receives an RTSP stream as it is, without a word; the file. RTP has no decode times, and of the first packet of
        pictures with B-frames ffmpeg says so"""
        file = self.path(name + '.mp4')
        command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'warning', '-rtsp_transport', transport, '-i', url]
        status, said = self.run(name, [*command, '-t', seconds, '-c', 'copy', file], seconds + 30)
        known = ('Timestamps are unset in a packet', 'pts has no value', 'codec frame size is not set')
        other = [line for line in said.splitlines() if not any(one in line for one in known)]
        assert status == 0 and not other, said[-1000:]
        return file

    def ffmpeg_rtsp_command(self, url, seconds, transport='tcp'):
        """ffmpeg as a player; `said_nothing` looks at it afterwards"""
        command = self.ffmpeg_command(url, seconds)
        at = command.index('-i')
        return [*command[:at], '-rtsp_transport', transport, *command[at:]]

    def mpv_command(self, url, seconds, *options):
        return [*self.script('mpv_play.py'), url, '--seconds', seconds, *options]

    def rtsp_watch_command(self, url, seconds, transport='tcp', source=None, *options):
        media = ['--source', sources.path(source), '--loop'] if source else []
        return [*self.script('rtsp_watch.py'), url, '--seconds', seconds, '--transport', transport, *media, *options]

    def rtsp_watch(self, *arguments, name='rtsp_watch', **more):
        command = self.rtsp_watch_command(*arguments, **more)
        return self.tool(name, command, 60 + float(arguments[1]))

    # ---- HLS by hand ----

    def fetch_segments(self, server, code='news', name='segments.ts'):
        """Every segment that the media playlist lists now, one after another: (playlist text, file)"""
        path, text = server.wait_for_media(code)
        file = self.path(name)
        with open(file, 'wb') as out:
            for uri in http.uris(text):
                answer = server.get('/%s/%s' % (os.path.dirname(path).strip('/'), uri))
                assert answer.status == 200, '%d for %s' % (answer.status, uri)
                out.write(answer.body)
        return text, file
