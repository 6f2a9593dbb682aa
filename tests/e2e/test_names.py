"""Names of people's own: free ones with records in a real PowerDNS, domains proved by TXT, and both taken back (rows 2.1, 2.6)."""
import contextlib
import http.client
import itertools
import json
import socket
import ssl
import time

import pytest

from conftest import server_maker
from harness import templates
from harness.acme import Pebble, PowerDns, free_udp_and_tcp_port
from harness.cli import Cli
from harness.gateway import endpoint, fetch
from harness.ports import free_port
from harness.wait import until

FREE, OWN = "apps.test", "people.test"
NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    server = PowerDns(tmp_path_factory.mktemp("pdns"))
    server.start()
    for zone in (FREE, OWN):
        bare_zone(server, zone)
    yield server
    server.close()


def bare_zone(dns, name):
    """A zone without a wildcard: a name is there or it is not."""
    record = lambda kind, content: {"name": f"{name}.", "type": kind, "ttl": 60, "records": [{"content": content, "disabled": False}]}
    dns.call("POST", "/zones", {"name": f"{name}.", "kind": "Native", "nameservers": [], "rrsets": [
        record("SOA", f"ns.{name}. root.{name}. 1 60 60 60 60"), record("NS", f"ns.{name}.")]})


def put(dns, zone, host, kind, *contents):
    dns.call("PATCH", f"/zones/{zone}.", {"rrsets": [{
        "name": f"{host}.", "type": kind, "ttl": 60, "changetype": "REPLACE" if contents else "DELETE",
        "records": [{"content": content, "disabled": False} for content in contents]}]})


def records(dns, zone, host):
    """{type: [contents]} of one name."""
    return {rrset["type"]: [record["content"] for record in rrset["records"]]
            for rrset in dns.call("GET", f"/zones/{zone}.")["rrsets"] if rrset["name"] == f"{host}."}


def config(dns, **more):
    return {"names": {"free_domain": FREE, "own_domains": True, "resolver": [f"127.0.0.1:{dns.port}"], "addresses": ["127.0.0.1"],
                      "records": True, "rest": "1h", "per_owner": 20, **more},
            "powerdns": {"url": dns.url, "key": dns.KEY}}


@pytest.fixture(scope="module")
def named(docker, dns, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("names"))
    server = make(config=config(dns), web=templates.WEB)
    server.start()
    server.admin().wait_template("web")
    yield server
    end()


def person(server):
    return server.user(f"person-{next(NUMBERS)}")


@pytest.fixture
def ada(named):
    yield person(named)
    if named.alive:
        named.admin().stop_all()


def body_at(server, host):
    """What a host name is answered with, whatever the DNS says."""
    try:
        return fetch(f"http://{host}:{server.gateway_port}/")[::2]
    except (OSError, http.client.HTTPException):
        return None, None


def ask(caller, name, instance, **more):
    return caller.post("/names", {"name": name, "instance": instance["id"], **more}).expect(201).json


def state(caller, name):
    answer = caller.get(f"/names/{name['id']}")
    return answer.json["state"] if answer.status == 200 else None


GOOD = (200, b"hello from web\n")


def test_R2_6_a_free_name_answers_within_seconds_and_is_taken_back(named, dns, ada):
    instance = ada.running("web")
    begun = time.monotonic()
    name = ask(ada, "my-app", instance)
    assert name["url"] == f"http://my-app.{FREE}:{named.gateway_port}/"
    until(lambda: body_at(named, name["name"]) == GOOD and records(dns, FREE, name["name"]) == {"A": ["127.0.0.1"]}, "the name to answer")
    took = time.monotonic() - begun
    assert ada.get(f"/names/{name['id']}").json["checks"] == [{"what": "record", "is": "good", "text": "Its record is written."}]
    ada.delete(f"/names/{name['id']}").expect(202)
    until(lambda: state(ada, name) == "resting", "the name to rest")
    assert records(dns, FREE, name["name"]) == {}
    assert body_at(named, name["name"])[0] == 404
    assert body_at(named, endpoint(instance)["url"].split("/")[2].split(":")[0]) == GOOD, "the drawn name is still there"
    print(f"asked and served within {took * 1000:.0f} ms")


