# SPDX-License-Identifier: BSD-2-Clause
"""What those who look for weaknesses find at a TLS service: nothing."""
import json
import xml.etree.ElementTree as ElementTree

import pytest

from harness.lab import HOST4
from harness.site import HOST, PARSED, SECURE

# What scanners send and read is user space's own; they take minutes.
pytestmark = [
    pytest.mark.no_kernel,
    pytest.mark.seconds(600),
    pytest.mark.parametrize("port", [SECURE, PARSED], ids=["relayed", "parsed"]),
]
ABOVE_LOW = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}  # WARN is about the scanner itself, as that it knows no GOST
# Of its sections those that must have run to their end.
LOOKED_AT = {"SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "ALPN", "cipherlist_3DES_IDEA", "cert_keySize",
             "heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "fallback_SCSV",
             "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"}


@pytest.mark.tool("testssl")
def test_testssl_finds_nothing_above_low(site, port, tmp_path):
    """Our authority is believed, as one that sells certificates would be."""
    findings = tmp_path / "findings.json"
    site.run(["testssl", "--quiet", "--warnings", "batch", "--color", "0", "--add-ca", site.authority.certificate,
              "--jsonfile", findings, "--ip", HOST4, f"{HOST}:{port}"], seconds=500)  # its status counts the findings
    said = json.loads(findings.read_text(encoding="utf-8"))
    bad = [f"{each['severity']} {each['id']}: {each['finding']}" for each in said if each["severity"] in ABOVE_LOW]
    assert not bad, "\n".join(bad)
    assert LOOKED_AT <= {each["id"] for each in said}, LOOKED_AT - {each["id"] for each in said}


@pytest.mark.tool("sslscan")
def test_sslscan_is_clean(site, port):
    said = site.succeed(["sslscan", "--no-colour", "--xml=-", f"--sni-name={HOST}", f"{HOST4}:{port}"], seconds=200)
    scan = ElementTree.fromstring(said).find("ssltest")
    enabled = {f"{each.get('type')} {each.get('version')}" for each in scan.findall("protocol") if each.get("enabled") == "1"}
    assert enabled == {"tls 1.2", "tls 1.3"}
    ciphers = scan.findall("cipher")
    assert {each.get("cipher") for each in ciphers if each.get("sslversion") == "TLSv1.2"} == {
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"}
    assert {each.get("strength") for each in ciphers} <= {"strong", "acceptable"}
    assert all(each.get("supported") == "0" for each in scan.findall("compression"))
    assert {each.get("vulnerable") for each in scan.findall("heartbleed")} == {"0"}
    assert scan.find("renegotiation").get("secure") == "1" or scan.find("renegotiation").get("supported") == "0"
