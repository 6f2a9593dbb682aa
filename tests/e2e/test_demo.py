"""./run demo does the main job without a person and leaves nothing, also when it is interrupted."""
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import templates
from harness.gateway import endpoint, fetch
from harness.server import ROOT, binary

ALONE = "a second ./run has three seconds"  # for ./test


def servers():
    """Servers that a demo started and that still run."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if b"TILTYARD_ENGINE_NAMESPACE=demo-" in (process / "environ").read_bytes():
                found.append(f"process {process.name}")
        except OSError:
            continue
    return found


def ours(docker):
    """What there is of any demo: servers, and what the engine has."""
    names = [c["Names"][0] for c in docker.containers(tiltyard__managed="true") if c["Labels"].get("tiltyard.namespace", "").startswith("demo-")]
    names += [n["Name"] for n in docker.networks(tiltyard__managed="true") if n["Labels"].get("tiltyard.namespace", "").startswith("demo-")]
    return names + servers()


def test_R15_1_the_demo_spawns_fetches_stops_and_leaves_nothing(docker):
    before = set(ours(docker))
    ran = subprocess.run([ROOT / "tools" / "demo"], env={**os.environ, "TILTYARD_BIN": binary()}, capture_output=True, text=True, timeout=180)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "This machine is yours" in ran.stdout
    assert re.search(r"TILTYARD\{hello_web_[0-9a-f]{16}\}", ran.stdout), "the flag of this owner alone"
    assert re.search(r"^spawn +\d+ ms", ran.stdout, re.M) and re.search(r"^leftovers +0 ", ran.stdout, re.M)
    assert set(ours(docker)) == before


def test_R15_1_an_interrupted_demo_cleans_up(docker):
    before = set(ours(docker))
    running = subprocess.Popen([ROOT / "tools" / "demo"], env={**os.environ, "TILTYARD_BIN": binary()}, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        for line in running.stderr:
            if "is ready at" in line:
                break
        time.sleep(0.2)
        running.send_signal(signal.SIGTERM)
        assert running.wait(40) != 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    left = set(ours(docker)) - before
    assert not left, left


def test_R15_1_a_second_run_has_little_to_do():
    """What ./run does before the server starts, when all is there."""
    begun = time.monotonic()
    ran = subprocess.run([ROOT / "run", "build"], capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr
    first = time.monotonic() - begun
    begun = time.monotonic()
    ran = subprocess.run([ROOT / "run", "build"], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0 and time.monotonic() - begun < 3, f"{time.monotonic() - begun:.1f} s (the first took {first:.1f} s)"


def test_R15_1_one_thread_is_enough(make_server):
    """On one core domain logic and connections share a thread; nothing may wait for itself."""
    server = make_server(config={"server": {"threads": 1}}, web=templates.WEB)
    server.start()
    names = {path.read_text().strip() for path in pathlib.Path(f"/proc/{server.process.pid}/task").glob("*/comm")}
    assert "home" in names and not any(name.startswith("net-") for name in names)
    server.admin().wait_template("web")
    player = server.user("ann")
    instance = player.running("web")
    assert fetch(endpoint(instance)["url"])[0] == 200
    said = player.post(f"/instances/{instance['id']}/exec", {"command": ["echo", "hello"]})
    assert said.expect(200).json["stdout"] == "hello\n"
    for wrong in ({"command": ["echo"], "comand": ["id"]}, {"command": []}, {"command": "id"}, {"command": ["id"], "machine": 7}):
        player.post(f"/instances/{instance['id']}/exec", wrong).expect(400, "invalid-body")
    player.stop(instance["id"])
    server.stop()
