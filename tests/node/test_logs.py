"""Nothing that a person wrote reaches the log, whoever speaks: our code, a library, an exception, or asyncio itself."""

import asyncio
import gc
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from sqlalchemy import insert

from node.database import ThreadedDatabase
from node.logs import set_up_logs
from privacy.errors import KeyShredded, PublicError
from privacy.models import NodeState
from privacy.unit_of_work import UnitOfWork, table_of

WORDS = "i-cannot-sleep-since-march"
MAIL = "robin@mail.example"
TOKEN = "kft_" + "x" * 40
STATES = table_of(NodeState)


@pytest.fixture(params=["json", "console"])
def log_format(request: pytest.FixtureRequest) -> Iterator[str]:
    """Logs set up in each format in turn, and put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in ("asyncio", "sqlalchemy", "uvicorn", "aiohttp", "alembic")}
    yield request.param
    root.handlers, root.level = handlers, level
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()


class Heard:
    """What stands on standard error since the logs were set up."""

    def __init__(self, stream: io.StringIO, log_format: str) -> None:
        self._stream, self._format = stream, log_format
        set_up_logs(log_format)

    def lines(self) -> list[str]:
        """Return the lines that were said since this was last asked."""
        said = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return said.splitlines()

    def one(self) -> str:
        """Return the one line that was said, which for programs is one JSON object."""
        lines = self.lines()
        assert len(lines) == 1, "\n".join(lines)
        line = lines[0]
        if self._format == "json":
            assert isinstance(json.loads(line), dict)
        assert WORDS not in line
        assert "mail.example" not in line
        assert TOKEN not in line
        return line


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, log_format: str) -> Heard:
    """What the process says on standard error."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    return Heard(stream, log_format)


@pytest.fixture
def log() -> Any:
    """A logger as our modules have one."""
    return structlog.get_logger("node.test")


def test_ids_and_outcomes_are_said_and_words_are_not(heard: Heard, log: Any) -> None:
    log.info(
        "post.published", post_id=5, body=WORDS, who=MAIL, deep={"content": [WORDS], "count": 3}, raw=WORDS.encode()
    )
    line = heard.one()
    assert "post.published" in line
    assert "post_id" in line
    assert "5" in line


def test_an_exception_is_told_by_its_kind_and_place(heard: Heard, log: Any) -> None:
    try:
        try:
            raise ValueError(WORDS)
        except ValueError as error:
            raise LookupError(f"{MAIL} wrote {WORDS}") from error
    except LookupError:
        log.exception("worker.failed", loop="inbox")
    line = heard.one()
    assert "builtins.LookupError" in line
    assert "builtins.ValueError" in line
    assert "test_logs.py" in line


def test_our_own_errors_say_their_ids(heard: Heard, log: Any) -> None:
    log.error("post.lost", exc_info=KeyShredded("posts 5"))
    assert "KeyShredded: posts 5" in heard.one()
    log.error("post.lost", exc_info=PublicError("posts 6", public=WORDS))
    assert "posts 6" in heard.one()


@pytest.mark.parametrize("name", ["uvicorn.error", "sqlalchemy.engine", "somebody.else"])
def test_a_library_is_cleaned_like_ourselves(heard: Heard, name: str) -> None:
    library = logging.getLogger(name)
    library.warning("refused %s from %s with %s", MAIL, "192.0.2.1", TOKEN)
    line = heard.one()
    assert "192.0.2.1" not in line
    assert "refused" in line
    try:
        raise ValueError(WORDS)
    except ValueError:
        library.exception("Exception in ASGI application\n")
    line = heard.one()
    assert "builtins.ValueError" in line
    assert "Traceback" not in line


def test_a_task_whose_error_nobody_fetched_does_not_tell_it_after_all(heard: Heard) -> None:
    """asyncio writes the failed task into its message, and the exception with its text into that."""

    async def fail() -> None:
        raise ValueError(WORDS)

    async def forget_a_task() -> None:
        task = asyncio.get_running_loop().create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(forget_a_task())
    line = heard.one()
    assert "Task exception was never retrieved" in line
    assert "builtins.ValueError" in line


def test_a_database_error_that_quotes_a_row_is_not_quoted(database: ThreadedDatabase, heard: Heard, log: Any) -> None:
    """PostgreSQL puts the failing row into its error, SQLAlchemy the statement and what it was given."""

    def put(uow: UnitOfWork) -> None:
        uow.connection.execute(insert(STATES), {"name": WORDS, "value": MAIL})

    database.write_now(put)
    try:
        database.write_now(put)
    except Exception as error:
        log.warning("deed.failed", exc_info=error)
    assert "IntegrityError" in heard.one()


def test_libraries_that_talk_much_are_heard_when_something_is_wrong(heard: Heard, log: Any) -> None:
    for name in ("uvicorn.access", "asyncio", "sqlalchemy.engine", "alembic.runtime"):
        logging.getLogger(name).info("GET /search?q=%s", WORDS)
        logging.getLogger(name).debug(WORDS)
    log.debug("detail", note=WORDS)
    assert heard.lines() == []
    logging.getLogger("uvicorn.error").warning("something is wrong")
    assert "something is wrong" in heard.one()


def test_words_cannot_forge_a_line(heard: Heard, log: Any) -> None:
    log.info("x", post='a\n{"event": "forged"}\r\nb')
    logging.getLogger("somebody.else").warning("said %s", "a\nforged")
    assert len(heard.lines()) == 2
