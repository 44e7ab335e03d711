"""Reading a provider's answer: as its module reads it, and as the admins of the team have mended that with rules.

The rules work on the JSON of an answer before the module sees it, and on the error that it makes of it afterwards.
Whatever an answer looks like, only a ProviderError comes out.
"""

import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import httpx

from generations import credentials
from generations.models import Generation, Reading
from generations.providers import errors
from generations.providers.exchange import NO_PICTURES, Listed, Progress, Submission
from generations.providers.registry import find
from generations.providers.spec import Provider

log = logging.getLogger(__name__)

T = TypeVar("T")
Steps = tuple[str, ...]

WHOLE = "$"  # the path of the answer as a whole
NAME = r"[^.\[\]\s$]+(\[\])*"
PATH = re.compile(rf"\$|(\[\])+(\.{NAME})*|{NAME}(\.{NAME})*")
NOTHING: tuple[Any, ...] = (None, "", [], {})
KINDS: Mapping[str, type[errors.ProviderError]] = {
    "moderated": errors.Moderated,
    "refused": errors.Refused,
    "busy": errors.Busy,
    "no credit": errors.OutOfCredit,
    "key": errors.AccountTrouble,
    "unavailable": errors.Unavailable,
}
OF_A_BODY = ("content-length", "content-encoding", "transfer-encoding", "content-type")


# Answers --------------------------------------------------------------------------------------------------------------


def read_create(generation: Generation, response: httpx.Response) -> Submission:
    """What the paid call was answered. Raises a ProviderError."""
    rules = rules_for(generation)
    submission = _read(rules.provider.parse_create, rules, response)
    if not submission.progress:
        return submission
    progress = _reachable(submission.progress, generation)
    if progress.state != "succeeded" and not submission.task_id:
        raise errors.Unreadable(details=progress.strange)
    return replace(submission, progress=progress if progress.state == "succeeded" else None)


def read_query(generation: Generation, response: httpx.Response) -> Progress:
    """Where a request is. Raises a ProviderError; a refusal that an admin has named is the end of the request."""
    rules = rules_for(generation)
    try:
        progress = _parse(rules.provider.parse_query, rules, response)
    except errors.ProviderError as error:
        judged = rules.judged(error, response)
        if judged is not error and isinstance(judged, errors.Refused):
            return Progress("failed", reason=judged.details, moderated=isinstance(judged, errors.Moderated))
        raise judged from None
    if progress.state == "failed" and (kind := rules.kind_of([progress.reason])):
        return replace(progress, moderated=kind is errors.Moderated)
    return _reachable(progress, generation)


def read_list(
    generation: Generation, parse: Callable[[httpx.Response], tuple[Listed, ...]], response: httpx.Response
) -> tuple[Listed, ...]:
    """What stands in one of the provider's lists. Raises a ProviderError."""
    return _read(parse, rules_for(generation), response)


def _read(parse: Callable[[httpx.Response], T], rules: "Rules", response: httpx.Response) -> T:
    try:
        return _parse(parse, rules, response)
    except errors.ProviderError as error:
        raise rules.judged(error, response) from None


def _parse(parse: Callable[[httpx.Response], T], rules: "Rules", response: httpx.Response) -> T:
    try:
        return parse(understood(rules, response))
    except errors.ProviderError:
        raise
    except Exception as error:
        log.exception("An answer of %s could not be read", rules.provider.slug)
        raise errors.Unreadable from error


def _reachable(progress: Progress, generation: Generation) -> Progress:
    """With the pictures whose address can be called; one without a host is below that of the provider."""
    base = credentials.account(generation.credential).base_url if progress.outputs else ""
    outputs = tuple(
        replace(each, url=address) for each in progress.outputs if (address := _absolute(each.url.strip(), base))
    )
    if progress.state == "succeeded" and not outputs:
        return replace(progress, state="running", outputs=(), strange=NO_PICTURES)
    return replace(progress, outputs=outputs)


def _absolute(address: str, base: str) -> str:
    try:
        url = httpx.URL(base).join(address) if address.startswith("/") else httpx.URL(address)
    except (httpx.InvalidURL, ValueError):
        return ""
    whole = str(url) if address.startswith("/") else address
    return whole if url.scheme in ("http", "https") and url.host else ""


# Rules ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """What an admin has said of a provider's answers. `sent` are the values of the request, which may be echoed."""

    provider: Provider
    words: Mapping[str, str]
    paths: Collection[tuple[Steps, Steps]]
    refusals: Mapping[str, str]
    sent: Collection[str] = ()

    def judged(self, error: errors.ProviderError, response: httpx.Response) -> errors.ProviderError:
        """What it really is, where a rule says so; else the same error."""
        if not self.refusals:
            return error
        unread = self._texts(response) if isinstance(error, errors.Unreadable) else ()
        kind = self.kind_of([error.code, error.details, *unread])
        return kind(code=error.code, details=error.details, retry_after=error.retry_after) if kind else error

    def kind_of(self, texts: Collection[str]) -> type[errors.ProviderError] | None:
        """The kind of the first rule whose text stands in one of these, as a word or words of its own."""
        for found, means in self.refusals.items():
            pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(found)}(?![A-Za-z0-9_])", re.IGNORECASE)
            if any(pattern.search(text) for text in texts):
                return KINDS.get(means)
        return None

    def _texts(self, response: httpx.Response) -> list[str]:
        """All that an answer says, without what the request itself had said."""
        body = _json(response.content)[0]
        if body is None:
            return [response.content.decode("utf-8", "replace")]
        return [text for each in _leaves(body) if (text := str(each).strip()) not in self.sent]


