"""A compose file as challenges have it, run on the real engine: what its programs see is what Compose would have given them."""
from harness import gateway

# The front asks until the store answers by its container's name; only then it listens.
STACK = {
    "instance.toml": "expected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = \"32m\"\npids = 64\n",
    ".env": "COMPOSE_PROFILES=local\nCOMPOSE_PROJECT_NAME=shop\n",
    "compose.yaml": r"""
include: [base/compose.yaml]
services:
  front:
    environment: {WHO: front, JSON: '${NOPE:-{"a":1}}', URL: http://x/?y=1}
    depends_on: [store]
""",
    "base/compose.yaml": r"""
services:
  front:
    image: tiltyard/busybox:1
    command: [sh, /srv/front.sh]
    stop_signal: SIGKILL
    volumes: ["./front.sh:/srv/front.sh:ro"]
    ports: ["8080"]
    tmpfs: /run
    environment: {WHO: base, KEPT: "1"}
  store:
    image: tiltyard/busybox:1
    container_name: ${COMPOSE_PROJECT_NAME}-store
    profiles: [local]
    command: nc -ll -p 7000 -e echo stored && echo never
    stop_signal: SIGKILL
    healthcheck: {test: [CMD-SHELL, "true", --what?, follows], interval: 0s, retries: 0}
""",
    "base/front.sh": """mkdir -p /tmp/www
until nc -w 2 shop-store 7000 < /dev/null > /tmp/www/by-name && [ -s /tmp/www/by-name ]; do sleep 0.1; done
grep ' /run ' /proc/mounts > /tmp/www/mounts
env | grep -E '^(WHO|KEPT|JSON|URL)=' | sort > /tmp/www/environment
exec httpd -f -p 8080 -h /tmp/www
""",
    "compose.override.yaml": 'services:\n  front: {tmpfs: ["/run:size=8m"]}\n',
}


def test_R1_3_a_published_stack_runs_as_it_is(make_server):
    server = make_server(shop=STACK).start()
    admin = server.admin()
    admin.wait_template("shop")
    url = gateway.endpoint(admin.running("shop"))["url"]
    assert gateway.fetch(url, "/by-name")[::2] == (200, b"stored\n")
    assert b"size=8192k" in gateway.fetch(url, "/mounts")[2]
    assert gateway.fetch(url, "/environment")[2].decode().split("\n")[:-1] == ['JSON={"a":1}', "KEPT=1", "URL=http://x/?y=1", "WHO=front"]
