"""A certificate authority of the tests' own: what Debian's pebble has not (renewal information, profiles, limits) and what no good one does.

It checks nothing of what proves a name. `site.limit`, `.mood` and `.window` are changed while it runs; `.orders` is what it was asked for.
"""
import base64
import datetime
import http.server
import json
import ssl
import subprocess
import threading
import time

from .acme import own_authority


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Refused(Exception):
    def __init__(self, status, kind, detail, retry_after=None):
        super().__init__(detail)
        self.status, self.kind, self.detail, self.retry_after = status, kind, detail, retry_after


class Authority:
    def __init__(self, folder, days=90):
        self.ca, self.cert, self.key = own_authority(folder / "tls")
        self.folder, self.days = folder, days
        self.issuer, self.issuer_key = own_authority(folder / "issuer")[0], folder / "issuer" / "ca.key"
        self.mood = "good"  # good, garbage, refusing, foreign, other, down, slow
        self.limit = None  # seconds of Retry-After for new orders
        self.window = None  # (start, end) in seconds since 1970
        self.ask_again = 3600
        self.profiles = {"classic": "90 days", "shortlived": "six days"}
        self.orders, self.asked, self.agents = [], [], set()
        self.lock = threading.Lock()
        self.nonces = 0
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                authority.answer(self, None)

            do_HEAD = do_GET

            def do_POST(self):
                authority.answer(self, self.rfile.read(int(self.headers["Content-Length"])))

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def base(self):
        return f"https://127.0.0.1:{self.port}"

    @property
    def directory(self):
        return f"{self.base}/directory"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, call, body):
        with self.lock:
            self.agents.add(call.headers.get("User-Agent"))
            try:
                status, headers, answer = self.routed(call, body)
            except Refused as refused:
                status, headers = refused.status, {"Content-Type": "application/problem+json"}
                if refused.retry_after is not None:
                    headers["Retry-After"] = str(refused.retry_after)
                answer = json.dumps({"type": "urn:ietf:params:acme:error:" + refused.kind, "detail": refused.detail, "status": status}).encode()
            self.nonces += 1
            nonce = f"nonce{self.nonces}"
        call.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Replay-Nonce": nonce, "Content-Length": str(len(answer))}.items():
            call.send_header(name, value)
        call.end_headers()
        if call.command != "HEAD":
            call.wfile.write(answer)

    def routed(self, call, body):
        if self.mood == "garbage":
            return 200, {"Content-Type": "text/html"}, b"<html>maintenance \xff\x00</html>" + b"x" * 10_000
        path = call.path.split("/")[1:]
        if path == ["directory"]:
            return 200, {}, json.dumps({
                "newNonce": f"{self.base}/nonce", "newAccount": f"{self.base}/account", "newOrder": f"{self.base}/order",
                "renewalInfo": f"{self.base}/renewal", "meta": {"profiles": self.profiles}}).encode()
        if path == ["nonce"]:
            return 200, {}, b""
        if path[0] == "renewal":
            self.asked.append(path[1])
            start, end = self.window or (time.time() + 5_000_000, time.time() + 5_000_060)
            return 200, {"Retry-After": str(self.ask_again)}, json.dumps({"suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)}}).encode()
        message = json.loads(body)
        payload = json.loads(decoded(message["payload"])) if message["payload"] else None
        if path == ["account"]:
            return 201, {"Location": f"{self.base}/account/1"}, b"{}"
        if path == ["order"]:
            return self.new_order(payload)
        order = self.orders[int(path[1])]
        if path[0] == "orders":
            return 200, {}, self.shown(path[1], order)
        if path[0] == "authorization" and self.mood == "foreign":
            return 200, {}, json.dumps({"identifier": {"type": "dns", "value": "elsewhere.test. TXT\nupdate add www.elsewhere.test"}, "status": "pending",
                                        "challenges": [{"type": "http-01", "url": f"{self.base}/challenge", "token": "t"}]}).encode()
        if path[0] == "authorization":
            return 200, {}, json.dumps({"identifier": {"type": "dns", "value": order["names"][int(path[2])].removeprefix("*.")}, "status": "valid", "challenges": []}).encode()
        if path[0] == "finalize":
            order["csr"] = decoded(payload["csr"])
            order["status"] = "processing" if self.mood == "slow" else "valid"
            return 200, {}, self.shown(path[1], order)
        assert path[0] == "certificate", path
        return 200, {"Content-Type": "application/pem-certificate-chain"}, self.issued(order)

    def new_order(self, payload):
        if self.limit is not None:
            raise Refused(429, "rateLimited", "too many certificates already issued", self.limit)
        if self.mood == "refusing":
            raise Refused(403, "rejectedIdentifier", "this name is on a list")
        if payload.get("replaces") in [order["replaces"] for order in self.orders if order["replaces"]]:
            raise Refused(409, "alreadyReplaced", "once is enough")
        number = str(len(self.orders))
        self.orders.append({"names": [one["value"] for one in payload["identifiers"]], "status": "pending" if self.mood == "foreign" else "ready", "profile": payload.get("profile"), "replaces": payload.get("replaces")})
        return 201, {"Location": f"{self.base}/orders/{number}"}, self.shown(number, self.orders[-1])

    def shown(self, number, order):
        if order["status"] == "processing" and self.mood != "slow":
            order["status"] = "valid"
        return json.dumps({"status": order["status"], "identifiers": [], "finalize": f"{self.base}/finalize/{number}", "certificate": f"{self.base}/certificate/{number}",
                           "authorizations": [f"{self.base}/authorization/{number}/{i}" for i in range(len(order["names"]))]}).encode()

    def issued(self, order):
        if self.mood == "other":
            return self.cert.read_bytes()
        if "chain" not in order:
            der = self.folder / "csr.der"
            der.write_bytes(order["csr"])
            order["chain"] = subprocess.run(["openssl", "x509", "-req", "-inform", "DER", "-in", der, "-CA", self.issuer, "-CAkey", self.issuer_key, "-CAcreateserial",
                                             "-copy_extensions", "copy", "-days", str(self.days)], check=True, capture_output=True).stdout
        return order["chain"] + self.issuer.read_bytes()
