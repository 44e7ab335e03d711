"""The sandbox's keys and how they are checked. Nothing here is a secret: they open nothing but the sandbox."""

import base64
import binascii
import hashlib
import hmac
import json
from enum import Enum
from typing import Any

API_KEY = "sandbox-key"
ACCESS_KEY = "sandbox-access"
SECRET_KEY = "sandbox-secret"  # noqa: S105 - written in the README
USEAPI_TOKEN = "user:1-sandbox-key"  # noqa: S105 - nothing here is secret
APIMODELS_KEY = "sk_sandbox-key"
WEBHOOK_SECRET = "whsec_c2FuZGJveC13ZWJob29rLXNlY3JldA=="  # noqa: S105 - what Kling signs its callbacks with


class Standing(Enum):
    """What becomes of a request's Authorization header."""

    RIGHT = 0
    MISSING = 1
    WRONG = 2
    EARLY = 3
    """A signed token that is not valid yet."""
    EXPIRED = 4


def is_api_key(authorization: str, key: str = API_KEY) -> bool:
    """Whether the header is this key as Bearer, which is all that most providers know."""
    return hmac.compare_digest(authorization.encode(), f"Bearer {key}".encode())


def standing(authorization: str, now_ms: int) -> Standing:
    """Judge the header: the API key as Bearer, or a signed token made from the access key and the secret key."""
    if not authorization.strip():
        return Standing.MISSING
    if is_api_key(authorization):
        return Standing.RIGHT
    scheme, _, value = authorization.partition(" ")
    if scheme != "Bearer":
        return Standing.WRONG
    return _standing_of_token(value, now_ms / 1000)


def _standing_of_token(token: str, now: float) -> Standing:
    """Kling's legacy JWT: HS256 with the claims iss, exp and nbf in Unix seconds (api authentication, see RFC 7519)."""
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(_decoded(part)) for part in signed.split("."))
        ours = hmac.compare_digest(_decoded(signature), _sign(signed))
        if not ours or header["alg"] != "HS256" or claims["iss"] != ACCESS_KEY:
            return Standing.WRONG
        return _standing_in_time(claims, now)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return Standing.WRONG


def _standing_in_time(claims: dict[str, Any], now: float) -> Standing:
    begins, ends = float(claims["nbf"]), float(claims["exp"])
    if now < begins:
        return Standing.EARLY
    return Standing.RIGHT if now < ends else Standing.EXPIRED


def _sign(text: str) -> bytes:
    return hmac.digest(SECRET_KEY.encode(), text.encode(), hashlib.sha256)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
