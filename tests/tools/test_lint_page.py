"""The page's lint finds each kind of breach, and only those."""
import pytest

MANIFEST = "export default { path: '/%s', title: 'x', role: 'player', load: () => import('./view') };\n"


@pytest.fixture
def check(tool, tmp_path):
    lint = tool("lint_page")

    def run(files):
        for name, text in files.items():
            path = tmp_path / "web" / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return [f"{path}:{line}: {text}" for path, line, text in lint.check(tmp_path)]

    return run


def page(name, text=""):
    return {f"pages/{name}/page.ts": MANIFEST % name, f"pages/{name}/view.tsx": text}


def test_looking_down_and_at_oneself_is_fine(check):
    assert check({
        **page("farm", "import { call } from '../../core/api';\nimport {\n  Mark,\n} from '../../kit/mark';\nimport { words } from './words';\nimport './style.css';\n"),
        "core/api.ts": "import { Mark } from '../kit/mark';\nimport './store';\n",
        "kit/mark.tsx": "import { Icon } from './icon';\nimport { useState } from 'react';\n",
        "shell/app.tsx": "import { call } from '../core/api';\nimport { Mark } from '../kit/mark';\n",
    }) == []


@pytest.mark.parametrize("name, text", [
    ("pages/farm/view.tsx", "\nimport { Row } from '../jobs/view';\n"),
    ("pages/farm/view.tsx", "\nimport {\n} from '../../shell/app';\n"),
    ("pages/farm/view.tsx", "\nconst late = () => import('../jobs/view');\n"),
    ("kit/mark.tsx", "\nimport type { Me } from '../core/openapi';\n"),
    ("kit/mark.tsx", "\nexport { Row } from '../pages/jobs/view';\n"),
    ("core/api.ts", "\nimport '../shell/app';\n"),
    ("core/api.ts", "\nimport { Row } from '../pages/jobs/view';\n"),
    ("shell/app.tsx", "\nimport { Row } from '../pages/jobs/view';\n"),
])
def test_looking_aside_or_up_is_a_breach(check, name, text):
    found = check({**page("farm"), **page("jobs"), name: text})
    assert found and all(line.startswith(f"web/src/{name}:") for line in found)
    assert "may not import" in found[0]


def test_what_is_in_no_room_is_a_breach(check):
    assert check({"helpers.ts": "export const one = 1;\n"}) == ["web/src/helpers.ts:1: is in none of kit, core, shell and pages"]


def test_a_page_has_a_manifest_with_a_path(check):
    assert "no manifest" in check({"pages/farm/view.tsx": ""})[0]
    assert "no manifest" in check({"pages/farm/page.ts": "export default {};\n"})[0]


def test_two_pages_do_not_answer_one_path(check):
    found = check({**page("farm"), "pages/loot/page.ts": "export default { path: '/loot', also: ['/gold', '/farm'] };\n"})
    assert found == ["web/src/pages/loot/page.ts:1: /farm is answered by farm too"]


def test_a_pages_rules_stand_in_its_layer(check):
    files = {**page("farm"), "pages/farm/style.css": ".flags { color: red; }\n"}
    assert "@layer page" in check(files)[0]
    assert check({"pages/farm/style.css": "@import 'x.css' layer(vendor);\n@layer page {\n.flags { color: red; }\n}\n"}) == []


@pytest.mark.parametrize("text, fine", [
    ("<Link to=\"/farm\">", False), ("go('/farm');", False), ("import.meta.glob('../pages/farm/page.ts')", False),
    ("<Link to=\"/\">", True), ("go('/');", True), ("import.meta.glob('../pages/*/page.ts')", True), ("go(page.path);", True),
])
def test_nobody_names_a_page(check, text, fine):
    assert (check({**page("farm"), "shell/app.tsx": f"{text}\n"}) == []) is fine
