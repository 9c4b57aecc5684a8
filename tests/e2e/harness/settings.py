# SPDX-License-Identifier: BSD-2-Clause
"""What the environment may change: the binary under test, a wrapper around it, and how heavy the tests are."""
import os
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("RCXLB", ROOT / "build" / "rcxlb")).resolve()
OTHER_BINARY = os.environ.get("RCXLB_OTHER")
WRAPPER = shlex.split(os.environ.get("RCXLB_WRAPPER", ""))
SCALE = float(os.environ.get("RCXLB_TEST_SCALE", "1"))
SLOW_MACHINE = bool(os.environ.get("RCXLB_TEST_SLOW_MACHINE"))  # emulated or watched: times say nothing
# On another kernel: what no kernel can change need not be asked again there.
OTHER_KERNEL = bool(os.environ.get("RCXLB_TEST_OTHER_KERNEL"))
# "1/3": the first of three runs at the same time, which share out the tests by a folder, RCXLB_TEST_CLAIMS.
PART, PARTS = map(int, os.environ.get("RCXLB_TEST_PART", "1/1").split("/"))
CLAIMS = os.environ.get("RCXLB_TEST_CLAIMS")
# tests/e2e/instance.c, from a plain build: what is measured or watched is rcxlb.
INSTANCE = ROOT / "build" / "tests" / "e2e" / "instance"
NODE_INSTANCE = ROOT / "scripts" / "demo" / "instance.js"

# A wrapper such as valgrind makes every command many times slower, and so does an emulated machine.
PATIENCE = 20.0 if WRAPPER else 12.0 if SLOW_MACHINE else 3.0
COMMAND_SECONDS = 20.0 * PATIENCE


def scaled(count, least=1):
    """A count of repetitions under RCXLB_TEST_SCALE."""
    return max(least, round(count * SCALE))
