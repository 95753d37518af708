#!/usr/bin/env python3
"""Write an FLV file to standard output at the pace of an encoder that has media in store when it connects.

    pace.py FILE.flv --burst SECONDS | ffmpeg -f flv -i - -c copy -f flv rtmp://...

The first SECONDS of media go out at once, the rest in real time. Only the standard library.
"""

import argparse
import sys
import time


def tags(data):
    """(timestamp in ms, bytes with the previous-tag size) of each tag"""
    at = 13
    while at + 11 <= len(data):
        size = int.from_bytes(data[at + 1 : at + 4], 'big')
        stamp = data[at + 7] << 24 | int.from_bytes(data[at + 4 : at + 7], 'big')
        yield stamp, data[at : at + 15 + size]
        at += 15 + size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('file')
    parser.add_argument('--burst', type=float, required=True)
    options = parser.parse_args()
    with open(options.file, 'rb') as file:
        data = file.read()
    out, started = sys.stdout.buffer, time.monotonic()
    out.write(data[:13])
    for stamp, tag in tags(data):
        ahead = stamp / 1000 - options.burst - (time.monotonic() - started)
        if ahead > 0:
            out.flush()
            time.sleep(ahead)
        out.write(tag)
    out.flush()


if __name__ == '__main__':
    try:
        main()
    except BrokenPipeError:
        sys.exit(0)
