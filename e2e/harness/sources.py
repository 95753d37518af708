"""The files that are pushed, made once by ffmpeg and kept in e2e/out/sources."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDER = os.path.join(HERE, 'out', 'sources')
# Rises whenever what is made here changes, so that old files are not taken for new ones.
VERSION = '6'

FFMPEG = ['nice', '-n', '5', 'ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error']
# Decode the 640x360 source again with another structure of key frames; the sound is taken over as it is.
AGAIN = ['-c:a', 'copy', '-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '600k', '-maxrate', '660k', '-bufsize', '600k']
# A rung of a ladder: the same pictures, smaller; a key frame each 2 s at the same ones, and the same sound.
def rung(width, height, rate, *options):
    encode = ['-c:a', 'copy', '-c:v', 'libx264', '-preset', 'ultrafast', '-b:v', rate, '-maxrate', rate, '-bufsize', rate]
    return ['-i', 'lo.mp4', '-vf', 'scale=%d:%d,setsar=1' % (width, height), *encode, '-sc_threshold', '0', *options]


FRAGMENTED = ['-movflags', '+frag_keyframe+empty_moov+default_base_moof']
GOP = ['-g', '50', '-keyint_min', '50']
OPEN = 'keyint=50:min-keyint=50:scenecut=0:open-gop=1'

MADE = {
    # For pace.py, which paces FLV tags.
    'lo.flv': ['-i', 'lo.mp4', '-c', 'copy'],
    # Key frames 10 s apart, in 40 s.
    'gop10.mp4': [
        '-i',
        'lo.mp4',
        '-t',
        '40',
        '-frames:a',
        '1875',
        *AGAIN,
        '-bf',
        '2',
        '-g',
        '250',
        '-keyint_min',
        '250',
        '-sc_threshold',
        '0',
    ],
    # One key frame in 64 s.
    'nokey.mp4': ['-i', 'lo.mp4', *AGAIN, '-bf', '2', '-g', '100000', '-keyint_min', '100000', '-sc_threshold', '0'],
    # Open GOPs: after the first picture no IDR but I pictures with a recovery point SEI, as broadcast encoders do. In this
    # one each I picture is followed by exactly one leading picture, which comes before it in display order and leans on
    # the GOP before. x264 has the first P picture after it forget those of the GOP before (H.264 7.4.3.3).
    'opengop.mp4': ['-i', 'lo.mp4', *AGAIN, '-bf', '2', '-x264-params', 'b-adapt=0:b-pyramid=none:' + OPEN],
    # As x264 makes them by itself: a B pyramid, and none to two leading pictures.
    'opengop-x264.mp4': ['-i', 'lo.mp4', *AGAIN, '-bf', '2', '-x264-params', OPEN],
    # With lo.flv, which has B-frames, a ladder of three. The first of these has none.
    'mid.flv': rung(426, 240, '300k', *GOP),
    'low.flv': rung(256, 144, '150k', *GOP, '-bf', '2', '-x264-params', 'b-adapt=0'),
    # Rungs that do not fit: a key frame each 2.4 s; another frame rate.
    'apart.flv': rung(426, 240, '300k', '-g', '60', '-keyint_min', '60'),
    'rate30.flv': rung(256, 144, '150k', '-r', '30', '-vsync', 'cfr', '-g', '60', '-keyint_min', '60'),
    # What FLV cannot hold as ffmpeg writes it; tools/enhanced.py makes FLV of them.
    'hevc.mp4': ['-i', 'lo.mp4', '-t', '32', '-c:a', 'copy', '-c:v', 'libx265', '-preset', 'ultrafast', '-b:v', '400k',
                 '-x265-params', 'keyint=50:min-keyint=50:scenecut=0:open-gop=0:bframes=2:log-level=error', '-tag:v', 'hvc1', *FRAGMENTED],
    'av1.mp4': ['-i', 'lo.mp4', '-t', '32', '-c:a', 'libopus', '-b:a', '96k', '-c:v', 'libsvtav1', '-preset', '12', '-b:v', '400k',
                '-g', '50', *FRAGMENTED],
    # Of whole milliseconds, so that FLV says all there is to say: 1600 Opus frames, without the priming before zero, are 32 s.
    'hevcopus.mp4': ['-i', 'hevc.mp4', '-i', 'lo.mp4', '-map', '0:v', '-map', '1:a', '-c:v', 'copy', '-tag:v', 'hvc1',
                     '-af', 'asetpts=PTS+312', '-c:a', 'libopus', '-b:a', '96k', '-frames:a', '1600', *FRAGMENTED],
}  # fmt: skip
ENHANCED = {'hevc.flv': 'hevc.mp4', 'av1.flv': 'av1.mp4', 'hevcopus.flv': 'hevcopus.mp4'}


def make(quiet=False):
    """Makes what is not there yet"""
    stamp = os.path.join(FOLDER, 'version')
    if os.path.exists(stamp) and open(stamp).read() == VERSION:
        return
    if not quiet:
        print('making the sources (once, about a minute)', flush=True)
    os.makedirs(FOLDER, exist_ok=True)
    subprocess.run([os.path.join(HERE, 'tools', 'mksource.sh'), FOLDER, '64'], check=True, stdout=subprocess.DEVNULL)
    for name, arguments in MADE.items():
        subprocess.run([*FFMPEG, *arguments, name], check=True, cwd=FOLDER, env={**os.environ, 'SVT_LOG': '1'})
    for name, source in ENHANCED.items():
        command = [sys.executable, os.path.join(HERE, 'tools', 'enhanced.py'), source, name]
        subprocess.run(command, check=True, cwd=FOLDER)
    with open(stamp, 'w') as file:
        file.write(VERSION)


def path(name):
    return os.path.join(FOLDER, name)
