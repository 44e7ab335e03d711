"""The ways in which an answer may differ from its document, and what must become of each.

`understood`: the pictures are brought home. `waits`: the answer is kept and shown, and nothing is lost by waiting.
`not yet`: it says in a documented way that it cannot say just now. `failed`: only where a rule says that it means so.
"""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.drift.wire import Answer, Body, Dialect, told

Change = Callable[[Dialect, Body], Answer]
Rule = tuple[str, str, str]  # kind, found, means
HTML = b"<!DOCTYPE html><html><body>Just a moment</body></html>"
JSON = {"content-type": "application/json"}
PACKED = JSON | {"content-encoding": "gzip"}


@dataclass(frozen=True)
class Way:
    """One difference, in the answer to the paid request or to the question what became of it.

    `ends` names the providers with which it ends differently. `rules` mend it as data, where that can be.
    """

    name: str
    step: str
    change: Change
    usually: str
    ends: Mapping[str, str] = field(default_factory=dict)
    rules: Callable[[Dialect], Iterable[Rule]] = lambda _: ()
    mended: str = "understood"
    kept: bool = True

    def end(self, slug: str) -> str:
        return self.ends.get(slug, self.usually)


# Bodies ---------------------------------------------------------------------------------------------------------------


def at(body: Body, path: str) -> Any:
    for part in path.split("."):
        body = body[part]
    return body


def put(body: Body, path: str, value: Any) -> Body:
    *way, name = path.split(".")
    place = body
    for part in way:
        place = place.setdefault(part, {})
    place[name] = value
    return body


def pop(body: Body, path: str) -> Any:
    *way, name = path.split(".")
    for part in way:
        body = body[part]
    return body.pop(name)


def beside(path: str, name: str) -> str:
    """The path of another name at the same place."""
    return ".".join([*path.split(".")[:-1], name])


def changed(change: Callable[[Dialect, Body], object]) -> Change:
    """A way that changes the body in place."""

    def applied(dialect: Dialect, body: Body) -> Answer:
        change(dialect, body)
        return told(body)

    return applied


def raw(change: Callable[[bytes], Answer]) -> Change:
    """A way that changes the bytes."""
    return lambda _dialect, body: change(json.dumps(body, ensure_ascii=False).encode())


def fixed(content: bytes, status: int = 200, **headers: str) -> Change:
    return lambda *_: Answer(content, status, JSON | {name.replace("_", "-"): each for name, each in headers.items()})


def renamed(path: Callable[[Dialect], str], name: str) -> Change:
    def change(dialect: Dialect, body: Body) -> None:
        put(body, beside(path(dialect), name), pop(body, path(dialect)))

    return changed(change)


def shifted(path: Callable[[Dialect], str], target: str) -> Change:
    def change(dialect: Dialect, body: Body) -> None:
        put(body, target, pop(body, path(dialect)))

    return changed(change)


def with_value(path: Callable[[Dialect], str], value: object) -> Change:
    return changed(lambda dialect, body: put(body, path(dialect), value))


def entries(change: Callable[[Dialect, list[Any]], Any]) -> Change:
    """A way that changes the list of pictures."""
    return changed(lambda dialect, body: put(body, dialect.list, change(dialect, at(body, dialect.list))))


def the_id(dialect: Dialect) -> str:
    return dialect.id


def the_word(dialect: Dialect) -> str:
    return dialect.word


def the_list(dialect: Dialect) -> str:
    return dialect.list


def at_addresses(address: str) -> Change:
    """Each picture is at such an address."""

    def change(dialect: Dialect, found: list[Any]) -> list[Any]:
        addresses = [address.format(number) for number in range(len(found))]
        both = zip(found, addresses, strict=True)
        return [put(entry, dialect.url, each) for entry, each in both] if dialect.url else addresses

    return entries(change)


# Single changes -------------------------------------------------------------------------------------------------------


def in_a_list(dialect: Dialect, body: Body) -> Answer:
    if not dialect.frame:
        return told([body])
    return told(body | {dialect.frame: [body[dialect.frame]]})


def flat(dialect: Dialect, body: Body) -> Answer:
    """As it stands in a webhook: the task alone, or at useapi.net within a message."""
    return told(body[dialect.frame] if dialect.frame else {"event": "task", "body": body})


