# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for something to become true, for a bounded time."""
import time

from .settings import PATIENCE

PAUSE = 0.01


def wait_until(look, what, seconds=5.0):
    """Calls look() until it returns something true and returns that; fails with `what` when it never does."""
    end = time.monotonic() + seconds * PATIENCE
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"never came true: {what}")
        time.sleep(PAUSE)


def wait_equal(look, wanted, what, seconds=5.0):
    """Calls look() until it returns `wanted`; the failure shows what it returned last."""
    last = []

    def matches():
        last[:] = [look()]
        return last[0] == wanted

    try:
        wait_until(matches, what, seconds)
    except AssertionError:
        raise AssertionError(f"{what}: wanted {wanted!r}, last seen {last[0]!r}") from None
