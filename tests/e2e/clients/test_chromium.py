# SPDX-License-Identifier: BSD-2-Clause
"""A real browser: it logs in by a form, gets a cookie for TLS only, opens WebSockets, uploads, and comes back to its
instance all the time."""
import base64
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from harness import settings
from harness.lab import HOST4
from harness.poll import wait_until
from harness.process import Process
from harness.site import HOST, PARSED
from harness.tls import openssl

pytestmark = [pytest.mark.tool("chromium"), pytest.mark.seconds(300)]

MEGABYTES = settings.scaled(100)
PATH = "/usr/local/bin:/usr/bin:/bin"


def key_digest(identity):
    """By which Chromium is told to believe a certificate that no authority that it knows has made."""
    public = openssl("x509", "-in", identity.certificate, "-noout", "-pubkey")
    der = openssl("pkey", "-pubin", "-outform", "DER", text=public)
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def browse(site, folder, url):
    """It runs until it is ended, and leaves what it leaves in the folder."""
    folder.mkdir()
    return Process(site.lab.clients.command(
        "chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder}", "--remote-debugging-port=0", f"--host-resolver-rules=MAP {HOST} {HOST4}",
        f"--ignore-certificate-errors-spki-list={key_digest(site.identity)}", url), env={"HOME": str(folder), "TMPDIR": str(folder), "PATH": PATH})


def results(site):
    """What browsers have told the instances so far, by instance."""
    told = {}
    for number, name in enumerate(site.names, 1):
        done = subprocess.run(site.lab.host.command("curl", "--silent", f"http://127.0.0.1:{3000 + number}/result"),
                              capture_output=True, check=False, timeout=30)
        if done.stdout:
            told[name] = json.loads(done.stdout)
    return told


def test_a_page_that_logs_in_and_does_everything(site):
    browser = browse(site, site.lab.folder / "browser", f"https://{HOST}:{PARSED}/enter?megabytes={MEGABYTES}")
    try:
        told = wait_until(lambda: results(site), "the page has told what became of it", 90)
    finally:
        browser.end()
    [(instance, said)] = told.items()
    sessions = said.pop("sockjs", None)
    assert said == {
        "protocol": "http/1.1", "cookie": "", "isSecure": True,
        "websocket": {"messages": 3, "code": 1000, "wasClean": True},
        "upload": {"status": 200, "bytes": MEGABYTES * 10**6, "isTheSame": True},
        "download": MEGABYTES * 10**6,
    }
    if not Path("/usr/share/nodejs/sockjs").exists():
        pytest.skip("all but SockJS, which is not installed; run scripts/deps clients")
    assert sessions == [f"{instance} {transport}" for transport in ("websocket", "xhr-streaming", "xhr-polling")]
