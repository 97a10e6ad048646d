"""Every test asserts something, and none sleeps; the catalogue of cases names tests that exist, and leaves out none.

The names are looked up in the files, so that a test which is renamed or dropped takes its cases with it.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.tree import Function, Module, modules_of_tests
from tests.catalogue import CASES, NOT_YET, SEVERITY, tally

CASE = re.compile(r"[SR]-[0-9]{3,4}")


def those_that_test(functions: list[Function]) -> list[Function]:
    """Those that are tests."""
    return [function for function in functions if function.name.startswith("test_")]


def names_in(path: str) -> set[str]:
    """The names of the test functions of a file."""
    return {test.name for test in those_that_test(Module(Path("tests") / path).functions)}


def asserts_something(test: Function) -> bool:
    """Tell whether a test says in its own words what must be so; what it calls may assert more."""
    for node in ast.walk(test):
        if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant):
            return True
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"pytest.raises", "pytest.warns"}:
            return True
    return False


def test_every_test_asserts_something_in_its_own_body() -> None:
    """Whoever reads it sees what it holds: a helper returns what it found, and the test asserts on that."""
    silent = [
        f"{module.path}:{test.lineno} {test.name}"
        for module in modules_of_tests()
        for test in those_that_test(module.functions)
        if not asserts_something(test)
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """It waits for what must come: `until` for another process, an event for its own."""
    sleeping = [
        f"{module.path}:{call.lineno}"
        for module in modules_of_tests()
        if "bench" not in module.path.parts
        for call, name in module.calls()
        if name.split(".")[-1] == "sleep"
    ]
    assert sleeping == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("assert answer() == 401", True),
        ("with pytest.raises(KeyError): answer()", True),
        ("def hold(): assert answer()\n    hold()", True),
        ("answer()", False),
        ("check_all()", False),
        ("assert True", False),
    ],
)
def test_the_rule_on_assertions_tells_one_from_none(body: str, says: bool) -> None:
    [test] = ast.parse(f"async def test_it():\n    {body}\n").body
    assert isinstance(test, Function)
    assert asserts_something(test) is says


@pytest.mark.parametrize("path", sorted({path for shown in CASES.values() for path in shown}))
def test_every_test_that_is_named_exists(path: str) -> None:
    named = {name for shown in CASES.values() for name in shown.get(path, [])}
    assert named - names_in(path) == set()


@pytest.mark.parametrize("severity", sorted(SEVERITY))
def test_every_case_of_signatures_and_authority_is_shown_or_says_why_not(severity: str) -> None:
    assert [number for number in SEVERITY[severity] if f"S-{number}" not in CASES.keys() | NOT_YET.keys()] == []


def test_the_two_chapters_are_listed_whole() -> None:
    """The catalogue numbers them without a gap: 22 cases of signatures, 24 of authority."""
    numbers = sorted(number for numbers in SEVERITY.values() for number in numbers)
    assert numbers == [*range(101, 123), *range(201, 225)]


def test_no_case_is_both_shown_and_missing_and_each_says_something() -> None:
    assert CASES.keys() & NOT_YET.keys() == set()
    assert all(CASE.fullmatch(case) for case in CASES.keys() | NOT_YET.keys())
    assert [case for case, shown in CASES.items() if not any(shown.values())] == []
    assert [case for case, reason in NOT_YET.items() if len(reason.split()) < 5 or "\n" in reason] == []


def test_a_case_is_shown_when_all_its_tests_passed_and_none_failed() -> None:
    named = {
        case: [f"{path}::{name}" for path, names in found.items() for name in names] for case, found in CASES.items()
    }
    everything = [test for tests in named.values() for test in tests]
    assert tally([f"tests/{test}[sqlite]" for test in everything], []).shown == list(CASES)
    case, tests = next((case, tests) for case, tests in named.items() if len(tests) > 1)
    without = tally([test for test in everything if test != tests[0]], [])
    assert case in without.not_run
    failed = tally(everything, [f"{tests[0]}[postgresql]"])
    assert case in failed.failed
    assert case in failed.sentence()
