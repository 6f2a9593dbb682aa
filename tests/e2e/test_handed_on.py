"""Connections that HAProxy hands on with a PROXY header, machines that are told of their player in one, and endpoints that are found by
the name in a TLS hello: real clients (openssl, ncat), a real balancer, real machines."""
import re
import shutil
import socket
import ssl
import subprocess

import pytest

from harness import gateway
from harness.ports import free_port
from harness.wait import until

BALANCER, PLAYER = "127.0.0.9", "127.0.0.23"
PAGE = r"""#!/bin/sh
CR=$(printf '\r')
while read line; do
  line=${line%$CR}; [ -z "$line" ] && break
  case $line in X-Forwarded-For:*) from=${line#*: } ;; X-Forwarded-Proto:*) proto=${line#*: } ;; X-Real-IP:*) real=${line#*: } ;; esac
done
said="$real|$from|$proto"
printf "HTTP/1.1 200 OK\r\nContent-Length: ${#said}\r\nConnection: close\r\n\r\n$said"
"""
MACHINE = {
    "instance.toml": """name = "Ways"
expected_boot = 1
[ready]
interval = 50
[[endpoint]]
name = "page"
port = 8000
kind = "http"
[[endpoint]]
name = "claims"
port = 8001
client_claims = true
[[endpoint]]
name = "raw"
port = 7001
kind = "tcp"
proxy_protocol = 1
[[endpoint]]
name = "ended"
port = 7002
tls = "end"
proxy_protocol = 1
[[endpoint]]
name = "through"
port = 7003
kind = "tls"
""",
    "page": PAGE,
    "start": """#!/bin/sh
nc -ll -p 8000 -e /bin/sh /page & nc -ll -p 8001 -e /bin/sh /page &
nc -ll -p 7001 -e /bin/cat & nc -ll -p 7002 -e /bin/cat &
exec openssl s_server -quiet -accept 7003 -cert /its.pem -key /its.key -rev
""",
    "Dockerfile": """FROM tiltyard/busybox:1
COPY openssl /usr/bin/openssl
COPY lib /lib/x86_64-linux-gnu
COPY ld.so /lib64/ld-linux-x86-64.so.2
COPY page start its.pem its.key /
STOPSIGNAL SIGKILL
CMD ["/bin/sh", "/start"]
""",
}


def certificate(folder, name, *names):
    chain, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{one}" for one in names), "-keyout", key, "-out", chain],
                   check=True, capture_output=True)
    return chain, key


def add_openssl(folder):
    """The host's openssl with its libraries, for a machine whose image has nothing."""
    shutil.copy(shutil.which("openssl"), folder / "openssl")
    (folder / "lib").mkdir()
    for library in re.findall(r"(/\S+\.so\S*)", subprocess.run(["ldd", folder / "openssl"], check=True, capture_output=True, text=True).stdout):
        shutil.copy(library, folder / ("ld.so" if "ld-linux" in library else f"lib/{library.rsplit('/', 1)[1]}"))


class Balancer:
    """HAProxy on ports of its own, before those that are said: name -> (address behind it, how it hands on, certificate or None)."""

    def __init__(self, folder, ways):
        self.ports = {name: free_port() for name in ways}
        lines = ["global", "  nbthread 1", "defaults", "  mode tcp", "  timeout connect 20s", "  timeout client 60s", "  timeout server 60s"]
        for name, (behind, how, crt) in ways.items():
            lines += [f"listen {name}", f"  bind 127.0.0.1:{self.ports[name]}" + (f" ssl crt {crt}" if crt else ""),
                      f"  server gateway {behind} {how} source {BALANCER}"]
        (folder / "haproxy.cfg").write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", folder / "haproxy.cfg"], stderr=open(folder / "haproxy.log", "wb"))
        until(lambda: all(self._listens(port) for port in self.ports.values()), "HAProxy to listen", 30)

    @staticmethod
    def _listens(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def close(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture(scope="module")
def ways(docker, tmp_path_factory):
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("ways")
    make, end, _ = server_maker(docker, folder)
    chain, key = certificate(folder, "gateway", "*.localhost")
    tls_port = free_port()
    server = make(config={"gateway": {"tls_listen": f"127.0.0.1:{tls_port}", "redirect_to_https": False, "proxy_protocol_from": [BALANCER]},
                          "certificates.gateway": {"chain": str(chain), "key": str(key)}}, ways=MACHINE)
    add_openssl(server.templates / "ways")
    certificate(server.templates / "ways", "its", "machine.example")
    server.start()
    admin = server.admin()
    admin.wait_template("ways", timeout=60)
    instance = admin.running("ways")
    places = {endpoint["name"]: endpoint for endpoint in instance["endpoints"]}
    (folder / "both.pem").write_bytes(chain.read_bytes() + key.read_bytes())
    plain, raw = f"127.0.0.1:{server.gateway_port}", places["raw"]
    balancer = Balancer(folder, {
        "v1": (plain, "send-proxy", None), "v2": (plain, "send-proxy-v2", None), "off": (plain, "send-proxy-v2-ssl", folder / "both.pem"),
        "raw": (f"{raw['host']}:{raw['port']}", "send-proxy", None), "tls": (f"127.0.0.1:{tls_port}", "send-proxy-v2", None)})
    yield server, places, balancer, tls_port
    balancer.close()
    end()


def shown(endpoint, connection, **fields):
    host = endpoint["url"].split("//")[1].split(":")[0].rstrip("/")
    connection.sendall(("GET / HTTP/1.1\r\nConnection: close\r\nHost: %s\r\n" % host + "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
                        + "\r\n").encode())
    answer = b"".join(iter(lambda: connection.recv(4096), b""))
    connection.close()
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return answer.split(b"\r\n\r\n", 1)[1].decode()


def dial(port, source=PLAYER):
    return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))


