"""What crosses the border between klingweb and a provider: orders and calls go out, replies and progress come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

import httpx

State = Literal["running", "succeeded", "failed"]
NO_PICTURES = "The provider says that it is done, but klingweb finds no picture in its answer. The answer is kept."


@dataclass(frozen=True)
class Account:
    """Whom a request is made as: the address in use and the credential's secret values, which never show in a repr.

    `name` is the account behind the credential, for providers that have several; empty for whichever it takes.
    """

    base_url: str
    secrets: Mapping[str, str] = field(repr=False)
    name: str = ""


@dataclass(frozen=True)
class Order:
    """One request of a person, ready to be sent. `external_id` is our own name for it, a UUID as text.

    `values` are those of the operation's fields, `pictures` each reference image by its field's name, in the form that
    the provider takes: base64 or address. `callback_url` is where it may call us; empty where it should not.
    """

    values: Mapping[str, str | int | float | bool | None] = field(repr=False)
    external_id: str
    pictures: Mapping[str, str] = field(default_factory=dict, repr=False)
    callback_url: str = field(default="", repr=False)


@dataclass(frozen=True)
class Task:
    """A request that the provider knows: by its own id, or by ours where its answer was lost."""

    task_id: str
    external_id: str


@dataclass(frozen=True)
class NotSent:
    """The request did not leave: it may be sent again without paying twice. `reason` is a sentence without secrets."""

    reason: str


@dataclass(frozen=True)
class FateUnknown:
    """The request may have arrived, but no whole answer came back. `reason` is a sentence without secrets."""

    reason: str


Reply = httpx.Response | NotSent | FateUnknown


@dataclass(frozen=True)
class Output:
    """One picture that the provider has made. `index` counts from 0."""

    index: int
    url: str = field(repr=False)


@dataclass(frozen=True)
class Cost:
    """What the provider says that it charged, in its own unit."""

    amount: Decimal
    unit: str


@dataclass(frozen=True)
class Listed:
    """One task of a provider's list, by its id and by ours, which is empty where the provider does not tell it.

    `prompt` and `created_at` are what a request of ours may be recognised by where it tells them.
    """

    task_id: str
    external_id: str
    progress: "Progress"
    prompt: str = field(default="", repr=False)
    created_at: datetime | None = None


@dataclass(frozen=True)
class Capacity:
    """An account behind a credential: how many requests it takes at once, and how many more it would take now."""

    name: str
    slots: int
    free: int


@dataclass(frozen=True)
class Checkup:
    """A credential works. `balance` says in words what is left, where the provider tells; `accounts` who is behind.

    `left` is the balance as a number in the provider's own unit, where it is up to date.
    """

    balance: str = ""
    accounts: tuple[Capacity, ...] = ()
    left: Decimal | None = None


@dataclass(frozen=True)
class Upload:
    """A reference image on its way to the provider: its bytes, its type (image/png or image/jpeg), and a file name."""

    content: bytes = field(repr=False)
    media_type: str
    name: str


@dataclass(frozen=True)
class Uploaded:
    """Where the provider keeps a reference image."""

    address: str = field(repr=False)


@dataclass(frozen=True)
class Face:
    """A face that the provider found in a picture. `number` counts from 1; the box is in pixels of that picture."""

    number: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Submission:
    """The provider accepted a request and named it. `progress` is set where it answered with the pictures at once."""

    task_id: str
    progress: "Progress | None" = None


@dataclass(frozen=True)
class Progress:
    """Where a request is at the provider. `reason` holds its own words where it failed, `task_id` its name for it.

    `strange` is a sentence about what was not understood, where it only seems to be running because of that.
    """

    state: State
    task_id: str = ""
    outputs: tuple[Output, ...] = ()
    reason: str = ""
    moderated: bool = False
    cost: Cost | None = None
    strange: str = field(default="", compare=False)


def not_yet(task_id: str, word: str, words: Mapping[str, State]) -> Progress:
    """Still running as far as anybody can tell, with what is strange about it: a new word, or no pictures in a success.

    `words` are the provider's status words with what they mean.
    """
    if words.get(word) == "running":
        return Progress("running", task_id)
    unknown = f"klingweb does not know the provider's status “{word[:60]}”, so it goes on asking. The answer is kept."
    return Progress("running", task_id, strange=NO_PICTURES if word in words else unknown)
