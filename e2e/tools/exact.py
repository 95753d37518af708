#!/usr/bin/env python3
"""Is what a client received the very media that was pushed?  exact.py SOURCE RECEIVED [--loop] [--min-video N]

Decodes both with ffmpeg, takes an MD5 of each picture and of each frame of sound, and demands that the received ones are one
contiguous run of the source's (with --loop, of the source repeated), except for the first and last few pictures, which a
player that joined in the middle may not be able to decode. Prints JSON; exit status 0: exact. For passthrough outputs only.
The source must have no two equal pictures (a burned-in frame counter sees to that).
"""

import argparse, hashlib, json, subprocess, sys

ap = argparse.ArgumentParser()
ap.add_argument('source')
ap.add_argument('received')
ap.add_argument('--loop', action='store_true')
ap.add_argument('--min-video', type=int, default=25)
ap.add_argument('--edge', type=int, default=8)
ap.add_argument('--video-stream', default='0:v:0', help='stream of the source to compare with, as ffmpeg names it')
a = ap.parse_args()


def ffmpeg(*args):
    r = subprocess.run(['ffmpeg', '-hide_banner', '-nostdin', '-v', 'error', *args, '-'], capture_output=True)
    return r.stdout, [l for l in r.stderr.decode('utf8', 'replace').split('\n') if l][:3]


def hashes(path, what):
    if what == 'video':
        out, said = ffmpeg('-i', path, '-vsync', '0', '-map', a.video_stream if path == a.source else '0:v:0', '-f', 'framemd5')
        return [l.split(',')[-1].strip() for l in out.decode().split('\n') if l and l[0] != '#'], said
    out, said = ffmpeg('-i', path, '-map', '0:a:0', '-c', 'copy', '-f', 'adts')  # AAC frames, each behind an ADTS header
    i, hs = 0, []
    while i + 7 <= len(out) and out[i] == 0xFF and out[i + 1] & 0xF6 == 0xF0:
        n = (out[i + 3] & 3) << 11 | out[i + 4] << 3 | out[i + 5] >> 5
        h = 7 if out[i + 1] & 1 else 9
        if n < h or i + n > len(out):
            break
        hs.append(hashlib.md5(out[i + h : i + n]).hexdigest())
        i += n
    if not hs:  # no AAC: packets as the container has them, which is as they were made
        out, said = ffmpeg('-i', path, '-map', '0:a:0', '-c', 'copy', '-f', 'framemd5')
        hs = [l.split(',')[-1].strip() for l in out.decode().split('\n') if l and l[0] != '#']
    return hs, said


def run_of(src, got, edge):
    """got is a contiguous run of src, but for up to edge items at either end"""
    at = {h: i for i, h in enumerate(src)}
    n, bad, best, lost = len(src), [], 0, 0
    prev = None
    for i, h in enumerate(got):
        k = at.get(h)
        if k is None:
            bad.append((i, 'not in the source'))
            continue
        if prev is not None:
            want = prev + 1
            if a.loop:
                want %= n
            if k != want:
                bad.append((i, 'item %d follows %d' % (k, prev)))
                lost += max(0, k - want)
        prev = k
        best += 1
    inner = [b for b in bad if edge <= b[0] < len(got) - edge]
    return dict(
        source=n,
        received=len(got),
        matched=best,
        breaks=len(inner),
        edge_breaks=len(bad) - len(inner),
        first_breaks=inner[:5],
        missing=lost,
    )


R = {}
for what in ('video', 'audio'):
    s, e1 = hashes(a.source, what)
    g, e2 = hashes(a.received, what)
    R[what] = run_of(s, g, a.edge if what == 'video' else 4)
    R[what]['unique_in_source'] = len(set(s))
    if e2 and e2[0]:
        R[what]['decoder_said'] = e2
R['ok'] = all(R[w]['breaks'] == 0 and R[w]['matched'] > 0 for w in ('video', 'audio')) and R['video']['matched'] >= a.min_video
print(json.dumps(R, indent=1))
sys.exit(0 if R['ok'] else 1)
