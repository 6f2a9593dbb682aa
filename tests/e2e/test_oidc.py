"""Sign-in by OpenID Connect, good and attacked: row 7.1. The provider is one that lies on demand (tests/standins/oidc.py)."""
import sys
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from harness.server import ROOT
from harness.wait import until

sys.path.insert(0, str(ROOT / "tests" / "standins"))
from oidc import Key, Provider  # noqa: E402

OPTIONS = {"client_id": "range", "client_secret": "s3cret-of-the-range", "title": "The School",
           "role_claim": "groups", "roles": ["range-staff=operator", "range-boss=admin"], "team_claim": "team"}


@pytest.fixture(scope="module")
def place(docker, tmp_path_factory):
    """A provider and a server that believes it, for all tests of the file."""
    from conftest import server_maker
    folder = tmp_path_factory.mktemp("oidc")
    provider = Provider(folder)
    make, end, _ = server_maker(docker, folder)
    server = make(config={"auth": {"strategies": ["local", "oidc"], "oidc": {"school": {"issuer": provider.issuer, **OPTIONS}}},
                          "engine": {"kind": "fake"}, "rates": {"factor": 100}}).start()
    yield server, provider
    end()
    provider.close()


class Browser:
    """Keeps cookies, follows nothing."""

    def __init__(self, server):
        self.api, self.server, self.cookies = server.api(), server, {}

    def get(self, path, **query):
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        answer = self.api.call("GET", path, query=query or None, headers=headers)
        return answer

    def visit(self, path, **query):
        """Like a browser: all Set-Cookie fields count; answers the Location."""
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
        connection.request("GET", path + ("?" + urlencode(query) if query else ""), headers=headers)
        answer = connection.getresponse()
        answer.read()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                pair, *attributes = [part.strip() for part in value.split(";")]
                key, _, text = pair.partition("=")
                assert "HttpOnly" in attributes, value
                if "Max-Age=0" in attributes:
                    self.cookies.pop(key, None)
                else:
                    self.cookies[key] = text
        connection.close()
        assert answer.status == 303, answer.status
        return answer.getheader("Location")

    def begin(self, **query):
        """Off to the provider: the parameters that it would get."""
        where = self.visit("/api/v1/auth/oidc/school/start", **query)
        return {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}

    def end(self, **answer):
        return self.visit("/api/v1/auth/oidc/school/callback", **answer)

    def me(self):
        return self.get("/api/v1/me")


def through(place, begun=None, **claims):
    """The whole way; the browser and where it ended."""
    server, provider = place
    browser = Browser(server)
    asked = browser.begin(**(begun or {}))
    return browser, browser.end(code=provider.grant(asked, **claims), state=asked["state"])


def test_R7_1_a_provider_signs_in_with_role_and_team(place):
    server, provider = place
    browser = Browser(server)
    where = browser.visit("/api/v1/auth/oidc/school/start", back="/all?sort=-state")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(where).query).items()}
    assert where.startswith(provider.issuer + "/authorize?")
    assert asked["code_challenge_method"] == "S256" and asked["response_type"] == "code" and "openid" in asked["scope"].split()
    assert asked["redirect_uri"] == f"{server.url}/api/v1/auth/oidc/school/callback"
    back = browser.end(code=provider.grant(asked, groups=["students", "range-staff"], team="Red"), state=asked["state"])
    assert back == "/all?sort=-state"
    me = browser.me().expect(200).json
    assert (me["name"], me["strategy"], me["roles"][-1], me["team"]["name"]) == ("ada", "oidc", "operator", "Red")
    assert sorted(browser.cookies) == ["tiltyard", "tiltyard-device"], "what the way needed is gone at its end"
    assert server.api().get("/auth").json["providers"] == [{"name": "school", "title": "The School"}]
    # Another role at the provider is another role here, and what was signed in before ends.
    again, _ = through(place, groups=["students"], team="Red")
    assert again.me().expect(200).json["roles"] == ["player"] and again.me().json["id"] == me["id"]
    browser.me().expect(401)


def test_R7_1_a_clients_name_with_dots_and_two_audiences_are_read(place, make_server):
    _, provider = place
    nested = {**OPTIONS, "role_claim": "resource_access.range.example.org.roles"}
    server = make_server(config={"auth": {"strategies": ["local", "oidc"], "oidc": {"school": {"issuer": provider.issuer, **nested}}},
                                 "engine": {"kind": "fake"}, "rates": {"factor": 100}}).start()
    browser, where = through((server, provider), sub="90", aud=["range", "account"], team="Red",
                             resource_access={"range.example.org": {"roles": ["range-staff"]}})
    assert where == "/" and browser.me().expect(200).json["roles"][-1] == "operator"


