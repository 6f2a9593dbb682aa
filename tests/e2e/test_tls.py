"""TLS of the server's own: one port for the page, the API and players' machines, with certificates in files."""
import contextlib
import json
import pathlib
import socket
import subprocess

import pytest

from harness import gateway, templates, tls
from harness.ports import free_port
from harness.wait import until

PAGE, DOMAIN = "ctf.test", "range.test"


class Site:
    """A server with TLS, the authority that its certificates are from, and one machine that runs."""

    def __init__(self, folder, make):
        self.authority = tls.Authority(folder)
        self.port = free_port()
        page, wild = self.authority.issue("page", PAGE), self.authority.issue("range", f"*.{DOMAIN}")
        broken = {"chain": wild["chain"], "key": page["key"]}
        self.server = make(config={
            "server": {"public_url": f"https://{PAGE}:{self.port}"},
            "gateway": {"tls_listen": f"127.0.0.1:{self.port}", "domain": DOMAIN, "hsts": "1d"},
            "certificates.page": page, "certificates.range": wild, "certificates.broken": broken,
            "certificates.missing": {"chain": "nowhere.pem", "key": "nowhere.key"},
        }, web=templates.WEB).start()
        self.admin = self.server.admin()
        self.admin.wait_template("web")
        self.instance = self.admin.running("web")
        self.url = gateway.endpoint(self.instance)["url"]
        self.host = self.url.split("//")[1].split(":")[0].split("/")[0]

    def curl(self, host, url, *more, port=None):
        return tls.curl(self.authority.trust, "--resolve", f"{host}:{port or self.port}:127.0.0.1", *more, url)


@pytest.fixture(scope="module")
def site(docker, tmp_path_factory):
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("tls")
    make, end, _ = server_maker(docker, folder)
    try:
        yield Site(folder / "authority", make)
    finally:
        end()


def test_R2_2_page_and_machines_are_one_port_and_its_urls_say_so(site):
    assert site.url.startswith(f"https://{site.host}:{site.port}") and site.host.endswith(f".{DOMAIN}")
    machine = site.curl(site.host, site.url + "/", "-i")
    assert "200" in machine.stdout.splitlines()[0] and "hello from web" in machine.stdout, machine
    assert "strict-transport-security: max-age=86400" in machine.stdout.lower()
    page = site.curl(PAGE, f"https://{PAGE}:{site.port}/", "-i")
    assert "200" in page.stdout.splitlines()[0] and "<html" in page.stdout.lower(), page
    me = site.curl(PAGE, f"https://{PAGE}:{site.port}/api/v1/me", "-H", f"Authorization: Bearer {site.admin.token}")
    assert json.loads(me.stdout) == site.admin.get("/me").json
    # Each name has a certificate of its own, and is not the other.
    assert site.authority.https(site.port, PAGE, headers={"Host": site.host})[0] == 421
    assert site.authority.https(site.port, site.host, headers={"Host": f"{PAGE}:{site.port}"})[0] == 404
    assert site.authority.https(site.port, f"nobody.{DOMAIN}")[0] == 404


def test_R2_2_a_session_over_it_has_a_secure_cookie(site):
    site.admin.post("/admin/users", {"name": "tls-player", "password": "correct horse battery", "role": "player"}).expect(201)
    status, headers, body = site.authority.https(
        site.port, PAGE, "/api/v1/session", "POST", json.dumps({"strategy": "local", "name": "tls-player", "password": "correct horse battery"}),
        {"Content-Type": "application/json", "Host": f"{PAGE}:{site.port}", "Origin": f"https://{PAGE}:{site.port}", "X-Tiltyard-Csrf": "1"})
    assert status == 201, body
    assert headers["set-cookie"].startswith("__Host-") and "; Secure" in headers["set-cookie"]


def test_R2_2_who_comes_without_tls_is_sent_there(site):
    port = site.server.gateway_port
    answer = site.curl(site.host, f"http://{site.host}:{port}/index.html?a=b", "-i", port=port)
    assert "308" in answer.stdout.splitlines()[0], answer
    assert f"location: https://{site.host}:{site.port}/index.html?a=b" in answer.stdout.lower()
    followed = tls.curl(site.authority.trust, "-L", "--resolve", f"{site.host}:{port}:127.0.0.1", "--resolve", f"{site.host}:{site.port}:127.0.0.1",
                        f"http://{site.host}:{port}/")
    assert "hello from web" in followed.stdout
    told = site.curl(site.host, f"http://{site.host}:{site.port}/", "-i")
    assert "400" in told.stdout.splitlines()[0] and "https://" in told.stdout, "plain HTTP at the port of TLS"


