"""Certificates of a test's own authority, and what a client over TLS sees: Python's ssl, curl and openssl as they are."""
import http.client
import pathlib
import socket
import ssl
import subprocess

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(folder, *words, **more):
    return subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, **more)


class Authority:
    """Signs certificates in a folder: `issue("web", "a.example", "*.b.example")` writes web.pem (with the chain) and web.key."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        openssl(self.folder, "req", "-x509", *CURVE, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Tests", "-days", "30")
        self.trust = str(self.folder / "ca.pem")

    def issue(self, name, *hosts, days="90"):
        request = self.folder / f"{name}.csr"
        openssl(self.folder, "req", *CURVE, "-keyout", f"{name}.new.key", "-out", request.name, "-subj", f"/CN={hosts[0]}")
        wanted = "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts) + "\ncrlDistributionPoints=URI:http://crl.invalid/x"
        leaf = openssl(self.folder, "x509", "-req", "-in", request.name, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days,
                       "-extfile", "/dev/stdin", input=wanted.encode()).stdout
        (self.folder / f"{name}.new.pem").write_bytes(leaf + (self.folder / "ca.pem").read_bytes())
        for end in ("pem", "key"):
            (self.folder / f"{name}.new.{end}").replace(self.folder / f"{name}.{end}")
        return {"chain": str(self.folder / f"{name}.pem"), "key": str(self.folder / f"{name}.key")}

    def context(self, *protocols):
        context = ssl.create_default_context(cafile=self.trust)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def connect(self, port, host, timeout=30):
        """A connection to 127.0.0.1 that asks for `host` and checks its certificate."""
        return self.context().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout), server_hostname=host)

    def https(self, port, host, path="/", method="GET", body=None, headers=None, timeout=30):
        """One request: (status, headers, body)."""
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.sock = self.connect(port, host, timeout)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def shown(self, port, host):
        """The certificate's serial number as who asks for `host` sees it."""
        with self.connect(port, host) as connection:
            return connection.getpeercert()["serialNumber"]


def s_client(port, host, *options, say="", timeout=30):
    """What openssl s_client tells, both of its outputs. No host: it asks for none."""
    name = ["-servername", host] if host else ["-noservername"]
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *name, *options], input=say, text=True,
                          capture_output=True, timeout=timeout)
    return done.stdout + done.stderr


def curl(trust, *arguments, timeout=60):
    return subprocess.run(["curl", "-sS", "--cacert", trust, *arguments], capture_output=True, text=True, timeout=timeout)