def inside_of(connection, name):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=name)


def said_by(command, text):
    return subprocess.run(command, input=text, capture_output=True, timeout=60)


def test_R2_2_a_balancer_says_whose_each_connection_is(ways):
    _, places, balancer, _ = ways
    for way in ("v1", "v2"):
        assert shown(places["page"], dial(balancer.ports[way])) == f"{PLAYER}|{PLAYER}|http", way
    assert shown(places["page"], inside_of(dial(balancer.ports["off"]), "x.localhost")) == f"{PLAYER}|{PLAYER}|https"
    # Somebody at the balancer's address who does not say it is nobody's.
    with dial(ways[0].gateway_port, BALANCER) as silent:
        silent.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            silent.recv(100)
    # And who comes from elsewhere can claim nothing.
    with dial(ways[0].gateway_port) as liar:
        liar.sendall(b"PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in liar.recv(100)


def test_R2_2_a_raw_machine_is_told_of_the_player_as_the_balancer_told_us(ways):
    _, places, balancer, _ = ways
    raw = places["raw"]
    for port, host in ((balancer.ports["raw"], "127.0.0.1"), (raw["port"], raw["host"])):
        with socket.create_connection((host, port), timeout=60, source_address=(PLAYER, 0)) as player:
            told = f"PROXY TCP4 {PLAYER} {host} {player.getsockname()[1]} {port}\r\n".encode()
            assert gateway.read_until(player, b"\n") == told, "before the player has said anything"
            player.sendall(b"hi\n")
            assert gateway.read_until(player, b"\n") == b"hi\n"


def test_R2_2_an_endpoint_is_found_by_the_name_in_the_hello(ways):
    _, places, balancer, tls_port = ways
    through, ended = places["through"], places["ended"]
    assert (through["kind"], through["tls"], through["port"]) == ("tls", "through", tls_port)
    assert (ended["kind"], ended["tls"]) == ("tls", "end") and ended["host"] != through["host"]
    for port in (tls_port, balancer.ports["tls"]):
        # Its own certificate is what the player sees, whoever stands between.
        done = said_by(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", through["host"], "-ign_eof"], b"hello\nCLOSE\n")
        assert b"olleh" in done.stdout and b"CN = its" in done.stdout + done.stderr, done
    done = said_by(["ncat", "--ssl", "--ssl-servername", through["host"], "127.0.0.1", str(through["port"])], b"hello\nCLOSE\n")
    assert b"olleh" in done.stdout, done
    # Where it ends here the machine gets what was in it, behind the header that the template wants.
    with inside_of(dial(tls_port), ended["host"]) as player:
        player.sendall(b"hello\n")
        told = f"PROXY TCP4 {PLAYER} 127.0.0.1 {player.getsockname()[1]} {tls_port}\r\n".encode()
        assert gateway.read_until(player, b"hello\n") == told + b"hello\n"
    done = said_by(["openssl", "s_client", "-connect", f"127.0.0.1:{tls_port}", "-servername", ended["host"]], b"Q\n")
    assert b"CN = gateway" in done.stdout + done.stderr, done
    # A page's name leads to a page, and nobody's to nowhere.
    done = said_by(["openssl", "s_client", "-connect", f"127.0.0.1:{tls_port}", "-servername", "nobody.example"], b"Q\n")
    assert b"unrecognized name" in done.stderr, done


def test_R2_1_what_players_claim_is_passed_on_alone_where_the_template_wants_it(ways):
    server, places, _, _ = ways
    claim = {"X_Forwarded_For": "10.13.37.1", "X_Forwarded_Proto": "gopher"}
    assert shown(places["claims"], dial(server.gateway_port), **claim) == f"{PLAYER}|10.13.37.1|gopher"
    assert shown(places["page"], dial(server.gateway_port), **claim) == f"{PLAYER}|10.13.37.1, {PLAYER}|http"
    assert shown(places["claims"], dial(server.gateway_port)) == f"{PLAYER}|{PLAYER}|http"
