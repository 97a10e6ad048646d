"""Small, but whole: nobody should have to scroll to judge whether a support group is safe."""

import ast
import re

from tests.architecture.tree import ROOT, product_modules

MAX_FUNCTION_LINES = 40
MAX_MODULE_LINES = 400
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "base_service", "misc"}
SILENCED = re.compile(r"#\s*(?:noqa|type:\s*ignore)\b(?P<rest>.*)$")
WITH_REASON = re.compile(r"^(?::\s*[A-Z0-9, ]+|\[[a-z0-9, -]+\])\s*(?:#|-|—|–)\s*\S.{5,}")


def test_functions_fit_on_a_screen() -> None:
    sizes = {
        f"{m.path}:{f.lineno} {f.name}": (f.end_lineno or f.lineno) - f.lineno + 1
        for m in product_modules()
        for f in m.functions
    }
    assert {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}


def test_modules_hold_one_thought() -> None:
    sizes = {str(m.path): m.text.count("\n") for m in product_modules()}
    assert {name: size for name, size in sizes.items() if size > MAX_MODULE_LINES} == {}


def test_modules_are_named_for_what_they_hold() -> None:
    assert [m.name for m in product_modules() if VAGUE.intersection(m.name.split("."))] == []


def test_every_silenced_check_carries_its_reason() -> None:
    bare = []
    for path in sorted(
        p
        for top in ("node", "web", "groups", "activitypub", "privacy", "migrations", "tests")
        for p in (ROOT / top).rglob("*.py")
    ):
        if "node_modules" in path.parts or path.is_relative_to(ROOT / "tests" / "architecture"):
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            found = SILENCED.search(line)
            if found and not WITH_REASON.match(found["rest"]):
                bare.append(f"{path.relative_to(ROOT)}:{number} {line.strip()[-80:]}")
    assert bare == []


def test_the_rule_on_reasons_tells_one_from_none() -> None:
    def judge(line: str) -> bool:
        found = SILENCED.search(line)
        return bool(found and WITH_REASON.match(found["rest"]))

    assert judge("x = 1  # noqa: S608 - the names are ours")
    assert judge("x = 1  # type: ignore[arg-type]  # the stub is wrong")
    assert not judge("x = 1  # noqa: S608")
    assert not judge("x = 1  # noqa")
    assert not judge("x = 1  # type: ignore")


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(m.path) for m in product_modules() if not ast.get_docstring(m.syntax)]
    assert silent == []
