"""The catalogue of cases names tests that exist, and leaves out no case of its two chapters.

The names are looked up in the files, so that a test which is renamed or dropped takes its cases with it.
"""

import ast
import re

import pytest

from tests.architecture.tree import ROOT
from tests.catalogue import CASES, NOT_YET, SEVERITY, tally

CASE = re.compile(r"[SR]-[0-9]{3,4}")


def names_in(path: str) -> set[str]:
    """The names of the test functions of a file."""
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {function.name for function in functions if function.name.startswith("test_")}


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
