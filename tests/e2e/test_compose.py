"""What `docker-compose config` says of a file, `tiltyard templates config` says too, in all that is honoured.

The cases are folders below compose/. Where docker-compose and the Compose specification differ, the specification counts:
the case's note.yaml says why, and what holds. With `alone: true` docker-compose refuses the case, or reads so much of it
in another way that the note says all of it. The property test lays random services of the specification's schema beside
each other in one file, many at a time: docker-compose takes half a second to start."""
import json
import os
import random
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from harness.server import binary

CASES = Path(__file__).parent / "compose"
BARE = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def ours(*folders):
    """What we read of each folder, by its name."""
    ran = subprocess.run([binary(), "templates", "config", *map(str, folders)], env=BARE, cwd="/", capture_output=True, text=True, timeout=60)
    assert ran.returncode in (0, 1), ran.stderr
    read = {Path(item["folder"]).name: item for item in json.loads(ran.stdout)["items"]}
    broken = [name for name, item in read.items() if item["broken"]]
    assert not broken, f"broken: {broken}\n{ran.stderr}"
    return read


def theirs(folder):
    ran = subprocess.run(["docker-compose", "config"], env=BARE, cwd=folder, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    # In what it prints a dollar sign is written as in a file.
    return yaml.safe_load(ran.stdout.replace("$$", "$"))


def milliseconds(text):
    return round(sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ns|us|ms|s|m|h)", str(text))))


def size(value):
    number, unit = re.fullmatch(r"([\d.]+)\s*([kmg]?)i?b?", str(value).lower()).groups()
    return int(float(number) * {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}[unit])


def pairs(value, separator="="):
    if isinstance(value, list):
        value = dict(re.split(separator, one, maxsplit=1) if re.search(separator, one) else (one, None) for one in value)
    return {name: str(text) for name, text in (value or {}).items() if text is not None}


def words(value):
    return shlex.split(value) if isinstance(value, str) else value


def health(said):
    test = said.get("test", [])
    test = ["CMD-SHELL", test] if isinstance(test, str) and test != "NONE" else test
    if said.get("disable") or test in ("NONE", ["NONE"]):
        return {"disable": True}
    times = {f"{name}_ms": milliseconds(said.get(name, default)) for name, default in (("interval", "30s"), ("timeout", "30s"), ("start_period", "0s"))}
    return {"test": test, **times, "retries": said.get("retries", 3)}


def container_ports(service):
    found = set()
    for port in [*service.get("ports", []), *service.get("expose", [])]:
        text = str(port["target"] if isinstance(port, dict) else port).split("/")[0].rsplit(":", 1)[-1]
        first, _, last = text.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return sorted(found)


def shared_files(service, folder, document):
    """Secrets and configs, which are mounted as files."""
    for section, place in (("secrets", "/run/secrets/"), ("configs", "/")):
        for use in service.get(section, []):
            use = {"source": use} if isinstance(use, str) else use
            target = os.path.join(place, use.get("target", use["source"]))
            yield ["bind", os.path.relpath(document[section][use["source"]]["file"], folder), target, True, None]


def mounts(service, folder, document):
    found = list(shared_files(service, folder, document))
    for volume in service.get("volumes", []):
        if isinstance(volume, str):
            parts = volume.split(":")
            source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
            volume = {"source": source, "target": target, "read_only": "ro" in parts[2:], "type": "bind" if source.startswith("/") else "volume"}
        source = volume.get("source", "")
        if volume["type"] == "bind":
            source = os.path.relpath(source, folder)
        limit = volume.get("tmpfs", {}).get("size")
        read_only = None if volume["type"] == "tmpfs" else volume.get("read_only", False)
        found.append([volume["type"], source, volume["target"].rstrip("/"), read_only, limit and size(limit)])
    tmpfs = service.get("tmpfs", [])
    # docker-compose 1.29 keeps two texts of one target; the engine takes a map, in which the later one is left.
    for target, options in {one.partition(":")[0]: one.partition(":")[2] for one in ([tmpfs] if isinstance(tmpfs, str) else tmpfs)}.items():
        limit = pairs(options.split(",")).get("size") if options else None
        found.append(["tmpfs", "", target, None, limit and size(limit)])
    return sorted(found, key=str)


def networks(name, service):
    uses = service.get("networks") or {"default": None}
    uses = dict.fromkeys(uses) if isinstance(uses, list) else uses
    named = [one for one in [service.get("container_name")] if one not in (None, name)]
    return {network: sorted([*((use or {}).get("aliases") or []), *named]) for network, use in uses.items()}


def dependencies(service):
    said = service.get("depends_on", {})
    said = dict.fromkeys(said, {"condition": "service_started"}) if isinstance(said, list) else said
    links = {link.split(":")[0]: "service_started" for link in service.get("links", [])}
    return {**links, **{name: how["condition"] for name, how in said.items()}}


def limits(service):
    deployed = service.get("deploy", {}).get("resources", {}).get("limits", {})
    said = {
        "memory": service.get("mem_limit", deployed.get("memory")),
        "cpus": service.get("cpus", deployed.get("cpus")),
        "pids": service.get("pids_limit"),
        "shm": service.get("shm_size"),
    }
    take = {"memory": size, "cpus": float, "pids": int, "shm": size}
    found = {name: take[name](value) for name, value in said.items() if value is not None}
    for name, one in service.get("ulimits", {}).items():
        found[f"ulimit {name}"] = (one["soft"], one["hard"]) if isinstance(one, dict) else (one, one)
    return found


def build(said, folder):
    said = {"context": said} if isinstance(said, str) else said
    context = os.path.relpath(os.path.join(folder, said["context"]), folder)
    return {"context": context, "dockerfile": said.get("dockerfile", "Dockerfile"), "target": said.get("target", ""), "args": pairs(said.get("args"))}


def their_service(name, folder, document):
    """A service of `docker-compose config`, in the words of `tiltyard templates config`."""
    service = document["services"][name]
    out = {
        "image": None if "build" in service else service.get("image"),
        "build": build(service["build"], folder) if "build" in service else None,
        "command": words(service.get("command")),
        "entrypoint": words(service.get("entrypoint")),
        "environment": pairs(service.get("environment")),
        "labels": pairs(service.get("labels")),
        "sysctls": pairs(service.get("sysctls")),
        "extra_hosts": pairs(service.get("extra_hosts"), "[=:]"),
        "depends_on": dependencies(service),
        "networks": networks(name, service),
        "ports": container_ports(service),
        "mounts": mounts(service, folder, document),
        "limits": limits(service),
        "restart": service.get("restart", "no"),
        "healthcheck": health(service["healthcheck"]) if "healthcheck" in service else None,
        "stop_grace_ms": milliseconds(service["stop_grace_period"]) if "stop_grace_period" in service else None,
    }
    out |= {name: service.get(name, False) for name in ("init", "read_only", "tty", "stdin_open")}
    return out | {name: str(service.get(name, "")) for name in ("user", "working_dir", "hostname", "domainname", "stop_signal")}


def their_services(folder, absent=()):
    document = theirs(folder)
    return {name: their_service(name, folder, document) for name in document["services"] if name not in absent}


def our_service(service, wanted):
    """The same of ours, without the limits that the site sets where a file says none."""
    had = service["limits"]
    numbers = {**had, **{f"ulimit {name}": (one["soft"], one["hard"]) for name, one in had["ulimits"].items()}}
    sizes = {tuple(mount[1:3]): mount[4] for mount in wanted["mounts"] if mount[0] == "tmpfs"}
    listed = []
    for mount in service["mounts"]:
        limit = mount.get("size") if sizes.get(("", mount["target"])) else None
        listed.append([mount["type"], mount.get("source", ""), mount["target"].rstrip("/"), mount.get("read_only"), limit])
    built = service.get("build")
    out = {name: service.get(name) for name in ("command", "entrypoint", "healthcheck", "stop_grace_ms")}
    out |= {name: service.get(name, "") for name in ("user", "working_dir", "hostname", "domainname", "stop_signal")}
    out |= {name: service[name] for name in ("environment", "labels", "sysctls", "depends_on", "restart", "init", "read_only", "tty", "stdin_open")}
    hosts = {name: to for name, to in service["extra_hosts"].items() if to == "127.0.0.1"}
    return out | {
        "image": None if built else service["image"],
        "build": built and {**built, "context": os.path.normpath(built["context"])},
        "extra_hosts": hosts,
        "networks": {name: sorted(aliases) for name, aliases in service["networks"].items()},
        "ports": sorted(service["ports"]),
        "mounts": sorted(listed, key=str),
        "limits": {name: numbers.get(name) for name in wanted["limits"]},
    }


def compare(read, wanted, checked=None):
    """`wanted`: by service; `checked`: only these keys of each service."""
    assert set(read["services"]) == set(wanted)
    for name, service in wanted.items():
        got = our_service(read["services"][name], {"mounts": [], "limits": {}, **service})
        if len(wanted) == 1:
            service = {**service, "networks": {}}  # a machine that is alone has nobody to be named for
        keys = checked[name] if checked else service
        assert {key: got[key] for key in keys} == {key: service[key] for key in keys}, name


@pytest.fixture(scope="module")
def all_read():
    return ours(*sorted(CASES.iterdir()))


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_R1_3_a_file_means_what_docker_compose_says(case, all_read):
    folder = CASES / case
    note = yaml.safe_load((folder / "note.yaml").read_text()) if (folder / "note.yaml").exists() else {}
    assert not note or note["why"]
    holds = note.get("services", {})
    if note.get("alone"):
        return compare(all_read[case], holds, holds)
    wanted = their_services(folder, note.get("absent", []))
    assert set(holds) <= set(wanted)
    compare(all_read[case], {name: {**service, **holds.get(name, {})} for name, service in wanted.items()})


class Draw:
    """Services that the specification's schema allows and both readers take, drawn by a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def some(self, of, most=3):
        return self.random.sample(of, self.random.randint(1, min(most, len(of))))

    def text(self):
        return self.random.choice(["x", "two words", "a=b", "it's", 'say "hi"', "50%", "a: b", "#no", "tail # note", "$$HOME", "ä ö", "{}", "[a]", "- a", "* a", "&a", "!a", "|", ">", "@", "`a`", "a,b", "?x", "x?", "", " led", "\\n", "/a/b", "0x1F", "1e3", "null", "true", "~", "1.10", "0010", "${SET}", "$SET/x", "${NOPE:-x y}", "${NOPE-}", "${EMPTY:-e}", "${EMPTY-e}", "pre${SET}post $$${SET}"])

    def duration(self):
        return self.random.choice(["1s", "1m30s", "500ms", "59m", "1500ms", "10s", "1m", "90s", "1h"])

    def map_or_list(self, values):
        if self.random.random() < 0.5:
            return values
        return [f"{name}={value}" for name, value in values.items()]

    def command(self):
        plain = ["run it", "sh -c 'a && b'", 'say "two words" x', "a  b", "serve --port=80", "'quoted' \"both\"", "[run, it]", "x\\ y"]
        return self.random.choice(plain) if self.random.random() < 0.5 else [self.text() for _ in range(self.random.randint(1, 4))]

    def service(self, others):
        offers = {
            "command": self.command,
            "entrypoint": self.command,
            "environment": lambda: self.map_or_list({name: self.text() for name in self.some(["A", "B", "C_1", "d.e"])}),
            "labels": lambda: self.map_or_list({name: self.text() for name in self.some(["one", "two.three", "f/g"])}),
            "ports": lambda: self.some([80, "8080", "8081:81", "127.0.0.1:8082:82", "90-92", {"target": 99}, "7000-7001:100-101"]),
            "expose": lambda: self.some(["9000", "9001", "9002"]),
            "volumes": lambda: self.some(["v:/v", "w:/w:ro", "/anonymous", {"type": "volume", "source": "v", "target": "/long", "read_only": True}, {"type": "tmpfs", "target": "/mem"}]),
            "tmpfs": lambda: self.random.choice(["/run", ["/run"], ["/run:size=8m", "/scratch"]]),
            "networks": lambda: self.random.choice([["lan"], ["lan", "back"], {"lan": {"aliases": ["a1", "a2"]}, "back": None}, {"default": {}}]),
            "healthcheck": lambda: {"test": self.random.choice(["a || b", ["CMD", "x", "y"], ["CMD-SHELL", "x y"]]), **{key: self.duration() for key in self.some(["interval", "timeout", "start_period"])}},
            "depends_on": lambda: self.some(others) if self.random.random() < 0.5 else {name: {"condition": "service_started"} for name in self.some(others)},
            "extra_hosts": lambda: self.random.choice([["me:127.0.0.1"], {"me": "127.0.0.1", "you.example": "127.0.0.1"}]),
            "restart": lambda: self.random.choice(["no", "always", "on-failure", "on-failure:4", "unless-stopped"]),
            "stop_grace_period": lambda: self.random.choice(["1s", "1500ms", "1m", "59s"]),
            "stop_signal": lambda: self.random.choice(["SIGINT", "SIGTERM"]),
            "user": lambda: self.random.choice(["root", "1000", "1000:1000"]),
            "working_dir": lambda: "/srv",
            "hostname": lambda: "h1",
            "domainname": lambda: "example.org",
            "sysctls": lambda: self.map_or_list({"net.core.somaxconn": 512}),
            "links": lambda: [self.random.choice(others)],
            "init": lambda: True,
            "read_only": lambda: self.random.random() < 0.5,
            "tty": lambda: True,
            "stdin_open": lambda: True,
            "mem_limit": lambda: self.random.choice(["64m", "1g", 67108864, "65536k"]),
            "cpus": lambda: self.random.choice([0.5, "0.25", 1]),
            "pids_limit": lambda: 100,
            "shm_size": lambda: self.random.choice(["16m", 16777216]),
            "ulimits": lambda: {"nofile": self.random.choice([100, {"soft": 100, "hard": 200}])},
        }
        said = {"image": self.random.choice(["x", "acme/x:1", "host.example:5000/x/y:1.2", "x@sha256:" + "0" * 64])}
        said |= {key: offers[key]() for key in self.random.sample(sorted(offers), self.random.randint(0, 8))}
        return said

    def override(self, file):
        """Some of its services again, with other things said of them."""
        again = self.random.sample([name for name in file["services"] if name != "s-first"], 20)
        return {"services": {name: self.service(["s-first"]) for name in again}}

    def file(self, services):
        names = [f"s{number}" for number in range(services)]
        drawn = {name: self.service(names[:index] or ["s-first"]) for index, name in enumerate(names)}
        return {"services": {"s-first": {"image": "x"}, **drawn}, "networks": {"lan": {}, "back": {}}, "volumes": {"v": {}, "w": {}}}


@pytest.mark.parametrize("seed", range(3))
def test_R1_3_random_files_mean_what_docker_compose_says(seed, tmp_path):
    draw = Draw(seed)
    folder = tmp_path / f"drawn-{seed}"
    folder.mkdir()
    drawn = draw.file(50)
    (folder / ".env").write_text("SET=s\nEMPTY=\n")
    for name, file in (("compose.yaml", drawn), ("compose.override.yaml", draw.override(drawn))):
        style = {"default_flow_style": draw.random.choice([None, False, True]), "width": draw.random.choice([60, 200])}
        (folder / name).write_text(yaml.safe_dump(file, allow_unicode=True, sort_keys=False, **style))
    wanted = their_services(folder)
    compare(ours(folder)[folder.name], wanted)
