# SPDX-License-Identifier: BSD-2-Clause
"""Services that parse HTTP, of a loaded rcxlb with Node.js behind it: what instances see, redirects, reloads, routes."""
import json
import os
import re
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

from harness import settings
from harness.agent import crew_number, recorders_of, scrape
from harness.browser import Browser, Seen, WebSocket, meteor
from harness.lab import CLIENTS4, HOST4, HOST6, Lab, node_reason
from harness.poll import wait_until
from harness.tls import make_identity

pytestmark = pytest.mark.skipif(bool(node_reason()), reason=node_reason())

PLAIN, TLS = (3000, False), (443, True)
CONFIG = """\
interfaces: [eth0]
services:
- name: plain
  listen: ["*:3000"]
  balance: consistent
  backends: ["127.0.0.1:3001-3002"]
  health: {{type: "off"}}
  http: {{{http} headers: {{set: {{X-Turn: t{turn}{fields}}}}}}}
- name: secure
  listen: ["*:443"]
  balance: consistent
  backends_of: plain
  tls: {{certificate: {identity.certificate}, key: {identity.key}}}
  http: {{{http} headers: {{set: {{X-Turn: t{turn}{fields}}}}}}}
  routes: [{routes}]
- {{name: other, listen: ["127.0.0.1:9000"], backends: ["127.0.0.1:3003"], health: {{type: "off"}}}}
- name: away
  listen: ["*:80"]
  redirect: https
  routes: [{{path: /.well-known/acme-challenge, service: other}}]
"""


class Site:
    """Two instances behind a plain and a TLS service, a third one behind another, and a service that redirects."""

    def __init__(self, lab):
        self.lab = lab
        self.identity = make_identity(lab.folder, "first", "chat.test")
        self.path = lab.folder / "rcxlb.yaml"
        self.said = None
        self.turn = 0

    def _write(self, http="", fields="", routes=""):
        self.turn += 1
        self.said = (http, fields, routes)
        self.path.write_text(CONFIG.format(http=http, fields=fields, routes=routes, identity=self.identity,
                                           turn=self.turn), encoding="utf-8")

    def start(self, status=200):
        self._write()
        self.lab.rcxlb("load", "-c", self.path)
        wait_until(lambda: self._answers(status), "a worker answers")
        return self

    def become(self, http="", fields="", routes=""):
        """Workers that know this are there."""
        if self.said != (http, fields, routes):
            self.reload(http, fields, routes)
        return self

    def reload(self, http="", fields="", routes=""):
        self._write(http, fields, routes)
        before = crew_number(self.lab)
        self.lab.rcxlb("reload")
        wait_until(lambda: crew_number(self.lab) != before, "the new workers")
        assert self.ask(TLS)["X-Turn"] == f"t{self.turn}"

    def browser(self, kind, **more):
        port, tls = kind
        return Browser(self.lab, port, tls, **more)

    def ask(self, kind, **more):
        """A request on a connection of its own."""
        browser = self.browser(kind)
        seen = browser.ask(**more)
        browser.close()
        return seen

    def _answers(self, status):
        try:
            return self.browser(PLAIN).answer().status == status
        except OSError:
            return False


@pytest.fixture(name="running", scope="module")
def _running(bpffs):
    """One for all tests: Node.js takes its time to start."""
    del bpffs
    lab = Lab()
    for number in (1, 2, 3):
        meteor(lab, f"i{number}", 3000 + number)
    yield Site(lab).start()
    lab.close()


@pytest.fixture(name="site")
def _site(running):
    return running.become()


