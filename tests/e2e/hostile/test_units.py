"""The units of deploy/ as systemd runs them, with all that they say of mounts, devices and system calls."""
import os
import pathlib
import signal
import subprocess

import pytest

from harness import templates
from harness.gateway import answers, endpoint, fetch
from harness.leaks import Leaks
from harness.units import UNITS, UnitServer, missing
from harness.wait import until

FLAGGED = {
    "instance.toml": 'name = "Flagged"\nports = [8000]\nexpected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": 'services:\n  box:\n    build: .\n    volumes: ["./kept:/kept:rw", "./read:/read:ro"]\n',
    "flag.txt": "FLAG{units}\n",
    "kept/note": "kept\n",
    "read/note": "read only\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY flag.txt /flag.txt\nRUN chmod 400 /flag.txt && mkdir /www\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}


@pytest.fixture(scope="module")
def booted(docker):
    if missing():
        pytest.skip(missing())
    server = UnitServer()
    templates.add(server, web=templates.WEB, flagged=FLAGGED)
    try:
        server.start(timeout=90)
        for name in ("web", "flagged"):
            server.admin().wait_template(name)
        yield server
        print(server.said()[-4000:])
    finally:
        server.close()
        docker.sweep(server.namespace)


def status_of(process):
    return dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines() if ":\t" in line)


def test_R1_5_systemd_runs_the_shipped_units_and_they_run_machines(booted, docker):
    caller = booted.admin()
    page, flagged = caller.running("web"), caller.running("flagged")
    assert b"hello from" in fetch(endpoint(page)["url"])[2]
    ran = caller.post(f"/instances/{flagged['id']}/exec", {"command": ["sh", "-c", "cat /flag.txt /kept/note /read/note; echo more >/kept/note"]}).expect(200).json
    assert ran["exit_code"] == 0 and "FLAG{units_" in ran["stdout"] and ran["stdout"].endswith("kept\nread only\n"), ran
    caller.stop(flagged["id"])
    # The server dies: systemd starts it again, and the machine has gone on meanwhile.
    before = booted.main("tiltyard.service")
    os.kill(before, signal.SIGKILL)
    until(lambda: booted.main("tiltyard.service") not in (0, before) and booted._ready(), "the server to be back", 60)
    until(lambda: answers(endpoint(page)["url"]), "the machine to be reached again", 60)
    caller.stop(page["id"])
    for unit in UNITS:
        assert booted.show(unit, "ActiveState")["ActiveState"] == "active", unit
    assert booted.show("tiltyard-privileged.service", "NRestarts")["NRestarts"] == "0"
    for word in ("Bad system call", "Operation not permitted", "status=31/SYS", "Failed to"):
        assert word not in booted.said(), booted.said()


def test_R1_5_what_the_units_take_away_is_taken_away(booted):
    server, half = booted.main("tiltyard.service"), booted.main("tiltyard-privileged.service")
    for process, writes, reads_only in ((server, ["/var/lib/tiltyard", "/tmp"], ["/etc", "/usr", "/var/lib/docker", "/sys/fs/cgroup", "/proc/sys/net"]),
                                        (half, ["/var/lib/docker", "/var/lib/tiltyard-files", "/run/tiltyard"], ["/etc", "/usr", "/var/lib/tiltyard"])):
        status = status_of(process)
        assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1", status
        # What root finds where this process is: mounts, not rights.
        for place in writes:
            assert booted.inside("test", "-w", place, of=process).returncode == 0, place
        for place in reads_only:
            assert booted.inside("test", "-w", place, of=process).returncode != 0, place
        assert booted.inside("sh", "-c", "ls /dev | grep -cE '^(kvm|loop0|vda|sda|mem)$'", of=process).stdout == "0\n"
    assert booted.inside("sh", "-c", "ls -A /home /root", of=server).stdout.split() == ["/home:", "/root:"]
    assert int(status_of(server)["CapBnd"], 16) == 0


def test_R1_5_the_table_is_there_before_the_engine_and_after_a_reload(booted):
    def when(unit, what):
        return int(booted.show(unit, what)[what])

    assert 0 < when("tiltyard-firewall.service", "ExecMainExitTimestampMonotonic") <= when("docker.service", "ExecMainStartTimestampMonotonic")
    listed = ["nft", "list", "table", "inet", "tiltyard"]
    assert subprocess.run(listed, capture_output=True).returncode == 0
    assert booted.inside("systemctl", "reload", "tiltyard-firewall.service").returncode == 0
    assert subprocess.run(listed, capture_output=True).returncode == 0
