"""The farm over gRPC, with a client that is not ours: Debian's python3-grpcio, and code generated from api/proto/farm.proto."""
import collections
import importlib
import queue
import subprocess
import sys
import threading
import time

import pytest

from harness.farm_game import Farm
from harness.jury import FLAG_FORMAT, Jury, flag
from harness.ports import free_port
from harness.server import ROOT
from harness.wait import until

grpc = pytest.importorskip("grpc")


@pytest.fixture(scope="module")
def proto(tmp_path_factory):
    """(messages module, stub class)"""
    folder = tmp_path_factory.mktemp("proto")
    subprocess.run(["protoc", f"--proto_path={ROOT}/api/proto", f"--python_out={folder}", "farm.proto"], check=True)
    sys.path.insert(0, str(folder))
    return importlib.import_module("farm_pb2")


class Client:
    """The stub that grpc_tools would generate, by hand: Debian has no plugin for Python."""
    SERVICE = "/tiltyard.farm.v1.Farm/"

    def __init__(self, proto, port, token=None, options=(), authority=None):
        """`authority`: the PEM text of the one whose certificate the farm must show; without it there is no TLS."""
        self.proto = proto
        address, options = f"127.0.0.1:{port}", [("grpc.max_send_message_length", 64 << 20), *options]
        self.channel = (grpc.secure_channel(address, grpc.ssl_channel_credentials(authority), options) if authority
                        else grpc.insecure_channel(address, options))
        self.metadata = [] if token is None else [("x-token", token)]

    def unary(self, name, request, reply, metadata=None):
        call = self.channel.unary_unary(self.SERVICE + name, request_serializer=type(request).SerializeToString, response_deserializer=reply.FromString)
        return call(request, timeout=20, metadata=self.metadata if metadata is None else metadata)

    def post(self, flags, **more):
        p = self.proto
        request = p.PostFlagsRequest(flags=[p.NewFlag(flag=one, sploit="grpc", team="10.60.1.1") for one in flags])
        return self.unary("PostFlags", request, p.PostFlagsReply, **more)

    def stats(self):
        return self.unary("GetStats", self.proto.GetStatsRequest(), self.proto.Stats)

    def stream(self, name, requests, request, reply):
        return self.channel.stream_stream(self.SERVICE + name, request_serializer=request.SerializeToString, response_deserializer=reply.FromString)(
            requests, timeout=30, metadata=self.metadata)


class Work:
    """A sender's stream: `send` a message, take what comes out of `got`."""

    def __init__(self, client):
        self.proto, self.out, self.got = client.proto, queue.Queue(), queue.Queue()
        self.call = client.stream("Work", iter(self.out.get, None), self.proto.SenderMessage, self.proto.FarmMessage)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for message in self.call:
                self.got.put(message)
            self.got.put(None)
        except grpc.RpcError as error:
            self.got.put(error)

    def take(self, most=0):
        self.out.put(self.proto.SenderMessage(take=self.proto.Take(sender="grpc-sender", max=most)))

    def verdicts(self, lease, items, done=False):
        p = self.proto
        self.out.put(p.SenderMessage(verdicts=p.Verdicts(lease=lease, done=done, verdicts=[p.FlagVerdict(flag=f, verdict=v, message=m) for f, v, m in items])))

    def next(self, kind, timeout=20):
        message = self.got.get(timeout=timeout)
        assert message is not None and not isinstance(message, grpc.RpcError), message
        assert message.WhichOneof("message") == kind, message
        return getattr(message, kind)

    def close(self):
        self.out.put(None)


@pytest.fixture
def farm(make_server, tmp_path):
    jury = Jury("forcad_http", tmp_path)
    server = make_server()
    farm = Farm(server, jury)
    farm.grpc_port = free_port()
    server.config["farm"]["grpc_listen"] = f"127.0.0.1:{farm.grpc_port}"
    server.start()
    yield farm
    jury.close()


@pytest.fixture
def client(farm, proto):
    client = Client(proto, farm.grpc_port, farm.token)
    yield client
    client.channel.close()


def test_R6_1_flags_over_grpc_and_rest_are_the_same_flags(farm, client):
    first = client.post([flag(1), flag(2), "no flag"])
    assert (first.received, getattr(first, "new"), first.duplicate, first.invalid_count) == (3, 2, 0, 1)
    assert first.invalid[0].index == 2 and first.invalid[0].reason
    assert farm.post([flag(2), flag(3)])["duplicate"] == 1
    assert (client.stats().total, client.stats().queued) == (3, 3)
    game = client.unary("GetGame", client.proto.GetGameRequest(), client.proto.Game)
    assert game.flag_format == FLAG_FORMAT and len(game.teams) == 5 and game.flag_lifetime_s == 600


def test_R6_1_an_answer_over_grpc_survives_kill_9(farm, client, proto):
    client.post([flag(number) for number in range(500)])
    farm.server.kill9()
    farm.server.start()
    assert farm.stats()["total"] == 500


