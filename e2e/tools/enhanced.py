#!/usr/bin/env python3
"""A fragmented MP4 file as FLV by Enhanced RTMP v1 and v2, for codecs that ffmpeg's own FLV muxer did not know before 6.1.

    enhanced.py SOURCE.mp4 OUT.flv

HEVC, AV1 and Opus by their FourCC, AAC as ever. One video track and one audio track at most. Only the standard library.
"""

import struct
import sys

import mp4

AUDIO, VIDEO = 8, 9
SEQUENCE_START, CODED_FRAMES, CODED_FRAMES_X = 0, 1, 3
KEY, INTER = 1, 2


def opus_head(box):
    """The identification header (RFC 7845 5.1) of a dOps box, which has the same values the other way round"""
    channels, skip, rate, gain = struct.unpack_from('>BHIh', box, 1)
    return b'OpusHead' + struct.pack('<BBHIh', 1, channels, skip, rate, gain) + box[10:]


def video(track, packet, frame, body):
    return bytes([0x80 | frame << 4 | packet]) + track.fourcc.encode() + body


def audio(track, packet, body):
    if track.fourcc == 'mp4a':
        return bytes([0xAF, packet]) + body
    return bytes([0x90 | packet]) + track.fourcc.encode() + body


def first(track):
    """What a decoder needs"""
    if track.kind == 'video':
        return VIDEO, video(track, SEQUENCE_START, KEY, track.config)
    return AUDIO, audio(track, SEQUENCE_START, opus_head(track.config) if track.fourcc == 'Opus' else track.config)


def coded(track, sample, data):
    if track.kind != 'video':
        return AUDIO, audio(track, CODED_FRAMES, data)
    frame = KEY if sample.sync else INTER
    later = round((sample.pts - sample.dts) * 1000 / track.timescale)
    if track.fourcc == 'av01' or later == 0:
        # AV1 has no other packets: its frames are shown in the order they are decoded.
        return VIDEO, video(track, CODED_FRAMES if track.fourcc == 'av01' else CODED_FRAMES_X, frame, data)
    return VIDEO, video(track, CODED_FRAMES, frame, later.to_bytes(3, 'big', signed=True) + data)


def tag(kind, ms, body):
    head = bytes([kind]) + len(body).to_bytes(3, 'big') + (ms & 0xFFFFFF).to_bytes(3, 'big') + bytes([ms >> 24 & 255]) + bytes(3)
    return head + body + struct.pack('>I', 11 + len(body))


def main():
    source, target = sys.argv[1:]
    with open(source, 'rb') as file:
        data = file.read()
    boxes = [(kind, start - 8, end) for kind, start, end in mp4.boxes(data)]
    begin = next(start for kind, start, _ in boxes if kind == 'moof')
    tracks = mp4.init(data[:begin])
    # An edit list shifts what is shown; here both tracks begin at their first sample.
    tracks = {number: track._replace(edit=0) for number, track in tracks.items()}
    found = []
    for number, (kind, start, end) in enumerate(boxes):
        if kind != 'moof':
            continue
        segment = data[start : boxes[number + 1][2]]
        for one, media in mp4.segment(segment, tracks).items():
            found += [(s.dts * 1000 / tracks[one].timescale, tracks[one], s, segment[s.at : s.at + s.size]) for s in media.samples]
    found.sort(key=lambda item: item[0])
    with open(target, 'wb') as file:
        file.write(b'FLV\x01\x05' + struct.pack('>II', 9, 0))
        for track in tracks.values():
            file.write(tag(first(track)[0], 0, first(track)[1]))
        for ms, track, sample, payload in found:
            kind, body = coded(track, sample, payload)
            file.write(tag(kind, round(ms), body))


if __name__ == '__main__':
    main()
