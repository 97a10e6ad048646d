"""What the repository promises to those who install it: licence, locks, commands, and nothing of anybody's machine."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from node.settings import MEANINGS, PREFIX, SECRETS
from tests.architecture.tree import FLOORS, ROOT, product_modules, tracked_files

FLOORS_AND_TESTS = {"node", "activitypub", "groups", "privacy", "migrations", "web", "tests"}
ROOT_FILES = {
    "pyproject.toml", "README.md", "Makefile", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "FEDERATION.md",
    "SECURITY.md", "Dockerfile", "compose.yaml", "docs", "requirements",
}  # fmt: skip
LARGEST_TEXT_BYTES = 2_000_000
# Written in two halves, so that this file does not find itself.
FOREIGN = re.compile(
    "|".join(
        [
            *("pypi" + r"\.org", "python" + "hosted", "registry" + r"\.npmjs", "deb" + r"\.debian", "crates" + r"\.io"),
            *("/wo" + "rk/", "/ro" + "ot/", "/Us" + "ers/", r"/home/\w+/"),
        ]
    )
)


def project() -> dict[str, object]:
    """The project's own description."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def locked(name: str) -> dict[str, list[str]]:
    """The pinned versions of each package in a lock, by canonical name."""
    pins: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines():
        if found := re.match(r"([A-Za-z0-9._-]+)==([^ ;\\]+)", line):
            pins.setdefault(canonicalize_name(found[1]), []).append(found[2])
    return pins


def declared(*groups: str) -> list[Requirement]:
    """What pyproject.toml asks for: the product with its PostgreSQL extra, and these dependency groups."""
    text = project()
    table, extra = text["project"], text["dependency-groups"]
    assert isinstance(table, dict)
    assert isinstance(extra, dict)
    lines = [*table["dependencies"], *table["optional-dependencies"]["postgres"]]
    return [Requirement(line) for line in lines + [line for group in groups for line in extra[group]]]


@pytest.mark.parametrize(("lock", "groups"), [("run.txt", ["build"]), ("test.txt", ["build", "test"])])
def test_locks_are_in_step_with_what_is_declared(lock: str, groups: list[str]) -> None:
    pins = locked(lock)
    for wanted in declared(*groups):
        found = pins.get(canonicalize_name(wanted.name), [])
        assert found, f"{wanted.name} is missing from requirements/{lock}: make lock"
        assert all(wanted.specifier.contains(version, prereleases=True) for version in found), f"{wanted}: make lock"


def test_tests_run_on_the_very_versions_that_are_served() -> None:
    run, test = locked("run.txt"), locked("test.txt")
    assert {name: pins for name, pins in run.items() if test.get(name) != pins} == {}


@pytest.mark.parametrize("lock", ["run.txt", "test.txt"])
def test_every_locked_package_is_hashed_and_none_names_an_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text("utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]
    assert entries
    assert [entry.split("\n")[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://|--(?:extra-)?index-url|--find-links|file:", text) == []


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert re.match(r"\s*GNU AFFERO GENERAL PUBLIC LICENSE\s+Version 3, 19 November 2007", text)
    for part in ("Preamble", "TERMS AND CONDITIONS", "13. Remote Network Interaction", "END OF TERMS AND CONDITIONS",
                 "How to Apply These Terms to Your New Programs"):  # fmt: skip
        assert part in text
    assert len(text.splitlines()) == 661


def test_the_root_holds_what_belongs_there() -> None:
    found = {path.parts[0] for path in tracked_files() if not path.parts[0].startswith(".")}
    assert found <= FLOORS_AND_TESTS | ROOT_FILES


def test_nothing_tells_of_registries_or_of_somebody_s_machine() -> None:
    told = []
    for path in tracked_files():
        if (ROOT / path).stat().st_size > LARGEST_TEXT_BYTES:
            continue
        lines = (ROOT / path).read_text("utf-8", errors="replace").splitlines()
        told += [f"{path}:{number} {line.strip()[:80]}" for number, line in enumerate(lines, 1) if FOREIGN.search(line)]
    assert told == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.M)
    assert phony
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in phony[1].split():
        assert re.search(rf"^make {target} +\S.{{10,}}", shown, re.M), target


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (None, "found no python-of-old"),
        ("exit 1", "python-of-old is older"),
        ('case "$2" in *ensurepip*) exit 1;; esac', "python-of-old lacks"),
    ],
)
def test_what_is_missing_is_said_in_one_first_line_with_the_fix(tmp_path: Path, script: str | None, says: str) -> None:
    (tmp_path / "requirements").mkdir()
    for needed in ("pyproject.toml", "requirements/run.txt"):
        (tmp_path / needed).touch()
    if script:
        fake = tmp_path / "python-of-old"
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    command = ["make", "-s", "-f", str(ROOT / "Makefile"), "install", "PYTHON=python-of-old"]
    tried = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"PATH": path})
    assert tried.returncode != 0
    first = tried.stdout.splitlines()[0]
    assert says in first
    assert "install" in first
    assert len(tried.stdout.splitlines()) == 1