def test_R2_6_a_name_goes_with_its_instance(named, dns, ada):
    instance = ada.running("web")
    name, other = ask(ada, "gone-with-it", instance), ask(ada, "stays-mine", instance, follow=True)
    until(lambda: records(dns, FREE, other["name"]) and records(dns, FREE, name["name"]), "the records")
    ada.stop(instance["id"])
    until(lambda: state(ada, name) == "resting" and records(dns, FREE, other["name"]) == {}, "both to be taken back")
    assert records(dns, FREE, name["name"]) == {} and state(ada, other) == "held"
    bob = person(named)
    his = bob.running("web")
    for taken in ("gone-with-it", "stays-mine", "g0ne-vvith-it"):
        bob.post("/names", {"name": taken, "instance": his["id"]}).expect(409, "name-taken")
    bob.stop(his["id"])
    again = ada.running("web")
    until(lambda: body_at(named, other["name"]) == GOOD, "the name to go on to the next instance")
    assert ada.get(f"/names/{other['id']}").json["instance"] == again["id"]
    until(lambda: records(dns, FREE, other["name"]) == {"A": ["127.0.0.1"]}, "its record")


def test_R2_6_a_domain_is_served_once_it_is_proved(named, dns, ada):
    host = f"www.{OWN}"
    instance = ada.running("web")
    name = ask(ada, host.upper(), instance)
    assert (name["name"], name["state"]) == (host, "asked")
    looked = ada.post(f"/names/{name['id']}/look").expect(200).json
    assert {check["what"]: check["is"] for check in looked["checks"]} == {"ownership": "bad", "address": "bad"}
    # A CNAME that leads here proves nothing.
    put(dns, OWN, host, "A", "192.0.2.1")
    looked = ada.post(f"/names/{name['id']}/look").expect(200).json
    assert looked["state"] == "asked" and "leads elsewhere: to 192.0.2.1" in looked["checks"][1]["text"]
    put(dns, OWN, host, "A", "127.0.0.1")
    put(dns, OWN, name["proof"]["name"], "TXT", '"tiltyard=somebody-elses"')
    looked = ada.post(f"/names/{name['id']}/look").expect(200).json
    assert looked["state"] == "asked" and [check["is"] for check in looked["checks"]] == ["bad", "good"]
    assert body_at(named, host)[0] == 404
    put(dns, OWN, name["proof"]["name"], "TXT", '"something else"', json.dumps(name["proof"]["value"]))
    begun = time.monotonic()
    assert ada.post(f"/names/{name['id']}/look").expect(200).json["state"] == "held"
    until(lambda: body_at(named, host) == GOOD, "the domain to answer")
    print(f"proved and served within {(time.monotonic() - begun) * 1000:.0f} ms")
    assert records(dns, OWN, host) == {"A": ["127.0.0.1"]}, "its records are its owner's"
    ada.delete(f"/names/{name['id']}").expect(202)
    until(lambda: state(ada, name) is None, "the name to be gone")
    assert body_at(named, host)[0] == 404
    # What is left in the DNS opens nothing to anybody else, nor to her without a new proof.
    bob = person(named)
    his = bob.running("web")
    claimed = ask(bob, host, his)
    assert claimed["proof"]["value"] != name["proof"]["value"]
    assert bob.post(f"/names/{claimed['id']}/look").expect(200).json["state"] == "asked"
    bob.delete(f"/names/{claimed['id']}").expect(202)
    bob.stop(his["id"])


def test_R2_6_of_two_claims_the_first_proof_wins(named, dns, ada):
    host = f"shop.{OWN}"
    mine = ada.running("web")
    bob = person(named)
    his = bob.running("web")
    hers, other = ask(ada, host, mine), ask(bob, host, his)
    proof = other["proof"]
    put(dns, OWN, proof["name"], "TXT", json.dumps(proof["value"]))
    assert bob.post(f"/names/{other['id']}/look").expect(200).json["state"] == "held"
    until(lambda: ada.get(f"/names/{hers['id']}").json["problem"], "the other one to be told")
    put(dns, OWN, proof["name"], "TXT", json.dumps(proof["value"]), json.dumps(hers["proof"]["value"]))
    assert ada.post(f"/names/{hers['id']}/look").expect(200).json["state"] == "asked", "his proof stands"
    put(dns, OWN, proof["name"], "TXT", json.dumps(hers["proof"]["value"]))
    until(lambda: ada.post(f"/names/{hers['id']}/look").expect(200).json["state"] == "held", "the domain to change hands", 60, step=0.3)
    assert state(bob, other) is None
    bob.stop(his["id"])


