"""Notices (row 9.5): a webhook with embeds and mail by SMTP, delivered at least once whatever happens to either side."""
import base64
import collections
import email
import email.policy
import email.utils
import http.server
import json
import re
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from harness import templates
from harness.ports import free_port
from harness.wait import until

PATH = "/api/webhooks/4711/VerySecretWebhookToken_0815"


class Hook:
    """Answers as its script says, one entry a request; 204 when the script is over. Keeps what came."""

    def __init__(self):
        self.script, self.got, self.times, self.paths = collections.deque(), [], [], []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.times.append(time.monotonic())
                hook.paths.append(self.path)
                act = hook.script.popleft() if hook.script else (204, {}, b"")
                if act == "drop":
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if act == "hang":
                    hook.released.wait(30)
                    self.close_connection = True
                    return
                status, headers, text = act
                if status < 300:
                    hook.got.append(json.loads(body))
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.released = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}{PATH}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def embeds(self):
        return [embed for message in self.got for embed in message["embeds"]]

    def titles(self):
        return [embed["title"] for embed in self.embeds()]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Sink:
    """A mail server that keeps what it takes. `script` holds answers to RCPT, such as "451 later"."""

    def __init__(self, port=0, tls=None, auth=None):
        self.letters, self.script, self.logins = [], collections.deque(), []
        options = {}
        if auth:
            options = {"auth_required": True, "auth_require_tls": tls is not None, "authenticator": self.check}
            self.auth = auth
        if tls:
            options["tls_context"] = tls
            options["require_starttls"] = True
        self.controller = Controller(self, hostname="127.0.0.1", port=port or free_port(), **options)
        self.controller.start()
        self.port = self.controller.port

    def check(self, server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given)
        return AuthResult(success=given == self.auth)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.script:
            answer = self.script.popleft()
            if not answer.startswith("250"):
                return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default),
                             envelope.content))
        return "250 OK"

    def close(self):
        self.controller.stop()


@pytest.fixture
def hook():
    one = Hook()
    yield one
    one.close()


def config(hook=None, sink=None, **more):
    notices = {"plain_loopback": True, **more}
    if hook:
        notices["discord_url"] = hook.url
    if sink:
        notices.update(smtp_url=f"smtp://127.0.0.1:{sink.port}", mail_from="range@ctf.example", mail_to="staff@ctf.example")
    return {**templates.FAKE, "notices": notices}


def ready(server, failpoints=None):
    server.start(failpoints=failpoints)
    server.admin().wait_template("web")
    return server


def test_R9_5_the_webhook_hears_of_spawns_with_the_colours_of_their_kind(make_server, hook):
    longer = {**templates.EMPTY, "instance.toml": 'name = "Long *er* @everyone"\nports = [8000]\n[lease]\ntimeout = 600\nextend_by = 300\nextend_after = 0\n'}
    server = ready(make_server(config=config(hook), web=templates.EMPTY, longer=longer))
    server.admin().wait_template("longer")
    player = server.user("ann_b*old*")
    instance = player.running("longer")
    player.post(f"/instances/{instance['id']}/extend").expect(200)
    player.stop(instance["id"])
    until(lambda: len(hook.embeds()) >= 3, "three embeds", 20)
    running, extended, stopped = hook.embeds()[:3]
    assert [embed["color"] for embed in (running, extended, stopped)] == [0x2ECC71, 0xF1C40F, 0xE67E22]
    fields = {field["name"]: field["value"] for field in running["fields"]}
    assert fields["Template"] == "longer" and fields["Instance"] == instance["id"].replace("_", "\\_")
    assert fields["Owner"] == "ann\\_b\\*old\\*" and fields["Lease ends"] == instance["expires_at"]
    assert running["title"].startswith("Instance running: Long \\*er\\*") and hook.paths[0] == PATH
    assert hook.got[0]["allowed_mentions"] == {"parse": []}
    marks = [embed["footer"]["text"] for embed in hook.embeds()]
    assert len(set(marks)) == len(marks) and all(re.search(r"event-\d+$", mark) for mark in marks)


