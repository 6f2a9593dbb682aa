"""The Docker Engine API over its Unix socket, for tests that look at or tamper with what the server made."""
import http.client
import json
import os
import socket
import struct
from urllib.parse import quote, urlencode

API = "/v1.41"
NAMESPACE = "tiltyard.namespace"
INSTANCE = "tiltyard.instance"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("engine", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class EngineError(Exception):
    def __init__(self, status, text):
        super().__init__(f"{status}: {text}")
        self.status = status


class Docker:
    def __init__(self):
        host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        assert host.startswith("unix://"), "the end-to-end tests need an engine on a Unix socket"
        self.socket_path = host[len("unix://"):]

    def call(self, method, path, query=None, body=None, headers=None, timeout=60):
        """One call. JSON answers are decoded, others come as bytes; a status of 400 and above raises EngineError."""
        connection = UnixConnection(self.socket_path, timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body).encode()
                headers = {"Content-Type": "application/json", **(headers or {})}
            url = API + path + ("?" + urlencode(query) if query else "")
            connection.request(method, url, body=body, headers=headers or {})
            answer = connection.getresponse()
            data = answer.read()
            if answer.status >= 400:
                raise EngineError(answer.status, data.decode("utf-8", "replace").strip())
            kind = answer.getheader("Content-Type", "")
            return json.loads(data) if data and kind.startswith("application/json") and b"}\r\n{" not in data else data
        finally:
            connection.close()

    # --- finding things by label -----------------------------------------------------------------

    @staticmethod
    def _filters(labels):
        return {"filters": json.dumps({"label": [f"{key}={value}" if value is not None else key for key, value in labels.items()]})}

    def containers(self, **labels):
        """Containers with these labels; write dots as two underscores: tiltyard__instance=ID."""
        wanted = {key.replace("__", "."): value for key, value in labels.items()}
        return self.call("GET", "/containers/json", {"all": "true", **self._filters(wanted)})

    def networks(self, **labels):
        wanted = {key.replace("__", "."): value for key, value in labels.items()}
        return self.call("GET", "/networks", self._filters(wanted))

    def volumes(self, claims=False, **labels):
        """Without the volumes by which servers claim their namespaces: those stay while the server lives."""
        wanted = {key.replace("__", "."): value for key, value in labels.items()}
        found = self.call("GET", "/volumes", self._filters(wanted))["Volumes"] or []
        return [volume for volume in found if claims or "tiltyard.claim" not in (volume["Labels"] or {})]

    def of_instance(self, instance):
        """Everything of one instance: {"containers": [...], "networks": [...], "volumes": [...]} by name."""
        label = {"tiltyard__instance": instance}
        return {
            "containers": sorted(c["Names"][0].lstrip("/") for c in self.containers(**label)),
            "networks": sorted(n["Name"] for n in self.networks(**label)),
            "volumes": sorted(v["Name"] for v in self.volumes(**label)),
        }

    def machine(self, instance, machine=None):
        """The container of an instance, by its machine's name where it has several."""
        found = [c for c in self.containers(tiltyard__instance=instance)
                 if machine is None or c["Labels"].get("tiltyard.machine") == machine]
        assert len(found) == 1, f"{len(found)} containers for {instance} {machine or ''}"
        return self.inspect(found[0]["Id"])

    def inspect(self, container):
        return self.call("GET", f"/containers/{quote(container)}/json")

    # --- doing things ----------------------------------------------------------------------------

    def exec(self, container, *command, timeout=60, user=""):
        """Runs a command; (exit code, output of both streams)."""
        made = self.call("POST", f"/containers/{container}/exec",
                         body={"AttachStdout": True, "AttachStderr": True, "Cmd": list(command), "User": user})
        output = self.call("POST", f"/exec/{made['Id']}/start", body={"Detach": False, "Tty": False}, timeout=timeout)
        code = self.call("GET", f"/exec/{made['Id']}/json")["ExitCode"]
        return code, demultiplex(output)

    def start_exec(self, container, *command):
        """Starts a command and does not wait for it."""
        made = self.call("POST", f"/containers/{container}/exec", body={"Cmd": list(command)})
        self.call("POST", f"/exec/{made['Id']}/start", body={"Detach": True, "Tty": False})
        return made["Id"]

    def run(self, name, image, command, labels, **host_config):
        """Creates and starts a container of the test's own; the id."""
        made = self.call("POST", "/containers/create", {"name": name},
                         {"Image": image, "Cmd": command, "Labels": labels, "HostConfig": host_config})
        self.call("POST", f"/containers/{made['Id']}/start")
        return made["Id"]

    def remove(self, container):
        try:
            self.call("DELETE", f"/containers/{container}", {"force": "true", "v": "true"})
        except EngineError as error:
            if error.status not in (404, 409):
                raise

    def has_image(self, reference):
        try:
            self.call("GET", f"/images/{reference}/json")
            return True
        except EngineError as error:
            if error.status == 404:
                return False
            raise

    def stats(self, container):
        return self.call("GET", f"/containers/{container}/stats", {"stream": "false", "one-shot": "true"})

    def sweep(self, namespace):
        """Takes away all that carries a test's namespace, whatever happened in it. Images of templates stay: their tags are
        content hashes, so the next run finds them built, and another server may be using them; those of snapshots are the test's own."""
        label = {"tiltyard__namespace": namespace}
        for container in self.containers(**label):
            self.remove(container["Id"])
        for network in self.networks(**label):
            self._quietly("DELETE", f"/networks/{network['Id']}")
        for volume in self.volumes(claims=True, **label):
            self._quietly("DELETE", f"/volumes/{quote(volume['Name'])}")
        for image in self.call("GET", "/images/json", self._filters({NAMESPACE: namespace, "tiltyard.snapshot": None})):
            for name in image["RepoTags"] or []:
                self._quietly("DELETE", f"/images/{quote(name)}")

    def _quietly(self, method, path):
        try:
            self.call(method, path)
        except EngineError:
            pass


def demultiplex(stream):
    """Docker's framing of two streams in one: a byte that says which, three of nothing, four of length, the data."""
    out = []
    at = 0
    while at + 8 <= len(stream):
        length = struct.unpack(">I", stream[at + 4:at + 8])[0]
        out.append(stream[at + 8:at + 8 + length])
        at += 8 + length
    return b"".join(out).decode("utf-8", "replace")
