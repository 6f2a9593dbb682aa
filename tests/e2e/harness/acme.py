"""Real parts for certificates: pebble (an ACME server for tests) and PowerDNS, each with ports and files of its own."""
import json
import os
import socket
import sqlite3
import ssl
import struct
import subprocess
import urllib.request

from .ports import free_port
from .wait import until


def free_udp_and_tcp_port():
    """A port that neither TCP nor UDP has taken."""
    while True:
        port = free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def own_authority(folder, names=("localhost",)):
    """A CA and a certificate of it for a server of the test's: paths of the CA's certificate, the certificate and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    ca, ca_key, cert, key = (folder / name for name in ("ca.pem", "ca.key", "cert.pem", "cert.key"))
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", ca_key, "-out", ca,
        "-days", "2", "-subj", "/CN=tests", "-addext", "basicConstraints=critical,CA:TRUE")
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", folder / "csr.pem",
        "-subj", "/CN=" + names[0])
    extension = folder / "ext"
    extension.write_text("subjectAltName=" + ",".join([*(f"DNS:{name}" for name in names), "IP:127.0.0.1"]))
    run("openssl", "x509", "-req", "-in", folder / "csr.pem", "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert, "-days", "2",
        "-extfile", extension)
    return ca, cert, key


def _name(text):
    return b"".join(bytes([len(part)]) + part.encode() for part in text.rstrip(".").split(".")) + b"\0"


def lookup_txt(port, name):
    """The texts of a TXT record as the DNS server at this port has it."""
    query = struct.pack(">HHHHHH", 1, 0, 1, 0, 0, 0) + _name(name) + struct.pack(">HH", 16, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(10)
        link.sendto(query, ("127.0.0.1", port))
        answer = link.recv(4096)
    count = struct.unpack(">H", answer[6:8])[0]
    at = 12 + len(_name(name)) + 4
    texts = []
    for _ in range(count):
        while answer[at] != 0 and answer[at] < 0xC0:
            at += answer[at] + 1
        at += 2 if answer[at] >= 0xC0 else 1
        kind, _, _, length = struct.unpack(">HHIH", answer[at:at + 10])
        at += 10
        if kind == 16:
            texts.append(answer[at + 1:at + 1 + answer[at]].decode())
        at += length
    return sorted(texts)


class PowerDns:
    """pdns_server with an SQLite file. `zone` makes a zone; every name in it has the address 127.0.0.1."""

    SCHEMA = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    KEY = "key-of-the-tests"

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self.api_port = free_udp_and_tcp_port(), free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.api_port}"

    def start(self, **extra):
        database = self.folder / "pdns.sqlite3"
        if not database.exists():
            with sqlite3.connect(database) as link:
                link.executescript(open(self.SCHEMA).read())
        settings = {
            "launch": "gsqlite3", "gsqlite3-database": database, "gsqlite3-dnssec": "yes", "local-address": "127.0.0.1", "local-port": self.port, "api": "yes", "api-key": self.KEY,
            "webserver": "yes", "webserver-address": "127.0.0.1", "webserver-port": self.api_port,
            "webserver-allow-from": "127.0.0.0/8", "socket-dir": self.folder, "guardian": "no", "daemon": "no", "setuid": "", "setgid": "",
            "query-cache-ttl": 0, "cache-ttl": 0, "negquery-cache-ttl": 0, "zone-cache-refresh-interval": 0, "version-string": "anonymous",
            "security-poll-suffix": "", **extra,
        }
        (self.folder / "pdns.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        with open(self.folder / "pdns.log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/pdns_server", f"--config-dir={self.folder}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, "pdns_server to answer", 30, step=0.02)
        return self

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "pdns.log").read_text()
        try:
            return self.call("GET", "").get("type") == "Server"
        except OSError:
            return False

    def call(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}/api/v1/servers/localhost{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"X-API-Key": self.KEY, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def zone(self, name, *hosts):
        """`hosts` get addresses of their own: below a wildcard a name loses its address while something stands below it."""
        record = lambda kind, content, at=name: {"name": f"{at}.", "type": kind, "ttl": 60, "records": [{"content": content, "disabled": False}]}
        self.call("POST", "/zones", {"name": f"{name}.", "kind": "Native", "nameservers": [], "rrsets": [
            record("SOA", f"ns.{name}. root.{name}. 1 60 60 60 60"), record("NS", f"ns.{name}."), record("A", "127.0.0.1"),
            record("A", "127.0.0.1", f"*.{name}"), record("A", "127.0.0.1", f"ns.{name}"),
            *(record("A", "127.0.0.1", host) for host in hosts)]})

    def texts(self, name):
        return lookup_txt(self.port, name)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Pebble:
    """An ACME server that looks names up at `dns_port` and comes to `http_port` and `tls_port`; `bound` are its keys for accounts by id.

    Its state goes with its process.
    """

    def __init__(self, folder, http_port, tls_port, dns_port, refused_nonces=15, strict=True, bound=None):
        self.folder = folder
        self.port, self.management = free_port(), free_port()
        self.ca, cert, key = own_authority(folder / "tls")
        (folder / "pebble.json").write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.management}",
            "certificate": str(cert), "privateKey": str(key), "httpPort": http_port, "tlsPort": tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": bound is not None, "externalAccountMACKeys": bound or {}}}))
        self.dns_port, self.strict = dns_port, strict
        self.environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": str(refused_nonces), "PEBBLE_AUTHZREUSE": "0"}
        self.process = None

    @property
    def directory(self):
        return f"https://127.0.0.1:{self.port}/dir"

    def start(self):
        with open(self.folder / "pebble.log", "ab") as log:
            self.process = subprocess.Popen(["pebble", "-config", str(self.folder / "pebble.json"), f"-strict={str(self.strict).lower()}",
                                             "-dnsserver", f"127.0.0.1:{self.dns_port}"], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self._answers, "pebble to answer", 30, step=0.02)
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log()
        try:
            urllib.request.urlopen(self.directory, timeout=10, context=ssl.create_default_context(cafile=self.ca)).close()
            return True
        except OSError:
            return False

    def root(self):
        """The CA that its certificates come from, as a file."""
        path = self.folder / "root.pem"
        with urllib.request.urlopen(f"https://127.0.0.1:{self.management}/roots/0", timeout=10,
                                    context=ssl.create_default_context(cafile=self.ca)) as answer:
            path.write_bytes(answer.read())
        return path

    def log(self):
        return (self.folder / "pebble.log").read_text()

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
