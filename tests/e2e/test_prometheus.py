# SPDX-License-Identifier: BSD-2-Clause
"""A real Prometheus scrapes the agent: it takes every family, raises the alerts and answers the dashboard."""
import json
import re

import pytest

from harness import agent, prometheus, settings
from harness.moods import Moody
from harness.poll import wait_equal, wait_until
from harness.prometheus import Prometheus

pytestmark = [pytest.mark.no_kernel, pytest.mark.skipif(bool(prometheus.reason()), reason=prometheus.reason())]

ONE, SICK = "127.0.0.1:3001", "127.0.0.1:3002"
DASHBOARD = settings.ROOT / "scripts" / "monitoring" / "dashboard.json"


def dashboard_queries():
    """Of each panel, with the values that Grafana sets when nothing is chosen."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "1m").replace("$__range", "1h")
            yield panel["title"], re.sub(r"\$\w+", ".*", text)


def test_a_real_prometheus_understands_everything(lab, identity):
    """One that runs is enough for all of it: it takes seconds to start."""
    Moody(lab, 3001, 3002).feel("503", 3002)
    agent.load(lab, 3001, 3002)
    lab.rcxlb("backends", "add", ONE, "--max-connections", "1000")
    lab.rcxlb("services", "add", "tls", "--listen", "*:3443", *identity.options)
    lab.rcxlb("backends", "add", "-s", "tls", "127.0.0.1:3003")
    seen = Prometheus(lab)

    # The target is up, and nothing that it said was dropped.
    wait_equal(lambda: seen.value('up{job="rcxlb"}'), 1.0, "the agent is up")
    target, = seen.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    written = set(re.findall(r"(?m)^(rcxlb_\w+)", agent.scrape(lab)))
    assert len(written) > 25
    counted = 'count by (__name__) ({__name__=~"rcxlb_.*"})'
    wait_equal(lambda: {labels["__name__"] for labels, _ in seen.query(counted)}, written, "families")
    types = {name: {entry["type"] for entry in entries} for name, entries in seen.ask("metadata").items()}
    assert all(types[name] == {"counter" if name.endswith("_total") else "gauge"} for name in written)

    # The numbers are the connections that there are: all of them at the instance that is well.
    wait_equal(lambda: lab.rcxlb.state(SICK), "down", "the state of the sick instance")
    connections = [lab.connect() for _ in range(3)]
    wait_equal(lambda: seen.value(f'rcxlb_backend_connections{{backend="{ONE}"}}'), 3.0, "connections")
    wait_until(lambda: seen.value("sum(increase(rcxlb_service_steered_total[1m]))"), "an increase is seen")
    for connection in connections:
        connection.reset()

    # What the dashboard asks for is there, wherever the agent has written the metric.
    for title, query in dashboard_queries():
        if set(re.findall(r"rcxlb_\w+", query)) <= written:
            assert seen.query(query), f"'{title}' is empty: {query}"

    # The rules are loaded, and an alert is raised: the instance that answers 503, and later the agent that is gone.
    groups = seen.ask("rules")["groups"]
    assert [group["name"] for group in groups] == ["rcxlb"]
    wait_until(lambda: "RcxlbBackendDown" in seen.firing(), "the alert about the sick instance")
    assert all(rule["health"] == "ok" for rule in seen.ask("rules")["groups"][0]["rules"])
    assert seen.firing()["RcxlbBackendDown"]["backend"] == SICK
    assert "RcxlbAgentNotScraped" not in seen.firing()
    agent.kill(agent.pid(lab))
    wait_until(lambda: "RcxlbAgentNotScraped" in seen.firing(), "the alert about the agent")
