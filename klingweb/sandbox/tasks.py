"""A task, in no provider's words: what was asked, and how far it is by the clock.

No work is done in the background. When a task is made, it is decided when it will be done; every later answer is read
from the clock. All times are Unix milliseconds.
"""

import json
import random
import secrets
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from django.conf import settings

from klingweb.sandbox import scenarios

USUAL_MS = (3_000, 5_000)
SLOW_MS = (60_000, 60_000)
SLOW_ANSWER_MS = 45_000
SLOW_FILES_MS = 90_000
WAITING_SHARE = 0.15
"""How much of its time a task spends before work on it begins."""
DAY_MS = 24 * 3_600_000
PICTURES_KEPT_MS = {"useapi": 7 * DAY_MS, "apimodels": 7 * DAY_MS}
USUALLY_KEPT_MS = 30 * DAY_MS
"""Kling clears generated images after 30 days (image generation document, `task_result.images.url`)."""


class Stage(Enum):
    """How far a task is. Each dialect has its own words for these four."""

    WAITING = 0
    WORKING = 1
    SUCCEEDED = 2
    FAILED = 3


@dataclass(frozen=True)
class Task:
    """One row of the table `task`, its fields in the order of the columns."""

    id: str
    dialect: str
    endpoint: str
    """The path it was made at: providers find a task only below the path that made it."""
    external_id: str
    """The client's own name for it, empty when it gave none."""
    visit: int
    """The request that made it."""
    created_at: int
    done_at: int
    prompt: str
    pictures: int
    width: int
    height: int
    """Size of every picture, pixels."""
    marked: bool
    """Whether watermarked copies were asked for as well."""
    slots: int
    """How many places of the account's concurrency it holds until it is done."""
    units: int
    """What it costs once it is done; nothing when it fails."""
    token: str
    """The unguessable part of its pictures' addresses."""
    account: str = ""
    """Whose it is, where one key opens several accounts."""
    details: str = "{}"
    """What else its dialect tells about it, as JSON: see `told`."""
    removed: bool = False
    """Whether its owner deleted it: it still counts, but is found no more."""

    def plays(self, scenario: str) -> bool:
        """Whether the prompt asks for this scenario."""
        return scenario in self.prompt

    def stage(self, now: int) -> Stage:
        """How far it is."""
        if now < self.begun_at:
            return Stage.WAITING
        if now < self.done_at:
            return Stage.WORKING
        return Stage.FAILED if scenarios.fails(self.prompt) else Stage.SUCCEEDED

    def changed_at(self, now: int) -> int:
        """When its stage last changed."""
        passed = [moment for moment in (self.begun_at, self.done_at) if moment <= now]
        return max(passed, default=self.created_at)

    @property
    def told(self) -> dict[str, Any]:
        """What else its dialect tells about it, by the dialect's own names."""
        told: dict[str, Any] = json.loads(self.details)
        return told

    @property
    def arrived(self) -> int:
        """How many of its pictures come out if it succeeds: the first ones."""
        return self.pictures - self.plays(scenarios.ONE_LOST_WORK)

    def shows_pictures(self, now: int) -> bool:
        """Whether its pictures can be downloaded."""
        kept = PICTURES_KEPT_MS.get(self.dialect, USUALLY_KEPT_MS)
        there = self.stage(now) is Stage.SUCCEEDED and now < self.done_at + kept
        return there and not self.removed and not self.plays(scenarios.GONE)

    @property
    def begun_at(self) -> int:
        """When work on it begins."""
        return self.created_at + int((self.done_at - self.created_at) * WAITING_SHARE)


def now_ms() -> int:
    """The clock."""
    return time.time_ns() // 1_000_000


def duration_ms(prompt: str) -> int:
    """How long a task with this prompt will take, a little different each time, at the pace of the settings."""
    shortest, longest = SLOW_MS if scenarios.SLOW in prompt else USUAL_MS
    return int(random.randint(shortest, longest) * settings.SANDBOX_PACE)  # noqa: S311 - nothing depends on it


def dawdle(milliseconds: int) -> None:
    """Keep the client waiting, at the pace of the settings."""
    time.sleep(milliseconds / 1000 * settings.SANDBOX_PACE)


def new_task_id() -> str:
    """An id as Kling makes them: 18 digits, too large for a JSON number in a browser, hence always text."""
    return str(8 * 10**17 + secrets.randbelow(10**17))


def new_web_id() -> str:
    """An id of a task on Kling's website, where it is a JSON number: 12 digits, which any reader keeps exactly."""
    return str(10**11 + secrets.randbelow(9 * 10**11))


def new_token() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)