def test_R7_1_an_equal_name_takes_over_no_account(place):
    server, _ = place
    local = server.user("grace")
    browser, _ = through(place, sub="77", preferred_username="grace", email="grace@example.org", email_verified=True)
    me = browser.me().expect(200).json
    assert me["name"] == "grace-2" and me["id"] != local.get("/me").json["id"]
    odd, _ = through(place, sub="78", preferred_username="a\r\nb' or 1=1 --\u202e")
    assert "\n" not in odd.me().expect(200).json["name"] and "\u202e" not in odd.me().json["name"]


def test_R7_1_claims_that_the_token_lacks_come_from_userinfo(place):
    _, provider = place
    provider.userinfo = {"sub": "55", "groups": ["range-boss"], "team": "Blue", "preferred_username": "uma"}
    browser, _ = through(place, sub="55", preferred_username=None)
    me = browser.me().expect(200).json
    assert (me["name"], me["roles"][-1], me["team"]["name"]) == ("uma", "admin", "Blue")
    provider.userinfo["sub"] = "somebody else"
    browser, _ = through(place, sub="56", preferred_username="vera")
    assert browser.me().expect(200).json["roles"] == ["player"], "another subject's claims are not ours"
    provider.userinfo = {}


def test_R7_1_signed_userinfo_counts_if_it_is_genuine(place):
    server, provider = place
    try:
        for subject, signed_by, more, roles in (
                ("61", provider.key, {"iss": provider.issuer, "aud": "range"}, "admin"), ("62", provider.key, {}, "admin"),
                ("63", Key(provider.folder, "stranger"), {}, "player"), ("64", provider.key, {"aud": "other"}, "player"),
                ("65", provider.key, {"iss": "https://evil.example"}, "player"), ("66", provider.key, {"sub": "somebody else"}, "player")):
            provider.signs_userinfo, provider.userinfo = signed_by, {"sub": subject, "groups": ["range-boss"], **more}
            browser, where = through(place, sub=subject, preferred_username=f"user-{subject}", team="Red")
            assert where == "/" and browser.me().expect(200).json["roles"][-1] == roles, (subject, server.log()[-600:])
        assert "user info of an OpenID provider is passed over" in server.log() and "aud is another client" in server.log()
    finally:
        provider.signs_userinfo, provider.userinfo = None, {}


FORGED = {
    "another issuer": {"iss": "https://evil.example"}, "another audience": {"aud": "other"}, "no audience": {"aud": None},
    "another party": {"aud": ["range", "other"], "azp": "other"}, "another nonce": {"nonce": "x"}, "no nonce": {"nonce": None},
    "expired": {"exp": int(time.time()) - 3600}, "from the future": {"iat": int(time.time()) + 3600}, "not yet": {"nbf": int(time.time()) + 3600},
    "no subject": {"sub": None}, "alg none": {"header": {"alg": "none"}}, "a shared secret": {"header": {"alg": "HS256"}},
    "another algorithm of the key": {"header": {"alg": "PS256"}}, "an unknown key": {"header": {"kid": "nobody's"}}, "at_hash": {"at_hash": "AAAA"},
}


@pytest.mark.parametrize("what", FORGED)
def test_R7_1_forged_answers_are_refused(place, what):
    browser, where = through(place, **FORGED[what])
    assert where == "/signin?trouble=token-invalid"
    browser.me().expect(401)
    assert "tiltyard" not in browser.cookies


def test_R7_1_an_answer_counts_once_and_in_the_browser_that_began(place):
    server, provider = place
    browser = Browser(server)
    asked = browser.begin()
    kept = dict(browser.cookies)
    code = provider.grant(asked)
    # Another browser, without the cookie or with its own: a planted answer signs nobody in (login CSRF).
    stranger = Browser(server)
    assert stranger.end(code=code, state=asked["state"]) == "/signin?trouble=oidc-state"
    stranger.begin()
    assert stranger.end(code=code, state=asked["state"]) == "/signin?trouble=oidc-state"
    assert browser.end(code=code, state=asked["state"] + "x") == "/signin?trouble=oidc-state"
    assert browser.end(code=code, state=asked["state"]) == "/"
    browser.me().expect(200)
    # The same again: the provider refuses the code; and with a fresh code our own record does.
    replayer = Browser(server)
    replayer.cookies = dict(kept)
    assert replayer.end(code=code, state=asked["state"]) == "/signin?trouble=token-invalid"
    replayer.cookies = dict(kept)
    assert replayer.end(code=provider.grant(asked), state=asked["state"]) == "/signin?trouble=oidc-state"
    # A code of another's sign-in does not fit this one's verifier.
    other = Browser(server)
    own = other.begin()
    assert other.end(code=provider.grant(asked), state=own["state"]) == "/signin?trouble=token-invalid"
    other.me().expect(401)


