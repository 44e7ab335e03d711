"""What useapi.net answers, read: its errors, its view of a task, its accounts, and the faces in a picture.

Pages: useapi.net's "GET tasks/task_id", "GET scheduler/available", "GET accounts" and "POST images/recognize-faces",
and the list of its errors in api-evangelist/useapi of 27 July 2026; all checked on 20 November 2026.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from generations.providers import errors
from generations.providers.exchange import Capacity, Face, Listed, Output, Progress, State, not_yet
from generations.providers.kling_family import LONGEST_WAIT, by_status, read_id, read_json, readable, retry_after
from generations.providers.spec import Answers

View = Mapping[str, object]

# STATUSES: useapi.net's word --> ours. Words that are not here mean "still running". The numbers beside them are not
# documented, but for one that clients saw on a request that was turned down at once.
STATUSES: Mapping[str, State] = {
    "submitted": "running",
    "processing": "running",
    "succeed": "succeeded",
    "failed": "failed",
}
TURNED_DOWN = 7
ANSWERS = Answers(
    words=STATUSES,
    named=frozenset({"status_name"}),
    places=(
        "task.id",
        "status_name",
        "status_final",
        "works[].resource.resource",
        "works[].status_name",
        "error",
        "message",
    ),
)

# ERRORS: HTTP status --> our error and the sentence for people. 596 is useapi.net's own and in no standard.
ERRORS: Mapping[int, tuple[type[errors.ProviderError], str]] = {
    401: (errors.AccountTrouble, "useapi.net refused the API token. An admin has to check it."),
    402: (
        errors.OutOfCredit,
        "The subscription at useapi.net has expired. An admin has to renew it and resume the credential.",
    ),
    403: (
        errors.Refused,
        "useapi.net says that this belongs to another of its users, so this key may not see it.",
    ),
    404: (errors.NotFound, ""),
    408: (errors.Unavailable, ""),
    410: (errors.NotFound, ""),
    412: (
        errors.AccountOut,
        "A Kling account at useapi.net has too few credits for this. An admin has to top it up.",
    ),
    422: (errors.Moderated, ""),
    429: (errors.Busy, ""),
    596: (
        errors.AccountOut,
        "useapi.net can no longer sign in to a Kling account. An admin has to add it there again.",
    ),
}

# A 500 is moderation or a real failure, and only the text of `error` tells them apart: `message` is always the same.
MODERATION = re.compile(r"CM_EXT|community guidelines|violate|sensitive", re.IGNORECASE)
LOST_ASSET = "VALID.ResourceNotFound"
FOREIGN_ASSET = "403"
BOX = ("x", "y", "width", "height")


def read_answer(response: httpx.Response) -> View:
    """The answer as an object; a refusal raises the error that its HTTP status stands for."""
    if response.is_success:
        return read_json(response)
    error, view = _error_of(response)
    if task_id_of(view) and not view.get("error"):  # a gateway gave another HTTP status to an answer that is whole
        return view
    raise error


def read_request(response: httpx.Response) -> View:
    """The answer to a request that names references, of which a 403 and a 404 speak.

    A 403 is another user's asset (the list of errors). All that we name was uploaded by us, so that copy is of no use
    any more, like a lost one: only uploading it anew helps, which is free.
    """
    try:
        return read_answer(response)
    except errors.Refused as error:
        if error.code != FOREIGN_ASSET:
            raise
        raise errors.ReferenceUnknown(code=error.code, details=error.details) from error
    except errors.NotFound as error:
        kind = errors.ReferenceUnknown if LOST_ASSET in error.details else errors.Refused
        raise kind(code=error.code, details=error.details) from error


def task_id_of(view: View) -> str:
    """The task's number as text; empty where the answer names none."""
    task = view.get("task")
    return read_id(task.get("id")) if isinstance(task, dict) else ""


def turned_down(view: View) -> errors.Refused | None:
    """What is wrong with a request that was answered like an accepted one, and was not; None where it was."""
    if STATUSES.get(_word(view)) != "failed" and view.get("status") != TURNED_DOWN:
        return None
    reason = words_of(view)
    return (errors.Moderated if MODERATION.search(reason) else errors.Refused)(code="failed", details=reason)


def progress_of(view: View) -> Progress:
    """Where a task is. It has ended once `status_name` and `status_final` say so, and a success has pictures.

    Each picture has a status of its own. One that failed leaves a gap in the numbering.
    """
    known, state, works = task_id_of(view), _state(view), _entries(view.get("works"))
    outputs = tuple(Output(index, address) for index, work in works if (address := _address(work)))
    if state == "succeeded" and outputs:
        return Progress("succeeded", known, outputs=outputs)
    if state == "failed":
        reason = words_of(view)
        return Progress("failed", known, reason=reason, moderated=bool(MODERATION.search(reason)))
    if state == "succeeded" and works and all(_state(work) == "failed" for _, work in works):
        return Progress("failed", known)
    return Progress("running", known) if view.get("status_final") is False else not_yet(known, _word(view), STATUSES)


