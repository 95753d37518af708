#!/usr/bin/env python3
"""Do captures of transport streams come out?  captures.py PROGRAM FOLDER [--seconds N]

Plays each .ts file of a folder (none belongs to this repository), and each program in it, into the server, over and over, and
prints a row for each: what it has, what ffmpeg decoded of HLS and of DASH, the kinds of errors that it had there and does not
have with the file itself, over and over as well, and what the status says. Exit status 0: what ffmpeg can decode of H.264 and H.265 comes out on both
without an error of another kind, and of all else the status says why.
"""

import argparse, glob, json, os, re, subprocess, sys, tempfile, time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness.server import Server  # noqa: E402

ap = argparse.ArgumentParser()
ap.add_argument('program')
ap.add_argument('folder')
ap.add_argument('--seconds', type=int, default=8)
a = ap.parse_args()

QUIET = ['-hide_banner', '-nostdin', '-v', 'error', '-stats']


def programs(file):
    """{program number: codecs of its pictures}"""
    command = ['ffprobe', '-v', 'quiet', '-of', 'json', '-show_programs', file]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)['programs']
    video = lambda program: [s.get('codec_name') for s in program['streams'] if s.get('codec_type') == 'video']
    return {program['program_num']: video(program) for program in found}


def kind(line):
    """An error without what is particular about it"""
    return re.sub(r'0x[0-9a-f]+|-?\d+', 'N', re.sub(r'^\[[^\]]*\] ', '', line))


def decode(url, *maps, seconds=None):
    """(pictures, kinds of errors) of ffmpeg"""
    limit = ['-t', str(seconds)] if seconds else []
    command = ['ffmpeg', *QUIET, '-i', url, *limit, *maps, '-f', 'null', '-']
    try:
        said = subprocess.run(command, capture_output=True, timeout=40).stderr.decode('utf8', 'replace')
    except subprocess.TimeoutExpired as late:
        said = (late.stderr or b'').decode('utf8', 'replace')
    pictures = re.findall(r'frame= *(\d+)', said)
    lines = re.split(r'[\r\n]+', said)
    return int(pictures[-1]) if pictures else 0, {kind(line) for line in lines if line and not line.startswith(('frame=', 'size='))}


def main():
    rows, streams = [], {}
    for number, file in enumerate(sorted(glob.glob(os.path.join(os.path.abspath(a.folder), '*.ts')))):
        for program, video in programs(file).items():
            code = 'c%d-%d' % (number, program)
            streams[code] = {'inputs': [{'url': 'file://%s?loop=true&program=%d' % (file, program)}]}
            rows.append((code, file, program, video))
    assert rows, 'no .ts file in ' + a.folder
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        server = Server(os.path.abspath(a.program), folder, streams).start()
        try:
            time.sleep(8)  # Warnings about what does not come are given after 5 s.
            for code, file, program, video in rows:
                pictures, errors = decode('concat:' + '|'.join([file] * 3), '-map', '0:p:%d:v?' % program) if {'h264', 'hevc'} & set(video) else (0, set())
                wanted = pictures > 0 and video[0] in ('h264', 'hevc')
                status = next(s for s in json.loads(server.get('/api/v1/streams').body)['streams'] if s['code'] == code)
                said = [*status['warnings'], *([status['last_error']['message']] if status['last_error'] else [])]
                shown = {}
                for name, url in (('HLS', server.hls(code)), ('DASH', server.dash(code))):
                    shown[name] = decode(url, '-map', '0:v:0', '-map', '0:a:0?', seconds=a.seconds) if wanted else (0, set())
                new = {name: found - errors for name, (_, found) in shown.items()}
                ok = all(count for count, _ in shown.values()) and not any(new.values()) if wanted else bool(said)
                bad += not ok
                tracks = ' '.join(track['codec'] for track in status['tracks']) or '-'
                print('%s %s program %d: %s' % ('ok ' if ok else 'BAD', os.path.basename(file), program, tracks))
                print('    file: %d pictures, %d kinds of errors' % (pictures, len(errors)))
                for name, (count, found) in shown.items():
                    print('    %s: %d pictures, new errors: %s' % (name, count, sorted(new[name])[:4]))
                print('    status: %s' % '; '.join(said)[:400])
        finally:
            server.stop()
    print('%d programs, %d bad' % (len(rows), bad))
    return bad > 0


sys.exit(main())
