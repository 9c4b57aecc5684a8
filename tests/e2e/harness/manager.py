# SPDX-License-Identifier: BSD-2-Clause
"""A service manager's end of sd_notify(3)."""
import contextlib
import socket

from .settings import COMMAND_SECONDS


class Manager:
    """What a service says, in the order in which it does."""

    def __init__(self, lab):
        self.path = lab.folder / "notify"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(self.path))
        self.path.chmod(0o777)
        lab.sockets.append(self.sock)

    def hear(self, seconds=COMMAND_SECONDS):
        """The next message."""
        self.sock.settimeout(seconds)
        return self.sock.recv(4096).decode()

    def await_word(self, word, process):
        """Returns when the service has said so; the test's time limit ends the waiting."""
        said = []
        while word not in said:
            assert process.popen.poll() is None, f"the agent ended with {process.popen.returncode}"
            with contextlib.suppress(TimeoutError):
                said = self.hear(0.5).split("\n")
