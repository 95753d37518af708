"""Child processes with a log file each, ended by process id and by nothing else."""

import contextlib
import os
import signal
import subprocess
import time


class Process:
    """A child in a process group of its own, so that what it starts ends with it. Its output goes to `log`."""

    def __init__(self, command, log, env=None, stdout=None):
        self.command, self.log = [str(part) for part in command], log
        with open(log, 'ab') as out:
            out.write(('$ %s\n' % ' '.join(self.command)).encode())
            out.flush()
            self.child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=stdout or out,
                stderr=subprocess.STDOUT if stdout is None else out,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    def running(self):
        return self.child.poll() is None

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, number)

    def wait(self, seconds):
        """Exit status, or None when it still runs after that time"""
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self):
        """Ends it at once, as a machine that loses power would: no last words to the peer"""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()

    def stop(self, grace=5.0):
        """SIGTERM, and SIGKILL to the group when that was not enough. Returns the exit status."""
        self.signal(signal.SIGTERM)
        status = self.wait(grace)
        self.kill()
        return status

    def output(self):
        with open(self.log, errors='replace') as file:
            return file.read()


def run(command, log, seconds, env=None):
    """Runs to the end and returns (exit status, what it printed); status None: it had to be killed after `seconds`"""
    with open(log, 'ab') as out:
        out.write(('$ %s\n' % ' '.join(str(part) for part in command)).encode())
        offset = out.tell()
    process = Process(command, log, env)
    status = process.wait(seconds)
    process.kill()
    with open(log, errors='replace') as file:
        file.seek(offset)
        return status, file.read().split('\n', 1)[-1]


def until(condition, seconds, what, step=0.05):
    """Waits for a condition and returns its value; the case fails when it does not come"""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError('waited %.0f s for %s' % (seconds, what))
        time.sleep(step)