def test_R2_6_what_is_the_houses_is_nobodys(named, ada):
    instance = ada.running("web")
    refused = lambda name: ada.post("/names", {"name": name, "instance": instance["id"]}).reason
    for name in ("admin", "adrnin", "www", f"login.{FREE}", "localhost.localdomain.local", f"a.b.{FREE}"):
        assert refused(name) in ("name-reserved", "name-invalid"), name
    assert refused("x.localhost") == "name-invalid"
    somebody_else = person(named)
    somebody_else.post("/names", {"name": "theirs", "instance": instance["id"]}).expect(404, "instance-unknown")
    ask(ada, "hers-alone", instance)
    assert somebody_else.get("/names").expect(200).json["items"] == []


def at_rest(server, *but):
    """Whether nothing is under way with anybody's names but these."""
    names = server.admin().get("/names", query={"owner": "all"}).expect(200).json["items"]
    return all(name["id"] in but or name["follow"] or name["state"] in ("asked", "resting") for name in names)


@pytest.mark.parametrize("point", ["names.record.before", "names.record.after", "names.drop.before", "names.drop.after"])
def test_R2_6_killed_between_two_steps_nothing_is_left(named, dns, ada, point):
    label = point.replace(".", "-")
    host = f"{label}.{FREE}"
    instance = ada.running("web")
    dropping = ".drop." in point
    name = ask(ada, label, instance) if dropping else None
    if dropping:
        until(lambda: records(dns, FREE, host), "the record")
    until(lambda: at_rest(named, *([name["id"]] if name else [])), "everything else to be at rest")
    named.restart(failpoints=f"{point}=kill")
    with contextlib.suppress(OSError, http.client.HTTPException):  # its answer may be lost with the server
        if dropping:
            ada.delete(f"/names/{name['id']}")
        else:
            ada.post("/names", {"name": label, "instance": instance["id"]})
    named.wait_dead()
    named.start()
    name = next(one for one in ada.get("/names").expect(200).json["items"] if one["name"] == host)
    if not dropping:
        until(lambda: records(dns, FREE, host) == {"A": ["127.0.0.1"]}, "the record after all")
        until(lambda: body_at(named, host) == GOOD, "the name to answer after all")
        ada.delete(f"/names/{name['id']}").expect(202)
    until(lambda: state(ada, name) == "resting", "the name to be taken back")
    assert records(dns, FREE, host) == {}


def test_R2_6_a_powerdns_that_is_away_is_said_and_waited_for(named, dns, ada):
    instance = ada.running("web")
    dns.close()
    try:
        name = ask(ada, "patient", instance)
        until(lambda: ada.get(f"/names/{name['id']}").json["problem"], "what keeps it")
        until(lambda: body_at(named, name["name"]) == GOOD, "the route, which needs no record")
    finally:
        dns.start()
    until(lambda: records(dns, FREE, name["name"]) == {"A": ["127.0.0.1"]}, "the record", 60)
    until(lambda: ada.get(f"/names/{name['id']}").json["problem"] is None, "nothing to complain of")


def test_R2_6_who_is_deleted_has_no_names(named, dns):
    eve = person(named)
    name = ask(eve, "eves-own", eve.running("web"))
    until(lambda: records(dns, FREE, name["name"]), "the record")
    named.admin().delete(f"/admin/users/{eve.get('/me').json['id']}").expect(204)
    until(lambda: records(dns, FREE, name["name"]) == {}, "the record to be gone")
    until(lambda: body_at(named, name["name"])[0] == 404, "the route to be gone")


