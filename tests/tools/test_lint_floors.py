"""The floor lint finds each kind of breach, and only those."""
import pytest


@pytest.fixture
def check(tool, tmp_path):
    lint = tool("lint_floors")

    floors = {"base": 1, "store": 2, "net": 2, "engine": 3, "gateway": 3, "labs": 4, "identity": 4, "flags": 4, "app": 5, "cli": 5}

    def run(files):
        for name, floor in floors.items():
            files.setdefault(f"src/{name}/CMakeLists.txt", f"tiltyard_module({name} FLOOR {floor}\n  SOURCES a.cpp)\n")
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


def test_a_module_says_its_floor_itself(check):
    shiny = {"src/shiny/a.cpp": '#include "engine/engine.h"\n'}
    assert check(shiny | {"src/shiny/CMakeLists.txt": "tiltyard_module(shiny FLOOR 4\n  SOURCES a.cpp)\n"}) == []
    assert "may not look up" in check(shiny | {"src/shiny/CMakeLists.txt": "tiltyard_module(shiny FLOOR 2\n  SOURCES a.cpp)\n"})[0]


def test_two_modules_that_include_each_other_are_named_where_the_fewer_includes_are(check):
    found = check({"src/engine/a.cpp": '#include "gateway/gateway.h"\n', "src/engine/b.h": '#include "gateway/b.h"\n',
                   "src/gateway/a.cpp": '\n#include "engine/engine.h"\n'})
    assert found == ["src/gateway/a.cpp:2: gateway includes engine which includes gateway: no module may reach itself"]


def test_a_cycle_through_a_third_is_one_complaint(check):
    found = check({"src/labs/labs.h": '#include "flags/flags.h"\n', "src/flags/flags.h": '#include "identity/model.h"\n',
                   "src/identity/model.h": '#include "labs/model.h"\n'})
    assert len(found) == 1 and "labs" in found[0] and "flags" in found[0] and "identity" in found[0]


def test_ways_that_meet_again_are_no_cycle(check):
    assert check({"src/app/a.cpp": '#include "labs/labs.h"\n#include "engine/e.h"\n', "src/labs/labs.h": '#include "engine/e.h"\n',
                  "src/engine/e.h": '#include "base/r.h"\n'}) == []


HIDING = "namespace tiltyard::labs {{\nnamespace {{\n\n{}\n\n}}  // namespace\n}}  // namespace tiltyard::labs\n"


@pytest.mark.parametrize("one, other, twins", [
    ("constexpr int kMost = 8;", "constexpr std::chrono::seconds kMost{1};", True),
    ("struct Wanted {\n};", "class Wanted {\n};", True),
    ("bool says(const Answer& answer) {", "bool says(const Answer& answer) {", True),
    ("bool says(const Answer& answer) {", "bool says(std::string_view text) {", False),
    ("constexpr int kMost = 8;", "constexpr int kLeast = 8;", False),
])
def test_what_two_files_of_a_module_hide_has_two_names(check, one, other, twins):
    files = {"src/labs/a.cpp": HIDING.format(one), "src/labs/b.cpp": HIDING.format(other)}
    found = check(files)
    assert bool(found) is twins and all(line.startswith("src/labs/b.cpp:4: a.cpp has ") for line in found)


def test_what_is_compiled_by_itself_or_in_another_module_hides_what_it_likes(check):
    most = HIDING.format("constexpr int kMost = 8;")
    alone = "tiltyard_module(labs FLOOR 4\n  SOURCES a.cpp\n  ALONE b.cpp\n  LINKS tiltyard_base)\n"
    assert check({"src/labs/a.cpp": most, "src/labs/b.cpp": most, "src/flags/a.cpp": most, "src/labs/a_test.cpp": most,
                  "src/labs/CMakeLists.txt": alone}) == []


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
