#!/usr/bin/env python3
"""Plays a URL with mpv, without a screen, in real time, and judges by what it says.

    mpv_play.py URL [--seconds 12] [--transport tcp|udp] [--lossy]

Exit status 0: it played for that long, decoded pictures and sound, dropped none, and complained of nothing; with --lossy it
may complain and drop, but has to go on. mpv 0.35 complains of the very first picture of every stream over RTP that has
B-frames, for FFmpeg gives it no decode time there. Prints JSON. Needs: mpv.
"""

import argparse
import json
import re
import subprocess
import sys
import time

STATUS = '@${=time-pos} ${frame-drop-count} ${decoder-frame-drop-count} ${video-codec} / ${audio-codec-name}@'
FIRST_PICTURE = 'Invalid video timestamp'


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('url')
    parser.add_argument('--seconds', type=float, default=12)
    parser.add_argument('--transport', choices=['tcp', 'udp'])
    parser.add_argument('--lossy', action='store_true')
    o = parser.parse_args()
    command = ['mpv', '--no-config', '--vo=null', '--ao=null', '--no-input-terminal', '--msg-level=all=warn,statusline=status']
    command += ['--term-status-msg=' + STATUS, '--length=%s' % o.seconds]
    command += ['--rtsp-transport=' + o.transport] if o.transport else []
    began = time.monotonic()
    try:
        done = subprocess.run([*command, o.url], stdin=subprocess.DEVNULL, capture_output=True, timeout=o.seconds + 30)
        status, output = done.returncode, (done.stdout + done.stderr).decode('utf8', 'replace')
    except subprocess.TimeoutExpired as late:
        status, output = None, ((late.stdout or b'') + (late.stderr or b'')).decode('utf8', 'replace')
    wall = time.monotonic() - began
    lines = [re.sub('\x1b\\[[0-9;]*[A-Za-z]', '', line).strip() for line in re.split('[\r\n]', output)]
    states = [match.groups() for line in lines if (match := re.fullmatch(r'@([0-9.]*) (\d*) (\d*) (.*) / (.*)@', line)) and match[1]]
    said = [line for line in lines if line and not line.startswith('@')]
    report = dict(url=o.url, status=status, wall_s=round(wall, 1), said=said[:20], said_lines=len(said))
    why = []
    if status != 0:
        why.append('exit status %s: %s' % (status, said[-3:]))
    if not states:
        why.append('it never played')
    else:
        last = states[-1]
        played = float(last[0]) - float(states[0][0])
        report.update(played_s=round(played, 2), dropped=int(last[1] or 0), dropped_by_decoder=int(last[2] or 0), video=last[3], audio=last[4])
        if played < o.seconds - 2 or wall > o.seconds + 8:
            why.append('it played %.1f s in %.1f s' % (played, wall))
        if not last[3] or not last[4] or '(unavailable)' in last[3] + last[4]:
            why.append('a track is missing: %s' % (last[3:],))
        if not o.lossy and (report['dropped_by_decoder'] or report['dropped'] > o.seconds):
            why.append('dropped %d, the decoder %d' % (report['dropped'], report['dropped_by_decoder']))
    complaints = [line for line in said if not line.startswith(FIRST_PICTURE)]
    if not o.lossy and (complaints or len(said) > 1):
        why.append('it says %s' % said[:5])
    print(json.dumps(dict(ok=not why, why=why, **report), indent=1))
    return 0 if not why else 1


if __name__ == '__main__':
    sys.exit(main())
