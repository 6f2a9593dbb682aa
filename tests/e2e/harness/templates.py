"""Small templates for the tests. All build from tiltyard/busybox:1 in under a second."""
from .ports import fake_pool

WEB = {
    "instance.toml": 'name = "Web"\ncategory = "web"\ndescription = "One page"\nports = [8000]\nexpected_boot = 1\n'
                     'timeout = 3600\nextend_time = 600\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "hello from web" > /www/index.html\nUSER 65534:65534\n'
                  'STOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}

# Answers each line with itself; a new process for each connection.
TCP = {
    "instance.toml": 'name = "Echo"\nports = [1337]\nexpected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nUSER 65534:65534\nSTOPSIGNAL SIGKILL\n'
                  'CMD ["nc", "-ll", "-p", "1337", "-e", "/bin/cat"]\n',
}

# Two machines on a network of their own: a front that is reached and a back that only the front sees.
STACK = {
    "instance.toml": 'name = "Stack"\ncategory = "web"\nexpected_boot = 2\n[[endpoint]]\nname = "front"\nmachine = "front"\nport = 8000\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "compose.yaml": """
services:
  front:
    build: .
    command: ["httpd", "-f", "-p", "8000", "-h", "/www"]
    networks: [outer, inner]
    depends_on:
      back: { condition: service_healthy }
    volumes: ["state:/state"]
  back:
    build: .
    command: ["httpd", "-f", "-p", "9000", "-h", "/www"]
    networks: [inner]
    healthcheck:
      test: ["CMD-SHELL", "nc -w 1 127.0.0.1 9000 < /dev/null"]
      interval: 1s
      timeout: 2s
      retries: 20
networks:
  outer: {}
  inner: { internal: true }
volumes:
  state: {}
""",
    "Dockerfile": 'FROM tiltyard/busybox:1\nRUN mkdir /www && echo "hello from the stack" > /www/index.html\nSTOPSIGNAL SIGKILL\n',
}

# A machine that does nothing, for looking out of it.
BOX = {
    "instance.toml": 'name = "Box"\nports = [7000]\nexpected_boot = 1\n[ready]\ninterval = 50\n[limits]\nmemory = "64m"\npids = 64\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nSTOPSIGNAL SIGKILL\nCMD ["nc", "-ll", "-p", "7000", "-e", "/bin/cat"]\n',
}


def add(server, **named):
    """add(server, web=WEB, other=TCP): writes them into the server's template folder."""
    for name, files in named.items():
        server.add_template(name, **files)


def never_ready(port=9):
    """Runs, but its endpoint never answers."""
    return {**BOX, "instance.toml": f'name = "Silent"\nports = [{port}]\n[ready]\ninterval = 50\ntimeout = 3\n'}

# For a server with the fake engine (config=FAKE), which has no base images; its machines answer on addresses of the loopback.
FAKE = {"engine": {"kind": "fake"}, "network": {"pool": fake_pool()}}
EMPTY = {
    "instance.toml": 'name = "Empty"\nports = [8000]\ntimeout = 3600\nextend_time = 600\n[ready]\ninterval = 50\n',
    "Dockerfile": 'FROM scratch\nCMD ["/serve"]\n',
}
