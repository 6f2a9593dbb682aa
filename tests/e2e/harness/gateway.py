"""What a player does: HTTP by host name and plain TCP, through the gateway."""
import http.client
import socket
from urllib.parse import urlsplit


def endpoint(instance, name=None, kind=None):
    found = [e for e in instance["endpoints"] if (name is None or e["name"] == name) and (kind is None or e["kind"] == kind)]
    assert found, f"no endpoint {name or kind or ''} in {instance['endpoints']}"
    return found[0]


def fetch(url, path="/", method="GET", body=None, headers=None, timeout=20, source=None):
    """One request to an endpoint's URL: (status, headers, body). The name is not looked up: the gateway is on loopback."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=timeout, source_address=(source, 0) if source else None)
    try:
        connection.request(method, path, body=body, headers={"Host": parts.netloc, **(headers or {})})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def answers(url, path="/"):
    """Whether the endpoint answers with 200 now; a connection that is refused or cut is a no, for `until`."""
    try:
        return fetch(url, path)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def dial(tcp, timeout=20, source=None):
    """A socket to a TCP endpoint, from an address of 127.0.0.0/8 if that is said."""
    return socket.create_connection((tcp["host"], tcp["port"]), timeout=timeout, source_address=(source, 0) if source else None)


def read_until(connection, wanted, limit=65536):
    data = b""
    while wanted not in data and len(data) < limit:
        chunk = connection.recv(4096)
        if not chunk:
            break
        data += chunk
    return data
