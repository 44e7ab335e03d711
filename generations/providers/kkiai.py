"""kkiai.com, a relay that offers Kling's API under its own keys: image generation and image expansion.

Pages: "Image Generation", "Image Expansion", "Asynchronous task callback protocol" (parameters are those of Kling's own
API) and the token pages of docs.kkiai.com, checked on 20 November 2026. What it answers is written nowhere. The site is
a new-api instance, so each shape that such relays were seen to answer for these very paths is understood:

a  Kling's own                                 {code: 0, data: {task_id, task_status, task_result: {images}}}
b  a video object, when a task is made         {id, task_id, object, status, progress}
c  a task of the relay, Kling's answer inside  {code: "success", data: {task_id, status, data: {data: {task_result}}}}
d  a task with one address                     {code: "success", data: {task_id, status, url, error}}
e  the same without a frame                    {task_id, status, url, error}
f  finished pictures at once                   {created, data: [{url}]}
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import httpx

from generations.providers import errors
from generations.providers.exchange import Account, Checkup, Order, Output, Progress, Submission, Task
from generations.providers.fields import ALWAYS, Field, Ours, Source
from generations.providers.kling_family import (
    CODES,
    MODERATION,
    address_of,
    body_of,
    by_status,
    error_of,
    outputs_of,
    read_code,
    read_id,
    read_json,
    readable,
    retry_after,
)
from generations.providers.kling_fields import (
    CANVAS,
    COUNT,
    EXPAND_IMAGE,
    EXPAND_PROMPT,
    EXPANSIONS,
    FROM_IMAGE_MODELS,
    FROM_TEXT_MODELS,
    HUMAN_FIDELITY,
    IMAGE,
    IMAGE_FIDELITY,
    IMAGE_REFERENCE,
    MODEL,
    NEGATIVE,
    NO_ELEMENTS,
    PROMPT,
    RESOLUTION,
    SHAPE,
)
from generations.providers.spec import Capability, CredentialWay, Deadlines, Operation, Price, Provider, SecretField

PAGE = Source("kkiai: Image Generation", "2026-11-20")
EXPAND_PAGE = Source("kkiai: Image Expansion", "2026-11-20")
AS_KLING = Source("kkiai: Asynchronous task callback protocol (parameters as in Kling's own API)", "2026-11-20")

# CREDENTIAL
API_KEY = SecretField(name="api_key", label="API key", help="A token from kkiai's console.")
CREDENTIAL_WAYS = (CredentialWay("API key", (API_KEY,)),)

# OPERATIONS
WEBHOOK = Ours(name="callback_url", label="Webhook", source=AS_KLING)


def _on(page: Source, *fields: Field) -> tuple[Field, ...]:
    return tuple(replace(each, source=page) for each in fields)


FROM_TEXT = (*_on(PAGE, MODEL, PROMPT, SHAPE, COUNT, RESOLUTION, NEGATIVE), WEBHOOK)
FROM_IMAGE = (
    *_on(PAGE, MODEL, PROMPT),
    *_on(AS_KLING, IMAGE),
    *_on(PAGE, IMAGE_REFERENCE, IMAGE_FIDELITY, HUMAN_FIDELITY, SHAPE, COUNT, RESOLUTION),
    *_on(AS_KLING, NEGATIVE),  # not beside a picture
    WEBHOOK,
)
EXPANSION = (*_on(EXPAND_PAGE, EXPAND_IMAGE, *EXPANSIONS, EXPAND_PROMPT, COUNT), WEBHOOK)


# CAPABILITIES: those of Kling's models, which have no elements here
def _without_elements(models: tuple[Capability, ...]) -> tuple[Capability, ...]:
    return tuple(replace(each, lacks=each.lacks - NO_ELEMENTS) for each in models)


# PRICES
PRICES: tuple[Price, ...] = ()  # none is published

# SLOT_UNIT AND DEADLINES: a relay that waits for the pictures inside the POST was seen to take up to three minutes
SLOT_UNIT: Literal["requests"] = "requests"
DEADLINES = Deadlines(create=200, query=20, download=120, retention=timedelta(days=7))
NO_CHANNEL_WAIT = 300.0  # seconds; the relay has to mend it

TEXT_TO_IMAGE = Operation(
    slug="text-to-image",
    label="Text to image",
    path="/kling/v1/images/generations",
    source=PAGE,
    fields=FROM_TEXT,
    capabilities=_without_elements(FROM_TEXT_MODELS),
    prices=PRICES,
)
IMAGE_TO_IMAGE = replace(
    TEXT_TO_IMAGE,
    slug="image-to-image",
    label="Image to image",
    fields=FROM_IMAGE,
    capabilities=_without_elements(FROM_IMAGE_MODELS),
    follows=ALWAYS,
)
EXPAND = Operation(
    slug="expand",
    label="Expand",
    path="/kling/v1/images/editing/expand",
    source=EXPAND_PAGE,
    fields=EXPANSION,
    capabilities=(),  # no model is chosen
    prices=PRICES,
    rules=(CANVAS,),
)

# STATUSES: the relay's word in small letters --> ours. Words that are not here, and none at all, mean "still running".
STATUSES: Mapping[str, Literal["succeeded", "failed"]] = {
    "succeed": "succeeded",
    "succeeded": "succeeded",
    "success": "succeeded",
    "completed": "succeeded",
    "failed": "failed",
    "failure": "failed",
    "error": "failed",
    "cancelled": "failed",
    "expired": "failed",
}

# ERRORS: Kling's code inside the relay's answer, or the relay's own word --> our error and the sentence for people
ITS_ACCOUNT = "Kling refuses kkiai's own account, not this key. An admin has to ask kkiai, then resume the credential."
KLINGS = {
    code: (kind, ITS_ACCOUNT if issubclass(kind, errors.AccountTrouble) else sentence)
    for code, (kind, sentence) in CODES.items()
}
WORDS: Mapping[str, tuple[type[errors.ProviderError], str]] = {
    "insufficient_user_quota": (
        errors.OutOfCredit,
        "kkiai's account has no quota left. An admin has to top it up and resume the credential.",
    ),
    "task_not_exist": (errors.NotFound, ""),
    "sensitive_words_detected": (errors.Moderated, ""),
}
NO_CHANNEL = ("no available channel", "无可用渠道")


def build_create(operation: Operation, order: Order, account: Account, _now: datetime) -> httpx.Request:
    """POST the task. Everything whose default matters is sent; what a person left empty is not."""
    url = account.base_url + operation.path
    return httpx.Request("POST", url, json=body_of(operation, order), headers=_headers(account))


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, with the pictures where the relay waited for them; or the error that the answer stands for."""
    try:
        progress = _progress(_accepted(response))
    except errors.NotFound as error:  # on create, "the resource does not exist" means the model
        raise errors.ModelUnavailable(code=error.code, details=error.details) from error
    if progress.state == "failed":
        raise (errors.Moderated if progress.moderated else errors.Refused)(details=progress.reason)
    return Submission(progress.task_id, progress if progress.outputs else None)


