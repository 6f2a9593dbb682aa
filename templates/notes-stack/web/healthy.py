"""Exits 0 when the application, its database and its cache answer."""
import sys
import urllib.request

with urllib.request.urlopen("http://127.0.0.1:8000/healthz", timeout=2) as answer:
    sys.exit(answer.status != 200)