def test_R2_2_is_spoken_in_modern_terms(site):
    new = tls.s_client(site.port, site.host, "-alpn", "h2,http/1.1", "-CAfile", site.authority.trust)
    assert "TLSv1.3" in new and "ALPN protocol: http/1.1" in new and "Verify return code: 0" in new
    old = tls.s_client(site.port, site.host, "-tls1_2", say="R\n")
    assert "Secure Renegotiation IS supported" in old
    assert "no renegotiation" in old, "a client that wants to begin anew is told no"
    assert "unrecognized name" in tls.s_client(site.port, "else.test")
    assert "unrecognized name" in tls.s_client(site.port, None)
    assert "no application protocol" in tls.s_client(site.port, site.host, "-alpn", "h2")
    for options in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-GCM-SHA256"]):
        assert "Cipher is (NONE)" in tls.s_client(site.port, site.host, *options)


def test_R2_2_sessions_are_resumed_by_tickets_of_their_name(site, tmp_path):
    for version in ("-tls1_2", "-tls1_3"):
        ticket = str(tmp_path / f"ticket{version}")
        request = f"GET / HTTP/1.1\nHost: {site.host}\nConnection: close\n\n"
        first = tls.s_client(site.port, site.host, version, "-sess_out", ticket, "-ign_eof", "-crlf", say=request)
        assert "New, " in first and pathlib.Path(ticket).stat().st_size > 0
        assert "Reused, " in tls.s_client(site.port, site.host, version, "-sess_in", ticket, "-ign_eof", "-crlf", say=request)
    assert "Reused, " not in tls.s_client(site.port, PAGE, "-tls1_3", "-sess_in", ticket)


def test_R2_2_a_changed_file_is_taken_up_and_cuts_nobody(site):
    with site.authority.connect(site.port, site.host) as kept:
        before = kept.getpeercert()["serialNumber"]
        site.authority.issue("range", f"*.{DOMAIN}")
        until(lambda: site.authority.shown(site.port, site.host) != before, "the new certificate to be shown", 30)
        kept.sendall(f"GET / HTTP/1.1\r\nHost: {site.host}\r\nConnection: close\r\n\r\n".encode())
        assert b"hello from web" in gateway.read_until(kept, b"hello from web")


def test_R2_2_what_is_wrong_with_a_certificate_is_said_and_the_others_work(site):
    listed = {each["id"]: each for each in site.admin.get("/admin/certificates").expect(200).json["items"]}
    said = json.dumps(listed)
    assert "not that of the certificate" in said and "nowhere.pem" in said, said
    log = site.server.log()
    assert "certificates.broken" in log and "certificates.missing" in log
    assert site.authority.https(site.port, site.host)[0] == 200
    doctor = subprocess.run([*site.server.command, "doctor", "--config", str(site.server.folder / "tiltyard.toml")], capture_output=True, text=True, timeout=60)
    assert "certificates.broken: The key is not that of the certificate" in doctor.stdout, doctor


def test_R2_2_who_never_finishes_a_hello_costs_little(site):
    """Half a hello of a thousand clients holds nobody up."""
    half = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 10)).sendall(half)
        assert site.authority.https(site.port, site.host)[0] == 200
        long = stack.enter_context(socket.create_connection(("127.0.0.1", site.port), 30))
        long.sendall(b"\x16\x03\x01\x40\x00\x01\x00\xff\xff")
        assert long.recv(100) == b"\x15\x03\x03\x00\x02\x02\x2f"


def weak_points(report):
    grave = ("MEDIUM", "HIGH", "CRITICAL")
    return [f"{each['id']}: {each['finding']}" for each in json.loads(report.read_text()) if each["severity"] in grave]


def test_R2_2_testssl_finds_nothing_of_weight(site, tmp_path):
    report = tmp_path / "report.json"
    # What is looked up elsewhere (DNS, revocation, who else has the key) says nothing of a loopback.
    subprocess.run(["testssl", "--quiet", "--warnings", "batch", "--color", "0", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", site.authority.trust,
                    "--fast", "--protocols", "--server-defaults", "--server-preference", "--headers", "--vulnerable", "--jsonfile", str(report),
                    f"{PAGE}:{site.port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=300)
    assert "TLS1_3" in report.read_text() and not weak_points(report)
