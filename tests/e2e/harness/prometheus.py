# SPDX-License-Identifier: BSD-2-Clause
"""A real Prometheus in a lab's host that scrapes its agent, and what it answers."""
import http.client
import json
import re
import shutil
import urllib.parse

from . import client, settings
from .poll import wait_until

PORT = 9090
AGENT = "127.0.0.1:9465"
OFTEN = "100ms"
RULES = settings.ROOT / "scripts" / "monitoring" / "rcxlb.rules.yml"


def reason():
    """Why there can be none here, or an empty string."""
    return "" if shutil.which("prometheus") else "prometheus is not installed; run scripts/deps test"


class Prometheus:
    """Scrapes and judges several times a second. The project's rules are loaded, with a `for` that is over at once."""

    def __init__(self, lab):
        self.lab = lab
        folder = lab.folder / "prometheus"
        folder.mkdir()
        (folder / "rules.yml").write_text(re.sub(r"(?m)^( +for:) .*$", r"\1 200ms", RULES.read_text()))
        (folder / "prometheus.yml").write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": OFTEN, "scrape_timeout": OFTEN, "evaluation_interval": OFTEN},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [{"job_name": "rcxlb", "static_configs": [{"targets": [AGENT]}]}],
        }))
        self.process = lab.start([
            "env", "GOMAXPROCS=1", "prometheus", f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=error",
        ])
        wait_until(self._is_ready, "Prometheus is ready", 20)

    def _get(self, path, **parameters):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=settings.COMMAND_SECONDS)
        connection.sock = client.connect(self.lab.host, "127.0.0.1", PORT).sock
        connection.request("GET", f"{path}?{urllib.parse.urlencode(parameters)}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def _is_ready(self):
        assert self.process.popen.poll() is None, "Prometheus ended"
        try:
            return self._get("/-/ready")[0] == 200
        except ConnectionRefusedError:
            return False

    def ask(self, path, **parameters):
        """What /api/v1/ answers to a question that it understands."""
        status, body = self._get(f"/api/v1/{path}", **parameters)
        answer = json.loads(body)
        assert (status, answer["status"]) == (200, "success"), answer
        return answer["data"]

    def query(self, expression):
        """The series that it finds at this moment, as (labels, value)."""
        found = self.ask("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in found]

    def value(self, expression):
        """The value of the only series there is, or None."""
        found = self.query(expression)
        assert len(found) < 2, found
        return found[0][1] if found else None

    def firing(self):
        """The alerts that are raised, by name: their labels."""
        return {
            alert["labels"]["alertname"]: alert["labels"]
            for alert in self.ask("alerts")["alerts"] if alert["state"] == "firing"
        }
