"""Socket.IO 5 as its specification and its official conformance suite have it (row 9.1), said by a raw client."""
import json
import socket
import struct
import time

import pytest

from harness.realtime import Closed, Echo, Polling, Sio, Ws


@pytest.fixture(scope="module")
def echo():
    server = Echo()
    yield server
    server.close()


def opened(echo):
    ws = Ws(echo.port)
    assert ws.receive().startswith("0{")
    return ws


def connected(echo):
    """A client in the main namespace, with the first two packets taken."""
    ws = opened(echo)
    ws.send("40")
    assert set(json.loads(ws.receive()[2:])) == {"sid"}
    assert ws.receive() == '42["auth",{}]'
    return ws


def receive(ws):
    """The next message that is no ping."""
    while True:
        message = ws.receive()
        if message != "2":
            return message
        ws.send("3")


# --- connect -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("prefix", ["", "/custom,"])
@pytest.mark.parametrize("auth", ["", '{"token":"123"}'])
def test_R9_1_a_client_connects_to_a_namespace(echo, prefix, auth):
    ws = opened(echo)
    ws.send(f"40{prefix}{auth}")
    welcome = ws.receive()
    assert welcome.startswith(f"40{prefix}")
    assert set(json.loads(welcome[2 + len(prefix):])) == {"sid"}
    assert ws.receive() == f'42{prefix}["auth",{auth or "{}"}]'
    ws.close()


def segments_received(ws):
    """How many TCP segments with bytes in them have come (tcpi_data_segs_in, linux/tcp.h)."""
    return struct.unpack_from("=I", ws.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 152)[0]


@pytest.mark.parametrize("prefix", ["", "/custom,"])
def test_R9_1_the_first_event_does_not_come_in_one_piece_with_the_welcome(echo, prefix):
    ws = opened(echo)
    before = segments_received(ws)
    ws.send(f"40{prefix}")
    assert ws.receive().startswith(f"40{prefix}")
    assert ws.receive() == f'42{prefix}["auth",{{}}]'
    assert segments_received(ws) - before >= 2
    ws.send("41" + prefix)
    ws.close()


def test_R9_1_a_namespace_without_its_comma_is_understood(echo):
    ws = opened(echo)
    ws.send("40/custom")
    assert ws.receive().startswith("40/custom,{")
    ws.close()


def test_R9_1_an_unknown_namespace_is_refused(echo):
    ws = opened(echo)
    ws.send("40/random")
    assert ws.receive() == '44/random,{"message":"Invalid namespace"}'
    ws.close()


def test_R9_1_who_never_connects_is_let_go(echo):
    ws = opened(echo)
    begun = time.monotonic()
    try:
        while True:
            receive(ws)
    except Closed:
        pass
    assert 0.8 < time.monotonic() - begun < 4


def test_R9_1_two_namespaces_share_a_connection(echo):
    ws = connected(echo)
    ws.send("40/custom,")
    assert receive(ws).startswith("40/custom,")
    assert receive(ws) == '42/custom,["auth",{}]'
    ws.send('42/custom,["message","there"]')
    assert receive(ws) == '42/custom,["message-back","there"]'
    ws.send("41/custom,")
    ws.send('42["message","message to main namespace"]')
    assert receive(ws) == '42["message-back","message to main namespace"]'
    ws.close()


def test_R9_1_a_client_leaves_the_main_namespace_and_stays_connected(echo):
    ws = connected(echo)
    ws.send("41")
    assert ws.receive() == "2"
    ws.close()


def test_R9_1_the_same_over_polling(echo):
    session = Polling(echo.port)
    session.push("40")
    texts = session.poll()[1].split("\x1e")
    if len(texts) == 1:
        texts += session.poll()[1].split("\x1e")
    assert texts[0].startswith('40{"sid":') and texts[1] == '42["auth",{}]'
    session.push('451-["message",{"_placeholder":true,"num":0}]\x1ebAQID')
    assert session.poll()[1] == '451-["message-back",{"_placeholder":true,"num":0}]\x1ebAQID'


