"""What Kling and the relays that speak like it share: the envelope, the code table and the view of a task.

Source: the error code page of Kling's own documentation as read on 20 November 2026, and the image generation page.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

import httpx

from generations.providers import errors
from generations.providers.exchange import Cost, Listed, Output, Progress

HTTP_OK = 200
LONGEST_WAIT = 3600.0  # seconds; no provider's advice is taken for longer

# Kling's code --> our error and the sentence for people. HTTP 429 alone says nothing: six codes share it.
CODES: Mapping[int, tuple[type[errors.ProviderError], str]] = {
    1000: (errors.AccountTrouble, "Kling refused the key. An admin has to check it."),
    1001: (errors.AccountTrouble, "Kling says that no key was sent. An admin has to enter it again."),
    1002: (errors.AccountTrouble, "Kling does not know this key. An admin has to check the key and its region."),
    1003: (
        errors.AccountTrouble,
        "Kling says that the key is not valid yet. Check the server's clock.",
    ),
    1004: (
        errors.AccountTrouble,
        "Kling says that the key has expired. Check it and the server's clock.",
    ),
    1100: (errors.AccountTrouble, "Kling reports trouble with the account. An admin has to look at it at Kling."),
    1101: (errors.OutOfCredit, "Kling's account is in arrears. An admin has to pay the open bill."),
    1102: (errors.OutOfCredit, "Kling's resource pack is used up or has expired. An admin has to buy another."),
    1103: (errors.ModelUnavailable, ""),
    1200: (errors.Refused, ""),
    1201: (errors.Refused, ""),
    1202: (errors.Refused, "Kling does not know this kind of request. Please report it."),
    1203: (errors.NotFound, ""),
    1300: (errors.Moderated, ""),
    1301: (errors.Moderated, ""),
    1302: (errors.Busy, ""),
    1303: (errors.Busy, ""),
    1304: (
        errors.AccountTrouble,
        "Kling refuses this server's address. An admin has to allow it at Kling.",
    ),
    5000: (errors.Unavailable, ""),
    5001: (errors.Unavailable, ""),
    5002: (errors.Unavailable, ""),
}

# Kling's word --> ours. Words that are not here mean "still running".
STATUSES = {"submitted": "running", "processing": "running", "succeed": "succeeded", "failed": "failed"}

# Failed tasks give their reason as free text: classified loosely, as seen in three clients by 20 November 2026.
MODERATION = re.compile(r"risk|sensitive|securit.*polic|content polic|prohibit|violat|illegal", re.IGNORECASE)


def sign(access_key: str, secret_key: str, now: datetime) -> str:
    """A JWT for the legacy pair of keys: HS256, good for half an hour, and from a little before now."""
    moment = int(now.timestamp())
    claims = {"iss": access_key, "exp": moment + 1800, "nbf": moment - 5}
    text = f"{_base64url({'alg': 'HS256', 'typ': 'JWT'})}.{_base64url(claims)}"
    signature = hmac.digest(secret_key.encode(), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def read_code(value: object) -> int | None:
    """Kling's code as a number; relays and gateways also write it as text or with a point."""
    try:
        return int(float(str(value)))
    except (ValueError, OverflowError):
        return None


def read_envelope(response: httpx.Response) -> object:
    """The `data` of an answer whose code is 0; anything else raises the error that its code stands for."""
    body = read_json(response)
    code = read_code(body.get("code"))
    if response.status_code == HTTP_OK and code == 0:
        return body.get("data")
    raise error_of(response, code, str(body.get("message") or ""))


def read_json(response: httpx.Response) -> dict[str, object]:
    """The answer as an object. A gateway's HTML page or broken JSON is Unreadable."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise errors.Unreadable(code=f"HTTP {response.status_code}", details=response.text[:300])
    return body


def error_of(response: httpx.Response, code: int | None, message: str) -> errors.ProviderError:
    """The error that a refusal stands for."""
    kind, sentence = CODES.get(code or -1, (_by_status(response.status_code), ""))
    told = code if code is not None else f"HTTP {response.status_code}"
    return kind(sentence, code=str(told), details=message.replace("\x00", "")[:300], retry_after=_retry_after(response))


def listed(data: object) -> tuple[Listed, ...]:
    """The tasks of a list answer; what is no task is passed over."""
    tasks = [each for each in data if isinstance(each, dict) and each.get("task_id")] if isinstance(data, list) else []
    return tuple(Listed(str(each["task_id"]), _external_id(each), progress_of(each)) for each in tasks)


def read_task(data: object) -> dict[str, object]:
    """The object that describes one task, or Unreadable."""
    if not isinstance(data, dict) or not data.get("task_id"):
        raise errors.Unreadable(details="The answer names no task_id.")
    return data


def progress_of(task: Mapping[str, object]) -> Progress:
    """Where a task is, from Kling's own view of it. A success without pictures is not one yet."""
    state = STATUSES.get(str(task.get("task_status", "")).lower(), "running")
    known = str(task.get("task_id") or "")
    reason = str(task.get("task_status_msg") or "").replace("\x00", "")[:300]
    if state == "failed":
        return Progress("failed", known, reason=reason, moderated=bool(MODERATION.search(reason)))
    outputs = _outputs(task.get("task_result"))
    if state == "succeeded" and outputs:
        return Progress("succeeded", known, outputs=outputs, cost=_cost(task.get("final_unit_deduction")))
    return Progress("running", known)


def _base64url(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _by_status(status: int) -> type[errors.ProviderError]:
    if status in (401, 403):
        return errors.AccountTrouble
    if status == 429:
        return errors.Busy
    return errors.Refused if 400 <= status < 500 else errors.Unavailable


def _external_id(task: Mapping[str, object]) -> str:
    info = task.get("task_info")
    return str(info.get("external_task_id") or "") if isinstance(info, dict) else ""


def _outputs(result: object) -> tuple[Output, ...]:
    images = result.get("images") if isinstance(result, dict) else None
    found = [each for each in images if isinstance(each, dict) and each.get("url")] if isinstance(images, list) else []
    return tuple(Output(index, str(each["url"])) for index, each in enumerate(found))


def _cost(units: object) -> Cost | None:
    try:
        return Cost(Decimal(str(units)), "unit")
    except InvalidOperation:
        return None


def _retry_after(response: httpx.Response) -> float | None:
    value = response.headers.get("retry-after", "")
    return min(float(value), LONGEST_WAIT) if value.isascii() and value.isdecimal() else None
