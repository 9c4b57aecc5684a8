# SPDX-License-Identifier: BSD-2-Clause
"""Other people's clients against services that end TLS, and other people's servers. Needs what `scripts/deps clients`
installs; scripts/test --only clients."""
import shutil
from pathlib import Path

import pytest

from harness.lab import Lab
from harness.site import Site

SOCKJS = Path("/usr/share/nodejs/sockjs")


@pytest.fixture(name="site", scope="module")
def _site(bpffs):
    """One for all tests of a file: two instances of Node.js."""
    del bpffs
    lab = Lab()
    yield Site(lab, 2, *(["SOCKJS=yes"] if SOCKJS.exists() else []))
    lab.close()


def pytest_runtest_setup(item):
    """A tool that is missing is a reason to skip, and the reason says so."""
    marker = item.get_closest_marker("tool")
    missing = [name for name in marker.args if not shutil.which(name)] if marker else []
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed; run scripts/deps clients")
