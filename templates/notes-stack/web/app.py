"""A notes application on PostgreSQL and Redis, with one injection on purpose: search() pastes its word into the SQL."""
import html
import os
import string
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import psycopg2
import psycopg2.pool
import redis

PAGE = string.Template(open("/srv/page.html", encoding="utf-8").read())
MOST_BYTES = 4096

pool = psycopg2.pool.ThreadedConnectionPool(1, 8, os.environ["DATABASE"], connect_timeout=3)
room = threading.BoundedSemaphore(8)  # the pool refuses rather than waits
cache = redis.Redis(os.environ["CACHE"], socket_timeout=2, decode_responses=True)


def query(text, values=None):
    """Runs one statement in a transaction of its own; the rows, or None when it has none."""
    with room:
        connection = pool.getconn()
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(text, values)
                return cursor.fetchall() if cursor.description else None
        finally:
            pool.putconn(connection, close=connection.closed != 0)


def search(word):
    return query("SELECT to_char(written, 'DD Mon, HH24:MI'), text FROM note WHERE text ILIKE '%" + word + "%' ORDER BY 1 LIMIT 50")


def latest():
    return query("SELECT to_char(written, 'DD Mon, HH24:MI'), text FROM note ORDER BY id DESC LIMIT 50")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/healthz":
            query("SELECT 1")
            cache.ping()
            self.answer(200, "ok\n", "text/plain")
        elif url.path == "/":
            self.show(parse_qs(url.query).get("q", [""])[0])
        else:
            self.answer(404, "There is no such page.\n", "text/plain")

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MOST_BYTES:
            self.close_connection = True
            self.answer(413, "A note has at most 500 characters.\n", "text/plain")
            return
        text = parse_qs(self.rfile.read(length).decode("utf-8", "replace")).get("text", [""])[0].strip()[:500]
        if text:
            query("INSERT INTO note (text) VALUES (%s)", (text,))
        self.answer(303, "", "text/plain", {"Location": "/"})

    def show(self, word):
        views = cache.incr("views")
        complaint = ""
        try:
            rows = search(word) if word else latest()
        except psycopg2.Error as error:
            rows = []
            complaint = str(error).strip()
        notes = "".join(f"<li><time>{html.escape(str(when))}</time><span>{html.escape(str(text))}</span></li>" for when, text in rows)
        if complaint:
            notes = f'<li class="complaint"><span>{html.escape(complaint)}</span></li>'
        elif not notes:
            notes = "<li><span>Nothing found.</span></li>"
        self.answer(200, PAGE.substitute(notes=notes, word=html.escape(word, quote=True), views=views), "text/html; charset=utf-8")

    def answer(self, status, text, kind, headers=None):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        if self.path != "/healthz":
            super().log_message(*arguments)


if __name__ == "__main__":
    ThreadingHTTPServer(("0.0.0.0", 8000), Handler).serve_forever()
