"""The configuration file: what is wrong in it is told with its place, its value and what is allowed."""

from harness.case import case

GOOD = '''data_dir: data
http: {listen: "127.0.0.1:8080"}
listeners:
  rtmp: {enabled: true, listen_host: "127.0.0.1", port: 1935}
  rtsp: {enabled: false}
  srt: {enabled: false}
publisher:
  hls: {live_segment_sec: 4, live_window: 6, live_history: 2, live_ephemeral: true}
streams:
  region/news:
    inputs: [{url: "publish://", priority: 1}]
    protocols: {hls: true, mpegts: true}
    stream_key: secret
  clip:
    inputs: [{url: "file:///srv/clip.flv?loop=true"}]
'''

# What is replaced, by what, and words that the message must hold besides the file's name: the place first.
WRONG = [
    ('http:', 'htpp:', [':2:', 'htpp', 'http']),
    ('port: 1935', 'port: 70000', [':4:', '70000', '65535']),
    ('port: 1935', 'port: "x"', [':4:', 'x']),
    ('enabled: true', 'enabled: maybe', [':4:', 'maybe', 'true']),
    ('live_window: 6', 'live_window: 1', [':8:', '1', '3']),
    ('live_segment_sec: 4', 'live_segment_sec: -4', [':8:', '-4']),
    ('region/news', 'live/news', [':10:', 'live/news', 'reserved']),
    ('region/news', 'region//news', [':10:', 'region//news']),
    ('publish://', 'gopher://x', [':11:', 'gopher', 'publish://']),
    ('hls: true, mpegts', 'hls: true, srt: maybe, mpegts', [':12:', 'maybe', 'true']),
    ('stream_key: secret', 'renditions: [{name: a}, {name: a}]', [':13:', 'renditions[1].name', 'a']),
    ('stream_key: secret', 'renditions: [{name: "a b"}]', [':13:', 'renditions[0].name', 'a b']),
    ('stream_key', 'streamkey', [':13:', 'streamkey', 'stream_key']),
    ('127.0.0.1:8080', '127.0.0.1', [':2:', '127.0.0.1']),
]


@case(short=1)
def config(c):
    """rillcast check accepts a good file; each mistake is named with file, line, value and what is allowed"""
    file = c.path('rillcast.yaml')

    def check(text, env=None):
        with open(file, 'w') as out:
            out.write(text)
        return c.run('check', [c.binary, 'check', '-c', file], 10, env=env)

    status, said = check(GOOD)
    assert status == 0, 'the good file is refused: %s' % said
    for old, new, words in WRONG:
        assert old in GOOD
        status, said = check(GOOD.replace(old, new, 1))
        assert status not in (0, None), '%r is accepted' % new
        for word in ['rillcast.yaml', *words]:
            assert word in said, '%r: the message does not hold %r: %s' % (new, word, said)
        assert 'secret' not in said, 'the message shows a stream key: %s' % said

    status, said = check(GOOD, {'RILLCAST_LISTENERS_RTMP_PORT': 'zero'})
    assert status not in (0, None) and 'RILLCAST_LISTENERS_RTMP_PORT' in said and 'zero' in said, said
    status, said = check(GOOD, {'RILLCAST_LISTENERS_RTMP_PROT': '1936'})
    assert status not in (0, None) and 'RILLCAST_LISTENERS_RTMP_PROT' in said, said

    status, said = c.run('check', [c.binary, 'check', '-c', c.path('absent.yaml')], 10)
    assert status not in (0, None) and 'absent.yaml' in said, said


@case(short=1)
def command_line(c):
    """--help names the commands, --version the version, and what is unknown is an error"""
    status, said = c.run('help', [c.binary, '--help'], 10)
    assert status == 0 and all(word in said for word in ('demo', 'run', 'check')), said
    status, said = c.run('version', [c.binary, '--version'], 10)
    assert status == 0 and said.startswith('rillcast 0.'), said
    status, said = c.run('unknown', [c.binary, 'fly'], 10)
    assert status not in (0, None) and 'fly' in said, said
