# SPDX-License-Identifier: BSD-2-Clause
"""The systemd units as files: sound, and as closed as they can be. test_systemd.py runs them."""
import os
import re
import shutil
import subprocess

import pytest

from harness import settings

pytestmark = pytest.mark.no_kernel

UNITS = settings.ROOT / "scripts" / "systemd"

# The most that systemd-analyze security may count, in tenths; what is left is what rcxlb needs.
EXPOSURE = {"rcxlb.service": 30, "rocketchat@.service": 15}


def run(*words, **more):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False,
        timeout=settings.COMMAND_SECONDS, **more,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """What `make install` puts under a PREFIX, with the program under test."""
    prefix = tmp_path_factory.mktemp("installed")
    build = os.path.relpath(settings.BINARY.parent, settings.ROOT)  # as it was built: make knows files by their names
    code, said = run("make", "-C", settings.ROOT, "install", f"PREFIX={prefix}", f"BUILD={build}")
    assert code == 0, said
    return prefix


@pytest.fixture(autouse=True)
def systemd():
    assert shutil.which("systemd-analyze"), "systemd-analyze is not installed; run scripts/deps test"


def test_everything_is_installed(installed):
    names = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert names == {
        "sbin/rcxlb", "share/bash-completion/completions/rcxlb",
        "lib/systemd/system/rcxlb.service", "lib/systemd/system/rocketchat@.service", "lib/sysusers.d/rcxlb.conf",
        "share/man/man8/rcxlb.8", "share/man/man5/rcxlb.yaml.5",
        "share/rcxlb/rcxlb.rules.yml", "share/rcxlb/dashboard.json",
    }
    for name in names - {"sbin/rcxlb"}:
        assert (installed / name).stat().st_mode & 0o777 == 0o644, name
    unit = (installed / "lib/systemd/system/rcxlb.service").read_text()
    assert f"ExecStart={installed}/sbin/rcxlb load " in unit and "/usr/local" not in unit


@pytest.mark.parametrize("name, copy", [
    ("rcxlb.service", "rcxlb.service"), ("rocketchat@.service", "rocketchat@3001.service"),
])
def test_systemd_understands_the_unit(installed, tmp_path, name, copy):
    """Every setting, as this systemd knows them, with the programs in place."""
    text = (installed / "lib/systemd/system" / name).read_text()
    (tmp_path / copy).write_text(text.replace("/usr/bin/node ", f"{shutil.which('node') or '/bin/true'} "))
    code, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / copy)
    assert (code, said.strip()) == (0, ""), said


def test_a_wrong_setting_would_be_found(installed, tmp_path):
    text = (installed / "lib/systemd/system/rcxlb.service").read_text().replace("WatchdogSec=", "WatchdogSeconds=")
    (tmp_path / "rcxlb.service").write_text(text)
    _, said = run("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", tmp_path / "rcxlb.service")
    assert "WatchdogSeconds" in said


@pytest.mark.parametrize("name", EXPOSURE)
def test_the_unit_is_closed(name):
    code, said = run("systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={EXPOSURE[name]}",
                     UNITS / name)
    assert code == 0, said


def test_the_user_can_be_made(tmp_path):
    (tmp_path / "etc").mkdir()
    code, said = run("systemd-sysusers", f"--root={tmp_path}", UNITS / "rcxlb.sysusers")
    assert code == 0, said
    assert "rcxlb:" in (tmp_path / "etc/passwd").read_text()


def test_rocketchat_takes_nobodys_word_for_an_address():
    text = (UNITS / "rocketchat@.service").read_text()
    for setting in ("PORT=%i", "BIND_IP=127.0.0.1", "HTTP_FORWARDED_COUNT=0"):
        assert f"\nEnvironment={setting}\n" in text
    assert re.search(r"^EnvironmentFile=/", text, re.MULTILINE)


def test_draining_as_the_comment_says_has_the_time_that_it_takes():
    """systemd ends an ExecStop= that takes longer than TimeoutStopSec=, and the instance with it."""
    text = (UNITS / "rocketchat@.service").read_text(encoding="ascii").replace("\n#   ", "\n")
    allowed = int(re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)[-1])  # the last one holds
    wanted = int(re.search(r"(?m)^ExecStop=.* drain .*--wait --timeout (\d+)$", text)[1])
    assert allowed > wanted
