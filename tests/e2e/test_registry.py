"""Images from a registry (row 1.1): a real one on the loopback, with and without a sign-in."""
import base64
import json
import subprocess
import time

import pytest

from harness.docker import EngineError
from harness.ports import free_port
from harness.wait import until

USER, PASSWORD = "range", "a registry's password"
BCRYPT = "$2b$05$tiltyardtiltyardtiltyOny85Cjd5izP/WZ5k9y/4Ct1xFllbogq"  # of the password


class Registry:
    """Debian's docker-registry on the loopback, which every Docker engine trusts without TLS."""

    def __init__(self, folder, docker, port=None, closed=False):
        self.docker, self.port = docker, port or free_port()
        self.name = f"127.0.0.1:{self.port}"
        self.credentials = {"username": USER, "password": PASSWORD, "serveraddress": self.name} if closed else {}
        self.pushed = []
        folder.mkdir(parents=True, exist_ok=True)
        auth = ""
        if closed:
            (folder / "users").write_text(f"{USER}:{BCRYPT}\n")
            auth = f"auth: {{htpasswd: {{realm: tests, path: {folder / 'users'}}}}}\n"
        (folder / "config.yml").write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder / 'store'}}}}}\n"
                                           f"http: {{addr: {self.name}}}\n{auth}")
        self.process = subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def push(self, image):
        """Stores tiltyard/busybox:1 under this name, and takes the name from the engine again; the full reference."""
        reference = f"{self.name}/{image}"
        self.docker.call("POST", "/images/tiltyard/busybox:1/tag", {"repo": reference, "tag": "1"})
        self.pushed.append(f"{reference}:1")
        token = base64.urlsafe_b64encode(json.dumps(self.credentials).encode()).decode()

        def stored():
            said = self.docker.call("POST", f"/images/{reference}/push", {"tag": "1"}, headers={"X-Registry-Auth": token})
            return b"digest: sha256:" in (said if isinstance(said, bytes) else json.dumps(said).encode())
        until(stored, "the registry to take the image", timeout=20)
        self.forget(f"{reference}:1")
        return f"{reference}:1"

    def forget(self, reference):
        try:
            self.docker.call("DELETE", f"/images/{reference}")
        except EngineError as error:
            assert error.status == 404, error

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def close(self):
        if self.process.poll() is None:
            self.stop()
        for reference in self.pushed:
            self.forget(reference)


@pytest.fixture
def registries(tmp_path, docker):
    made = []

    def make(**options):
        made.append(Registry(tmp_path / f"registry{len(made)}", docker, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


def web(image):
    return {
        "instance.toml": 'name = "Fetched"\nexpected_boot = 1\n[[endpoint]]\nname = "web"\nmachine = "web"\nport = 8000\n[ready]\ninterval = 50\n'
                         '[limits]\nmemory = "32m"\npids = 64\n',
        "compose.yaml": f'services:\n  web:\n    image: "{image}"\n    command: ["httpd", "-f", "-p", "8000", "-h", "/etc"]\n    stop_signal: SIGKILL\n',
    }


PULLING = {"templates": {"allow_pull": True}}


def test_R1_1_an_image_is_fetched_once_and_runs(make_server, registries):
    image = registries().push("range/web")
    server = make_server(config=PULLING, fetched=web(image)).start()
    admin = server.admin()
    admin.wait_template("fetched")
    instance = admin.running("fetched")
    assert instance["state"] == "running"
    admin.stop_all()


def test_R1_1_nothing_is_fetched_unless_the_operator_allows_it(make_server, registries):
    image = registries().push("range/web")
    server = make_server(fetched=web(image)).start()
    waits = server.admin().wait_template("fetched", "waiting")
    assert "templates.allow_pull" in waits["reason"]
    server.admin().post("/instances", {"template": "fetched"}).expect(409, "template-not-ready")


def test_R1_1_what_the_registry_does_not_have(make_server, registries):
    registry = registries()
    registry.push("range/other")
    server = make_server(config=PULLING, fetched=web(f"{registry.name}/range/nothing:1")).start()
    broken = server.admin().wait_template("fetched", "broken", timeout=60)
    assert "does not have the image" in broken["reason"]


def test_R1_1_a_registry_that_wants_a_sign_in(make_server, registries):
    registry = registries(closed=True)
    image = registry.push("range/web")
    server = make_server(config=PULLING, fetched=web(image)).start()
    broken = server.admin().wait_template("fetched", "broken", timeout=60)
    assert "sign-in" in broken["reason"] and "docker login" in broken["reason"]
    assert PASSWORD not in json.dumps(broken)


def test_R1_1_a_registry_that_is_away_is_asked_again(make_server, registries):
    registry = registries()
    image = registry.push("range/web")
    registry.stop()
    server = make_server(config=PULLING, fetched=web(image)).start()
    admin = server.admin()
    until(lambda: "registry does not answer" in (admin.get("/templates/fetched").json.get("reason") or ""), "the template to say why it waits", timeout=30)
    begun = time.monotonic()
    registry.process = subprocess.Popen(registry.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    admin.wait_template("fetched", timeout=120)
    print(f"fetched {time.monotonic() - begun:.1f} s after the registry was back")