def test_R9_5_a_failure_is_red(make_server, hook):
    server = ready(make_server(config=config(hook), web=templates.EMPTY), failpoints="labs.spawn.ready.before=error")
    caller = server.admin()
    answer = caller.start("web")
    caller.wait_state(answer.json["id"], "failed")
    until(lambda: hook.embeds(), "the embed", 20)
    assert hook.embeds()[0]["color"] == 0xE74C3C and "Reason" in {field["name"] for field in hook.embeds()[0]["fields"]}


def test_R9_5_429_500_and_lost_connections_are_tried_again_and_nobody_waits(make_server, hook):
    hook.script.extend([(429, {"Retry-After": "2"}, b'{"retry_after": 1.5}'), (500, {}, b"oops"), "drop"])
    server = ready(make_server(config=config(hook), web=templates.EMPTY))
    begun = time.monotonic()
    instance = server.admin().running("web")
    assert time.monotonic() - begun < 5
    until(lambda: hook.embeds(), "the delivery", 30)
    first, second = hook.times[:2]
    assert second - first >= 1.5, "the pause that was asked for is kept"
    assert len(hook.times) == 4 and hook.titles()[0].startswith("Instance running")
    server.admin().stop(instance["id"])
    until(lambda: len(hook.embeds()) == 2, "the next", 20)
    metrics = server.admin().get("/metrics").text
    assert re.search(r'tiltyard_notices_total\{channel="discord",outcome="delivered"\} 2', metrics)
    assert "VerySecret" not in metrics


def test_R9_5_a_429_without_a_time_is_a_failure_and_one_of_no_time_or_a_date_is_waited_for(make_server, hook):
    soon = email.utils.formatdate(time.time() + 3, usegmt=True)
    hook.script.extend([(429, {}, b"error code: 1015"), (429, {}, b'{"message": "no", "code": 0}'), (429, {}, b'{"retry_after": 0}'), (429, {"Retry-After": soon}, b"")])
    server = ready(make_server(config=config(hook), web=templates.EMPTY))
    server.admin().running("web")
    until(lambda: hook.embeds(), "the delivery", 40)
    waited = [later - earlier for earlier, later in zip(hook.times, hook.times[1:])]
    assert len(waited) == 4 and waited[0] >= 1.4 and waited[1] >= 2.9, f"like any failure, ever longer: {waited}"
    assert waited[2] >= 0.9, "no time at all has a floor"
    assert hook.times[4] - hook.times[3] >= 0.5, "until the date"


def test_R9_5_a_webhook_that_hangs_holds_up_nobody(make_server, hook):
    hook.script.append("hang")
    server = ready(make_server(config=config(hook), web=templates.EMPTY))
    caller = server.admin()
    caller.running("web")
    until(lambda: hook.times, "the post", 10)
    begun = time.monotonic()
    for instance in caller.get("/instances").json["items"]:
        caller.stop(instance["id"])
    caller.running("web")
    assert time.monotonic() - begun < 5
    assert server.stop() == 0, "nor the end"


@pytest.mark.parametrize("status", [404, 401, 302])
def test_R9_5_a_webhook_that_will_never_take_it_is_given_up_and_told(make_server, hook, status):
    other = Hook()
    hook.script.append((status, {"Location": other.url}, b""))
    server = ready(make_server(config=config(hook), web=templates.EMPTY))
    server.admin().running("web")
    lost = until(lambda: server.admin().get("/admin/events", query={"kind": "notice.failed"}).json["items"], "the event", 20)
    assert lost[0]["detail"]["channel"] == "discord" and lost[0]["detail"]["about"] == "instance.running"
    assert not other.times, "a redirect is not followed"
    assert "VerySecret" not in json.dumps(lost) and "VerySecret" not in server.log()
    other.close()


@pytest.mark.parametrize("point, times", [("notices.feed.before", 1), ("notices.feed.after", 1), ("notices.delivered", 2)])
def test_R9_5_killed_between_event_and_delivery_it_comes_after_all_with_the_same_mark(make_server, hook, point, times):
    server = ready(make_server(config=config(hook), web=templates.EMPTY), failpoints=f"{point}=kill")
    server.admin().start("web", wait=0)
    server.wait_dead()
    server.start()
    until(lambda: [title for title in hook.titles() if title.startswith("Instance running")], "the delivery", 20)
    until(lambda: not waiting(server), "the queue to be empty", 20)
    marks = [embed["footer"]["text"] for embed in hook.embeds() if embed["title"].startswith("Instance running")]
    assert len(set(marks)) == 1 and len(marks) == times, marks


