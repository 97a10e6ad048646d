"""Errors of the protocol: ids for the operator, a sentence for the other side."""

import pytest

from activitypub import errors
from privacy.errors import PublicError

CLASSES = [
    (errors.MalformedActivity, errors.RemoteError),
    (errors.BadSignature, errors.RemoteError),
    (errors.ForeignOrigin, errors.RemoteError),
    (errors.Blocked, errors.RemoteError),
    (errors.Unreachable, errors.FetchError),
    (errors.Gone, errors.FetchError),
    (errors.TooLarge, errors.FetchError),
    (errors.LocalError, errors.FederationError),
    (errors.RemoteError, errors.FederationError),
    (errors.FetchError, errors.FederationError),
    (errors.FederationError, PublicError),
]


@pytest.mark.parametrize(("cls", "parent"), CLASSES)
def test_each_has_its_parent_and_a_sentence(cls: type[PublicError], parent: type[PublicError]) -> None:
    error = cls("https://peer.example/a/1")
    assert isinstance(error, parent)
    assert str(error) == "https://peer.example/a/1"
    assert error.public
    assert "peer.example" not in error.public
    assert cls(public="Another sentence.").public == "Another sentence."


def test_a_refusal_keeps_its_status_and_a_lack_its_uri() -> None:
    assert errors.Refused(503).status == 503
    assert str(errors.Refused(503)) == "status 503"
    assert str(errors.Refused(404, "https://peer.example/x")) == "https://peer.example/x"
    assert errors.NeedsObject("https://peer.example/n/1").uri == "https://peer.example/n/1"
