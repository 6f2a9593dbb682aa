"""Whoever stands below a capability does not name it: found in code, not in comments and tests."""
import pytest

FARM = {"src/farm/capability.h": "", "src/farm/CMakeLists.txt": "tiltyard_module(farm FLOOR 4\n)",
        "src/store/CMakeLists.txt": "tiltyard_module(store FLOOR 2\n)", "src/app/CMakeLists.txt": "tiltyard_module(app FLOOR 5\n)"}


@pytest.fixture
def check(tool, tmp_path):
    lint = tool("lint_names")

    def run(files):
        for name, text in {**FARM, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [f"{path}:{line}: {text}" for path, line, text in lint.check(tmp_path)]

    return run


@pytest.mark.parametrize("line", ["farm::Service* service;", '#include "farm/farm.h"', 'keys.add("farm.config");'])
def test_a_name_below_is_found(check, line):
    assert check({"src/store/store.cpp": f"int a;\n{line}\n"}) == ["src/store/store.cpp:2: store (floor 2) names farm (floor 4)"]


@pytest.mark.parametrize("line", ["// as farm::Service does", '/* "farm.config" */', "int farms::x;", 'auto s = "the farm";', "other::farm::x();"])
def test_comments_and_other_words_are_not(check, line):
    assert check({"src/store/store.cpp": line + "\n"}) == []


def test_tests_its_own_folder_and_what_stands_above_may(check):
    assert check({"src/store/store_test.cpp": "farm::x();\n", "src/farm/farm.cpp": "farm::x();\n", "src/app/server.cpp": "farm::x();\n"}) == []
