# SPDX-License-Identifier: BSD-2-Clause
"""Without permission, in the wrong place, beside somebody else's files: one clear line, and nothing half done."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import agent
from harness.kernel import held_by, still_there, xdp_attached
from harness.lab import BPFFS, Lab
from harness.namespace import run
from harness.poll import wait_until
from harness.rcxlb import Rcxlb, configured
from harness.refusing import ITER_CREATE, refusing
from test_cli_errors import assert_one_line

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
NO_CAPABILITIES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
LOAD = ["load", "eth0", "--no-agent"]
CHANGES = [
    ["backends", "add", "127.0.0.1:3009"], ["backends", "del", "127.0.0.1:3001"], ["backends", "drain", "127.0.0.1:3001"],
    ["services", "add", "web", "--listen", "*:3100"], ["services", "del", "default"], ["load", "eth0", "--listen", "*:3100", "--no-agent"], ["unload"],
]
LOOKS = [["status", "--json"], ["backends", "list"], ["why", "192.0.2.2:1"], ["config"]]


def make_reachable(lab):
    """The binary where everybody may run it."""
    copy = lab.folder / "rcxlb"
    shutil.copy(lab.rcxlb.binary, copy)
    copy.chmod(0o755)
    lab.rcxlb.binary = copy
    return lab


@pytest.fixture
def reachable(lab):
    return make_reachable(lab)


@pytest.fixture(scope="module")
def guarded(bpffs):
    """Loaded, with an instance that runs, for tests in which nothing may change."""
    del bpffs
    made = make_reachable(Lab())
    made.instances(3001)
    yield made
    made.close()


@pytest.fixture
def unchanged(guarded):
    """Loads when it is not loaded, whatever a test before left; afterwards everything must be as it was."""
    if not guarded.rcxlb.status()["loaded"]:
        guarded.host.ip("link set eth0 xdp off")
        guarded.load_with(3001)
    status, held, xdp = configured(guarded.rcxlb.status()), held_by(guarded.rcxlb.pins), xdp_attached(guarded.host)
    yield guarded
    assert configured(guarded.rcxlb.status()) == status
    assert still_there(held) == held
    assert xdp_attached(guarded.host) == xdp
    assert guarded.who() == "i3001"


@pytest.mark.parametrize("before", [NOBODY, NO_CAPABILITIES], ids=["nobody", "root without capabilities"])
def test_without_permission_nothing_is_loaded(reachable, before):
    assert_one_line(reachable.rcxlb.attempt(*LOAD, before=before), 1, "root")
    assert reachable.pins_left() == []
    assert not xdp_attached(reachable.host)
    reachable.load()


@pytest.mark.parametrize("before", [NOBODY, NO_CAPABILITIES], ids=["nobody", "root without capabilities"])
@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
def test_without_permission_nothing_is_changed(unchanged, before, words):
    assert_one_line(unchanged.rcxlb.attempt(*words, before=before), 1, "root")


@pytest.mark.parametrize("words", LOOKS, ids=" ".join)
def test_without_permission_nothing_is_shown(unchanged, words):
    assert_one_line(unchanged.rcxlb.attempt(*words, before=NOBODY), 1, "root")


@pytest.mark.parametrize("words", [["version"], ["--help"], ["load", "--help"]], ids=" ".join)
def test_help_and_version_need_no_permission(guarded, words):
    assert guarded.rcxlb.attempt(*words, before=NOBODY).code == 0


def test_an_empty_pin_folder_is_not_ours(lab):
    lab.rcxlb.pins.mkdir()
    assert_one_line(lab.rcxlb.attempt(*LOAD), 1, str(lab.rcxlb.pins))
    assert lab.rcxlb.pins.is_dir()
    assert not xdp_attached(lab.host)
    lab.rcxlb.attempt("unload")
    assert lab.rcxlb.pins.is_dir()
    lab.rcxlb.pins.rmdir()
    lab.load()


def foreign_map(path):
    run("bpftool", "map", "create", str(path), "type", "array", "key", "4", "value", "8", "entries", "1", "name", "other")


@pytest.mark.parametrize("name", ["other", "backends", "meta", "steer"])
def test_a_pin_folder_with_foreign_pins_is_not_ours(lab, name):
    """Also when they have names that we use."""
    lab.rcxlb.pins.mkdir()
    foreign_map(lab.rcxlb.pins / name)
    for words in (LOAD, ["unload"], ["backends", "add", "127.0.0.1:3001"], ["services", "add", "a", "--listen", "*:1"]):
        result = lab.rcxlb.attempt(*words)
        assert result.code == 1, str(result)
        assert len(result.err.splitlines()) == 1, str(result)
        assert (lab.rcxlb.pins / name).exists(), f"`{' '.join(words)}` removed a foreign pin"
    assert not xdp_attached(lab.host)
    (lab.rcxlb.pins / name).unlink()
    lab.rcxlb.pins.rmdir()
    lab.load()


def test_a_pin_folder_outside_a_bpffs(lab):
    outside = lab.folder / "pins"
    result = lab.rcxlb.attempt(*LOAD, **{"RCXLB_PIN_DIR": str(outside)})
    assert_one_line(result, 1, str(outside))
    assert not outside.exists()
    assert not xdp_attached(lab.host)


def test_a_pin_folder_that_is_a_file(lab):
    foreign_map(lab.rcxlb.pins)
    assert_one_line(lab.rcxlb.attempt(*LOAD), 1, str(lab.rcxlb.pins))
    assert lab.rcxlb.pins.exists()
    lab.rcxlb.pins.unlink()


@pytest.mark.parametrize("value", ["relative/path", "/sys/fs/bpf/rcxlb.dotted", "/" + "x" * 5000, "/sys/fs/bpf/blue-new"],
                         ids=["relative", "dots", "too long", "where another builds"])
def test_a_pin_folder_that_cannot_be(lab, value):
    result = lab.rcxlb.attempt(*LOAD, **{"RCXLB_PIN_DIR": value})
    assert_one_line(result, None, "RCXLB_PIN_DIR")


def test_a_run_folder_that_cannot_be_made(lab):
    blocker = lab.folder / "file"
    blocker.write_text("", encoding="ascii")
    for parent in (blocker, lab.folder / "missing"):
        assert_one_line(lab.rcxlb.attempt(*LOAD, **{"RCXLB_RUN_DIR": str(parent / "run")}), 1, str(parent))
    assert lab.pins_left() == []
    assert not xdp_attached(lab.host)


RUN_FOLDERS = {
    "somebody else's": (lambda path: (path.mkdir(), os.chown(path, 33, 0)), "{} belongs to the user 33; remove it"),
    "its group may write": (lambda path: (path.mkdir(), path.chmod(0o775)),
                            "{} can be written by others (mode 0775); run chmod go-w {}"),
    "all may write": (lambda path: (path.mkdir(), path.chmod(0o1777)),
                      "{} can be written by others (mode 1777); run chmod go-w {}"),
    "a link": (lambda path: path.symlink_to(path.parent), "{} is no folder; remove it, or set RCXLB_RUN_DIR"),
    "a file": (lambda path: path.write_text("", encoding="ascii"), "{} is no folder; remove it, or set RCXLB_RUN_DIR"),
}


@pytest.mark.parametrize("kind", RUN_FOLDERS)
def test_a_run_folder_that_others_may_write_into(lab, kind):
    """Whatever made it: the state that a command completes is read from there, by root."""
    make, says = RUN_FOLDERS[kind]
    folder = lab.folder / "theirs"
    make(folder)
    assert_one_line(lab.rcxlb.attempt(*LOAD, **{"RCXLB_RUN_DIR": str(folder)}), 1, says.replace("{}", str(folder)))
    assert lab.pins_left() == []
    assert not xdp_attached(lab.host)


def test_a_run_folder_as_systemd_makes_it(lab):
    lab.rcxlb.runs.mkdir(mode=0o755)
    lab.load()


@pytest.fixture
def read_only_bpffs(lab):
    """A bpffs of its own, mounted read-only where nobody else looks."""
    folder = lab.folder / "bpffs"
    folder.mkdir()
    run("mount", "-t", "bpf", "-o", "ro", "bpf", str(folder))
    yield folder
    run("umount", str(folder))


def in_bpffs(folder):
    """Names in a bpffs, without those that the kernel puts into each."""
    return [path.name for path in folder.iterdir() if not path.name.endswith(".debug")]


def test_a_read_only_bpffs(lab, read_only_bpffs):
    result = lab.rcxlb.attempt(*LOAD, **{"RCXLB_PIN_DIR": str(read_only_bpffs / "rcxlb")})
    assert_one_line(result, 1, str(read_only_bpffs))
    assert not xdp_attached(lab.host)
    assert in_bpffs(read_only_bpffs) == []


@pytest.fixture
def own_bpffs(lab):
    """A bpffs that holds nothing but the pins of this test."""
    folder = lab.folder / "bpffs"
    folder.mkdir()
    run("mount", "-t", "bpf", "bpf", str(folder))
    lab.rcxlb.pins = folder / "rcxlb"
    yield folder
    lab.rcxlb.attempt("unload")
    run("umount", str(folder))


def test_a_bpffs_that_becomes_read_only(lab, own_bpffs):
    """Unload says what is in its way and leaves things working."""
    lab.load_with(3001)
    lab.instances(3001)
    number = agent.start(lab)
    run("mount", "-o", "remount,ro", str(own_bpffs))
    assert "written" in assert_one_line(lab.rcxlb.attempt("unload"), 1, str(own_bpffs))
    assert lab.who() == "i3001"
    assert agent.is_alive(number)
    run("mount", "-o", "remount,rw", str(own_bpffs))
    lab.rcxlb("unload")
    assert not lab.rcxlb.pins.exists()


def test_unload_leaves_nothing_in_its_bpffs(lab, own_bpffs):
    lab.load_with(3001)
    lab.rcxlb("unload")
    assert in_bpffs(own_bpffs) == []


def test_load_in_a_private_mount_namespace_says_that_its_pins_would_vanish(lab):
    words = ["ip", "netns", "exec", lab.host.name, str(lab.rcxlb.binary), *LOAD]
    result = lab.rcxlb.execute(words, LOAD)
    line = assert_one_line(result, 1, "nsenter")
    assert "ip netns exec" in line
    assert lab.pins_left() == []
    assert not xdp_attached(lab.host)
    assert lab.rcxlb.status()["loaded"] is False


def test_load_from_another_network_namespace_is_refused(lab):
    lab.load_with(3001)
    lab.instances(3001)
    held = held_by(lab.rcxlb.pins)
    words = lab.clients.command(lab.rcxlb.binary, *LOAD)
    assert_one_line(lab.rcxlb.execute(words, LOAD), 1, "namespace")
    assert held_by(lab.rcxlb.pins) == held
    assert not xdp_attached(lab.clients)
    assert lab.who() == "i3001"


def test_load_takes_the_place_of_one_whose_network_namespace_has_ended(lab):
    """Of a container that is started anew: its pins are those of the one before."""
    before = lab.namespace("before")
    lab.rcxlb.execute(before.command(lab.rcxlb.binary, "load", "lo", "--no-agent"), ["load"])
    before.delete()
    lab.namespaces.remove(before)
    wait_until(lambda: "has ended: load anew" in lab.rcxlb.attempt("status").err, "its namespace has ended")
    lab.load_with(3001)
    lab.instances(3001)
    assert lab.who() == "i3001"


def load_from_file(lab, *options):
    """So that the run folder holds the name of a file."""
    config = lab.folder / "rcxlb.yaml"
    config.write_text("interfaces: [eth0]\nservices: [{name: default, listen: ['*:3000'], backends: ['127.0.0.1:3001']}]\n",
                      encoding="ascii")
    lab.rcxlb("load", "-c", config, *options)
    assert (lab.rcxlb.runs / "file").exists()


def unload_elsewhere(lab, where):
    """Where what is loaded cannot be unloaded."""
    enter = {
        "another network namespace": lab.clients.command(),
        "a bpffs of its own": ["ip", "netns", "exec", lab.clients.name],
        "another pin folder": lab.host.command(),
    }[where]
    pins = lab.rcxlb.pins.with_name(f"{lab.tag}-none") if where == "another pin folder" else lab.rcxlb.pins
    return lab.rcxlb.execute([*enter, str(lab.rcxlb.binary), "unload"], ["unload"], RCXLB_PIN_DIR=str(pins))


ELSEWHERE = [("another network namespace", "namespace"), ("a bpffs of its own", "not loaded"),
             ("another pin folder", "not loaded")]


@pytest.mark.parametrize("options", [[], ["--no-agent"]], ids=["with an agent", "without an agent"])
@pytest.mark.parametrize("where, why", ELSEWHERE, ids=[row[0] for row in ELSEWHERE])
def test_unload_in_the_wrong_place_ends_no_agent_and_forgets_nothing(lab, where, why, options):
    load_from_file(lab, *options)
    number, left = agent.pid(lab), {path: path.stat().st_ino for path in lab.rcxlb.runs.iterdir()}
    assert_one_line(unload_elsewhere(lab, where), 1, why)
    assert agent.pid(lab) == number
    assert {path: path.stat().st_ino for path in lab.rcxlb.runs.iterdir()} == left
    lab.rcxlb("unload")
    assert not lab.rcxlb.runs.exists()


def test_unload_where_nothing_is_makes_no_run_folder(lab):
    assert_one_line(lab.rcxlb.attempt("unload"), 1, "not loaded")
    assert not lab.rcxlb.runs.exists()


def test_unload_of_leftovers_beside_an_agent_keeps_its_run_folder(lab):
    """They are in another pin folder, where a load was killed before it steered."""
    load_from_file(lab)
    number, names = agent.pid(lab), sorted(lab.rcxlb.runs.iterdir())
    killed = Rcxlb(lab.host, lab.rcxlb.pins.with_name(f"{lab.tag}-killed"), lab.folder / "run-killed")
    killed("load", "eth0", "--xdp", "off", "--no-agent")
    (killed.pins / "steer").unlink()
    killed.runs = lab.rcxlb.runs
    assert_one_line(killed.attempt("unload"), 1, "not loaded")
    assert lab.pins_left() == [str(lab.rcxlb.pins)]
    assert agent.pid(lab) == number
    assert sorted(lab.rcxlb.runs.iterdir()) == names


def test_two_rcxlb_on_one_interface(lab):
    """The second one is loaded as well, or says why not; the first goes on either way."""
    lab.load_with(3001)
    lab.instances(3001)
    second = Rcxlb(lab.host, lab.rcxlb.pins.with_name(f"{lab.tag}-second"), lab.folder / "run-second")
    result = second.attempt(*LOAD, "--listen", "*:3100")
    if result.code != 0:
        assert_one_line(result, 1, "eth0")
        assert second.status()["loaded"] is False
    assert lab.who() == "i3001"
    second.attempt("unload")
    assert lab.pins_left() == [str(lab.rcxlb.pins)]
    assert xdp_attached(lab.host)
    assert lab.who() == "i3001"


def test_a_file_system_that_is_full_changes_nothing(lab):
    """The folder of run-time files has no room left."""
    small = lab.folder / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small))
    lab.rcxlb.runs = small / "run"
    try:
        lab.load_with(3001)
        (small / "filler").write_bytes(b"")
        subprocess.run(["dd", "if=/dev/zero", f"of={small}/filler", "bs=4k"], stderr=subprocess.DEVNULL, check=False)
        before = configured(lab.rcxlb.status())
        result = lab.rcxlb.attempt("backends", "add", "127.0.0.1:3002-3100")
        if result.code != 0:
            assert_one_line(result, 1, str(small))
            assert configured(lab.rcxlb.status()) == before
        Path(small / "filler").unlink()
        lab.rcxlb("unload")
    finally:
        run("umount", str(small))


@pytest.mark.parametrize("room", ["1500k", "4m"])
def test_what_was_refused_is_not_done_later(lab, room):
    """The kernel refuses a part, and that the rest be put back; there may be no room to note the latter beside the change."""
    small = lab.folder / "small"
    small.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(small))
    lab.rcxlb.runs = small / "run"
    try:
        lab.load_with(3001)
        before = configured(lab.rcxlb.status())
        assert lab.rcxlb.attempt("backends", "add", "127.0.0.1:3002", before=refusing(ITER_CREATE)).code == 1
        assert (lab.rcxlb.runs / "pending").exists()
        assert configured(lab.rcxlb.status()) == before
        assert not (lab.rcxlb.runs / "pending").exists()
        lab.rcxlb("unload")
    finally:
        run("umount", str(small))


def test_pins_stay_where_they_are_named(lab):
    lab.load()
    assert lab.rcxlb.pins.is_dir()
    assert [path for path in os.listdir(BPFFS) if lab.tag in path] == [lab.tag]
