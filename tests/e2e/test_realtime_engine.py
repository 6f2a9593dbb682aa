"""Engine.IO 4 as its specification and its official conformance suite have it (row 9.1), said by a raw client."""
import concurrent.futures
import json
import socket
import struct
import time

import pytest

from harness.realtime import CLOSE, PING_INTERVAL, PING_TIMEOUT, Echo, Polling, Ws, request

PATH = "/engine.io/"


@pytest.fixture(scope="module")
def echo():
    server = Echo()
    yield server
    server.close()


def polling(echo):
    return Polling(echo.port, PATH)


def opened(echo, **query):
    ws = Ws(echo.port, PATH, **query)
    assert ws.status == 101, ws.head
    return ws, json.loads(ws.receive()[1:])


def check_opening(value, upgrades):
    assert set(value) == {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"}
    assert value["upgrades"] == upgrades
    assert (value["pingInterval"], value["pingTimeout"], value["maxPayload"]) == (300, 200, 1_000_000)


# --- handshake ---------------------------------------------------------------------------------------

def test_R9_1_polling_opens_a_session(echo):
    check_opening(polling(echo).opening, ["websocket"])


@pytest.mark.parametrize("query", ["transport=polling", "EIO=abc&transport=polling", "EIO=3&transport=polling", "EIO=4", "EIO=4&transport=abc",
                                   "EIO=4&transport=polling&sid=nobody", "EIO=4&transport=websocket"])
def test_R9_1_a_wrong_query_is_refused(echo, query):
    assert request(echo.port, "GET", f"{PATH}?{query}")[0] == 400


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_R9_1_a_session_opens_with_get_only(echo, method):
    assert request(echo.port, method, f"{PATH}?EIO=4&transport=polling", "")[0] == 400


def test_R9_1_websocket_opens_a_session(echo):
    ws, opening = opened(echo)
    check_opening(opening, [])
    assert "permessage-deflate" not in ws.head
    ws.close()


@pytest.mark.parametrize("query", [{"EIO": None}, {"EIO": "abc"}, {"transport": None}, {"transport": "abc"}, {"sid": "nobody"}])
def test_R9_1_a_wrong_websocket_is_refused(echo, query):
    assert Ws(echo.port, PATH, **query).status == 400


# --- messages ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("payload", ["4hello", "4test1\x1e4test2\x1e4test3", "4hello\x1ebAQIDBA==", "4ünï€🎯"])
def test_R9_1_polling_carries_texts_and_bytes(echo, payload):
    session = polling(echo)
    assert session.push(payload) == (200, "ok")
    assert session.poll() == (200, payload)


@pytest.mark.parametrize("payload", ["abc", "", "4a\x1e", "bAQ", "bA===", "b*AAA", "9", "0", "2"])
def test_R9_1_a_payload_that_is_none_ends_the_session(echo, payload):
    session = polling(echo)
    session.push(payload)
    assert session.poll()[0] == 400


def test_R9_1_two_polls_at_once_end_the_session(echo):
    session = polling(echo)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(session.poll)
        time.sleep(0.05)
        assert session.poll()[0] == 400
        assert first.result() == (200, "1")
    assert session.poll()[0] == 400


def test_R9_1_a_poll_that_was_given_up_ends_the_session(echo):
    session = polling(echo)
    with socket.create_connection(("127.0.0.1", echo.port)) as half:
        half.sendall(f"GET {session.url()} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(0.05)
    assert session.poll()[0] == 400


def test_R9_1_websocket_carries_texts_and_bytes(echo):
    ws, _ = opened(echo)
    ws.send("4hello")
    assert ws.receive() == "4hello"
    ws.send(b"\x01\x02\x03\x04")
    assert ws.receive() == b"\x01\x02\x03\x04"
    ws.send("4in ", final=False)
    ws.send("pieces", opcode=0)
    assert ws.receive() == "4in pieces"
    ws.close()


@pytest.mark.parametrize("packet", ["abc", "", "0", "2", "7x"])
def test_R9_1_a_packet_that_is_none_ends_the_websocket(echo, packet):
    ws, _ = opened(echo)
    ws.send(packet)
    ws.until_closed()


# --- heartbeat ---------------------------------------------------------------------------------------

def test_R9_1_polling_is_pinged(echo):
    session = polling(echo)
    for _ in range(3):
        assert session.poll() == (200, "2")
        assert session.push("3") == (200, "ok")


def test_R9_1_websocket_is_pinged(echo):
    ws, _ = opened(echo)
    for _ in range(3):
        assert ws.receive() == "2"
        ws.send("3")
    ws.close()


def test_R9_1_silence_ends_both(echo):
    session = polling(echo)
    ws, _ = opened(echo)
    time.sleep(PING_INTERVAL + PING_TIMEOUT)
    assert session.poll()[0] == 400
    ws.until_closed(1)


def test_R9_1_a_pong_that_nobody_asked_for_is_no_sign_of_life(echo):
    ws, _ = opened(echo)
    begun = time.monotonic()
    ws.send("3")
    assert ws.receive() == "2"
    ws.until_closed(2)
    assert time.monotonic() - begun < PING_INTERVAL + PING_TIMEOUT + 1


# --- close -------------------------------------------------------------------------------------------

def test_R9_1_a_client_closes_its_session(echo):
    session = polling(echo)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        poll = pool.submit(session.poll)
        time.sleep(0.05)
        session.push("1")
        assert poll.result() == (200, "6")
    assert session.poll()[0] == 400
    ws, _ = opened(echo)
    ws.send("1")
    ws.until_closed()


def test_R9_1_a_poll_that_comes_after_its_session_was_closed_is_answered_once(echo):
    session = polling(echo)
    session.push("4hello")
    session.push("1")
    assert session.push("4more")[0] == 400
    assert Ws(echo.port, PATH, sid=session.sid).status == 400
    assert session.poll() == (200, "4hello\x1e6"), "as if it had come before"
    assert session.poll()[0] == 400
    late = polling(echo)
    late.push("1")
    time.sleep(1.5)
    assert late.poll()[0] == 400, "nobody is waited for"


def test_R9_1_a_poll_and_the_close_at_the_same_moment_have_one_outcome(echo):
    for _ in range(50):
        session = polling(echo)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            poll, push = pool.submit(session.poll), pool.submit(session.push, "1")
            assert push.result() == (200, "ok")
            assert poll.result() == (200, "6")
        assert session.poll()[0] == 400


def test_R9_1_a_close_frame_is_answered(echo):
    ws, _ = opened(echo)
    ws.send(b"\x03\xe8", opcode=CLOSE)
    assert ws.until_closed() == 1000


# --- upgrade -----------------------------------------------------------------------------------------

def upgraded(echo):
    session = polling(echo)
    ws = Ws(echo.port, PATH, sid=session.sid)
    assert ws.status == 101
    ws.send("2probe")
    assert ws.receive() == "3probe"
    ws.send("5")
    return session, ws


def test_R9_1_an_upgrade_flushes_the_poll_and_goes_on_over_websocket(echo):
    session = polling(echo)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        poll = pool.submit(session.poll)
        time.sleep(0.05)
        ws = Ws(echo.port, PATH, sid=session.sid)
        ws.send("2probe")
        assert ws.receive() == "3probe"
        assert poll.result() == (200, "6")
    session.push("4late")
    ws.send("5")
    assert ws.receive() == "4late", "what was said on the old way arrives on the new one"
    ws.send("4hello")
    assert ws.receive() == "4hello"
    ws.close()


def test_R9_1_after_the_upgrade_other_ways_to_the_session_are_shut(echo):
    session, ws = upgraded(echo)
    ws.send("4a")
    assert ws.receive() == "4a"
    assert session.poll()[0] == 400
    assert session.push("4b")[0] == 400
    second = Ws(echo.port, PATH, sid=session.sid)
    assert second.status == 101
    second.until_closed()
    ws.send("4still")
    assert ws.receive() == "4still"
    ws.close()


def test_R9_1_whoever_knocks_at_a_session_that_is_taken_does_not_end_it(echo):
    for _ in range(10):
        session, ws = upgraded(echo)
        second = Ws(echo.port, PATH, sid=session.sid)
        second.until_closed()
        second.close()
        ws.send("4still here")
        while (message := ws.receive()) == "2":
            ws.send("3")
        assert message == "4still here"
        ws.close()


def test_R9_1_a_probe_that_fails_leaves_the_polling_session_alone(echo):
    session = polling(echo)
    ws = Ws(echo.port, PATH, sid=session.sid)
    ws.send("4not a probe")
    ws.until_closed()
    session.push("4hello")
    assert session.poll() == (200, "4hello")
    _, second = upgraded(echo)
    second.close()


# --- bad input ---------------------------------------------------------------------------------------

def test_R9_1_too_much_is_refused(echo):
    ws, _ = opened(echo)
    # The size alone is refused, before the rest has come: what a client still sends then may cut off the reason.
    ws.send_raw(struct.pack("!BBQ", 0x81, 0xFF, 1_000_001) + bytes(4) + b"4")
    assert ws.until_closed() == 1009
    session = polling(echo)
    assert session.push("4" + "x" * 1_000_000)[0] == 413
    fits, _ = opened(echo)
    fits.send("4" + "x" * 900_000)
    assert len(fits.receive()) == 900_001


@pytest.mark.parametrize("frame, code", [
    (b"\x81\x02hi", 1002),                                   # not masked
    (b"\xc1\x82\x00\x00\x00\x00hi", 1002),                   # a reserved bit
    (b"\x83\x80\x00\x00\x00\x00", 1002),                     # an unknown opcode
    (b"\x80\x80\x00\x00\x00\x00", 1002),                     # a continuation of nothing
    (b"\x89\xfe\x00\x80\x00\x00\x00\x00" + b"x" * 128, 1002),  # a long ping
    (b"\x81\x81\x00\x00\x00\x00\xff", 1007),                 # not UTF-8
    (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009),  # of a size that nothing has
])
def test_R9_1_frames_that_are_none_end_with_their_code(echo, frame, code):
    ws, _ = opened(echo)
    ws.send_raw(frame)
    assert ws.until_closed() == code


def test_R9_1_a_websocket_ping_is_answered(echo):
    ws, _ = opened(echo)
    ws.send(b"hello", opcode=9)
    assert ws.receive() == b"hello"
    ws.close()


def test_R9_1_hundreds_that_never_speak_are_let_go(echo):
    silent = [Ws(echo.port, PATH) for _ in range(300)]
    for ws in silent:
        ws.until_closed(10)
    assert polling(echo).poll() == (200, "2"), "and others are served meanwhile"
