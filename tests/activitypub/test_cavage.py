"""Signatures as nearly every peer speaks them (security catalogue S-101 to S-122, the part that needs no actor)."""

import base64
import hmac
import itertools
from datetime import UTC, datetime, timedelta

import pytest
from apsig.draft.sign import Signer
from apsig.draft.verify import Verifier
from hypothesis import given, settings
from hypothesis import strategies as st

from activitypub.errors import BadSignature, MalformedActivity, RemoteError
from activitypub.signatures import cavage, inbound
from activitypub.signatures.digest import digest
from activitypub.signatures.keys import SigningIdentity, generate_ed25519_key, generate_rsa_key
from activitypub.signatures.messages import SignedRequest

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = generate_rsa_key()
PUBLIC = KEY.public_key()
ED25519 = generate_ed25519_key()
IDENTITY = SigningIdentity("https://peer.example/u/ana#main-key", KEY)
BODY = b'{"type":"Create"}'
Headers = tuple[tuple[str, str], ...]


def request_with(
    headers: Headers,
    *,
    method: str = "POST",
    target: str = "/inbox",
    body: bytes = BODY,
    origin: str = "https://kin.example",
) -> SignedRequest:
    return SignedRequest(method, target, origin, headers, body)


def signed_post(target: str = "/inbox", now: datetime = NOW, body: bytes = BODY) -> Headers:
    fields = cavage.sign(IDENTITY, "POST", target, "kin.example", now, digest=digest(body))
    return tuple(fields.items())


def signed_over(
    lines: dict[str, str], *, algorithm: str = "rsa-sha256", key: SigningIdentity = IDENTITY, extra: str = ""
) -> str:
    """Write a Signature over any lines, with every part open to mischief."""
    message = "\n".join(f"{name}: {value}" for name, value in lines.items())
    value = base64.b64encode(key.private_key.sign(message.encode())).decode()
    named = f'algorithm="{algorithm}",' if algorithm else ""
    return f'keyId="{key.key_id}",{named}headers="{" ".join(lines)}",{extra}signature="{value}"'


LINES = {
    "(request-target)": "post /inbox",
    "host": "kin.example",
    "date": "Mon, 23 Nov 2026 10:00:00 GMT",
    "digest": digest(BODY),
}
FIELDS: Headers = (("Host", LINES["host"]), ("Date", LINES["date"]), ("Digest", LINES["digest"]))


def verified(request: SignedRequest) -> str:
    """The id of the key with which a request is verified, directly and through the one door."""
    cavage.verify(request, PUBLIC, NOW)
    claim = inbound.read_claim(request, NOW)
    claim.confirmed_by(PUBLIC)
    return claim.key_id


def refused(request: SignedRequest) -> type[RemoteError]:
    """The error with which a request is refused, directly and through the one door; the correct one passes."""
    assert verified(request_with(signed_post())) == IDENTITY.key_id
    with pytest.raises(RemoteError) as directly:
        cavage.verify(request, PUBLIC, NOW)
    with pytest.raises(directly.type):
        inbound.read_claim(request, NOW).confirmed_by(PUBLIC)
    return BadSignature if issubclass(directly.type, BadSignature) else directly.type  # a forged one is bad, too


def test_what_we_send_is_written_as_peers_want_it() -> None:
    fields = cavage.sign(IDENTITY, "POST", "/inbox?a=1", "kin.example", NOW, digest=digest(BODY))
    assert list(fields) == ["Host", "Date", "Digest", "Signature"]
    assert fields["Date"] == "Mon, 23 Nov 2026 10:00:00 GMT"
    assert fields["Signature"].startswith(
        'keyId="https://peer.example/u/ana#main-key",algorithm="rsa-sha256",'
        'headers="(request-target) host date digest",signature="'
    )
    get = cavage.sign(IDENTITY, "GET", "/u/1", "kin.example", NOW)
    assert 'headers="(request-target) host date"' in get["Signature"]
    assert "Digest" not in get


def test_a_post_is_never_signed_without_its_digest() -> None:
    with pytest.raises(ValueError, match="digest"):
        cavage.sign(IDENTITY, "POST", "/inbox", "kin.example", NOW)


