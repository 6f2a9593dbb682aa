#!/usr/bin/python3
# HTTP through the gateway beside nginx's proxy_pass (one worker each), raw TCP and TLS by name beside HAProxy (one thread each)
"""Both proxies stand before the same nginx back-end, are asked in turn with the same load (wrk, 64 connections kept open),
and run on a core of their own where there are two. Besides requests/s and latencies the processor time per request is
shown: it does not depend on how busy the machine is otherwise.

  benchmarks/gateway.py [--seconds 5] [--runs 3] [--json]
TLS by name is handed through: each connection sends a hello that was made once, and its machine answers without decrypting anything.
TILTYARD_GATEWAY_SERVER and TILTYARD_HELLO_LOAD name a built gateway_server and hello_load; otherwise they are built in build/.
"""
import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf("SC_CLK_TCK")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def wait_for(port):
    until = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"nothing listens on port {port}")
            time.sleep(0.02)


class Stage:
    """The processes of one measurement, in a folder that goes away."""

    def __init__(self, pin):
        self.folder = tempfile.mkdtemp(prefix="tiltyard-bench-")
        os.chmod(self.folder, 0o755)
        self.processes = []
        cores = sorted(os.sched_getaffinity(0))
        self.proxy_cores, self.load_cores = ({cores[0]}, set(cores[1:])) if pin and len(cores) > 1 else (set(cores),) * 2

    def start(self, command, cores, **options):
        process = subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, cores), **options)
        self.processes.append(process)
        return process

    def nginx(self, name, port, http, cores):
        path = os.path.join(self.folder, name + ".conf")
        with open(path, "w") as conf:
            conf.write(f"""daemon off; master_process off; worker_processes 1; pid {self.folder}/{name}.pid;
error_log {self.folder}/{name}.log error;
worker_rlimit_nofile 20000;
events {{ worker_connections 10000; }}
http {{ access_log off; keepalive_requests 1000000000; sendfile on; tcp_nodelay on; client_body_temp_path {self.folder}/b;
proxy_temp_path {self.folder}/p; fastcgi_temp_path {self.folder}/f; uwsgi_temp_path {self.folder}/u;
scgi_temp_path {self.folder}/s; {http} }}
""")
        process = self.start(["nginx", "-c", path, "-e", f"{self.folder}/{name}.log"], cores)
        wait_for(port)
        return process

    def close(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def milliseconds(text):
    value, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wrk(stage, proxy, port, path, connections, seconds, host, scheme="http"):
    before = cpu_seconds(proxy) if proxy else 0
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-H", f"Host: {host}",
               f"{scheme}://127.0.0.1:{port}{path}"]
    out = subprocess.run(command, check=True, capture_output=True, text=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, stage.load_cores)).stdout
    used = cpu_seconds(proxy) - before if proxy else 0
    if "Non-2xx" in out or "Socket errors" in out:
        raise SystemExit(f"errors under load on port {port}:\n{out}")
    requests = int(re.search(r"(\d+) requests in", out).group(1))
    read = re.search(r"requests in [^,]+, ([\d.]+)([KMGT]?)B read", out)
    size = float(read.group(1)) * {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}[read.group(2)]
    percentile = {p: milliseconds(re.search(rf"\s{p}%\s+(\S+)", out).group(1)) for p in (50, 99)}
    return {"rps": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)), "p50_ms": percentile[50],
            "p99_ms": percentile[99], "cpu_us": used / max(requests, 1) * 1e6, "mb_s": size / seconds / 1e6,
            "cpu_us_per_mb": used * 1e12 / max(size, 1)}


def program(name):
    named = os.environ.get("TILTYARD_" + name.upper())
    if named:
        return named
    subprocess.run(["ninja", "-C", os.path.join(ROOT, "build"), name], check=True, stdout=sys.stderr)
    return os.path.join(ROOT, "build", "src", "gateway", name)


def hello_load(stage, proxy, port, machine, size, connections, seconds):
    before = cpu_seconds(proxy)
    command = [program("hello_load"), str(port), str(machine), "tls--i0.bench.test", str(seconds), str(connections), str(size)]
    out = json.loads(subprocess.run(command, check=True, capture_output=True, text=True,
                                    preexec_fn=lambda: os.sched_setaffinity(0, stage.load_cores)).stdout)
    used = cpu_seconds(proxy) - before
    if out["short"]:
        raise SystemExit(f"{out['short']} answers were cut on port {port}")
    return {"rps": out["per_second"], "p50_ms": out["p50_ms"], "p99_ms": out["p99_ms"],
            "cpu_us": used / max(out["connections"], 1) * 1e6, "mb_s": out["per_second"] * size / 1e6,
            "cpu_us_per_mb": used * 1e12 / max(out["connections"] * size, 1)}


def owner_check():
    """Microseconds of processor time that letting an owner in adds to a request (docs/doors.md)."""
    subprocess.run(["ninja", "-C", os.path.join(ROOT, "build"), "door_check"], check=True, stdout=sys.stderr)
    return float(subprocess.run([os.path.join(ROOT, "build", "src", "gateway", "door_check")], check=True, capture_output=True, text=True).stdout)


