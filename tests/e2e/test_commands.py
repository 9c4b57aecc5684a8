# SPDX-License-Identifier: BSD-2-Clause
"""Each command, one after the other on one rcxlb: short, for a command line that valgrind watches."""
import pytest

FILE = """\
interfaces: [eth0]
services:
- name: chat
  listen: ["*:3000", "[2001:db8::9]:3000"]
  balance: bounded
  health: {{type: http, path: /health}}
  backends: ["127.0.0.1:3001-3003", {{address: "127.0.0.1:3004", weight: {weight}, max_connections: 9}}]
"""

# What is said, and the exit status.
COMMANDS = [
    ("status", 0),
    ("status --json", 0),
    ("load eth0 --no-agent", 0),
    ("load eth0 --no-agent", 0),
    ("services add chat --listen *:3002 --listen [::1]:3002 --balance least --slow-start-ms 100", 0),
    ("services add chat --listen *:3000", 1),
    ("backends add -s chat 127.0.0.1:3001-3003 --weight 3 --max-connections 9", 0),
    ("backends add -s chat 127.0.0.1:3002 --weight 5", 0),
    ("backends drain -s chat 127.0.0.1:3001", 0),
    ("backends del -s chat 127.0.0.1:3003", 0),
    ("backends del -s chat 127.0.0.1:3003", 1),
    ("backends --json", 0),
    ("services", 0),
    ("services --json", 0),
    ("status", 0),
    ("status --json", 0),
    ("why -s chat 192.0.2.7:4000", 0),
    ("why -s chat 192.0.2.7:4000 --json", 0),
    ("config", 0),
    ("check FIRST", 0),
    ("reload --dry-run -c FIRST", 0),
    ("load -c FIRST --no-agent", 0),
    ("reload -c SECOND", 0),
    ("reload -c none", 1),
    ("config --json", 0),
    ("services del chat", 0),
    ("backends add 300.1.1.1:1", 2),
    ("version --json", 0),
    ("unload", 0),
    ("unload", 1),
]


@pytest.mark.seconds(600)
def test_each_command(lab):
    files = {}
    for name, weight in (("FIRST", 2), ("SECOND", 4)):
        files[name] = lab.folder / f"{name}.yaml"
        files[name].write_text(FILE.format(weight=weight), encoding="ascii")
    for said, code in COMMANDS:
        result = lab.rcxlb.attempt(*(files.get(word, word) for word in said.split()))
        assert result.code == code, str(result)
