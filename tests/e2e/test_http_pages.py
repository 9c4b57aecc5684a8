# SPDX-License-Identifier: BSD-2-Clause
"""Error pages: files that are the bodies of a worker's own answers. First by a worker itself, then of a loaded rcxlb,
whose files come and go."""
import os
import time

import pytest

from harness import agent
from harness.agent import crew_number, workers_of
from harness.browser import Browser
from harness.http import HttpPair, Reader, answer
from harness.poll import wait_until

POST = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
EVERY = "400,408,413,414,417,421,431,501,502,503,504,505"
LIMITS = ("--head-bytes", 256, "--body-bytes", 4, "--head-ms", 300)

# What is sent, and what becomes of it before an instance is asked.
REFUSED = {
    400: b"GET / HTTP/1.1\r\n\r\n",
    408: b"GET / HTTP/1.1\r\nHo",
    413: POST,
    414: b"GET /" + b"x" * 256 + b" HTTP/1.1\r\nHost: h\r\n\r\n",
    417: b"GET / HTTP/1.1\r\nHost: h\r\nExpect: a\r\n\r\n",
    431: b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 256 + b"\r\n\r\n",
    501: b"PRI * HTTP/1.1\r\nHost: h\r\n\r\n",
    505: b"GET / HTTP/2.0\r\nHost: h\r\n\r\n",
}


@pytest.fixture
def page(place):
    """Writes a page and names it as an option."""
    def write(body, statuses=EVERY, name="page.html"):
        path = place.folder / name
        path.write_bytes(body)
        return ("--error-page", f"{statuses}={path}")

    return write


def without_body(message):
    """All that is the same with a page and without one."""
    return message.start, [(name, value) for name, value in message.fields
                           if name not in ("Content-Type", "Content-Length", "Date")]


@pytest.mark.parametrize("kind", ["plain", "1.3"])
def test_each_answer_of_a_workers_own_has_its_page_and_is_otherwise_the_same(place, identity, page, kind):
    with_page = HttpPair(place, identity, kind, *LIMITS, *page(b"<p>sorry"))
    plain = place.worker("--http", *LIMITS, backends=[3001], port=8444, identities=[] if kind == "plain" else [identity])

    def ask(sent, port):
        client = place.connect(port) if kind == "plain" else place.tls(port=port)
        client.sendall(sent)
        return Reader(client).message()

    for status, sent in REFUSED.items():
        got, usual = ask(sent, 8443), ask(sent, 8444)
        assert (got.status, got.body, got["Content-Type"]) == (status, b"<p>sorry", "text/html"), status
        assert (usual["Content-Type"], usual.status) == ("text/plain", status)
        assert without_body(got) == without_body(usual)
    with_page.worker.await_counter("open", 0)
    assert with_page.worker["own_answers"] == plain["own_answers"] == {str(status): 1 for status in REFUSED}


def test_pages_for_what_an_instance_does_and_does_not(place, identity, page):
    pair = HttpPair(place, identity, "plain", "--answer-ms", 300, *page(b"upstream", "502,504"), *page(b"{}", "503", "a.json"))
    client, instance = pair.asked(POST)
    Reader(instance).message()
    instance.sendall(b"nonsense\r\n\r\n")
    reader = Reader(client)
    assert (reader.message().body, pair.worker["own_answers"]) == (b"upstream", {"502": 1})
    client.sendall(POST)
    Reader(pair.place.accepted(pair.listener)).message()
    got = reader.message()
    assert (got.status, got.body, got["Connection"]) == (504, b"upstream", None)
    client.sendall(POST)
    instance = pair.place.accepted(pair.listener)
    Reader(instance).message()
    instance.sendall(answer(b"its own", "502 Bad Gateway"))
    assert reader.message().body == b"its own"
    instance.close()
    pair.listener.close()
    client.sendall(POST)
    got = reader.message()
    assert (got.status, got.body, got["Content-Type"], got["Retry-After"]) == (503, b"{}", "application/json", "5")