@pytest.mark.parametrize("address", [HOST4, HOST6])
@pytest.mark.parametrize("kind, proto", [(PLAIN, "http"), (TLS, "https")], ids=["plain", "tls"])
def test_the_instance_is_told_the_client_and_nothing_that_it_says_of_itself(site, kind, proto, address):
    browser = site.browser(kind, address=address)
    client, port = browser.own
    seen = browser.ask("/a?b=c", X_Forwarded_For="203.0.113.9", X_Real_IP="203.0.113.9", Forwarded="for=203.0.113.9",
                       X_Forwarded_Proto="gopher", X_Forwarded_Server="me")
    assert (seen.url, seen["Host"]) == ("/a?b=c", "chat.test")
    assert (seen["X-Forwarded-For"], seen["X-Real-IP"]) == (client, client)
    assert (seen["X-Forwarded-Proto"], seen["X-Forwarded-Host"], seen["X-Forwarded-Port"]) == (
        proto, "chat.test", str(kind[0]))
    assert seen["Forwarded"].endswith(f";proto={proto}") and client in seen["Forwarded"]
    assert seen["X-Forwarded-Server"] is None
    if address == HOST4:
        assert seen.peer == (client, port), "its socket has the client's address too"


def test_a_trusted_proxy_is_believed_and_nobody_else(running):
    site = running.become(http=f"trusted_proxies: [{CLIENTS4[0]}],")
    trusted, other = (asked_by_proxy(site, source) for source in CLIENTS4[:2])
    assert trusted["X-Forwarded-For"] == f"203.0.113.9, {CLIENTS4[0]}"
    assert trusted["X-Real-IP"] == "203.0.113.9"
    assert (other["X-Forwarded-For"], other["X-Real-IP"]) == (CLIENTS4[1], CLIENTS4[1])


def asked_by_proxy(site, source):
    return site.browser(PLAIN, source=source).ask(X_Forwarded_For="203.0.113.9", X_Real_IP="203.0.113.9")


def test_who_forces_tls_is_content_with_it(lab):
    """Without X-Forwarded-Proto this would be a circle."""
    meteor(lab, "one", 3001, FORCE_SSL="1")
    site = Site(lab).start(status=302)
    away = site.browser(PLAIN).answer("/a")
    assert (away.status, away.getheader("Location")) == (302, "https://chat.test/a")
    assert site.browser(TLS).ask("/a").instance == "one"


@pytest.mark.parametrize("kind, proto", [(PLAIN, "http"), (TLS, "https")], ids=["plain", "tls"])
def test_a_websocket(site, kind, proto):
    browser = site.browser(kind)
    websocket = WebSocket(browser)
    name, client, said = websocket.greeting.split()
    assert name in ("i1", "i2") and (client, said) == (browser.own[0], proto)
    assert all(websocket.echoes(f"message {turn}") for turn in range(20))


def test_many_requests_on_one_connection_and_a_body(site):
    browser = site.browser(TLS)
    first = browser.ask()
    assert all(browser.ask().instance == first.instance for _ in range(20))
    assert browser.ask(method="POST", body=b"x" * 300000).body == 300000


def test_a_redirecting_service(site):
    kept = site.browser((80, False))
    for browser, method, status in ((kept, "GET", 301), (kept, "HEAD", 301), (site.browser((80, False)), "POST", 308),
                                    (kept, "GET", 301)):
        answer = browser.answer("/a/b?c=d", method=method)
        assert (answer.status, answer.getheader("Location")) == (status, "https://chat.test/a/b?c=d"), method


def test_a_route_to_backends_that_want_a_header_of_the_proxy_protocol(running):
    """They get one, by what their own service says; the others none. Node.js takes it for nonsense, and may reset what
    it did not read."""
    site = running.become(routes="{path: /sockjs, service: other}")
    assert site.ask(TLS, target="/sockjs").instance == "i3"
    before = crew_number(site.lab)
    site.lab.rcxlb("services", "add", "other", "--listen", "127.0.0.1:9000", "--check", "off", "--send-proxy", "v2")
    wait_until(lambda: crew_number(site.lab) != before, "workers that know")
    assert site.browser(TLS).begin("/sockjs").status in (400, 502)
    assert site.ask(TLS).instance in ("i1", "i2")
    site.reload()


def test_challenges_of_a_certificate_authority_have_a_route_of_their_own(site):
    browser = site.browser((80, False))
    assert browser.answer("/").status == 301
    seen = browser.ask("/.well-known/acme-challenge/token")
    assert (seen.instance, seen["X-Forwarded-Proto"]) == ("i3", "http")
    assert browser.answer("/.well-known/acme-challenges").status == 301


