"""Fixtures of the end-to-end tests. Each server runs in a namespace of its own, so that tests see only what is theirs."""
import json
import subprocess
import urllib.request

import pytest

from harness import secrets, templates
from harness.contract import Contract
from harness.docker import Docker
from harness.leaks import Leaks
from harness.server import ROOT, Server


@pytest.fixture(scope="session")
def docker():
    engine = Docker()
    if not engine.has_image("tiltyard/busybox:1"):
        subprocess.run([str(ROOT / "images" / "make"), "busybox"], check=True)
    return engine


@pytest.fixture(scope="session")
def debian(docker):
    """For tests whose templates build on the Debian base."""
    if not docker.has_image("tiltyard/debian:12"):
        subprocess.run([str(ROOT / "images" / "make"), "debian"], check=True)


def server_maker(docker, folder):
    made = []

    def make(config=None, environment=None, **named):
        """A server that is not started yet; templates by name: make(web=WEB)."""
        server = Server(folder / f"server{len(made)}", config, environment)
        made.append(server)
        templates.add(server, **named)
        return server

    def end():
        leaked = []
        for server in made:
            server.close()
            docker.sweep(server.namespace)
            leaked += secrets.in_log(server)
        # Row 10.5, over all that the suite makes servers say.
        assert not leaked, f"secrets in a server's log: {leaked[:5]}"

    return make, end, made


@pytest.fixture
def make_server(docker, tmp_path, request):
    """make_server(config={"limits": {...}}, web=WEB): a server of the test's own; taken away after it."""
    make, end, made = server_maker(docker, tmp_path)
    yield make
    if getattr(request.node, "failed_call", False):
        for server in made:
            print(f"--- end of {server.log_path} ---\n{server.log()[-6000:]}")
    end()


@pytest.fixture(scope="module")
def server(docker, tmp_path_factory):
    """A server that the tests of a module share, with the small templates ready."""
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("shared"))
    # Names are asked for by what nobody answers: their own tests have a DNS.
    names = {"free_domain": "names.test", "own_domains": True, "resolver": ["127.0.0.1:9"]}
    shared = make(config={"names": names}, web=templates.WEB, tcp=templates.TCP, stack=templates.STACK, box=templates.BOX)
    try:
        shared.start()
        caller = shared.admin()
        for name in ("web", "tcp", "stack", "box"):
            caller.wait_template(name)
        yield shared
    finally:
        end()


@pytest.fixture
def api(server):
    """The admin of the shared server; what the test started is stopped after it."""
    caller = server.admin()
    yield caller
    if server.alive:
        caller.stop_all()


@pytest.fixture
def no_leaks(server, docker):
    """Everything that the test started and stopped must be gone when it ends."""
    leaks = Leaks(server, docker)
    yield leaks
    if server.alive:
        server.admin().stop_all()
    leaks.assert_none()


@pytest.fixture(scope="module")
def contract(server):
    """The server's own OpenAPI document as a checker of answers."""
    with urllib.request.urlopen(f"{server.url}/openapi.json", timeout=10) as answer:
        return Contract(json.load(answer))


@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:
        item.failed_call = True
