"""A stream with its publisher and a viewer, that goes on while something else on the same server goes wrong."""

import os
import time

from .process import until
from .server import PUBLISH

MEGABYTE = 1 << 20
LEAST_SECONDS = 5  # watched, so that there is something to compare


class Bystander:
    """Publishes `news` and watches it from the start; the other streams are there to be hurt"""

    def __init__(self, case, others=(), settings=None, source='lo.mp4', **more):
        self.case, self.source = case, source
        self.server = case.server(streams={code: PUBLISH for code in ('news', *others)}, settings=settings, **more).start()
        self.publisher = case.push(self.server, source)
        self.server.wait_for_media()
        self.viewer, self.file = case.curl(self.server.ts(), 'bystander.ts')
        until(lambda: os.path.exists(self.file), 10, 'the viewer to receive')
        self.memory, self.since = self.server.memory(), time.monotonic()

    def unharmed(self, megabytes=16):
        """The viewer has lost nothing, nothing failed inside, and the server holds no more than so much more memory"""
        grown = self.server.memory() - self.memory
        assert grown < megabytes * MEGABYTE, 'the server grew by %.1f MB' % (grown / MEGABYTE)
        assert self.server.limits()['panics'] == 0, self.server.log_text()[-2000:]
        assert self.publisher.running(), 'the other publisher was thrown out: ' + self.publisher.output()
        assert self.viewer.running(), 'the other viewer was thrown out: ' + self.viewer.output()
        time.sleep(max(0, self.since + LEAST_SECONDS - time.monotonic()))
        self.viewer.stop()
        self.case.ts_check(self.file, name='ts_check-bystander')
        self.case.match(self.source, self.file, name='match-bystander')
