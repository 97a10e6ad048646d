"""A signature is a promise: plain computes, plain with `uow` works on the database, async talks to the network."""

import ast

import pytest

from tests.architecture.tree import ROOT, Function, Module, modules_under, parameters, product_modules

PURE = (
    "privacy.errors",
    "privacy.naming",
    "node.reasons",
    "activitypub.vocabulary",
    "activitypub.signatures",
    "activitypub.strict_json",
    "activitypub.jsonld",
    "activitypub.audience",
    "activitypub.origins",
    "activitypub.uris",
    "activitypub.webfinger",
    "activitypub.nodeinfo",
    "activitypub.backoff",
    "activitypub.errors",
    "groups.policy",
    "groups.content",
    "groups.translation",
    "groups.views",
    "groups.errors",
    "web.mastodon.entities",
    "web.mastodon.pagination",
)
TOUCHES = {
    "aiohttp", "asyncio", "http.client", "httpx", "os", "psycopg", "requests", "shutil", "socket", "sqlalchemy",
    "sqlite3", "ssl", "starlette", "subprocess", "tempfile", "threading", "urllib.request", "uvicorn",
}  # fmt: skip
NETWORK = {"aiohttp", "http.client", "httpx", "requests", "socket", "urllib.request", "urllib3"}
DATABASE_NAMES = {"uow"}
DATABASE_TYPES = ("UnitOfWork", "Connection", "Session")


def touches(module: Module, forbidden: set[str]) -> list[str]:
    """The imports of a module that lead to one of the forbidden ones."""
    hits = [
        (line, name) for line, name in module.imports if any(name == f or name.startswith(f"{f}.") for f in forbidden)
    ]
    return [f"{module.path}:{line} imports {name}" for line, name in hits]


def takes_database(function: Function) -> bool:
    """Tell whether a function is handed an open transaction."""
    for parameter in parameters(function):
        written = ast.unparse(parameter.annotation) if parameter.annotation else ""
        if parameter.arg in DATABASE_NAMES or written.strip('"').split(".")[-1] in DATABASE_TYPES:
            return True
    return False


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_touch_nothing(name: str) -> None:
    modules = modules_under(name)
    assert modules, f"{name} is gone: mend the list or the name"
    for module in modules:
        assert touches(module, TOUCHES) == []
        assert [f.name for f in module.functions if isinstance(f, ast.AsyncFunctionDef) or takes_database(f)] == []


def test_where_all_is_plain_def_no_network_is_imported() -> None:
    plain = [
        m
        for m in product_modules()
        if m.functions and not any(isinstance(f, ast.AsyncFunctionDef) for f in m.functions)
    ]
    assert len(plain) > len(PURE)
    assert [hit for m in plain if not m.name.startswith("node") for hit in touches(m, NETWORK)] == []


def test_no_function_is_both_database_and_network() -> None:
    found = [
        f"{m.path}:{f.lineno} {f.name}"
        for m in product_modules()
        for f in m.functions
        if isinstance(f, ast.AsyncFunctionDef) and takes_database(f)
    ]
    assert found == []


def test_the_rule_sees_what_it_is_meant_to_see() -> None:
    """The honest control: a module that breaks each rule is caught by the same eyes."""
    source = """
import aiohttp
from urllib import request
async def f(uow: UnitOfWork) -> None: ...
def g(connection: sqlalchemy.Connection) -> None: ...
"""
    module = Module(ROOT / "groups" / "nowhere.py")
    module.__dict__["text"] = source
    assert len(touches(module, NETWORK)) == 2
    assert [takes_database(f) for f in module.functions] == [True, True]
