"""Loads the programs of tools/ (which have no .py ending) as modules."""
import importlib.machinery
import importlib.util
import pathlib

import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="session")
def tool():
    def load(name):
        loader = importlib.machinery.SourceFileLoader(name, str(TOOLS / name))
        loader_spec = importlib.util.spec_from_loader(name, loader)
        module = importlib.util.module_from_spec(loader_spec)
        loader.exec_module(module)
        return module

    return load
