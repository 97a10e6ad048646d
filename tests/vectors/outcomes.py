"""What becomes of each document in a collection of real ones: a table of path to type, or to the error and its reason.

The collection may stand beside the checkout, in `shared/data/fediverse-samples`; its documents are not ours to copy, so
only what was made of them is kept. After a deliberate change of the vocabulary:

    .venv/bin/python -m tests.vectors.outcomes
"""

import json
from pathlib import Path
from typing import Any

from activitypub.errors import FederationError
from activitypub.strict_json import loads_strict
from activitypub.vocabulary.activities import ActivityOnRef, Flag
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.reading import parse

TABLE = Path(__file__).with_name("outcomes.json")
SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "fediverse-samples"


def outcome(body: bytes) -> dict[str, Any]:
    """Return what the wire modules make of one document."""
    try:
        document = loads_strict(body)
        thing = parse(document)
    except FederationError as error:
        return {"error": type(error).__name__, "reason": error.public}
    found: dict[str, Any] = {"class": type(thing).__name__, "type": thing.type}
    if isinstance(thing, ActivityOnRef) and thing.object.embedded is not None:
        inner = thing.object.embedded
        found["object"] = inner.type
        if isinstance(inner, ActivityOnRef) and inner.object.embedded is not None:
            found["innermost"] = inner.object.embedded.type
    if isinstance(thing, Flag):
        found["objects"] = len(thing.objects)
    if isinstance(thing, Collection):
        found["items"] = len(thing.items)
    if "@context" not in document:
        found["note"] = "no @context: taken for ActivityStreams"
    return found


def outcomes(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the table for every JSON document under a folder, by its path within it."""
    return {path.relative_to(folder).as_posix(): outcome(path.read_bytes()) for path in sorted(folder.rglob("*.json"))}


if __name__ == "__main__":
    TABLE.write_text(
        json.dumps(outcomes(SAMPLES), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )
