"""The import contracts hold, and they are all still there."""

import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.tree import FLOORS, ROOT, product_modules

CONTRACTS = {
    "Five floors": "layers",
    "No circles inside a floor": "acyclic_siblings",
    "Only web and node may learn whose persona it is": "protected",
    "The two faces do not know each other": "independence",
    "What speaks the wire touches nothing": "forbidden",
}


def test_every_import_contract_is_kept() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(CONTRACTS)} kept, 0 broken" in found.stdout


def test_the_five_contracts_are_declared() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract["name"]: contract["type"] for contract in settings["contracts"]} == CONTRACTS
    assert set(settings["root_packages"]) == set(FLOORS)


def test_imports_stand_at_the_top_or_say_why_not() -> None:
    """Late imports are for what is heavy or for the command line's start, and each carries its reason (PLC0415)."""
    found = [f"{m.path}: TYPE_CHECKING" for m in product_modules() if any("TYPE_CHECKING" in n for _, n in m.imports)]
    assert found == []


def test_package_heads_are_maps_and_hold_no_code() -> None:
    heads = [m for m in product_modules() if m.path.name == "__init__.py"]
    assert {m.name for m in heads} >= set(FLOORS)
    assert [str(m.path) for m in heads if len(m.syntax.body) != 1 or not m.text.lstrip().startswith('"""')] == []
