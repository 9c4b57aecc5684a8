# SPDX-License-Identifier: BSD-2-Clause
"""Processes that a test starts and that never outlive it."""
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from .settings import PATIENCE

PR_SET_PDEATHSIG = 1


_libc = ctypes.CDLL(None)


def _die_with_parent():
    """In the child: it is killed when the tests end, whatever becomes of them."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A running command and whatever it starts. With `ready`, it is up when it has printed a line that begins so."""

    def __init__(self, words, env=None, ready=None):
        self.words = [str(word) for word in words]
        self.popen = subprocess.Popen(
            self.words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE if ready else subprocess.DEVNULL,
            start_new_session=True, preexec_fn=_die_with_parent,
        )
        if ready:
            self._await(ready)

    def _await(self, ready):
        seen = b""
        end = time.monotonic() + 10 * PATIENCE
        while not any(line.startswith(ready.encode()) for line in seen.split(b"\n")[:-1]):
            readable, _, _ = select.select([self.popen.stdout], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self.popen.stdout.fileno(), 4096) if readable else b""
            if not piece:
                self.end()
                raise AssertionError(f"{' '.join(self.words)} did not say {ready!r}: {seen!r}")
            seen += piece

    @property
    def pid(self):
        return self.popen.pid

    def kill(self):
        """SIGKILL, and gone when this returns: its sockets are closed."""
        self.signal(signal.SIGKILL)
        self.popen.wait()

    def signal(self, number):
        if self.popen.poll() is None:
            os.killpg(self.pid, number)

    def members(self):
        """Its process ids: its own, and those of whatever it started."""
        everybody = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return [pid for pid in everybody if self._is_member(pid)]

    def _is_member(self, pid):
        try:
            return os.getpgid(pid) == self.pid
        except ProcessLookupError:
            return False

    def stop(self):
        """Stopped, not ended: its sockets stay."""
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def end(self):
        self.kill()
        if self.popen.stdout:
            self.popen.stdout.close()


def python(script, *words):
    """A Python program without site packages: it starts in a few hundredths of a second."""
    return [sys.executable, "-I", "-S", str(script), *words]
