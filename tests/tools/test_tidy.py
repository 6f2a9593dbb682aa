"""tools/tidy remembers what was clean, and for how long that holds."""
import json

import pytest


@pytest.fixture
def tidy(tool, tmp_path, monkeypatch):
    module = tool("tidy")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    for name, text in {".clang-tidy": "Checks: x", "src/a/a.cpp": '#include "a/a.h"\n', "src/a/a.h": '#include "b/b.h"\n', "src/b/b.h": "int b;\n", "src/c/c.h": "int c;\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return module


@pytest.mark.parametrize("name, text, same", [
    ("src/c/c.h", "int other;\n", True), ("src/b/b.h", "int other;\n", False), ("src/a/a.cpp", "int a;\n", False), (".clang-tidy", "Checks: y", False)])
def test_a_verdict_holds_until_what_it_rests_on_changes(tidy, tmp_path, name, text, same):
    unit = [tmp_path / "src/a/a.cpp"]
    before = tidy.digest("a", unit, "clang++ a.cpp")
    assert tidy.digest("a", unit, "clang++ -O2 a.cpp") != before
    (tmp_path / name).write_text(text)
    tidy.read.cache_clear()
    assert (tidy.digest("a", unit, "clang++ a.cpp") == before) == same


def test_tests_and_what_is_generated_are_left_out(tidy, tmp_path, monkeypatch):
    build = tmp_path / "build"
    monkeypatch.setattr(tidy, "BUILD", build)
    group = build / "src/a/Unity/unity_0_cxx.cxx"
    group.parent.mkdir(parents=True)
    group.write_text(f'#include "{tmp_path}/src/a/a.cpp"\n')
    files = [group, build / "src/a/a.pb.cc", *(tmp_path / name for name in ("src/a/alone.cpp", "src/a/a_test.cpp", "src/a/testing.cpp", "benchmarks/a.cpp"))]
    (build / "compile_commands.json").write_text(json.dumps([{"file": str(file), "command": "clang++"} for file in files]))
    assert set(tidy.units()) == {str(group), str(tmp_path / "src/a/alone.cpp")}
