"""A strict reader of the layout that Traefik's KV provider documents, in the place of a Traefik, which is in no package of Debian's. What it
would skip, take for something else or log as an error is an error here."""
import re
import socket
from urllib.parse import urlsplit

# All that is documented of what we write, by what stands behind the name of a router or service; # is a place in a list.
LAYOUT = {
    "http/routers": {"rule", "service", "priority", "entrypoints/#", "middlewares/#", "tls", "tls/certresolver", "tls/options",
                     "tls/domains/#/main", "tls/domains/#/sans/#"},
    "http/services": {"loadbalancer/servers/#/url", "loadbalancer/passhostheader", "loadbalancer/serverstransport"},
    "tcp/routers": {"rule", "service", "priority", "entrypoints/#", "middlewares/#", "tls", "tls/passthrough", "tls/certresolver", "tls/options"},
    "tcp/services": {"loadbalancer/servers/#/address"},
}
MATCHERS = {
    ("http", 2): r"Host\(`[a-z0-9.-]+`\)|HostRegexp\(`[^`]+`\)|PathPrefix\(`/[^`]*`\)",
    ("http", 3): r"Host\(`[a-z0-9.-]+`\)|HostRegexp\(`\^[^`{}]+\$`\)|PathPrefix\(`/[^`]*`\)",
    ("tcp", 2): r"HostSNI\(`[a-z0-9.-]+`\)",
    ("tcp", 3): r"HostSNI\(`[a-z0-9.-]+`\)",
}
# One moment of the whole database below a root, as no reader of it in pieces would get it.
SNAPSHOT = "local out = {} for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '/*')) do out[#out + 1] = key " \
           "out[#out + 1] = redis.call('GET', key) end return out"


class Connection:
    """As much of RESP as it takes, over the socket of harness.redis."""

    def __init__(self, redis):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(10)
        self.link.connect(str(redis.socket))
        self.file = self.link.makefile("rb")

    def close(self):
        self.file.close()
        self.link.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, *words):
        words = [str(word).encode() for word in words]
        self.link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"$":
            return None if int(rest) < 0 else self.file.read(int(rest) + 2)[:-2].decode()
        assert kind == b"*", line
        return [self.reply() for _ in range(int(rest))]


def keys(redis, root="traefik"):
    with Connection(redis) as connection:
        flat = connection.call("EVAL", SNAPSHOT, 0, root)
    return dict(zip(flat[::2], flat[1::2]))


class Configuration:
    """What a Traefik would make of these keys: `routers` and `services` by (protocol, name)."""

    def __init__(self, all_keys, root="traefik", version=3):
        self.root, self.version = root, version
        self.routers, self.services, self.others = {}, {}, {}
        for key, value in all_keys.items():
            self.take(key, value)
        for (protocol, name), router in self.routers.items():
            self.check_router(protocol, name, router)
        for (protocol, name), service in self.services.items():
            self.check_service(protocol, name, service)

    def take(self, key, value):
        assert value, f"{key} is empty, and would be skipped"
        assert "@" not in key and key.isascii() and key == key.lower(), key
        parts = key[len(self.root) + 1:].split("/")
        kind, name, rest = "/".join(parts[:2]), parts[2], parts[3:]
        if kind not in LAYOUT:
            self.others[key] = value
            return
        assert not name.isdigit(), f"{key}: a name of digits is a place in a list"
        path = "/".join("#" if part.isdigit() else part for part in rest)
        assert path in LAYOUT[kind], f"{key} is not in the documented layout"
        place = self.routers if kind.endswith("routers") else self.services
        place.setdefault((parts[0], name), {})["/".join(rest)] = value

    def check_router(self, protocol, name, router):
        assert {"rule", "service"} <= router.keys(), f"{name}: half a router: {router}"
        for part in router["rule"].split(" || "):
            assert re.fullmatch(MATCHERS[protocol, self.version], part), f"{name}: {part} is not of version {self.version}"
        assert (protocol, router["service"]) in self.services, f"{name}: its service {router['service']} is not there"
        assert int(router.get("priority", "1")) > 0
        for flag in ("tls", "tls/passthrough"):
            assert router.get(flag, "true") == "true", f"{name}: {flag}"
        for part in ("entrypoints", "middlewares"):
            places = sorted(int(key.split("/")[1]) for key in router if key.startswith(part + "/"))
            assert places == list(range(len(places))), f"{name}: {part} {places}"
        if protocol == "tcp":
            assert "tls" in router, f"{name}: without TLS there is no name to find it by"

    @staticmethod
    def check_service(protocol, name, service):
        if protocol == "http":
            url = urlsplit(service["loadbalancer/servers/0/url"])
            assert url.scheme in ("http", "https") and url.hostname and url.port, f"{name}: {service}"
        else:
            host, port = service["loadbalancer/servers/0/address"].rsplit(":", 1)
            assert host and int(port), f"{name}: {service}"

    def route(self, host):
        """The address that a request for this host would be sent to, by rule and priority; None: nobody takes it."""
        best = None
        for (protocol, name), router in self.routers.items():
            if protocol != "http" or not any(self.matches(part, host) for part in router["rule"].split(" || ")):
                continue
            priority = int(router.get("priority", len(router["rule"])))
            if best is None or priority > best[0]:
                best = (priority, router["service"])
        return best and urlsplit(self.services["http", best[1]]["loadbalancer/servers/0/url"]).netloc

    def matches(self, part, host):
        what, argument = re.fullmatch(r"(\w+)\(`(.*)`\)", part).groups()
        if what == "PathPrefix":
            return True
        if what == "Host":
            return argument == host
        pattern = argument if self.version == 3 else re.sub(r"\{\w+:([^}]+)\}", r"\1", argument)
        return re.fullmatch(pattern, host) is not None


def read(redis, root="traefik", version=3):
    return Configuration(keys(redis, root), root, version)
