"""What kkiai answers, read: six shapes of a task, and errors of three makers.

Its answers are written down nowhere. The site is a new-api instance, so each shape that such relays were seen to give
for these very paths by 20 November 2026 is understood:

a  Kling's own                                 {code: 0, data: {task_id, task_status, task_result: {images}}}
b  a video object, when a task is made         {id, task_id, object, status, progress}
c  a task of the relay, Kling's answer inside  {code: "success", data: {task_id, status, data: {data: {task_result}}}}
d  a task with one address                     {code: "success", data: {task_id, status, url, error}}
e  the same without a frame                    {task_id, status, url, error}
f  finished pictures at once                   {created, data: [{url}]}
"""

import json
from collections.abc import Mapping
from decimal import Decimal

import httpx

from generations.providers import errors
from generations.providers.exchange import Checkup, Output, Progress, State, Submission, not_yet
from generations.providers.kling_family import (
    CODES,
    MODERATION,
    by_status,
    error_of,
    outputs_of,
    read_code,
    read_id,
    read_json,
    readable,
    retry_after,
)
from generations.providers.spec import Answers

NO_CHANNEL_WAIT = 300.0  # seconds; the relay has to mend it

# STATUSES: the relay's word in small letters --> ours. Words that are not here mean "still running".
STATUSES: Mapping[str, State] = {
    **dict.fromkeys(("", "submitted", "processing", "queued", "in_progress"), "running"),
    **dict.fromkeys(("not_start", "pending", "running", "unknown"), "running"),
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

ANSWERS = Answers(
    words=STATUSES,
    named=frozenset({"task_status", "status"}),
    places=(
        "code",
        "message",
        "data.task_id",
        "data.task_status",
        "data.task_status_msg",
        "data.task_result.images[].url",
        "data.status",
        "data.fail_reason",
        "data.result_url",
        "data.url",
        "task_id",
        "status",
        "url",
        "data[].url",
    ),
)

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


def parse_create(response: httpx.Response) -> Submission:
    """The task's id, with the pictures where the relay waited for them; or the error that the answer stands for."""
    try:
        progress = _progress(_accepted(response))
    except errors.NotFound as error:  # on create, "the resource does not exist" means the model
        raise errors.ModelUnavailable(code=error.code, details=error.details) from error
    if progress.state == "failed":
        raise (errors.Moderated if progress.moderated else errors.Refused)(details=progress.reason)
    return Submission(progress.task_id, progress if progress.outputs else None)


def parse_query(response: httpx.Response) -> Progress:
    """Where the task is."""
    return _progress(_accepted(response))


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
    known, refused = _task_id(body), body.get("error")
    # a gateway may have given another HTTP status to an answer that is whole
    if fine and ((known or not refused) if response.is_success else (known and not refused)):
        return body
    raise _refusal(response, body)


def _progress(body: Mapping[str, object]) -> Progress:
    """Where a task is, whichever shape tells. A success without pictures is not one yet."""
    task, known, outputs = _task(body), _task_id(body), _outputs(body)
    word = str(task.get("task_status") or task.get("status") or "").strip().lower()
    state = "succeeded" if isinstance(body.get("data"), list) else STATUSES.get(word, "running")
    if state == "succeeded" and outputs:
        return Progress("succeeded", known, outputs=outputs)
    if not known:
        raise errors.Unreadable(details=readable(json.dumps(body)))
    if state == "failed":
        code, reason = _words_of(next(filter(None, map(task.get, ("task_status_msg", "fail_reason", "error"))), ""))
        moderated = CODES.get(code or -1, (None, ""))[0] is errors.Moderated or bool(MODERATION.search(reason))
        return Progress("failed", known, reason=reason, moderated=moderated)
    return not_yet(known, word, STATUSES if word or not outputs else {})


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
