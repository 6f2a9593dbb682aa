"""When an instance counts as ready, and how its endpoints' kinds are found out where nobody has said them."""
import concurrent.futures
import json

import pytest

from conftest import server_maker
from harness.gateway import dial, endpoint, fetch, read_until
from harness.wait import until

# `$$` is Compose's dollar sign.
ASKS = "echo 'say the word:'; read word; [ \"$$word\" = please ] && echo 'FLAG{be_polite}' || echo no"
# Answers with a status line that the path picks.
ANSWERS = ("CR=$$(printf '\\r'); read first; while read line; do [ -z \"$${line%$$CR}\" ] && break; done; "
           "case $$first in 'GET /api'*) s='200 OK' ;; *) s='STATUS' ;; esac; "
           "printf 'HTTP/1.1 %s\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\nok\\n' \"$$s\"")


def machine(command, toml="ports = [5000]\n", **more):
    service = {"image": "tiltyard/busybox:1", "command": command, "stop_signal": "SIGKILL", **more}
    return {"compose.yaml": json.dumps({"services": {"main": service}}),
            "instance.toml": 'expected_boot = 1\nmem_limit = "32m"\n' + toml + ("" if "[ready]" in toml else "[ready]\n") + "interval = 50\n"}


def shell(script, port=5000, listen="-ll"):
    return ["nc", listen, "-p", str(port), "-e", "sh", "-c", script]


def answering(status, toml="ports = [5000]\n"):
    return machine(shell(ANSWERS.replace("STATUS", status)), toml)


TEMPLATES = {
    "asks": machine(shell(ASKS)),
    "silent": machine(shell("head -c 4000 > /dev/null; echo late")),
    "once": machine(shell(ASKS, listen="-l")),
    "once-said": machine(shell(ASKS, 1337, "-l"), "ports = [1337]\n"),
    "fails": answering("500 Internal Server Error"),
    "not-done": answering("501 Not Implemented"),
    "not-yet": answering("503 Service Unavailable", "ports = [5000]\n[ready]\ntimeout = 2\n"),
    "strict": answering("500 Internal Server Error", "ports = [5000]\n[ready]\ntimeout = 2\npath = \"/up\"\n"),
    "inside": machine(["httpd", "-f", "-p", "127.0.0.1:5000"], "ports = [5000]\n[ready]\ntimeout = 2\n"),
    "elsewhere": machine(["httpd", "-f", "-p", "8081"], "ports = [5000]\n[ready]\ntimeout = 2\n"),
    "no-http": machine(shell("echo hello"), "[[endpoint]]\nport = 5000\nkind = \"http\"\n"),
}


@pytest.fixture(scope="module")
def server(docker, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("ready"))
    shared = make(**TEMPLATES)
    try:
        yield shared.start()
    finally:
        end()


@pytest.fixture(scope="module")
def started(server):
    """All of them, begun at the same time: the state that each came to."""
    admin = server.admin()
    for name in TEMPLATES:
        admin.wait_template(name)
    with concurrent.futures.ThreadPoolExecutor(len(TEMPLATES)) as pool:
        return dict(zip(TEMPLATES, pool.map(lambda name: admin.start(name, wait=60).expect(201).json, TEMPLATES)))


def talk(tcp):
    with dial(tcp) as connection:
        said = read_until(connection, b"word:\n")
        connection.sendall(b"please\n")
        return said, read_until(connection, b"}")


@pytest.mark.parametrize("name", ["asks", "silent"])
def test_R1_9_what_answers_no_http_on_a_ports_number_of_the_web_is_raw_tcp(server, started, name):
    instance = started[name]
    assert instance["state"] == "running", instance["reason"]
    tcp = endpoint(instance, kind="tcp")
    if name == "asks":
        assert talk(tcp) == (b"say the word:\n", b"FLAG{be_polite}\n")


@pytest.mark.parametrize("name", ["once", "once-said"])
def test_R1_9_a_look_uses_up_nothing_that_the_player_needs(server, started, name):
    instance = started[name]
    assert instance["state"] == "running", instance["reason"]
    assert talk(endpoint(instance, kind="tcp")) == (b"say the word:\n", b"FLAG{be_polite}\n")


@pytest.mark.parametrize("name, status", [("fails", 500), ("not-done", 501)])
def test_R1_9_an_answer_that_is_an_error_is_an_answer(server, started, name, status):
    instance = started[name]
    assert instance["state"] == "running", instance["reason"]
    url = endpoint(instance, kind="http")["url"]
    assert fetch(url)[0] == status
    assert fetch(url, "/api")[0] == 200


@pytest.mark.parametrize("name, code, words", [
    ("not-yet", "not-ready", ["it answered 503", "[ready]"]),
    ("strict", "not-ready", ["it answered 500 to GET /up", "below 500"]),
    ("inside", "not-ready", ["127.0.0.1", "0.0.0.0"]),
    ("elsewhere", "not-ready", ["it listens on 8081"]),
    ("no-http", "not-http", ["it said \"hello\"", "kind = \"tcp\""]),
])
def test_R1_9_a_start_that_fails_says_what_was_heard(started, name, code, words):
    instance = started[name]
    assert instance["state"] == "failed", instance
    assert instance["reason"]["code"] == code, instance["reason"]
    for word in words:
        assert word in instance["reason"]["text"], instance["reason"]


def test_R1_9_what_was_found_out_stays_over_a_restart(server, started):
    before = endpoint(started["asks"], kind="tcp")
    server.restart()
    admin = server.admin()

    def open_again():
        now = admin.instance(started["asks"]["id"])
        return now if now["state"] == "running" and now["endpoints"] else None
    after = until(open_again, "the instance runs again")
    assert endpoint(after, kind="tcp") == before
    assert talk(before)[1] == b"FLAG{be_polite}\n"
