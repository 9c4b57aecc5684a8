# SPDX-License-Identifier: BSD-2-Clause
"""Every wrong use of every command: exit 1 or 2, one line that names the value and what to do, nothing changed."""
import json

import pytest

from harness.rcxlb import configured
from harness.refusing import LINK_CREATE, MAP_CREATE, MAP_UPDATE, PROG_LOAD, refusing

LONG = "x" * 200

# What is wrong, in a sentence; the words; the exit code; what the line must name.
WRONG = [
    ("no command", [], 2, "--help"),
    ("a command that does not exist", ["frobnicate"], 2, "frobnicate"),
    ("half a command's name", ["stat"], 2, "stat"),
    ("an option that does not exist", ["--frobnicate"], 2, "--frobnicate"),
    ("load: no interface", ["load"], 2, "interface"),
    ("load: an interface that does not exist", ["load", "eth77", "--no-agent"], 1, "eth77"),
    ("load: an interface name that is too long", ["load", LONG, "--no-agent"], None, LONG[:15]),
    ("load: an empty interface name", ["load", "", "--no-agent"], None, "interface"),
    ("load: a mode of XDP that does not exist", ["load", "eth0", "--xdp", "turbo", "--no-agent"], 2, "turbo"),
    ("load: --xdp without its value", ["load", "eth0", "--no-agent", "--xdp"], 2, "--xdp"),
    ("load: a listen address that is none", ["load", "eth0", "--no-agent", "--listen", "nonsense"], 2, "nonsense"),
    ("load: an option that does not exist", ["load", "eth0", "--frobnicate"], 2, "--frobnicate"),
    ("load: a file that is not there", ["load", "eth0", "--no-agent", "-c", "/nowhere/rcxlb.yaml"], 1, "/nowhere/rcxlb.yaml"),
    ("load: -c without its value", ["load", "eth0", "--no-agent", "-c"], 2, "--config"),
    ("load: an interface twice", ["load", "eth0", "eth0", "--no-agent"], 2, "eth0"),
    ("check: no file", ["check"], 2, "file"),
    ("check: two files", ["check", "/nowhere/a", "/nowhere/b"], 2, "/nowhere/b"),
    ("check: a file that is not there", ["check", "/nowhere/rcxlb.yaml"], 1, "/nowhere/rcxlb.yaml"),
    ("reload: a word too many", ["reload", "surplus"], 2, "surplus"),
    ("reload: a file that is not there", ["reload", "-c", "/nowhere/rcxlb.yaml"], 1, "/nowhere/rcxlb.yaml"),
    ("reload: a folder", ["reload", "-c", "/"], 1, "regular"),
    ("unload: an option that does not exist", ["unload", "--frobnicate"], 2, "--frobnicate"),
    ("status: a word too many", ["status", "surplus"], 2, "surplus"),
    ("status: an option that does not exist", ["status", "--yaml"], 2, "--yaml"),
    ("config: a word too many", ["config", "surplus"], 2, "surplus"),
    ("version: a word too many", ["version", "surplus"], 2, "surplus"),
    ("services: a verb that does not exist", ["services", "frobnicate"], 2, "frobnicate"),
    ("services list: an option of add", ["services", "list", "--hash", "tuple"], 2, "--hash"),
    ("services del: an option of add", ["services", "del", "default", "--listen", "*:3000"], 2, "--listen"),
    ("services del: a name that is an option's, behind --", ["services", "del", "--", "--help"], 1, "--help"),
    ("services del: two lines for a name", ["services", "del", "a\nb\033[31m"], 1, "a\\x0ab\\x1b[31m"),
    ("services add: help as a value", ["services", "add", "web", "--check-path", "--help"], 2, "--help"),
    ("services list: a word too many", ["services", "list", "surplus"], 2, "surplus"),
    ("services add: no name", ["services", "add"], 2, "name"),
    ("services add: no listen address", ["services", "add", "web"], 2, "--listen"),
    ("services add: a name of blanks", ["services", "add", " ", "--listen", "*:3100"], 2, "name"),
    ("services add: an empty name", ["services", "add", "", "--listen", "*:3100"], 2, "name"),
    ("services add: a name that is too long", ["services", "add", LONG, "--listen", "*:3100"], 2, LONG[:20]),
    ("services add: a name with a slash", ["services", "add", "a/b", "--listen", "*:3100"], 2, "a/b"),
    ("services add: a name that looks like an option", ["services", "add", "-x", "--listen", "*:3100"], 2, "-x"),
    ("services add: a listen address that is taken", ["services", "add", "web", "--listen", "*:3000"], 1, "*:3000"),
    ("services add: one listen address twice",
     ["services", "add", "web", "--listen", "*:3100", "--listen", "*:3100"], 2, "*:3100"),
    ("services add: two listen addresses of which one is all addresses of the other's family",
     ["services", "add", "web", "--listen", "*:3100", "--listen", "0.0.0.0:3100"], 2, "0.0.0.0:3100"),
    ("services add: nine listen addresses on every address, which are two each",
     ["services", "add", "web", *(word for port in range(3101, 3110) for word in ("--listen", f"*:{port}"))], 2, "*:3109"),
    ("services add: a trusted proxy twice",
     ["services", "add", "web", "--listen", "*:3100", "--http", *["--trusted-proxy", "10.0.0.0/8"] * 2], 2, "10.0.0.0/8"),
    ("services add: a listen address without a port", ["services", "add", "web", "--listen", "192.0.2.1"], 2, "192.0.2.1"),
    ("services add: port 0", ["services", "add", "web", "--listen", "*:0"], 2, "*:0"),
    ("services add: a port above 65535", ["services", "add", "web", "--listen", "*:65536"], 2, "65536"),
    ("services add: a range of ports", ["services", "add", "web", "--listen", "*:3100-3110"], 2, "3100-3110"),
    ("services add: an octet above 255", ["services", "add", "web", "--listen", "192.0.2.256:80"], 2, "192.0.2.256"),
    ("services add: a host name", ["services", "add", "web", "--listen", "localhost:80"], 2, "localhost"),
    ("services add: IPv6 without brackets", ["services", "add", "web", "--listen", "2001:db8::1:80"], 2, "2001:db8::1:80"),
    ("services add: a bracket that is not closed", ["services", "add", "web", "--listen", "[::1:80"], 2, "[::1:80"),
    ("services add: a hash that does not exist",
     ["services", "add", "web", "--listen", "*:3100", "--hash", "md5"], 2, "md5"),
    ("services add: a load factor below 1.01",
     ["services", "add", "web", "--listen", "*:3100", "--load-factor", "1"], 2, "1.01"),
    ("services add: a load factor with three digits behind the point",
     ["services", "add", "web", "--listen", "*:3100", "--load-factor", "1.255"], 2, "1.255"),
    ("services add: a load factor that is no number",
     ["services", "add", "web", "--listen", "*:3100", "--load-factor", "high"], 2, "high"),
    ("services add: blocked after no time",
     ["services", "add", "web", "--listen", "*:3100", "--blocked-ms", "0"], 2, "--blocked-ms"),
    ("services add: a slow start of more than an hour",
     ["services", "add", "web", "--listen", "*:3100", "--slow-start-ms", "3600001"], 2, "3600001"),
    ("services add: a balance that does not exist",
     ["services", "add", "web", "--listen", "*:3100", "--balance", "random"], 2, "random"),
    ("services add: a trusted proxy without --http",
     ["services", "add", "web", "--listen", "*:3100", "--trusted-proxy", "192.0.2.0/24"], 2, "--http"),
    ("services add: a header without --http",
     ["services", "add", "web", "--listen", "*:3100", "--set-header", "X-A: b"], 2, "--http"),
    ("services add: a trusted proxy by name",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--trusted-proxy", "cdn.test"], 2, "cdn.test"),
    ("services add: a block with bits behind its length",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--trusted-proxy", "192.0.2.9/24"], 2, "192.0.2.0/24"),
    ("services add: a header without a colon",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--set-header", "X-A"], 2, "NAME: VALUE"),
    ("services add: a header without a name",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--set-header", ": b"], 2, "field name"),
    ("services add: a header that is rcxlb's to set",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--set-header", "X_Forwarded_For: 1.2.3.4"], 2,
     "X_Forwarded_For"),
    ("services add: a header of two lines",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--set-header", "X-A: b\r\nHost: c"], 2, "X-A"),
    ("services add: a header twice",
     ["services", "add", "web", "--listen", "*:3100", "--http", "--set-header", "X-A: b", "--set-header", "x_a:c"], 2,
     "x_a"),
    ("services add: a redirection to elsewhere",
     ["services", "add", "web", "--listen", "*:3100", "--redirect", "http://example.org"], 2, "http://example.org"),
    ("services add: a redirection and http",
     ["services", "add", "web", "--listen", "*:3100", "--redirect", "https", "--http"], 2, "--http"),
    ("services add: a redirection and a certificate",
     ["services", "add", "web", "--listen", "*:3100", "--redirect", "https", "--certificate", "/a", "--key", "/b"], 2,
     "--certificate"),
    ("services add: a check that does not exist",
     ["services", "add", "web", "--listen", "*:3100", "--check", "ping"], 2, "ping"),
    ("services add: a path for a check of tcp",
     ["services", "add", "web", "--listen", "*:3100", "--check", "tcp", "--check-path", "/x"], 2, "path"),
    ("services add: a path without --check",
     ["services", "add", "web", "--listen", "*:3100", "--check-path", "/x"], 2, "http"),
    ("services add: a path that does not begin with a slash",
     ["services", "add", "web", "--listen", "*:3100", "--check", "http", "--check-path", "readyz"], 2, "readyz"),
    ("services add: a host with a blank",
     ["services", "add", "web", "--listen", "*:3100", "--check", "http", "--check-host", "a b"], 2, "a b"),
    ("services add: a status that is none",
     ["services", "add", "web", "--listen", "*:3100", "--check", "http", "--check-status", "2xx"], 2, "2xx"),
    ("services add: a body that is empty",
     ["services", "add", "web", "--listen", "*:3100", "--check", "http", "--check-body", ""], 2, "127"),
    ("services add: a time-out longer than the interval",
     ["services", "add", "web", "--listen", "*:3100", "--check-interval-ms", "500", "--check-timeout-ms", "501"], 2, "501"),
    ("services add: an interval that is too short",
     ["services", "add", "web", "--listen", "*:3100", "--check-interval-ms", "99"], 2, "--check-interval-ms '99'"),
    ("services add: up after no check", ["services", "add", "web", "--listen", "*:3100", "--rise", "0"], 2, "--rise '0'"),
    ("services add: 17 listen addresses",
     ["services", "add", "web", *(word for i in range(17) for word in ("--listen", f"192.0.2.1:{3100 + i}"))], None, "16"),
    ("services del: no name", ["services", "del"], 2, "name"),
    ("services del: a name that does not exist", ["services", "del", "nobody"], 1, "nobody"),
    ("services del: one of two names does not exist", ["services", "del", "default", "nobody"], None, "nobody"),
    ("backends: a verb that does not exist", ["backends", "frobnicate"], 2, "frobnicate"),
    ("backends add: no address", ["backends", "add"], 2, "address"),
    ("backends add: a word that is no address", ["backends", "add", "nonsense"], 2, "nonsense"),
    ("backends add: no port", ["backends", "add", "127.0.0.1"], 2, "127.0.0.1"),
    ("backends add: an empty port", ["backends", "add", "127.0.0.1:"], 2, "127.0.0.1:"),
    ("backends add: port 0", ["backends", "add", "127.0.0.1:0"], 2, "127.0.0.1:0"),
    ("backends add: a port above 65535", ["backends", "add", "127.0.0.1:65536"], 2, "65536"),
    ("backends add: a huge port", ["backends", "add", "127.0.0.1:99999999999999999999"], 2, "99999999999999999999"),
    ("backends add: a negative port", ["backends", "add", "127.0.0.1:-1"], 2, "127.0.0.1:-1"),
    ("backends add: a port with letters", ["backends", "add", "127.0.0.1:30x1"], 2, "30x1"),
    ("backends add: a hexadecimal port", ["backends", "add", "127.0.0.1:0x10"], 2, "0x10"),
    ("backends add: a port with a blank", ["backends", "add", "127.0.0.1: 80"], 2, "127.0.0.1: 80"),
    ("backends add: the any-address", ["backends", "add", "*:3005"], 2, "*:3005"),
    ("backends add: 0.0.0.0", ["backends", "add", "0.0.0.0:3005"], 2, "0.0.0.0:3005"),
    ("backends add: a range that runs backwards", ["backends", "add", "127.0.0.1:3016-3001"], 2, "3016-3001"),
    ("backends add: a range without an end", ["backends", "add", "127.0.0.1:3001-"], 2, "3001-"),
    ("backends add: a range past 65535", ["backends", "add", "127.0.0.1:65530-65540"], 2, "65540"),
    ("backends add: a good address and a bad one", ["backends", "add", "127.0.0.1:3005", "bad"], 2, "bad"),
    ("backends add: 1,025 at once", ["backends", "add", "127.0.0.1:10000-11024"], None, "1024"),
    ("backends add: 1,023 beside the two", ["backends", "add", "127.0.0.1:10000-11022"], 1, "1024"),
    ("backends add: weight 0", ["backends", "add", "127.0.0.1:3005", "--weight", "0"], 2, "0"),
    ("backends add: weight 257", ["backends", "add", "127.0.0.1:3005", "--weight", "257"], 2, "257"),
    ("backends add: a negative weight", ["backends", "add", "127.0.0.1:3005", "--weight", "-1"], 2, "-1"),
    ("backends add: a weight with letters", ["backends", "add", "127.0.0.1:3005", "--weight", "2x"], 2, "2x"),
    ("backends add: --weight without its value", ["backends", "add", "127.0.0.1:3005", "--weight"], 2, "--weight"),
    ("backends add: --max-connections that is no number",
     ["backends", "add", "127.0.0.1:3005", "--max-connections", "many"], 2, "many"),
    ("backends add: --max-connections past 32 bits",
     ["backends", "add", "127.0.0.1:3005", "--max-connections", "4294967296"], 2, "4294967296"),
    ("backends add: a service that does not exist", ["backends", "add", "127.0.0.1:3005", "-s", "nobody"], 1, "nobody"),
    ("backends add: -s without its value", ["backends", "add", "127.0.0.1:3005", "-s"], 2, "-s"),
    ("backends del: no address", ["backends", "del"], 2, "address"),
    ("backends del: an address that is not there", ["backends", "del", "127.0.0.1:3005"], 1, "127.0.0.1:3005"),
    ("backends del: one that is there and one that is not",
     ["backends", "del", "127.0.0.1:3001", "127.0.0.1:3005"], 1, "127.0.0.1:3005"),
    ("backends drain: an address that is not there", ["backends", "drain", "127.0.0.1:3005"], 1, "127.0.0.1:3005"),
    ("backends drain: a time-out without waiting",
     ["backends", "drain", "127.0.0.1:3001", "--timeout", "5"], 2, "--wait"),
    ("backends drain: a time-out that is no number",
     ["backends", "drain", "127.0.0.1:3001", "--wait", "--timeout", "5s"], 2, "5s"),
    ("backends del: waiting", ["backends", "del", "127.0.0.1:3001", "--wait"], 2, "--wait"),
    ("backends list: waiting", ["backends", "--wait"], 2, "--wait"),
    ("backends drain: no address", ["backends", "drain"], 2, "address"),
    ("backends undrain: an address that is not there", ["backends", "undrain", "127.0.0.1:3005"], 1, "127.0.0.1:3005"),
    ("backends undrain: no address", ["backends", "undrain"], 2, "address"),
    ("why: no client", ["why"], 2, "client"),
    ("why: two clients", ["why", "192.0.2.2:1", "192.0.2.2:2"], 2, "192.0.2.2:2"),
    ("why: a client without a port", ["why", "192.0.2.2"], 2, "192.0.2.2"),
    ("why: a client that is no address", ["why", "somebody:1"], 2, "somebody"),
    ("why: a service that does not exist", ["why", "192.0.2.2:1", "-s", "nobody"], 1, "nobody"),
]


def assert_one_line(result, code, names):
    """The contract of every error; returns the line."""
    assert result.code == code if code else result.code in (1, 2), str(result)
    lines = result.err.splitlines()
    assert len(lines) == 1, str(result)
    assert lines[0].startswith("rcxlb: "), str(result)
    assert names in lines[0], str(result)
    assert result.out == "", str(result)
    return lines[0]


@pytest.mark.parametrize("words, code, names", [
    pytest.param(*row[1:], id=row[0], marks=pytest.mark.no_kernel if row[2] == 2 else ()) for row in WRONG])
def test_wrong_use_is_one_clear_line_and_changes_nothing(shared_lab, words, code, names):
    before = configured(shared_lab.rcxlb.status())
    result = shared_lab.rcxlb.attempt(*words)
    assert_one_line(result, code, names)
    assert configured(shared_lab.rcxlb.status()) == before


# Commands that need a loaded rcxlb, when there is none.
UNLOADED = [
    ["services", "list"], ["services", "add", "web", "--listen", "*:3100"], ["services", "del", "web"],
    ["backends", "list"], ["backends", "add", "127.0.0.1:3001"], ["backends", "del", "127.0.0.1:3001"],
    ["backends", "drain", "127.0.0.1:3001"], ["why", "192.0.2.2:1"], ["config"],
    ["backends", "drain", "127.0.0.1:3001", "--wait"], ["reload"], ["reload", "--dry-run"],
]


@pytest.mark.parametrize("words", UNLOADED, ids=" ".join)
def test_nothing_is_loaded(lab, words):
    line = assert_one_line(lab.rcxlb.attempt(*words), 1, "load")
    assert str(lab.rcxlb.pins) in line or "rcxlb load" in line
    assert lab.pins_left() == []


def test_status_of_nothing(lab):
    status = json.loads(lab.rcxlb("status", "--json"))
    assert status["loaded"] is False
    assert not status["services"]


# A command of bpf(2) that the kernel refuses as it refuses what it does not know: commands, and what they say.
REFUSED = [
    ("attaching", LINK_CREATE, ["load", "eth0", "--no-agent"], "cannot attach the program"),
    ("loading", PROG_LOAD, ["load", "eth0", "--no-agent"], "kernel"),
    ("doctor", MAP_CREATE, ["doctor"], "cannot steer here"),
]
REFUSED_LATER = [
    ("the guard", PROG_LOAD, ["load", "eth0", "--xdp", "native", "--no-agent"], "the driver of 'eth0'"),
    ("a change", MAP_UPDATE, ["backends", "add", "127.0.0.1:3001"], "the kernel refused a change"),
]


@pytest.mark.parametrize("command, words, says", [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_the_kernel_calls_invalid_is_no_wrong_usage(lab, command, words, says):
    result = lab.rcxlb.attempt(*words, before=refusing(command))
    assert result.code == 1 and says in result.err and len(result.err.splitlines()) == 1, str(result)
    assert lab.pins_left() == []


@pytest.mark.parametrize("command, words, says", [pytest.param(*row[1:], id=row[0]) for row in REFUSED_LATER])
def test_what_the_kernel_calls_invalid_later_is_no_wrong_usage(lab, command, words, says):
    lab.load()
    lab.rcxlb("unload", "eth0")
    assert_one_line(lab.rcxlb.attempt(*words, before=refusing(command)), 1, says)
    assert not lab.rcxlb.status()["interfaces"]
