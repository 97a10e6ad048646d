"""Every table says what it holds and how that ends."""

import pytest
from sqlalchemy.orm import Mapped, mapped_column

from node import schema
from privacy.records import Holds, OnErasure, Record


def test_every_table_declares_what_it_holds_and_how_it_ends() -> None:
    assert schema.__doc__
    declared = {str(mapper.local_table): getattr(mapper.class_, "holds", None) for mapper in Record.registry.mappers}
    assert len(declared) > 10
    assert [name for name, holds in declared.items() if not isinstance(holds, Holds) or len(holds.what) < 10] == []
    assert set(Record.metadata.tables) == set(declared), "a table without a class declares nothing"


def test_no_two_tables_hide_behind_the_same_words() -> None:
    words = [mapper.class_.holds.what for mapper in Record.registry.mappers]
    assert sorted({word for word in words if words.count(word) > 1}) == []


def test_there_is_no_key_table_in_the_content_database() -> None:
    known = {
        "actor_keys": "the public half, and the private one sealed under a secret of the keyring",
        "former_keys": "the same of the one before, for a week",
        "idempotency_keys": "what an app calls its own request",
        "key_packages": "public by nature (RFC 9420)",
    }
    assert {name for name in Record.metadata.tables if "key" in name or "secret" in name} <= set(known)


def test_a_table_that_does_not_say_so_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="holds"):

        class Silent(Record):
            __tablename__ = "silent_test"
            id: Mapped[int] = mapped_column(primary_key=True)

    assert "silent_test" not in Record.metadata.tables
    assert OnErasure.SHRED in OnErasure