def test_without_an_instance_there_is_an_answer(lab):
    site = Site(lab).start(status=503)
    assert site.browser(TLS).answer().getheader("Retry-After")


def test_fields_that_are_set_come_instead_of_the_clients(running):
    site = running.become(fields=", X-Region: eu, User-Agent: rcxlb")
    seen = site.browser(TLS).ask(User_Agent="me", X_Region="us")
    assert (seen["User-Agent"], seen["X-Region"]) == ("rcxlb", "eu")


def test_a_limit_that_is_set_holds(running):
    site = running.become(http="head_bytes: 1024, body_bytes: 1000,")
    assert site.browser(PLAIN).answer(X_Long="x" * 1100).status == 431
    assert site.browser(PLAIN).answer(method="POST", body=b"x" * 1001).status == 413
    assert site.browser(PLAIN).ask(method="POST", body=b"x" * 1000).body == 1000


class Load:
    """Clients that ask all the time, on kept connections and on new ones; `wrong` is what went wrong."""

    def __init__(self, site, kinds=(PLAIN, TLS)):
        self.site = site
        self.asked, self.wrong = 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(kind, kept)) for kind in kinds for kept in (1, 20)]
        for thread in self.threads:
            thread.start()

    def _ask(self, kind, kept):
        while not self.over.is_set():
            try:
                browser = self.site.browser(kind)
                for _ in range(kept):
                    answer = browser.answer()
                    self.asked += 1
                    if answer.status != 200:
                        self.wrong.append(answer.status)
                    if answer.getheader("Connection") == "close":
                        break
                browser.close()
            except OSError as problem:
                self.wrong.append(problem)

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_reloads_under_load_lose_no_request(site):
    websockets = [WebSocket(site.browser(kind)) for kind in (PLAIN, TLS) for _ in range(3)]
    load = Load(site)
    for _ in range(settings.scaled(2, least=2)):
        site.reload()
    load.end()
    assert not load.wrong and load.asked > 10, load.wrong[:5]
    assert all(websocket.echoes() for websocket in websockets)


LINE = re.compile(
    r'(\S+) - - \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000)\] "(.*)" (\d{3}) (\d+) "(.*)" "(.*)"')


def lines_of(path, word, count):
    """Those with this word, when there are as many."""
    def found():
        return [line for line in path.read_text().splitlines() if word in line] if path.exists() else []

    wait_until(lambda: len(found()) >= count, f"{count} lines with {word}")
    assert len(found()) == count, found()
    return found()


def recorder_of(site, log):
    """The process that has it open."""
    def holds(number):
        return str(log) in (os.readlink(path) for path in Path(f"/proc/{number}/fd").iterdir())

    return wait_until(lambda: [number for number in recorders_of(site.lab) if holds(number)], "a recorder")[0]


@pytest.fixture(name="log")
def _log(running):
    return running.lab.folder / f"access-{running.turn}.log"


def test_the_access_log_in_the_combined_format(running, log):
    site = running.become(http=f"body_bytes: 1000, access_log: {log},")
    browser = site.browser(TLS)
    size = len(browser.answer("/logged?b=c", User_Agent='a "quoted" one', Referer="https://chat.test/").body)
    assert site.browser(PLAIN).answer("/logged", method="POST", body=b"x" * 2000).status == 413
    fields = sorted((LINE.fullmatch(line).groups() for line in lines_of(log, "/logged", 2)), key=lambda of: of[2])
    client = browser.own[0]
    assert fields[0][:1] + fields[0][2:] == (
        client, "GET /logged?b=c HTTP/1.1", "200", fields[0][4], "https://chat.test/", r"a \"quoted\" one")
    assert size <= int(fields[0][4]) < size + 20, "chunks come with their sizes"
    assert fields[1][2:4] == ("POST /logged HTTP/1.1", "413") and int(fields[1][4]) > 0


