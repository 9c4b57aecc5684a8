# SPDX-License-Identifier: BSD-2-Clause
"""Which tests of several runs on this machine may run at the same time: all, but one that measures runs alone, and so does
one that is run again because it failed."""
import fcntl
import os
import tempfile
from pathlib import Path


def is_alone(item):
    return item.get_closest_marker("alone") is not None


class Turns:
    """A lock between processes, which an end of any kind gives back: many share it, or one has it. Who wants it alone
    holds the door meanwhile, so that nobody else comes in."""

    def __init__(self):
        folder = Path(tempfile.gettempdir())
        self._door = self._open(folder / "rcxlb-test-door.lock")
        self._room = self._open(folder / "rcxlb-test-room.lock")

    @staticmethod
    def _open(path):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

    def begin(self, item):
        again = getattr(item, "execution_count", 1) > 1
        fcntl.flock(self._door, fcntl.LOCK_EX)
        fcntl.flock(self._room, fcntl.LOCK_EX if again or is_alone(item) else fcntl.LOCK_SH)
        fcntl.flock(self._door, fcntl.LOCK_UN)

    def end(self):
        fcntl.flock(self._room, fcntl.LOCK_UN)