def rules_for(generation: Generation) -> Rules:
    """The rules of the generation's team for its provider. One query, unless it is known that there are none."""
    found: list[tuple[str, str, str]] = []
    if getattr(generation, "has_rules", True):
        kept = Reading.objects.filter(team=generation.team_id, provider=generation.provider)
        found = list(kept.values_list("kind", "found", "means"))
    return Rules(
        find(generation.provider, generation.operation)[0],
        {word.lower(): means for kind, word, means in found if kind == Reading.Kind.WORD},
        [(steps(path), steps(means)) for kind, path, means in found if kind == Reading.Kind.PATH],
        {text: means for kind, text, means in found if kind == Reading.Kind.ERROR},
        {str(each).strip() for each in (generation.prompt, *generation.values.values())},
    )


def understood(rules: Rules, response: httpx.Response) -> httpx.Response:
    """The answer as its document has it: everything in its place, in known words, and nothing behind its end."""
    body, whole = _json(response.content)
    if body is None or (whole and not rules.words and not rules.paths):
        return response
    for source, target in rules.paths:
        body = moved(body, source, target)
    body = _translated(body, rules)
    headers = {name: value for name, value in response.headers.items() if name not in OF_A_BODY}
    return httpx.Response(response.status_code, headers=headers, content=json.dumps(body))


def _translated(value: Any, rules: Rules) -> Any:
    """With the provider's own status words where an admin has said what new ones mean."""
    if isinstance(value, list):
        return [_translated(each, rules) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _known_word(each, rules) if name in rules.provider.answers.named else _translated(each, rules)
        for name, each in value.items()
    }


def _known_word(word: Any, rules: Rules) -> Any:
    means = rules.words.get(str(word).strip().lower())
    return next((known for known, state in rules.provider.answers.words.items() if known and state == means), word)


# JSON -----------------------------------------------------------------------------------------------------------------


def steps(path: str) -> Steps:
    """A path as its steps: `data.images[].url` is data, images, each of them, url."""
    return tuple(part for part in re.split(r"\.|(\[\])", path) if part) if path != WHOLE else ()


def moved(value: Any, source: Steps, target: Steps) -> Any:
    """The same with what stands at `source` also at `target`, unless there is something already.

    What the two have in common is gone down together, so that each entry of a list keeps what else it holds. What lies
    within its target takes its place: `data.data` → `data` takes an envelope off.
    """
    value = _opened(value)
    if source and target and source[0] == target[0]:
        head, inner, outer = source[0], source[1:], target[1:]
        if isinstance(value, dict) and head in value:
            return value | {head: moved(value[head], inner, outer)}
        if isinstance(value, list) and head == "[]" and inner.count("[]") == outer.count("[]"):
            return [moved(each, inner, outer) for each in value]
    found = list(_found(value, source))
    free = source[: len(target)] == target or next(_found(value, target), NOTHING) is NOTHING
    return _put(value, target, found) if found and free else value


def stands(value: Any, path: str) -> bool:
    """Whether there is something at that place."""
    return next(_found(value, steps(path)), NOTHING) is not NOTHING


def _found(value: Any, source: Steps) -> Iterator[Any]:
    """All that stands there and is not empty."""
    if not source:
        if value not in NOTHING:
            yield value
        return
    value = _opened(value)
    if source[0] == "[]":
        for each in value if isinstance(value, list) else ():
            yield from _found(each, source[1:])
    elif isinstance(value, dict):
        yield from _found(value.get(source[0]), source[1:])


def _put(value: Any, target: Steps, found: list[Any]) -> Any:
    if not target:
        return found[0]
    head, rest = target[0], target[1:]
    if head == "[]":
        return [_put(None, rest, [each]) for each in found]
    own = value if isinstance(value, dict) else {}
    return own | {head: _put(own.get(head), rest, found)}


def _opened(value: Any) -> Any:
    """The value, or what is inside where it is JSON in a text."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        return _json(value.encode(errors="replace"))[0] or value
    return value


def _json(content: bytes) -> tuple[Any, bool]:
    """What an answer holds, or None, and whether that is all of it. What follows the first whole value is left out."""
    try:
        return json.loads(content), True
    except (ValueError, RecursionError):
        text = content.decode("utf-8-sig", "replace").lstrip()
    try:
        return (json.JSONDecoder().raw_decode(text)[0] if text[:1] in ("{", "[") else None), False
    except (ValueError, RecursionError):
        return None, False


def _leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for each in inner:
            yield from _leaves(each)
