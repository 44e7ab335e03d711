"""What crosses the border between klingweb and a provider: orders and calls go out, replies and progress come back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import httpx


@dataclass(frozen=True)
class Account:
    """Whom a request is made as: the address in use and the credential's secret values, which never show in a repr."""

    base_url: str
    secrets: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class Order:
    """One request of a person, ready to be sent. `external_id` is our own name for it, a UUID as text.

    `pictures` holds each reference image by its field's name, in the form that the provider takes: base64 or address.
    """

    values: Mapping[str, str | int | float | bool | None] = field(repr=False)
    external_id: str
    pictures: Mapping[str, str] = field(default_factory=dict, repr=False)


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
    """One task of a provider's list, by its id and by ours."""

    task_id: str
    external_id: str
    progress: "Progress"


@dataclass(frozen=True)
class Checkup:
    """A credential works. `balance` says in words what is left, where the provider tells."""

    balance: str = ""


@dataclass(frozen=True)
class Submission:
    """The provider accepted a request and named it."""

    task_id: str


@dataclass(frozen=True)
class Progress:
    """Where a request is at the provider. `reason` holds its own words where it failed, `task_id` its name for it."""

    state: Literal["running", "succeeded", "failed"]
    task_id: str = ""
    outputs: tuple[Output, ...] = ()
    reason: str = ""
    moderated: bool = False
    cost: Cost | None = None