IMPORTED_AS = {
    "linkify-it-py": "linkify_it", "markdown-it-py": "markdown_it", "argon2-cffi": "argon2", "pyld": "pyld",
    "python-multipart": "python_multipart",
}  # fmt: skip
NOT_IMPORTED_BY_NAME = {
    "linkify-it-py",  # markdown-it takes it when it is told to find links
    "pyld",  # loaded with the first document that needs it
    "httptools",  # uvicorn takes it by name, and is told to
    "psycopg",  # SQLAlchemy takes it by the database's address
    "python-multipart",  # Starlette takes it to read forms
    "uvloop",  # uvicorn takes it by name, and is told to
}
CARRIED_ALONG = {
    "markupsafe",  # Jinja's own
    "multidict",  # aiohttp's own
    "yarl",  # aiohttp's own
    "frozendict",  # PyLD's own
}


def test_every_declared_dependency_is_used() -> None:
    """Each dependency is something that every agency must trust: none is carried for nothing."""
    imported = {name.split(".")[0] for module in product_modules() for _, name in module.imports}
    idle = [
        wanted.name
        for wanted in declared()
        if IMPORTED_AS.get(wanted.name, wanted.name) not in imported and wanted.name not in NOT_IMPORTED_BY_NAME
    ]
    migrations = "\n".join(path.read_text("utf-8") for path in (ROOT / "migrations").rglob("*.py"))
    assert [name for name in idle if f"import {name}" not in migrations and f"from {name}" not in migrations] == []


def test_every_import_is_declared() -> None:
    ours = {*FLOORS, "migrations"}
    names = {IMPORTED_AS.get(wanted.name, wanted.name) for wanted in declared()}
    imported = {name.split(".")[0]: str(module.path) for module in product_modules() for _, name in module.imports}
    known = ours | names | set(sys.stdlib_module_names) | CARRIED_ALONG
    assert {name: path for name, path in imported.items() if name not in known} == {}


def test_the_readme_explains_each_setting_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    explained = set(re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \| .+ \| \S.{{10,}} \|$", readme, re.M))
    assert explained == set(MEANINGS)
    guides = [ROOT / path for path in tracked_files() if path.suffix == ".md"]
    named = {name for guide in guides for name in re.findall(rf"{PREFIX}([A-Z_]+[A-Z])", guide.read_text("utf-8"))}
    assert named <= set(MEANINGS) | {f"{name}_FILE" for name in SECRETS}


def test_links_between_the_guides_lead_somewhere() -> None:
    links = [
        (path, target)
        for path in tracked_files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / path).read_text("utf-8"))
    ]
    assert links
    assert [f"{path}: {target}" for path, target in links if not (ROOT / path.parent / target).exists()] == []


def test_guides_name_only_files_that_are_there() -> None:
    named = {
        (str(path), found)
        for path in tracked_files()
        if path.suffix == ".md" and path.parts[0] in {"docs", "CONTRIBUTING.md", "README.md"}
        for found in re.findall(
            r"`((?:node|web|groups|activitypub|privacy|tests|migrations)/[\w./-]+)`", (ROOT / path).read_text("utf-8")
        )
    }
    assert named
    assert sorted(f"{path}: {found}" for path, found in named if not (ROOT / found).exists()) == []
