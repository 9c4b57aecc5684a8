# SPDX-License-Identifier: BSD-2-Clause
"""Other people's servers as instances, each of which waits for connections in its own way: one of three is stopped."""
import re
import shutil
import subprocess

import pytest

from harness.client import refused
from harness.halt import stopped
from harness.poll import wait_until
from harness.settings import scaled
from harness.visits import bursts, paced

PORTS = (3001, 3002, 3003)
NAMES = [f"i{port}" for port in PORTS]
STOPPED = "i3002"
pytestmark = pytest.mark.seconds(120)

# What the servers serve. NAME, PORT and FOLDER stand for an instance's own.
FILES = {
    "wsgi.py": """
def application(_environment, start):
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len("NAME"))), ("Connection", "close")])
    return [b"NAME"]
""",
    "index.txt": "NAME",
    "index.php": "NAME",
    "config.ru": 'run lambda { |_| [200, {"content-type" => "text/plain", "content-length" => "5"}, ["NAME"]] }\n',
    "haproxy": """
global
	nbthread 2
defaults
	mode http
	timeout client 5s
frontend all
	bind 127.0.0.1:PORT
	http-request return status 200 content-type text/plain string "NAME"
""",
    "lighttpd": """
server.document-root = "FOLDER"
server.bind = "127.0.0.1"
server.port = PORT
index-file.names = ("index.txt")
server.max-worker = WORKERS
""",
    "apache": """
ServerRoot FOLDER
ServerName any
PidFile FOLDER/pid
ErrorLog FOLDER/error
Listen 127.0.0.1:PORT
LoadModule mpm_MPM_module /usr/lib/apache2/modules/mod_mpm_MPM.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule mime_module /usr/lib/apache2/modules/mod_mime.so
LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
User nobody
StartServers 2
KeepAlive Off
TypesConfig /etc/mime.types
DocumentRoot FOLDER
DirectoryIndex index.txt
""",
    "hello.go": """
package main
import ("fmt"; "net"; "net/http"; "os")
func main() {
	listener, err := net.Listen("tcp4", "127.0.0.1:" + os.Args[2])
	if err != nil { panic(err) }
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Args[1]) })
	http.Serve(listener, nil)
}
""",
    "Hello.java": """
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
public class Hello {
	public static void main(String[] arguments) throws Exception {
		byte[] name = arguments[0].getBytes();
		var server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[1])), 1024);
		server.createContext("/", exchange -> {
			exchange.getResponseHeaders().set("Connection", "close");
			exchange.sendResponseHeaders(200, name.length);
			exchange.getResponseBody().write(name);
			exchange.close();
		});
		server.setExecutor(Executors.newFixedThreadPool(4));
		server.start();
	}
}
""",
}
# A command; behind it, what else words in the files stand for.
UWSGI = "uwsgi --http-socket 127.0.0.1:PORT --plugin python3 --wsgi-file FOLDER/wsgi.py --uid nobody --disable-logging"
SERVERS = {
    "gunicorn": "gunicorn --chdir FOLDER --workers 3 --bind 127.0.0.1:PORT wsgi",
    "gunicorn with threads": "gunicorn --chdir FOLDER --workers 2 --worker-class gthread --threads 8 --bind 127.0.0.1:PORT wsgi",
    "uwsgi": f"{UWSGI} --processes 3",
    "uwsgi with a master": f"{UWSGI} --master --processes 2",
    "apache, event": "apache2 -DFOREGROUND -f FOLDER/apache MPM=event",
    "apache, prefork": "apache2 -DFOREGROUND -f FOLDER/apache MPM=prefork",
    "apache, worker": "apache2 -DFOREGROUND -f FOLDER/apache MPM=worker",
    "haproxy": "haproxy -f FOLDER/haproxy",
    "lighttpd": "lighttpd -D -f FOLDER/lighttpd WORKERS=0",
    "lighttpd with workers": "lighttpd -D -f FOLDER/lighttpd WORKERS=2",
    "php": "php -S 127.0.0.1:PORT -t FOLDER",
    "puma": "puma --bind tcp://127.0.0.1:PORT --threads 1:4 --quiet FOLDER/config.ru",
    "puma with workers": "puma --bind tcp://127.0.0.1:PORT --threads 1:4 --workers 2 --quiet FOLDER/config.ru",
    "go": "FOLDER/hello NAME PORT",
    "java": "java -cp FOLDER Hello NAME PORT",
}


# What has to be compiled first, and by which program.
COMPILED = {"go": "go build -o FOLDER/hello FOLDER/hello.go", "java": "javac -d FOLDER FOLDER/Hello.java"}


def replaced(text, words):
    for word, value in words.items():
        text = re.sub(rf"(?<![A-Za-z]){word}(?![A-Za-z])", str(value), text)
    return text


def start(lab, server, name, port):
    command, *settings = re.split(r" (?=[A-Z]+=)", SERVERS[server])
    folder = lab.folder / name
    folder.mkdir()
    folder.chmod(0o755)  # some give up their rights
    words = {"NAME": name, "PORT": port, "FOLDER": folder, **dict(each.split("=") for each in settings)}
    for file, text in FILES.items():
        (folder / file).write_text(replaced(text, words), encoding="ascii")
    if server in COMPILED:
        subprocess.run(replaced(COMPILED[server], words).split(), check=True,
                       env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "GOCACHE": str(lab.folder / "go"), "HOME": str(folder)})
    return lab.start(replaced(command, words).split())


def come(lab):
    visits = bursts(lab.clients, scaled(200, 40)) + paced(lab.clients, scaled(100, 20), 100)
    print(visits)
    assert set(visits.names) <= set(NAMES) | {"timed out"}, visits
    return visits


@pytest.mark.parametrize("before_load", [False, True], ids=["stopped", "stopped before load"])
@pytest.mark.parametrize("rule", ["least", "bounded"])
@pytest.mark.parametrize("server", SERVERS)
def test_one_that_is_stopped_is_passed_over(lab, server, rule, before_load):
    program = COMPILED.get(server, SERVERS[server]).split()[0]
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed; run scripts/deps clients")
    instances = {name: start(lab, server, name, port) for name, port in zip(NAMES, PORTS)}
    for port in PORTS:
        wait_until(lambda port=port: not refused(lab.host, "127.0.0.1", port), f"somebody listens on {port}", 20)
    if not before_load:
        lab.load_with(*PORTS, rule=("--balance", rule))
        assert set(come(lab).names) == set(NAMES)
    with stopped(instances[STOPPED]):
        if before_load:
            lab.load_with(*PORTS, rule=("--balance", rule))
        assert come(lab).stuck <= 1
    assert lab.rcxlb.service()["refused"] == 0
