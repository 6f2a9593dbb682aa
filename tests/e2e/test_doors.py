"""Whose door it is: an instance that is its owner's alone, by the page, by a token, by an address, by a shared link."""
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import server_maker
from harness import gateway
from harness.cli import Cli
from harness.wait import until

TWO = {
    "instance.toml": 'name = "Two"\nexpected_boot = 1\n[[endpoint]]\nname = "web"\nport = 8000\nkind = "http"\n'
                     '[[endpoint]]\nname = "raw"\nport = 1337\nkind = "tcp"\nowner_only = true\n'
                     '[[endpoint]]\nname = "strict"\nport = 1338\nkind = "tcp"\nowner_only = "prompt"\n'
                     '[[endpoint]]\nname = "public"\nport = 1339\nkind = "tcp"\nowner_only = false\n'
                     '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n',
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY run /run.sh\nCOPY seen /www/cgi-bin/seen\nRUN chmod 755 /www/cgi-bin/seen\n'
                  'STOPSIGNAL SIGKILL\nCMD ["sh", "/run.sh"]\n',
    "run": "for port in 1337 1338 1339; do nc -ll -p $port -e /bin/cat & done\nexec httpd -f -p 8000 -h /www\n",
    "seen": """#!/bin/sh
printf 'Content-Type: text/plain\\r\\nSet-Cookie: tiltyard-door=x\\r\\nSet-Cookie: a=b; Domain=localhost\\r\\n\\r\\n'
echo "[$HTTP_COOKIE]"
""",
}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
SEEN = "/cgi-bin/seen"


@pytest.fixture(scope="module")
def site(docker, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("doors"))
    server = make(config={"gateway": {"owner_only": True}, "auth": {"teams": "on", "strategies": ["local", "token"]}}, two=TWO)
    try:
        server.start()
        server.admin().wait_template("two")
        yield server
    finally:
        end()


def go(caller, url):
    """What a browser does: its cookie for the instance's host, or the status and text of where it ends."""
    status, headers, body = gateway.fetch(url, SEEN, headers=BROWSER)
    assert status == 303, body
    door = urlsplit(headers["location"])
    answer = caller.get(door.path, query={name: values[0] for name, values in parse_qs(door.query).items()}, headers={"Accept": "text/html"})
    assert answer.status == 303, answer
    return follow(url, answer.headers["location"])


def follow(url, there):
    parts = urlsplit(there)
    assert parts.netloc == urlsplit(url).netloc, there
    status, headers, body = gateway.fetch(url, parts.path + ("?" + parts.query if parts.query else ""), headers=BROWSER)
    return headers["set-cookie"].split(";")[0] if status == 303 else (status, body.decode())


def inside(url, cookie):
    try:
        return gateway.fetch(url, SEEN, headers={"Cookie": cookie})[0] == 200
    except ConnectionResetError:
        return False  # the right ended while it was being asked


def said(connection, wanted):
    """Whether these bytes come next."""
    connection.settimeout(30)
    return gateway.read_until(connection, wanted).endswith(wanted)


def echoes(connection, before=b""):
    connection.sendall(before + b"hello\n")
    return said(connection, b"hello\n")


def test_R2_4_its_owner_and_their_team_are_let_in_and_nobody_else(site):
    ann, ben, zed = site.user("ann", team="Reds"), site.user("ben", team="Reds"), site.user("zed", team="Blues")
    instance = ann.running("two")
    web = gateway.endpoint(instance, "web")
    assert [one["door"] for one in instance["endpoints"]] == ["owner", "owner", "prompt", "open"]
    url = web["url"]

    mine, theirs, staff = go(ann, url), go(ben, url), go(site.admin(), url)
    for cookie in (mine, theirs, staff):
        status, headers, body = gateway.fetch(url, SEEN, headers={"Cookie": f"x=y; {cookie}"})
        # The machine sees what is its own, and sets neither the gateway's cookie nor anybody else's.
        assert (status, body, headers["set-cookie"]) == (200, b"[x=y]\n", "a=b"), (headers, body)
    status, body = go(zed, url)
    assert status == 403 and "somebody else's" in body
    nobody = site.api().get("/door", query={"host": urlsplit(url).hostname}).expect(303)
    assert nobody.headers["location"].startswith("/door?host=")

    # Programs are told; a WebSocket is not sent anywhere; what is another's cookie opens nothing here.
    assert gateway.fetch(url, SEEN)[0] == 401
    assert gateway.fetch(url, SEEN, headers={**BROWSER, "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
                                             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})[0] == 401
    other = gateway.endpoint(zed.running("two"), "web")["url"]
    assert gateway.fetch(other, SEEN, headers={"Cookie": mine})[0] == 401
    token = ann.get(f"/instances/{instance['id']}/door").expect(200).json["token"]
    assert inside(url, f"tiltyard-door={token}")
    zed.get(f"/instances/{instance['id']}/door").expect(404, "instance-unknown")

    # The right ends at once: by leaving the team, and by signing out; whoever still has it comes back by the page.
    ben.delete("/me/team").expect(204)
    until(lambda: not inside(url, theirs), "who left the team to be turned away", 30)
    ann.delete("/session").expect(204)
    until(lambda: not inside(url, mine), "who signed out to be turned away", 30)
    ann.sign_in(strategy="local", name="ann", password="correct horse ann").expect(201)
    again = go(ann, url)
    assert inside(url, again)
    site.restart()
    until(lambda: inside(url, staff), "a cookie of before to count after a restart", 30)
    assert not inside(url, theirs) and not inside(url, mine), "what was lost is lost after a restart"


