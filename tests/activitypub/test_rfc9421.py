"""HTTP message signatures (RFC 9421), the part of them that the fediverse speaks."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from apsig.rfc9421 import RFC9421Signer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import BadSignature, MalformedActivity, RemoteError
from activitypub.signatures import inbound, rfc9421
from activitypub.signatures.digest import content_digest
from activitypub.signatures.keys import PrivateKey, PublicKey, SigningIdentity, generate_ed25519_key, generate_rsa_key
from activitypub.signatures.messages import SignedRequest, fields_of

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
RSA_KEY = generate_rsa_key()
ED25519_KEY = generate_ed25519_key()
IDENTITY = SigningIdentity("https://peer.example/u/ana#main-key", RSA_KEY)
ED25519_IDENTITY = SigningIdentity("https://peer.example/u/ana#ed25519-key", ED25519_KEY)
BODY = b'{"type":"Create"}'
ORIGIN = "https://kin.example"
Headers = tuple[tuple[str, str], ...]


def request_with(
    headers: Headers, *, method: str = "POST", target: str = "/inbox?a=1", body: bytes = BODY, origin: str = ORIGIN
) -> SignedRequest:
    return SignedRequest(method, target, origin, headers, body)


def signed_post(
    identity: SigningIdentity = IDENTITY, now: datetime = NOW, url: str = f"{ORIGIN}/inbox?a=1"
) -> dict[str, str]:
    fields = rfc9421.sign(identity, "POST", url, now, content_digest=content_digest(BODY))
    return {"Host": "kin.example"} | fields


def as_headers(fields: dict[str, str]) -> Headers:
    return tuple(fields.items())


def signed_over(
    lines: dict[str, str], parameters: str, identity: SigningIdentity = IDENTITY, label: str = "sig1"
) -> dict[str, str]:
    """Sign any lines with any parameters."""
    covered = " ".join(f'"{name}"' for name in lines)
    text = f"({covered}){parameters}"
    base = "\n".join([*(f'"{name}": {value}' for name, value in lines.items()), f'"@signature-params": {text}'])
    signature = base64.b64encode(identity.private_key.sign(base.encode())).decode()
    return {
        "Host": "kin.example",
        "Content-Digest": content_digest(BODY),
        "Signature-Input": f"{label}={text}",
        "Signature": f"{label}=:{signature}:",
    }


LINES = {
    "@method": "POST",
    "@target-uri": f"{ORIGIN}/inbox?a=1",
    "content-digest": content_digest(BODY),
}
PARAMETERS = f';created={int(NOW.timestamp())};keyid="{IDENTITY.key_id}"'


def verified(request: SignedRequest, key: PrivateKey = RSA_KEY) -> str:
    """The id of the key with which a request is verified."""
    rfc9421.verify(request, key.public_key(), NOW)
    return rfc9421.read_claim(request, NOW).key_id


def refused(request: SignedRequest) -> type[RemoteError]:
    """The error with which a request is refused; the correct one passes."""
    assert verified(request_with(as_headers(signed_post()))) == IDENTITY.key_id
    with pytest.raises(RemoteError) as refusal:
        rfc9421.verify(request, RSA_KEY.public_key(), NOW)
    return BadSignature if issubclass(refusal.type, BadSignature) else refusal.type  # a forged one is bad, too


@pytest.mark.parametrize("identity", [IDENTITY, ED25519_IDENTITY])
def test_ours_is_verified_through_the_one_door(identity: SigningIdentity) -> None:
    request = request_with(as_headers(signed_post(identity)))
    claim = inbound.read_claim(request, NOW)
    assert (claim.dialect, claim.key_id) == ("rfc9421", identity.key_id)
    claim.confirmed_by(identity.private_key.public_key())
    other = RSA_KEY if identity is ED25519_IDENTITY else ED25519_KEY
    with pytest.raises(BadSignature):
        claim.confirmed_by(other.public_key())


def test_a_get_needs_no_digest() -> None:
    fields = {"Host": "kin.example"} | rfc9421.sign(IDENTITY, "GET", f"{ORIGIN}/u/1", NOW)
    rfc9421.verify(request_with(as_headers(fields), method="GET", target="/u/1", body=b""), RSA_KEY.public_key(), NOW)
    with pytest.raises(ValueError, match="digest"):
        rfc9421.sign(IDENTITY, "POST", f"{ORIGIN}/inbox", NOW)


def test_what_apsig_signs_is_verified() -> None:
    signer = RFC9421Signer(RSA_KEY.material, IDENTITY.key_id)
    signer.sign_headers = ["date", "@method", "@path", "@authority", "content-digest"]
    headers = {"content-digest": content_digest(BODY), "date": "Mon, 23 Nov 2026 10:00:00 GMT"}
    fields = signer.sign("POST", "/inbox", "kin.example", headers, BODY)
    fields |= {"content-digest": content_digest(BODY), "host": "kin.example"}  # it overwrites the field afterwards
    request = request_with(as_headers(fields), target="/inbox")
    rfc9421.verify(request, RSA_KEY.public_key(), datetime.now(UTC))
    assert inbound.read_claim(request, datetime.now(UTC)).key_id == IDENTITY.key_id


def test_the_example_of_the_specification() -> None:
    """RFC 9421 appendix B.2.6: the base is built as printed there, and the printed signature fits."""
    spki = "MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="
    pem = f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----"
    key = serialization.load_pem_public_key(pem.encode())
    assert isinstance(key, ed25519.Ed25519PublicKey)
    headers = (
        ("Host", "example.com"),
        ("Date", "Tue, 20 Apr 2021 02:07:55 GMT"),
        ("Content-Type", "application/json"),
        ("Content-Length", "18"),
    )
    claimed = rfc9421.parse_input(
        'sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length")'
        ';created=1618884473;keyid="test-key-ed25519"'
    )
    request = SignedRequest("POST", "/foo?param=Value&Pet=dog", "https://example.com", headers, b'{"hello": "world"}')
    base = rfc9421.signature_base(claimed, request, fields_of(request))
    signature = base64.b64decode(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    assert PublicKey(key).confirms(signature, base)
    assert not PublicKey(key).confirms(signature, base + b" ")


COVERINGS = [
    {"@method": "POST", "@authority": "kin.example", "@request-target": "/inbox?a=1"},
    {"@method": "POST", "@authority": "kin.example", "@path": "/inbox", "@query": "?a=1"},
    {"@method": "POST", "@target-uri": f"{ORIGIN}/inbox?a=1", "@scheme": "https", "host": "kin.example"},
]


@pytest.mark.parametrize("lines", COVERINGS, ids="+".join)
def test_other_ways_to_cover_the_whole_target(lines: dict[str, str]) -> None:
    fields = signed_over(lines | {"content-digest": content_digest(BODY)}, PARAMETERS)
    rfc9421.verify(request_with(as_headers(fields)), RSA_KEY.public_key(), NOW)
    with pytest.raises(BadSignature):
        rfc9421.verify(request_with(as_headers(fields), target="/inbox?a=2"), RSA_KEY.public_key(), NOW)


@pytest.mark.parametrize("left_out", LINES)
def test_s_104_every_omission(left_out: str) -> None:
    lines = {name: value for name, value in LINES.items() if name != left_out}
    assert refused(request_with(as_headers(signed_over(lines, PARAMETERS)))) is BadSignature


def test_a_path_without_its_query_is_not_the_whole_target() -> None:
    lines = {"@method": "POST", "@authority": "kin.example", "@path": "/inbox", "content-digest": content_digest(BODY)}
    assert refused(request_with(as_headers(signed_over(lines, PARAMETERS)))) is BadSignature


@pytest.mark.parametrize(
    ("age", "fits"),
    [
        (timedelta(minutes=65), True),
        (timedelta(minutes=65, seconds=1), False),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, seconds=-1), False),
    ],
)
def test_s_105_the_window(age: timedelta, fits: bool) -> None:
    request = request_with(as_headers(signed_post(now=NOW - age)))
    if fits:
        assert verified(request) == IDENTITY.key_id
    else:
        assert refused(request) is BadSignature


def test_expires_is_honoured() -> None:
    for moment, fits in ((NOW, True), (NOW - timedelta(seconds=300), True), (NOW - timedelta(seconds=301), False)):
        request = request_with(as_headers(signed_over(LINES, f"{PARAMETERS};expires={int(moment.timestamp())}")))
        if fits:
            assert verified(request) == IDENTITY.key_id
        else:
            assert refused(request) is BadSignature


def test_s_102_s_107_for_another_body_path_host_or_method() -> None:
    good = as_headers(signed_post())
    assert refused(request_with(good, body=BODY + b" ")) is BadSignature
    assert refused(request_with(good, target="/u/1/inbox")) is BadSignature
    assert refused(request_with(good, origin="https://other.example")) is BadSignature
    assert refused(request_with(good, method="PUT")) is BadSignature


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "rsa-pss-sha512", "ecdsa-p256-sha256", "ed25519", "none"])
def test_s_113_algorithm_confusion(algorithm: str) -> None:
    assert refused(request_with(as_headers(signed_over(LINES, f'{PARAMETERS};alg="{algorithm}"')))) is BadSignature


def test_the_algorithm_may_be_named() -> None:
    fields = signed_over(LINES, f'{PARAMETERS};alg="rsa-v1_5-sha256"')
    assert verified(request_with(as_headers(fields))) == IDENTITY.key_id
    fields = signed_over(LINES, f'{PARAMETERS};alg="ed25519"', ED25519_IDENTITY)
    assert verified(request_with(as_headers(fields)), ED25519_KEY) == IDENTITY.key_id


MALFORMED_PARAMETERS = [
    ";created=yesterday",
    ";created=-1" + f';keyid="{IDENTITY.key_id}"',
    ';created="1"' + f';keyid="{IDENTITY.key_id}"',
    f";created={int(NOW.timestamp())}",
    f";created={int(NOW.timestamp())};keyid=5",
    f"{PARAMETERS};created=5",
    f"{PARAMETERS};alg=5",
    f"{PARAMETERS};flag",
    f"{PARAMETERS}, sig2=()",
]


@pytest.mark.parametrize("parameters", MALFORMED_PARAMETERS)
def test_s_111_parameters_that_cannot_be_read(parameters: str) -> None:
    assert refused(request_with(as_headers(signed_over(LINES, parameters)))) is MalformedActivity


def test_without_a_time_it_is_no_signature() -> None:
    assert refused(request_with(as_headers(signed_over(LINES, f';keyid="{IDENTITY.key_id}"')))) is BadSignature


@pytest.mark.parametrize("name", ["Host", "Content-Digest", "Signature", "Signature-Input"])
def test_s_112_repeated_fields(name: str) -> None:
    fields = signed_post()
    assert refused(request_with((*as_headers(fields), (name.lower(), fields[name])))) is MalformedActivity


def test_two_labels_do_not_fit() -> None:
    fields = signed_post()
    fields["Signature"] = fields["Signature"].replace("sig1", "sig2")
    assert refused(request_with(as_headers(fields))) is MalformedActivity


@pytest.mark.parametrize("covered", ['"@method" "@method"', '"@method";req', "@method", '"@method""@path"', '"date'])
def test_components_that_cannot_be_read(covered: str) -> None:
    with pytest.raises(MalformedActivity):
        rfc9421.parse_input(f"sig1=({covered}){PARAMETERS}")
    assert rfc9421.parse_input(f'sig1=("@method" "@path"){PARAMETERS}').covered == ("@method", "@path")


def test_spaces_are_written_out_in_one_way() -> None:
    claimed = rfc9421.parse_input('sig1=(  "@method"   "@path" ); created=1; keyid="k"')
    assert claimed.text == '("@method" "@path");created=1;keyid="k"'


def test_a_component_that_the_request_lacks() -> None:
    assert refused(request_with(as_headers(signed_over(LINES | {"x-missing": ""}, PARAMETERS)))) is BadSignature
    assert refused(request_with(as_headers(signed_over(LINES | {"@unheard-of": ""}, PARAMETERS)))) is BadSignature


def test_a_cavage_signature_beside_a_foreign_signature_input_is_read_as_cavage() -> None:
    headers = (("Signature-Input", 'proxy=("@method");created=1'), ("Signature", 'keyId="k",signature="AAAA"'))
    with pytest.raises(BadSignature, match="uncovered"):
        inbound.read_claim(request_with(headers), NOW)


@given(st.data())
def test_a_flipped_bit_never_verifies(data: st.DataObject) -> None:
    fields = signed_post(ED25519_IDENTITY)
    claimed = rfc9421.read_claim(request_with(as_headers(fields)), NOW)
    claimed.confirmed_by(ED25519_KEY.public_key())
    part = data.draw(st.sampled_from(["Host", "Content-Digest", "Signature-Input", "Signature"]))
    position = data.draw(st.integers(0, len(fields[part]) - 1))
    flipped = chr(ord(fields[part][position]) ^ 1 << data.draw(st.integers(0, 6)))
    if part == "Host" and flipped.lower() == fields[part][position].lower():
        return  # read without regard to case
    text = fields[part]
    fields[part] = text[:position] + flipped + text[position + 1 :]
    with pytest.raises(RemoteError):
        rfc9421.verify(request_with(as_headers(fields)), ED25519_KEY.public_key(), NOW)


@given(st.text(max_size=200), st.text(max_size=200))
def test_noise_is_refused_with_a_type(signature_input: str, signature: str) -> None:
    headers = (("Host", "kin.example"), ("Signature-Input", signature_input), ("Signature", signature))
    with pytest.raises(RemoteError):
        inbound.read_claim(request_with(headers), NOW)