@pytest.fixture(scope="module")
def certified(docker, dns, tmp_path_factory):
    """A server that speaks TLS and has its names' certificates from pebble, which looks them up at our DNS."""
    folder = tmp_path_factory.mktemp("certified")
    make, end, _ = server_maker(docker, folder)
    server = make(config=config(dns), web=templates.WEB)
    server.tls_port = free_port()
    server.config["gateway"]["tls_listen"] = f"127.0.0.1:{server.tls_port}"
    pebble = Pebble(folder / "pebble", server.gateway_port, free_udp_and_tcp_port(), dns.port)
    server.config["acme"] = {"directory": pebble.directory, "ca_file": str(pebble.ca)}
    try:
        pebble.start()
        server.root = pebble.root()
        server.start()
        server.admin().wait_template("web")
        yield server
    finally:
        end()
        pebble.close()


def https(server, host):
    """(status, body) over TLS with a certificate of the CA for just this name; None: not yet."""
    context = ssl.create_default_context(cafile=server.root)
    try:
        with socket.create_connection(("127.0.0.1", server.tls_port), timeout=20) as link, context.wrap_socket(link, server_hostname=host) as wrapped:
            connection = http.client.HTTPConnection(host)
            connection.sock = wrapped
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None


def test_R2_6_https_answers_at_a_name_that_was_just_asked_for(certified, dns):
    ada = person(certified)
    instance = ada.running("web")
    begun = time.monotonic()
    free = ask(ada, "secure-app", instance)
    until(lambda: https(certified, free["name"]) == GOOD, "HTTPS at the free name", 60, step=0.02)
    print(f"a free name: HTTPS {(time.monotonic() - begun) * 1000:.0f} ms after asking")
    host = f"secure.{OWN}"
    put(dns, OWN, host, "A", "127.0.0.1")
    own = ask(ada, host, instance)
    assert https(certified, host) is None, "nothing is served, and nothing ordered, before it is proved"
    put(dns, OWN, own["proof"]["name"], "TXT", json.dumps(own["proof"]["value"]))
    begun = time.monotonic()
    until(lambda: ada.post(f"/names/{own['id']}/look").expect(200).json["state"] == "held", "the proof", 60, step=0.02)
    until(lambda: https(certified, host) == GOOD, "HTTPS at the domain", 60, step=0.02)
    print(f"a domain: HTTPS {(time.monotonic() - begun) * 1000:.0f} ms after its proof")
    for name in (free, own):
        until(lambda: {"what": "certificate", "is": "good", "text": "Its certificate is there."} in ada.get(f"/names/{name['id']}").json["checks"], "the check to say so")
    # Both go with the instance, and their certificates are shown to nobody any more.
    ada.stop(instance["id"])
    until(lambda: state(ada, free) == "resting" and state(ada, own) is None, "both to be taken back")
    until(lambda: https(certified, free["name"]) is None and https(certified, host) is None, "their certificates to be gone")


def test_R2_6_names_over_the_command_line(named, tmp_path):
    admin, cli = named.admin(), Cli(tmp_path, TILTYARD_URL=named.url, TILTYARD_TOKEN=named.token)
    instance = admin.running("web")
    assert f"by-hand.{FREE}  held" in cli("names", "ask", "by-hand", instance["id"]).stdout
    asked = cli("names", "ask", f"cli.{OWN}", instance["id"]).stdout
    assert f"_tiltyard.cli.{OWN} TXT \"tiltyard=" in asked
    listed = cli.json("names", "list")["items"]
    assert [name["name"] for name in listed] == [f"by-hand.{FREE}", f"cli.{OWN}"]
    assert "tiltyard names list" in cli("names", "ask", "by-hand", instance["id"], code=1).stderr
    assert "name-reserved" not in cli("names", "ask", "admin", instance["id"], code=1).stdout
    assert cli.json("names", "point", "by-hand", instance["id"], "--follow")["follow"] is True
    assert cli.json("names", "look", f"cli.{OWN}")["state"] == "asked"
    cli("names", "drop", "by-hand")
    cli("names", "drop", f"cli.{OWN}")
    until(lambda: [name["state"] for name in admin.get("/names").json["items"]] == ["resting"], "the names to be taken back")
    admin.stop(instance["id"])
