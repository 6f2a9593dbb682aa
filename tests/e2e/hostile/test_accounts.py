"""What strangers, players and staff with a grudge try against accounts, the page and the farm, and what comes of it."""
import concurrent.futures
import contextlib
import http.client
import http.server
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request

import pytest

from harness import templates
from harness.farm import GAME, farm
from harness.ports import free_port
from harness.realtime import Sio
from harness.server import ROOT, binary
from harness.wait import until

sys.path.insert(0, str(ROOT / "tests" / "standins"))
from ctfd import Ctfd  # noqa: E402


# --- staff are not root --------------------------------------------------------------------------------------------


def operator(server, name="op"):
    return server.user(name, role="operator")


def test_R6_2_no_program_of_the_host_is_set_over_the_api(make_server, tmp_path):
    """An operator of the page, or whoever has an operator's cookie, would run what they like on the server's machine."""
    server = farm(make_server)
    staff, proof = operator(server), tmp_path / "ran"
    sly = [f'[senders]\ncount = 1\ncommand = ["/bin/sh", "-c", "id >{proof}"]\n',
           f'senders = {{ count = 1, command = ["/bin/sh", "-c", "id >{proof}"] }}\n',
           f'[senders]\ncount = 1\n"comm\\u0061nd" = ["/bin/sh", "-c", "id >{proof}"]\n']
    for extra in sly:
        text = GAME + "\n" + extra if extra.startswith("[") else extra + GAME
        refused = staff.put("/farm/config", {"text": text}).expect(422, "farm-config-invalid").json
        assert "farm.toml" in refused["detail"] and "senders.command" in refused["detail"], refused
    assert server.game.read_text() == GAME and not proof.exists()


def test_R6_2_the_program_of_the_file_is_kept_when_the_rest_is_saved(make_server):
    own = GAME + '\n[senders]\ncount = 0\ncommand = ["/bin/sh", "-c", "exit 0"]\n'
    server = farm(make_server, own)
    staff = operator(server)
    shown = staff.get("/farm/config").expect(200).json
    saved = shown["text"].replace("[services]", '[services]\n"new_*" = "new"')
    staff.put("/farm/config", {"text": saved, "version": shown["version"]}).expect(200)
    assert server.game.read_text() == own.replace("[services]", '[services]\n"new_*" = "new"')
    for other in (saved.replace("exit 0", "exit 1"), saved.replace('command = ["/bin/sh", "-c", "exit 0"]\n', "")):
        assert "Leave it here as it was" in staff.put("/farm/config", {"text": other}).expect(422).json["detail"]


def test_R6_2_a_secret_does_not_go_to_another_jury(make_server):
    """Who may not see the jury's token has the farm send it to a server of theirs."""
    server = farm(make_server)
    staff = operator(server)
    shown = staff.get("/farm/config").json["text"]
    for moved in (shown.replace('host = "127.0.0.1"', 'host = "203.0.113.9"'), shown.replace('host = "127.0.0.1"', 'url = "http://203.0.113.9/"'),
                  shown.replace("31337", "4444"), shown.replace("forcad_http", "forcad_tcp")):
        assert moved != shown
        refused = staff.put("/farm/config", {"text": moved}).expect(422, "farm-config-invalid").json
        assert "once more" in refused["detail"] and moved.splitlines()[refused["line"] - 1] == 'token = "***"', refused
        given = moved.replace('"***"', '"given-once-more-by-staff"')
        staff.put("/farm/config", {"text": given}).expect(200)
        server.game.write_text(GAME)
        until(lambda: staff.get("/farm/config").json["text"] == shown, "the file as it was", 10)


def test_R6_2_no_other_body_names_a_program_or_a_file(server):
    """Every member of every body that the API takes, by its name; what is new here has to be looked at."""
    with urllib.request.urlopen(f"{server.url}/openapi.json", timeout=10) as answer:
        document = json.load(answer)

    def members(schema, path):
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        for name, inner in schema.get("properties", {}).items():
            yield f"{path}.{name}"
            yield from members(inner, f"{path}.{name}")
        for part in (*schema.get("oneOf", []), *schema.get("allOf", []), *schema.get("anyOf", []), *([schema["items"]] if "items" in schema else [])):
            yield from members(part, path)

    named = set()
    for operations in document["paths"].values():
        for operation in operations.values():
            for body in operation.get("requestBody", {}).get("content", {}).values() if isinstance(operation, dict) else ():
                named |= set(members(body.get("schema", {}), operation["operationId"]))
    assert len(named) > 30
    suspicious = {name for name in named if re.search(r"command|program|path|file|folder|exec|script|hook|url|host", name.rsplit(".", 1)[1], re.I)}
    # Two are of a machine, and are carried out by a program inside it; keys are fetched only below `ssh.keys_from`.
    assert suspicious == {"execInInstance.command", "makeFolder.path", "addSshKeys.url"}, suspicious


