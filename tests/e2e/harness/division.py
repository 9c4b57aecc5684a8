# SPDX-License-Identifier: BSD-2-Clause
"""Several runs at the same time, on one machine or on several, share out the tests: none waits while there are any left."""
import hashlib
import itertools
import pathlib

from harness import settings, turns


def _claim(item):
    """Whether the test is ours. A folder is made by one only, whoever else tries."""
    try:
        (pathlib.Path(settings.CLAIMS) / hashlib.sha256(item.nodeid.encode()).hexdigest()).mkdir()
    except FileExistsError:
        return False
    return True


def _claimed(items):
    """Each run begins elsewhere, so that what tests of a file have in common is made by as few runs as can be. Those that
    want the machine for themselves come last: the others have ended by then."""
    begin = len(items) * (settings.PART - 1) // settings.PARTS
    return filter(_claim, sorted([*items[begin:], *items[:begin]], key=turns.is_alone))


def run(session):
    """What pytest's own loop does, with the tests that no other run has taken. One ahead, since each test is told of the
    next: what both use stays."""
    pairs = itertools.pairwise(itertools.chain(_claimed(session.items), [None]))
    for item, following in pairs:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
