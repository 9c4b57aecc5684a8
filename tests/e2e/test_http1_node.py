# SPDX-License-Identifier: BSD-2-Clause
"""What the HTTP/1 core passes on, Node's own parser reads alike: the table and the fuzzer's corpus, over loopback."""
import os
import shutil
import subprocess

import pytest

from harness import settings

DRIVER = settings.ROOT / os.environ.get("RCXLB_BUILD", "build") / "tests" / "http1" / "driver"


@pytest.mark.skipif(not shutil.which("node"), reason="Node.js is not installed")
def test_node_reads_what_goes_on_as_it_was_meant():
    done = subprocess.run(
        ["node", settings.ROOT / "tests/http1/differential.js", DRIVER, settings.ROOT / "tests/fuzz/corpus/http1"],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
