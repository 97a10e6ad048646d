"""The source as the architecture tests see it: files, syntax trees, and names with their imports resolved."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = ("privacy", "activitypub", "groups", "web", "node")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One module: its dotted name, its path from the root, and its text."""

    path: Path

    @cached_property
    def name(self) -> str:
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text("utf-8")

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.syntax) if isinstance(node, Function)]

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        """Line and dotted name of all that is imported; `from a import b` counts as `a.b`."""
        found = []
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found

    @cached_property
    def bindings(self) -> dict[str, str]:
        """What each imported local name stands for."""
        names = {}
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    head = alias.name.split(".")[0]
                    names[alias.asname or head] = alias.name if alias.asname else head
            elif isinstance(node, ast.ImportFrom):
                names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        return names

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with the dotted name of what is called, imports resolved."""
        for node in ast.walk(self.syntax):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                yield node, self.resolve(ast.unparse(node.func))

    def resolve(self, dotted: str) -> str:
        """Replace the first part of a dotted name by what it was imported from."""
        head, *rest = dotted.split(".")
        return ".".join([self.bindings.get(head, head), *rest])


@lru_cache
def product_modules() -> tuple[Module, ...]:
    """Every module of the five floors."""
    paths = sorted(path for floor in FLOORS for path in (ROOT / floor).rglob("*.py"))
    return tuple(Module(path.relative_to(ROOT)) for path in paths)


@lru_cache
def modules_of_tests() -> tuple[Module, ...]:
    """Every module below tests/, but for what the interop tests install there."""
    paths = sorted((ROOT / "tests").rglob("*.py"))
    return tuple(Module(path.relative_to(ROOT)) for path in paths if not {".cache", "node_modules"} & {*path.parts})


def modules_under(*names: str) -> list[Module]:
    """The modules with these dotted names, and what lies below them."""
    return [m for m in product_modules() if any(m.name == name or m.name.startswith(f"{name}.") for name in names)]


def parameters(function: Function) -> list[ast.arg]:
    """All parameters of a function."""
    a = function.args
    return [*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))]


@lru_cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that belongs to the project, from the root; with git or, in an unpacked archive, without."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        return tuple(path for name in listed.stdout.split("\0") if name and (ROOT / (path := Path(name))).is_file())
    skipped = {".venv", "var", "node_modules", "__pycache__", ".git"}
    files = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return tuple(path for path in files if not skipped.intersection(path.parts))