@contextlib.contextmanager
def inner_service():
    """A service of the host that listens on the loopback for its own, such as a database or the metadata of a cloud."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            asked.append((self.command, self.path, dict(self.headers)))
            body = b'{"secret": "of the host"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, *_):
            pass

    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    try:
        yield site.server_port, asked
    finally:
        site.shutdown()
        site.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"])
def test_R6_6_the_farm_is_nobody_s_way_to_the_host_s_own_services(make_server, host):
    with inner_service() as (port, asked):
        server = farm(make_server, server={})
        staff = operator(server)
        data = f'\n[attack_data]\nformat = "forcad"\nurl = "http://{host}:{port}/latest/"\ncredentials_url = "http://{host}:{port}/c"\nperiod = "500ms"\n'
        staff.put("/farm/config", {"text": GAME + data}).expect(200)
        told = until(lambda: staff.get("/farm/attack-data").json["error"], "the refusal to be told", 10)
        assert "server.allow_targets" in told, told
        staff.get("/farm/attack-data/credentials").expect(404, "attack-data-missing")
        assert asked == []


SPY = """
import os, socket, sys
def probe(family, host, port):
    with socket.socket(family) as s:
        s.settimeout(3)
        try:
            s.connect((host, port))
            return "open"
        except OSError as error:
            return type(error).__name__
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print("PROBE", *[f"{name}={probe(*at)}" for name, at in TARGETS.items()])
print("RIGHTS", "uid=" + status["Uid"].split()[0], "groups=" + status["Groups"].strip().replace(" ", ","), "nnp=" + status["NoNewPrivs"].strip(),
      *[name + "=" + status[name].strip().strip("0") for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd")])
sys.stdout.flush()
import time; time.sleep(600)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root, or the capabilities of the unit, can give senders an account")
def test_R6_4_a_sender_has_an_account_of_its_own_and_reaches_the_jury_only(make_server, tmp_path):
    """Also a sender that is somebody's own program, or that the jury has taken over."""
    with inner_service() as (port, asked), inner_service() as (jury_port, _):
        server = make_server(config={"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}, "server": {"allow_targets": ["127.0.0.77"]}})
        targets = {"farm": ("AF_INET", "127.0.0.1", server.port), "host": ("AF_INET", "127.0.0.1", port), "gateway": ("AF_INET", "127.0.0.1", server.gateway_port),
                   "metadata": ("AF_INET", "169.254.169.254", 80), "ipv6": ("AF_INET6", "::1", port), "elsewhere": ("AF_INET", "10.99.99.99", 80),
                   "own": ("AF_INET", socket.gethostbyname(socket.gethostname()), port)}
        spy = tmp_path / "spy.py"
        spy.write_text("import socket\nTARGETS = {" + ", ".join(f'"{name}": (socket.{family}, "{host}", {at})' for name, (family, host, at) in targets.items()) + "}\n" + SPY)
        spy.chmod(0o644)
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(folder.stat().st_mode | 0o055)
        (server.folder / "farm.toml").write_text(GAME.replace('host = "127.0.0.1"', 'host = "203.0.113.9"') +
                                                 f'\n[senders]\ncount = 1\ncommand = ["/usr/bin/python3", "{spy}"]\n')
        server.start()
        said = until(lambda: re.search(r"PROBE ([^\"\n]*)", server.log()), "the sender to have looked round", 30).group(1).strip()
        probes = dict(pair.split("=") for pair in said.split())
        assert probes.pop("farm") == "open"
        assert set(probes.values()) == {"ConnectionRefusedError"}, probes
        assert asked == []
        rights = dict(pair.split("=") for pair in re.search(r"RIGHTS ([^\"\n]*)", server.log()).group(1).split())
        assert 61184 <= int(rights.pop("uid")) <= 65519 and rights.pop("nnp") == "1"
        assert not any(rights.values()), rights


@pytest.mark.skipif(os.geteuid() != 0, reason="another user has the right missing anyway, and test_farm_senders.py shows it")
def test_R6_4_a_server_that_may_give_no_account_starts_no_sender_and_says_so(make_server, tmp_path, monkeypatch):
    """Everything else of it works."""
    less = tmp_path / "with-less-rights"
    less.write_text(f'#!/bin/sh\nexec setpriv --bounding-set=-setuid,-setgid -- {binary()} "$@"\n')
    less.chmod(0o755)
    monkeypatch.setenv("TILTYARD_BIN", str(less))
    server = make_server(config={"engine": {"kind": "fake"}, "farm": {"config": "farm.toml"}})
    (server.folder / "farm.toml").write_text(GAME + "\n[senders]\ncount = 2\n")
    server.start()
    told = until(lambda: server.admin().get("/farm/config").expect(200).json["trouble"], "the trouble to be told", 20)
    assert "account of their own" in told and "tiltyard-sender@.service" in told
    assert "sender started" not in server.log()


# --- nobody locks out somebody else ----------------------------------------------------------------------------------


def test_R7_1_nobody_locks_out_somebody_else(make_server):
    """With the limits that organisers have: guesses at one name from many places, and a neighbour who uses the address up."""
    server = make_server(config={"engine": {"kind": "fake"}, "rates": {"factor": 1}, "server": {"trusted_proxies": ["127.0.0.1"]}})
    server.start()
    admin = server.admin()
    for name in ("rival", "mallory"):
        admin.post("/admin/users", {"name": name, "password": f"correct horse {name}", "role": "player"}).expect(201)

    def enter(name, password, address, device=None):
        headers = {"X-Forwarded-For": address, **({"Cookie": device} if device else {})}
        return server.api().post("/session", {"strategy": "local", "name": name, "password": password}, headers=headers)

    own = enter("rival", "correct horse rival", "198.51.100.1").expect(201)
    device = next(one for one in own.cookies if one.startswith("tiltyard-device="))
    # More than a limit by name would bear (there was one of 30 at once), eight from each place.
    def guess(place):
        return [enter("rival", "a guess", f"203.0.113.{place}").status for _ in range(8)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert set(sum(pool.map(guess, range(4)), [])) == {401}
    enter("rival", "correct horse rival", "198.51.100.2").expect(201)
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)
    # The neighbour: everything that the address may, and then the same with a browser that is known.
    def use_up(device=None):
        headers = {"X-Forwarded-For": "198.51.100.1", **({"Cookie": device} if device else {})}
        return any(server.api().post("/session", {"strategy": "token", "token": "none"}, headers=headers).status == 429 for _ in range(400))

    assert use_up()
    enter("rival", "correct horse rival", "198.51.100.1").expect(429, "rate-limited")
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)
    assert use_up(next(one for one in enter("mallory", "correct horse mallory", "203.0.113.77").cookies if one.startswith("tiltyard-device=")))
    enter("rival", "correct horse rival", "198.51.100.1", device).expect(201)


# --- behind a proxy ----------------------------------------------------------------------------------------------------


def certificate(folder, *names):
    """A self-signed one for these names."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=tests",
                    "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names), "-keyout", folder / "key.pem", "-out", folder / "fullchain.pem"],
                   check=True, capture_output=True)


def nginx(folder, text):
    """The process, from the file as it is shipped in a main file of our own."""
    main = folder / "main.conf"
    main.write_text(f"daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;\n"
                    f"events {{}}\nhttp {{ access_log off; "
                    + "".join(f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")) + f"\n{text}\n}}\n")
    return ["/usr/sbin/nginx", "-e", str(folder / "error.log"), "-c", str(main)], {}


def caddy(folder, text):
    (folder / "Caddyfile").write_text(text.replace("admin off", f"admin off\n\tauto_https disable_redirects\n\tstorage file_system {folder}"))
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")], {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}


class Front:
    """A server with one of the shipped proxies before it, called over TLS from any loopback address."""

    PAGE, MACHINES = "ctf.example", "play.example"

    def __init__(self, make_server, folder, kind):
        folder.chmod(0o755)
        certificate(folder, self.PAGE, f"*.{self.MACHINES}")
        self.port = free_port()
        self.server = make_server(config={
            **templates.FAKE, "server": {"public_url": f"https://{self.PAGE}:{self.port}", "trusted_proxies": ["127.0.0.1", "::1"]},
            "gateway": {"domain": self.MACHINES, "public_scheme": "https", "public_port": self.port}}, web=templates.WEB)
        self.server.start()
        file = {nginx: "nginx.conf", caddy: "Caddyfile"}[kind]
        text = (ROOT / "deploy" / file).read_text()
        for shipped, here in (("listen 443 ", f"listen {self.port} "), (f"https://{self.PAGE} {{", f"https://{self.PAGE}:{self.port} {{"),
                              (f"https://*.{self.MACHINES} {{", f"https://*.{self.MACHINES}:{self.port} {{"), ("play-", ""), ("/etc/ssl/tiltyard/", f"{folder}/"),
                              ("127.0.0.1:8000", f"127.0.0.1:{self.server.port}"), ("127.0.0.1:8080", f"127.0.0.1:{self.server.gateway_port}")):
            text = text.replace(shipped, here)
        command, environment = kind(folder, text)
        self.log = open(folder / "proxy.log", "wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env={**os.environ, **environment})
        self.trust = ssl.create_default_context(cafile=folder / "fullchain.pem")
        until(self.up, "the proxy to answer", 20)

    def up(self):
        assert self.process.poll() is None, (self.log.name, open(self.log.name).read()[-2000:])
        with contextlib.suppress(OSError):
            return self.call("GET", "/healthz")[0] == 200

    def connect(self, source="127.0.0.1", name=PAGE):
        link = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        return self.trust.wrap_socket(link, server_hostname=name)

    def call(self, method, path, body=None, source="127.0.0.1", host=None, name=PAGE, **headers):
        """(status, [(field, value)], text)"""
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.sock = self.connect(source, name)
        with contextlib.closing(connection):
            fields = {"Host": host or f"{name}:{self.port}", **({"Content-Type": "application/json"} if body else {}), **headers}
            connection.request(method, path, json.dumps(body) if body else None, fields)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read().decode()

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def front(make_server, tmp_path, request):
    with contextlib.closing(Front(make_server, tmp_path, request.param)) as made:
        yield made


FORGED = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6;proto=http", "X-Real-IP": "6.6.6.6", "X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}


def test_R7_2_the_proxies_that_we_ship_tell_who_asks(front):
    """Real nginx and Caddy with the files of deploy/: addresses, cookies, names, metrics, WebSockets, machines."""
    server = front.server
    server.admin().post("/admin/users", {"name": "ann", "password": "correct horse ann", "role": "player"}).expect(201)
    status, fields, text = front.call("POST", "/api/v1/session", {"strategy": "local", "name": "ann", "password": "correct horse ann"}, source="127.0.0.9", **FORGED)
    assert status == 201, text
    cookies = [value for name, value in fields if name.lower() == "set-cookie"]
    assert [one.split("=")[0] for one in cookies] == ["__Host-tiltyard", "__Host-tiltyard-device"] and all("; Secure" in one for one in cookies), cookies
    cookie = "; ".join(one.split(";")[0] for one in cookies)
    # Whoever asks by the proxy is who it says, whatever they have sent with it.
    status, _, text = front.call("GET", "/api/v1/me/sessions", Cookie=cookie)
    assert [one["address"] for one in json.loads(text)["items"]] == ["127.0.0.9"], text
    # Figures are not for everybody who comes by it, nor what a start lacks.
    assert front.call("GET", "/metrics")[0] == 404
    assert json.loads(front.call("GET", "/readyz")[2]) == {"status": "ok", "checks": []}
    assert server.api().get("/metrics").status == 401
    # A name that is not ours ends at the proxy or at the server.
    assert "strategies" not in front.call("GET", "/api/v1/auth", host="evil.example")[2]
    # Real time and terminals.
    origin = f"https://{front.PAGE}:{front.port}"
    with front.connect() as link:
        link.sendall((f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {front.PAGE}:{front.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                      f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\nCookie: {cookie}\r\n\r\n").encode())
        head = link.recv(4096)
        assert head.startswith(b"HTTP/1.1 101"), head
    # A change by cookie: the page's own origin is the one that the browser names.
    csrf = {"X-Tiltyard-Csrf": "1", "Cookie": cookie}
    assert front.call("DELETE", "/api/v1/session", Origin="https://evil.example", **csrf)[0] == 403
    assert front.call("DELETE", "/api/v1/session", Origin=origin, **csrf)[0] == 204


def test_R7_1_a_proxy_that_nobody_trusts_seats_nobody(make_server):
    """Without trusted_proxies everybody would sit at the proxy's own seat, and read figures as this machine does."""
    server = make_server(config={"engine": {"kind": "fake"}, "auth": {"strategies": ["address"]}}).start()
    for field in ("X-Forwarded-For", "Forwarded"):
        refused = server.api().post("/session", {"strategy": "address"}, headers={field: "for=203.0.113.9" if field == "Forwarded" else "203.0.113.9"})
        assert "trusted_proxies" in refused.expect(403, "forbidden").json["detail"]
        assert server.api().get("/metrics", headers={field: "x"}).status == 401
        assert server.api().get("/readyz", headers={field: "x"}).json["checks"] == []
    server.api().post("/session", {"strategy": "address"}).expect(201)
    assert server.api().get("/metrics").status == 200 and server.api().get("/readyz").json["checks"]


@pytest.mark.parametrize("more", [{"server": {"public_url": "https://ctf.example"}}, {"server": {"trusted_proxies": ["10.0.0.1"]}}])
def test_R7_2_figures_need_a_token_where_a_proxy_may_stand(make_server, more):
    server = make_server(config={"engine": {"kind": "fake"}, **more}).start()
    assert server.api().get("/metrics").status == 401 and server.admin().get("/metrics").status == 401
    assert server.api().get("/readyz").expect(200).json == {"status": "ok", "checks": []}


def test_R7_6_asking_how_the_server_is_has_a_limit(make_server):
    server = make_server(config={"engine": {"kind": "fake"}, "rates": {"factor": 1}}).start()
    for path in ("/readyz", "/metrics"):
        assert any(server.api().get(path).status == 429 for _ in range(200)), path
    assert server.api().get("/healthz").status == 200


# --- names -------------------------------------------------------------------------------------------------------------


def test_R7_2_a_page_of_another_name_gets_nothing(make_server):
    """DNS rebinding: the browser believes that evil.example is at our address, and says so in Host."""
    server = make_server(config={"engine": {"kind": "fake"}, "server": {"hosts": ["ctf.lan"]}}).start()
    for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1.evil.example", "6.6.6.6"):
        for method, path, body in (("POST", "/session", {"strategy": "address"}), ("GET", "/metrics", None), ("GET", "/", None), ("GET", "/api/v1/auth", None)):
            server.api().call(method, path, body, headers={"Host": host}).expect(421, "host-unknown")
    for host in (f"127.0.0.1:{server.port}", "localhost", "ctf.lan", f"CTF.LAN:{server.port}"):
        server.api().get("/auth", headers={"Host": host}).expect(200)


def test_R7_1_letters_lead_where_the_operator_said(make_server):
    """A reset that a stranger asks for under an invented Host: the genuine letter must not lead to them."""
    mail = {"smtp_url": "smtp://mail.example:587", "mail_from": "range@ctf.example"}
    server = make_server(config={"engine": {"kind": "fake"}, "notices": mail, "server": {"public_url": ""}})
    server.spawn()
    assert server.wait_dead() == 2 and "server.public_url" in server.log()
    named = make_server(config={"engine": {"kind": "fake"}, "notices": mail, "server": {"public_url": "https://ctf.example"}}).start()
    named.api().post("/auth/reset", {"email": "a@b.example"}, headers={"Host": "evil.example"}).expect(421, "host-unknown")
    named.api().post("/auth/reset", {"email": "a@b.example"}, headers={"Host": "ctf.example"}).expect(202)


# --- the smaller ones ----------------------------------------------------------------------------------------------------


def test_R7_1_one_address_does_not_fill_the_range_with_accounts(make_server):
    server = make_server(config={"engine": {"kind": "fake"}, "auth": {"registration": "open", "accounts_per_address": 2}}).start()

    def join(name, source, **more):
        return server.api(source=source).post("/auth/register", {"name": name, "password": "a long enough one", **more})

    for name in ("one", "two"):
        join(name, "127.0.0.1").expect(201)
    join("three", "127.0.0.1").expect(429, "limit-reached")
    join("three", "127.0.0.2").expect(201)
    invitation = server.admin().post("/admin/invitations", {"uses": 1}).expect(201).json
    join("invited", "127.0.0.1", code=invitation["code"]).expect(201)


def test_R1_1_what_is_not_released_does_not_exist_for_players(make_server):
    """The list hid it, its own address showed it: with the password that all of its machines share."""
    server = make_server(config=templates.FAKE, web=templates.EMPTY).start()
    staff, player = server.admin(), server.user("curious")
    staff.wait_template("web")
    player.get("/templates/web").expect(200)
    staff.patch("/admin/templates/web", {"active": False}).expect(200)
    player.get("/templates/web").expect(404, "template-unknown")
    assert [one["id"] for one in player.get("/templates").json["items"]] == []
    server.user("writer", role="author").get("/templates/web").expect(200)


def test_R1_1_staff_give_no_template_more_than_the_configuration_does(make_server):
    server = make_server(config={**templates.FAKE, "limits": {"max_memory": "1g", "max_cpus": 2, "max_pids": 512}}, web=templates.EMPTY).start()
    staff = operator(server)
    server.admin().wait_template("web")
    for limits in ({"memory_bytes": (1 << 30) + 1}, {"cpus": 2.5}, {"pids": 513}):
        refused = staff.patch("/admin/templates/web", {"limits": limits}).expect(400, "invalid-body").json
        assert next(iter(limits)) in refused["detail"], refused
    staff.patch("/admin/templates/web", {"limits": {"memory_bytes": 1 << 30, "cpus": 2, "pids": 512}}).expect(200)
    # What was given away before the configuration became stricter does not count any more.
    server.config["limits"].update(max_memory="512m", max_cpus=1, max_pids=300)
    server.restart()
    server.admin().wait_template("web")
    machine = server.admin().get("/templates/web").json["limits"]
    assert (machine["memory_bytes"], machine["cpus"], machine["pids"]) == (512 << 20, 1, 300), machine


def test_R7_1_another_ctfd_s_user_7_is_somebody_else(make_server):
    """Last year's CTFd had an admin with that number."""
    with contextlib.closing(Ctfd()) as last, contextlib.closing(Ctfd()) as this:
        auth = {"strategies": ["local", "ctfd"], "ctfd_admins": "operator", "ctfd_url": last.url}
        server = make_server(config={"engine": {"kind": "fake"}, "auth": auth}).start()
        chief = server.api().sign_in(strategy="ctfd", token=last.add(7, "chief", admin=True)).expect(201).json
        server.stop()
        # A database from before the CTFd's address was part of who somebody is: it is the one that is configured.
        server.change("update identities set provider = 'ctfd'")
        server.start()
        assert server.api().sign_in(strategy="ctfd", token=last.add(7, "chief", admin=True)).expect(201).json["id"] == chief["id"]
        server.config["auth"]["ctfd_url"] = this.url
        server.restart()
        player = server.api().sign_in(strategy="ctfd", token=this.add(7, "nobody")).expect(201).json
        assert player["id"] != chief["id"] and player["roles"] == ["player"]


def test_R9_3_a_look_alike_of_the_staff_has_no_role(make_server):
    server = make_server(config={"engine": {"kind": "fake"}}).start()
    staff, player = server.user("Range Staff", role="operator"), server.user("Range Staff of the day")
    def chat(caller):
        return Sio(server.port, headers={"Cookie": caller.cookie, "Origin": server.url})

    boss, fake = chat(staff), chat(player)
    boss.join("chat:lobby")
    people = fake.join("chat:lobby")["people"]
    assert {one["name"]: one["role"] for one in people} == {"Range Staff": "operator", "Range Staff of the day": "player"}
    for speaker, text in ((boss, "stay seated"), (fake, "send me your passwords")):
        assert speaker.ask("say", "chat:lobby", {"text": text})["ok"]
    # What has been told is what somebody who comes later finds; the rest reaches them as news.
    boss.event("message", lambda value: value["text"] == "send me your passwords", timeout=20)
    late = chat(player).join("chat:lobby")["messages"]
    assert [(one["from"]["name"], one["from"]["role"]) for one in late] == [("Range Staff", "operator"), ("Range Staff of the day", "player")]