def test_R2_4_raw_tcp_knows_its_owner_by_address_or_token(site):
    eve = site.user("eve", team="Greens")
    instance = eve.running("two")
    raw, strict, public = (gateway.endpoint(instance, name) for name in ("raw", "strict", "public"))
    away, home = "127.0.0.21", "127.0.0.22"
    with gateway.dial(public, source=away) as connection:
        assert echoes(connection)
    token = eve.get(f"/instances/{instance['id']}/door").expect(200).json["token"]
    for tcp in (raw, strict):
        with gateway.dial(tcp, source=away) as connection:
            assert said(connection, b"Token: ")
            assert echoes(connection, f"{token}\n".encode())
    with gateway.dial(raw, source=away) as connection:
        assert said(connection, b"Token: ")
        connection.sendall(b"guess\n")
        assert said(connection, b"right one.\n")
    # From where she has used the API raw TCP is hers, but where only the token counts.
    site_of_hers = site.api(source=home)
    site_of_hers.cookie = eve.cookie
    door = site_of_hers.get(f"/instances/{instance['id']}/door").expect(200).json
    assert door["address"] == home
    with gateway.dial(raw, source=home) as connection:
        assert echoes(connection)
        with gateway.dial(strict, source=home) as asked:
            assert said(asked, b"Token: ")
        eve.delete("/session").expect(204)
        # Cut, not merely refused from now on.
        connection.settimeout(30)
        try:
            assert connection.recv(10) == b""
        except ConnectionResetError:
            pass


def test_R2_4_a_door_is_shared_by_a_link_until_it_is_taken_back(site):
    kim, lee, max_ = site.user("kim", team="Browns"), site.user("lee", team="Greys"), site.user("max", team="Blacks")
    instance = kim.running("two")
    url, path = gateway.endpoint(instance, "web")["url"], f"/instances/{instance['id']}"
    made = kim.post(f"{path}/shares", {"lives_s": 600}).expect(201).json
    secret = parse_qs(urlsplit(made["url"]).query)["share"][0]
    assert urlsplit(made["url"]).path == "/door"
    there = lee.get("/door", query={"share": secret}).expect(303).headers["location"]
    cookie = follow(url, there)
    assert inside(url, cookie)
    # It was for one: for her it counts on, also without the link; for the next it does not.
    assert inside(url, go(lee, url))
    max_.get("/door", query={"share": secret}).expect(403, "link-taken")
    # From where she has opened it, or used the page since, its raw ports are hers as well.
    raw, hers = gateway.endpoint(instance, "raw"), site.api(source="127.0.0.31")
    hers.cookie = lee.cookie
    hers.get("/me").expect(200)
    with gateway.dial(raw, source="127.0.0.31") as connection:
        assert echoes(connection)
    with gateway.dial(raw, source="127.0.0.32") as connection:
        assert said(connection, b"Token: ")
    assert go(max_, url)[0] == 403
    (listed,) = kim.get(f"{path}/shares").expect(200).json["items"]
    assert listed["guests"] == ["lee"] and listed["one"] and secret not in str(listed)
    lee.get(f"{path}/shares").expect(404, "instance-unknown")
    kim.delete(f"{path}/shares/{made['id']}").expect(204)
    assert not inside(url, cookie), "taken back is taken back at once"
    with gateway.dial(raw, source="127.0.0.31") as connection:
        assert said(connection, b"Token: ")
    assert go(lee, url)[0] == 403
    lee.get("/door", query={"share": secret}).expect(404, "link-over")


def test_R2_4_the_command_line_has_token_and_links(site):
    pat = site.user("pat", team="Whites")
    key = pat.post("/me/tokens", {"name": "cli"}).expect(201).json["token"]
    cli = Cli(site.folder, TILTYARD_URL=site.url, TILTYARD_TOKEN=key)
    instance = pat.running("two")
    url = gateway.endpoint(instance, "web")["url"]
    token = cli("door", instance["id"]).stdout.strip()
    assert inside(url, f"tiltyard-door={token}")
    link = cli("share", instance["id"], "--hours", "1", "--anybody").stdout.strip()
    assert link.startswith(f"{site.url}/door?share=")
    (share,) = cli.json("shares", instance["id"])["items"]
    assert not share["one"] and "anybody" in cli("shares", instance["id"]).stdout
    cli("unshare", instance["id"], share["id"])
    assert cli.json("shares", instance["id"])["items"] == []
