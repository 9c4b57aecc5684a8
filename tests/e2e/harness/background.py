# SPDX-License-Identifier: BSD-2-Clause
"""What goes on beside a test."""
import contextlib
import threading


@contextlib.contextmanager
def repeated(act, pause):
    """Calls act() in a thread, again and again, with a pause (seconds) before each, until the context ends."""
    enough = threading.Event()

    def repeat():
        while not enough.wait(pause):
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()