def build_query(operation: Operation, task: Task, account: Account, _now: datetime) -> httpx.Request:
    """GET one task by the relay's id; ours it does not know."""
    return httpx.Request("GET", address_of(operation, task.task_id, account), headers=_headers(account))


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is."""
    return _progress(_accepted(response))


def build_checkup(account: Account, _now: datetime) -> httpx.Request:
    """GET what the token may still use. Free."""
    return httpx.Request("GET", f"{account.base_url}/api/usage/token/", headers=_headers(account))


def parse_checkup(response: httpx.Response) -> Checkup:
    """What is left, in the relay's own points."""
    data = _object(_accepted(response).get("data"))
    if not data:
        raise errors.Unreadable(details=readable(response.text))
    left = data.get("total_available")
    if data.get("unlimited_quota") is True:
        return Checkup("no limit on this key")
    if not isinstance(left, int) or abs(left) >= 10**15:
        return Checkup()
    return Checkup(f"{left:,} points of quota left", left=Decimal(left))


def _accepted(response: httpx.Response) -> dict[str, object]:
    """The answer, or the error where it is a refusal."""
    body = read_json(response)
    code = body.get("code")
    fine = read_code(code) in (0, 200) or str(code).lower() in ("none", "", "true", "success")
    if response.is_success and fine and (_task_id(body) or not body.get("error")):
        return body
    raise _refusal(response, body)


