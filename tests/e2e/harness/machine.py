# SPDX-License-Identifier: BSD-2-Clause
"""A machine whose first process is a real systemd, in a lab's host namespace: tests/vm/boot-systemd."""
import json
import os
import shutil
import subprocess
from pathlib import Path

from . import settings
from .namespace import run
from .poll import wait_until

BOOT = settings.ROOT / "tests" / "vm" / "boot-systemd"
SYSTEMD = Path("/lib/systemd/systemd")
TARGET = "rcxlb-test.target"


def cgroup_root():
    """Where cgroup v2 is mounted, or None."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()]
    return next((Path(mount[1]) for mount in mounts if mount[2] == "cgroup2"), None)


def reason():
    """Why there can be none here, or an empty string."""
    if not SYSTEMD.exists():
        return "systemd is not installed; run scripts/deps test"
    if not cgroup_root() or not os.access(cgroup_root(), os.W_OK):
        return "there is no cgroup v2 here that can be written"
    return ""


class Machine:
    """It has booted when this returns, with these files, {name: text, or the path of one}. Calling it runs a command there."""

    def __init__(self, lab, files):
        self.lab = lab
        self.folder = lab.folder / "machine"
        self.upper = self.folder / "upper"
        self.cgroup = cgroup_root() / f"{lab.tag}-machine"
        self.cgroup.mkdir()
        self.folder.mkdir()
        self.process = None
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(self.folder))
        try:
            self._boot(files)
        except BaseException:
            self.close()
            raise

    def _boot(self, files):
        self.upper.mkdir()
        (self.folder / "cgroup").symlink_to(self.cgroup)
        self._install()
        for name, text in files.items():
            self._write(name, text)
        self.process = self.lab.start([BOOT, self.folder])
        self.first = wait_until(self._find_first, "systemd runs", 20)
        wait_until(self._has_booted, "the machine has booted", 20)

    def _install(self):
        """What `make install` does, and a target of its own: it starts nothing else that a host may have."""
        build = os.path.relpath(settings.BINARY.parent, settings.ROOT)
        subprocess.run(
            ["make", "-s", "-C", settings.ROOT, "install", f"DESTDIR={self.upper}", f"BUILD={build}"], check=True,
            stdout=subprocess.DEVNULL, timeout=settings.COMMAND_SECONDS,
        )
        self._write(f"etc/systemd/system/{TARGET}", "[Unit]\nRequires=basic.target\nAfter=basic.target\n")
        for name in ("timers.target", "paths.target"):
            (self.upper / "etc/systemd/system" / name).symlink_to("/dev/null")

    def _write(self, name, text):
        path = self.upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, Path):
            shutil.copy(text, path)
            return
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600 if name.endswith(".key") else 0o644)

    def _find_first(self):
        """The child of unshare, once it has become systemd; None before."""
        assert self.process.popen.poll() is None, "the machine did not boot"
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                if parent == self.process.pid and "systemd" in os.readlink(entry / "exe"):
                    return int(entry.name)
            except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                continue
        return None

    def _has_booted(self):
        return self.attempt("systemctl", "is-active", "--quiet", TARGET).returncode == 0

    def attempt(self, *words):
        """A command in the machine."""
        return subprocess.run(
            ["nsenter", f"--target={self.first}", "--all", *map(str, words)], capture_output=True, text=True,
            check=False, timeout=settings.COMMAND_SECONDS,
        )

    def __call__(self, *words):
        """One that must succeed; what it printed."""
        done = self.attempt(*words)
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def journal(self):
        return self.attempt("journalctl", "--no-pager", "--output=cat", "--lines=60").stdout

    def show(self, unit, name):
        """A property of a unit."""
        return self("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def status(self):
        return json.loads(self("rcxlb", "status", "--json"))

    def close(self):
        if self.process:
            self.process.kill()
        wait_until(lambda: not self._is_populated(), "everything in it has ended")
        groups = [path for path in self.cgroup.rglob("*") if path.is_dir()]
        for path in [*sorted(groups, reverse=True), self.cgroup]:
            path.rmdir()
        run("umount", str(self.folder))
        self.folder.rmdir()

    def _is_populated(self):
        return "populated 1" in (self.cgroup / "cgroup.events").read_text(encoding="ascii")
