# SPDX-License-Identifier: BSD-2-Clause
"""What is said of services that parse HTTP or redirect: options, files, status; nothing is sent here."""
import json
import os

import pytest

from harness.agent import workers_of
from harness.poll import wait_until

HTTP = ["--http", "--trusted-proxy", "192.0.2.0/24", "--trusted-proxy", "2001:db8::1",
        "--set-header", "X-Region: eu", "--set-header", "X-Empty-Not:a: b"]


@pytest.fixture(name="site")
def _site(lab):
    lab.load_with(3001)
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", *HTTP)
    lab.rcxlb("services", "add", "plain", "--listen", "*:80", "--redirect", "https")
    return lab


def entry(lab, name):
    return next(each for each in json.loads(lab.rcxlb("config", "--json"))["services"] if each["name"] == name)


def differences(lab, text):
    path = lab.folder / "rcxlb.yaml"
    path.write_text(text, encoding="utf-8")
    return lab.rcxlb("reload", "-c", path).splitlines()


def test_options_are_what_a_file_says(site):
    assert entry(site, "default")["http"] == {
        "forwarded": True, "trusted_proxies": ["192.0.2.0/24", "2001:db8::1/128"],
        "headers": {"set": {"X-Region": "eu", "X-Empty-Not": "a: b"}},
    }
    assert entry(site, "plain") == {
        "name": "plain", "listen": ["*:80"], "hash": "tuple", "balance": "least", "redirect": "https",
    }
    assert differences(site, site.rcxlb("config")) == ["no difference"]
    assert differences(site, site.rcxlb("config", "--json")) == ["no difference"]


def test_what_is_not_said_again_is_gone(site):
    site.rcxlb("services", "add", "default", "--listen", "*:3000", "--http")
    assert entry(site, "default")["http"] == {"forwarded": True}
    site.rcxlb("services", "add", "default", "--listen", "*:3000")
    assert "http" not in entry(site, "default")


def test_status_and_services_tell_it(site):
    site.instances(3001)
    for services in (site.rcxlb.status()["services"], site.rcxlb.json("services")["services"]):
        told = {each["name"]: (each["tls"], each["http"], each["redirect"]) for each in services}
        assert told == {"default": (False, True, ""), "plain": (False, False, "https")}
    backend = site.rcxlb.backend("127.0.0.1:3001")
    assert (backend["path"], backend["reason"]) == ("proxied", "its service parses HTTP")
    lines = site.rcxlb("status").splitlines()
    assert next(line for line in lines if "default" in line).endswith("balance least, HTTP, refused 0")
    assert next(line for line in lines if "plain" in line).endswith("on *:80, redirects to https, refused 0")


def test_a_redirect_and_backends_exclude_each_other(site):
    result = site.rcxlb.attempt("backends", "add", "-s", "plain", "127.0.0.1:3002")
    assert result.code == 1 and "'plain' redirects" in result.err, str(result)
    result = site.rcxlb.attempt("services", "add", "default", "--listen", "*:3000", "--redirect", "https")
    assert result.code == 1 and "'default' has backends" in result.err, str(result)
    result = site.rcxlb.attempt("why", "192.0.2.9:1000", "-s", "plain")
    assert result.code == 1 and "redirects each request to https" in result.err, str(result)


ROUTES = """\
services:
- {name: ddp, listen: ["127.0.0.1:9000"]}
- name: default
  listen: ["*:3000"]
  http: {access_log: journal}
  routes: [{path: /websocket, service: ddp}, {path: /sockjs, service: plain}]
- {name: plain, listen: ["*:80"]}
"""


def test_routes_are_told_and_hold_the_service_that_they_lead_to(lab):
    lab.load()
    told = differences(lab, ROUTES)
    assert {"+ route /websocket to ddp of default", "+ route /sockjs to plain of default",
            "~ service default: http.access_log none → journal"} <= set(told)
    assert entry(lab, "default")["routes"] == [
        {"path": "/websocket", "service": "ddp"}, {"path": "/sockjs", "service": "plain"}]
    assert differences(lab, lab.rcxlb("config")) == ["no difference"]
    for words in (["del", "ddp"], ["add", "ddp", "--listen", "127.0.0.1:9000", "--redirect", "https"]):
        result = lab.rcxlb.attempt("services", *words)
        assert result.code == 1 and "'default' has a route to 'ddp'" in result.err, str(result)
    assert sorted(differences(lab, ROUTES.replace("service: plain", "service: ddp").replace("- {name: plain", "- {name: p"))) == [
        "+ address *:80 of p", "+ route /sockjs to ddp of default", "+ service p", "- route /sockjs to plain of default",
        "- service plain",
    ]


