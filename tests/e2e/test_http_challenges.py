# SPDX-License-Identifier: BSD-2-Clause
"""Challenges of a certificate authority, answered from a folder as certbot --webroot and the like write into it; and
nothing else that such a folder may lead to."""
import os
import shutil

import pytest

from harness import settings
from harness.agent import cpu_seconds, scrape, supervisor_of, workers_of
from harness.browser import Browser
from harness.http import GET, Reader, answer
from harness.poll import wait_until

TOKEN = "LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0"
PRINT = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
PATH = "/.well-known/acme-challenge/"
CONFIG = """\
interfaces: [eth0]
services:
- name: away
  listen: ["*:80"]
  redirect: https
  acme: {root}
- name: parsed
  listen: ["*:3000"]
  http: {{}}
  acme: {root}
  health: {{type: "off"}}
"""


class Site:
    """A service that redirects and one without an instance, with a webroot, which may be closed to others than root."""

    def __init__(self, lab):
        self.lab = lab
        self.root = lab.folder / "webroot"
        self.root.mkdir(mode=0o700)
        self.folder = self.root / PATH.strip("/")
        self.path = lab.folder / "rcxlb.yaml"
        self.path.write_text(CONFIG.format(root=self.root), encoding="utf-8")

    def start(self):
        self.lab.rcxlb("load", "-c", self.path)
        wait_until(lambda: self._answers(80) == 301 and self._answers(3000) == 503, "workers that answer")
        return self

    def _answers(self, port):
        try:
            return self.ask("/", port=port).status
        except OSError:
            return None

    def write(self, token=TOKEN, text=None):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / token).write_text(text or f"{token}.{PRINT}", encoding="ascii")

    def ask(self, target=PATH + TOKEN, port=80, **more):
        browser = Browser(self.lab, port)
        answer = browser.answer(target, **more)
        browser.close()
        return answer


@pytest.fixture
def site(lab):
    return Site(lab).start()


def test_a_certificate_is_asked_for_as_certbot_does(site):
    """The folders come with the first challenge and go with the last. What was written before a request is found by it."""
    for _ in range(3):
        assert site.ask().status == 404
        site.write()
        for port in (80, 3000):
            answer = site.ask(port=port)
            assert (answer.status, answer.body) == (200, f"{TOKEN}.{PRINT}".encode())
            assert answer.getheader("Content-Type") == "application/octet-stream"
        head = site.ask(method="HEAD")
        assert (head.status, head.getheader("Content-Length"), head.body) == (200, str(len(answer.body)), b"")
        shutil.rmtree(site.root / ".well-known")
        wait_until(lambda: site.ask().status == 404, "it is gone")
    assert site.ask("/other").status == 301 and site.ask("/other", port=3000).status == 503
    assert site.ask(method="POST").status == 308


def test_many_at_once_on_one_connection(site):
    """As many as a certificate may have names; found and not found are answered in turn, and the connection stays."""
    for number in range(100):
        site.write(f"token-{number}")
    browser = Browser(site.lab, 80)
    for number in (*range(0, 100, 9), 100, 99):
        answer = browser.answer(f"{PATH}token-{number}")
        assert (answer.status, answer.body.startswith(b"token-")) == ((200, True) if number < 100 else (404, False)), number
        assert answer.getheader("Connection") is None
    assert browser.answer("/").status == 301
    wait_until(lambda: 'rcxlb_http_own_answers_total{service="away",status="404"} 1\n' in scrape(site.lab), "it is counted")


HIDDEN = {
    "what is no key authorization": lambda site, path: path.write_text("root:x:0:0:root:/root:/bin/bash\n"),
    "another token's": lambda site, path: path.write_text(f"b.{PRINT}"),
    "a large file": lambda site, path: path.write_text(f"a.{PRINT * 10}"),
    "a symbolic link": lambda site, path: path.symlink_to(site.lab.folder / "outside"),
    "a link to what is beside it": lambda site, path: path.symlink_to("b"),
    "a folder": lambda site, path: path.mkdir(),
    "a pipe": lambda site, path: os.mkfifo(path),
}


