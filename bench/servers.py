"""The servers that are measured: each pinned, on free loopback ports, with a folder of its own, ended by process id."""

import contextlib
import os

from harness import http
from harness.process import Process, run, until
from harness.server import Server, free_port

SERVER_CORE, TOOL_CORE = '0', '1'
# Where Debian puts modules; the other one where nginx was built from its own defaults.
MODULES = ['/usr/lib/nginx/modules', '/usr/share/nginx/modules']


def pinned(command, cores, log):
    """Runs on those cores only. taskset becomes the program, so the process id is the program's"""
    process = Process(['taskset', '-c', cores, *command], log)
    # A session of its own has a scheduling weight of its own (sched(7), autogroup): it gets ours.
    with contextlib.suppress(OSError):
        with open('/proc/self/autogroup') as ours, open('/proc/%d/autogroup' % process.child.pid, 'w') as its:
            its.write(ours.read().split()[-1])
    return process


def described(name, pid, urls):
    """A server as `rillcast-bench table` is told of it"""
    parts = [name, 'pid=%d' % pid]
    for key, values in urls.items():
        for value in values if isinstance(values, list) else [values]:
            parts.append('%s=%s' % (key.replace('_', '-'), value))
    return ','.join(parts)


class Rillcast(Server):
    """The server of the end-to-end tests, pinned"""

    def __init__(self, binary, folder, cores, streams=None, **more):
        super().__init__(binary, folder, {'x': {}} if streams is None else streams, **more)
        self.cores = cores

    def start(self):
        self.process = pinned([self.binary, 'run', '-c', self.config], self.cores, self.log)
        self.wait_until_up()
        return self

    def rtmp(self, name='x', app='live'):
        return super().rtmp(name, app)

    def rtsp(self, name='x', app='live'):
        return super().rtsp(name, app)

    def told(self, name='rillcast', **urls):
        return described(name, self.process.child.pid, urls)


NGINX = """
{module}
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
{user}
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    types {{ video/mp2t ts; application/vnd.apple.mpegurl m3u8; }}
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{http_port};
        root {files};
    }}
}}
{rtmp}
"""

RTMP = """
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{rtmp_port};
        chunk_size 4096;
        application live {{
            live on;
            {segments}
        }}
    }}
}}
"""


class Nginx:
    """Debian's nginx with one worker: files over HTTP, and RTMP where it is asked for"""

    def __init__(self, folder, files=None, rtmp=False, hls=False, dash=False):
        self.folder, self.process = folder, None
        self.http_port, self.rtmp_port = free_port(), free_port()
        kinds = [kind for kind, on in [('hls', hls), ('dash', dash)] if on]
        line = '{0} on; {0}_path {1}/{0}; {0}_fragment 2s; {0}_playlist_length 24s;'
        segments = ' '.join(line.format(kind, folder) for kind in kinds)
        values = {
            'folder': folder,
            'files': files or folder,
            'http_port': self.http_port,
            'module': 'load_module %s;' % rtmp_module() if rtmp else '',
            # The files are its own user's, who may be root; workers would be another.
            'user': 'user root;' if os.geteuid() == 0 else '',
            'rtmp': RTMP.format(rtmp_port=self.rtmp_port, segments=segments) if rtmp else '',
        }
        self.config = os.path.join(folder, 'nginx.conf')
        with open(self.config, 'w') as file:
            file.write(NGINX.format(**values))

    def start(self):
        program = next((p for p in ('/usr/sbin/nginx', '/usr/bin/nginx') if os.path.exists(p)), None)
        assert program, 'nginx is missing: apt-get install nginx-light'
        command = [program, '-p', self.folder, '-c', self.config, '-e', os.path.join(self.folder, 'error.log')]
        log = os.path.join(self.folder, 'nginx.log')
        self.process = pinned(command, SERVER_CORE, log)
        until(self.answers, 10, 'nginx to answer; its log is %s' % log)
        return self

    def answers(self):
        assert self.process.running(), 'nginx ended at once:\n' + self.process.output()[-2000:]
        try:
            return self.get('/').status < 500
        except OSError:
            return False

    def url(self, path):
        return 'http://127.0.0.1:%d%s' % (self.http_port, path)

    def rtmp(self, name):
        return 'rtmp://127.0.0.1:%d/live/%s' % (self.rtmp_port, name)

    def get(self, path):
        return http.request(self.url(path))

    def told(self, name='nginx', **urls):
        return described(name, self.process.child.pid, urls)

    def stop(self):
        """Through its master: a worker that is killed first comes back and keeps the port"""
        if self.process:
            self.process.stop()


class Libsrt:
    """reference/libsrt.c: what the C library needs to send one stream to many"""

    LIBRARY = 'libsrt-gnutls.so.1.5'

    def __init__(self, folder, bits_per_second, tick_ms=40):
        self.folder, self.port, self.process = folder, free_port(), None
        self.arguments = [str(int(bits_per_second)), str(tick_ms), '7200']

    def start(self):
        program, source = os.path.join(self.folder, 'libsrt'), os.path.join(os.path.dirname(__file__), 'reference', 'libsrt.c')
        status, said = run(['gcc', '-O2', '-Wall', source, '-o', program, '-l:' + self.LIBRARY, '-lpthread'], program + '.make.log', 60)
        assert status == 0, '%s is missing, or a C compiler (apt-get install srt-tools gcc):\n%s' % (self.LIBRARY, said)
        self.process = pinned([program, str(self.port), *self.arguments], SERVER_CORE, program + '.log')
        until(lambda: 'listening' in self.process.output(), 10, 'libsrt to listen')
        return self

    def told(self, name='libsrt', **urls):
        return described(name, self.process.child.pid, urls)

    def srt(self, name='x'):
        return 'srt://127.0.0.1:%d?streamid=live/%s' % (self.port, name)

    def stop(self):
        if self.process:
            self.process.stop()


def rtmp_module():
    found = (os.path.join(folder, 'ngx_rtmp_module.so') for folder in MODULES)
    found = next((path for path in found if os.path.exists(path)), None)
    assert found, 'the RTMP module of nginx is missing: apt-get install libnginx-mod-rtmp'
    return found
