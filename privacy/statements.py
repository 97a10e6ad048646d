"""Statements of the hottest paths: written with SQLAlchemy, compiled once for each database, sent to the driver itself.

SQLAlchemy's own execution costs some 40 microseconds a statement, three times what SQLite needs for one. What is run
for each activity that comes in goes this way; everything else uses `UnitOfWork.connection`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import BindParameter, ClauseElement, Dialect, Row, Select, literal
from sqlalchemy.engine import result_tuple
from sqlalchemy.sql.compiler import SQLCompiler

from privacy.unit_of_work import UnitOfWork

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Prepared:
    """One statement without lists of open length; its parameters are named as its bound parameters are."""

    def __init__(self, statement: ClauseElement, columns: Sequence[str] | None = None) -> None:
        """Keep a statement; `columns` are those that an INSERT without VALUES is given."""
        self._statement, self._columns = statement, columns
        self._compiled: dict[str, _Compiled] = {}

    def run(self, uow: UnitOfWork, parameters: Mapping[str, Any] = NOTHING) -> int:
        """Execute the statement and return how many rows it touched. Raises the driver's own errors."""
        count: int = self._execute(uow, parameters)[1].rowcount
        return count

    def rows(self, uow: UnitOfWork, parameters: Mapping[str, Any] = NOTHING) -> list[Row[Any]]:
        """Return the rows that it finds."""
        compiled, cursor = self._execute(uow, parameters)
        return [compiled.row(found) for found in cursor.fetchall()]

    def value(self, uow: UnitOfWork, parameters: Mapping[str, Any] = NOTHING) -> Any:
        """Return the first value of the first row, or None."""
        compiled, cursor = self._execute(uow, parameters)
        found = cursor.fetchone()
        return None if found is None else compiled.row(found)[0]

    def _execute(self, uow: UnitOfWork, parameters: Mapping[str, Any]) -> "tuple[_Compiled, Any]":
        compiled = self._compiled.get(uow.dialect)
        if compiled is None:
            compiled = _Compiled(self._statement, uow.connection.dialect, self._columns)
            self._compiled[uow.dialect] = compiled
        return compiled, uow.driver.execute(compiled.text, compiled.bound(parameters))


def listed(values: Iterable[str]) -> list[BindParameter[str]]:
    """Return values for `in_` and `not_in` of a statement that is prepared, each a parameter of its own."""
    return [literal(value) for value in values]


@dataclass(frozen=True, slots=True)
class _Bind:
    """One value of a statement."""

    name: str
    """How the driver knows it."""
    key: str
    """How the caller names it."""
    fixed: bool
    """Whether it is part of the statement; `value` is what it is then."""
    value: Any
    process: Callable[[Any], Any] | None

    @classmethod
    def of(cls, name: str, parameter: BindParameter[Any], dialect: Dialect) -> "_Bind":
        """Read it off a compiled statement."""
        process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        value = parameter.value if process is None or parameter.required else process(parameter.value)
        return cls(name, parameter.key, not parameter.required, value, process)

    def given(self, parameters: Mapping[str, Any]) -> Any:
        """Return the value as the driver takes it. Raises KeyError for one that is missing."""
        if self.fixed:
            return self.value
        value = parameters[self.key]
        return value if self.process is None else self.process(value)


class _Compiled:
    """A statement in the words of one database, with what turns values of ours into the driver's and back."""

    def __init__(self, statement: ClauseElement, dialect: Dialect, columns: Sequence[str] | None) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=columns)
        assert isinstance(compiled, SQLCompiler)
        self.text = str(compiled)
        self._positional = compiled.positiontup is not None
        names = compiled.positiontup if compiled.positiontup is not None else list(compiled.binds)
        self._binds = [_Bind.of(name, compiled.binds[name], dialect) for name in names]
        found = list(statement.selected_columns) if isinstance(statement, Select) else []
        self._make = result_tuple([str(column.key) for column in found])
        processors = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in found]
        self._processors = [(place, process) for place, process in enumerate(processors) if process is not None]

    def bound(self, parameters: Mapping[str, Any]) -> Sequence[Any] | Mapping[str, Any]:
        """Return the values as the driver takes them. Raises KeyError for one that is missing."""
        if self._positional:
            return [bind.given(parameters) for bind in self._binds]
        return {bind.name: bind.given(parameters) for bind in self._binds}

    def row(self, found: Sequence[Any]) -> Row[Any]:
        """Return a row with names and with values of ours."""
        values = list(found)
        for place, process in self._processors:
            values[place] = process(values[place])
        return self._make(values)
