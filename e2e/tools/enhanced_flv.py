#!/usr/bin/env python3
"""Turns an MP4 file into an FLV file with codecs that ffmpeg 5.1 cannot write there: HEVC, AV1 and Opus, as Enhanced RTMP
has them. H.264 and AAC are written as FLV always had them.

    enhanced_flv.py SOURCE.mp4 OUT.flv

Tags stand in the order of their decode times, which begin at 0 and are rounded to milliseconds; sound stands before pictures
of the same time. The MP4 must have at most one track of each kind. Codec configurations and the places of the samples come
from ffprobe, the samples as they are in the file. Needs ffprobe.
"""

import argparse
import json
import struct
import subprocess

AUDIO, VIDEO = 8, 9  # tag types
# Enhanced RTMP v2, "Enhanced Video": IsExHeader, then the type of the frame, then VideoPacketType; audio alike behind
# SoundFormat 9.
EX_HEADER, EX_SOUND = 0x80, 0x90
SEQUENCE_START, CODED_FRAMES, CODED_FRAMES_X = 0, 1, 3
KEY, INTER = 0x10, 0x20
VIDEO_FOURCC = {'hevc': b'hvc1', 'av1': b'av01'}
WITH_OFFSET = ('hevc',)  # codecs whose CodedFrames tell the composition time offset
# Audio of FLV proper: AAC, of which rate and channels are fixed values.
AAC = 0xAF


def probe(source):
    command = ['ffprobe', '-v', 'error', '-of', 'json', '-show_streams', '-show_packets', '-show_data', source]
    # Of the packets only the figures: with their data it would be a hex dump of the whole file.
    packet = 'packet=stream_index,pts_time,dts_time,pos,size,flags'
    entries = ['-show_entries', 'stream=index,codec_type,codec_name,extradata:' + packet]
    return json.loads(subprocess.run(command + entries, check=True, capture_output=True, text=True).stdout)


def extradata(stream):
    """The bytes of ffprobe's hex dump, whose lines are an address, eight groups of two bytes, and the bytes as text"""
    lines = stream.get('extradata', '').strip().splitlines()
    return bytes.fromhex(''.join(line[10:49] for line in lines))


class Video:
    kind, order = VIDEO, 1

    def __init__(self, stream):
        self.codec = stream['codec_name']
        if self.codec != 'h264' and self.codec not in VIDEO_FOURCC:
            raise SystemExit('enhanced_flv.py: FLV has no video codec %r' % self.codec)
        self.config = extradata(stream)

    def head(self, key, packet, offset):
        frame = KEY if key else INTER
        if self.codec == 'h264':
            return bytes([frame | 7, packet]) + struct.pack('>i', offset)[1:]
        if packet == CODED_FRAMES and offset == 0 and self.codec in WITH_OFFSET:
            packet = CODED_FRAMES_X
        head = bytes([EX_HEADER | frame | packet]) + VIDEO_FOURCC[self.codec]
        if packet == CODED_FRAMES and self.codec in WITH_OFFSET:
            head += struct.pack('>i', offset)[1:]
        return head

    def start(self):
        return self.head(True, SEQUENCE_START, 0) + self.config

    def frame(self, sample, data):
        return self.head(sample['key'], CODED_FRAMES, sample['pts'] - sample['dts']) + data


class Audio:
    kind, order = AUDIO, 0

    def __init__(self, stream):
        self.codec = stream['codec_name']
        if self.codec not in ('aac', 'opus'):
            raise SystemExit('enhanced_flv.py: FLV has no audio codec %r' % self.codec)
        self.config = extradata(stream)

    def head(self, packet):
        return bytes([AAC, packet]) if self.codec == 'aac' else bytes([EX_SOUND | packet]) + b'Opus'

    def start(self):
        return self.head(SEQUENCE_START) + self.config

    def frame(self, sample, data):
        return self.head(CODED_FRAMES) + data


def tag(kind, time, body):
    size, stamp = len(body), time & 0xFFFFFFFF
    head = bytes([kind]) + size.to_bytes(3, 'big') + (stamp & 0xFFFFFF).to_bytes(3, 'big') + bytes([stamp >> 24]) + bytes(3)
    return head + body + (11 + size).to_bytes(4, 'big')


def samples(report, tracks):
    """All samples in the order of the tags, in whole milliseconds from the first decode time"""
    packets = [p for p in report['packets'] if p['stream_index'] in tracks]
    begin = min(float(p['dts_time']) for p in packets)

    def stamp(time):
        return round((float(time) - begin) * 1000)

    found = [{'track': tracks[p['stream_index']], 'dts': stamp(p['dts_time']), 'pts': stamp(p['pts_time']),
              'at': int(p['pos']), 'size': int(p['size']), 'key': 'K' in p['flags']} for p in packets]
    return sorted(found, key=lambda sample: (sample['dts'], sample['track'].order))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('source')
    parser.add_argument('out')
    options = parser.parse_args()
    report = probe(options.source)
    kinds = {'video': Video, 'audio': Audio}
    tracks = {s['index']: kinds[s['codec_type']](s) for s in report['streams'] if s['codec_type'] in kinds}
    if not tracks or len({t.kind for t in tracks.values()}) != len(tracks):
        raise SystemExit('enhanced_flv.py: want one video track, one audio track, or one of each')
    present = {t.kind for t in tracks.values()}
    flags = (4 if AUDIO in present else 0) | (1 if VIDEO in present else 0)
    with open(options.source, 'rb') as source, open(options.out, 'wb') as out:
        out.write(b'FLV\x01' + bytes([flags]) + struct.pack('>II', 9, 0))
        for track in sorted(tracks.values(), key=lambda track: -track.order):
            out.write(tag(track.kind, 0, track.start()))
        for sample in samples(report, tracks):
            source.seek(sample['at'])
            data = source.read(sample['size'])
            out.write(tag(sample['track'].kind, sample['dts'], sample['track'].frame(sample, data)))


if __name__ == '__main__':
    main()
