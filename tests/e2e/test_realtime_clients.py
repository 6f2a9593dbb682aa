"""Clients that nobody changed (row 9.1): npm's socket.io-client and Debian's python3-socketio."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from harness import templates
from harness.realtime import Echo
from harness.wait import until

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLIENT = ROOT / "tests" / "realtime_client"


@pytest.fixture(scope="module")
def ground(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("clients"))
    server = make(config=templates.FAKE, web=templates.EMPTY).start()
    yield server
    end()


@pytest.fixture(scope="module")
def echo():
    server = Echo(interval=25, timeout=20, connect=45)
    yield server
    server.close()


def token_of(server, name):
    return server.user(name).post("/me/tokens", {"name": "client"}).expect(201).json["token"]


def javascript(url, tokens, echo, **environment):
    """What tests/realtime_client/run.mjs has seen: a list of {name, value}, and the same by name."""
    assert shutil.which("node") and shutil.which("npm"), "the packages nodejs and npm are missing"
    if not (CLIENT / "node_modules" / "socket.io-client").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"], cwd=CLIENT, check=True, timeout=300)
    ran = subprocess.run(["node", str(CLIENT / "run.mjs")], capture_output=True, text=True, timeout=60, check=False,
                         env={**os.environ, "URL": url, "ECHO": f"http://127.0.0.1:{echo.port}", "TOKEN": tokens[0], "OTHER": tokens[1], **environment})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    seen = [json.loads(line) for line in ran.stdout.splitlines()]
    return seen, {one["name"]: one["value"] for one in seen}


def test_R9_1_the_javascript_client_finds_everything_it_knows(ground, echo):
    seen, named = javascript(ground.url, [token_of(ground, name) for name in ("jan", "jil")], echo)
    assert [(one["value"]["ends"], one["value"]["answered"]) for one in seen if one["name"] == "transport"] == [
        ("websocket", "well!"), ("websocket", "well!"), ("polling", "well!")]
    assert named["joined"]["ok"] and {"jan", "jil"} == {one["name"] for one in named["joined"]["people"]}
    assert named["refused"]["error"]["reason"] == "forbidden"
    assert named["recovered"] == {"recovered": True, "heard": ["one", "two", "three"]}
    assert named["nobody"]["reason"] == "not-signed-in"


def test_R9_1_the_javascript_client_talks_over_tls(make_server, echo, tmp_path):
    server = make_server(config=templates.FAKE, web=templates.EMPTY).start()
    tokens = [token_of(server, name) for name in ("jan", "jil")]
    server.stop()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=range",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.pem"], cwd=tmp_path, check=True, capture_output=True)
    server.config["server"] |= {"tls_certificate": str(tmp_path / "tls.pem"), "tls_key": str(tmp_path / "tls.key")}
    server.spawn()
    until(server.printed_url, "the server to be ready", 30)
    assert server.printed_url().startswith("https://")
    _, named = javascript(f"https://127.0.0.1:{server.port}", tokens, echo, NODE_EXTRA_CA_CERTS=str(tmp_path / "tls.pem"))
    assert named["joined"]["ok"] and named["carried"] == ["websocket", "websocket"]
    assert named["recovered"] == {"recovered": True, "heard": ["one", "two", "three"]}
    assert named["nobody"]["reason"] == "not-signed-in"


PYTHON_CLIENT = """
import sys, socketio
url, token, transports = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
client = socketio.Client()
heard = []
client.on("message", lambda message, *offset: heard.append(message["text"]))
client.connect(url, auth={"token": token}, transports=transports)
joined = client.call("join", "chat:lobby", timeout=5)
said = client.call("say", ("chat:lobby", {"text": "from python"}), timeout=5)
for _ in range(200):
    if "from python" in heard: break
    client.sleep(0.02)
print(joined["ok"], said["ok"], heard[-1], client.transport())
client.disconnect()
"""


@pytest.mark.parametrize("transports, ends", [("polling,websocket", "websocket"), ("websocket", "websocket"), ("polling", "polling")])
def test_R9_1_the_python_client_joins_and_talks(ground, transports, ends):
    ran = subprocess.run(["/usr/bin/python3", "-c", PYTHON_CLIENT, ground.url, token_of(ground, f"py-{transports.replace(',', '-')}"), transports],
                         capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.split("\n")[0] == f"True True from python {ends}"
