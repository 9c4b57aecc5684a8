# SPDX-License-Identifier: BSD-2-Clause
"""What the kernel holds of an rcxlb: ids of its maps, programs and links, told apart from everybody else's."""
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .namespace import run


@dataclass(frozen=True)
class Held:
    maps: frozenset
    programs: frozenset
    links: frozenset

    def __bool__(self):
        return bool(self.maps or self.programs or self.links)


def bpftool(*words):
    return json.loads(run("bpftool", "-j", *words) or "[]")


def _pinned_maps(pins):
    """Ids of the maps among the pins; what is not a map answers with an error."""
    for path in sorted(pins.rglob("*")):
        done = subprocess.run(
            ["bpftool", "-j", "map", "show", "pinned", str(path)], capture_output=True, text=True, check=False
        )
        if done.returncode == 0 and done.stdout.strip():
            yield json.loads(done.stdout)["id"]


def held_by(pins):
    """What is pinned in a folder, and every program and link that uses it, pinned or not."""
    maps = frozenset(_pinned_maps(pins))
    programs = frozenset(entry["id"] for entry in bpftool("prog") if maps & set(entry.get("map_ids", ())))
    links = frozenset(entry["id"] for entry in bpftool("link") if entry.get("prog_id") in programs)
    return Held(maps, programs, links)


def still_there(held):
    """The part of it that the kernel has not freed."""
    maps = {entry["id"]: entry for entry in bpftool("map")}
    programs = {entry["id"] for entry in bpftool("prog")}
    links = {entry["id"] for entry in bpftool("link")}
    return Held(held.maps & set(maps), held.programs & programs, held.links & links)


def _link(namespace, interface):
    return json.loads(run("ip", "-netns", namespace.name, "-j", "link", "show", interface))[0]


def xdp_attached(namespace, interface="eth0"):
    """The id of the XDP program on an interface, or None."""
    return _link(namespace, interface).get("xdp", {}).get("prog", {}).get("id")


def dispatchers(namespace, interface="eth0"):
    """Folders of libxdp's for this interface. Those of another namespace, with the same index, look alike."""
    return list(Path("/sys/fs/bpf/xdp").glob(f"dispatch-{_link(namespace, interface)['ifindex']}-*"))