def test_nothing_else_is_shown(site):
    outside = site.lab.folder / "outside"
    outside.write_text(f"a.{PRINT}", encoding="ascii")
    site.write("b")
    for what, make in HIDDEN.items():
        path = site.folder / "a"
        make(site, path)
        assert site.ask(PATH + "a").status == 404, what
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
    assert site.ask(PATH + "b").status == 200
    for token in ("../../../outside", "..%2fb", "%62", ".", "b/", "b/../b", "b.", "", "a" * 200):
        answer = site.ask(PATH + token)
        assert (answer.status, PRINT.encode() in answer.body) == (404 if token else 301, False), token


def test_a_folder_that_is_a_link_below_the_webroot_is_not_followed(site):
    elsewhere = site.lab.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / TOKEN).write_text(f"{TOKEN}.{PRINT}", encoding="ascii")
    (site.root / ".well-known").mkdir()
    site.folder.symlink_to(elsewhere)
    assert site.ask().status == 404
    site.folder.unlink()
    site.write()
    assert site.ask().status == 200


def test_a_body_that_nobody_wants_and_pipelining(site):
    site.write()
    peer = Browser(site.lab, 80).sock
    request = f"GET {PATH}{TOKEN} HTTP/1.1\r\nHost: h\r\n"
    peer.sendall(f"{request}\r\n{request}\r\n{request}Content-Length: 1\r\n\r\nx".encode())
    reader = Reader(peer)
    for closing in (None, None, "close"):
        got = reader.message()
        assert (got.status, got["Connection"], got.body) == (200, closing, f"{TOKEN}.{PRINT}".encode())
    assert reader.at_end()


def work_of(lab):
    """Seconds of CPU that the workers have taken."""
    return sum(map(cpu_seconds, workers_of(lab)))


def test_a_kept_connection_to_an_instance_may_end_meanwhile(site):
    """While the worker waits for a look, which costs it nothing: the answer is the same, and the next request has another
    connection."""
    listener = site.lab.host.listening("127.0.0.1", 3001)
    listener.settimeout(20 * settings.PATIENCE)
    site.lab.rcxlb("backends", "add", "-s", "parsed", "127.0.0.1:3001")
    browser = Browser(site.lab, 3000)
    reader = Reader(browser.sock)
    before = work_of(site.lab)
    for _ in range(3):
        browser.sock.sendall(GET)
        instance, _ = listener.accept()
        assert Reader(instance).message()
        instance.sendall(answer(b"its own"))
        assert reader.message().body == b"its own"
        browser.sock.sendall(f"GET {PATH}none HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        instance.close()
        got = reader.message()
        assert (got.status, got["Connection"]) == (404, None)
    assert work_of(site.lab) - before < 0.1 * settings.PATIENCE
    listener.close()


def test_when_nobody_looks_any_more_there_is_an_answer(site):
    os.kill(supervisor_of(site.lab), 9)
    assert site.ask().status == 404


def test_what_is_said_of_folders(site):
    again = site.lab.folder / "again.yaml"
    again.write_text(site.lab.rcxlb("config"), encoding="utf-8")
    assert site.lab.rcxlb("reload", "-c", again).splitlines() == ["no difference"]
    again.write_text(CONFIG.format(root="/nowhere"), encoding="utf-8")
    result = site.lab.rcxlb.attempt("check", again)
    assert result.code == 1 and f"{again}:6: 'away': there is no folder /nowhere; make it" in result.err
    site.lab.rcxlb("services", "add", "away", "--listen", "*:80", "--redirect", "https")
    assert site.lab.rcxlb("reload", "--dry-run", "-c", site.path).splitlines() == [f"~ service away: acme none → {site.root}"]
    site.lab.rcxlb("services", "add", "away", "--listen", "*:80", "--redirect", "https", "--acme", site.root)
    assert site.lab.rcxlb("reload", "--dry-run", "-c", site.path).splitlines() == ["no difference"]
    for code, words in ((2, ["--acme", site.root]), (1, ["--redirect", "https", "--acme", "/nowhere"])):
        assert site.lab.rcxlb.attempt("services", "add", "x", "--listen", "*:81", *words).code == code