def test_an_access_log_in_a_folder_that_is_not_there_is_refused(lab):
    lab.load()
    path = lab.folder / "rcxlb.yaml"
    path.write_text(ROUTES.replace("journal", "/nowhere/access.log"), encoding="utf-8")
    result = lab.rcxlb.attempt("check", path)
    assert result.code == 1 and "mkdir -p /nowhere" in result.err, str(result)


@pytest.mark.parametrize("make, says", [
    (lambda log, other: log.symlink_to(other), "the access log is a symbolic link; give the path of the file itself"),
    (lambda log, other: log.hardlink_to(other), "the access log has another name as well, by a hard link"),
    (lambda log, other: log.write_text("as it was"), None)], ids=["symbolic link", "hard link", "file"])
def test_an_access_log_that_leads_elsewhere_is_refused(lab, make, says):
    path, log, other = (lab.folder / name for name in ("rcxlb.yaml", "access.log", "other"))
    other.write_text("somebody's")
    make(log, other)
    path.write_text(ROUTES.replace("journal", str(log)), encoding="utf-8")
    result = lab.rcxlb.attempt("check", path)
    assert result.code == bool(says), str(result)
    assert not says or f"{path}:5: '{log}': {says}" in result.err, str(result)


@pytest.mark.parametrize("mode, user, group, warns", [
    (0o755, 0, 0, False), (0o775, 0, 0, False), (0o775, 0, 33, True), (0o757, 0, 0, True), (0o1777, 0, 0, True),
    (0o750, 33, 33, True)])
def test_a_folder_of_logs_that_others_may_write_is_warned_of(lab, mode, user, group, warns):
    path, logs = lab.folder / "rcxlb.yaml", lab.folder / "logs"
    logs.mkdir()
    os.chown(logs, user, group)
    logs.chmod(mode)
    path.write_text(ROUTES.replace("journal", f"{logs}/access.log"), encoding="utf-8")
    result = lab.rcxlb.attempt("check", path)
    warning = f"warning: {logs}, where an access log is written, can be written by others than root"
    assert (result.code, result.err.count(warning)) == (0, warns), str(result)


def test_each_difference_is_told(site):
    text = site.rcxlb("config")
    changed = text.replace("forwarded: true", "forwarded: true\n    answer_ms: 1000").replace("eu", "us")
    changed = changed.replace('"192.0.2.0/24", ', "")
    assert sorted(differences(site, changed)) == [
        "+ header X-Region: us of default",
        "- header X-Region: eu of default",
        "- trusted proxy 192.0.2.0/24 of default",
        "~ service default: http.answer_ms 300000 → 1000",
    ]
    assert entry(site, "default")["http"]["answer_ms"] == 1000
    off = "services:\n- {name: default, listen: ['*:3000'], backends: [127.0.0.1:3001]}\n- {name: plain, listen: ['*:80']}\n"
    assert sorted(differences(site, off)) == [
        "- header X-Empty-Not: a: b of default",
        "- header X-Region: us of default",
        "- trusted proxy 2001:db8::1/128 of default",
        "~ service default: http on → off",
        "~ service default: http.answer_ms 1000 → 300000",
        "~ service plain: redirect https → none",
    ]


def test_a_plain_service_has_workers_as_long_as_it_parses(lab):
    """Not counted by their number: a crew that goes and one that comes overlap."""
    lab.rcxlb("load", "eth0")
    assert not workers_of(lab)
    lab.rcxlb("services", "add", "default", "--listen", "*:3000", "--http")
    wait_until(lambda: workers_of(lab), "workers")
    lab.rcxlb("services", "add", "default", "--listen", "*:3000")
    wait_until(lambda: not workers_of(lab), "no workers")
