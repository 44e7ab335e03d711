"""Standard Webhooks, judged beside the specification's own library."""

import base64
import hmac
import os
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from generations.providers.signatures import is_signed, refuses

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(os.urandom(24)).decode()
BODY = b'{"task_id": "1", "task_status": "succeed"}'


def headers(secret: str = SECRET, body: bytes = BODY, at: datetime = NOW, name: str = "msg_1") -> dict[str, str]:
    signature = Webhook(secret).sign(name, at, body.decode())
    return {
        "webhook-id": name,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def library_agrees(secret: str, given: dict[str, str], body: bytes) -> bool:
    with time_machine.travel(NOW, tick=False):
        try:
            Webhook(secret).verify(body, given, json_parse=False)
        except WebhookVerificationError:
            return False
    return True


def test_the_specifications_own_example_is_signed() -> None:
    sent = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    assert is_signed(SECRET, sent, b'{"test": 2432232314}', datetime.fromtimestamp(1614265330, UTC))


@settings(max_examples=25, deadline=None)
@given(body=st.text(), secret=st.binary(min_size=1, max_size=64), seconds=st.integers(-600, 600))
def test_what_the_library_signs_is_signed_within_five_minutes(body: str, secret: bytes, seconds: int) -> None:
    whole = f"whsec_{base64.b64encode(secret).decode()}"
    content = body.encode(errors="replace")
    given_headers = headers(whole, content, NOW + timedelta(seconds=seconds))
    judged = is_signed(whole, given_headers, content, NOW)
    assert judged == library_agrees(whole, given_headers, content) == (abs(seconds) <= 300)


@pytest.mark.parametrize("prefix", ["whsec_", ""])
@pytest.mark.parametrize("padded", [True, False])
def test_a_secret_is_taken_as_the_console_or_a_person_may_write_it(prefix: str, padded: bool) -> None:
    encoded = base64.b64encode(b"a secret of a length that needs padding").decode()
    given_headers = headers(encoded)
    assert is_signed(prefix + (encoded if padded else encoded.rstrip("=")), given_headers, BODY, NOW)


@pytest.mark.parametrize("order", [1, -1])
def test_one_right_signature_of_several_is_enough(order: int) -> None:
    signatures = [headers(OTHER)["webhook-signature"], headers()["webhook-signature"]][::order]
    both = headers() | {"webhook-signature": " ".join(signatures)}
    assert is_signed(SECRET, both, BODY, NOW)
    assert library_agrees(SECRET, both, BODY)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        {"webhook-timestamp": "9" * 400},
        {"webhook-timestamp": "nan"},
        {"webhook-timestamp": "١٢٣"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v1,ä"},
        {"webhook-signature": headers()["webhook-signature"].replace("v1,", "v2,")},
        {"webhook-signature": headers()["webhook-signature"].removeprefix("v1,")},
        {"webhook-signature": headers(OTHER)["webhook-signature"]},
        {"webhook-signature": "v1,AAAA " * 5000 + headers()["webhook-signature"]},
    ],
)
def test_a_call_with_another_name_time_or_signature_is_forged(change: dict[str, str]) -> None:
    assert not is_signed(SECRET, headers() | change, BODY, NOW)


def test_another_body_is_forged() -> None:
    assert not is_signed(SECRET, headers(), BODY + b" ", NOW)


@pytest.mark.parametrize("secret", ["whsec_", "whsec_!!!", "whsec_a", ""])
def test_nothing_is_signed_with_a_secret_that_is_none(secret: str) -> None:
    empty = headers() | {"webhook-signature": "v1," + base64.b64encode(_digest_with_nothing()).decode()}
    assert not is_signed(secret, empty, BODY, NOW)
    assert refuses(secret).startswith("A webhook secret is whsec_")


def test_a_right_secret_is_not_refused() -> None:
    assert refuses(SECRET) == ""


def _digest_with_nothing() -> bytes:
    return hmac.digest(b"", f"msg_1.{int(NOW.timestamp())}.".encode() + BODY, "sha256")
