"""The floor lint finds each kind of breach, and only those."""
import pytest


@pytest.fixture
def check(tool, tmp_path):
    lint = tool("lint_floors")

    def run(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [f"{path}:{line}: {text}" for path, line, text in lint.check(tmp_path)]

    return run


def test_same_floor_and_below_are_fine(check):
    assert check({"src/engine/docker/driver.cpp": '#include "engine/engine.h"\n#include "net/client.h"\n#include "base/result.h"\n'}) == []


def test_looking_up_is_a_breach(check):
    assert len(found := check({"src/base/result.cpp": '#include "base/result.h"\n\n#include "store/store.h"\n'})) == 1
    assert found[0].startswith("src/base/result.cpp:3:") and "floor 2" in found[0]


def test_ground_may_not_look_at_itself_through_capabilities(check):
    assert check({"src/gateway/proxy.cpp": '#include "labs/labs.h"\n'}) != []


@pytest.mark.parametrize("header, fine", [("labs/labs.h", True), ("labs/model.h", True), ("labs/events.h", True), ("labs/store.h", False), ("labs/saga/step.h", False)])
def test_capabilities_see_only_what_others_show(check, header, fine):
    assert (check({"src/identity/service.cpp": f'#include "{header}"\n'}) == []) is fine


def test_the_top_floor_sees_all(check):
    assert check({"src/app/app.cpp": '#include "labs/store.h"\n#include "cli/cli.h"\n', "src/main.cpp": '#include "app/app.h"\n'}) == []


def test_unknown_modules_are_named(check):
    assert "no module of that name" in check({"src/base/a.cpp": '#include "result/result.h"\n'})[0]
    assert "on no floor" in check({"src/shiny/a.cpp": "int a;\n"})[-1]


def test_beast_only_in_net_sources(check):
    beast = "#include <boost/beast/http.hpp>\n"
    assert check({"src/net/http.cpp": beast, "src/net/stream_detail.h": beast}) == []
    assert len(check({"src/gateway/proxy.cpp": beast, "src/net/http.h": beast})) == 2


def test_long_files_are_found_anywhere(check):
    assert check({"src/base/a.cpp": "\n" * 600}) == []
    found = check({"src/base/a.cpp": "\n" * 601, "tests/e2e/test_a.py": "#\n" * 700, "web/src/a.tsx": "//\n" * 601,
                   "web/node_modules/x/a.js": "//\n" * 9000})
    assert [line.split(":")[0] for line in found] == ["src/base/a.cpp", "tests/e2e/test_a.py", "web/src/a.tsx"]


def test_local_and_system_includes_are_left_alone(check):
    assert check({"src/base/a.cpp": '#include "a.h"\n#include <store/store.h>\n'}) == []


def test_a_kind_of_event_that_is_declared_is_listed(check):
    kind = 'inline constexpr bus::EventKind {}{{.name = "x"}};\n'
    listed = "inline constexpr const bus::EventKind* kAll[] = {&kMade, &kLost};\n"
    assert check({"src/labs/events.h": kind.format("kMade") + kind.format("kLost") + listed}) == []
    found = check({"src/labs/events.h": kind.format("kMade") + kind.format("kForgotten") + listed})
    assert [line for line in found if "kForgotten" in line] and len(found) == 1