def listed(history: object) -> tuple[Listed, ...]:
    """The tasks of a list; what is no task is passed over. Our own name for it is there where useapi.net echoes it."""
    return tuple(
        Listed(task_id, _text(view.get("replyRef")), progress_of(view), _prompt(view), _made_at(view))
        for _, view in _entries(history)
        if (task_id := task_id_of(view))
    )


def running(jobs: object) -> tuple[Listed, ...]:
    """The tasks that useapi.net is following just now, with our own name for them."""
    return tuple(
        Listed(task_id, _text(each.get("replyRef")), Progress("running", task_id))
        for _, each in _entries(jobs)
        if (task_id := _text(each.get("id")))
    )


def capacities(available: object) -> tuple[Capacity, ...]:
    """How much room each account has."""
    return tuple(
        Capacity(name, _count(each.get("maxJobs")), _count(each.get("available")))
        for _, each in _entries(available)
        if (name := _text(each.get("email")))
    )


def accounts_of(view: View) -> tuple[Capacity, ...]:
    """The accounts of an answer that holds one of them, or all of them by their names."""
    name = _text(view.get("email"))
    named = {name: view} if name else view
    found = ((name, _count(each.get("maxJobs"))) for name, each in named.items() if isinstance(each, Mapping))
    return tuple(Capacity(name, slots, slots) for name, slots in found)


def points_of(view: View) -> float | None:
    """What is left on a single account, in Kling's points."""
    balance = view.get("balance")
    return _number(balance.get("total")) if isinstance(balance, dict) else None


def faces_of(items: object) -> tuple[Face, ...]:
    """The faces; `faceNo` counts them from 1, their names from `face_0`. One without a whole box is passed over."""
    found = ((index + 1, _box(item)) for index, item in _entries(items))
    return tuple(Face(number, *box) for number, box in found if len(box) == len(BOX))


def words_of(view: View) -> str:
    """The provider's own words: `error`, which is to be believed, or else `message`."""
    return readable(_told(view.get("error")) or _told(view.get("message")))


def _error_of(response: httpx.Response) -> tuple[errors.ProviderError, View]:
    status = response.status_code
    try:
        body: View = read_json(response)
        details = words_of(body)
    except errors.Unreadable as unreadable:
        body, details = {}, unreadable.details
    kind, sentence = ERRORS.get(status, (by_status(status), ""))
    if status in (400, 500) and MODERATION.search(_told(body.get("error"))):
        kind = errors.Moderated
    return kind(sentence, code=str(status), details=details, retry_after=_retry_after(response, body)), body


def _retry_after(response: httpx.Response, body: View) -> float | None:
    """The advice in seconds. A moment in the body is compared with the provider's own clock."""
    if (told := retry_after(response)) is not None:
        return told
    try:
        moment = datetime.fromisoformat(_text(body.get("retryAfter")))
        pause = moment - parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(pause.total_seconds(), 0.0), LONGEST_WAIT)


def _word(view: View) -> str:
    """The status word of a task's view, of one of its works, or of an entry in a list, which has it in its task."""
    task = view.get("task")
    inner = task.get("status_name") if isinstance(task, dict) else ""
    return _text(view.get("status_name", inner)).lower()


def _state(view: View) -> State:
    return "running" if view.get("status_final") is False else STATUSES.get(_word(view), "running")


def _address(work: View) -> str:
    resource = work.get("resource")
    done = _state(work) == "succeeded" or "status_name" not in work  # then it is as its task is
    usable = done and work.get("contentType", "image") == "image"
    return _text(resource.get("resource")) if usable and isinstance(resource, dict) else ""


def _prompt(view: View) -> str:
    task = view.get("task")
    info = task.get("taskInfo") if isinstance(task, dict) else None
    arguments = _entries(info.get("arguments")) if isinstance(info, dict) else []
    return next((_text(each.get("value")) for _, each in arguments if each.get("name") == "prompt"), "")


def _made_at(view: View) -> datetime | None:
    task = view.get("task")
    moment = _number(task.get("createTime")) if isinstance(task, dict) else None
    try:
        return None if moment is None else datetime.fromtimestamp(moment / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _box(item: View) -> tuple[float, ...]:
    """The sides of a face's box that are there; the box is JSON inside a text."""
    bounds = next((each for _, each in _entries(item.get("arguments")) if each.get("name") == "face_bound"), {})
    try:
        box = json.loads(_text(bounds.get("value")))
    except (ValueError, RecursionError):
        return ()
    sides = (_number(box.get(name)) for name in BOX) if isinstance(box, dict) else ()
    return tuple(side for side in sides if side is not None)


def _entries(value: object) -> list[tuple[int, View]]:
    """The objects of a list with their places in it."""
    every = value if isinstance(value, list) else []
    return [(index, each) for index, each in enumerate(every) if isinstance(each, dict)]


def _told(value: object) -> str:
    """A text, or the one inside an error that useapi.net passes on from behind."""
    return _text(value.get("message") if isinstance(value, dict) else value)


def _text(value: object) -> str:
    """A text, or a whole number as text; nothing else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _count(value: object) -> int:
    text = _text(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