def test_ours_is_verified_by_ours_and_by_apsig() -> None:
    now = datetime.now(UTC)  # apsig asks the clock itself
    fields = cavage.sign(IDENTITY, "POST", "/inbox", "kin.example", now, digest=digest(BODY))
    cavage.verify(request_with(tuple(fields.items())), PUBLIC, now)
    verifier = Verifier(PUBLIC.to_pem(), "POST", "https://kin.example/inbox", fields, BODY)
    assert verifier.verify(raise_on_fail=True) == IDENTITY.key_id


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_what_apsig_signs_is_verified(method: str) -> None:
    body = BODY if method == "POST" else b""
    signer = Signer({}, KEY.material, method, "https://kin.example/inbox", IDENTITY.key_id, body)
    headers = tuple((name.title(), value) for name, value in signer.sign().items())
    request = request_with(headers, method=method, body=body)
    cavage.verify(request, PUBLIC, datetime.now(UTC))
    assert inbound.read_claim(request, datetime.now(UTC)).key_id == IDENTITY.key_id


def test_a_signed_get_is_verified() -> None:
    fields = tuple(cavage.sign(IDENTITY, "GET", "/u/1", "kin.example", NOW).items())
    cavage.verify(request_with(fields, method="GET", target="/u/1", body=b""), PUBLIC, NOW)
    with pytest.raises(BadSignature):
        cavage.verify(request_with(fields, method="GET", target="/u/2", body=b""), PUBLIC, NOW)
    with pytest.raises(BadSignature):
        cavage.verify(request_with(fields, method="POST", target="/u/1", body=b""), PUBLIC, NOW)


def test_who_reads_may_sign_the_query_or_leave_it_out() -> None:
    def read(signed: str, asked: str) -> None:
        fields = tuple(cavage.sign(IDENTITY, "GET", signed, "kin.example", NOW).items())
        cavage.verify(request_with(fields, method="GET", target=asked, body=b""), PUBLIC, NOW)

    read("/u/1/outbox?page=1", "/u/1/outbox?page=1")
    read("/u/1/outbox", "/u/1/outbox?page=1")  # Friendica, PieFed
    for signed, asked in (("/u/1?page=1", "/u/1?page=2"), ("/u/1?page=1", "/u/1"), ("/u/1", "/u/2?page=1")):
        with pytest.raises(BadSignature):
            read(signed, asked)


def test_who_posts_signs_the_whole_target() -> None:
    assert verified(request_with(signed_post("/inbox?page=1"), target="/inbox?page=1")) == IDENTITY.key_id
    assert refused(request_with(signed_post("/inbox"), target="/inbox?page=1")) is BadSignature
    assert refused(request_with(signed_post("/inbox"), target="/inbox?")) is BadSignature
    assert refused(request_with(signed_post("/inbox?page=1"), target="/inbox?page=2")) is BadSignature
    assert refused(request_with(signed_post("/inbox?page=1"), target="/inbox")) is BadSignature


def test_s_101_unsigned() -> None:
    assert refused(request_with(FIELDS)) is BadSignature
    assert refused(request_with((*FIELDS, ("Signature", "")))) is BadSignature
    assert not inbound.is_signed(request_with(FIELDS))


def test_s_102_body_changed() -> None:
    assert refused(request_with(signed_post(), body=BODY.replace(b"C", b"c"))) is BadSignature
    assert refused(request_with(signed_post(), body=BODY + b" ")) is BadSignature


def test_s_103_digest_not_signed() -> None:
    lines = {name: value for name, value in LINES.items() if name != "digest"}
    assert refused(request_with((*FIELDS, ("Signature", signed_over(lines))))) is BadSignature


def omissions() -> list[tuple[str, ...]]:
    names = list(LINES)
    return [kept for size in range(len(names)) for kept in itertools.combinations(names, size)]


@pytest.mark.parametrize("kept", omissions(), ids=lambda kept: "+".join(kept) or "nothing")
def test_s_104_every_omission(kept: tuple[str, ...]) -> None:
    header = signed_over({name: LINES[name] for name in kept})
    assert refused(request_with((*FIELDS, ("Signature", header)))) is BadSignature


def test_s_104_covering_an_absent_field() -> None:
    header = signed_over(LINES | {"x-missing": ""})
    assert refused(request_with((*FIELDS, ("Signature", header)))) is BadSignature
    for name in ("Host", "Date", "Digest"):
        fields = tuple(field for field in FIELDS if field[0] != name)
        assert refused(request_with((*fields, ("Signature", signed_over(LINES))))) is BadSignature


@pytest.mark.parametrize(
    ("age", "fits"),
    [
        (timedelta(minutes=65), True),
        (timedelta(minutes=65, seconds=1), False),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, seconds=-1), False),
        (timedelta(0), True),
        (timedelta(days=365), False),
    ],
)
def test_s_105_the_window(age: timedelta, fits: bool) -> None:
    request = request_with(signed_post(now=NOW - age))
    if fits:
        assert verified(request) == IDENTITY.key_id
        assert inbound.read_claim(request, NOW).dialect == "cavage"
    else:
        assert refused(request) is BadSignature


