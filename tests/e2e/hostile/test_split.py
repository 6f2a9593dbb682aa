"""The server has no rights, and what has them takes little from it: both halves run as the shipped units say."""
import json
import os
import pathlib
import struct
import subprocess
import threading

import pytest

from harness import templates
from harness.docker import NAMESPACE
from harness.gateway import endpoint, fetch
from harness.leaks import Leaks
from harness.server import binary
from harness.split import USER, SplitServer, as_the_server, ask, engine_calls, unit
from harness.wait import until

# A flag in a file that only root may read, and a folder that the machine's root writes to.
KEEPER = {
    "instance.toml": 'name = "Keeper"\nports = [8000]\nexpected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": 'services:\n  box:\n    build: .\n    volumes: ["./kept:/kept:rw", "./read:/read:ro"]\n',
    "flag.txt": "FLAG{keeper}\n",
    "kept/deep/note": "kept\n",
    "read/page.html": "read only\n",
    "Dockerfile": "FROM tiltyard/busybox:1\nCOPY flag.txt /flag.txt\nRUN chmod 4400 /flag.txt && mkdir /www\nSTOPSIGNAL SIGKILL\n"
                  'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}

# All that a machine can write to, and little of it.
HOG = {
    "instance.toml": 'name = "Hog"\nports = [8000]\nexpected_boot = 1\ndisk = "32m"\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\ninodes = 2000\n',
    "compose.yaml": 'services:\n  box:\n    build: .\n    volumes: ["./kept:/kept:rw", "state:/state"]\nvolumes:\n  state: {}\n',
    "kept/note": "kept\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}

# linux/capability.h
NUMBERS = {"NET_RAW": 13, "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_CHROOT": 18, "SYS_ADMIN": 21, "SYS_BOOT": 22, "SYS_TIME": 25, "MKNOD": 27, "BPF": 39}


@pytest.fixture(scope="module")
def split(docker):
    server = SplitServer()
    templates.add(server, web=templates.WEB, stack=templates.STACK, keeper=KEEPER, hog=HOG)
    try:
        server.start()
        for name in ("web", "stack", "keeper", "hog"):
            server.admin().wait_template(name)
        yield server
    finally:
        print(server.log()[-3000:], server.half_said()[-3000:])
        server.close()
        docker.sweep(server.namespace)


def status_of(process):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines() if ":\t" in line)


def test_R1_5_the_halves_run_with_what_their_units_give(split):
    server, half = status_of(split.process), status_of(split.half)
    assert server["Uid"].split() == [str(USER)] * 4 and half["Uid"].split() == ["0"] * 4
    for kind in ("CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"):
        assert int(server[kind], 16) == 0, kind
    assert server["Groups"].split() == [] and server["NoNewPrivs"] == half["NoNewPrivs"] == "1"
    given = {f"CAP_{name}" for name in ("NET_ADMIN", "NET_RAW", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETFCAP")}
    assert set(" ".join(unit("tiltyard-privileged.service")["CapabilityBoundingSet"]).split()) == given
    assert bin(int(half["CapBnd"], 16)).count("1") == len(given)
    # A socket that leads to root is no use to the one, and the other half's memory and files are none of its business.
    knock = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    assert as_the_server("/usr/bin/python3", "-c", knock, "/var/run/docker.sock").returncode != 0
    assert as_the_server("/usr/bin/python3", "-c", knock, str(split.run / "engine.sock")).returncode == 0
    assert as_the_server("cat", f"/proc/{split.half.pid}/environ").returncode != 0


@pytest.mark.parametrize("template", ["web", "stack"])
def test_R1_5_a_server_without_rights_runs_machines_as_ever(split, docker, template):
    leaks = Leaks(split, docker)
    caller = split.admin()
    instance = caller.running(template)
    assert b"hello from" in fetch(endpoint(instance)["url"])[2]
    where = {"machine": "front"} if template == "stack" else {}
    ran = caller.post(f"/instances/{instance['id']}/exec", {"command": ["sh", "-c", "echo out; echo err >&2; exit 7"], **where}).expect(200).json
    assert (ran["exit_code"], ran["stdout"], ran["stderr"]) == (7, "out\n", "err\n")
    # Both ways at once, and the end of the input passes the half between.
    data = bytes(range(256)) * 4096
    piped = subprocess.run([binary(), "exec", *(word for pair in where.items() for word in (f"--{pair[0]}", pair[1])), instance["id"], "--", "cat"],
                           env={**os.environ, "TILTYARD_URL": split.url, "TILTYARD_TOKEN": split.token}, input=data, capture_output=True, timeout=90)
    assert (piped.returncode, piped.stdout) == (0, data), piped.stderr
    assert subprocess.run(["nft", "list", "table", "inet", "tiltyard"], capture_output=True).returncode == 0
    caller.stop(instance["id"])
    leaks.assert_none()


@pytest.mark.parametrize("writes", ["head -c 400000000 /dev/zero >/x", "head -c 400000000 /dev/zero >/kept/x",
                                    "i=0; while [ $i -lt 6000 ]; do : >/state/$i; i=$((i+1)); done"], ids=["layer", "bind", "volume"])
def test_R1_5_who_writes_too_much_is_stopped_by_a_server_that_may_not_look(split, docker, writes):
    caller = split.admin()
    instance, beside = caller.running("hog"), caller.running("keeper")
    docker.start_exec(docker.machine(instance["id"])["Id"], "sh", "-c", writes)
    ended = caller.wait_state(instance["id"], "stopped", timeout=60)
    assert ended["reason"]["code"] == "disk-limit", ended["reason"]
    assert caller.instance(beside["id"])["state"] == "running"
    caller.stop(beside["id"])


def test_R1_5_files_are_roots_and_nobody_elses(split, docker):
    leaks = Leaks(split, docker)
    caller = split.admin()
    instance = caller.running("keeper")
    container = docker.machine(instance["id"])["Id"]
    _, said = docker.exec(container, "sh", "-c", "cat /flag.txt /kept/deep/note /read/page.html; stat -c '%u %g %a' /flag.txt")
    assert not [mount for mount in docker.inspect(container)["Mounts"] if mount["Destination"] == "/flag.txt"], "the flag is the machine's own file"
    assert docker.exec(container, "sh", "-c", "mv /flag.txt /moved && rm /moved")[0] == 0
    assert "FLAG{keeper_" in said and "kept\nread only\n" in said and said.endswith("0 0 4400\n"), said
    # What a machine's root leaves behind goes as well.
    docker.exec(container, "sh", "-c", "mkdir -p /kept/a/b && echo x >/kept/a/b/f && chmod 000 /kept/a/b/f /kept/a && chown 12345 /kept/a")
    mine = split.files / instance["id"]
    assert split.files.stat().st_uid == 0 and split.files.stat().st_mode & 0o777 == 0o700
    assert as_the_server("cat", str(mine / "binds" / "as-is-kept" / "deep" / "note")).returncode != 0
    assert as_the_server("ls", str(split.files)).returncode != 0
    caller.stop(instance["id"])
    until(lambda: not mine.exists() and os.listdir(split.files / ".gone") == [], "the files to be gone")
    leaks.assert_none()


PLACE = {"instance": "i1", "path": "flags/0", "user": 0, "group": 0, "mode": 0o644, "seconds": 0, "nanos": 0, "capability": ""}


def test_R1_5_the_privileged_half_refuses_what_it_is_not_for(split):
    def call(verb, **arguments):
        return ask(split, {"verb": verb, "arguments": arguments})

    assert call("files.there", instance="i1", path="flags/0") == {"result": {"there": False}}
    for path in ("../../etc/passwd", "flags/..", "/etc/passwd", "flags//0", "flags", ".", "", "flags/" + "x" * 256, "a/" * 200 + "b", "flags/\0"):
        assert call("files.place", **{**PLACE, "path": path})["reason"] == "argument-refused", path
        assert call("files.there", instance="i1", path=path)["reason"] == "argument-refused", path
    for instance in ("..", "../x", "a/b", "", ".gone", "-x", "x" * 65):
        assert call("files.take", instance=instance)["reason"] == "argument-refused", instance
    # No content came along; and numbers have their ranges.
    for wrong in ({}, {"mode": 0o10000}, {"user": -1}, {"mode": "0644"}, {"capability": "zz"}, {"more": 1}):
        assert call("files.place", **{**PLACE, **wrong})["reason"] == "argument-refused", wrong
    assert call("firewall.ensure", table="x")["reason"] == "argument-refused"
    assert call("firewall.ensure") == {"result": {}}
    for verb in ("files.read", "nft", "exec", ""):
        assert call(verb)["reason"] == "verb-unknown"
    for garbage in (b"\0" * 100, b"{" * 5000, b"[]", b'{"verb":1,"arguments":{}}', b"x" * 70_000):
        assert ask(split, garbage)["reason"] in ("argument-refused", "verb-unknown", "message-too-long"), garbage[:20]
    # Of layers only those of our own machines.
    for machine in ("../x", "", "a/b", "x" * 300, ".."):
        assert call("layer.unpack", machine=machine)["reason"] == "argument-refused", machine
    assert call("layer.rewrite", machine="nobody")["reason"] == "argument-refused", "no content came along"
    for wrong in ({"machine": "../x"}, {"machine": ""}, {"bytes": -1}, {"inodes": "1"}, {"more": 1}):
        assert call("disk.usage", **{"machine": split.namespace + "-x", "bytes": 1, "inodes": 1, **wrong})["reason"] == "argument-refused", wrong
    # A link that a machine has planted leads nowhere.
    (split.files / "i2" / "flags").mkdir(parents=True)
    os.symlink("/etc", split.files / "i2" / "binds")
    assert call("files.there", instance="i2", path="binds/passwd")["reason"] == "file-refused"
    # Nobody else is heard, not even one who may open the socket.
    assert ask(split, {"verb": "firewall.ensure", "arguments": {}}, user=USER + 1)["reason"] == "unreachable"
    assert ask(split, {"verb": "firewall.ensure", "arguments": {}}, user=0)["reason"] == "caller-refused"
    assert "verb-unknown" in split.half_said() and "caller-refused" in split.half_said()


def test_R1_5_of_the_engine_only_our_own_machines_are_within_reach(split, docker):
    caller = split.admin()
    instance = caller.running("web")
    mine = docker.machine(instance["id"])
    other = docker.run("e2e-stranger-" + split.namespace, "tiltyard/busybox:1", ["sleep", "600"], {NAMESPACE: "stranger"})
    try:
        looks = [ask(split, {"verb": "disk.usage", "arguments": {"machine": name, "bytes": 0, "inodes": 0}}) for name in (mine["Id"], other)]
        assert looks[0]["result"]["inodes"] > 0 and looks[1]["reason"] == "argument-refused", looks
        made = {"Image": "tiltyard/busybox:1", "Labels": {"tiltyard.managed": "true", NAMESPACE: split.namespace},
                "HostConfig": {"CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"], "PidsLimit": 10, "IpcMode": "private",
                               "CgroupnsMode": "private", "NetworkMode": "none"}}

        def with_host(**more):
            return {**made, "HostConfig": {**made["HostConfig"], **more}}

        create = f"/v1.41/containers/create?name={split.namespace}-evil"
        bind = {"Type": "bind", "Target": "/h", "ReadOnly": True, "BindOptions": {"Propagation": "rprivate"}}
        refused = [
            ["POST", create, with_host(Privileged=True)],
            ["POST", create, with_host(Mounts=[{**bind, "Source": "/"}])],
            ["POST", create, with_host(Mounts=[{**bind, "Source": str(split.files)}])],
            ["POST", create, with_host(Binds=["/:/h"])],
            ["POST", create, with_host(NetworkMode="host")],
            ["POST", create, with_host(NetworkMode=f"container:{other}")],
            ["POST", create, with_host(PidMode="host")],
            ["POST", create, with_host(CapAdd=["SYS_ADMIN"])],
            ["POST", create, with_host(SecurityOpt=["apparmor=unconfined"])],
            ["POST", create, {**made, "Labels": {}}],
            ["POST", "/v1.41/containers/create?name=else", made],
            ["GET", "/v1.41/containers/json?all=1", None],
            ["GET", f"/v1.41/containers/{other}/json", None],
            ["POST", f"/v1.41/containers/{other}/exec", {"Cmd": ["id"]}],
            ["DELETE", f"/v1.41/containers/{other}?force=1", None],
            ["PUT", f"/v1.41/containers/{other}/archive?path=/", None],
            ["GET", f"/v1.41/containers/{other}/export", None],
            ["POST", f"/v1.41/commit?container={other}&repo=tiltyard%2Fs-00&tag=m0&pause=1", {"Labels": {"tiltyard.snapshot": "00"}}],
            ["POST", f"/v1.41/commit?container={mine['Id']}&repo=tiltyard%2Fbusybox&tag=1&pause=1", {"Labels": {"tiltyard.snapshot": "00"}}],
            ["POST", f"/v1.41/containers/{mine['Id']}/exec", {"Cmd": ["id"], "Privileged": True}],
            ["POST", f"/v1.41/containers/{mine['Id']}/update", {"Memory": 0}],
            ["POST", "/v1.41/networks/create", {"Name": "x", "Driver": "macvlan"}],
            ["DELETE", "/v1.41/networks/bridge", None],
            ["POST", "/v1.41/volumes/create", {"Name": f"{split.namespace}-v", "Labels": made["Labels"], "DriverOpts": {"device": "/"}}],
            ["POST", "/v1.41/plugins/pull", None],
        ]
        for call, (status, text) in zip(refused, engine_calls(split.run / "engine.sock", refused)):
            assert status == 403 and "refuses" in json.loads(text)["message"], (call, status, text)
        ours = engine_calls(split.run / "engine.sock", [
            ["GET", "/v1.41/_ping", None], ["GET", f"/v1.41/containers/{mine['Id']}/json", None],
            ["POST", f"/v1.41/containers/{mine['Id']}/exec", {"Cmd": ["id"]}]])
        assert [status for status, _ in ours] == [200, 200, 201], ours
        begun = json.loads(ours[2][1])["Id"]
        elsewhere = docker.call("POST", f"/containers/{other}/exec", body={"Cmd": ["id"]})["Id"]
        both = engine_calls(split.run / "engine.sock", [["GET", f"/v1.41/exec/{begun}/json", None], ["GET", f"/v1.41/exec/{elsewhere}/json", None]])
        assert [status for status, _ in both] == [200, 403], both
        assert docker.inspect(other)["State"]["Running"]
    finally:
        docker.remove(other)
        caller.stop(instance["id"])


def test_R1_5_the_halves_may_be_started_anew_one_by_one(split):
    caller = split.admin()
    kept = caller.running("web")
    split.stop_half()
    split.start_half()

    def starts():
        answer = caller.start("stack")
        return answer.json if answer.status == 201 and answer.json["state"] == "running" else None

    again = until(starts, "a machine to start with the new half", timeout=60)
    assert b"hello from" in fetch(endpoint(kept)["url"])[2]
    for instance in (kept, again):
        caller.stop(instance["id"])


def test_R1_5_a_server_that_is_root_keeps_only_what_it_needs(make_server):
    server = make_server(config={"engine": {"kind": "fake"}, "captures": {"at_once": 0}}).start()
    status = status_of(server.process)
    kept = int(status["CapEff"], 16)
    for right in ("SYS_ADMIN", "SYS_MODULE", "SYS_RAWIO", "NET_RAW", "MKNOD", "SYS_CHROOT", "SYS_BOOT", "SYS_TIME", "BPF"):
        assert not kept & 1 << NUMBERS[right], right
    assert status["CapBnd"] == status["CapPrm"] == status["CapEff"] and status["NoNewPrivs"] == "1"


# Asks for a socket as a taken-over server would, and tries what more it can do with it.
TAP = """
import array, json, os, socket, sys
asked = json.load(sys.stdin)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(20)
s.connect(sys.argv[1])
memory = os.memfd_create("filter")
os.write(memory, bytes.fromhex(asked["program"]))
s.sendmsg([json.dumps({"verb": "capture.open", "arguments": asked["arguments"]}).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memory]))])
text, extra, _, _ = s.recvmsg(1 << 16, 1024)
said = json.loads(text)
if extra:
    tap = socket.socket(fileno=array.array("i", extra[0][2])[0])
    def hears():
        tap.settimeout(3)
        try:
            return bool(tap.recv(100))
        except TimeoutError:
            return False
    said["here"] = hears()
    try:
        tap.setsockopt(socket.SOL_SOCKET, 26, bytes(16))
    except OSError as error:
        said["filter"] = type(error).__name__
    tap.bind(("lo", 3))
    tap.settimeout(0)
    try:
        while tap.recv(100):
            pass
    except BlockingIOError:
        pass
    word = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(20):
        word.sendto(b"word", ("127.0.0.1", 9))
    said["elsewhere"] = hears()
print(json.dumps(said))
"""
# ldh [12]; jeq #0x800, 0, 1; ret #-1; ret #0: neighbours look for each other (ARP, IPv6) on every bridge.
IPV4 = struct.pack("<" + "HBBI" * 4, 0x28, 0, 0, 12, 0x15, 0, 1, 0x800, 6, 0, 0, 0xffffffff, 6, 0, 0, 0)


def tap(split, arguments, program=IPV4):
    asked = json.dumps({"program": program.hex(), "arguments": arguments})
    ran = as_the_server("/usr/bin/python3", "-c", TAP, str(split.run / "privileged.sock"), input=asked)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_R2_7_a_server_without_rights_captures_through_the_other_half_and_no_other_bridge(split, docker):
    caller = split.admin()
    instance = caller.running("stack")
    capture = caller.post("/admin/captures", {"instance": instance["id"], "filter": "tcp"}).expect(201).json
    fetch(endpoint(instance)["url"])
    until(lambda: caller.get(f"/admin/captures/{capture['id']}").expect(200).json["packets"] >= 5, "packets to come", 60)
    assert caller.post(f"/admin/captures/{capture['id']}/stop").expect(200).json["lost"] == {"not_read": 0, "not_written": 0}

    mine = {"network": docker.networks(tiltyard__instance=instance["id"])[0]["Name"], "shared": False, "egress": False}
    assert tap(split, mine, program=b"")["reason"] == "argument-refused", "no filter came along"
    for wrong in ({"network": "bridge"}, {"network": "docker0"}, {"network": "eth0"}, {"network": "../x"}, {"network": ""}, {"network": f"{split.namespace}-b-abcdefghijklmn"}, {"shared": "no"}, {"more": 1}):
        assert tap(split, {**mine, **wrong})["reason"] == "argument-refused", wrong
    assert tap(split, {**mine, "network": f"{split.namespace}-abcdefghijklmn"})["reason"] == "network-away"
    # What it gets hears that one bridge, wherever it is bound, and takes no other filter.
    over = threading.Event()
    asking = threading.Thread(target=lambda: [fetch(endpoint(instance)["url"]) for _ in iter(over.is_set, True)])
    asking.start()
    try:
        # The one of both networks that the gateway's questions pass is found by hearing them.
        heard = [tap(split, {**mine, "network": network["Name"]}) for network in docker.networks(tiltyard__instance=instance["id"])]
    finally:
        over.set()
        asking.join()
    assert sorted(one["here"] for one in heard) == [False, True]
    assert [(one["elsewhere"], one["filter"]) for one in heard] == [(False, "PermissionError")] * 2
    caller.stop(instance["id"])


def test_R2_8_a_server_without_rights_sees_ports_and_opens_them(split):
    admin = split.admin()
    instance = admin.running("web")
    try:
        machine = until(lambda: next((one for one in admin.get(f"/instances/{instance['id']}/ports").expect(200).json["machines"]
                                      if one["seen"] and one["ports"]), None), "its ports to be seen")
        seen = machine["ports"][0]
        assert (seen["port"], seen["reachable"], seen["endpoint"], seen["program"]) == (8000, True, "web", None), "the name is root's to see"
        opened = admin.post(f"/instances/{instance['id']}/ports", {"port": 9000, "kind": "http"}).expect(201).json
        admin.delete(f"/instances/{instance['id']}/ports/{opened['name']}").expect(204)
    finally:
        admin.stop(instance["id"])


def test_R1_15_a_server_without_rights_takes_snapshots_and_gives_them_out(split):
    admin = split.admin()
    instance = admin.running("web")
    try:
        admin.post(f"/instances/{instance['id']}/snapshots", {"name": "one"}).expect(201)
        assert b"hello from web" in admin.get(f"/instances/{instance['id']}/snapshots/one/files").expect(200).body
        admin.delete(f"/instances/{instance['id']}/snapshots/one").expect(204)
    finally:
        admin.stop(instance["id"])


def test_R3_6_a_server_without_rights_sends_files_into_a_machine_that_runs_and_fetches_them(split):
    admin = split.admin()
    instance = admin.running("web")
    try:
        where = {"path": "/dev/shm/sent", "upload": "splitsplit"}
        files = f"/instances/{instance['id']}/files/content"
        admin.call("PUT", files, raw=b"through both halves", query={**where, "offset": 0, "total": 19}).expect(200)
        assert admin.get(files, query=where).expect(200).body == b"through both halves"
    finally:
        admin.stop(instance["id"])