# --- messages ----------------------------------------------------------------------------------------

def test_R9_1_events_come_back_as_they_went(echo):
    ws = connected(echo)
    ws.send('42["message",1,"2",{"3":[true]}]')
    assert receive(ws) == '42["message-back",1,"2",{"3":[true]}]'
    ws.close()


def test_R9_1_attachments_come_back_in_their_places(echo):
    ws = connected(echo)
    ws.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    ws.send(b"\x01\x02\x03")
    ws.send(b"\x04\x05\x06")
    assert receive(ws) == '452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert receive(ws) == b"\x01\x02\x03"
    assert receive(ws) == b"\x04\x05\x06"
    ws.close()


def test_R9_1_acknowledgements_with_and_without_attachments(echo):
    ws = connected(echo)
    ws.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert receive(ws) == '43456[1,"2",{"3":[false]}]'
    ws.send('451-789["message-with-ack",{"_placeholder":true,"num":0}]')
    ws.send(b"\x01")
    assert receive(ws) == '461-789[{"_placeholder":true,"num":0}]'
    assert receive(ws) == b"\x01"
    ws.close()


def test_R9_1_the_server_asks_and_the_client_acknowledges(echo):
    ws = connected(echo)
    ws.send('42["ask-me","how many?"]')
    assert receive(ws) == '420["question","how many?"]'
    ws.send('437["an answer to nothing"]')
    ws.send('430[42]')
    assert receive(ws) == '42["answered",42]'
    ws.close()


def test_R9_1_events_of_a_client_are_taken_in_their_order(echo):
    client = Sio(echo.port)
    for number in range(500):
        client.ws.send(f'42["message",{number}]')
    got = [client.event("message-back")[1] for _ in range(500)]
    assert got == list(range(500))
    client.close()


def test_R9_1_a_broadcast_reaches_everybody_once(echo):
    clients = [Sio(echo.port) for _ in range(5)]
    for number in range(20):
        clients[0].ws.send(f'42["broadcast",{number}]')
    for client in clients:
        assert [client.event("news")[1] for _ in range(20)] == list(range(20))
        client.close()


# --- bad input ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("packet", [
    "4abc", "4", "47", "42{}", '42abc["message-with-ack",1]', "42[]", "42[1]", '42["connect"]', '42["disconnect"]', '42["message"', '42["message"]x',
    "43[1]", "431{}", '44{"message":"servers refuse, not clients"}', '45["message"]', '4511-["message"]', '451-["message",{"_placeholder":true,"num":1}]',
    '451-["message",{"_placeholder":true,"num":-1}]', '451-["message",{"_placeholder":true,"num":"0"}]', '42/unknown,["message"]',
    '4299999999999999999999["message"]', '42["message",' + "[" * 40 + "]" * 40 + "]", "41{}", "40/" + "x" * 200,
])
def test_R9_1_a_packet_that_is_none_ends_the_connection(echo, packet):
    ws = connected(echo)
    ws.send(packet)
    if packet.startswith("451-") and "num\":1" not in packet and "-1" not in packet and '"0"' not in packet:
        ws.send(b"x")
    ws.until_closed()


def test_R9_1_bytes_that_nobody_announced_end_the_connection(echo):
    ws = connected(echo)
    ws.send(b"\x01")
    ws.until_closed()
    ws = connected(echo)
    ws.send('451-["message",{"_placeholder":true,"num":0}]')
    ws.send('42["message"]')
    ws.until_closed()


@pytest.mark.parametrize("packet", ["4abc", '42["message"]', "40[]", '40"text"'])
def test_R9_1_a_wrong_beginning_ends_the_connection(echo, packet):
    ws = opened(echo)
    ws.send(packet)
    ws.until_closed()
