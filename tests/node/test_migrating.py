"""The tables in the database are the tables in code, and a database that is not understood is left alone."""

import re
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, insert, inspect, select, text

from activitypub.uris import Uris
from groups import composing, posting
from node import schema
from node.database import ThreadedDatabase
from node.engines import database_url, migrating_engine
from node.migrating import HEAD, REVISIONS, SCRIPTS, SchemaRefused, check_schema, migrate, revision_of
from privacy.models import NodeState
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Vault
from tests.clock import MovableClock
from tests.factories import make_group, make_persona

STATES = table_of(NodeState)


def scripts() -> ScriptDirectory:
    """Return what stands in `migrations`."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    return ScriptDirectory.from_config(config)


def run(url: URL, step: Callable[[Config, str], None], revision: str) -> None:
    """Bring a database up or down to a revision."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    with migrating_engine(url).connect() as connection:
        config.attributes["connection"] = connection
        step(config, revision)
        connection.commit()


def rows_of(url: URL) -> dict[str, list[Any]]:
    """Return every row of every table that code knows."""
    with migrating_engine(url).connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of a database without tables, of each kind in turn."""
    if request.param == "sqlite":
        return database_url(f"sqlite:///{tmp_path / 'kinfold.db'}")
    return database_url(request.getfixturevalue("new_postgresql")())


@pytest.fixture
def opened(empty: URL, vault: Vault, clock: MovableClock) -> Iterator[ThreadedDatabase]:
    """That database, running."""
    database = ThreadedDatabase(empty, vault, clock)
    yield database
    database.close()


# ── the scripts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_there_is_one_head_and_the_program_knows_every_revision_in_order() -> None:
    written = [script.revision for script in scripts().walk_revisions()]
    assert scripts().get_heads() == [HEAD]
    assert tuple(reversed(written)) == REVISIONS
    files = {path.stem for path in (SCRIPTS / "versions").glob("*.py") if path.stem != "__init__"}
    assert files == set(REVISIONS), "one file a revision, of its name"


def test_each_revision_says_why_and_what_it_costs_and_imports_nothing_of_ours() -> None:
    for script in scripts().walk_revisions():
        assert len(script.doc) > 20, script.revision
        body = (SCRIPTS / "versions" / f"{script.revision}.py").read_text("utf-8")
        assert re.search(r"[Ll]ocks", body.split('"""')[1]), script.revision
        assert not re.search(r"^\s*(?:from|import) (?:node|web|groups|activitypub|privacy)\b", body, re.M)


# ── the tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_database_gets_the_tables_that_code_knows(empty: URL, opened: ThreadedDatabase) -> None:
    assert not check_schema(opened)
    assert opened.read_now(revision_of) is None
    migrate(empty)
    assert check_schema(opened)
    with migrating_engine(empty).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        assert set(inspect(connection).get_table_names()) == {*schema.metadata.tables, "alembic_version"}
    migrate(empty)  # safe to repeat
    assert opened.read_now(revision_of) == HEAD


def test_what_compare_does_not_look_at_is_the_same_too(empty: URL, tmp_path: Path) -> None:
    """Whether a column may be null, what is unique, what is indexed and only where, and what a key refers to."""
    other = empty.set(database=str(tmp_path / "code.db")) if empty.drivername.startswith("sqlite") else None
    migrate(empty)
    if other is None:
        with migrating_engine(empty).connect() as connection:
            before = described(connection)
            schema.metadata.drop_all(connection)
            schema.metadata.create_all(connection)
            assert described(connection) == before
            connection.rollback()
        return
    with migrating_engine(other).connect() as connection:
        schema.metadata.create_all(connection)
        connection.commit()
        made = described(connection)
    with migrating_engine(empty).connect() as connection:
        assert described(connection) == made