def test_R7_1_answers_of_another_issuer_are_refused(place):
    server, provider = place
    browser = Browser(server)
    asked = browser.begin()
    assert browser.end(code=provider.grant(asked), state=asked["state"], iss="https://evil.example") == "/signin?trouble=oidc-state"
    browser = Browser(server)
    asked = browser.begin()
    assert browser.end(code=provider.grant(asked), state=asked["state"], iss=provider.issuer) == "/"
    browser = Browser(server)
    asked = browser.begin()
    assert browser.end(error="access_denied", state=asked["state"]) == "/signin?trouble=oidc-denied"


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
def test_R7_1_nobody_is_sent_elsewhere(place, back):
    assert through(place, begun={"back": back})[1] == "/"


def test_R7_1_a_session_from_before_is_worth_nothing_after(place):
    server, provider = place
    attacker = server.user(f"attacker{time.monotonic_ns()}")
    browser = Browser(server)
    browser.cookies["tiltyard"] = attacker.cookie.split("=", 1)[1]
    asked = browser.begin()
    assert browser.end(code=provider.grant(asked), state=asked["state"]) == "/"
    assert browser.cookies["tiltyard"] != attacker.cookie.split("=", 1)[1]
    attacker.get("/me").expect(401)


def test_R7_2_a_proof_from_the_provider_is_one_that_it_has_just_asked_for(place):
    server, _ = place

    def may(browser):
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        answer = browser.api.call("DELETE", "/me/tokens/nobody", headers={"Cookie": cookie, "X-Tiltyard-Csrf": "1", "Origin": server.url})
        return {404: True, 403: False}[answer.status] if answer.status == 404 or answer.reason == "sign-in-again" else answer
    now = int(time.time())
    # A session at the provider may be days old: it says so, or says nothing. What it asked for now is a proof.
    for said, fresh in (({}, False), ({"auth_time": now - 3600}, False), ({"auth_time": "now"}, False), ({"auth_time": now}, True)):
        assert may(through(place, **said)[0]) is fresh, said
    browser, _ = through(place)
    for said in ({}, {"auth_time": now - 3600}, {"auth_time": -1}):
        asked = browser.begin(again=1, back="/account")
        assert (asked["prompt"], asked["max_age"]) == ("login", "0")
        assert browser.end(code=place[1].grant(asked, **said), state=asked["state"]) == "/account?trouble=oidc-not-asked", said
        browser.me().expect(200)
        assert may(browser) is False
    asked = browser.begin(again=1, back="/account")
    assert browser.end(code=place[1].grant(asked, auth_time=int(time.time())), state=asked["state"]) == "/account"
    assert may(browser) is True
    assert "prompt" not in browser.begin(), "a usual sign-in asks for nothing of the kind"


def test_R7_1_keys_rotate(place):
    _, provider = place
    through(place)
    asked = provider.asked.count("/jwks")
    through(place)
    assert provider.asked.count("/jwks") == asked, "keys are remembered"
    provider.rotate()
    assert until(lambda: through(place)[1] == "/", "the new key to be fetched", 10)
    for _ in range(10):
        through(place, header={"kid": "nobody's"})
    assert provider.asked.count("/jwks") < asked + 8, "unknown keys do not make us ask each time"


def test_R7_1_a_provider_that_is_away_or_lies_about_itself(place, make_server):
    _, provider = place
    server = make_server(config={"auth": {"strategies": ["local", "oidc"], "oidc": {"school": {"issuer": provider.issuer, **OPTIONS}}},
                                 "engine": {"kind": "fake"}}).start()
    browser = Browser(server)
    provider.metadata = {"issuer": "https://evil.example"}
    assert browser.visit("/api/v1/auth/oidc/school/start") == "/signin?trouble=oidc-unavailable"
    assert "https://evil.example" in server.log() and provider.issuer in server.log(), "both are said"
    provider.metadata = {"token_endpoint": "ftp://x/"}
    assert browser.visit("/api/v1/auth/oidc/school/start") == "/signin?trouble=oidc-unavailable"
    provider.metadata = {}
    asked = browser.begin()
    provider.failing = True
    for _ in range(4):
        browser.cookies = dict(browser.cookies)
        kept = dict(browser.cookies)
        assert browser.end(code="x", state=asked["state"]) == "/signin?trouble=oidc-unavailable"
        browser.cookies = kept
    count = len(provider.asked)
    assert browser.end(code="x", state=asked["state"]) == "/signin?trouble=oidc-unavailable"
    assert len(provider.asked) == count, "it is left alone for a while"
    provider.failing = False
    assert Browser(server).visit("/api/v1/auth/oidc/nobody/start") == "/signin?trouble=provider-unknown"
    assert "s3cret-of-the-range" not in server.log()
