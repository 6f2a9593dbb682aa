"""The server on PostgreSQL: the main job, an outage, a kill of the database under load, a second server on the same one."""
import subprocess
import threading

import pytest

from harness import postgres, templates
from harness.server import binary
from harness.wait import until

FAKE = templates.FAKE


@pytest.fixture
def database():
    """A database of the test's own; the server behind it runs again after the test, whatever the test did to it."""
    cluster = postgres.shared()
    yield cluster, cluster.fresh()
    if cluster.process.poll() is not None:
        cluster.start()


def on(url, **more):
    return {"store": {"url": url}, **more}


def test_R14_1_the_main_job_and_a_restart_on_postgresql(make_server, database):
    _, url = database
    server = make_server(config=on(url), web=templates.WEB).start()
    admin = server.admin()
    admin.wait_template("web")
    instance = admin.running("web")
    server.kill9()
    server.start()
    again = server.admin().get(f"/instances/{instance['id']}").expect(200).json
    assert again["state"] == "running" and again["endpoints"] == instance["endpoints"]
    server.admin().stop(instance["id"])
    assert not list(server.data.glob("*.db*")), "nothing of it is on this machine"
    assert postgres.PASSWORD not in server.log() and "s3cret%2F" not in server.log()
    checked = subprocess.run([binary(), "config", "check", "--config", server.folder / "tiltyard.toml"], capture_output=True, text=True, check=False)
    assert "s3cret" not in checked.stdout + checked.stderr


def test_R14_1_killing_the_database_under_load_loses_no_answered_instance(make_server, database):
    cluster, url = database
    server = make_server(config=on(url, **FAKE), web=templates.EMPTY).start()
    server.admin().wait_template("web")
    users = [server.user(f"user-{n}") for n in range(4)]
    answered, done = [], threading.Event()

    def ask(user):
        while not done.is_set():
            # What fails, fails with a problem that says so; what is answered must be there afterwards.
            answer = user.start("web", wait=0)
            assert answer.status in (201, 202, 409, 503, 500), answer
            if answer.status in (201, 202):
                answered.append(answer.json["id"])
                user.delete(f"/instances/{answer.json['id']}")

    threads = [threading.Thread(target=ask, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    for _ in range(2):
        before = len(answered)
        until(lambda: len(answered) >= before + 10, "instances to be answered", 30)
        cluster.kill9()
        cluster.start()
    before = len(answered)
    until(lambda: len(answered) >= before + 10, "the server to go on by itself", 30)
    done.set()
    for thread in threads:
        thread.join()
    there = {row[0] for row in server.rows("SELECT id FROM instances")}
    assert not set(answered) - there
    told = {row[0] for row in server.rows("SELECT subject FROM events WHERE kind = 'instance.asked'")}
    assert told == there, "an instance and its event stand together"


def test_R14_1_while_the_database_is_away_the_server_says_so_and_comes_back(make_server, database):
    cluster, url = database
    server = make_server(config=on(url, **FAKE), web=templates.EMPTY).start()
    server.admin().wait_template("web")
    cluster.kill9()
    refused = server.admin().start("web", wait=0)
    assert refused.status in (500, 503) and refused.json["type"], refused
    # Each connection finds out for itself that its database has gone: the one that is asked here may be a moment later.
    until(lambda: server.api().get("/readyz").status == 503, "the server to say that it is not ready")
    assert server.alive
    cluster.start()
    until(lambda: server.admin().start("web", wait=0).status == 202, "the server to go on", 20)


def test_R14_1_a_second_server_is_refused_until_the_first_has_gone(make_server, database):
    cluster, url = database
    first = make_server(config=on(url, **FAKE), web=templates.EMPTY).start()
    second = make_server(config=on(url, **FAKE), web=templates.EMPTY)
    second.spawn()
    assert second.wait_dead(40) == 1
    assert "Another server works on the database" in second.log() and f":{first.process.pid}" in second.log(), second.log()
    assert first.alive and first.admin().get("/me").status == 200
    second.spawn()
    seen = f"SELECT 1 FROM pg_stat_activity WHERE application_name LIKE '%:{second.process.pid}'"
    until(lambda: cluster.rows("postgres", seen), "the second to be at the database, where it waits a few seconds for the first")
    first.kill9()
    until(second._ready, "the second to take over", 30)


def test_R14_1_no_database_is_a_clear_end(make_server, database):
    _, url = database
    for broken, said in ((url.rsplit("/", 1)[0] + "/no_such_database", "no_such_database"), (url.replace("s3cret", "wr0ng"), "password authentication failed")):
        server = make_server(config=on(broken, **FAKE), web=templates.EMPTY)
        server.spawn()
        assert server.wait_dead(30) == 1
        assert said in server.log() and "wr0ng" not in server.log(), server.log()