def code_as_text(dialect: Dialect, body: Body) -> None:
    name = "code" if "code" in body else "status"
    body[name] = str(body[name])


def other_type_of_id(dialect: Dialect, body: Body) -> None:
    known = at(body, dialect.id)
    put(body, dialect.id, 867283747301269523 if isinstance(known, str) else str(known))


def times_as_text(dialect: Dialect, body: Body) -> None:
    for name, value in list(body.items()):
        if isinstance(value, dict):
            times_as_text(dialect, value)
        elif isinstance(value, int) and value > 10**12:
            body[name] = "2026-11-21T09:30:00+08:00"


def indexed(number: object) -> Change:
    return entries(lambda _, found: [_indexed(each, number) for each in found])


def _indexed(entry: Any, number: object) -> Any:
    if isinstance(entry, dict):
        entry.pop("index", None)
        entry |= {} if number is None else {"index": number}
    return entry


def nested(dialect: Dialect, found: list[Any]) -> Any:
    return [found]


def as_strings(dialect: Dialect, found: list[Any]) -> Any:
    """Bare addresses where objects are documented, and the other way round."""
    return [at(each, dialect.url) for each in found] if dialect.url else [{"href": each} for each in found]


def without_status(dialect: Dialect, body: Body) -> None:
    pop(body, dialect.word)
    body.pop("status_final", None)


def progress_only(dialect: Dialect, body: Body) -> None:
    without_status(dialect, body)
    pop(body, dialect.list)
    put(body, beside(dialect.word, "progress"), "100%")


def running_with(word: str) -> Change:
    def change(dialect: Dialect, body: Body) -> None:
        pop(body, dialect.list)
        put(body, dialect.word, word)
        if "status_final" in body:
            body["status_final"] = False

    return changed(change)


def result_as_text(dialect: Dialect, body: Body) -> None:
    place = dialect.list.rpartition(".")[0] if dialect.list.count(".") > 1 else dialect.list
    put(body, place, json.dumps(at(body, place)))


def text_place(dialect: Dialect) -> str:
    return dialect.list.rpartition(".")[0] if dialect.list.count(".") > 1 else dialect.list


# Ways to mend them ----------------------------------------------------------------------------------------------------


def rules(*given: Callable[[Dialect], Rule]) -> Callable[[Dialect], list[Rule]]:
    return lambda dialect: [each(dialect) for each in given]


def from_path(source: str, target: Callable[[Dialect], str]) -> Callable[[Dialect], Rule]:
    return lambda dialect: ("path", source, target(dialect))


def from_beside(path: Callable[[Dialect], str], name: str) -> Callable[[Dialect], Rule]:
    return lambda dialect: ("path", beside(path(dialect), name), path(dialect))


def word(found: str, means: str) -> Callable[[Dialect], Rule]:
    return lambda _: ("word", found, means)


def refusal(found: str, means: str) -> Callable[[Dialect], Rule]:
    return lambda _: ("error", found, means)


def out_of_a_list(dialect: Dialect) -> list[Rule]:
    return [("path", f"{dialect.frame}[]", dialect.frame) if dialect.frame else ("path", "[]", "$")]


def out_of_a_message(dialect: Dialect) -> list[Rule]:
    return [("path", "$", dialect.frame) if dialect.frame else ("path", "body", "$")]


def in_entries(source: str) -> Callable[[Dialect], Rule]:
    return lambda dialect: ("path", f"{dialect.list}{source.format(dialect.url).rstrip('.')}", dialect.outputs)


def strings(dialect: Dialect) -> list[Rule]:
    return [("path", f"{dialect.list}[]" if dialect.url else f"{dialect.list}[].href", dialect.outputs)]


ENVELOPE = rules(from_path("response", lambda _: "$"))
NEW_ERROR = json.dumps({"success": False, "reason": "The style shelf is closed"}).encode()
EXPIRED = json.dumps({"success": False, "reason": "This task was purged"}).encode()

