# SPDX-License-Identifier: BSD-2-Clause
"""The program under test, run in a namespace with pins and run-time files of its own."""
import json
import os
import subprocess
from dataclasses import dataclass

from . import settings


@dataclass
class Result:
    """What a command left behind."""

    words: list
    code: int
    out: str
    err: str

    def __str__(self):
        return f"`{' '.join(self.words)}` ended with {self.code}\nstdout: {self.out}\nstderr: {self.err}"


def check_sound(result):
    """No sanitizer, valgrind or signal spoke, whatever the command was meant to do."""
    assert result.code in (0, 1, 2), str(result)
    for word in ("Sanitizer", "runtime error:", "==ERROR"):
        assert word not in result.err, str(result)
    return result


class Rcxlb:
    """Calls the command line."""

    def __init__(self, namespace, pins, runs, binary=settings.BINARY):
        self.namespace = namespace
        self.pins = pins
        self.runs = runs
        self.binary = binary

    def environment(self, **more):
        return {**os.environ, "RCXLB_PIN_DIR": str(self.pins), "RCXLB_RUN_DIR": str(self.runs), **more}

    def words(self, *arguments, before=()):
        """The command line, to be started in the namespace. `before` stands in front of the program."""
        return [str(word) for word in (*before, *settings.WRAPPER, self.binary, *arguments)]

    def popen(self, *arguments):
        with self.namespace.entered():
            return subprocess.Popen(
                self.words(*arguments), env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )

    def attempt(self, *arguments, before=(), **environment):
        """Runs to its end, however that is."""
        return self.execute(self.words(*arguments, before=before), arguments, **environment)

    def execute(self, words, arguments, **environment):
        """The same of any command line, in the namespace."""
        with self.namespace.entered():
            done = subprocess.run(
                words, env=self.environment(**environment), stdin=subprocess.DEVNULL, capture_output=True,
                text=True, check=False, timeout=settings.COMMAND_SECONDS,
            )
        return check_sound(Result(["rcxlb", *map(str, arguments)], done.returncode, done.stdout, done.stderr))

    def __call__(self, *arguments):
        """Must succeed; what it printed."""
        result = self.attempt(*arguments)
        assert result.code == 0, str(result)
        return result.out

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json"))

    def status(self):
        return self.json("status")

    def service(self, name="default"):
        return next(entry for entry in self.status()["services"] if entry["name"] == name)

    def backend(self, address, service="default"):
        return next(entry for entry in self.service(service)["backends"] if entry["address"] == address)

    def state(self, address, service="default"):
        return self.backend(address, service)["state"]

    def active(self, address, service="default"):
        return self.backend(address, service)["active"]


def configured(status):
    """The part of a status that commands change: services and their backends, in order of name."""
    return {
        service["name"]: (sorted(service["listen"]), sorted(
            (backend["address"], backend["weight"], backend["state"] == "draining") for backend in service["backends"]
        ))
        for service in status.get("services", [])
    }
