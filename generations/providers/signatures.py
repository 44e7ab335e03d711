"""Standard Webhooks: the signature that Kling puts on its calls once a webhook secret was made in its console.

Pages: "Callback" of Kling's API documentation, and the specification of Standard Webhooks; both checked on
21 November 2026.
"""

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import datetime

TOLERANCE = 300  # seconds; an older call may be one that somebody has recorded
MOST_SIGNATURES = 10  # there are two while a secret is being replaced


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> bool:
    """Whether the headers hold a signature of this very body, made with the secret within the last five minutes."""
    name, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not _is_recent(moment, now):
        return False
    if not (key := _key(secret)):
        return False
    digest = hmac.digest(key, f"{name}.{moment}.".encode() + body, "sha256")
    ours = b"v1," + base64.b64encode(digest)
    given = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    return any(hmac.compare_digest(each.encode(), ours) for each in given)


def refuses(secret: str) -> str:
    """Why this cannot be a webhook secret, as a sentence; empty where it can."""
    return "" if _key(secret) else "A webhook secret is whsec_ and letters and digits behind it. Copy all of it again."


def _key(secret: str) -> bytes:
    """The key in the secret; empty where it is malformed. As the specification's own library: unpadded too."""
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return b""


def _is_recent(moment: str, now: datetime) -> bool:
    is_number = moment.isascii() and moment.isdecimal() and len(moment) < 16
    return is_number and abs(now.timestamp() - int(moment)) <= TOLERANCE
