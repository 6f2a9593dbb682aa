"""Flags and verdicts over TLS, REST and gRPC: with the authority's certificate they pass, with another one nothing does."""
import contextlib
import ssl
import subprocess
import sys

import pytest

from harness.farm_game import Farm
from harness.jury import SDK, Jury, SenderProcess, flag
from harness.server import free_port
from harness.wait import until

sys.path.insert(0, str(SDK))
import tiltyard_farm  # noqa: E402

grpc = pytest.importorskip("grpc")
from test_farm_grpc import Client, Work, proto  # noqa: E402, F401


def openssl(folder, *words):
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def authority(folder, name):
    """NAME.pem and its key."""
    openssl(folder, "req", "-x509", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "2")


def certificate(folder, by, name, names="IP:127.0.0.1"):
    """NAME.pem and its key, signed by an authority for these names."""
    (folder / f"{name}.ext").write_text(f"subjectAltName = {names}\nbasicConstraints = CA:FALSE\n")
    openssl(folder, "req", *CURVE, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", "/CN=farm")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
            "-extfile", f"{name}.ext")


class Game:
    def __init__(self, make_server, folder, names="IP:127.0.0.1", sections=None):
        self.folder = folder
        for name in ("ours", "other"):
            authority(folder, name)
        certificate(folder, "ours", "server", names)
        self.jury = Jury("faust", folder, rate=0)
        self.server = make_server()
        self.farm = Farm(self.server, self.jury, sections)
        self.grpc_port = free_port()
        self.server.config["server"].update(tls_certificate=str(folder / "server.pem"), tls_key=str(folder / "server.key"))
        self.server.config["farm"]["grpc_listen"] = f"127.0.0.1:{self.grpc_port}"
        self.server.spawn()
        until(lambda: self.server.printed_url() or not self.server.alive, "the server to be ready", 30)
        self.url = f"https://127.0.0.1:{self.server.port}"
        tls = ssl.create_default_context(cafile=str(folder / "ours.pem"))
        tls.check_hostname = "127.0.0.1" in names
        self.client = tiltyard_farm.Farm(self.url, self.farm.token, tls=tls)
        self.senders = []

    def sender(self, name, *more):
        self.senders.append(SenderProcess(self.folder, self.url, self.farm.token, name, more=more))
        return self.senders[-1]

    def post(self, flags):
        return self.client.post([{"flag": one, "sploit": "sploit", "team": "10.60.1.1"} for one in flags])

    def wait_accepted(self, count):
        until(lambda: self.client.stats()["accepted"] == count, f"{count} accepted flags", 60)

    def close(self):
        for sender in self.senders:
            sender.close()
        self.jury.close()


@pytest.fixture
def play(make_server, tmp_path):
    with contextlib.ExitStack() as games:
        yield lambda **how: games.enter_context(contextlib.closing(Game(make_server, tmp_path, **how)))


def test_R6_4_a_sender_over_https_knows_the_farm_by_its_authority(play):
    game = play()
    flags = [flag(number) for number in range(300)]
    assert game.post(flags)["new"] == 300
    fooled = [game.sender("other", "--ca-file", str(game.folder / "other.pem")), game.sender("none")]
    for sender in fooled:
        sender.wait_log("CERTIFICATE_VERIFY_FAILED")
    assert game.client.stats()["queued"] == 300, "who does not know the farm has asked it for nothing"
    game.sender("ours", "--ca-file", str(game.folder / "ours.pem"))
    game.wait_accepted(300)
    assert game.jury.accepted() == set(flags)
    assert {sender["name"] for sender in game.client.stats()["senders"]} == {"ours"}


def test_R6_4_senders_of_the_server_know_it_whatever_name_its_certificate_has(play):
    game = play(names="DNS:farm.example", sections={"senders": {"count": 1}})
    game.post([flag(number) for number in range(50)])
    game.wait_accepted(50)


def test_R6_4_one_certificate_and_no_other(play):
    game = play(names="DNS:farm.example")
    chain = (game.folder / "server.pem").read_text() + (game.folder / "ours.pem").read_text()
    assert tiltyard_farm.Farm(game.url, game.farm.token, tls=tiltyard_farm.only(chain)).stats()["total"] == 0
    certificate(game.folder, "ours", "second")
    second = (game.folder / "second.pem").read_text() + (game.folder / "ours.pem").read_text()
    with pytest.raises(tiltyard_farm.FarmAway, match="CERTIFICATE_VERIFY_FAILED"):
        tiltyard_farm.Farm(game.url, game.farm.token, tls=tiltyard_farm.only(second)).stats()


def test_R6_1_grpc_over_tls_takes_flags_and_verdicts(play, proto):
    game = play()
    client = Client(proto, game.grpc_port, game.farm.token, authority=(game.folder / "ours.pem").read_bytes())
    assert getattr(client.post([flag(1), flag(2)]), "new") == 2
    work = Work(client)
    work.take()
    lease = work.next("lease")
    work.verdicts(lease.lease, [(item.flag, proto.ACCEPTED, "ok") for item in lease.flags], done=True)
    assert work.next("receipt").recorded == 2
    work.close()
    client.channel.close()
    assert game.client.stats()["accepted"] == 2


@pytest.mark.parametrize("known", ["other", None])
def test_R6_1_grpc_is_nothing_to_who_does_not_know_the_authority(play, proto, known):
    game = play()
    client = Client(proto, game.grpc_port, game.farm.token, authority=(game.folder / f"{known}.pem").read_bytes() if known else None)
    with pytest.raises(grpc.RpcError) as refused:
        client.post([flag(1)])
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE
    client.channel.close()
    assert game.client.stats()["total"] == 0
