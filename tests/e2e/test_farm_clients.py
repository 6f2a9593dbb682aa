"""What the known farms' start_sploit.py does on the wire, request by request: DestructiveFarm's (urllib, X-Token, status exactly 200,
the whole queue in one body) and S4DFarm's (the bare password in Authorization, anything under 400, at most 10,000). Both have 5 s
for an answer, and send the same batch again after a failure."""
import http.client
import json
import re
import time
from urllib.error import HTTPError, URLError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import pytest

from harness.farm_game import Farm
from harness.jury import Jury, flag
from harness.wait import until

TIMEOUT = 5


class DestructiveFarmClient:
    def __init__(self, url, token):
        self.url, self.token, self.queue = url, token, []

    def get_config(self):
        request = Request(urljoin(self.url, "/api/get_config"))
        request.add_header("X-Token", self.token)
        with urlopen(request, timeout=TIMEOUT) as answer:
            assert answer.status == 200
            return json.loads(answer.read().decode())

    def post(self):
        """One turn of its posting loop; whether the queue went."""
        batch = list(self.queue)
        request = Request(urljoin(self.url, "/api/post_flags"))
        request.add_header("Content-Type", "application/json")
        request.add_header("X-Token", self.token)
        try:
            with urlopen(request, data=json.dumps(batch).encode(), timeout=TIMEOUT) as answer:
                if answer.status != 200:
                    return False
        except (URLError, OSError):
            return False
        self.queue = self.queue[len(batch):]
        return True


class S4DFarmClient:
    MOST = 10_000

    def __init__(self, url, password):
        self.server, self.password, self.queue = url.split("//")[1], password, []

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.server, timeout=TIMEOUT)
        headers = {"User-Agent": "python-requests/2.31.0", "Accept-Encoding": "gzip, deflate", "Accept": "*/*", "Connection": "keep-alive",
                   "Authorization": self.password}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get_config(self):
        status, body = self.call("GET", "/api/get_config")
        assert status < 400
        return json.loads(body)

    def post(self):
        batch = self.queue[:self.MOST]
        try:
            status, _ = self.call("POST", "/api/post_flags", json.dumps(batch))
        except OSError:
            return False
        if status >= 400:
            return False
        self.queue = self.queue[len(batch):]
        return True


CLIENTS = [DestructiveFarmClient, S4DFarmClient]


@pytest.fixture
def farm(make_server, tmp_path):
    jury = Jury("forcad_http", tmp_path)
    server = make_server()
    farm = Farm(server, jury)
    server.start()
    yield farm
    jury.close()


@pytest.mark.parametrize("kind", CLIENTS)
def test_R6_8_an_attack_as_the_client_does_it(farm, kind):
    client = kind(farm.server.url, farm.token)
    config = client.get_config()
    assert set(config["TEAMS"].values()) == {f"10.60.{number}.1" for number in range(1, 6)}
    # The client computes with both; one that is missing is a KeyError in it.
    assert config["FLAG_LIFETIME"] - config["SUBMIT_PERIOD"] - 5 > 0
    found = set(re.compile(config["FLAG_FORMAT"]).findall(f"stolen: {flag(1)} and {flag(2)}, {flag(1)}\n"))
    team = next(iter(config["TEAMS"]))
    client.queue = [{"flag": one, "sploit": "spl_example.py", "team": team} for one in sorted(found)]
    client.queue.append({"flag": flag(3), "sploit": "spl_example.py", "team": "*"})
    assert client.post() and client.queue == []
    items = farm.by_flag()
    assert set(items) == {flag(1), flag(2), flag(3)}
    assert {item["sploit"] for item in items.values()} == {"spl_example.py"}
    assert items[flag(1)]["team"] and items[flag(3)]["team"] in ("*", "")


@pytest.mark.parametrize("kind", CLIENTS)
def test_R6_8_a_wrong_password_is_a_403(farm, kind):
    client = kind(farm.server.url, "wrong")
    with pytest.raises((HTTPError, AssertionError)) as refused:
        client.get_config()
    if isinstance(refused.value, HTTPError):
        assert refused.value.code == 403
    client.queue = [{"flag": flag(1), "sploit": "s", "team": "t"}]
    assert not client.post() and len(client.queue) == 1
    status, _ = S4DFarmClient(farm.server.url, "wrong").call("POST", "/api/post_flags", "[]")
    assert status == 403 and farm.stats()["total"] == 0


def test_R6_8_no_secret_is_in_the_clients_configuration(farm):
    text = json.dumps(DestructiveFarmClient(farm.server.url, farm.token).get_config())
    assert farm.token not in text and farm.jury.token not in text
    assert "PASSWORD" not in text and "TOKEN" not in text


def test_R6_8_a_whole_queue_in_one_body(farm):
    """DestructiveFarm's client has no cap: after a long break all of it comes at once, and must be taken within its 5 s."""
    client = DestructiveFarmClient(farm.server.url, farm.token)
    client.queue = [{"flag": flag(number), "sploit": "spl_example.py", "team": "10.60.1.1"} for number in range(50_000)]
    begun = time.monotonic()
    assert client.post()
    assert time.monotonic() - begun < TIMEOUT
    assert farm.stats()["total"] == 50_000
    other = S4DFarmClient(farm.server.url, farm.token)
    other.queue = [{"flag": flag(number), "sploit": "other.py", "team": "10.60.2.1"} for number in range(40_000, 65_000)]
    while other.queue:
        assert other.post()
    assert farm.stats()["total"] == 65_000
    assert {item["sploit"] for item in farm.flags(sploit="other.py", flag=flag(50_001)[-8:-1])} == {"other.py"}


@pytest.mark.parametrize("kind", CLIENTS)
def test_R6_8_a_batch_that_is_sent_again_after_a_crash_counts_once(farm, kind):
    client = kind(farm.server.url, farm.token)
    client.queue = [{"flag": flag(number), "sploit": "s", "team": "10.60.1.1"} for number in range(100)]
    whole = list(client.queue)
    assert client.post()
    farm.server.kill9()
    client.queue = whole + [{"flag": flag(100), "sploit": "s", "team": "10.60.1.1"}]
    assert not client.post() and len(client.queue) == 101
    farm.server.start()
    until(client.post, "the client to get its queue through", 30, step=0.5)
    assert farm.stats()["total"] == 101


def test_R6_8_what_is_no_flag_does_not_hold_up_the_others(farm):
    """A client that finds one in its queue would otherwise post it for ever."""
    client = DestructiveFarmClient(farm.server.url, farm.token)
    client.queue = [{"flag": "not a flag", "sploit": "s", "team": "t"}, {"flag": flag(1), "sploit": "s", "team": "10.60.1.1"},
                    {"flag": flag(1), "sploit": "s", "team": "10.60.2.1"}]
    assert client.post()
    assert set(farm.by_flag()) == {flag(1)}