def waiting(server):
    with sqlite3.connect(f"file:{server.data}/tiltyard.db?mode=ro", uri=True) as db:
        return db.execute("SELECT COUNT(*) FROM notices").fetchone()[0]


def test_R9_5_many_at_once_go_in_few_messages(make_server, hook):
    hook.script.append((500, {}, b""))
    server = ready(make_server(config={**config(hook), "labs": {"instances_per_owner": 100}}, web=templates.EMPTY))
    server.stop()
    with sqlite3.connect(server.data / "tiltyard.db") as db:
        first = db.execute("SELECT last FROM event_sequence").fetchone()[0]
        now = int(time.time() * 1e6)
        db.executemany("INSERT INTO events VALUES (?, 'instance.failed', ?, 'o', '', '', '', ?, ?)",
                       [(first + n, f"web-{n}", now, json.dumps({"template": "web", "reason_text": "x" * 2000, "owner_name": "y" * 300})) for n in range(1, 41)])
        db.execute("UPDATE event_sequence SET last = last + 40")
    db.close()
    server.start()
    until(lambda: len(hook.embeds()) == 40, "all of them", 40)
    for message in hook.got:
        assert 1 <= len(message["embeds"]) <= 10
        assert sum(len(json.dumps(embed, ensure_ascii=False)) for embed in message["embeds"]) <= 6000 + 600 * len(message["embeds"])
        for embed in message["embeds"]:
            assert len(embed["title"]) <= 256 and all(len(field["value"]) <= 1024 for field in embed["fields"])
            told = len(embed["title"]) + len(embed["footer"]["text"]) + sum(len(f["name"]) + len(f["value"]) for f in embed["fields"])
            assert told <= 6000
    assert sorted(embed["footer"]["text"] for embed in hook.embeds()) == sorted({embed["footer"]["text"] for embed in hook.embeds()})


@pytest.mark.parametrize("keys, words", [
    ({"discord_url": "http://127.0.0.1:1/api/webhooks/1/abcdef"}, "discord_url"),
    ({"discord_url": "http://169.254.169.254/latest/meta-data", "plain_loopback": True}, "discord_url"),
    ({"discord_url": "file:///etc/passwd-and-more", "plain_loopback": True}, "discord_url"),
    ({"discord_url": "https://user:pass@hooks.example/x"}, "discord_url"),
    ({"smtp_url": "smtp://mail.example:25", "mail_from": "a@b, c@d"}, "mail_from"),
    ({"smtp_url": "http://mail.example", "mail_from": "a@b.example"}, "smtp_url"),
    ({"smtp_url": "smtp://u:p@mail.example", "mail_from": "a@b.example"}, "smtp_url"),
    ({"discord_kinds": ["no.such"]}, "no.such"),
])
def test_R9_5_settings_that_lead_elsewhere_are_refused_at_the_start(make_server, keys, words):
    server = make_server(config={**templates.FAKE, "notices": keys})
    server.spawn()
    assert server.wait_dead(20) != 0
    assert words in server.log() and "abcdef" not in server.log()


# --- mail ----------------------------------------------------------------------------------------------


def text_of(letter):
    return letter[2].get_content()


def test_R9_5_staff_are_mailed_in_utf_8(make_server):
    sink = Sink()
    named = {**templates.EMPTY, "instance.toml": 'name = "Überfluß im Büro – Ωmega 日本語 und noch ein gutes Stück länger, damit gefaltet wird"\nports = [8000]\n'}
    server = ready(make_server(config=config(sink=sink, mail_kinds=["instance.running"]), web=templates.EMPTY, named=named))
    server.admin().wait_template("named")
    server.admin().running("named")
    until(lambda: sink.letters, "the letter", 20)
    sender, recipients, letter, raw = sink.letters[0]
    assert (sender, recipients) == ("range@ctf.example", ["staff@ctf.example"])
    assert letter["subject"].startswith("[Tiltyard] Instance running: Überfluß im Büro – Ωmega 日本語")
    assert letter["to"].addresses[0].addr_spec == "staff@ctf.example"
    assert letter["auto-submitted"] == "auto-generated" and re.fullmatch(r"<event-\d+-mail@ctf\.example>", letter["message-id"])
    assert "Template: named\n" in text_of(sink.letters[0]) and "Owner: " in text_of(sink.letters[0])
    assert all(len(line) <= 998 and not (set(line) & set(range(128, 256))) for line in raw.split(b"\r\n"))
    sink.close()


