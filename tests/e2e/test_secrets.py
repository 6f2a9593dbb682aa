"""Secrets stay where they belong (rows 10.5 and 15.2): a server that does everything, then a look at all it has said."""
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess

from harness import templates
from harness.api import Api
from harness.server import binary
from harness.wait import until
from test_notices import Hook, Sink

ADMIN = "ty_TheAdminsOwnTokenOfThisTest0001"
METRICS = "the-metrics-token-of-this-test"
MAIL = "the-mail-password-of-this-test"
PASSWORDS = ["a phrase of ann nobody knows", "a second phrase of ann nobody knows", "a wrong phrase that ann once typed"]


class Listener(Api):
    """Keeps every answer that it is not meant to hold a secret."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.heard = []

    def call(self, *arguments, keep=True, **named):
        answer = super().call(*arguments, **named)
        if keep:
            self.heard.append((repr(answer), answer.text + json.dumps({k: v for k, v in answer.headers.items() if k != "set-cookie"})))
        return answer


def exercise(server, flagged):
    """Signs in and out, uses and misuses every credential; the secrets it used and what was answered."""
    secrets = {"admin token": ADMIN, "metrics token": METRICS, "mail password": MAIL}
    secrets.update({f"password {n}": text for n, text in enumerate(PASSWORDS)})
    admin = Listener(server.url, ADMIN)
    made = admin.post("/admin/users", {"name": "ann", "role": "player"}, keep=False).expect(201).json
    link = made["sign_in_url"].split("#")[1]
    secrets["link"] = link
    ann = Listener(server.url)
    ann.sign_in(strategy="link", token=link).expect(201)
    secrets["link's cookie"] = ann.cookie.split("=", 1)[1]
    ann.put("/me/password", {"new": PASSWORDS[0]}).expect(204)
    again = Listener(server.url)
    again.sign_in(strategy="local", name="ann", password=PASSWORDS[0]).expect(201)
    secrets["cookie"] = again.cookie.split("=", 1)[1]
    again.put("/me/password", {"old": PASSWORDS[2], "new": PASSWORDS[1]})
    again.put("/me/password", {"old": PASSWORDS[0], "new": PASSWORDS[1]}).expect(204)
    again.sign_in(strategy="local", name="ann", password=PASSWORDS[1]).expect(201)
    secrets["newest cookie"] = again.cookie.split("=", 1)[1]
    token = again.post("/me/tokens", {"name": "script"}, keep=False).expect(201).json["token"]
    secrets["API token"] = token
    script = Listener(server.url, token)
    script.get("/me").expect(200)
    nobody = Listener(server.url)
    # Wrong in every way, with the secret in the wrong place.
    nobody.sign_in(strategy="local", name="ann", password=PASSWORDS[2]).expect(401)
    nobody.sign_in(strategy="link", token=link)
    nobody.get(f"/me?token={token}")
    nobody.get(f"/api/v1/no/such/{token}")
    nobody.get("/me", headers={"Cookie": f"tiltyard={secrets['cookie']}x; other={token}"})
    nobody.get("/me", headers={"Authorization": f"Basic {PASSWORDS[2].replace(' ', '')}{'x' * 8}", "User-Agent": f"curl {token}"})
    nobody.post("/session", raw=json.dumps({"strategy": "local", "password": PASSWORDS[2]}).encode()[:-2], headers={"Content-Type": "application/json"})
    nobody.post("/session", {"strategy": "token", "token": token + "x"})
    nobody.post("/session", {"strategy": PASSWORDS[2], "name": 5})
    script.post("/instances", {"template": flagged, "context": "x"})
    with sqlite3.connect(f"file:{server.data}/tiltyard.db?mode=ro", uri=True) as database:
        flag = until(lambda: database.execute("SELECT flag FROM flags").fetchone(), "the flag", 20)[0]
    secrets["flag"] = flag
    nobody.get(f"/api/v1/instances/{flag}", headers={"Authorization": f"Bearer {token}"})
    script.get("/instances", query={"cursor": flag})
    admin.get("/admin/events", query={"text": flag, "kind": flag})
    admin.get("/admin/events", query={"text": "x"})
    script.get("/instances").expect(200)
    again.delete("/session")
    server.api(METRICS)
    return secrets, [said for caller in (admin, ann, again, script, nobody) for said in caller.heard]


def assert_nowhere(secrets, where, text, but=()):
    for name, secret in secrets.items():
        if name in but:
            continue
        at = text.find(secret)
        assert at < 0, f"the {name} is in {where}: …{text[max(0, at - 120):at + 20]}…"


def test_R10_5_no_secret_leaves_the_server_by_log_event_answer_or_metric(make_server):
    hook, sink = Hook(), Sink(auth=("range", MAIL))
    hook.script.extend([(500, {}, b""), (404, {}, b"")])
    flagged = {**templates.EMPTY, "instance.toml": templates.EMPTY["instance.toml"] + "\n[flag]\nfile = \"/flag.txt\"\n"}
    server = make_server(config={
        **templates.FAKE, "log": {"level": "trace"}, "admin": {"token": ADMIN}, "metrics": {"token": METRICS},
        "notices": {"plain_loopback": True, "discord_url": hook.url, "smtp_url": f"smtp://127.0.0.1:{sink.port}", "smtp_user": "range",
                    "smtp_password": MAIL, "mail_from": "range@ctf.example", "mail_to": "staff@ctf.example",
                    "mail_kinds": ["instance.running", "login.failed", "auth.failed", "notice.failed"]}}, flagged=flagged)
    server.start()
    admin = Api(server.url, ADMIN)
    until(lambda: admin.template("flagged")["state"] == "ready", "the template", 60)
    secrets, answers = exercise(server, "flagged")
    secrets["webhook's path"] = hook.url.split("/api/webhooks")[1]
    until(lambda: sink.letters, "a letter", 30)
    for repr_, text in answers:
        assert_nowhere(secrets, f"the answer {repr_}", text)
    export = admin.get("/admin/events/export").expect(200).text
    assert "login" in export and "flag.created" in export
    assert_nowhere(secrets, "the export of the event log", export)
    for path in ("/healthz", "/readyz"):
        assert_nowhere(secrets, path, admin.get(path).text)
    assert_nowhere(secrets, "/metrics", Api(server.url, METRICS).get("/metrics").expect(200).text)
    for _, _, letter, _ in sink.letters:
        assert_nowhere(secrets, "a letter", letter.get_content())
    assert_nowhere(secrets, "the webhook's messages", json.dumps(hook.got))
    server.stop()
    # What is printed for the first admin is meant to be read; it is another link than ours.
    assert_nowhere(secrets, "the log", server.log())
    # The database keeps digests; flags are its own, in one column.
    with sqlite3.connect(server.data / "tiltyard.db") as database:
        for table, in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            text = json.dumps(database.execute(f'SELECT * FROM "{table}"').fetchall(), default=repr)
            assert_nowhere(secrets, f"the table {table}", text, but=("flag",) if table == "flags" else ())
    for file in server.data.glob("**/*"):
        if file.is_file() and "instances" not in file.parts and "flags" not in file.parts:
            assert file.stat().st_mode & 0o077 == 0, f"{file} is open to others"
    hook.close()
    sink.close()


def test_R15_2_the_configuration_is_shown_without_its_secrets(tmp_path):
    (tmp_path / "tiltyard.toml").write_text(
        f'[admin]\ntoken = "{ADMIN}"\n[notices]\ndiscord_url = "https://hooks.example/api/webhooks/1/SecretPart"\nsmtp_password = "{MAIL}"\n'
        f'[metrics]\ntoken = "{METRICS}"\n')
    for arguments in (["config", "show"], ["config", "check"], ["doctor"]):
        done = subprocess.run([binary(), *arguments, "--config", str(tmp_path / "tiltyard.toml")], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        for secret in (ADMIN, METRICS, MAIL, "SecretPart"):
            assert secret not in done.stdout + done.stderr, (arguments, done.stdout)
    (tmp_path / "tiltyard.toml").write_text('[notices]\nsmtp_password = "with blanks and the-secret"\ntries = "x"\n')
    done = subprocess.run([binary(), "serve", "--config", str(tmp_path / "tiltyard.toml")], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode != 0 and "the-secret" not in done.stdout + done.stderr


def test_R15_2_no_core_is_left(make_server):
    server = make_server(config=templates.FAKE)
    # Whoever starts it may allow cores as large as they like.
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        server.start()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    pid = server.process.pid
    limits = open(f"/proc/{pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits), limits
    os.kill(pid, signal.SIGSEGV)
    _, status = os.waitpid(pid, 0)
    server.process.returncode = -signal.SIGSEGV
    assert os.WIFSIGNALED(status) and not os.WCOREDUMP(status)
    assert not list(server.folder.glob("core*"))
