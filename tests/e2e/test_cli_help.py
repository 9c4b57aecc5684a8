# SPDX-License-Identifier: BSD-2-Clause
"""`--help` of every command, and the version."""
import re

import pytest

HELP = {
    ("",): ["load", "unload", "status", "services", "backends", "why", "reload", "check", "config", "version"],
    ("load",): ["--listen", "--xdp", "--no-agent", "--config", "-c"],
    ("reload",): ["--config", "-c", "--dry-run"],
    ("check",): ["FILE"],
    ("unload",): [],
    ("status",): ["--json"],
    ("services",): ["list", "add", "del", "--listen", "--hash", "--balance", "--json"],
    ("services", "add"): ["--listen", "--hash", "--balance", "--check", "--check-path", "--check-host", "--check-status",
                          "--check-body", "--check-interval-ms", "--check-timeout-ms", "--rise", "--fall"],
    ("services", "del"): [],
    ("services", "list"): ["--json"],
    ("backends",): ["list", "add", "del", "drain", "undrain", "--weight", "--max-connections", "-s", "--json"],
    ("backends", "add"): ["--weight", "--max-connections", "-s"],
    ("backends", "del"): ["-s"],
    ("backends", "drain"): ["-s", "--wait", "--timeout"],
    ("backends", "undrain"): ["-s"],
    ("why",): ["-s", "--json"],
    ("config",): [],
    ("version",): [],
}


@pytest.mark.no_kernel
@pytest.mark.parametrize("words", HELP, ids=" ".join)
def test_help_exits_0_and_names_the_options(shared_lab, words):
    result = shared_lab.rcxlb.attempt(*(word for word in words if word), "--help")
    assert result.code == 0, str(result)
    assert result.err == ""
    for option in HELP[words]:
        assert option in result.out, f"{option} is not in:\n{result.out}"


@pytest.mark.no_kernel
def test_help_needs_nothing_loaded(lab):
    assert "load" in lab.rcxlb("--help")
    assert "--listen" in lab.rcxlb("load", "--help")


def test_version(lab):
    text = lab.rcxlb("version")
    assert any(character.isdigit() for character in text)
    lab.load()
    assert lab.rcxlb.status()["version"] in text


def test_a_full_output_device_is_an_error(lab):
    """What could not be printed is not silently lost, little or much."""
    lab.load()
    lab.rcxlb("backends", "add", *(f"127.0.0.1:{port}" for port in range(4000, 4600, 2)))
    words = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
    for command in (["status", "--json"], ["backends"], ["config"], ["config", "--json"], ["version"]):
        result = lab.rcxlb.attempt(*command, before=words)
        assert result.code == 1 and re.fullmatch(r"rcxlb: cannot write .*the output.*\n", result.err), str(result)
