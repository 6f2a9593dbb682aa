#!/usr/bin/python3
# UDP through the gateway beside nginx's stream module (one worker each)
"""Both stand before the same echo and are asked in turn by the same load, on a core of their own where there are two. Beside
datagrams/s the processor time per datagram (there and back) is shown: it does not depend on how busy the machine is otherwise.

  benchmarks/gateway_udp.py [--seconds 3] [--runs 3] [--json]
TILTYARD_GATEWAY_SERVER and TILTYARD_DATAGRAM_LOAD name built programs; otherwise they are built in build/.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

from gateway import ROOT, Stage, cpu_seconds, free_ports

MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
SHAPES = {"256 clients, one question at a time, 64 bytes": (256, 1, 64),
          "64 clients, 8 under way, 64 bytes": (64, 8, 64),
          "16 clients, 32 under way, 1,200 bytes": (16, 32, 1200)}


def program(name, variable):
    named = os.environ.get(variable)
    if named:
        return named
    subprocess.run(["ninja", "-C", os.path.join(ROOT, "build"), name], check=True, stdout=sys.stderr)
    return os.path.join(ROOT, "build", "src", "gateway", name)


def nginx(stage, port, back):
    path = os.path.join(stage.folder, "stream.conf")
    with open(path, "w") as conf:
        conf.write(f"""load_module {MODULE};
daemon off; master_process off; worker_processes 1; pid {stage.folder}/stream.pid; error_log {stage.folder}/stream.log error;
worker_rlimit_nofile 20000; events {{ worker_connections 10000; }}
stream {{ server {{ listen 127.0.0.1:{port} udp; proxy_pass 127.0.0.1:{back}; proxy_timeout 60s; }} }}
""")
    return stage.start(["nginx", "-c", path, "-e", f"{stage.folder}/stream.log"], stage.proxy_cores)


def gateway(stage, port, back):
    http, tcp = free_ports(2)
    process = stage.start([program("gateway_server", "TILTYARD_GATEWAY_SERVER"), f"127.0.0.1:{http}", str(tcp), "127.0.0.1", "9", "9", "1",
                           "1", str(port), str(back)], stage.proxy_cores, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def ask(stage, load, proxy, port, shape, seconds):
    before = cpu_seconds(proxy)
    out = subprocess.run([load, "ask", "127.0.0.1", str(port), *map(str, shape), str(seconds)], check=True, capture_output=True, text=True,
                         preexec_fn=lambda: os.sched_setaffinity(0, stage.load_cores)).stdout
    answers, again = map(int, out.split())
    return {"per_second": answers / seconds, "cpu_us": (cpu_seconds(proxy) - before) / max(answers, 1) * 1e6, "again": again / max(answers, 1)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    load = program("datagram_load", "TILTYARD_DATAGRAM_LOAD")
    stage = Stage(pin=True)
    try:
        back, ours, theirs = free_ports(3)
        stage.start([load, "echo", "127.0.0.1", str(back)], stage.load_cores)
        proxies = {"tiltyard": (gateway(stage, ours, back), ours), "nginx": (nginx(stage, theirs, back), theirs)}
        time.sleep(0.5)
        results = {}
        for name, shape in SHAPES.items():
            runs = {who: [] for who in proxies}
            for _ in range(options.runs):
                for who, (process, port) in proxies.items():
                    runs[who].append(ask(stage, load, process, port, shape, options.seconds))
            results[name] = {who: {key: statistics.median(run[key] for run in all_of) for key in all_of[0]} for who, all_of in runs.items()}
    finally:
        stage.close()
    if options.json:
        print(json.dumps(results))
        return
    for name, both in results.items():
        print(name)
        for who, one in both.items():
            print(f"  {who:<9} {one['per_second']:>10,.0f} answers/s  {one['cpu_us']:6.2f} us of processor each  {one['again']:.3%} asked again")
        print(f"  {'ratio':<9} {both['tiltyard']['per_second'] / max(both['nginx']['per_second'], 1):>10.2f}            (at least 1.0)")


main()
