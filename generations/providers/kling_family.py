"""What Kling and the relays that speak like it share: the body of a request, the envelope, the codes, a task's view.

Source: the error code page of Kling's own documentation as read on 20 November 2026, and the image generation page.
"""

import base64
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from urllib.parse import quote

import httpx

from generations.providers import errors
from generations.providers.exchange import Account, Cost, Listed, Order, Output, Progress, State, not_yet
from generations.providers.fields import Elements, Field, Picture, Switch
from generations.providers.spec import Answers, Operation

LONGEST_WAIT = 3600.0  # seconds; no provider's advice is taken for longer
LONGEST_ID = 200

Codes = Mapping[int, tuple[type[errors.ProviderError], str]]

# Kling's code --> our error and the sentence for people. HTTP 429 alone says nothing: six codes share it.
CODES: Codes = {
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
STATUSES: Mapping[str, State] = {
    "submitted": "running",
    "processing": "running",
    "succeed": "succeeded",
    "failed": "failed",
}
ANSWERS = Answers(
    words=STATUSES,
    named=frozenset({"task_status"}),
    places=(
        "code",
        "message",
        "data.task_id",
        "data.task_status",
        "data.task_status_msg",
        "data.task_result.images[].url",
        "data.task_result.series_images[].url",
        "data.final_unit_deduction",
    ),
)

# Failed tasks give their reason as free text: classified loosely, as seen in three clients by 20 November 2026.
MODERATION = re.compile(r"risk|sensitive|securit.*polic|content polic|prohibit|violat|illegal", re.IGNORECASE)


def body_of(operation: Operation, order: Order) -> dict[str, object]:
    """The values of an order as Kling's JSON. Pictures of a list stand there one after the other, without gaps."""
    given = [each for each in operation.fields if order.values.get(each.name) is not None]
    asks_for_calls = order.callback_url and operation.webhook
    body: dict[str, object] = {operation.webhook: order.callback_url} if asks_for_calls else {}
    lists: dict[str, list[object]] = {}
    for each in given:
        if isinstance(each, Picture) and each.parameter:
            picture = order.pictures[each.name]
            body[each.parameter] = row = lists.setdefault(each.parameter, [])
            row.append({each.key: picture} if each.key else picture)
        else:
            body[each.name] = _wire(each, order)
    return body


def address_of(operation: Operation, task_id: str, account: Account) -> str:
    """Where a task of this operation is asked about."""
    return f"{account.base_url}{operation.path}/{quote(task_id, safe='')}"


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
    """The `data` of an answer whose code is 0; anything else raises the error that its code stands for.

    A gateway may have given another HTTP status to an answer that is whole, or left its code out: what it says counts.
    """
    body = read_json(response)
    code, data = read_code(body.get("code")), body.get("data")
    if (code == 0 and (response.is_success or data)) or ("code" not in body and response.is_success and data):
        return data
    raise error_of(response, code, str(body.get("message") or ""))


def read_json(response: httpx.Response) -> dict[str, object]:
    """The answer as an object. A gateway's HTML page or broken JSON is Unreadable, unless its status says no."""
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = errors.Busy if response.status_code == 429 else errors.Unreadable  # a gateway's 429 lets nothing through
        words = response.content[:300].decode(errors="replace")
        raise kind(code=f"HTTP {response.status_code}", details=words, retry_after=retry_after(response))
    return body


def error_of(response: httpx.Response, code: int | None, message: str, codes: Codes = CODES) -> errors.ProviderError:
    """The error that a refusal stands for."""
    kind, sentence = codes.get(code or -1, (by_status(response.status_code), ""))
    told = code if code is not None else f"HTTP {response.status_code}"
    return kind(sentence, code=str(told), details=readable(message), retry_after=retry_after(response))


def by_status(status: int) -> type[errors.ProviderError]:
    """The error for an HTTP status whose answer says no more."""
    if status in (401, 403):
        return errors.AccountTrouble
    if status == 429:
        return errors.Busy
    if status < 400:
        return errors.Unreadable
    return errors.Refused if status < 500 else errors.Unavailable


def readable(words: object) -> str:
    """A provider's own words, as they are kept."""
    return str(words or "").replace("\x00", "").encode(errors="replace").decode()[:300]


def read_id(value: object) -> str:
    """A task's id as text: some write it as a number. Empty where it is none."""
    text = str(value) if value and isinstance(value, str | int) and value is not True else ""
    return text if text.isprintable() and len(text) <= LONGEST_ID else ""


def retry_after(response: httpx.Response) -> float | None:
    """The provider's advice in seconds, where it gives one."""
    value = response.headers.get("retry-after", "")
    return min(float(value), LONGEST_WAIT) if value.isascii() and value.isdecimal() else None


def listed(data: object) -> tuple[Listed, ...]:
    """The tasks of a list answer; what is no task is passed over."""
    tasks = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    found = [(read_id(each.get("task_id")), each) for each in tasks]
    return tuple(Listed(known, _external_id(each), progress_of(each)) for known, each in found if known)


def read_task(data: object) -> dict[str, object]:
    """The object that describes one task, or Unreadable."""
    if not isinstance(data, dict) or not read_id(data.get("task_id")):
        raise errors.Unreadable(details="The answer names no task_id.")
    return data


def progress_of(task: Mapping[str, object]) -> Progress:
    """Where a task is, from Kling's own view of it. A success without pictures is not one yet."""
    word = str(task.get("task_status") or "").strip().lower()
    state = STATUSES.get(word, "running")
    known = read_id(task.get("task_id"))
    reason = readable(task.get("task_status_msg"))
    if state == "failed":
        return Progress("failed", known, reason=reason, moderated=bool(MODERATION.search(reason)))
    outputs = outputs_of(task.get("task_result"))
    if state == "succeeded" and outputs:
        return Progress("succeeded", known, outputs=outputs, cost=_cost(task.get("final_unit_deduction")))
    return not_yet(known, word, STATUSES)


def outputs_of(result: object) -> tuple[Output, ...]:
    """The pictures of a task's result: single ones and those of a series stand in lists of their own."""
    if not isinstance(result, dict):
        return ()
    lists = [found for name in ("images", "series_images") if isinstance(found := result.get(name), list)]
    urls = [each["url"] for found in lists for each in found if isinstance(each, dict) and each.get("url")]
    return tuple(Output(index, str(url)) for index, url in enumerate(urls))


def _wire(each: Field, order: Order) -> object:
    value = order.values[each.name]
    if isinstance(each, Picture):
        return order.pictures[each.name]
    if isinstance(each, Elements):
        return [{"element_id": int(part)} for part in str(value).split(",")]
    if isinstance(each, Switch):
        return {"enabled": value}
    return int(str(value)) if each.meaning == "series" and value != "auto" else value


def _base64url(part: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part, separators=(",", ":")).encode()).rstrip(b"=").decode()


def _external_id(task: Mapping[str, object]) -> str:
    info = task.get("task_info")
    return str(info.get("external_task_id") or "") if isinstance(info, dict) else ""


def _cost(units: object) -> Cost | None:
    try:
        return Cost(Decimal(str(units)), "unit")
    except InvalidOperation:
        return None
