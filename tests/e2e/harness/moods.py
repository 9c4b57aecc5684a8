# SPDX-License-Identifier: BSD-2-Clause
"""HTTP instances whose answers to checks a test changes while they run: servers/moody.py."""
import os
import time
from collections import Counter
from pathlib import Path

from .process import python

SCRIPT = Path(__file__).resolve().parents[1] / "servers" / "moody.py"


class Moody:
    """Instances on a range of ports, one process."""

    def __init__(self, lab, first, last=None, bind="127.0.0.1", mood="200"):
        self.lab, self.first, self.last, self.bind = lab, first, last or first, bind
        self.moods = {"*": mood}
        self.file = lab.folder / f"moods-{first}-{len(lab.processes)}"
        self.log = Path(f"{self.file}.log")
        self._write()
        self.process = self._start()

    def _start(self):
        words = (self.file, self.log, self.first, self.last, "--bind", self.bind)
        return self.lab.start(python(SCRIPT, *words), "listening")

    def restart(self):
        self.process.kill()
        self.process = self._start()

    def feel(self, mood, port="*"):
        """Answers so from now on; when that began, in the time of events."""
        self.moods[str(port)] = mood
        self._write()
        return time.time()

    def _write(self):
        fresh = Path(f"{self.file}.new")
        fresh.write_text("".join(f"{port} {mood}\n" for port, mood in self.moods.items()), encoding="ascii")
        os.rename(fresh, self.file)

    def checks(self):
        """(port, path, host) of each check so far, and how often."""
        if not self.log.exists():
            return Counter()
        return Counter(tuple(line.split()) for line in self.log.read_text("ascii").splitlines())

    def totals(self):
        """Checks of each port so far."""
        totals = Counter()
        for (port, _, _), times in self.checks().items():
            totals[int(port)] += times
        return totals
