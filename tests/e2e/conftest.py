# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the end-to-end tests. Each test has namespaces, pins and processes of its own."""
import os
import shutil
import signal
import subprocess

import pytest

from harness import division, settings
from harness.answering import Answering
from harness.lab import BPFFS, Lab
from harness.pairs import Pair
from harness.tls import make_identity
from harness.turns import Turns
from harness.worker import PROGRAM, Place

TEST_SECONDS = 60
TURNS = pytest.StashKey()
TOOLS = ("ip", "nsenter", "bpftool", "setpriv")


def pytest_sessionstart(session):
    session.config.stash[TURNS] = Turns()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what a test made is removed then as well
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if os.geteuid() != 0:
        pytest.exit("the end-to-end tests make network namespaces: run them as root", 1)
    if missing:
        pytest.exit(f"not installed: {', '.join(missing)}; run scripts/deps", 1)
    for program in (settings.BINARY, settings.INSTANCE):
        if not program.exists():
            pytest.exit(f"{program} does not exist; run make all test-programs", 1)


def pytest_collection_modifyitems(items):
    """What was left out by its marker is still there, as skipped."""
    for item in items:
        if settings.OTHER_KERNEL and item.get_closest_marker("no_kernel"):
            item.add_marker(pytest.mark.skip(reason="asks user space alone, which is the same on every kernel"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    item.config.stash[TURNS].begin(item)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    yield
    item.config.stash[TURNS].end()


def pytest_runtestloop(session):
    """As one of several runs; else pytest does it."""
    if not settings.CLAIMS or session.testsfailed or session.config.option.collectonly:
        return None
    division.run(session)
    return True


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that failed and was run again (--reruns) is told of beside the results, whatever the second run says."""
    del call
    outcome = yield
    report = outcome.get_result()
    option = item.config.option
    if report.failed and option.xmlpath and getattr(option, "reruns", None) and item.execution_count == 1:
        reason = " ".join(report.longreprtext.split("\nE ")[-1].split())
        with open(f"{option.xmlpath}.failed-once", "a", encoding="utf-8") as told:
            told.write(f"{item.name}: {reason[:300]}\n")


@pytest.fixture(scope="session", autouse=True)
def bpffs():
    """A bpffs where a host has it."""
    if not os.path.ismount(BPFFS):
        subprocess.run(["mount", "-t", "bpf", "bpf", str(BPFFS)], check=True)


@pytest.fixture(autouse=True)
def time_limit(request):
    """No test waits for ever: whatever it waits for is interrupted."""
    marker = request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else TEST_SECONDS

    def give_up(*_):
        raise AssertionError("the test took too long")

    former = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds * settings.PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, former)


@pytest.fixture
def lab(bpffs):
    """A host and its clients; nothing is loaded yet."""
    del bpffs
    made = Lab()
    yield made
    made.close()


@pytest.fixture
def second_lab(bpffs):
    """Another host with its own clients, at the same addresses."""
    del bpffs
    made = Lab()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_lab(bpffs):
    """One for a file of tests that change nothing: a service with two backends is loaded."""
    del bpffs
    made = Lab()
    made.load_with(3001, 3002)
    yield made
    made.close()


@pytest.fixture
def place():
    """Where a worker runs by itself."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} does not exist: run make test-programs")
    made = Place()
    yield made
    made.close()


@pytest.fixture(scope="session")
def identity(tmp_path_factory):
    """One that does not matter."""
    return make_identity(tmp_path_factory.mktemp("identity"), "any", "any.test")


@pytest.fixture
def instance(place):
    """One on port 3001 that answers everything alike."""
    return Answering(place, 3001)


@pytest.fixture
def make(place, identity):
    """Makes a worker with an instance whose connections are the test's."""
    return lambda kind, *options, **more: Pair(place, identity, kind, *options, **more)


@pytest.fixture
def several(place):
    """Certificates of several kinds for several names; the first is the default."""

    def make(name, *hosts, **more):
        return make_identity(place.folder, name, *hosts, **more)

    return {
        "first": make("first", "first.test"),
        "ec": make("ec", "both.test"),
        "rsa": make("rsa", "both.test", kind="rsa"),
        "wild": make("wild", "*.wild.test"),
        "exact": make("exact", "exact.wild.test"),
    }
