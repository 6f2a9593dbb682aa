"""Answers as a CTFd 3.7 does at the end points that the sign-in uses, with its failures.

Shapes and statuses are those of CTFd/api/v1/{users,teams,config}.py, CTFd/schemas/{users,teams}.py and
CTFd/utils/{initialization,decorators}: a token counts only on a request that says it is JSON; without one a JSON request
is refused with 403; a token that nobody has is 401; end points of teams are 404 in user mode; settings and member lists
are for administrators.
"""
import http.server
import json
import re
import threading
import time
from urllib.parse import parse_qs, urlsplit

HTML = "<!DOCTYPE html><html><head><title>CTFd</title></head><body><h1>%s</h1></body></html>"


class Ctfd:
    """users: id -> {"name", "team_id", "admin", "banned"}; teams: id -> name; tokens: token -> user id."""

    def __init__(self, mode="teams"):
        self.mode = mode
        self.users, self.teams, self.tokens = {}, {}, {}
        self.asked = []        # (path, token) of every request
        self.failure = None    # (status, body, content type, headers): what every request gets
        self.delay = 0         # seconds before each answer
        self.hidden = set()    # path patterns that answer 403 to players
        self.shown = {}        # user id -> what /users/{id} says instead
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def add(self, number, name, team=None, admin=False):
        """A user with a token, which is answered."""
        self.users[number] = {"name": name, "team_id": team, "admin": admin, "banned": False}
        token = f"ctfd_{number:064x}"
        self.tokens[token] = number
        return token

    def again(self, number):
        """Another token of the same user."""
        token = f"ctfd_{number:062x}{len(self.tokens):02x}"
        self.tokens[token] = number
        return token

    def members(self, team):
        return [number for number, user in self.users.items() if user["team_id"] == team]

    # --- answers -----------------------------------------------------------------------------------

    def answer(self, request):
        parts = urlsplit(request.path)
        header = request.headers.get("Authorization", "")
        is_json = request.headers.get("Content-Type", "").split(";")[0] == "application/json"
        token = header.split(" ", 1)[1] if " " in header else ""
        self.asked.append((request.path, token))
        if self.delay:
            time.sleep(self.delay)
        if self.failure:
            return self.send(request, *self.failure)
        if header and is_json and token not in self.tokens:
            return self.json(request, 401, {"message": "Your access token is invalid"})
        user = self.tokens.get(token) if is_json else None
        status, body = self.route(parts.path, parse_qs(parts.query), user, is_json)
        if body is None:
            said = "You have been banned from this CTF" if status == 403 else status
            return self.send(request, status, HTML % said, "text/html; charset=utf-8", {})
        return self.json(request, status, body)

    def route(self, path, query, user, is_json):
        me = self.users.get(user)
        admin = bool(me and me["admin"])
        if not path.startswith("/api/v1/"):
            return 404, None
        path = path[len("/api/v1"):]
        if me and not admin and any(re.fullmatch(pattern, path) for pattern in self.hidden):
            return 403, {"message": "You don't have the permission to access the requested resource."}
        if path == "/users/me":
            return self.of_me(user) if me and not me["banned"] else (403, None)
        if path == "/users":
            return self.list_users(query)
        if found := re.fullmatch(r"/users/(\d+)", path):
            return self.of_user(int(found[1]), admin)
        if path == "/configs/user_mode":
            if not admin:
                return 403, {"message": "You don't have the permission to access the requested resource."}
            return 200, {"success": True, "data": {"id": 7, "key": "user_mode", "value": self.mode}}
        if path.startswith("/teams"):
            if self.mode != "teams":
                return 404, {"message": "The requested URL was not found on the server."}
            return self.of_teams(path, me, admin)
        return 404, {"message": "The requested URL was not found on the server."}

    def of_me(self, number):
        user = self.users[number]
        return 200, {"success": True, "data": {
            "website": None, "name": user["name"], "email": f"{user['name']}@players.example", "language": None, "country": None,
            "affiliation": None, "bracket_id": None, "id": number, "oauth_id": None, "fields": [], "team_id": user["team_id"],
            "place": None, "score": 0}}

    def of_user(self, number, admin):
        """What anybody sees; to administrators also what they are (UserSchema.views)."""
        user = self.users.get(number)
        if not user or user["banned"] and not admin:
            return 404, {"message": "The requested URL was not found on the server."}
        if number in self.shown:
            return 200, {"success": True, "data": self.shown[number]}
        body = {"website": None, "name": user["name"], "country": None, "affiliation": None, "bracket_id": None, "id": number, "oauth_id": None,
                "fields": [], "team_id": user["team_id"], "place": None, "score": 0}
        if admin:
            body |= {"created": "2026-01-01T00:00:00+00:00", "banned": user["banned"], "email": f"{user['name']}@players.example", "language": None,
                     "secret": None, "hidden": False, "type": "admin" if user["admin"] else "user", "verified": True, "change_password": False}
        return 200, {"success": True, "data": body}

    def list_users(self, query):
        wanted = query.get("q", [""])[0].lower()
        found = [{"website": None, "name": user["name"], "country": None, "affiliation": None, "bracket_id": None, "id": number,
                  "oauth_id": None, "fields": [], "team_id": user["team_id"]}
                 for number, user in self.users.items() if wanted in user["name"].lower() and not user["banned"]]
        return 200, {"meta": {"pagination": {"page": 1, "next": None, "prev": None, "pages": 1, "per_page": 50, "total": len(found)}},
                     "success": True, "data": found}

    def of_teams(self, path, me, admin):
        if path == "/teams/me":
            if not me or me["team_id"] is None:
                return 403, {"message": "You don't have the permission to access the requested resource."}
            return 200, {"success": True, "data": {**self.team(me["team_id"]), "email": None, "place": None, "score": 0}}
        found = re.fullmatch(r"/teams/(\d+)(/members)?", path)
        if not found or int(found[1]) not in self.teams:
            return 404, {"message": "The requested URL was not found on the server."}
        team = int(found[1])
        if found[2]:
            if not admin:
                return 403, {"message": "You don't have the permission to access the requested resource."}
            return 200, {"success": True, "data": self.members(team)}
        return 200, {"success": True, "data": {**self.team(team), "place": None, "score": 0}}

    def team(self, number):
        return {"website": None, "name": self.teams[number], "country": None, "affiliation": None, "bracket_id": None,
                "members": self.members(number), "id": number, "oauth_id": None, "captain_id": (self.members(number) or [None])[0], "fields": []}

    # --- on the wire -------------------------------------------------------------------------------

    def json(self, request, status, body):
        self.send(request, status, json.dumps(body), "application/json", {})

    @staticmethod
    def send(request, status, body, kind, headers):
        data = body.encode()
        try:
            request.send_response(status)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(len(data)))
            for name, value in headers.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