WAYS = (
    # The answer to the paid request
    Way(
        "the id has a new name",
        "create",
        renamed(the_id, "job_no"),
        "waits",
        rules=rules(from_beside(the_id, "job_no")),
    ),
    Way(
        "the id has moved",
        "create",
        shifted(the_id, "receipt.job.number"),
        "waits",
        rules=rules(from_path("receipt.job.number", the_id)),
    ),
    Way("the id is of another type", "create", changed(other_type_of_id), "understood"),
    Way("the id is missing", "create", changed(lambda dialect, body: pop(body, dialect.id)), "waits"),
    Way("the id is null", "create", with_value(the_id, None), "waits"),
    Way("the id is an object", "create", with_value(the_id, {"value": "77"}), "waits"),
    Way("the id is endless", "create", with_value(the_id, 10**400), "waits"),
    Way("there is another envelope", "create", lambda _, body: told({"response": body}), "waits", rules=ENVELOPE),
    Way("there is a list for an object", "create", in_a_list, "waits", rules=out_of_a_list),
    Way(
        "it looks like a webhook",
        "create",
        flat,
        "waits",
        {"kkiai": "understood"},
        rules=out_of_a_message,
    ),
    Way("the code is text", "create", changed(code_as_text), "understood"),
    Way("the status word is new", "create", with_value(the_word, "accepted"), "understood"),
    Way("it says 201", "create", lambda _, body: told(body, 201), "understood"),
    Way("it says 202", "create", lambda _, body: told(body, 202), "understood"),
    Way("it says 500, and is whole", "create", lambda _, body: told(body, 500), "understood"),
    Way("it is empty", "create", fixed(b""), "waits"),
    Way("it says 204", "create", fixed(b"", 204), "waits"),
    Way("it is a page", "create", fixed(HTML, content_type="text/html"), "waits"),
    Way("it leads elsewhere", "create", fixed(b"", 302, location="https://login.example.com/"), "waits"),
    Way("it is cut", "create", raw(lambda text: Answer(text[: len(text) // 2])), "waits"),
    Way("it has something behind its end", "create", raw(lambda text: Answer(text + b"\n<!-- -->")), "understood"),
    Way("it begins with a byte order mark", "create", raw(lambda text: Answer(b"\xef\xbb\xbf" + text)), "understood"),
    Way("it holds NaN", "create", raw(lambda text: Answer(text[:-1] + b', "eta": NaN}')), "understood"),
    Way("it is no UTF-8", "create", raw(lambda text: Answer(text[:-1] + b', "note": "caf\xe9"}')), "understood"),
    Way(
        "its type and charset are nonsense",
        "create",
        raw(lambda text: Answer(text, headers={"content-type": "application/x-kling; charset=klingon"})),
        "understood",
    ),
    Way(
        "it is packed wrongly",
        "create",
        raw(lambda text: Answer(gzip.compress(text)[:20] + text, headers=PACKED)),
        "waits",
        kept=False,
    ),
    Way("there is an error beside the id", "create", changed(lambda _, body: body.update(error=None)), "understood"),
    Way(
        "it is a refusal in a new form",
        "create",
        fixed(NEW_ERROR),
        "waits",
        rules=rules(refusal("style shelf is closed", "refused")),
        mended="failed",
    ),
    # The answer to the question what became of it
    Way("there is another envelope", "query", lambda _, body: told({"response": body}), "waits", rules=ENVELOPE),
    Way("there is a list for an object", "query", in_a_list, "waits", rules=out_of_a_list),
    Way("it looks like a webhook", "query", flat, "waits", {"kkiai": "understood"}, rules=out_of_a_message),
    Way(
        "success has a new word",
        "query",
        with_value(the_word, "archived"),
        "waits",
        rules=rules(word("Archived", "succeeded")),
    ),
    Way("running has a new word", "query", running_with("rendering"), "waits", {"useapi": "not yet"}),
    Way(
        "the status is in capitals",
        "query",
        changed(lambda dialect, body: put(body, dialect.word, at(body, dialect.word).upper())),
        "understood",
    ),
    Way("the status is a number", "query", with_value(the_word, 42), "waits", rules=rules(word("42", "succeeded"))),
    Way(
        "the status has a new name",
        "query",
        renamed(the_word, "phase"),
        "waits",
        rules=rules(from_beside(the_word, "phase")),
        ends={"useapi": "understood"},
    ),
    Way("the status is missing", "query", changed(without_status), "waits", {"useapi": "understood"}),
    Way("there is only progress", "query", changed(progress_only), "waits", {"kkiai": "not yet"}),
    Way(
        "the pictures have moved",
        "query",
        changed(lambda dialect, body: put(body, "outcome.files", [{"href": each} for each in _taken(dialect, body)])),
        "waits",
        rules=rules(from_path("outcome.files[].href", lambda dialect: dialect.outputs)),
    ),
    Way(
        "the list has a new name",
        "query",
        renamed(the_list, "gallery"),
        "waits",
        rules=rules(from_beside(the_list, "gallery")),
    ),
    Way("the pictures are written otherwise", "query", entries(as_strings), "waits", rules=strings),
    Way("the pictures are nested", "query", entries(nested), "waits", rules=rules(in_entries("[][].{}"))),
    Way(
        "there is one picture for a list",
        "query",
        entries(lambda _, found: found[0]),
        "waits",
        rules=rules(in_entries(".{}")),
    ),
    Way(
        "the result is JSON in a text",
        "query",
        changed(result_as_text),
        "waits",
        rules=rules(lambda dialect: ("path", text_place(dialect), text_place(dialect))),
    ),
    Way("the list is null", "query", with_value(the_list, None), "waits"),
    Way("the list is empty", "query", with_value(the_list, []), "waits"),
    Way(
        "the addresses are relative",
        "query",
        at_addresses("/o/{}.png"),
        "understood",
    ),
    Way(
        "the addresses have no scheme",
        "query",
        at_addresses("//cdn.example.com/{}.png"),
        "understood",
    ),
    Way("the addresses are none", "query", at_addresses("pending"), "waits"),
    Way("a picture is there twice", "query", entries(lambda _, found: [found[0], found[0]]), "understood"),
    Way("the index is missing", "query", indexed(None), "understood"),
    Way("the index is huge", "query", indexed(10**12), "understood"),
    Way("the index is negative", "query", indexed(-1), "understood"),
    Way("times are text", "query", changed(times_as_text), "understood"),
    Way("it names another id", "query", with_value(the_id, "1"), "understood"),
    Way("it names no id", "query", changed(lambda dialect, body: pop(body, dialect.id)), "understood"),
    Way("the code is text", "query", changed(code_as_text), "understood"),
    Way(
        "there is an error beside the data",
        "query",
        changed(lambda _, body: body.update(warning={"message": "slow", "code": 7})),
        "understood",
    ),
    Way("it says 500, and is whole", "query", lambda _, body: told(body, 500), "understood"),
    Way("it says 500", "query", fixed(b'{"message": "oops"}', 500), "not yet"),
    Way("it says 404", "query", fixed(b"{}", 404), "waits", {"useapi": "not yet", "apimodels": "not yet"}),
    Way("it says 410", "query", fixed(b"{}", 410), "waits", {"useapi": "not yet"}),
    Way("it says 429", "query", fixed(b"{}", 429), "not yet"),
    Way("it is empty", "query", fixed(b""), "waits"),
    Way("it says 204", "query", fixed(b"", 204), "waits"),
    Way("it is a page", "query", fixed(HTML, content_type="text/html"), "waits"),
    Way("it leads elsewhere", "query", fixed(b"", 302, location="https://login.example.com/"), "waits"),
    Way("it is cut", "query", raw(lambda text: Answer(text[: len(text) // 2])), "waits"),
    Way("it has something behind its end", "query", raw(lambda text: Answer(text + b"}}")), "understood"),
    Way(
        "it is packed wrongly",
        "query",
        raw(lambda text: Answer(gzip.compress(text)[:20] + text, headers=PACKED)),
        "not yet",
    ),
    Way(
        "it is a refusal in a new form",
        "query",
        fixed(EXPIRED),
        "waits",
        rules=rules(refusal("task was purged", "refused")),
        mended="failed",
    ),
)


def _taken(dialect: Dialect, body: Body) -> list[str]:
    found = pop(body, dialect.list)
    return [at(each, dialect.url) if dialect.url else each for each in found]
