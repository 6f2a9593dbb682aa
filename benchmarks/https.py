#!/usr/bin/python3
# HTTPS through the gateway beside nginx and HAProxy: one worker each, the same certificate and cipher
"""Requests over kept connections, 1 MiB answers, and handshakes, in full and with a ticket: all three stand before the same nginx
back-end and are asked in turn. The processor time per request and per handshake does not depend on how busy the machine is otherwise.

  benchmarks/https.py [--seconds 5] [--runs 3] [--names 10000] [--json]
TILTYARD_BENCH_BUILD names the build folder with https_server and tls_load; otherwise they are built in build/.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys

from gateway import ROOT, Stage, cpu_seconds, free_ports, show, wait_for, wrk

CIPHER = "TLS_AES_128_GCM_SHA256"


def programs():
    build = os.environ.get("TILTYARD_BENCH_BUILD")
    if not build:
        build = os.path.join(ROOT, "build")
        subprocess.run(["ninja", "-C", build, "https_server", "tls_load"], check=True, stdout=sys.stderr)
    return [os.path.join(build, "src", "gateway", name) for name in ("https_server", "tls_load")]


def certificate(folder):
    chain, key = os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", chain,
                    "-subj", "/CN=bench", "-days", "2", "-addext", "subjectAltName=DNS:*.bench.test"], check=True, capture_output=True)
    with open(os.path.join(folder, "both.pem"), "w") as both:
        both.write(open(chain).read() + open(key).read())
    return chain, key


def set_stage(stage, server, names):
    back, nginx_port, haproxy_port, one, many = free_ports(5)
    with open(os.path.join(stage.folder, "big"), "wb") as file:
        file.write(os.urandom(1 << 20))
    chain, key = certificate(stage.folder)
    stage.nginx("back", back, f"""server {{ listen 127.0.0.1:{back}; root {stage.folder}; open_file_cache max=10;
location = / {{ default_type text/plain; return 200 "{'x' * 128}"; }} }}""", stage.load_cores)
    nginx = stage.nginx("proxy", nginx_port, f"""upstream machine {{ server 127.0.0.1:{back}; keepalive 64; keepalive_requests 1000000000; }}
server {{ listen 127.0.0.1:{nginx_port} ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
ssl_conf_command Ciphersuites {CIPHER}; ssl_session_tickets on; location / {{ proxy_pass http://machine; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme; }} }}""",
                        stage.proxy_cores)
    sides = [("nginx", nginx, nginx_port)]
    if shutil.which("haproxy"):
        path = os.path.join(stage.folder, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(f"""global
  nbthread 1
  maxconn 4000
  ssl-default-bind-ciphersuites {CIPHER}
defaults
  mode http
  timeout connect 3s
  timeout client 60s
  timeout server 60s
  option forwardfor
listen web
  bind 127.0.0.1:{haproxy_port} ssl crt {stage.folder}/both.pem alpn http/1.1
  http-reuse always
  server machine 127.0.0.1:{back}
""")
        sides.append(("haproxy", stage.start(["haproxy", "-db", "-q", "-f", path], stage.proxy_cores), haproxy_port))
        wait_for(haproxy_port)
    memory = 0
    for name, port, count in (("tiltyard", one, 0), (f"tiltyard, {names:,} names", many, names)):
        process = stage.start([server, f"127.0.0.1:{port}", chain, key, str(back), str(count)], stage.proxy_cores, stdout=subprocess.PIPE, text=True)
        memory = int(process.stdout.readline())
        sides.append((name, process, port))
    return sides, memory


def requests(stage, sides, path, connections, options):
    samples = {name: [] for name, _, _ in sides}
    for _ in range(options.runs):
        for name, process, port in sides:
            samples[name].append(wrk(stage, process, port, path, connections, options.seconds, "i0.bench.test", scheme="https"))
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()}


def handshakes(stage, load, sides, kind, options, names_of):
    samples = {name: [] for name, _, _ in sides}
    for _ in range(options.runs):
        for name, process, port in sides:
            before = cpu_seconds(process)
            out = subprocess.run([load, str(port), str(options.seconds), kind, str(names_of(name)), "2"], check=True, capture_output=True, text=True,
                                 preexec_fn=lambda: os.sched_setaffinity(0, stage.load_cores)).stdout
            done, resumed = (int(word) for word in out.split())
            if kind == "resumed" and resumed < done * 0.9:
                raise SystemExit(f"{name} resumed only {resumed} of {done} sessions")
            samples[name].append({"rate": done / options.seconds, "cpu_us": (cpu_seconds(process) - before) / max(done, 1) * 1e6})
    return {name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in samples.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--names", type=int, default=10_000)
    parser.add_argument("--no-pin", action="store_true", help="let the kernel choose the cores")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server, load = programs()
    stage = Stage(not options.no_pin)
    try:
        sides, memory = set_stage(stage, server, options.names)
        few = sides[:-1]
        results = {"small": requests(stage, few, "/", 64, options), "big": requests(stage, few, "/big", 8, options),
                   "full": handshakes(stage, load, sides, "full", options, lambda name: options.names if "names" in name else 0),
                   "resumed": handshakes(stage, load, few, "resumed", options, lambda name: 0), "bytes_per_name": memory}
    finally:
        stage.close()
    if options.json:
        print(json.dumps(results, indent=1))
        return
    show("HTTPS, 128 bytes, 64 connections kept", results["small"],
         [("rps", "requests/s", "{:,.0f}"), ("p50_ms", "p50 ms", "{:.2f}"), ("p99_ms", "p99 ms", "{:.2f}"), ("cpu_us", "CPU us/request", "{:.1f}")])
    show("HTTPS, 1 MiB answers, 8 connections", results["big"], [("mb_s", "MB/s", "{:,.0f}"), ("cpu_us_per_mb", "CPU us/MB", "{:.0f}")])
    for kind, title in (("full", "Handshakes in full"), ("resumed", "Handshakes with a ticket")):
        show(title, results[kind], [("rate", "a second", "{:,.0f}"), ("cpu_us", "CPU us each", "{:.0f}")])
    print(f"\nEach further certificate takes {memory:,} bytes")


if __name__ == "__main__":
    main()
