"""Lists of open length as one parameter: a statement that asks for them is prepared once, however long they are."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Dialect, String, TypeDecorator, bindparam
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine


class ListOf(TypeDecorator[Collection[Any]]):
    """Values of one type, handed over together: an array on PostgreSQL, JSON on SQLite."""

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        """Know of what it is a list."""
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return how this database takes it."""
        return dialect.type_descriptor(postgresql.ARRAY(self.item) if dialect.name == "postgresql" else String())

    def process_bind_param(self, value: Collection[Any] | None, dialect: Dialect) -> Any:
        """Turn the values into what the database is handed."""
        found = list(value or ())
        return found if dialect.name == "postgresql" else json.dumps(found)


class Among(ColumnElement[bool]):
    """The condition that a column has one of the values of a list; `among` makes it."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], listed: BindParameter[Any]) -> None:
        """Know the column and the parameter."""
        self.column, self.listed = column, listed


def among(column: ColumnElement[Any], name: str) -> Among:
    """Return the condition that a column has one of the values of the list that is given as `name`."""
    return Among(column, bindparam(name, type_=ListOf(column.type)))


@compiles(Among)
def _in_json(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    column, listed = compiler.process(element.column, **options), compiler.process(element.listed, **options)
    return f"{column} IN (SELECT value FROM json_each({listed}))"  # noqa: S608 - a column and a parameter of ours


@compiles(Among, "postgresql")
def _in_array(element: Among, compiler: SQLCompiler, **options: Any) -> str:
    column, listed = compiler.process(element.column, **options), compiler.process(element.listed, **options)
    return f"{column} = ANY ({listed})"
