"""Row 1.15: machines' file systems are kept as they were and given out whole; nothing of it leaks, whatever dies when."""
import contextlib
import io
import itertools
import json
import tarfile

import pytest

from harness import templates
from harness.cli import Cli
from harness.wait import until

NAP = {**templates.BOX, "instance.toml": templates.BOX["instance.toml"].replace("[ready]", 'pause_after = "1s"\n[ready]')}
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def snapshots_server(docker, tmp_path_factory):
    from conftest import server_maker
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("snapshots"))
    server = make(config={"snapshots": {"per_instance": 2, "bytes": "2M"}}, box=templates.BOX, nap=NAP, stack=templates.STACK)
    server.start()
    for name in ("box", "nap", "stack"):
        server.admin().wait_template(name)
    yield server
    end()


@pytest.fixture
def owner(snapshots_server):
    if not snapshots_server.alive:
        snapshots_server.start()
    return snapshots_server.user(f"keeper-{next(NUMBERS)}")


def run(caller, instance, command):
    ended = caller.post(f"/instances/{instance['id']}/exec", {"command": ["sh", "-c", command]}).expect(200).json
    assert ended["exit_code"] == 0, ended
    return ended["stdout"]


def path_of(instance):
    return f"/instances/{instance['id']}/snapshots"


def images(docker, server):
    """The names of all snapshots' images that are the server's."""
    labels = {"label": ["tiltyard.snapshot", f"tiltyard.namespace={server.namespace}"]}
    found = docker.call("GET", "/images/json", {"filters": json.dumps(labels)})
    return sorted(name for image in found for name in image["RepoTags"] or [] if name.startswith("tiltyard/s-"))


def holders(docker, server):
    """What holds files of snapshots: never runs, and is none of an instance's machines."""
    return [one for one in docker.containers(tiltyard__namespace=server.namespace, tiltyard__snapshot=None) if not one["Labels"]["tiltyard.machine"]]


def names_in(archive):
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {entry.name: tar.extractfile(entry).read() if entry.isreg() else None for entry in tar}


def test_R1_15_a_snapshot_is_given_out_whole_and_goes_on_where_it_broke(owner, snapshots_server, docker, tmp_path):
    instance = owner.running("box")
    run(owner, instance, "echo then > /root.txt; mkdir -p '/a b'; ln -s /root.txt '/a b/link'")
    one = owner.post(path_of(instance), {"name": "before"}).expect(201).json
    assert (one["name"], [part["name"] for part in one["machines"]]) == ("before", ["main"])
    assert one["bytes"] >= 5
    run(owner, instance, "echo now > /root.txt")

    whole = owner.get(f"{path_of(instance)}/before/files").expect(200)
    files = one["machines"][0]["files"]
    assert whole.headers["etag"] == f'"{files}"'
    found = names_in(whole.body)
    assert found["root.txt"] == b"then\n" and found["a b/link"] is None
    assert "bin/busybox" in found, "what its image has is there too"
    # The rest of it, from any byte on, also of an instance whose programs stand still meanwhile.
    docker.call("POST", f"/containers/{docker.machine(instance['id'], 'main')['Id']}/pause")
    half = len(whole.body) // 2 + 1
    rest = owner.get(f"{path_of(instance)}/{one['id']}/files", query={"from": half, "of": files, "machine": "main"}).expect(200)
    assert rest.body == whole.body[half:]
    assert owner.get(f"{path_of(instance)}/before/files", query={"from": len(whole.body)}).expect(200).body == b""
    owner.get(f"{path_of(instance)}/before/files", query={"from": half, "of": "others"}).expect(409, "export-changed")
    owner.get(f"{path_of(instance)}/before/files", query={"machine": "none"}).expect(404, "machine-unknown")
    docker.call("POST", f"/containers/{docker.machine(instance['id'], 'main')['Id']}/unpause")

    # The command goes on with what it finds of just these bytes.
    cli = Cli(tmp_path, TILTYARD_URL=snapshots_server.url, TILTYARD_TOKEN=snapshots_server.token)
    (tmp_path / f"box.tar.{files}.part").write_bytes(whole.body[:half])
    cli("snapshots", "export", instance["id"], "before", "-w", "box.tar")
    assert (tmp_path / "box.tar").read_bytes() == whole.body
    assert cli.json("snapshots", "ls", instance["id"])["items"][0]["id"] == one["id"]

    # Somebody else's does not exist.
    stranger = snapshots_server.user(f"stranger-{next(NUMBERS)}")
    stranger.get(f"{path_of(instance)}/before/files").expect(404, "instance-unknown")
    stranger.post(path_of(instance)).expect(404, "instance-unknown")

    # With the instance goes all of it.
    assert images(docker, snapshots_server) and holders(docker, snapshots_server)
    owner.stop(instance["id"])
    assert images(docker, snapshots_server) == [] and holders(docker, snapshots_server) == []
    assert snapshots_server.rows("SELECT id FROM snapshots") == []


def test_R1_15_snapshots_have_limits_and_are_whole_or_refused(owner, snapshots_server, docker):
    instance = owner.running("box")
    owner.post(path_of(instance), {"name": "first"}).expect(201)
    run(owner, instance, "head -c 3000000 /dev/urandom > /large")
    owner.post(path_of(instance)).expect(429, "snapshots-too-large")
    run(owner, instance, "rm /large")
    owner.post(path_of(instance), {"name": "first"}).expect(409, "snapshot-exists")
    owner.post(path_of(instance)).expect(201)
    owner.post(path_of(instance)).expect(429, "snapshots-full")
    assert len(images(docker, snapshots_server)) == 2, "what was refused left nothing"
    owner.stop(instance["id"])
    owner.post(path_of(instance)).expect(409, "instance-not-running")
    stack = owner.running("stack")
    owner.post(path_of(stack)).expect(409, "snapshot-incomplete")
    owner.stop(stack["id"])


