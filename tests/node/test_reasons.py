"""An operator reads what is wrong with which file, not the number of an error."""

import errno
import os

import pytest

from node.reasons import REASONS, sentence


@pytest.mark.parametrize("number", [*REASONS, errno.EIO, errno.ELOOP, errno.ENOLCK])
def test_what_is_wrong_is_said_without_numbers(number: int) -> None:
    told = sentence(OSError(number, os.strerror(number), "/srv/kinfold"))
    assert not any(character.isdigit() or character in "[]'\n" for character in told)
    assert "/srv/kinfold" in told or number == errno.EMFILE


def test_a_file_without_a_name_and_an_error_without_a_number_are_told_too() -> None:
    assert sentence(OSError(errno.ENOSPC, "x")) == "the disk is full: a file could not be written"
    assert sentence(TimeoutError()) == "a file cannot be used: timeouterror"
