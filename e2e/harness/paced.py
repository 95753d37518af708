"""A publisher by hand that sends FLV tags at their pace, so that a source can change or fall silent in the middle."""

import threading
import time

from . import rtmp, sources

METADATA = 18


def file(name, at=0, seconds=None, drop=None):
    """(kind, timestamp, body) of a source from `at` ms on, of so many seconds of it; `drop(kind, ms)`: without these"""
    for kind, timestamp, body in rtmp.tags(sources.path(name)):
        if seconds is not None and timestamp >= seconds * 1000:
            return
        if kind != METADATA and not (drop and drop(kind, timestamp)):
            yield kind, at + timestamp, body


class Paced(threading.Thread):
    """Publishes tags in real time from the moment it is made, until they end or it is stopped"""

    def __init__(self, server, name, tags, ahead=0.5):
        super().__init__(daemon=True)
        self.publisher = rtmp.Publisher(server).publish(name)
        # What the server says meanwhile is a few acknowledgements, which the socket holds.
        self.tags, self.ahead, self.error, self.over = tags, ahead, None, threading.Event()
        self.start()

    def run(self):
        began = time.monotonic()
        try:
            for kind, timestamp, body in self.tags:
                wait = timestamp / 1000 - self.ahead - (time.monotonic() - began)
                if self.over.wait(max(0, wait)):
                    break
                self.publisher.tag(kind, timestamp, body)
        except OSError as error:
            self.error = error

    def stop(self, *_):
        self.over.set()
        self.join(5)
        self.publisher.close()
