"""Row 13: a blocklist of 5,000 lines is looked at, applied and undone by the command line, while a node serves."""

import time
from collections.abc import Iterator

from tests.bench.figures import Figure, at_most, say
from tests.bench.plan import Plan
from tests.bench.processes import MeasuredNode

HOST = "127.0.3.4"
LINES = 5_000
HEADER = "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
PARTNER, REGISTRY = "partner.example.org", "co.uk"


def figures(plan: Plan) -> Iterator[Figure]:
    """Yield how long an admin waits for each step."""
    with MeasuredNode(plan.home / "ruling", host=HOST) as node:
        node.command("domain", "set", PARTNER, "--level", "allow")
        names = [*(f"bad{number}.example.net" for number in range(LINES - 3)), REGISTRY, HOST, PARTNER]
        file = plan.home / "blocklist.csv"
        file.write_text(HEADER + "".join(f'{name},suspend,true,true,"spam, {name}",false\n' for name in names))
        say("a blocklist is looked at")
        looked, shown = _timed(node, "domain", "import", str(file))
        if len(shown.splitlines()) < LINES - 3:
            raise RuntimeError(f"the preview is not whole:\n{shown[-500:]}")
        applied, _ = _timed(node, "domain", "import", str(file), "--apply")
        change = next(each["change"] for each in node.kinfold("domain", "changes") if each["kind"] == "import")
        undone, _ = _timed(node, "domain", "undo", "--change", str(change))
    yield at_most("13", "blocklist of 5,000 lines looked at", "s", looked, 5.0)
    yield at_most("13", "the same applied", "s", applied, 5.0)
    yield at_most("13", "the same undone", "s", undone, 5.0)


def _timed(node: MeasuredNode, *arguments: str) -> tuple[float, str]:
    begun = time.monotonic()
    said = node.command(*arguments)
    return time.monotonic() - begun, said
