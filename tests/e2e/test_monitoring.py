# SPDX-License-Identifier: BSD-2-Clause
"""The files for Prometheus and Grafana, by Prometheus' own tools, and against what the agent writes.

tests/monitoring/metrics.txt is what it writes for an example: tests/unit/metrics.c compares the two.
"""
import itertools
import json
import re
import shutil
import subprocess

import pytest

from harness import settings

pytestmark = pytest.mark.no_kernel

MONITORING = settings.ROOT / "scripts" / "monitoring"
RULES = MONITORING / "rcxlb.rules.yml"
DASHBOARD = MONITORING / "dashboard.json"
EXAMPLE = settings.ROOT / "tests" / "monitoring" / "metrics.txt"
RULES_TEST = settings.ROOT / "tests" / "monitoring" / "rules_test.yml"
COLUMNS = 24


def promtool(*words, **more):
    assert shutil.which("promtool"), "promtool is not installed; run scripts/deps test"
    done = subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, check=False,
        timeout=settings.COMMAND_SECONDS, **more,
    )
    return done.returncode, done.stdout + done.stderr


def written():
    """Families of the example, with the labels that their samples have."""
    families = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", EXAMPLE.read_text(), re.MULTILINE):
        for suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else ("",):
            families[name + suffix] = set()
    for name, labels in re.findall(r"^(\w+)\{(.*)\} ", EXAMPLE.read_text(), re.MULTILINE):
        families[name] |= set(re.findall(r"(\w+)=\"", labels))
    return families


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    """What the dashboard asks for."""
    return [target["expr"] for panel in panels() for target in panel.get("targets", [])]


def variables():
    return {entry["name"]: entry for entry in json.loads(DASHBOARD.read_text())["templating"]["list"]}


def test_the_metrics_are_as_prometheus_wants_them():
    code, said = promtool("check", "metrics", input=EXAMPLE.read_text())
    assert (code, said) == (0, ""), said


def test_a_name_against_the_conventions_would_be_found():
    code, said = promtool("check", "metrics", input="# TYPE a_total gauge\na_total 1\n")
    assert code != 0 and said


def test_the_rules_are_valid():
    code, said = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert code == 0, said


def test_the_rules_say_when_they_should():
    code, said = promtool("test", "rules", RULES_TEST)
    assert code == 0, said


def test_every_alert_is_tested_and_explained():
    """Each has a test in which it is raised and one in which it is not, and says what happened and what it means."""
    alerts = re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE)
    assert len(alerts) == len(set(alerts)) > 0
    assert all(RULES.read_text().count(f"{word}:") == len(alerts) for word in ("summary", "description", "severity"))
    tests = RULES_TEST.read_text()
    for alert in alerts:
        outcomes = re.findall(rf"alertname: {alert}\n +exp_alerts:( \[\])?", tests)
        assert "" in outcomes and " []" in outcomes, alert


@pytest.mark.parametrize("name", ["rules", "dashboard"])
def test_every_metric_that_is_used_is_written(name):
    text = {"rules": RULES, "dashboard": DASHBOARD}[name].read_text()
    used = set(re.findall(r"\brcxlb_\w+", text))
    assert len(used) > 10
    assert used <= set(written()), used - set(written())


def test_every_metric_that_is_written_is_shown():
    assert set(written()) <= set(re.findall(r"\brcxlb_\w+", DASHBOARD.read_text()))


@pytest.mark.parametrize("name", ["rules", "dashboard"])
def test_every_label_that_is_chosen_by_is_written(name):
    families = written()
    texts = expressions() if name == "dashboard" else [RULES.read_text()]
    chosen = [found for text in texts for found in re.findall(r"\b(rcxlb_\w+)\{([^}]*)\}", text)]
    assert chosen
    for metric, labels in chosen:
        unknown = set(re.findall(r"(\w+)\s*(?:=|!)", labels)) - families[metric] - {"job", "instance"}
        assert not unknown, f"{metric} has no label {unknown}"


def test_every_query_of_the_dashboard_is_valid(tmp_path):
    """As rules, because promtool reads no others; with values in place of Grafana's variables."""
    rules = []
    for number, text in enumerate(expressions()):
        text = text.replace("$__rate_interval", "1m").replace("$__range", "1h")
        for name in variables():
            text = text.replace(f"${name}", "x")
        assert "$" not in text, f"unknown variable in: {text}"
        rules.append({"record": f"query:{number}", "expr": text})
    path = tmp_path / "queries.yml"
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))  # JSON is YAML
    code, said = promtool("check", "rules", path)
    assert code == 0, said
    assert f"{len(rules)} rules found" in said


def test_the_dashboard_can_be_imported():
    """It takes the data source that is chosen, and none by an id of somebody else's Grafana."""
    assert variables()["datasource"]["type"] == "datasource"
    assert variables()["datasource"]["query"] == "prometheus"
    sources = [panel["datasource"] for panel in panels() if panel["type"] != "row"]
    sources += [target["datasource"] for panel in panels() for target in panel.get("targets", [])]
    sources += [entry["datasource"] for entry in variables().values() if entry["type"] == "query"]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert "id" not in json.loads(DASHBOARD.read_text())


def test_panels_are_numbered_and_do_not_overlap():
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids)) > 0
    boxes = [(panel["title"], panel["gridPos"]) for panel in panels()]
    for title, box in boxes:
        assert box["x"] + box["w"] <= COLUMNS, title
    for (title, a), (other, b) in itertools.combinations(boxes, 2):
        apart = (a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
                 or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])
        assert apart, f"'{title}' and '{other}' overlap"


# What Grafana 10 (schema 38) needs to draw a panel of each type; there is no Grafana in Debian to ask.
PANEL = {"id": int, "type": str, "title": str, "gridPos": dict}
DRAWN = {"description": str, "datasource": dict, "targets": list, "fieldConfig": dict, "options": dict}
TYPES = {"stat", "timeseries", "table", "state-timeline", "row"}
UNITS = {"short", "cps", "s", "Bps", "pps", "percentunit", None}


def wrong_fields(entry, wanted):
    return {name: entry.get(name) for name, kind in wanted.items() if not isinstance(entry.get(name), kind)}


def test_the_dashboard_has_the_fields_that_grafana_reads():
    dashboard = json.loads(DASHBOARD.read_text())
    assert not wrong_fields(dashboard, {
        "title": str, "uid": str, "schemaVersion": int, "panels": list, "time": dict, "templating": dict, "tags": list,
    })
    assert len(dashboard["uid"]) <= 40 and set(dashboard["time"]) == {"from", "to"}
    for panel in panels():
        wanted = PANEL if panel["type"] == "row" else {**PANEL, **DRAWN}
        assert panel["type"] in TYPES and not wrong_fields(panel, wanted), panel["title"]
        letters = [target["refId"] for target in panel.get("targets", [])]
        assert len(letters) == len(set(letters)) and (letters or panel["type"] == "row"), panel["title"]
        if letters:
            assert set(panel["fieldConfig"]) == {"defaults", "overrides"}, panel["title"]
            assert panel["fieldConfig"]["defaults"].get("unit") in UNITS, panel["title"]