def described(connection: Any) -> dict[str, Any]:
    """Return what a database says of each table."""
    looked = inspect(connection)
    found: dict[str, Any] = {}
    for name in schema.metadata.tables:
        found[name] = (
            [(c["name"], str(c["type"]), c["nullable"], c.get("autoincrement")) for c in looked.get_columns(name)],
            looked.get_pk_constraint(name)["constrained_columns"],
            sorted(
                (i["name"], tuple(i["column_names"]), bool(i["unique"]), where(i)) for i in looked.get_indexes(name)
            ),
            sorted((u["name"], tuple(u["column_names"])) for u in looked.get_unique_constraints(name)),
            sorted(
                (f["name"], tuple(f["constrained_columns"]), f["referred_table"], f["options"].get("ondelete"))
                for f in looked.get_foreign_keys(name)
            ),
        )
    return found


def where(index: Any) -> str:
    """Return the condition of an index, or nothing."""
    options = index.get("dialect_options", {})
    found = [options[name] for name in ("sqlite_where", "postgresql_where") if options.get(name) is not None]
    return str(found[0]).strip("()") if found else ""


def test_the_newest_revision_goes_up_and_back_on_a_database_in_use(
    empty: URL, opened: ThreadedDatabase, uris: Uris
) -> None:
    migrate(empty)
    author = opened.write_now(make_persona, uris, "robin")
    group = opened.write_now(make_group, uris, "grief", owner_id=author)
    new = composing.compose(uris, composing.PostForm("words", group_id=group), {})
    opened.write_now(posting.publish_post, uris, author, new)
    before = rows_of(empty)
    assert before["posts"]
    back = REVISIONS[-2] if len(REVISIONS) > 1 else "base"
    run(empty, command.downgrade, back)
    assert opened.read_now(revision_of) == (None if back == "base" else back)
    assert not check_schema(opened), "an older database is no error, and not served as it is"
    migrate(empty)
    assert check_schema(opened)
    assert set(rows_of(empty)) == set(before)


def test_rows_outlive_a_migration_that_has_nothing_to_do(empty: URL, opened: ThreadedDatabase, uris: Uris) -> None:
    migrate(empty)
    opened.write_now(make_persona, uris, "robin")
    before = rows_of(empty)
    migrate(empty)
    assert rows_of(empty) == before


def test_a_database_of_a_newer_version_is_refused_and_not_touched(empty: URL, opened: ThreadedDatabase) -> None:
    """R-404: an older program never writes into tables that it does not know."""
    migrate(empty)
    opened.write_now(lambda uow: uow.connection.execute(insert(STATES), {"name": "a", "value": "b"}) and None)
    opened.write_now(stamp, "20990101_from_the_future")
    with pytest.raises(SchemaRefused, match="20990101_from_the_future"):
        check_schema(opened)
    with pytest.raises(Exception, match="20990101_from_the_future"):
        migrate(empty)
    assert rows_of(empty)["node_states"] == [("a", "b")]
    assert opened.read_now(revision_of) == "20990101_from_the_future"


def stamp(uow: UnitOfWork, revision: str) -> None:
    uow.connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_a_new_file_is_its_owner_s_only(tmp_path: Path) -> None:
    path = tmp_path / "100% new" / "kinfold.db"
    migrate(database_url(f"sqlite:///{path}"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as reading:
        assert reading.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    reading.close()


def test_two_processes_that_migrate_at_once_do_it_once(empty: URL, opened: ThreadedDatabase) -> None:
    """R-105: two servers that start at once after an update must not make each table twice."""
    code = "import sys; from node.engines import database_url; from node.migrating import migrate; "
    code += "migrate(database_url(sys.argv[1]))"
    address = empty.set(drivername=empty.get_backend_name()).render_as_string(hide_password=False)
    both = [
        subprocess.Popen([sys.executable, "-c", code, address], cwd=SCRIPTS.parent, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert check_schema(opened)


def test_scripts_are_found_wherever_the_program_lies(tmp_path: Path) -> None:
    copied = tmp_path / "50% off" / "migrations"
    shutil.copytree(SCRIPTS, copied, ignore=shutil.ignore_patterns("__pycache__"))
    config = Config()
    config.set_main_option("script_location", str(copied).replace("%", "%%"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]
