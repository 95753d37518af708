"""The relay of crates/testkit: a network between the server and its peers that loses and delays, by a seed."""

import functools
import json
import os
import subprocess
import threading

from . import sources
from .process import until

LOCK = threading.Lock()


@functools.cache
def built():
    command = ['cargo', 'build', '--locked', '-p', 'rillcast-testkit', '--example', 'relay', '--message-format=json-render-diagnostics']
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=os.path.dirname(sources.HERE), check=True, text=True)
    messages = (json.loads(line) for line in done.stdout.splitlines())
    return next(m['executable'] for m in messages if m.get('executable') and m['target']['name'] == 'relay')


def program():
    with LOCK:
        return built()


class Relay:
    """Stands before a port; `options` as its command line has them: loss=0.02, jitter_ms=30, …"""

    def __init__(self, case, kind, target, name='relay', **options):
        command = [program(), '--' + kind, '0=%d' % target]
        for option, value in options.items():
            command += ['--' + option.replace('_', '-'), value]
        self.kind, self.process = kind, case.start(name, command)
        self.port = until(self.listening, 10, 'the relay to listen; its log is %s' % self.process.log)

    def lines(self):
        return [json.loads(line) for line in self.process.output().splitlines() if line.startswith('{') and line.endswith('}')]

    def listening(self):
        assert self.process.running(), 'the relay ended at once: ' + self.process.output()
        lines = self.lines()
        return lines and lines[0][self.kind][0]

    def stop(self):
        """What it did: {there: {packets, lost, …}, back: …, clients}"""
        assert self.process.stop() == 0, self.process.output()[-1000:]
        return self.lines()[-1]['routes'][0]