def test_to_head_the_page_has_a_length_and_no_body(place, identity, page):
    pair = HttpPair(place, identity, "plain", *page(b"x" * 1000))
    pair.listener.close()
    client = pair.client()
    reader = Reader(client)
    for method in (b"HEAD", b"GET", b"HEAD"):
        client.sendall(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n")
        got = reader.message(head_only=method == b"HEAD")
        assert (got.status, got["Content-Length"], got["Retry-After"], len(got.body)) == (
            503, "1000", "5", 0 if method == b"HEAD" else 1000)


@pytest.mark.parametrize("kind", ["plain", "1.3"])
@pytest.mark.parametrize("size", [0, 1, 15000, 16384, 65536])
def test_a_page_of_any_size_and_then_the_next_answer(place, identity, page, kind, size):
    body = os.urandom(size)
    pair = HttpPair(place, identity, kind, *page(body))
    pair.listener.close()
    client = pair.client()
    client.sendall(POST * 20)  # more than the socket's buffers take of the answers
    reader = Reader(client)
    for _ in range(20):
        got = reader.message()
        assert (got.status, got["Connection"], got.body == body) == (503, None, True)
    assert pair.worker["answers"] == [0, 0, 0, 0, 20]


def test_types_by_the_ends_of_names(place, identity, page):
    types = {"a.HTML": "text/html", "b.txt": "text/plain", "c": "text/html", "d.svg": "image/svg+xml", "e.tar": "text/html"}
    for at, (name, meant) in enumerate(types.items()):
        worker = place.worker("--http", *page(b"x", "503", name), port=9000 + at)
        client = place.connect(9000 + at)
        client.sendall(POST)
        assert Reader(client).message()["Content-Type"] == meant, name
        worker.process.end()
    del identity


# --- Files of a loaded rcxlb ---

CONFIG = """\
interfaces: [eth0]
services:
- name: default
  listen: ["*:3000"]
  http:
    error_page:
    - status: [502, 503]
      file: {file}
"""


class Site:
    """A service without an instance: all that it says is its page."""

    def __init__(self, lab):
        self.lab = lab
        self.file = lab.folder / "sorry.html"
        self.path = lab.folder / "rcxlb.yaml"
        self.path.write_text(CONFIG.format(file=self.file), encoding="utf-8")

    def says(self):
        try:
            browser = Browser(self.lab, 3000)
            body = browser.answer().body
            browser.close()
            return body
        except OSError:
            return None

    def await_page(self, body):
        wait_until(lambda: self.says() == body, f"the page {body}")


@pytest.fixture
def site(lab):
    made = Site(lab)
    made.file.write_bytes(b"first")
    return made


def test_a_file_that_changes_is_taken_and_one_that_goes_stays(site):
    site.lab.rcxlb("load", "-c", site.path)
    site.await_page(b"first")
    site.file.write_bytes(b"second")
    site.await_page(b"second")
    site.file.unlink()
    before = crew_number(site.lab)
    site.lab.rcxlb("services", "add", "other", "--listen", "*:81")
    result = site.lab.rcxlb.attempt("reload")
    assert result.code == 1 and f"{site.path}:8: 'default': error page {site.file} cannot be opened" in result.err
    assert (site.says(), crew_number(site.lab)) == (b"second", before)
    site.file.write_bytes(b"third")
    site.await_page(b"third")
    site.lab.rcxlb("reload")
    assert site.says() == b"third"


def test_a_file_that_is_written_and_says_the_same_starts_no_workers(site):
    """Each crew whose connections stay would be a process for each core."""
    site.lab.rcxlb("load", "-c", site.path)
    site.await_page(b"first")
    before = crew_number(site.lab)
    for _ in range(3):
        site.file.write_bytes(b"first")
        time.sleep(2.2)  # it is looked at every two seconds
        assert crew_number(site.lab) == before
    site.file.write_bytes(b"second")
    site.await_page(b"second")
    assert crew_number(site.lab) > before


@pytest.mark.parametrize("what, says", [
    ("large", "has 65537 bytes: at most 65536 are read"), ("folder", "is not a regular file"),
    ("pipe", "is not a regular file"), ("missing", "cannot be opened"),
    ("link", "is a symbolic link: give the path of the file itself"),
    ("theirs", "belongs to the user 33, who can change it at any time: run chown root"),
    ("open", "can be written by others (mode 0666): run chmod go-w"),
    ("group's", "can be written by others (mode 0664): run chmod go-w"),
])
def test_a_file_that_cannot_be_used_is_a_mistake_with_its_line(site, what, says):
    site.file.unlink()
    {"large": lambda: site.file.write_bytes(b"x" * 65537), "folder": site.file.mkdir,
     "pipe": lambda: os.mkfifo(site.file), "missing": lambda: None,
     "link": lambda: site.file.symlink_to("/etc/shadow"), "theirs": lambda: owned(site.file, 0o644, user=33),
     "open": lambda: owned(site.file, 0o666), "group's": lambda: owned(site.file, 0o664, group=33)}[what]()
    for words in (["check", site.path], ["load", "-c", site.path]):
        result = site.lab.rcxlb.attempt(*words)
        assert result.code == 1, result
        line = result.err.splitlines()[0]
        assert line.startswith(f"{site.path}:8: 'default': error page {site.file} ") and says in line, line
    assert not workers_of(site.lab)


def owned(path, mode, user=0, group=0):
    path.write_bytes(b"theirs")
    os.chown(path, user, group)
    path.chmod(mode)


def test_a_file_that_roots_group_may_write_is_roots(site):
    owned(site.file, 0o664)
    assert site.lab.rcxlb.attempt("check", site.path).code == 0


@pytest.mark.parametrize("change", [
    lambda file, secret: (file.unlink(), file.symlink_to(secret)), lambda file, secret: owned(file, 0o644, user=33),
    lambda file, secret: owned(file, 0o666)], ids=["a link", "another's", "open to all"])
def test_what_others_put_in_its_place_is_shown_to_nobody(site, change):
    """Whoever owns the folder can do so at any time, and the supervisor reads as root."""
    secret = site.lab.folder / "secret"
    secret.write_bytes(b"a secret of root's")
    site.lab.rcxlb("load", "-c", site.path)
    site.await_page(b"first")
    before = crew_number(site.lab)
    change(site.file, secret)
    time.sleep(3)  # certificates and pages are looked at every two seconds
    assert (site.says(), crew_number(site.lab)) == (b"first", before)
    site.file.unlink()
    site.file.write_bytes(b"second")
    site.await_page(b"second")


def test_what_is_said_of_pages(site):
    site.lab.rcxlb("load", "-c", site.path)
    assert "error_page" in site.lab.rcxlb("config")
    again = site.lab.folder / "again.yaml"
    again.write_text(site.lab.rcxlb("config"), encoding="utf-8")
    assert site.lab.rcxlb("reload", "-c", again).splitlines() == ["no difference"]
    again.write_text(CONFIG.format(file=site.file).replace("502, ", ""), encoding="utf-8")
    assert sorted(site.lab.rcxlb("reload", "-c", again).splitlines()) == [
        f"+ error page {site.file} for 503 of default", f"- error page {site.file} for 502, 503 of default"]


def test_without_its_file_a_service_starts_with_short_answers_until_it_is_there(site):
    """A page is no reason not to serve: only who types a command is told so."""
    site.lab.rcxlb("load", "-c", site.path)
    site.await_page(b"first")
    agent.kill(agent.pid(site.lab))
    for number in workers_of(site.lab):
        agent.kill(number)
    site.file.unlink()
    agent.start(site.lab)
    site.await_page(b"503 Service Unavailable\n")
    site.file.write_bytes(b"there again")
    site.await_page(b"there again")
