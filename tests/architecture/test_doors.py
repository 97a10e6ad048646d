"""What has one door has one door: the way out, the clock, the sanitizer, the keyring, the environment."""

import ast
import re
from collections.abc import Callable

from tests.architecture.tree import ROOT, Module, modules_under, product_modules

ASKS_THE_TIME = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime", "sqlalchemy.func.now",
    "sqlalchemy.func.current_timestamp", "asyncio.get_event_loop.time",
}  # fmt: skip
CLIENTS = ("aiohttp", "http.client", "httpx", "requests", "urllib.request", "urllib3", "pyreqwest")
DOORS = {
    "HTTP client": (CLIENTS, {"activitypub.egress", "activitypub.connections"}),
    "sanitizer": (("nh3",), {"groups.content"}),
    "keyring": (("privacy.keyring",), {"privacy.vault", "node.keys", "node.wiring"}),
    "random numbers that are not secret": (("random",), set()),
}


def importers(names: tuple[str, ...]) -> set[str]:
    """The modules that import one of these."""
    return {
        m.name for m in product_modules() for _, i in m.imports if any(i == n or i.startswith(f"{n}.") for n in names)
    }


def callers(called: Callable[[str], bool]) -> list[str]:
    """Where something of that name is called."""
    return [f"{m.path}:{call.lineno} {name}" for m in product_modules() for call, name in m.calls() if called(name)]


def test_each_thing_with_one_door_has_one_door() -> None:
    for what, (names, allowed) in DOORS.items():
        found = importers(names)
        assert found <= allowed, f"{what}: only {sorted(allowed)} may import {names}"
        assert found or not allowed, f"{what}: nobody uses the door any more"


def test_only_the_clock_asks_the_time() -> None:
    found = [hit for hit in callers(lambda name: name in ASKS_THE_TIME) if not hit.startswith("privacy/clock.py")]
    assert found == []
    assert any(name in ASKS_THE_TIME for m in modules_under("privacy.clock") for _, name in m.calls())


def test_dates_in_mail_and_headers_are_given_their_moment() -> None:
    found = [
        f"{m.path}:{call.lineno}"
        for m in product_modules()
        for call, name in m.calls()
        if name in {"email.utils.formatdate", "email.utils.localtime"} and not call.args
    ]
    assert found == []


def test_only_the_roof_reads_the_environment() -> None:
    found = {m.name for m in product_modules() for node in ast.walk(m.syntax) if reads_environment(m, node)}
    assert found <= {"node.settings", "node.cli"}


def reads_environment(module: Module, node: ast.AST) -> bool:
    """Tell whether a piece of syntax is `os.environ` or `os.getenv`, however it was imported."""
    if not isinstance(node, ast.Attribute | ast.Name):
        return False
    return module.resolve(ast.unparse(node)) in {"os.environ", "os.getenv", "os.environb"}


def test_only_the_command_line_prints() -> None:
    found = callers(lambda name: name in {"print", "pprint.pprint", "sys.stdout.write", "sys.stderr.write"})
    assert [hit for hit in found if not hit.startswith("node/")] == []


def test_nothing_catches_everything_but_the_worker() -> None:
    found = [
        f"{m.path}:{node.lineno}"
        for m in product_modules()
        for node in ast.walk(m.syntax)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or "Exception" in ast.unparse(node.type).split(".")[-1:])
    ]
    assert [hit for hit in found if not hit.startswith("node/worker.py")] == []


def test_no_template_switches_escaping_off() -> None:
    templates = list((ROOT / "web" / "templates").rglob("*.html"))
    assert templates
    assert [str(path) for path in templates if re.search(r"autoescape\s+false", path.read_text("utf-8"))] == []
