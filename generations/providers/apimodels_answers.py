"""What apimodels.app answers, read: its envelope, its errors, a task, a file, a record and the balance.

Pages: "Kling Image API", "Files" and "Account" of apimodels.app, and its own published client; checked on 20 November
2026.
"""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import httpx

from generations.providers import errors
from generations.providers.exchange import Checkup, Cost, Output, Progress, State, Submission, Uploaded, not_yet
from generations.providers.kling_family import MODERATION, Codes, by_status, read_code, read_id, readable, retry_after
from generations.providers.spec import Answers

View = Mapping[str, object]

# STATUSES: apimodels' word --> ours. Words that are not here mean "still running".
STATUSES: Mapping[str, State] = {
    "pending": "running",
    "processing": "running",
    "completed": "succeeded",
    "failed": "failed",
}
ANSWERS = Answers(
    words=STATUSES,
    named=frozenset({"state"}),
    places=(
        "code",
        "msg",
        "data.taskId",
        "data.state",
        "data.resultUrls[]",
        "data.failMsg",
        "data.failCode",
    ),
)

# ERRORS: the body's code, which is an HTTP status and may come with HTTP 200, or else the HTTP status --> ours.
ERRORS: Codes = {
    400: (errors.Refused, ""),
    401: (errors.AccountTrouble, "apimodels.app does not know this key. An admin has to check it."),
    402: (errors.OutOfCredit, ""),
    403: (errors.AccountTrouble, "apimodels.app refuses this key or this server. An admin has to look at it there."),
    404: (errors.NotFound, ""),
    408: (errors.Unavailable, ""),
    422: (errors.Moderated, ""),
    429: (errors.Busy, ""),
}


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, or the error that the code stands for."""
    if known := read_id(_read_first(response).get("taskId")):
        return Submission(known)
    raise _unreadable(response)


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is. A success without pictures is not one yet."""
    data = _read(response)
    known, word = read_id(data.get("taskId")), _text(data.get("state")).lower()
    if not (known or word):
        raise _unreadable(response)
    state = STATUSES.get(word, "running")
    if state == "failed":
        return _failed(known, data)
    outputs = tuple(Output(index, url) for index, url in enumerate(_addresses(data)))
    return Progress("succeeded", known, outputs) if state == "succeeded" and outputs else not_yet(known, word, STATUSES)


def parse_upload(response: httpx.Response) -> Uploaded:
    """Where the file is, for seven days."""
    if address := _text(_read_first(response).get("publicUrl")):
        return Uploaded(address)
    raise _unreadable(response)


def parse_costs(response: httpx.Response) -> Cost | None:
    """What the task did cost, which stands once it is settled. A failed one is free."""
    data = _read(response)
    if data.get("settled") is not True:
        return Cost(Decimal(0), "USD") if STATUSES.get(_text(data.get("state"))) == "failed" else None
    amount = _amount(data.get("credits"))
    return None if amount is None else Cost(amount, "USD")


def parse_checkup(response: httpx.Response) -> Checkup:
    """What is left."""
    left = _amount(_read_first(response).get("balance"))
    if left is None:
        raise _unreadable(response)
    return Checkup(f"${left:,.2f} left", left=left)


def _read(response: httpx.Response) -> View:
    """The `data` of an answer that is no refusal: its code decides where it has one, else its HTTP status."""
    body = _object(response.content)
    code = read_code(body.get("code"))
    status = code if code is not None and 200 <= code < 600 else response.status_code
    if not 200 <= status < 300:
        raise _error(response, status, body)
    data = body.get("data")
    if not isinstance(data, dict):
        raise _unreadable(response)
    return data


def _read_first(response: httpx.Response) -> View:
    """The same where there is no task yet: what is not found is the address."""
    try:
        return _read(response)
    except errors.NotFound as error:
        sentence = "apimodels.app does not know this address. An admin has to check the credential's base URL."
        raise errors.AccountTrouble(sentence, code=error.code, details=error.details) from error


def _error(response: httpx.Response, status: int, body: View) -> errors.ProviderError:
    kind, sentence = ERRORS.get(status, (by_status(status), ""))
    inner = _object(body.get("error")).get("message")
    words = _text(body.get("msg")) or _text(inner) or _text(body.get("error")) or _beginning(response)
    return kind(sentence, code=str(status), details=readable(words), retry_after=retry_after(response))


def _unreadable(response: httpx.Response) -> errors.Unreadable:
    return errors.Unreadable(code=f"HTTP {response.status_code}", details=_beginning(response))


def _beginning(response: httpx.Response) -> str:
    return readable(response.content[:300].decode(errors="replace"))


def _failed(known: str, data: View) -> Progress:
    message, code = _text(data.get("failMsg")), _text(data.get("failCode")).upper()
    notes = ", ".join(each for each in (code, "retryable" if data.get("retryable") is True else "") if each)
    reason = f"{message} ({notes})".strip() if notes else message
    moderated = code == "CONTENT_MODERATION" if code else bool(MODERATION.search(message))
    return Progress("failed", known, reason=readable(reason), moderated=moderated)


def _addresses(data: View) -> list[str]:
    """The pictures' addresses: in `resultUrls`, or in that of `resultJson`, which is JSON in a string."""
    for place in (data, _object(data.get("resultJson"))):
        urls = place.get("resultUrls")
        if found := [each for each in urls if isinstance(each, str) and each] if isinstance(urls, list) else []:
            return found
    return []


def _object(text: object) -> View:
    """A JSON object, from its text or as it is; empty where it is none."""
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else text
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str:
    """A text, without halves of characters, or a whole number as text; nothing else."""
    whole = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).encode(errors="replace").decode().strip() if whole else ""


def _amount(value: object) -> Decimal | None:
    try:
        amount = Decimal(str(value)) if isinstance(value, float) else Decimal(_text(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < 10**9 else None