def test_R9_5_a_refused_letter_is_tried_again_and_a_hopeless_one_given_up(make_server):
    sink = Sink()
    sink.script.extend(["451 4.7.1 Greylisted"])
    server = ready(make_server(config=config(sink=sink, mail_kinds=["instance.running", "instance.stopped"]), web=templates.EMPTY))
    instance = server.admin().running("web")
    until(lambda: sink.letters, "the letter", 30)
    sink.script.extend(["550 5.1.1 No such user"])
    server.admin().stop(instance["id"])
    lost = until(lambda: server.admin().get("/admin/events", query={"kind": "notice.failed"}).json["items"], "the end of it", 20)
    assert lost[0]["detail"]["channel"] == "mail" and len(sink.letters) == 1
    sink.close()


def test_R9_5_a_mail_server_that_is_down_gets_it_when_it_is_back(make_server):
    port = free_port()

    class Later:
        pass
    later = Later()
    later.port = port
    server = ready(make_server(config=config(sink=later, mail_kinds=["instance.running"]), web=templates.EMPTY))
    server.admin().running("web")
    until(lambda: "tried again" in server.log(), "the first try", 20)
    server.kill9()
    sink = Sink(port=port)
    server.start()
    until(lambda: sink.letters, "the letter", 40)
    assert len(sink.letters) == 1
    sink.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    return folder


def test_R9_5_mail_with_starttls_and_a_password(make_server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    sink = Sink(tls=context, auth=("range", "a-mail-password-42"))
    keys = dict(mail_kinds=["instance.running"], smtp_user="range", smtp_password="a-mail-password-42", smtp_ca=str(certificate / "cert.pem"))
    settings = {**config(sink=sink, **keys), "metrics": {"token": "a-token-of-monitoring"}}
    settings["notices"]["plain_loopback"] = False
    server = ready(make_server(config=settings, web=templates.EMPTY))
    server.admin().running("web")
    until(lambda: sink.letters, "the letter", 20)
    assert sink.logins == [("range", "a-mail-password-42")]
    assert "a-mail-password-42" not in server.log()
    assert "a-mail-password-42" not in server.api("a-token-of-monitoring").get("/metrics").expect(200).text
    sink.close()


def test_R9_5_without_tls_no_password_and_no_letter_leaves_the_machine(make_server):
    sink = Sink()
    settings = config(sink=sink, mail_kinds=["instance.running"], smtp_user="range", smtp_password="a-mail-password-42", tries=1)
    settings["notices"]["plain_loopback"] = False
    server = ready(make_server(config=settings, web=templates.EMPTY))
    server.admin().running("web")
    until(lambda: server.admin().get("/admin/events", query={"kind": "notice.failed"}).json["items"], "it to be given up", 20)
    assert not sink.letters and not sink.logins
    sink.close()


def test_R9_5_letters_wait_sealed(make_server):
    class Nowhere:
        port = free_port()
    server = ready(make_server(config=config(sink=Nowhere, mail_kinds=["instance.running"]), web=templates.EMPTY))
    instance = server.admin().running("web")
    until(lambda: waiting(server), "the letter in the queue", 20)
    with sqlite3.connect(f"file:{server.data}/tiltyard.db?mode=ro", uri=True) as db:
        payload = db.execute("SELECT payload FROM notices").fetchone()[0]
    assert instance["id"] not in payload and re.fullmatch(r"[0-9a-f]+", payload)
    assert base64.b16decode(payload.upper()).find(b"Instance") < 0
    assert (server.data / "notices.key").stat().st_mode & 0o077 == 0
