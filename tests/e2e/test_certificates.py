"""Row 2.2: certificates that the server fetches itself, from a real ACME server (pebble) with names in a real DNS server (PowerDNS),
and from an authority of the tests' own for what those have not."""
import re
import subprocess
import time

import pytest

from conftest import server_maker
from harness.acme import Pebble, PowerDns, free_udp_and_tcp_port
from harness.authority import Authority
from harness.cli import Cli
from harness.ports import free_port
from harness.wait import until

NAMES = ["range.test", "play.range.test", "*.play.range.test"]


def standing(server, name="site"):
    return next((one for one in server.admin().get("/admin/certificates").expect(200).json["items"] if one["id"] == name), None)


def settled(server, state="good", after=None, name="site", timeout=60):
    """Waits until the certificate is in that state (and is a newer one)."""
    def look():
        one = standing(server, name)
        return one if one and one["state"] == state and (after is None or one["not_before"] != after["not_before"] or one["error"] != after["error"]) else None
    return until(look, f"{name} to be {state}; it is {standing(server, name)}", timeout)


def chain_of(server, name="site"):
    return server.rows("SELECT chain FROM certificates WHERE name = '" + name + "'")[0][0]


def names_in(chain):
    text = subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName"], input=chain, check=True, capture_output=True, text=True).stdout
    return sorted(re.findall(r"DNS:([^,\s]+)", text))


def settled_for(server, names):
    """Waits for a good certificate that is for these names, with nothing left of its order; says how it stands when there is none."""
    def look():
        one = standing(server)
        return (one and one["names"] == sorted(names) and one["state"] == "good" and names_in(chain_of(server)) == sorted(names)
                and server.rows("SELECT count(*) FROM acme_proofs") == [(0,)])
    try:
        until(look, "a certificate for " + ", ".join(names), 60, step=0.1)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {standing(server)}") from None
    return standing(server)


def assert_from(root, chain, names, folder):
    """The chain leads to the root and is for exactly these names."""
    leaf = folder / "leaf.pem"
    leaf.write_text(chain)
    subprocess.run(["openssl", "verify", "-CAfile", root, "-untrusted", leaf, leaf], check=True, capture_output=True)
    assert names_in(chain) == sorted(names)


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    server = PowerDns(tmp_path_factory.mktemp("dns"))
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture(scope="module")
def site(docker, dns, tmp_path_factory):
    """A server with its DNS and its CA; both zones lead to it."""
    folder = tmp_path_factory.mktemp("site")
    dns.zone("range.test", "play.range.test")
    make, end, _ = server_maker(docker, folder)
    server = make(config={"gateway": {"domain": "play.range.test"}, "powerdns": {"url": dns.url, "key": dns.KEY}})
    server.tls_port = free_port()
    server.config["gateway"]["tls_listen"] = f"127.0.0.1:{server.tls_port}"
    pebble = Pebble(folder / "pebble", server.gateway_port, server.tls_port, dns.port)
    server.config["acme"] = {"directory": pebble.directory, "ca_file": str(pebble.ca), "names": NAMES, "email": "ops@range.test", "dns": "powerdns"}
    try:
        pebble.start()
        server.pebble = pebble
        server.start()
        yield server
    finally:
        end()
        pebble.close()


def orders_of(pebble):
    return len(re.findall(r"Added order ", pebble.log()))


def test_R2_2_names_and_their_wildcard_get_one_certificate(site, dns, tmp_path):
    one = settled_for(site, NAMES)
    assert one["error"] is None and one["issuer"].startswith("Pebble")
    assert one["not_before"] < one["next_try"] < one["not_after"], "renewed before its end"
    assert_from(site.pebble.root(), chain_of(site), NAMES, tmp_path)
    until(lambda: dns.texts("_acme-challenge.play.range.test") == [], "what proved the name to be taken away", 30)
    assert any(event["kind"] == "certificate.issued" and event["subject"] == "site" for event in site.admin().get("/admin/events").expect(200).json["items"])


def shown(server, name, root):
    """The serial number of the certificate that a client is shown who asks for the name and trusts the CA alone."""
    ran = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.tls_port}", "-servername", name, "-verify_hostname", name,
                          "-verify_return_error", "-CAfile", root], input="", capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return subprocess.run(["openssl", "x509", "-noout", "-serial"], input=ran.stdout, check=True, capture_output=True, text=True).stdout


