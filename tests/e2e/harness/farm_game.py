"""A farm with a jury behind it: its configuration, its token, and looks at its books."""
from .jury import FLAG_FORMAT
from .server import toml
from .wait import until

TEAMS = ["10.60.{1..5}.1"]
FINAL = ("accepted", "rejected", "skipped")


class Farm:
    """The farm of a server of the harness. `write` changes farm.toml; the running server takes it up."""

    def __init__(self, server, jury, sections=None):
        self.server, self.jury = server, jury
        self.path = server.folder / "farm.toml"
        self.sections = {
            "": {"flag_format": FLAG_FORMAT, "flag_lifetime": "10m", "submit_period": "1s", "lease_time": "5s", "retry_after": "200ms", "teams": TEAMS},
            "jury": {"protocol": jury.mode, **jury.settings, "timeout": 3, "batch": 100, "calls_per_second": 0},
        }
        for name, keys in (sections or {}).items():
            self.sections.setdefault(name, {}).update(keys)
        server.config["engine"]["kind"] = "fake"  # it needs none
        server.config["server"].setdefault("allow_targets", ["127.0.0.1"])  # where juries of the tests are
        server.config["farm"] = {"config": "farm.toml", **server.config.get("farm", {})}
        self.write()

    def write(self, **sections):
        """Merges keys into sections and writes the file: write(jury={"batch": 10})."""
        for name, keys in sections.items():
            self.sections.setdefault(name, {}).update(keys)
        lines = []
        for name, keys in self.sections.items():
            lines += ([f"[{name}]"] if name else []) + [f"{key} = {toml(value)}" for key, value in keys.items()] + [""]
        fresh = self.path.with_suffix(".new")
        fresh.write_text("\n".join(lines))
        fresh.rename(self.path)

    @property
    def token(self):
        return (self.server.data / "farm.token").read_text().strip()

    def api(self, contract=None):
        return self.server.api(self.token, contract)

    def post(self, flags, sploit="sploit", team="10.60.1.1"):
        """Hands texts or whole flags in; the receipt."""
        items = [flag if isinstance(flag, dict) else {"flag": flag, "sploit": sploit, "team": team} for flag in flags]
        return self.api().post("/farm/flags", {"flags": items}).expect(200).json

    def stats(self):
        return self.api().get("/farm/stats").expect(200).json

    def flags(self, **filters):
        """All flags that fit, as JSON."""
        out, cursor = [], None
        while True:
            query = {**filters, "limit": 200, **({"cursor": cursor} if cursor else {})}
            page = self.api().get("/farm/flags", query=query).expect(200).json
            out += page["items"]
            cursor = page["next"]
            if not cursor:
                return out

    def by_flag(self):
        return {item["flag"]: item for item in self.flags()}

    def attempts(self, item):
        return self.api().get(f"/farm/flags/{item['id']}").expect(200).json["log"]

    def wait_final(self, count, timeout=60):
        """Until so many flags have their last status; the books balance at every look."""
        def look():
            now = self.stats()
            assert now["total"] == sum(now[status] for status in (*FINAL, "queued", "leased")), now
            return now if sum(now[status] for status in FINAL) >= count else None
        return until(look, f"{count} flags to be decided, now {self.stats()}", timeout)
