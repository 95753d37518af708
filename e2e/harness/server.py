"""The program under test: a configuration file, free loopback ports, a log, and its end."""

import contextlib
import itertools
import json
import os
import signal
import socket

from . import http
from .process import Process, until


def free_port(family=socket.AF_INET, kind=socket.SOCK_STREAM):
    """A port nobody has now. Somebody may take it before we do; on a test machine that has not been seen."""
    with socket.socket(family, kind) as s:
        s.bind(('::1' if family == socket.AF_INET6 else '127.0.0.1', 0))
        return s.getsockname()[1]


def is_open(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def yaml(value, indent=0):
    """Plain values as block YAML; texts are always quoted"""
    pad = '  ' * indent
    if isinstance(value, dict):
        if not value:
            return ' {}'
        return ''.join('\n%s%s:%s' % (pad, k, yaml(v, indent + 1)) for k, v in value.items())
    if isinstance(value, list):
        return ' [' + ', '.join(flow(item) for item in value) + ']'
    return ' ' + flow(value)


def flow(value):
    if isinstance(value, dict):
        return '{' + ', '.join('%s: %s' % (k, flow(v)) for k, v in value.items()) + '}'
    if isinstance(value, list):
        return '[' + ', '.join(map(flow, value)) + ']'
    if isinstance(value, bool):
        return 'true' if value else 'false'
    return str(value) if isinstance(value, (int, float)) else '"%s"' % value.replace('\\', '\\\\').replace('"', '\\"')


# Below the ports that systems give to whoever asks for any. Each server has a part of its own.
UDP_PORTS = itertools.cycle(range(20000, 30000, 1000))

PUBLISH = {'inputs': [{'url': 'publish://'}]}


def ladder(*names):
    """A stream with these renditions"""
    return {**PUBLISH, 'renditions': [{'name': name} for name in names]}


class Server:
    """`rillcast run -c …` in a folder of its own"""

    def __init__(self, binary, folder, streams=None, host='127.0.0.1', settings=None, tls=None, rtsp=False, srt=False):
        """`tls`: the files of a certificate and its key, for RTMPS, and RTSPS beside RTSP. `rtsp`, `srt`: listen for it, with settings where it is a dict"""
        self.binary, self.folder, self.host = binary, folder, host
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        self.http_port, self.rtmp_port = free_port(family), free_port(family)
        self.shown_host = '[%s]' % host if ':' in host else host
        self.config = os.path.join(folder, 'rillcast.yaml')
        self.log = os.path.join(folder, 'rillcast.log')
        self.process = None
        self.rtsp_port, self.rtsp_settings = rtsp is not False and free_port(family), {}
        if self.rtsp_port:
            first = next(UDP_PORTS)
            self.rtsp_settings = {'enabled': True, 'udp_ports': '%d-%d' % (first, first + 999), **(rtsp if isinstance(rtsp, dict) else {})}
        self.srt_port, self.srt_settings = srt is not False and free_port(family), srt if isinstance(srt, dict) else {}
        self.settings, self.tls, self.rtmps_port = settings or {}, tls, tls and free_port(family)
        self.rtsps_port = tls and self.rtsp_port and free_port(family)
        self.write_config({'news': PUBLISH} if streams is None else streams)

    def write_config(self, streams):
        """The file with these streams; what runs is not told"""
        values = {
            'http': {'listen': '%s:%d' % (self.shown_host, self.http_port)},
            'listeners': {
                'rtmp': {'listen_host': self.host, 'port': self.rtmp_port},
                'rtsp': {'enabled': False},
                'srt': {'enabled': False},
            },
            'streams': streams,
            **self.settings,
        }
        if self.rtsp_port:
            values['listeners']['rtsp'] = {'listen_host': self.host, 'port': self.rtsp_port, **self.rtsp_settings}
        if self.srt_port:
            values['listeners']['srt'] = {'listen_host': self.host, 'port': self.srt_port, **self.srt_settings}
        if self.tls:
            values['tls'] = {'cert': self.tls[0], 'key': self.tls[1]}
            values['listeners']['rtmps'] = {'listen_host': self.host, 'port': self.rtmps_port}
        if self.rtsps_port:
            values['listeners']['rtsps'] = {'listen_host': self.host, 'port': self.rtsps_port}
        with open(self.config, 'w') as file:
            file.write(yaml(values).lstrip('\n') + '\n')

    def start(self):
        self.process = Process([self.binary, 'run', '-c', self.config], self.log)
        self.wait_until_up()
        return self

    def demo(self):
        """`rillcast demo` instead of `run`"""
        return self.without_file('demo')

    def without_file(self, command):
        """A command that reads no file; its ports are moved by the environment"""
        env = {
            'RILLCAST_HTTP_LISTEN': '%s:%d' % (self.shown_host, self.http_port),
            'RILLCAST_LISTENERS_RTMP_PORT': str(self.rtmp_port),
            'RILLCAST_LISTENERS_RTMP_LISTEN_HOST': self.host,
            'RILLCAST_LISTENERS_RTSP_ENABLED': 'false',
            'RILLCAST_LISTENERS_SRT_ENABLED': 'false',
        }
        self.process = Process([self.binary, command], self.log, env)
        self.wait_until_up()
        return self

    def wait_until_up(self):
        until(self.healthy, 15, 'the server to answer /healthz; its log is %s' % self.log)

    def healthy(self):
        assert self.process.running(), 'the server ended at once:\n' + self.process.output()[-2000:]
        try:
            return http.request(self.url('/healthz'), timeout=2).status == 200
        except OSError:
            return False

    def url(self, path):
        return 'http://%s:%d%s' % (self.shown_host, self.http_port, path)

    def rtmp(self, name='news', app='live'):
        return 'rtmp://%s:%d/%s/%s' % (self.shown_host, self.rtmp_port, app, name)

    def rtmps(self, name='news', app='live'):
        """By the name that the certificate is for"""
        return 'rtmps://localhost:%d/%s/%s' % (self.rtmps_port, app, name)

    def rtsp(self, name='news', app='live'):
        return 'rtsp://%s:%d/%s/%s' % (self.shown_host, self.rtsp_port, app, name)

    def srt(self, stream_id='live/news', passphrase=None, key_bytes=None):
        """What a caller is given; `key_bytes` where it chooses the length of its keys"""
        url = 'srt://%s:%d?streamid=%s' % (self.shown_host, self.srt_port, stream_id)
        url += '&passphrase=' + passphrase if passphrase else ''
        return url + ('&pbkeylen=%d' % key_bytes if key_bytes else '')

    def rtsps(self, name='news', app='live'):
        """By the name that the certificate is for"""
        return 'rtsps://localhost:%d/%s/%s' % (self.rtsps_port, app, name)

    def hls(self, code='news'):
        return self.url('/%s/index.m3u8' % code)

    def dash(self, code='news'):
        return self.url('/%s/index.mpd' % code)

    def ts(self, code='news'):
        return self.url('/%s/mpegts' % code)

    def get(self, path, **more):
        return http.request(self.url(path), **more)

    def wait_for_media(self, code='news', seconds=40, segments=1):
        """Until the media playlist lists some segments; returns (its path, its text)"""

        def listed():
            top = self.get('/%s/index.m3u8' % code)
            if top.status != 200:
                return None
            path = '/%s/%s' % (code, http.uris(top.body.decode())[0])
            answer = self.get(path)
            text = answer.body.decode()
            return (path, text) if answer.status == 200 and text.count('#EXTINF') >= segments else None

        return until(listed, seconds, '%d HLS segments of %s' % (segments, code), 0.2)

    def stream(self, code='news'):
        """What the API says of a stream"""
        return next(one for one in json.loads(self.get('/api/v1/streams').body)['streams'] if one['code'] == code)

    def log_text(self):
        return self.process.output()

    def wait_for_log(self, text, seconds=5):
        until(lambda: text in self.log_text(), seconds, 'the log to say %r' % text)

    def memory(self):
        """Bytes that the process has taken: its memory without the pages of the program itself, and its files in memory"""
        folder = '/proc/%d/' % self.process.child.pid
        with open(folder + 'status') as file:
            own = 1024 * sum(int(line.split()[1]) for line in file if line.startswith(('RssAnon', 'RssShmem')))
        files = {}
        for name in os.listdir(folder + 'fd'):
            with contextlib.suppress(OSError):
                if os.readlink(folder + 'fd/' + name).startswith('/memfd:'):
                    stat = os.stat(folder + 'fd/' + name)
                    files[stat.st_ino] = stat.st_blocks * 512
        return own + sum(files.values())

    def limits(self):
        """Its limits: {name: {limit, now, refused}}, and `panics`"""
        return json.loads(self.get('/api/v1/limits').body)

    def refused(self, limit):
        return self.limits()[limit]['refused']

    def stop(self, grace=5.0):
        """SIGTERM; returns the exit status, None when it did not drain in time"""
        if not self.process:
            return 0
        self.process.signal(signal.SIGTERM)
        status = self.process.wait(grace)
        self.process.kill()
        self.process = None
        return status
