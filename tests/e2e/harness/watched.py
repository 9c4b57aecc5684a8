# SPDX-License-Identifier: BSD-2-Clause
"""rcxlb in the foreground under valgrind: the agent, the supervisor and its workers, which are forks of one process."""
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager

import pytest

from . import settings
from .poll import wait_until
from .settings import ROOT

VALGRIND = ["valgrind", "-q", "--vgdb=no", "--error-exitcode=99", "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible",
            f"--suppressions={ROOT / 'tests/e2e/valgrind.supp'}"]
SECONDS = 60


def is_sanitized():
    return b"__asan_init" in settings.BINARY.read_bytes()


MARKS = [
    pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed"),
    pytest.mark.skipif(bool(settings.WRAPPER) or is_sanitized(), reason="it is watched by something else already"),
    pytest.mark.skipif(settings.OTHER_KERNEL, reason="what is watched is user space, the same on every kernel"),
]


@contextmanager
def watched(lab, *options, environment=None):
    """`load --foreground` until the end of the block; then all that it and its children said must be free of complaints."""
    log = lab.folder / "log"
    with log.open("w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            lab.host.command(*VALGRIND, settings.BINARY, "load", *options, "--foreground"),
            env=lab.rcxlb.environment() | (environment or {}), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
    try:
        wait_until(lambda: "started, process" in log.read_text("utf-8"), "it works", 20)
        yield log
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=SECONDS)
    finally:
        process.kill()
        process.wait()
    said = log.read_text("utf-8")
    assert process.returncode == 0 and "\n==" not in f"\n{said}", said[-4000:]
