#!/usr/bin/env python3
# Ways into a machine: its screen (RFB over WebSocket) beside websockify and nginx's WebSocket proxy, throughput and CPU.
"""A VNC server in a machine signs a viewer in and then sends as fast as it is read. The same machine is reached through the server's bridge
and through websockify; nginx's proxy_pass stands before a program in the machine that speaks WebSocket itself, as it
speaks no RFB. Each way is asked in turn, BENCH_ROUNDS (3) times for BENCH_MB (512); the best round counts, CPU is of the whole process tree.
Usage: ./bench access."""
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import templates  # noqa: E402
from harness.docker import Docker  # noqa: E402
from harness.ports import free_port  # noqa: E402
from harness.realtime import Ws  # noqa: E402
from harness.server import Server  # noqa: E402
from harness.wait import until  # noqa: E402

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SIZE = int(os.environ.get("BENCH_MB", "512")) << 20
TICK = os.sysconf("SC_CLK_TCK")
docker = Docker()

SCREEN = """#!/bin/sh
printf 'RFB 003.008\\n'
dd bs=1 count=12 >/dev/null 2>&1
printf '\\001\\001'
dd bs=1 count=1 >/dev/null 2>&1
printf '\\000\\000\\000\\000'
dd bs=1 count=1 >/dev/null 2>&1
exec cat /dev/zero
"""
# One endless binary frame (RFC 6455, 5.2); whoever asks does not look at the key.
SPOKEN = """#!/bin/sh
while read -r line && [ "$line" != "$(printf '\\r')" ]; do :; done
printf 'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n\\r\\n'
printf '\\202\\177\\000\\000\\377\\377\\377\\377\\377\\377'
exec cat /dev/zero
"""
SHOWN = {
    "instance.toml": templates.BOX["instance.toml"] + '[desktop]\nkind = "vnc"\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY --chmod=755 screen spoken /\nSTOPSIGNAL SIGKILL\nCMD ["sh", "-c", '
                  '"nc -ll -p 5900 -e /screen & nc -ll -p 5901 -e /spoken & exec nc -ll -p 7000 -e /bin/cat"]\n',
    "screen": SCREEN, "spoken": SPOKEN,
}


def cpu_of(process):
    """Seconds of CPU that a process and its children, living or waited for, have used."""
    total = 0
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry.name) == process or int(fields[1]) == process:
            total += sum(int(one) for one in fields[11:13])
    return total / TICK


def drain(ws):
    """Seconds until so many bytes have come."""
    left, into = SIZE - len(ws.rest), bytearray(1 << 20)
    begun = time.perf_counter()
    while left > 0:
        got = ws.socket.recv_into(into)
        assert got, "the stream ended"
        left -= got
    return time.perf_counter() - begun


def sign_in(ws):
    assert ws.status == 101, ws.head
    got = b""

    def heard(size):
        nonlocal got
        while len(got) < size:
            got += ws.receive(20)
        got = got[size:]
    heard(12)
    ws.send(b"RFB 003.008\n")
    heard(2)
    ws.send(b"\1")
    heard(4)
    ws.send(b"\1")


def measure(name, process, connect):
    best = None
    for _ in range(ROUNDS):
        ws = connect()
        ws.socket.settimeout(60)
        before = cpu_of(process)
        took = drain(ws)
        used = cpu_of(process) - before
        ws.close()
        gigabytes = SIZE / 1e9
        if best is None or gigabytes / took > best[0]:
            best = (gigabytes / took, used / gigabytes)
    print(f"  {name:<44} {best[0] * 1000:7.0f} MB/s   {best[1]:6.2f} s of CPU a GB", flush=True)
    return best


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main():
    for tool in ("websockify", "nginx"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: apt-get install websockify nginx-light")
    with tempfile.TemporaryDirectory(prefix="tiltyard-") as folder:
        server = Server(folder)
        templates.add(server, shown=SHOWN)
        others = []
        try:
            server.start()
            admin = server.admin()
            admin.wait_template("shown")
            instance = admin.running("shown")
            machine = docker.machine(instance["id"])
            address = next(iter(machine["NetworkSettings"]["Networks"].values()))["IPAddress"]
            sockify, proxy = free_port(), free_port()
            others.append(subprocess.Popen(["websockify", str(sockify), f"{address}:5900"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            config = pathlib.Path(folder, "nginx.conf")
            config.write_text(f"""daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
scgi_temp_path {folder}; server {{ listen 127.0.0.1:{proxy}; location / {{ proxy_pass http://{address}:5901; proxy_http_version 1.1;
proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; proxy_buffer_size 64k; }} }} }}""")
            others.append(subprocess.Popen(["nginx", "-c", config, "-e", f"{folder}/nginx.log"]))
            until(lambda: listens(sockify) and listens(proxy), "websockify and nginx to listen")

            def ours():
                ws = Ws(server.port, f"/api/v1/instances/{instance['id']}/desktop", {"Authorization": f"Bearer {server.token}"}, 20, EIO=None, transport=None)
                sign_in(ws)
                return ws

            def theirs():
                ws = Ws(sockify, "/", {"Sec-WebSocket-Protocol": "binary"}, 20, EIO=None, transport=None)
                sign_in(ws)
                return ws
            print(f"the screen of a machine, {SIZE >> 20} MB", flush=True)
            mine = measure("tiltyard", server.process.pid, ours)
            python = measure("websockify", others[0].pid, theirs)
            nginx = measure("nginx proxy_pass", others[1].pid, lambda: Ws(proxy, "/", None, 20, EIO=None, transport=None))
            print(f"  throughput: {mine[0] / python[0]:.2f} of websockify's, {mine[0] / nginx[0]:.2f} of nginx's; CPU a GB: {mine[1] / python[1]:.2f} of websockify's")
            return 0 if mine[0] >= python[0] and mine[0] >= nginx[0] and mine[1] <= python[1] / 2 else 1
        finally:
            for one in others:
                one.terminate()
                one.wait()
            server.close()


if __name__ == "__main__":
    sys.exit(main())
