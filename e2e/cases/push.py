"""Push to servers of several makes, plain and over TLS: what they hand on is what was pushed, frame by frame, tick by tick."""

import json
import os
import signal
import time

from harness.case import case
from harness.process import until
from harness.server import PUBLISH, free_port, is_open
from harness.tls import Tls

SOURCE = 'lo.mp4'
KEY = 'geheim'  # never to be seen
NGINX = """\
load_module %s;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
events { worker_connections 64; }
rtmp { server { listen 127.0.0.1:%d; application live { live on; } } }
"""
MODULES = ('/usr/lib/nginx/modules/ngx_rtmp_module.so', '/usr/lib64/nginx/modules/ngx_rtmp_module.so')


def nginx(c):
    """nginx with its RTMP module: its port"""
    port, folder = free_port(), c.path('nginx')
    os.makedirs(folder)
    module = next((path for path in MODULES if os.path.exists(path)), MODULES[0])
    with open(os.path.join(folder, 'nginx.conf'), 'w') as file:
        file.write(NGINX % (module, port))
    c.start('nginx', ['nginx', '-p', folder, '-c', 'nginx.conf', '-e', 'error.log'])
    until(lambda: is_open(port), 10, 'nginx to listen')
    return port


def plain(port, name):
    return {'url': 'rtmp://127.0.0.1:%d/live/%s' % (port, name)}


def pushing(*pushes):
    return {'news': {**PUBLISH, 'push': list(pushes)}}


def runtime(server):
    answer = server.get('/api/v1/streams/news/runtime').body.decode()
    assert KEY not in answer, answer
    return json.loads(answer)['pushes']


def all_active(server, count):
    """Waits until so many pushes are active: their snapshots"""

    def active():
        pushes = runtime(server)
        return pushes if len(pushes) == count and all(push['status'] == 'active' for push in pushes) else None

    return until(active, 20, '%d active pushes; %s' % (count, runtime(server)), 0.2)


def never_reconnected(server):
    for push in runtime(server):
        assert push['status'] == 'active' and push['attempt'] == 1 and 'errors' not in push, push
        assert push['skipped_gops'] == 0 and push['bits_per_second'] > 0, push


def shows_no_key(*servers):
    for server in servers:
        assert KEY not in server.log_text(), 'a key in %s' % server.log


def pull(c, urls, seconds):
    """ffmpeg receives each of {name: url} as MPEG-TS; the files are compared with what the encoder sent"""
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-i']
    running = {name: c.start('pull-' + name, [*command, url, '-t', seconds, '-c', 'copy', c.path(name + '.ts')]) for name, url in urls.items()}
    c.all_pass(running, seconds + 30)
    compare(c, urls)


def compare(c, names, *options):
    for name in names:
        c.match(SOURCE, c.path(name + '.ts'), *options, name='match-' + name)
        if not options:
            c.exact(SOURCE, c.path(name + '.ts'), name='exact-' + name)


@case(short=6, long=600)
def push_nginx(c):
    """Push to nginx with its RTMP module, plain and over TLS: pulled back from there each frame is as it was pushed"""
    port, tls = nginx(c), Tls(c)
    server = c.server(streams=pushing(plain(port, KEY + '1'), tls.push(port, KEY + '2'))).start()
    c.push(server, SOURCE)
    all_active(server, 2)
    names = {'plain': '1', 'tls': '2'}
    pull(c, {name: 'rtmp://127.0.0.1:%d/live/%s%s' % (port, KEY, end) for name, end in names.items()}, c.seconds)
    never_reconnected(server)
    shows_no_key(server)


@case(short=6, long=60)
def push_ffmpeg(c):
    """Push to ffmpeg that listens, plain and over TLS: it gets each frame as it was pushed, and its end is a reason that is shown"""
    ports, tls = {name: free_port() for name in ('plain', 'tls')}, Tls(c)
    pushes = [plain(ports['plain'], KEY), tls.push(ports['tls'], KEY)]
    command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', '-listen', '1', '-i']
    listening = {}
    for name, port in ports.items():
        url = 'rtmp://127.0.0.1:%d/live/%s' % (port, KEY)
        listening[name] = c.start('listen-' + name, [*command, url, '-t', c.seconds, '-c', 'copy', c.path(name + '.ts')])
    server = c.server(streams=pushing(*pushes)).start()
    c.push(server, SOURCE)
    all_active(server, 2)
    c.all_pass(listening, c.seconds + 30)
    compare(c, ports)

    def told():
        return all(push['status'] == 'reconnecting' and push['errors'] and push['reason'] for push in runtime(server))

    until(told, 10, 'both to be reconnecting for a reason: %s' % runtime(server), 0.2)
    shows_no_key(server)


@case(short=5, long=600)
def push_rillcast(c):
    """Push from one server to another, plain and over TLS, with a stream key: it lives on when the encoder is killed, and when SIGHUP
    takes another destination away; each frame is handed on as it was pushed"""
    codes = {'plain': 'a', 'tls': 'b'}
    peer = c.server(streams={code: {**PUBLISH, 'stream_key': KEY} for code in 'abc'}).start()
    tls = Tls(c)
    name = {kind: '%s?key=%s' % (code, KEY) for kind, code in codes.items()}
    stay = [plain(peer.rtmp_port, name['plain']), tls.push(peer.rtmp_port, name['tls'])]
    server = c.server(streams=pushing(*stay, plain(peer.rtmp_port, 'c?key=' + KEY))).start()
    encoder = c.push(server, SOURCE)
    all_active(server, 3)
    viewers = {kind: c.curl_when_there(peer.ts(code), kind + '.ts') for kind, code in codes.items()}
    time.sleep(c.seconds / 2)
    encoder.kill()
    server.write_config(pushing(*stay))
    server.process.signal(signal.SIGHUP)
    all_active(server, 2)
    c.push(server, SOURCE)
    peer.wait_for_log('publisher closed session=')
    time.sleep(c.seconds)
    for viewer, _ in viewers.values():
        assert viewer.running(), 'a viewer of the other server was thrown out'
        viewer.stop()
    compare(c, codes, '--breaks', '1')
    never_reconnected(server)
    assert peer.log_text().count('publisher closed') == 1, 'a push that stays was interrupted'
    shows_no_key(server, peer)