def test_R2_2_instances_share_the_wildcard_and_a_new_one_is_shown_without_a_restart(site):
    settled(site)
    root, before = site.pebble.root(), chain_of(site)
    serial = shown(site, "some-instance.play.range.test", root)
    assert shown(site, "range.test", root) == serial
    site.admin().post("/admin/certificates/site/renew").expect(204)
    until(lambda: chain_of(site) != before, "a new certificate", 60)
    until(lambda: shown(site, "some-instance.play.range.test", root) != serial, "the new one to be shown", 30)


def test_R2_2_a_name_is_proved_on_the_tls_port(site, tmp_path):
    settled(site)
    site.stop()
    keys = dict(site.config["acme"])
    site.config["acme"].update(names=["alpn.range.test"], challenge="tls-alpn-01", dns="none")
    asked = site.pebble.log().count("validate w/ HTTP")
    try:
        site.start()
        settled_for(site, ["alpn.range.test"])
        assert_from(site.pebble.root(), chain_of(site), ["alpn.range.test"], tmp_path)
        assert site.pebble.log().count("validate w/ HTTP") == asked, "nobody came to the plain port"
    finally:
        site.stop()
        site.config["acme"] = keys
        site.start()
    settled_for(site, NAMES)


def test_R2_2_nobody_reads_the_keys_in_the_database(site):
    settled(site)
    rows = site.rows("SELECT private_key, chain, progress FROM certificates") + site.rows("SELECT private_key, url, directory FROM acme_accounts")
    assert len(rows) == 2
    for row in rows:
        assert row[0] and not any("PRIVATE KEY" in text for text in row), "sealed"
    assert ((site.data / "certificates.key").stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize("where", ["certificates.ordered", "certificates.proving", "certificates.finalized", "certificates.issued"])
def test_R2_2_a_server_that_dies_in_the_middle_goes_on_with_its_order(site, where, tmp_path):
    settled(site)
    before = chain_of(site)
    orders = orders_of(site.pebble)
    site.restart(failpoints=f"{where}=kill")
    site.admin().post("/admin/certificates/site/renew").expect(204)
    site.wait_dead()
    assert orders_of(site.pebble) == orders + 1
    site.start()
    until(lambda: site.rows("SELECT asked_at FROM certificates") == [(0,)] and standing(site)["state"] == "good", "the order to end", 60)
    # While it was dead the CA may have come for the proofs in vain; that order is lost.
    most = orders + (2 if where == "certificates.proving" else 1)
    assert orders < orders_of(site.pebble) <= most, "the same order, no second one"
    assert chain_of(site) != before
    assert_from(site.pebble.root(), chain_of(site), NAMES, tmp_path)
    until(lambda: site.rows("SELECT count(*) FROM acme_proofs") == [(0,)], "what proved the names to be taken away", 30)


def test_R2_2_an_authority_that_forgot_the_account_gets_a_new_one(site):
    settled(site)
    accounts = site.rows("SELECT url FROM acme_accounts")
    before = chain_of(site)
    site.pebble.close()
    site.pebble.start()
    site.admin().post("/admin/certificates/site/renew").expect(204)
    until(lambda: chain_of(site) != before, "a new certificate", 60)
    assert site.rows("SELECT url FROM acme_accounts") != accounts


def test_R2_2_the_command_line_lists_and_renews(site, tmp_path):
    settled(site)
    before = chain_of(site)
    cli = Cli(tmp_path, TILTYARD_URL=site.url, TILTYARD_TOKEN=site.token)
    assert "play.range.test" in cli("certificates").stdout
    assert cli.json("certificates")["items"][0]["id"] == "site"
    cli("certificates", "renew", "site")
    until(lambda: chain_of(site) != before, "a new certificate", 60)
    assert "tiltyard certificates" in cli("certificates", "renew", "no-such", code=3).stderr


def test_R2_2_other_names_are_ordered_anew_and_proved_by_a_program(site, dns, tmp_path):
    settled(site)
    site.stop()
    calls = tmp_path / "calls"
    hook = tmp_path / "hook"
    hook.write_text(f"""#!/bin/sh
echo "$1 $2 $3" >> {calls}
type=REPLACE
[ "$1" = present ] || type=DELETE
exec curl -sf -X PATCH -H "X-API-Key: {dns.KEY}" {dns.url}/api/v1/servers/localhost/zones/range.test. \\
  -d '{{"rrsets":[{{"name":"'"$2"'","type":"TXT","ttl":60,"changetype":"'$type'","records":[{{"content":"\\"'"$3"'\\"","disabled":false}}]}}]}}'
""")
    hook.chmod(0o755)
    keys = dict(site.config["acme"])
    site.config["acme"].update(names=["*.hook.range.test"], dns="hook", dns_hook=str(hook))
    try:
        site.start()
        settled_for(site, ["*.hook.range.test"])
        assert_from(site.pebble.root(), chain_of(site), ["*.hook.range.test"], tmp_path)
        until(lambda: calls.read_text().count("\n") == 2, "the record to be taken away", 30)
        (present, cleanup) = calls.read_text().splitlines()
        assert present.split()[:2] == ["present", "_acme-challenge.hook.range.test."] and cleanup.split()[1:] == present.split()[1:]
    finally:
        site.stop()
        site.config["acme"] = keys
        site.start()
    settled_for(site, NAMES)


def test_R2_2_a_server_that_takes_signed_updates_proves_a_name(site, dns, tmp_path):
    settled(site)
    key = "c2VjcmV0LW9mLXRoZS10ZXN0cy0zMi1ieXRlcy1sb25n"
    dns.close()
    dns.start(dnsupdate="yes", **{"allow-dnsupdate-from": "127.0.0.0/8"})
    dns.call("POST", "/tsigkeys", {"name": "updates", "algorithm": "hmac-sha256", "key": key})
    dns.call("PUT", "/zones/range.test./metadata/TSIG-ALLOW-DNSUPDATE", {"kind": "TSIG-ALLOW-DNSUPDATE", "metadata": ["updates"]})
    site.stop()
    keys = dict(site.config["acme"])
    site.config["acme"].update(names=["*.update.range.test", "update.range.test"], challenge="dns-01", dns="rfc2136", dns_server=f"127.0.0.1:{dns.port}",
                               tsig_name="updates", tsig_key=key)
    try:
        site.start()
        settled_for(site, ["*.update.range.test", "update.range.test"])
        assert_from(site.pebble.root(), chain_of(site), ["*.update.range.test", "update.range.test"], tmp_path)
        until(lambda: dns.texts("_acme-challenge.update.range.test") == [], "the record to be gone", 30)
        assert key not in site.log()
    finally:
        site.stop()
        site.config["acme"] = keys
        site.start()


def test_R2_2_what_proves_a_name_is_in_the_database_so_any_server_answers(site):
    settled(site)
    site.stop()
    site.change("INSERT INTO acme_proofs (kind, name, value, certificate) VALUES ('http', 'token-1', 'token-1.thumb', 'none')")
    site.start()
    for port in (site.port, site.gateway_port):
        ask = ["curl", "-s", "-o", "-", "-w", " %{http_code}", f"http://127.0.0.1:{port}/.well-known/acme-challenge/"]
        assert subprocess.run([*ask[:-1], ask[-1] + "token-1"], capture_output=True, text=True).stdout == "token-1.thumb 200"
        assert subprocess.run([*ask[:-1], ask[-1] + "token-2"], capture_output=True, text=True).stdout.endswith(" 404")


def test_R2_2_an_account_is_bound_where_the_authority_wants_it(docker, dns, tmp_path, make_server):
    key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    dns.zone("bound.test")
    server = make_server()
    pebble = Pebble(tmp_path / "pebble", server.gateway_port, free_udp_and_tcp_port(), dns.port, bound={"kid-1": key})
    server.config["acme"] = {"directory": pebble.directory, "ca_file": str(pebble.ca), "names": ["bound.test"]}
    try:
        pebble.start()
        server.start()
        assert "acme.eab_kid" in settled(server, "failing")["error"]
        server.stop()
        server.config["acme"].update(eab_kid="kid-1", eab_key=key)
        server.start()
        assert settled(server, "failing")["next_try"] is not None, "its pause is kept over the restart"
        server.admin().post("/admin/certificates/site/renew").expect(204)
        settled(server)
        assert key not in server.log()
    finally:
        pebble.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    one = Authority(tmp_path_factory.mktemp("authority"))
    yield one
    one.close()


@pytest.fixture(scope="module")
def own(docker, authority, tmp_path_factory):
    make, end, _ = server_maker(docker, tmp_path_factory.mktemp("own"))
    server = make(config={"acme": {"directory": authority.directory, "ca_file": str(authority.ca), "names": ["own.test"], "profile": "shortlived"}})
    try:
        yield server.start()
    finally:
        end()


def renewed(server):
    before = chain_of(server)
    server.admin().post("/admin/certificates/site/renew").expect(204)
    until(lambda: chain_of(server) != before, "a new certificate", 60)


def failing(server, words):
    """Asks for a new one and waits for it to fail with these words; what there was stays."""
    before = chain_of(server)
    server.admin().post("/admin/certificates/site/renew").expect(204)
    one = until(lambda: (look := standing(server)) and words in (look["error"] or "") and look, f"a failure with {words!r}; it is {standing(server)}", 60)
    assert one["state"] == "failing" and one["not_after"] is not None and chain_of(server) == before, "the old one serves"
    return one


def ari_asked_for(server, authority):
    """Whether the authority was asked when the certificate that there is now is to be renewed."""
    return authority.orders and authority.asked and authority.asked[-1] not in [order["replaces"] for order in authority.orders] and standing(server)["state"] == "good"


def test_R2_2_a_profile_is_ordered_and_renewal_is_announced(own, authority):
    settled(own)
    assert authority.orders[0]["profile"] == "shortlived" and authority.orders[0]["replaces"] is None
    assert authority.agents == {"Tiltyard"}
    until(lambda: authority.asked, "to be asked when", 30)
    renewed(own)
    assert authority.orders[-1]["replaces"] == authority.asked[0], "a renewal is exempt from limits"


def test_R2_2_the_authority_says_when_and_is_not_asked_for_ever_more(own, authority):
    settled(own)
    orders = len(authority.orders)
    authority.window = (time.time() - 20, time.time() - 10)
    try:
        own.stop()
        own.change("UPDATE certificates SET progress = replace(progress, '\"ask_at\":', '\"ask_at\":0,\"asked_before\":')")
        own.start()
        until(lambda: len(authority.orders) > orders and standing(own)["state"] == "good", "a renewal that the authority wanted", 60)
        until(lambda: ari_asked_for(own, authority), "the new one to be asked for as well", 30)
        assert len(authority.orders) == orders + 1, "each new one is in the window too: that is not followed at once"
    finally:
        authority.window = None


def test_R2_2_what_an_authority_does_wrong_is_said_and_harms_nothing(own, authority):
    settled(own)
    for mood, words in (("refusing", "this name is on a list"), ("garbage", "something that is not ACME"), ("foreign", "was not ordered"), ("other", "key")):
        authority.mood = mood
        failing(own, words)
    authority.mood = "good"
    renewed(own)
    assert standing(own)["error"] is None


def test_R2_2_a_slow_authority_is_waited_for(own, authority):
    settled(own)
    before = chain_of(own)
    authority.mood = "slow"
    own.admin().post("/admin/certificates/site/renew").expect(204)
    until(lambda: standing(own)["state"] == "ordering" and authority.orders[-1]["status"] == "processing", "the order to be under way", 30)
    assert chain_of(own) == before
    authority.mood = "good"
    until(lambda: chain_of(own) != before, "the certificate", 60)


def test_R2_2_a_limit_is_kept_over_a_restart_and_against_staff(own, authority):
    settled(own)
    authority.limit = 7200
    try:
        one = failing(own, "limits how often")
        orders = len(authority.orders)
        own.admin().post("/admin/certificates/site/renew").expect(409, "certificate-limited")
        own.restart()
        again = standing(own)
        assert again["next_try"] == one["next_try"] and again["state"] == "failing"
        own.admin().post("/admin/certificates/site/renew").expect(409, "certificate-limited")
        assert len(authority.orders) == orders
    finally:
        authority.limit = None