def test_the_access_log_as_json(running, log):
    site = running.become(http=f"access_log: {{to: {log}, format: json}},")
    WebSocket(site.browser(TLS), "/websocket")
    raw = site.browser(PLAIN)
    raw.sock.sendall(b"\x00\r\n\r\n")
    raw.sock.recv(1000)
    site.browser(PLAIN).ask("/c", User_Agent="\x80\xff")
    lines_of(log, '"target":"/c"', 1)
    told = {entry["target"]: entry for entry in map(json.loads, log.read_text().splitlines())}
    assert (told["/c"]["service"], told["/c"]["method"], told["/c"]["host"]) == ("plain", "GET", "chat.test")
    assert told["/c"]["user_agent"] == "\x80\xff" and told["/c"]["ms"] < 60000
    assert told["/websocket"]["status"] == 101 and told["/websocket"]["service"] == "secure"
    assert told[""]["status"] == 400


def test_a_log_that_is_renamed_is_written_anew_and_nobody_waits_for_one_that_is_not_written(running, log):
    site = running.become(http=f"access_log: {log},")
    recorder = recorder_of(site, log)
    os.kill(recorder, signal.SIGSTOP)
    browser = site.browser(PLAIN)
    for _ in range(100):
        browser.ask("/waits")
    os.kill(recorder, signal.SIGCONT)
    lines_of(log, "/waits", 100)
    log.rename(log.with_suffix(".1"))
    wait_until(lambda: site.ask(PLAIN) and log.exists(), "another file")
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_recorder_that_was_killed_comes_again_and_the_last_one_goes_with_its_log(running, log):
    site = running.become(http=f"access_log: {log},")
    recorder = recorder_of(site, log)
    status = Path(f"/proc/{recorder}/status").read_text(encoding="ascii")
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE) and re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert "/dev/zero" not in Path(f"/proc/{recorder}/maps").read_text(encoding="ascii"), "what workers are told"
    os.kill(recorder, signal.SIGKILL)
    site.ask(PLAIN, target="/meanwhile")
    lines_of(log, "/meanwhile", 1)
    recorder = recorder_of(site, log)
    running.become()
    wait_until(lambda: recorder not in recorders_of(site.lab), "it ends with the last worker that has its pipe")


def cookie_of(answer):
    return re.search(r"\brcxlb=([0-9a-f]{16})\b", answer.getheader("Set-Cookie") or "")


def test_clients_behind_one_address_come_back_by_their_cookie(running):
    site = running.become(http="affinity: cookie,")
    homes = {}
    for _ in range(24):
        answer = site.browser(TLS).answer()
        homes[cookie_of(answer)[1]] = Seen(json.loads(answer.body)).instance
    assert len(homes) == 24 and set(homes.values()) == {"i1", "i2"}, homes
    assert "Secure; SameSite=None" in answer.getheader("Set-Cookie")
    for number, home in homes.items():
        again = site.browser(PLAIN).answer(Cookie=f"a=b; rcxlb={number}")
        assert (Seen(json.loads(again.body)).instance, cookie_of(again)) == (home, None)


def test_one_connection_of_several_clients_and_one_without_cookies(running):
    site = running.become(http=f"affinity: cookie, trusted_proxies: [{CLIENTS4[0]}],")
    proxy = site.browser(PLAIN, source=CLIENTS4[0])
    numbers = [cookie_of(proxy.answer())[1] for _ in range(12)]
    assert len(set(numbers)) == 12, "each request without a cookie is another client's"
    homes = [proxy.ask(Cookie=f"rcxlb={number}").instance for number in numbers]
    assert set(homes) == {"i1", "i2"}
    assert [proxy.ask(Cookie=f"rcxlb={number}").instance for number in numbers] == homes
    other = site.browser(PLAIN, source=CLIENTS4[1])
    assert len({cookie_of(other.answer())[1] for _ in range(5)}) == 1
    assert cookie_of(other.answer(Cookie="rcxlb=0000000000000000")), "what is none is not taken for one"


