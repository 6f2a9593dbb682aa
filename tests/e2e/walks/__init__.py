"""One walk per capability over its operations of the API. Each file here is found by itself; it has

- `COVERS`, the operationIds that it visits and no other walk claims, and
- `walk(site)`, which visits them and leaves nothing behind. The contract checks each answer as it comes.
"""
import importlib
import pkgutil

from harness.api import Api


class Site:
    """Who a walk may be: `admin`, a fresh `player` with a cookie, or `nobody()`; what each of them is answered is checked."""

    def __init__(self, server, contract, admin, player):
        self.server, self.contract, self.admin, self.player = server, contract, admin, player

    def nobody(self):
        return Api(self.server.url, contract=self.contract)


def found():
    """The walks by name."""
    return {module.name: importlib.import_module(f"walks.{module.name}") for module in pkgutil.iter_modules(__path__)}
