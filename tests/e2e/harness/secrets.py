"""What must appear in no server's log: the secrets that the harness knows."""
import contextlib
import sqlite3

from . import postgres

SECRET_KEYS = {("admin", "token"), ("metrics", "token"), ("notices", "discord_url"), ("notices", "smtp_password"), ("redis", "url"), ("auth", "ctfd_token")}


def known(server):
    """(what it is, text) of a server of the harness, running or not."""
    found = [(f"{section}.{key}", value) for section, keys in server.config.items() for key, value in keys.items() if (section, key) in SECRET_KEYS]
    with contextlib.suppress(OSError):
        found.append(("the admin token", server.token))
    found += [("a password", password) for password in getattr(server, "passwords", [])]
    found.append(("the database's password", postgres.PASSWORD))
    # A server that never started has no database, or an empty one.
    with contextlib.suppress(sqlite3.Error, AssertionError):
        found += [("a flag", flag) for flag, in server.rows("SELECT flag FROM flags")]
    return [(what, text) for what, text in found if text and len(text) >= 8]


def in_log(server):
    """Which of them the server has written to its log, and the line."""
    if not server.log_path.exists():
        return []
    lines = server.log_path.read_text(errors="replace").splitlines()
    return [(what, line[:300]) for what, text in known(server) for line in lines if text in line]