def test_what_was_answered_is_counted(site):
    def work():
        return site.lab.rcxlb.service("secure")["work"]

    before = work()
    browser = site.browser(TLS)
    for _ in range(10):
        browser.ask()
    wait_until(lambda: work()["answers"]["2xx"] >= before["answers"]["2xx"] + 10, "the answers")
    assert work()["requests"] >= before["requests"] + 10
    text = scrape(site.lab)
    assert re.search(r'^rcxlb_http_request_seconds_count\{service="secure"\} [1-9]', text, re.MULTILINE)
    assert re.search(r'^rcxlb_http_own_answers_total\{service="away",status="301"\} \d+$', text, re.MULTILINE)


ANSWERS = re.compile(r'^rcxlb_http_backend_answers_total\{service="(\w+)",backend="([^"]+)",class="(...)"\} (\d+)$',
                     re.MULTILINE)


def answers_of(lab):
    """Those of backends, by service, backend and class, without those that there were none of."""
    return Counter({found[:3]: int(found[3]) for found in ANSWERS.findall(scrape(lab)) if int(found[3])})


def test_answers_are_counted_for_each_backend(running):
    site = running.become(routes="{path: /sockjs, service: other}")
    ports = {"i1": 3001, "i2": 3002, "i3": 3003}
    before, wanted = answers_of(site.lab), Counter()
    for kind, service in ((PLAIN, "plain"), (TLS, "secure")):
        for _ in range(8):
            wanted[service, f"127.0.0.1:{ports[site.ask(kind).instance]}", "2xx"] += 1
    site.ask(TLS, target="/sockjs")
    wanted["secure", "127.0.0.1:3003", "2xx"] += 1  # of the service that the client came to
    browser = site.browser(TLS)
    browser.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")  # refused by the worker itself: no backend's
    WebSocket(site.browser(PLAIN))
    wait_until(lambda: sum((answers_of(site.lab) - before - wanted).values()) == 1, "all of them, and that of a WebSocket")
    extra = answers_of(site.lab) - before - wanted
    assert [(key[0], key[2]) for key in extra] == [("plain", "1xx")], extra
    assert not wanted - (answers_of(site.lab) - before)


def test_a_backend_that_takes_the_place_of_another_begins_at_none(lab):
    """Also one that is reached by IPv6 alone. Each has the number of the one before it."""
    lab.load()
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--http", "--check", "off")
    lab.rcxlb("load", "eth0")
    for name, address in (("a", "127.0.0.1:3001"), ("b", "[::1]:3002"), ("c", "127.0.0.1:3003")):
        host, _, port = address.rpartition(":")
        meteor(lab, name, int(port), HOST=host.strip("[]"))
        lab.rcxlb("backends", "add", address)
        wait_until(lambda: _instance_of(lab) == name, "the only backend answers")
        wait_until(lambda: answers_of(lab), "it is counted")
        assert {key[1] for key in answers_of(lab)} == {address}
        lab.rcxlb("backends", "del", address)
        wait_until(lambda: not answers_of(lab), "it is not told any more")


def _instance_of(lab):
    try:
        answer = Browser(lab, 3000).answer()
        return Seen(json.loads(answer.body)).instance if answer.status == 200 else None
    except OSError:
        return None


def test_routes_lead_to_other_services_by_the_path(running):
    site = running.become(routes="{path: /sockjs, service: other}, {path: /sockjs/info, service: plain}")
    browser = site.browser(TLS)
    for _ in range(2):  # on one connection, to and fro
        assert browser.ask("/").instance in ("i1", "i2")
        assert browser.ask("/sockjs/1/2?x").instance == "i3"
        assert browser.ask("/sockjs", method="POST", body=b"abc").body == 3
        assert browser.ask("/sockjs/info").instance in ("i1", "i2")
        assert browser.ask("/sockjsx").instance in ("i1", "i2")
    assert browser.ask("/sockjs").peer == browser.own
    assert WebSocket(site.browser(TLS), "/sockjs/websocket").greeting.split()[0] == "i3"
    assert site.lab.rcxlb.active("127.0.0.1:3003", "other") >= 1
