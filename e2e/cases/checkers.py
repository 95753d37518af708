"""The checkers themselves: what nobody damaged passes, and each kind of damage is noticed."""

import subprocess

from harness import sources
from harness.case import case


@case(short=1)
def checkers(c):
    """match.py passes a good file and notices lost, repeated, altered, foreign and shifted media"""
    source = ['-i', sources.path('lo.mp4')]
    copy = ['-t', '12', '-c', 'copy', '-muxdelay', '0']
    slower = 'setts=ts=TS*1.0002'

    def remux(name, *arguments):
        command = ['ffmpeg', '-hide_banner', '-nostdin', '-y', '-v', 'error', *arguments, c.path(name + '.ts')]
        subprocess.run(command, check=True)

    def write(name, data):
        with open(c.path(name + '.ts'), 'wb') as file:
            file.write(data)

    remux('good', *source, *copy)
    with open(c.path('good.ts'), 'rb') as file:
        good = file.read()
    middle, gap = len(good) // 188 // 2 * 188, 60 * 188
    write('lost', good[:middle] + good[middle + gap :])
    write('repeated', good[:middle] + good[middle - gap :])
    write('altered', good[: middle + 100] + bytes([good[middle + 100] ^ 1]) + good[middle + 101 :])
    remux('foreign', *source, *copy, '-c:a', 'aac', '-b:a', '64k')
    remux('shifted', *source, '-itsoffset', '0.003', *source, *copy, '-map', '0:v', '-map', '1:a')
    remux('slower', *source, *copy, '-bsf:v', slower, '-bsf:a', slower)

    c.match('lo.mp4', c.path('good.ts'))
    for name in ('lost', 'repeated', 'altered', 'foreign', 'shifted', 'slower'):
        try:
            c.match('lo.mp4', c.path(name + '.ts'), name='match-' + name)
        except AssertionError:
            continue
        raise AssertionError('match.py did not notice: ' + name)