def _progress(body: Mapping[str, object]) -> Progress:
    """Where a task is, whichever shape tells. A success without pictures is not one yet."""
    task, known, outputs = _task(body), _task_id(body), _outputs(body)
    word = str(task.get("task_status") or task.get("status") or "").lower()
    state = "succeeded" if isinstance(body.get("data"), list) else STATUSES.get(word, "running")
    if state == "succeeded" and outputs:
        return Progress("succeeded", known, outputs=outputs)
    if not known:
        raise errors.Unreadable(details=readable(json.dumps(body)))
    if state == "failed":
        code, reason = _words_of(next(filter(None, map(task.get, ("task_status_msg", "fail_reason", "error"))), ""))
        moderated = CODES.get(code or -1, (None, ""))[0] is errors.Moderated or bool(MODERATION.search(reason))
        return Progress("failed", known, reason=reason, moderated=moderated)
    return Progress("running", known)


def _task(body: Mapping[str, object]) -> Mapping[str, object]:
    """The object that describes the task: in a frame, or the answer itself."""
    data = body.get("data")
    return data if isinstance(data, dict) else body


def _task_id(body: Mapping[str, object]) -> str:
    task = _task(body)
    return read_id(task.get("task_id") or task.get("id"))


def _outputs(body: Mapping[str, object]) -> tuple[Output, ...]:
    """The pictures, from the named places alone: what was sent is echoed in others."""
    task = _task(body)
    inner = _object(_object(task.get("data")).get("data"))
    single = [{"url": task.get("result_url") or task.get("url")}]
    places = (task.get("task_result"), inner.get("task_result"), {"images": body.get("data")}, {"images": single})
    return next(filter(None, map(outputs_of, places)), ())


def _refusal(response: httpx.Response, body: Mapping[str, object]) -> errors.ProviderError:
    told = _object(body.get("error")) or body
    word = str(told.get("code") or f"HTTP {response.status_code}")
    inside, message = _words_of(told.get("message") or body.get("error"))
    code = next((each for each in (inside, read_code(word)) if each in KLINGS), None)
    if code is not None:
        return error_of(response, code, message, KLINGS)
    kind, sentence = WORDS.get(word, (by_status(response.status_code), ""))
    wait = retry_after(response)
    if any(words in message.lower() for words in NO_CHANNEL):
        kind, sentence, wait = errors.Busy, "kkiai cannot reach this model just now.", wait or NO_CHANNEL_WAIT
    return kind(sentence, code=word, details=message, retry_after=wait)


def _words_of(told: object) -> tuple[int | None, str]:
    """Kling's code and its words. The relay passes both on as JSON inside a text, or as an object."""
    words = str(_object(told).get("message") or told or "")
    try:
        inner = _object(json.loads(words[words.find("{") : words.rfind("}") + 1]))
    except (ValueError, RecursionError):
        inner = {}
    return read_code(inner.get("code")), readable(inner.get("message") or words)


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {account.secrets['api_key']}"}


PROVIDER = Provider(
    slug="kkiai",
    label="kkiai",
    base_urls=("https://www.kkiai.com",),
    credential_ways=CREDENTIAL_WAYS,
    operations=(TEXT_TO_IMAGE, IMAGE_TO_IMAGE, EXPAND),
    slot_unit=SLOT_UNIT,
    default_slots=2,
    deadlines=DEADLINES,
    build_create=build_create,
    parse_create=parse_create,
    build_query=build_query,
    parse_query=parse_query,
    build_checkup=build_checkup,
    parse_checkup=parse_checkup,
)