POINTS = ["snapshots.take.row.after", "snapshots.take.image.after", "snapshots.take.commit.before", "snapshots.remove.row.after",
          "snapshots.remove.images.after"]


def test_R1_15_a_kill_at_each_step_leaves_a_whole_snapshot_or_none(owner, snapshots_server, docker):
    instance = owner.running("box")
    kept = owner.post(path_of(instance), {"name": "kept"}).expect(201).json
    mine = images(docker, snapshots_server)
    # What no row knows is removed, and what one knows stays.
    docker.call("POST", f"/images/{mine[0]}/tag", {"repo": "tiltyard/s-00ff", "tag": "m0"})
    for point in POINTS:
        if "remove" in point:
            owner.post(path_of(instance), {"name": "leaves"}).expect(201)
        snapshots_server.restart(failpoints=f"{point}=kill")
        with pytest.raises(OSError):
            if "remove" in point:
                owner.delete(f"{path_of(instance)}/leaves")
            else:
                owner.post(path_of(instance), {"name": "dies"})
        snapshots_server.wait_dead()
        snapshots_server.start()
        until(lambda: images(docker, snapshots_server) == mine, f"{point}: the images of a half snapshot to go")
        until(lambda: len(holders(docker, snapshots_server)) == 1, f"{point}: what held its files to go")
        until(lambda: len(snapshots_server.rows("SELECT id FROM snapshots")) == 1, f"{point}: its row to go")
        assert [one["id"] for one in owner.get(path_of(instance)).expect(200).json["items"]] == [kept["id"]]
        assert owner.instance(instance["id"])["state"] == "running", point
    owner.get(f"{path_of(instance)}/kept/files").expect(200)
    owner.stop(instance["id"])
    assert images(docker, snapshots_server) == []


def roll_back(caller, instance, which):
    caller.post(f"{path_of(instance)}/{which}/roll-back").expect(202)
    return caller.wait_state(instance["id"], "running")


def settled(server, rows, what):
    """Once all that follows a roll-back is done."""
    until(lambda: [row for row in server.rows("SELECT pending FROM snapshot_uses")] == rows, what)


def test_R1_15_machines_begin_anew_with_what_was_kept(owner, snapshots_server, docker):
    nap = owner.running("nap")
    run(owner, nap, "echo first > /work.txt")
    owner.post(path_of(nap), {"name": "good"}).expect(201)
    before = owner.instance(nap["id"])
    machines = [docker.machine(nap["id"], "main")["Id"]]
    for work in ("spoilt", "spoilt again"):
        run(owner, nap, f"echo {work} > /work.txt; touch /new")
        if work == "spoilt again":
            owner.wait_state(nap["id"], "paused", timeout=60)  # one that sleeps is woken for it
        after = roll_back(owner, nap, "good")
        assert (after["expires_at"], after["started_at"], after["endpoints"]) == (before["expires_at"], before["started_at"], before["endpoints"])
        assert run(owner, nap, "cat /work.txt; ls /new 2>&1 || true").startswith("first\nls: /new: No such file")
        machines.append(docker.machine(nap["id"], "main")["Id"])
    assert len(set(machines)) == 3, "new machines each time, also of the same snapshot"
    settled(snapshots_server, [(0,)], "the use of before to go")
    assert len(images(docker, snapshots_server)) == 2
    # The snapshot may go before what is made of it.
    owner.delete(f"{path_of(nap)}/good").expect(204)
    snapshots_server.restart()
    assert run(owner, nap, "cat /work.txt") == "first\n"
    owner.stop(nap["id"])
    assert images(docker, snapshots_server) == [] and snapshots_server.rows("SELECT id FROM snapshot_uses") == []


@pytest.mark.parametrize("point,then", [
    ("snapshots.roll-back.row.after", "spoilt"), ("snapshots.roll-back.names.after", "spoilt"), ("labs.remake.commit.before", "spoilt"),
    ("labs.remake.commit.after", "kept"), ("labs.spawn.machines.before", "kept"), ("labs.spawn.machines.after", "kept"),
    ("labs.spawn.commit.before", "kept")])
def test_R1_15_a_kill_in_a_roll_back_leaves_all_of_it_or_nothing(owner, snapshots_server, docker, point, then):
    instance = owner.running("box")
    run(owner, instance, "echo kept > /work.txt")
    owner.post(path_of(instance), {"name": "good"}).expect(201)
    run(owner, instance, "echo spoilt > /work.txt")
    snapshots_server.restart(failpoints=f"{point}=kill")
    with contextlib.suppress(OSError):  # the answer may be quicker than the kill
        owner.post(f"{path_of(instance)}/good/roll-back")
    snapshots_server.wait_dead()
    snapshots_server.start()
    owner.wait_state(instance["id"], "running")
    assert run(owner, instance, "cat /work.txt") == f"{then}\n", point
    settled(snapshots_server, [(0,)] if then == "kept" else [], f"{point}: what is not used to go")
    assert len(images(docker, snapshots_server)) == (2 if then == "kept" else 1)
    owner.stop(instance["id"])
    assert images(docker, snapshots_server) == [] and snapshots_server.rows("SELECT id FROM snapshot_uses") == []
