"""An engine on another host: over TCP, with and without TLS. The host is this one, behind a relay."""
import contextlib
import json
import re
import select
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

import pytest

from harness.gateway import endpoint, fetch
from harness.wait import until
from test_pool import full

FLAG = re.compile(r"FLAG\{box_[0-9a-f]{16}\}")
FILES = 'FROM tiltyard/busybox:1\nCOPY flag.txt /www/flag.txt\nRUN chown 65534:100 /www/flag.txt && chmod 640 /www/flag.txt\n' \
        'USER 65534:65534\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n'
SETTINGS = 'name = "Far"\nports = [8000]\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n[flag]\nread = "always"\n'
COLD = {"instance.toml": SETTINGS, "flag.txt": "FLAG{box}\n", "Dockerfile": FILES}
POOLED = {**COLD, "instance.toml": SETTINGS + "[pool]\nmin = 1\nmax = 1\n"}


def pump(source, sink):
    """One direction; its end is passed on and leaves the other one open, as an attached command needs it."""
    with contextlib.suppress(OSError, ValueError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError, ValueError):
        sink.shutdown(socket.SHUT_WR)


def pump_tls(client, engine):
    """Both directions in one thread, whose alone an object of TLS is. It has no half to close: the end of what the Engine says is
    the end of all."""
    waiting = [client, engine]
    with contextlib.suppress(OSError, ValueError):
        while True:
            ready = [client] if client in waiting and client.pending() else select.select(waiting, [], [])[0]
            if client in ready:
                if data := client.recv(65536):
                    engine.sendall(data)
                else:
                    engine.shutdown(socket.SHUT_WR)
                    waiting.remove(client)
            if engine in ready:
                if not (data := engine.recv(65536)):
                    break
                client.sendall(data)
        client.unwrap()
    client.close()
    engine.close()


def serve(client, context):
    try:
        if context:
            client = context.wrap_socket(client, server_side=True)
        engine = socket.socket(socket.AF_UNIX)
        engine.connect("/var/run/docker.sock")
    except OSError:
        client.close()
        return
    if context:
        return pump_tls(client, engine)
    threading.Thread(target=pump, args=(client, engine), daemon=True).start()
    pump(engine, client)


@contextlib.contextmanager
def relay(context=None):
    """The Engine's socket on a TCP port; with a context only for those who show a certificate."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=serve, args=(listener.accept()[0], context), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]


def certificates(folder):
    """An authority, and a certificate for each side."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for side in ("engine", "server"):
        openssl("req", *curve, "-keyout", f"{side}.key", "-out", f"{side}.csr", "-subj", f"/CN={side}")
        openssl("x509", "-req", "-in", f"{side}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", f"{side}.pem",
                "-days", "2", "-extfile", "names")


def tls(folder):
    certificates(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "engine.pem", folder / "engine.key")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def readiness(server):
    """What /readyz says: its status and the names of the checks that fail."""
    def ask():
        try:
            with urllib.request.urlopen(f"{server.url}/readyz", timeout=5) as answer:
                return answer.status, []
        except urllib.error.HTTPError as refused:
            return refused.code, [check["name"] for check in json.load(refused)["checks"] if check["status"] != "ok"]
        except OSError:
            return None
    return until(ask, "the server to answer")


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_R5_2_a_remote_engine_gets_the_owners_flag_as_an_archive(make_server, tmp_path, kind):
    with relay(tls(tmp_path) if kind == "tls" else None) as port:
        engine = {"url": f"tcp://127.0.0.1:{port}", "trust_remote_isolation": True}
        if kind == "tls":
            engine |= {"tls_ca": str(tmp_path / "ca.pem"), "tls_certificate": str(tmp_path / "server.pem"), "tls_key": str(tmp_path / "server.key")}
        server = make_server(config={"engine": engine}, cold=COLD, pooled=POOLED)
        server.start()
        admin = server.admin()
        flags = {}
        for template in ("cold", "pooled"):
            admin.wait_template(template)
        for name in ("ann", "bob"):
            player = server.user(name)
            full(server, "pooled", 1)
            for template in ("cold", "pooled"):
                instance = player.running(template)
                status, _, page = fetch(endpoint(instance)["url"], "/flag.txt")
                assert status == 200 and FLAG.fullmatch(page.decode().strip()), page
                flags[name, template] = page.decode().strip()
                facts = player.post(f"/instances/{instance['id']}/exec", {"command": ["ls", "-ln", "/www/flag.txt"]})
                assert re.match(r"-rw-r----- +1 65534 +100 ", facts.expect(200).json["stdout"]), facts.text
        assert len(set(flags.values())) == 4


def test_R1_5_a_remote_engine_starts_nothing_before_its_isolation_is_vouched_for(make_server):
    with relay() as port:
        server = make_server(config={"engine": {"url": f"tcp://127.0.0.1:{port}"}}, cold=COLD)
        server.spawn()
        readiness(server)
        server.admin().wait_template("cold")
        server.admin().start("cold", wait=5).expect(503, "isolation-unavailable")


def test_R1_5_an_engine_that_the_authority_does_not_know_is_no_engine(make_server, tmp_path):
    with relay(tls(tmp_path)) as port:
        (tmp_path / "other").mkdir()
        certificates(tmp_path / "other")
        engine = {"url": f"tcp://127.0.0.1:{port}", "trust_remote_isolation": True, "tls_ca": str(tmp_path / "other" / "ca.pem"),
                  "tls_certificate": str(tmp_path / "server.pem"), "tls_key": str(tmp_path / "server.key")}
        server = make_server(config={"engine": engine}, cold=COLD)
        server.spawn()
        status, failing = readiness(server)
        assert status == 503 and "engine" in failing
        server.admin().start("cold", wait=5).expect(409, "template-not-ready")
