# SPDX-License-Identifier: BSD-2-Clause
"""Clients that are not ours: what they say of TLS 1.2 and 1.3, of kept connections and of resumed sessions."""
import http.client
import re
import ssl

import pytest

from harness import settings
from harness.lab import HOST4
from harness.poll import wait_until
from harness.site import HOST, PARSED, SECURE
from harness.tls import VERSIONS

pytestmark = pytest.mark.parametrize("port", [SECURE, PARSED], ids=["relayed", "parsed"])
each_version = pytest.mark.parametrize("version", ["1.2", "1.3"])


@pytest.fixture(autouse=True)
def _kernel_has_them(site):
    """Whatever the client: where the kernel has TLS, it makes the records."""
    yield
    wait_until(lambda: sum(site.kernel().values()), "connections are told of")
    site.expect_kernel()


def resumed(site):
    return sum(service["work"]["handshakes"]["resumed"] for service in site.lab.rcxlb.status()["services"])


def python_context(site, version):
    made = ssl.create_default_context(cafile=site.authority.certificate)
    made.minimum_version = made.maximum_version = VERSIONS[version]
    made.set_alpn_protocols(["http/1.1"])
    return made


# --- curl ---


def curl(site, version, *words):
    done = site.curl("--http1.1", "--tlsv1.2", "--tls-max", version, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


@each_version
def test_curl_keeps_its_connection(site, port, version):
    url = f"https://{HOST}:{port}"
    words = [word for path in ("/", "/bytes/3000000", "/") for word in ("--output", "/dev/null", url + path)]
    said = curl(site, version, "--write-out", "%{http_code} %{num_connects} %{ssl_verify_result} %{size_download}\n", *words)
    assert said.splitlines() == ["200 1 0 6", "200 0 0 3000000", "200 0 0 6"]


@each_version
def test_curl_uploads(site, port, version, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(b"0123456789" * 500000)
    said = curl(site, version, "--data-binary", f"@{path}", f"https://{HOST}:{port}/upload")
    assert '"bytes":5000000' in said


# --- openssl ---


def s_client(site, port, version, *words):
    options = ["-connect", f"{HOST4}:{port}", "-servername", HOST, "-verify_return_error", "-CAfile",
               site.authority.certificate, f"-tls{version.replace('.', '_')}", "-ign_eof", *words]
    request = f"GET / HTTP/1.1\\r\\nHost: {HOST}\\r\\nConnection: close\\r\\n\\r\\n"
    return site.succeed(["sh", "-c", f"printf '{request}' | openssl s_client \"$@\" 2>&1", "sh", *options])


@each_version
def test_s_client_resumes(site, port, version, tmp_path):
    session = tmp_path / "session"
    said = s_client(site, port, version, "-sess_out", session)
    assert "New, TLSv" in said and "Verify return code: 0 (ok)" in said and "\nhello\n" in said, said
    for _ in range(4):  # whichever worker it is
        said = s_client(site, port, version, "-sess_in", session)
        assert "Reused, TLSv" in said and "\nhello\n" in said, said


# --- Load generators: they take the highest version ---


@pytest.mark.tool("wrk")
def test_wrk(site, port):
    said = site.succeed(["wrk", "-t1", "-c20", f"-d{20 if settings.SLOW_MACHINE else 2}s", "--timeout", "60s", f"https://{HOST4}:{port}/"])
    assert not re.search(r"Non-2xx|Socket errors", said), said
    assert int(re.search(r"(\d+) requests in", said)[1]) > 20, said


@pytest.mark.tool("h2load")
def test_h2load(site, port):
    """It speaks HTTP/1.1 when told to, and then offers that alone by ALPN."""
    said = site.succeed(["h2load", "--h1", "-n", 400, "-c", 20, f"https://{HOST4}:{port}/"])
    assert re.search(r"400 total, 400 started, 400 done, 400 succeeded, 0 failed, 0 errored, 0 timeout", said), said
    assert "TLS Protocol: TLSv1.3" in said and "Application protocol: http/1.1" in said, said


# --- Node.js ---

NODE = """
const https = require('https');
const [port, version, host, address] = process.argv.slice(1);
const common = { host: address, servername: host, port, path: '/', minVersion: `TLSv${version}`, maxVersion: `TLSv${version}` };
function get(agent) {
	return new Promise((resolve, reject) => {
		const request = https.get({ ...common, agent }, (answer) => {
			const socket = answer.socket;
			const said = [answer.statusCode, request.reusedSocket, socket.isSessionReused(), socket.getProtocol()];
			answer.resume();
			answer.on('end', () => resolve(said.join(' ')));
		});
		request.on('error', reject);
	});
}
(async () => {
	const keeps = new https.Agent({ keepAlive: true }), ends = new https.Agent({ keepAlive: false });
	for (const agent of [keeps, keeps, ends, ends]) {
		console.log(await get(agent));
		await new Promise((resolve) => setTimeout(resolve, 100)); // its agent takes a socket back a moment later
	}
	keeps.destroy();
})();
"""


@each_version
def test_node_s_https(site, port, version):
    before = resumed(site)
    said = site.succeed(["node", "-e", NODE, port, version, HOST, HOST4]).splitlines()
    protocol = f"TLSv{version}"
    assert said == [f"200 false false {protocol}", f"200 true false {protocol}",
                    f"200 false false {protocol}", f"200 false true {protocol}"]
    wait_until(lambda: resumed(site) > before, "the resumed session is counted")


# --- Python ---


@each_version
def test_python_keeps_its_connection_and_resumes(site, port, version):
    using, session = python_context(site, version), None
    for turn in range(3):
        raw = site.lab.connect(HOST4, port).sock
        with using.wrap_socket(raw, server_hostname=HOST, session=session) as sock:
            assert sock.session_reused == (turn > 0)
            assert sock.selected_alpn_protocol() == "http/1.1"
            connection = http.client.HTTPConnection(HOST)
            connection.sock = sock
            for size in (0, 100, 2000000):
                connection.request("GET", f"/bytes/{size}")
                assert len(connection.getresponse().read()) == size
            session = sock.session