def set_stage(stage):
    back, big_back, nginx_port, one, many, tcp_one, tcp_many, haproxy_port, by_name, machine, one_tls, many_tls = free_ports(12)
    with open(os.path.join(stage.folder, "big"), "wb") as file:
        file.write(os.urandom(1 << 20))
    with open(os.path.join(stage.folder, "page"), "wb") as file:
        file.write(b"x" * 65536)
    hello = "x" * 128
    stage.nginx("back", back, f"""server {{ listen 127.0.0.1:{back}; listen 127.0.0.1:{big_back}; root {stage.folder};
open_file_cache max=10; location = / {{ default_type text/plain; return 200 "{hello}"; }} }}""", stage.load_cores)
    nginx = stage.nginx("proxy", nginx_port, f"""upstream machine {{ server 127.0.0.1:{back}; keepalive 64;
keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{nginx_port}; location / {{ proxy_pass http://machine; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Host $host; }} }}""", stage.proxy_cores)
    ours, publish = {}, {}
    for name, port, tcp, tls, routes in (("1 route", one, tcp_one, one_tls, 1), ("10,000 routes", many, tcp_many, many_tls, 10_000)):
        server = stage.start([program("gateway_server"), f"127.0.0.1:{port}", str(tcp), "127.0.0.1", str(back), str(big_back), str(routes),
                              "1", "0", "0", str(tls), str(machine)], stage.proxy_cores, stdout=subprocess.PIPE, text=True)
        publish[name] = [int(us) for us in server.stdout.readline().split()]
        ours[name] = server
    http = [("nginx proxy_pass", nginx, nginx_port), ("tiltyard, 1 route", ours["1 route"], one),
            ("tiltyard, 10,000 routes", ours["10,000 routes"], many)]
    tcp = [("no proxy", None, big_back), ("tiltyard", ours["1 route"], tcp_one)]
    names = [("tiltyard, 1 route", ours["1 route"], one_tls), ("tiltyard, 10,000 routes", ours["10,000 routes"], many_tls)]
    if shutil.which("haproxy"):
        conf = os.path.join(stage.folder, "haproxy.cfg")
        with open(conf, "w") as file:
            file.write(f"""global
  nbthread 1
  maxconn 2000
defaults
  mode tcp
  option splice-auto
  timeout connect 3s
  timeout client 60s
  timeout server 60s
listen raw
  bind 127.0.0.1:{haproxy_port}
  server machine 127.0.0.1:{big_back}
frontend names
  bind 127.0.0.1:{by_name}
  tcp-request inspect-delay 5s
  tcp-request content accept if {{ req.ssl_hello_type 1 }}
  use_backend machine if {{ req.ssl_sni tls--i0.bench.test }}
backend machine
  server machine 127.0.0.1:{machine}
""")
        haproxy = stage.start(["haproxy", "-db", "-q", "-f", conf], stage.proxy_cores)
        wait_for(haproxy_port)
        tcp.insert(1, ("haproxy (splice)", haproxy, haproxy_port))
        names.insert(0, ("haproxy, 1 route", haproxy, by_name))
    return http, tcp, names, machine, publish


def measure(sides, options, run):
    """Runs in turn, so that a slow moment of the machine meets every side; the medians."""
    samples = {name: [] for name, _, _ in sides}
    for _ in range(options.runs):
        for name, process, port in sides:
            samples[name].append(run(process, port))
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()}


def show(title, results, columns):
    print(f"\n{title}")
    print("  " + f"{'':26}" + "".join(f"{label:>14}" for _, label, _ in columns))
    for name, values in results.items():
        print("  " + f"{name:26}" + "".join(f"{form.format(values[key]):>14}" for key, _, form in columns))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-pin", action="store_true", help="let the kernel choose the cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for tool in ("nginx", "wrk"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: apt-get install nginx-light wrk (and haproxy for the TCP part)")
    stage = Stage(not options.no_pin)
    try:
        http, tcp, names, machine, publish = set_stage(stage)

        def ask(path, connections):
            return lambda process, port: wrk(stage, process, port, path, connections, options.seconds, "i0.bench.test")

        def come(size, connections):
            return lambda process, port: hello_load(stage, process, port, machine, size, connections, options.seconds)

        results = {"small": measure(http, options, ask("/", 64)), "page": measure(http[:2], options, ask("/page", 64)),
                   "tcp": measure(tcp, options, ask("/big", 8)), "names": measure(names, options, come(1024, 64)),
                   "names_big": measure(names[:2], options, come(16 << 20, 8)), "publish_us": publish,
                   "owner_check_us": owner_check()}
    finally:
        stage.close()
    if options.json:
        print(json.dumps(results, indent=1))
        return
    http_columns = [("rps", "requests/s", "{:,.0f}"), ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"),
                    ("cpu_us", "CPU us/request", "{:.1f}")]
    show("HTTP, 128 bytes, 64 connections", results["small"], http_columns)
    show("HTTP, 64 KiB, 64 connections", results["page"], http_columns)
    show("Raw TCP, 1 MiB answers, 8 connections", results["tcp"],
         [("mb_s", "MB/s", "{:,.0f}"), ("p99_ms", "p99 ms", "{:.2f}"), ("cpu_us_per_mb", "CPU us/MB", "{:.0f}")])
    show("TLS handed through by name, connections with an answer of 1 KiB, 64 at a time", results["names"],
         [("rps", "connections/s", "{:,.0f}"), ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"),
          ("cpu_us", "CPU us each", "{:.1f}")])
    show("TLS handed through by name, answers of 16 MiB, 8 at a time", results["names_big"],
         [("mb_s", "MB/s", "{:,.0f}"), ("cpu_us_per_mb", "CPU us/MB", "{:.0f}")])
    print("\nOne more route, publish called to live on every loop")
    for name, (median, worst) in publish.items():
        print(f"  beside {name:19} median {median} us, worst of 1000 {worst} us")
    print(f"\nAn owner's cookie checked: {results['owner_check_us']:.2f} us of processor time for each request (mark: 1)")


if __name__ == "__main__":
    main()