def test_s_107_for_another_path_or_host() -> None:
    assert refused(request_with(signed_post("/u/1/inbox"))) is BadSignature
    assert refused(request_with(signed_post(), origin="https://other.example")) is BadSignature


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("kin.example", "https://kin.example"),
        ("KIN.example", "https://kin.example"),
        ("kin.example:443", "https://kin.example"),
        ("127.0.0.2:8001", "http://127.0.0.2:8001"),
    ],
)
def test_our_own_host_in_all_its_spellings(host: str, origin: str) -> None:
    fields = tuple(cavage.sign(IDENTITY, "POST", "/inbox", host, NOW, digest=digest(BODY)).items())
    cavage.verify(request_with(fields, origin=origin), PUBLIC, NOW)
    with pytest.raises(BadSignature):
        cavage.verify(request_with(fields, origin="https://kin.example:8443"), PUBLIC, NOW)


@pytest.mark.parametrize("name", ["keyId", "algorithm", "headers", "signature", "created", "KEYID"])
def test_s_111_repeated_parameters(name: str) -> None:
    header = signed_over(LINES, extra=f'{name}="1",') + f',{name}="1"'
    assert refused(request_with((*FIELDS, ("Signature", header)))) is MalformedActivity


@pytest.mark.parametrize("name", ["Date", "Host", "Digest", "Signature"])
def test_s_112_repeated_fields(name: str) -> None:
    fields = signed_post()
    again = next(field for field in fields if field[0] == name)
    assert refused(request_with((*fields, (again[0].lower(), again[1])))) is MalformedActivity


def test_s_112_other_repeated_fields_are_joined() -> None:
    lines = LINES | {"accept": "a, b"}
    fields = (*FIELDS, ("Accept", "a"), ("accept", "b"), ("Signature", signed_over(lines)))
    assert verified(request_with(fields)) == IDENTITY.key_id


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "rsa-sha1", "none", "rsa-sha512", "ecdsa-sha256", "ed25519", "x"])
def test_s_113_algorithm_confusion(algorithm: str) -> None:
    assert refused(request_with((*FIELDS, ("Signature", signed_over(LINES, algorithm=algorithm))))) is BadSignature


def test_s_113_hmac_keyed_with_the_public_key() -> None:
    message = "\n".join(f"{name}: {value}" for name, value in LINES.items()).encode()
    value = base64.b64encode(hmac.digest(PUBLIC.to_pem().encode(), message, "sha256")).decode()
    for algorithm in ("hmac-sha256", "hs2019"):
        header = f'keyId="{IDENTITY.key_id}",algorithm="{algorithm}",headers="{" ".join(LINES)}",signature="{value}"'
        assert refused(request_with((*FIELDS, ("Signature", header)))) is BadSignature


@pytest.mark.parametrize("algorithm", ["rsa-sha256", "RSA-SHA256", "hs2019", ""])
def test_the_names_by_which_peers_call_it(algorithm: str) -> None:
    header = signed_over(LINES, algorithm=algorithm)
    assert verified(request_with((*FIELDS, ("Signature", header)))) == IDENTITY.key_id


@pytest.mark.parametrize("algorithm", ["ed25519", "hs2019", ""])
def test_ed25519_keys_verify_too(algorithm: str) -> None:
    identity = SigningIdentity("https://peer.example/u/ana#ed25519-key", ED25519)
    header = signed_over(LINES, algorithm=algorithm, key=identity)
    request = request_with((*FIELDS, ("Signature", header)))
    cavage.verify(request, ED25519.public_key(), NOW)
    with pytest.raises(BadSignature):
        cavage.verify(request, PUBLIC, NOW)


def created_lines(created: int) -> dict[str, str]:
    return {
        "(request-target)": "post /inbox",
        "(created)": str(created),
        "host": "kin.example",
        "digest": digest(BODY),
    }


def test_created_stands_in_for_the_date() -> None:
    seconds = int(NOW.timestamp())
    for moment, fits in ((seconds, True), (seconds - 3_900, True), (seconds - 3_901, False), (seconds + 301, False)):
        header = signed_over(created_lines(moment), algorithm="hs2019", extra=f"created={moment},")
        request = request_with((*FIELDS, ("Signature", header)))
        if fits:
            assert verified(request) == IDENTITY.key_id
        else:
            assert refused(request) is BadSignature


def test_created_belongs_to_hs2019_alone() -> None:
    seconds = int(NOW.timestamp())
    header = signed_over(created_lines(seconds), algorithm="rsa-sha256", extra=f"created={seconds},")
    assert refused(request_with((*FIELDS, ("Signature", header)))) is BadSignature


