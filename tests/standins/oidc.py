"""An OpenID provider that says what a test wants it to say, signed with keys of its own (made by the openssl command).

The way through a real provider is tested in a browser (tests/web/oidc.spec.mjs); this one is for what a real provider
never says: forged, replayed, stale and foreign answers.
"""
import base64
import hashlib
import http.server
import json
import pathlib
import subprocess
import threading
import time
from urllib.parse import parse_qs, urlsplit


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    def __init__(self, folder, name):
        self.id, self.path = name, pathlib.Path(folder) / f"{name}.pem"
        subprocess.run(["openssl", "genrsa", "-out", str(self.path), "2048"], check=True, capture_output=True)
        modulus = subprocess.run(["openssl", "rsa", "-in", str(self.path), "-noout", "-modulus"], check=True, capture_output=True, text=True).stdout
        self.modulus = bytes.fromhex(modulus.strip().split("=")[1])

    def jwk(self):
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "n": encode(self.modulus), "e": "AQAB"}

    def sign(self, text):
        return subprocess.run(["openssl", "dgst", "-sha256", "-sign", str(self.path)], input=text, check=True, capture_output=True).stdout


class Provider:
    def __init__(self, folder):
        self.key = Key(folder, "first")
        self.folder = folder
        self.published = [self.key]
        self.codes = {}          # code -> {"nonce", "challenge", "claims"}
        self.userinfo = {}
        self.signs_userinfo = None  # the key with which it does
        self.asked = []
        self.metadata = {}       # what the discovery document says differently
        self.failing = False
        self.answer_iss = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self, "")

            def do_POST(self):
                outer.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def rotate(self, name="second"):
        self.key = Key(self.folder, name)
        self.published = [self.key]

    def grant(self, query, **claims):
        """A code for a sign-in that was begun with these parameters; `claims` replace or (None) remove those of the token."""
        code = f"code-{len(self.codes)}-{time.monotonic_ns()}"
        self.codes[code] = {"nonce": query["nonce"], "challenge": query["code_challenge"], "redirect": query["redirect_uri"], "claims": claims}
        return code

    def token(self, code):
        now = int(time.time())
        claims = {"iss": self.issuer, "sub": "42", "aud": "range", "nonce": code["nonce"], "iat": now, "exp": now + 300,
                  "preferred_username": "ada", **code["claims"]}
        header = {"alg": "RS256", "kid": self.key.id, **claims.pop("header", {})}
        claims = {name: value for name, value in claims.items() if value is not None}
        text = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
        return f"{text}.{encode(self.key.sign(text.encode()))}"

    def answer(self, request, body):
        path = urlsplit(request.path).path
        self.asked.append(path)
        if self.failing:
            return self.send(request, 502, {})
        if path == "/.well-known/openid-configuration":
            return self.send(request, 200, {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize",
                                            "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/jwks",
                                            "userinfo_endpoint": f"{self.issuer}/userinfo",
                                            "authorization_response_iss_parameter_supported": self.answer_iss, **self.metadata})
        if path == "/jwks":
            return self.send(request, 200, {"keys": [key.jwk() for key in self.published]})
        if path == "/userinfo" and self.signs_userinfo:
            head = f"{encode(json.dumps({'alg': 'RS256', 'kid': self.key.id}).encode())}.{encode(json.dumps(self.userinfo).encode())}"
            return self.send_bytes(request, 200, f"{head}.{encode(self.signs_userinfo.sign(head.encode()))}".encode(), "application/jwt; charset=utf-8")
        if path == "/userinfo":
            return self.send(request, 200, self.userinfo)
        if path == "/token":
            form = {name: values[0] for name, values in parse_qs(body).items()}
            code = self.codes.pop(form.get("code"), None)
            challenge = encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
            client = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            if not code or code["challenge"] != challenge or code["redirect"] != form.get("redirect_uri") or client != "range:s3cret-of-the-range":
                return self.send(request, 400, {"error": "invalid_grant"})
            return self.send(request, 200, {"access_token": "at", "token_type": "Bearer", "id_token": self.token(code)})
        return self.send(request, 404, {})

    @classmethod
    def send(cls, request, status, body):
        cls.send_bytes(request, status, json.dumps(body).encode(), "application/json")

    @staticmethod
    def send_bytes(request, status, data, kind):
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)
