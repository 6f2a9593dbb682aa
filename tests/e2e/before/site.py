"""The server of the version before, as both make.py and test_upgrade.py need it: at one place, with names and addresses of its own."""
import json
import pathlib
import re
import shutil
import sqlite3
import time

from harness import templates
from harness.farm import GAME
from harness.server import Server

FOLDER = pathlib.Path(__file__).parent
# What is on disk and on the engine names these, so they are the same at every run.
HOME = pathlib.Path("/tmp/tiltyard-before")
NAMESPACE, POOL, PORTS, GATEWAY = "before", "10.222.0.0/16", (29900, 29999), 29890

LONG = "timeout = 3600\nextend_time = 600\n"
LIMITS = '[ready]\ninterval = 50\n[limits]\nmemory = "32m"\npids = 64\n'
NAP = {**templates.WEB, "instance.toml": f'name = "Nap"\nports = [8000]\nexpected_boot = 1\n{LONG}pause_after = "1s"\n{LIMITS}'}
WARM = {
    "instance.toml": f'name = "Warm"\nports = [8000]\nexpected_boot = 1\n{LONG}[pool]\nmin = 2\n{LIMITS}',
    "flag.txt": "FLAG{warm}\n",
    "Dockerfile": 'FROM tiltyard/busybox:1\nCOPY flag.txt /www/flag.txt\nSTOPSIGNAL SIGKILL\nCMD ["httpd", "-f", "-p", "8000", "-h", "/www"]\n',
}
TEMPLATES = {"web": templates.WEB, "echo": templates.TCP, "stack": templates.STACK, "box": templates.BOX, "nap": NAP, "warm": WARM}

FARM = GAME.replace('"10m"', '"168h"').replace('"2s"', '"10m"')


def server(environment=None):
    """The site's server, not started; its folder is as it is."""
    HOME.mkdir(exist_ok=True)
    site = Server(HOME, {"gateway": {"listen": f"127.0.0.1:{GATEWAY}", "ports": f"{PORTS[0]}-{PORTS[1]}"},
                         "engine": {"namespace": NAMESPACE}, "network": {"pool": POOL}, "farm": {"config": "farm.toml"},
                         "store": {"url": "sqlite:data/tiltyard.db"}}, environment)
    site.namespace = NAMESPACE
    (HOME / "farm.toml").write_text(FARM)
    if not (site.templates / "web").exists():
        templates.add(site, **TEMPLATES)
    return site


def known():
    """What the server of before knew, as its API said."""
    return json.loads((FOLDER / "known.json").read_text())


def on_engine():
    return json.loads((FOLDER / "engine.json").read_text())


def lay_out():
    """Puts the data folder where it was."""
    data = HOME / "data"
    shutil.copytree(FOLDER / "data", data)
    # As if it had been stopped a moment ago: every time in it, microseconds since 1970, moves on.
    later = time.time_ns() // 1000 - known()["made_at"]
    text = re.sub(r"\b1[789]\d{14}\b", lambda found: str(int(found[0]) + later), (FOLDER / "database.sql").read_text())
    database = sqlite3.connect(data / "tiltyard.db")
    database.executescript(text)
    database.close()