@pytest.mark.parametrize("metadata", [[], [("x-token", "wrong")], [("authorization", "Bearer wrong")], [("x-token", "")]])
def test_R6_1_without_the_token_nothing_is_answered(client, farm, metadata):
    for call in (lambda: client.post([flag(1)], metadata=metadata),
                 lambda: client.unary("GetGame", client.proto.GetGameRequest(), client.proto.Game, metadata=metadata)):
        with pytest.raises(grpc.RpcError) as refused:
            call()
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert dict(refused.value.trailing_metadata())["tiltyard-reason"] == "farm-token-wrong"
    client.metadata = metadata
    for name, request, reply in (("Work", client.proto.SenderMessage, client.proto.FarmMessage),
                                 ("StreamFlags", client.proto.PostFlagsRequest, client.proto.PostFlagsReply)):
        with pytest.raises(grpc.RpcError) as refused:
            next(iter(client.stream(name, iter([]), request, reply)))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert farm.stats()["total"] == 0


def test_R6_1_guesses_over_grpc_come_to_an_end(client):
    codes = collections.Counter()
    for number in range(400):
        with pytest.raises(grpc.RpcError) as refused:
            client.post([flag(1)], metadata=[("x-token", f"guess number {number:05d}")])
        codes[refused.value.code()] += 1
    assert 280 <= codes[grpc.StatusCode.UNAUTHENTICATED] <= 330 and codes[grpc.StatusCode.RESOURCE_EXHAUSTED] >= 70
    with pytest.raises(grpc.RpcError) as refused:
        client.stats()
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, "the right token is not looked at either"


@pytest.mark.parametrize("header", ["bare", "Bearer"])
def test_R6_1_the_token_in_authorization(client, farm, header):
    value = farm.token if header == "bare" else f"Bearer {farm.token}"
    assert getattr(client.post([flag(1)], metadata=[("authorization", value)]), "new") == 1


def test_R6_1_too_much_at_once_is_refused_and_the_connection_stays(client, farm):
    with pytest.raises(grpc.RpcError) as refused:
        client.post([flag(number) for number in range(10_001)])
    assert refused.value.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)
    assert dict(refused.value.trailing_metadata())["tiltyard-reason"] == "too-many-flags"
    with pytest.raises(grpc.RpcError) as refused:
        client.post(["x" * 1000] * 9000)
    assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert getattr(client.post([flag(1)]), "new") == 1


def test_R6_1_a_stream_of_flags_is_answered_in_order(client, farm):
    p = client.proto
    requests = [p.PostFlagsRequest(flags=[p.NewFlag(flag=flag(number), sploit="s")] * (number % 3 + 1)) for number in range(50)]
    replies = list(client.stream("StreamFlags", iter(requests), p.PostFlagsRequest, p.PostFlagsReply))
    assert [reply.received for reply in replies] == [number % 3 + 1 for number in range(50)]
    assert farm.stats()["total"] == 50


def test_R6_4_a_sender_on_one_stream(client, farm):
    """Asks before there is anything, gets it pushed, reports as it hears, asks for more time, ends."""
    p = client.proto
    work = Work(client)
    work.take()
    time.sleep(0.2)  # so that the post finds the sender waiting
    begun = time.monotonic()
    client.post([flag(1), flag(2), flag(3)])
    lease = work.next("lease")
    assert time.monotonic() - begun < 1
    assert {item.flag for item in lease.flags} == {flag(1), flag(2), flag(3)} and lease.protocol == "forcad_http"
    assert farm.jury.token in lease.settings_json
    work.verdicts(lease.lease, [(flag(1), p.ACCEPTED, "ok")])
    assert work.next("receipt").recorded == 1
    assert client.stats().accepted == 1
    work.out.put(p.SenderMessage(extend=p.Extend(lease=lease.lease)))
    assert work.next("extended").expires_at > lease.expires_at
    work.verdicts(lease.lease, [(flag(2), p.INVALID, "no"), (flag(3), p.RETRY, "later"), (flag(9), p.ACCEPTED, "never had it")], done=True)
    receipt = work.next("receipt")
    assert (receipt.recorded, receipt.unknown) == (2, 1)
    books = client.stats()
    assert (books.accepted, books.rejected, books.queued, books.leased) == (1, 1, 1, 0)
    work.verdicts("01HZZZZZZZZZZZZZZZZZZZZZZZ", [])
    assert work.next("failure").reason == "lease-unknown"
    work.close()
    assert work.got.get(timeout=10) is None, "the stream ends with OK"


def test_R6_3_a_lease_for_a_sender_that_has_gone_goes_back_at_once(client, farm):
    work = Work(client)
    work.take()
    time.sleep(0.2)
    work.call.cancel()
    until(lambda: not work.got.empty(), "the stream to end")
    client.post([flag(1)])
    other = Work(client)
    other.take()
    lease = other.next("lease", timeout=4)
    assert [item.flag for item in lease.flags] == [flag(1)]
    other.close()


def test_R6_4_open_asks_are_bounded(client, farm):
    work = Work(client)
    for _ in range(17):
        work.take()
    assert work.next("failure").reason == "too-many-takes"
    work.close()


def test_R6_1_the_server_ends_in_time_with_open_streams(client, farm):
    works = [Work(client) for _ in range(3)]
    for work in works:
        work.take()
    time.sleep(0.3)
    begun = time.monotonic()
    assert farm.server.stop() == 0
    assert time.monotonic() - begun < 8


def test_R6_1_a_taken_port_is_said(make_server, tmp_path):
    import socket
    jury = Jury("forcad_http", tmp_path)
    try:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            server = make_server()
            Farm(server, jury)
            server.config["farm"]["grpc_listen"] = f"127.0.0.1:{taken.getsockname()[1]}"
            server.spawn()
            assert server.wait_dead(20) != 0
            assert "gRPC cannot listen" in server.log()
    finally:
        jury.close()