def test_expires_is_honoured() -> None:
    seconds = int(NOW.timestamp())
    for moment, fits in ((seconds + 30, True), (seconds - 300, True), (seconds - 301, False)):
        header = signed_over(LINES, algorithm="hs2019", extra=f"expires={moment},")
        request = request_with((*FIELDS, ("Signature", header)))
        if fits:
            assert verified(request) == IDENTITY.key_id
        else:
            assert refused(request) is BadSignature


GARBAGE = {
    "unbalanced": 'keyId="https://peer.example',
    "no-key": 'signature="AAAA"',
    "no-signature": f'keyId="{IDENTITY.key_id}"',
    "empty-key": 'keyId="",signature="AAAA"',
    "spaced-key": 'keyId="a b",signature="AAAA"',
    "not-base64": f'keyId="{IDENTITY.key_id}",signature="!!"',
    "empty-base64": f'keyId="{IDENTITY.key_id}",signature=""',
    "loose-base64": f'keyId="{IDENTITY.key_id}",signature="AB=="',
    "64-kibibytes": "a" * 65_536,
    "not-ascii": f'keyId="{IDENTITY.key_id}é",signature="AAAA"',
    "control": f'keyId="{IDENTITY.key_id}\x01",signature="AAAA"',
    "backslash": f'keyId="a\\"b",signature="AAAA"{IDENTITY.key_id}',
    "long-key": f'keyId="{"k" * 3_000}",signature="AAAA"',
}


@pytest.mark.parametrize("header", GARBAGE.values(), ids=GARBAGE.keys())
def test_s_120_garbage(header: str) -> None:
    assert refused(request_with((*FIELDS, ("Signature", header)))) is MalformedActivity


@pytest.mark.parametrize("date", ["yesterday", "Mon, 99 Nov 2026 10:00:00 GMT", "0", "Mon, 23 Nov 99999 10:00:00 GMT"])
def test_s_120_dates_that_are_none(date: str) -> None:
    fields = (("Host", "kin.example"), ("Date", date), ("Digest", LINES["digest"]))
    assert refused(request_with((*fields, ("Signature", signed_over(LINES | {"date": date}))))) is MalformedActivity


def test_a_field_listed_twice_is_ambiguous() -> None:
    header = signed_over(LINES).replace("host date", "host date date")
    assert refused(request_with((*FIELDS, ("Signature", header)))) is MalformedActivity


def test_spaces_and_order_do_not_matter() -> None:
    parts = signed_over(LINES).split(",")
    header = " , ".join(reversed(parts)).replace("=", ' = "', 0)
    assert verified(request_with((*FIELDS, ("Signature", header)))) == IDENTITY.key_id


def flip(raw: bytes, position: int) -> bytes:
    flipped = bytearray(raw)
    flipped[position // 8] ^= 1 << position % 8
    return bytes(flipped)


@settings(max_examples=80)
@given(st.data())
def test_a_flipped_bit_never_verifies(data: st.DataObject) -> None:
    """Flip any bit of what is signed, or of the signature: nothing passes, and nothing but our own errors comes."""
    *fields, (_, header) = signed_post()
    signature = cavage.parse_signature(header).signature
    parts = {name: value.encode() for name, value in fields}
    parts |= {"method": b"POST", "target": b"/inbox", "body": BODY, "signature": signature}
    cavage.verify(request_with(signed_post()), PUBLIC, NOW)
    name = data.draw(st.sampled_from(sorted(parts)))
    flipped = flip(parts[name], data.draw(st.integers(0, len(parts[name]) * 8 - 1)))
    if name in ("method", "Host") and flipped.lower() == parts[name].lower():
        return  # these are read without regard to case
    parts[name] = flipped
    header = header.replace(base64.b64encode(signature).decode(), base64.b64encode(parts["signature"]).decode())
    headers = tuple((it, parts[it].decode("latin-1")) for it in ("Host", "Date", "Digest"))
    request = request_with(
        (*headers, ("Signature", header)),
        method=parts["method"].decode("latin-1"),
        target=parts["target"].decode("latin-1"),
        body=parts["body"],
    )
    with pytest.raises(RemoteError):
        cavage.verify(request, PUBLIC, NOW)


@given(st.text(max_size=300))
def test_noise_in_the_header_is_refused_with_a_type(header: str) -> None:
    with pytest.raises(RemoteError):
        inbound.read_claim(request_with((*FIELDS, ("Signature", header))), NOW)


def test_the_key_id_is_known_before_any_key() -> None:
    assert inbound.read_claim(request_with(signed_post()), NOW).key_id == IDENTITY.key_id
