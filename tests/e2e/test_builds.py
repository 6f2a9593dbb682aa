"""Images of templates: Dockerfiles written for BuildKit, names that services share, and builds that nobody needs any more."""
import shutil

from harness import gateway
from harness.wait import until

HTTPD = 'STOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8080", "-h", "/www"]\n'
NEW = {
    "instance.toml": "ports = [8080]\nexpected_boot = 1\n",
    ".dockerignore": "Dockerfile\n.dockerignore\n",
    "www/index.html": "w",
    "Dockerfile": r"""# syntax=docker/dockerfile:1
FROM tiltyard/busybox:1 AS base
FROM base
ARG WHO=world
COPY --link --chmod=444 www /www/
COPY --chown=65534:65534 <<one <<-'two' /www/
hello ${WHO:-nobody}
one
	$WHO
	two
COPY . /www/all
RUN --mount=type=cache,target=/var/cache/x --mount=type=bind,source=www,target=/m cp /m/index.html /www/mounted
RUN <<END
FROM nothing 2>/dev/null
ls -A /www/all > /www/list
stat -c '%a %u' /www/index.html /www/one > /www/modes
END
"""
    + HTTPD,
}
SHARED = {
    "instance.toml": "expected_boot = 1\n",
    "compose.yaml": """services:
  worker: {image: acme/shared, command: [httpd, -f, -p, "80", -h, /www], ports: ["80"]}
  web: {build: ., image: acme/shared, ports: ["8080"]}
""",
    "Dockerfile": "FROM tiltyard/busybox:1\nRUN mkdir /www && echo shared > /www/index.html\n" + HTTPD,
}
LOUD = {
    "instance.toml": "ports = [8080]\n",
    "Dockerfile": r"""FROM tiltyard/busybox:1
RUN printf '\033[91mred\033[0m \a%s\n' "not found: gcc" >&2; exit 7
""",
}




def test_R1_3_dockerfiles_are_built_as_they_are(make_server):
    server = make_server(new=NEW, shared=SHARED, loud=LOUD).start()
    admin = server.admin()

    # Written for BuildKit: links, modes, mounts and here-documents, of which the engine of today may know only some.
    admin.wait_template("new")
    url = gateway.endpoint(admin.running("new"))["url"]
    said = {name: gateway.fetch(url, "/" + name)[2].decode() for name in ("index.html", "one", "two", "mounted", "list", "modes")}
    assert said == {
        "index.html": "w",
        "one": "hello world\n",
        "two": "$WHO\n",
        "mounted": "w",
        "list": "instance.toml\nwww\n",
        "modes": "444 0\n644 65534\n",
    }

    # A service runs what another one builds under that name; no registry is asked.
    admin.wait_template("shared")
    endpoints = {one["name"]: one["url"] for one in admin.running("shared")["endpoints"]}
    assert len(endpoints) == 2
    assert {gateway.fetch(url, "/")[2] for url in endpoints.values()} == {b"shared\n"}

    # What the programs of a build say is shown without what a terminal would obey.
    reason = admin.wait_template("loud", "broken")["reason"]
    assert "red not found: gcc" in reason.splitlines(), reason
    assert not [c for c in reason if ord(c) < 32 and c != "\n"], reason


def test_R1_2_builds_that_nobody_needs_are_collected(make_server, docker):
    server = make_server()

    def write(edition):
        # Of this server alone: what another one has built is not ours to remove.
        text = f"FROM tiltyard/busybox:1\nRUN mkdir /www && echo {server.namespace} {edition} > /www/index.html\n"
        server.add_template("own", **{"Dockerfile": text + HTTPD, "instance.toml": "ports = [8080]\nexpected_boot = 1\n"})

    def fates():
        return {one["image"]: one["fate"] for one in admin.get("/admin/images").expect(200).json["items"]}

    def collect(**how):
        return {one["image"]: one["fate"] for one in admin.post("/admin/images/collect", how).expect(200).json["items"]}

    write(1)
    server.start()
    admin = server.admin()
    admin.wait_template("own")
    (old,) = fates()
    running = admin.running("own")
    write(2)
    until(lambda: len(fates()) == 2 and admin.template("own")["state"] == "ready", "the second edition", 60)
    assert set(fates().values()) == {"needed"}, "an instance is made of the first edition"
    admin.stop(running["id"])
    assert fates()[old] == "stays"
    assert collect() == {old: "stays"} and docker.has_image(old), "its time has not come"
    assert collect(at_once=True) == {old: "gone"} and not docker.has_image(old)
    (new,) = fates()
    # Removed by somebody else: the start that finds out says so, and the image is made again for the next one.
    docker.call("DELETE", f"/images/{new}")
    failed = admin.start("own").json
    assert (failed["state"], failed["reason"]["code"]) == ("failed", "image-missing"), failed
    assert "made again" in failed["reason"]["text"]
    until(lambda: docker.has_image(new) and admin.template("own")["state"] == "ready", "the image to be made again", 60)
    admin.stop(admin.running("own")["id"])
    shutil.rmtree(server.templates / "own")
    until(lambda: fates()[new] == "stays", "the template is gone")
    assert collect(at_once=True) == {new: "gone"} and not docker.has_image(new)
    assert fates() == {}
    rows = server.rows("SELECT subject FROM events WHERE kind = 'template.image_removed' ORDER BY subject")
    assert sorted(row[0] for row in rows) == sorted([old, new])
