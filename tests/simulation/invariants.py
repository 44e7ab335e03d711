"""What must hold whatever happened. The witness watches while it happens; `check` looks at what is left."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from generations.lifecycle import ALLOWED, TERMINAL
from generations.models import AuditEntry, Charge, Credential, Deletion, Event, Generation, Image, Status
from generations.providers import client
from generations.providers.registry import PROVIDERS
from generations.services import unconfirmed
from tests.simulation.clock import START
from tests.simulation.providers import ACCOUNT_SLOTS, LOOKUP_LAG, UNITS, Made

if TYPE_CHECKING:
    from tests.simulation.world import Life, World

NEVER = 1e12
MOST_CHANGES = 20  # of key, until one wanders
OTHER_KEY = (
    "(g.open_credential AND NOT g.doubts AND EXISTS (SELECT 1 FROM generations_credential o "
    "WHERE o.provider = c.provider AND o.paused_at IS NULL))"
)
ON_ITS_WAY = tuple(map(str, Image.ON_ITS_WAY))  # as SQL reads it
LONGEST_PAUSE = timedelta(seconds=3700)
PASSED_OVER = 3  # times, for each person of the team
CLEARED_AFTER = 900.0  # seconds in which it can be asked for: a provider has been asked often enough


@dataclass(frozen=True)
class Violation:
    """A rule that was broken."""

    rule: str
    what: str
    life: int | None = None
    error: Exception | None = None


class Witness:
    """Sees what leaves and what providers accept, and knows when something is due. It reads past Django."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.posts = 0
        self.passed: dict[int, dict[int, int]] = {}  # by credential: how often each person who waits was passed over

    def paid_call_leaves(self, call: client.Call) -> None:
        self.posts += 1
        body = json.loads(call.request.content)
        life = self.world.lives[int(body["prompt"].split()[1])]
        row = self._row(life.number)
        if row:
            self._check_key(life, call, *row[1:])
        self._check_turns(life)
        self._check_slots(life)
        if email := body.get("email"):
            self._check_slots(life, email)
        if connection.in_atomic_block:
            self.world.violate("sent after it is written down", "a paid call leaves inside a transaction", life.number)
        elif row is None or row[0] != Status.SUBMITTING:
            what = f"a paid call leaves for one that is {row and row[0]}"
            self.world.violate("sent after it is written down", what, life.number)

    def _check_key(self, life: "Life", call: client.Call, credential: int, doubts: int, created: datetime) -> None:
        """The key that sends is the row's; what is in doubt is known to one account alone, and so stays with it."""
        if life.credential.pk != credential:
            self.world.chaos.count("sent with another key")
            life.credential = self.world.by_credential[credential]
        sender = self.world.held_by[self.world.providers.account_of(call.request)]
        if sender != life.credential.name:
            self.world.violate("sent with its key", f"{sender} sends for {life.credential.name}", life.number)
        made = self.world.providers.by_life.get(life.number, [])
        if doubts and any(self.world.held_by[e.account] != sender and e.left >= self._elapsed(created) for e in made):
            self.world.violate("nothing is paid twice", "it is in doubt, and leaves with another key", life.number)

    def _check_turns(self, life: "Life") -> None:
        """Whoever waits is passed over a few times at most. Where accounts may be full nobody can tell who waits."""
        if life.credential.provider == "useapi":
            return
        query = (
            "SELECT DISTINCT person_id FROM generations_generation "
            "WHERE credential_id = ? AND status = 'queued' AND ready = 1 AND due_at <= ?"
        )
        waiting = {row[0] for row in self.world.rows(query, life.credential.pk, self._text())} - {life.person.user_id}
        before = self.passed.get(life.credential.pk, {})
        self.passed[life.credential.pk] = now = {person: before.get(person, 0) + 1 for person in waiting}
        if max(now.values(), default=0) > PASSED_OVER * len(self.world.people_of_team):
            self.world.violate("nobody starves", "somebody waits while others go again and again", life.number)

    def _check_slots(self, life: "Life", account: str = "") -> None:
        """What is known to be there when one more is sent. What is in doubt holds no slot: the provider may refuse."""
        query = (
            "SELECT prompt, status, asked FROM generations_generation "
            "WHERE credential_id = ? AND status IN ('submitting', 'running') AND account LIKE ?"
        )
        pictures = life.credential.provider == "kling"
        taken = sum(
            asked if pictures else 1
            for prompt, status, asked in self.world.rows(query, life.credential.pk, account or "%")
            if prompt != f"life {life.number}" and (status == Status.SUBMITTING or self._is_there(prompt))
        )
        slots = ACCOUNT_SLOTS if account else life.credential.slots
        if taken and taken + (life.pictures if pictures else 1) > slots:
            self.world.violate("no slot limit is exceeded", f"{taken} and one more, of {slots} {account}", life.number)

    def _is_there(self, prompt: str) -> bool:
        now = self.world.clock.elapsed
        return any(each.ends > now for each in self.world.providers.by_life.get(int(prompt.split()[1]), []))

    def accepted(self, made: Made) -> None:
        """How often a provider has more than its limit, because what is in doubt holds no slot."""
        email = made.email if made.slug == "useapi" else ""
        slots, busy = self.world.slots_of(made.account, email), self.world.providers.busy(made.account, email)
        if busy and busy + (made.pictures if made.slug == "kling" else 1) > slots:
            self.world.chaos.count("over the limit, as some were in doubt")

    def _row(self, life: int) -> tuple[str, int, int, datetime] | None:
        """Status, key, doubts and beginning of a life's generation; of several, of the one that is being sent."""
        query = "SELECT status, credential_id, doubts, created FROM generations_generation WHERE prompt = ?"
        found = self.world.rows(query, f"life {life}")
        return next((row for row in found if row[0] == Status.SUBMITTING), found[0] if found else None)

    # When something is due --------------------------------------------------------------------------------------------

    def next_due(self, looked: float) -> float:
        """When the follower has to do something that it could not do yet when it looked."""
        slugs = ", ".join(f"'{each}'" for each in unconfirmed.findable())
        asked = self._min(
            "SELECT min(due_at) FROM generations_generation WHERE due_at > ? AND (status IN ('running', 'queued') "
            f"OR (status = 'unconfirmed' AND provider IN ({slugs})))",
            self._text(looked),
        )
        return min([asked, *(each for each in self._silent() if each > self.world.clock.elapsed)])

    def _silent(self) -> list[float]:
        """When others may say that nobody knows what became of the paid calls that are open."""
        rows = self.world.rows("SELECT submitted_at, provider FROM generations_generation WHERE status = 'submitting'")
        grace = settings.SUBMISSION_GRACE + 1
        return [self._elapsed(sent) + PROVIDERS[slug].deadlines.create + grace for sent, slug in rows]

    def next_work(self, *, images: bool = False) -> float:
        """When a turn of the follower, or a sweep, finds something to do."""
        slugs = ", ".join(f"'{each}'" for each in unconfirmed.findable())
        dirty, looked = self.world.rested
        due = self.world.rows(
            "SELECT 1 FROM generations_generation g JOIN generations_credential c ON c.id = g.credential_id "
            "WHERE due_at <= ? AND (status = 'running' OR (status = 'unconfirmed' AND g.provider IN "
            f"({slugs})) OR (status = 'queued' AND due_at > ? AND (c.paused_at IS NULL OR {OTHER_KEY}))) LIMIT 1",
            self._text(),
            self._text(looked) if dirty == self.world.dirty else "",
        )
        if due or any(each <= self.world.clock.elapsed for each in self._silent()):
            return self.world.clock.elapsed
        pending = NEVER
        if images:
            pending = self._min("SELECT min(due_at) FROM generations_image WHERE state IN ('pending', 'arrived')")
            ready = self._min("SELECT min(due_at) FROM generations_generation WHERE status = 'queued' AND ready = 0")
            stuck = self.world.rows("SELECT 1 FROM generations_generation WHERE status = 'collecting' LIMIT 1")
            pending = min(pending, ready, self.world.clock.elapsed if stuck else NEVER)
        return min(self.next_due(self.world.clock.elapsed), pending)

    def unsettled(self) -> "list[tuple[Life, str]]":
        """Generations that have to move on by themselves."""
        query = (
            "SELECT id, status, submitted_at, provider, credential_id, open_credential AND NOT doubts, account "
            "FROM generations_generation"
        )
        moving = [row for row in self.world.rows(query) if row[1] not in TERMINAL]
        query = "SELECT DISTINCT generation_id FROM generations_image WHERE state IN ('pending', 'arrived') ORDER BY 1"
        pending = [row[0] for row in self.world.rows(query)]
        found = [(row[0], row[1]) for row in moving if not self._may_wait(row)]
        found += [(pk, "pending") for pk in pending if pk not in {each for each, _ in found}]
        return [(life, status) for pk, status in found if (life := self.world.life_of(pk))]

    def _may_wait(self, row: tuple[str, str, datetime, str, int, bool, str]) -> bool:
        pk, status, submitted, provider, own, may_change, account = row
        life = self.world.life_of(pk)
        if not life:
            return False
        if status == Status.QUEUED:
            keys = [
                each for each in self.world.credentials if each.pk == own or (may_change and each.provider == provider)
            ]
            resting = "SELECT 1 FROM generations_credentialaccount WHERE credential_id = ? AND name = ? AND paused_at"
            return all(map(self._is_held_up, keys)) or bool(self.world.rows(resting, own, account))
        if status == Status.RUNNING:
            return any(each.ends > 10**8 for each in self.world.providers.by_life.get(life.number, []))
        if status == Status.UNCONFIRMED:
            age = self.world.clock.elapsed - max(self._elapsed(submitted), self.world.calm)
            return provider not in unconfirmed.findable() or age > CLEARED_AFTER
        return False

    def _is_held_up(self, credential: Credential) -> bool:
        """Its key rests, or everything before it never ends."""
        query = "SELECT count(*) FROM generations_sendingpause"
        paused = "SELECT count(*) FROM generations_credential WHERE id = ? AND paused_at IS NOT NULL"
        if self.world.rows(query)[0][0] or self.world.rows(paused, credential.pk)[0][0]:
            return True
        made = self.world.providers.made.values()
        return any(each.ends > 10**8 and self.world.held_by[each.account] == credential.name for each in made)

    def _min(self, query: str, *values: object) -> float:
        found = self.world.rows(query, *values)[0][0]
        return self._elapsed(found) if found else NEVER

    @staticmethod
    def _elapsed(moment: str | datetime) -> float:
        """A column comes as a moment, what is computed from one as text."""
        naive = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return (naive.replace(tzinfo=UTC) - START).total_seconds()

    def _text(self, elapsed: float | None = None) -> str:
        moment = self.world.clock.now if elapsed is None else START + timedelta(seconds=elapsed)
        return str(moment.replace(tzinfo=None))


# In the end -----------------------------------------------------------------------------------------------------------


def check(world: "World") -> None:
    """Look at every generation that is left."""
    for life, status in world.witness.unsettled():
        world.violate("each ends or visibly waits", f"it is {status} for ever", life.number)
    for pk, at in Deletion.objects.values_list("generation_id", "at"):
        if deleted := world.life_of(pk):
            deleted.deleted.append((at - START).total_seconds())
    for subject, at in AuditEntry.objects.filter(verb="send again").values_list("subject", "at"):
        if decided := world.life_of(subject.removeprefix("generation ")):
            decided.decided.append((at - START).total_seconds())
    _check_each(world)
    _check_owners(world)


def _check_each(world: "World") -> None:
    events, pictures = _by_generation(Event.objects.order_by("id")), _by_generation(Image.objects.all())
    charges = {each.generation_id: each for each in Charge.objects.all()}
    seen: Counter[int] = Counter()
    for generation in Generation.objects.select_related("credential"):
        life = world.life_of(generation.pk)
        assert life
        seen[life.number] += 1
        if seen[life.number] > 1:
            world.violate("the same form makes one", f"{seen[life.number]} generations", life.number)
        one = _Check(world, life, generation, events[generation.pk], pictures[generation.pk])
        one.all(charges.pop(generation.pk, None))
    if any(each.state == Charge.State.RESERVED for each in charges.values()):  # of those that were deleted
        world.violate("money is closed once", "the money of a deleted generation is still reserved")


def _by_generation(rows: Iterable[Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.generation_id].append(row)
    return found


def _check_owners(world: "World") -> None:
    owners: dict[str, list[Any]] = defaultdict(list)
    for pk, task_id in Generation.objects.exclude(provider_task_id="").values_list("pk", "provider_task_id"):
        owners[task_id].append(world.life_of(pk))
    for task_id, lives in owners.items():
        if len(lives) > 1 and any(task_id in each.misled for each in lives):
            world.chaos.count("tasks of others that a person claimed")
        elif len(lives) > 1:
            world.violate("a task belongs to one generation", f"{task_id} belongs to {len(lives)}", lives[0].number)


class _Check:
    """One generation."""

    def __init__(
        self, world: "World", life: "Life", generation: Generation, events: list[Event], pictures: list[Image]
    ) -> None:
        self.world, self.life, self.generation = world, life, generation
        self.events, self.pictures = events, pictures
        self.made = world.providers.by_life.get(life.number, [])
        self.status = Status(generation.status)

    def all(self, charge: Charge | None) -> None:
        self._history()
        self._keys()
        self._paid_once()
        self._decisions()
        self._as_asked()
        self._pictures()
        self._found_again()
        self._due()
        self._money(charge)

    def _broken(self, rule: str, what: str) -> None:
        self.world.violate(rule, f"{what} ({self.generation.provider}, {self.status})", self.life.number)

    def _history(self) -> None:
        moves = [each for each in self.events if each.before != each.after]
        before = ""
        for each in moves:
            if each.before != before or (before and each.after not in ALLOWED[before]):
                self._broken("one step after the other", f"{before} was followed by {each}")
            before = each.after
        if before != self.status:
            self._broken("one step after the other", f"the last event is {before}")

    def _keys(self) -> None:
        """One that was left open changes over a few times, but does not wander."""
        changes = self._said("so it goes with")
        self.world.chaos.count("changes of key", changes)
        if changes > (MOST_CHANGES if self.life.open else 0):
            self._broken("nobody wanders", f"{changes} changes of key")

    def _said(self, words: str) -> int:
        return sum(words in each.reason for each in self.events)

    def _paid_once(self) -> None:
        """Between two that were accepted a person has said "send again", or has deleted the first and asked anew."""
        words = self.life.decided + self.life.deleted
        made = sorted(self.made, key=lambda each: each.left)
        for one, next_one in pairwise(made):
            if not any(one.left < moment <= next_one.left for moment in words):
                self._broken("nothing is paid twice", f"{one.task_id} and {next_one.task_id} were accepted")

    def _decisions(self) -> None:
        """What a person has decided stands in the log, whenever the process died."""
        made, logged = self._said("which may cost twice"), len(self.life.decided)
        if made > logged:
            self._broken("each decision is recorded", f"{made} decisions, {logged} in the log")

    def _as_asked(self) -> None:
        went_on = self.status in (Status.SUCCEEDED, Status.COLLECTING, Status.RUNNING)
        if went_on and not self.made and not self.life.misled:
            self._broken("accepted is asked", "nothing was accepted")
        if self.status == Status.CANCELED and len(self.made) > len(self.life.deleted):
            self._broken("accepted is asked", "canceled, and yet accepted")
        if self.status == Status.FAILED:
            self._failed_for_a_reason()

    def _failed_for_a_reason(self) -> None:
        fine = [
            self.life.number in self.world.providers.refused,
            any(each.outcome != "succeeded" for each in self.made),
            self._said(unconfirmed.GIVEN_UP),
            self._said("Canceled by"),
            self._said("The key was replaced"),
            self._said("was removed"),
            bool(self.life.misled),
        ]
        if not any(fine):
            self._broken("nothing fails by mistake", f"{self.generation.problem!r}, and {len(self.made)} made")

    def _own(self) -> Made | None:
        return next((each for each in self.made if each.task_id == self.generation.provider_task_id), None)

    def _pictures(self) -> None:
        """Every picture that the provider finished is here."""
        now, kept = self.world.clock.elapsed, {}
        for each in self.pictures:
            if each.state in Image.HERE:
                kept[each.index] = self.world.disk.kept.get(each.file)
        own = self._own()
        if any(content is None for content in kept.values()):
            self._broken("what is kept is here", "a kept picture has no file")
        if self.status != Status.SUCCEEDED or not own or own.ends > now:
            self._lost()
            return
        expected = {index: f"picture {own.task_id} {index}".encode() for index in range(own.pictures)}
        if kept != expected and own.goes > now:
            self._broken("every finished picture is stored", f"{sorted(kept)} of {sorted(expected)}")

    def _lost(self) -> None:
        """One that did not succeed must not have been made, unless a person knows."""
        finished = [each for each in self.made if each.outcome == "succeeded" and each.ends < self.world.clock.elapsed]
        excused = (
            self.status in (Status.UNCONFIRMED, Status.QUEUED)
            or self._said(unconfirmed.GIVEN_UP)
            or self._said("Canceled by")
            or self._said("The key was replaced")
            or self._said("was removed")
            or any(each.outcome != "succeeded" for each in self.made)
            or self.life.misled
        )
        if finished and not excused and self.status in TERMINAL and self.status != Status.SUCCEEDED:
            self._broken("every finished picture is stored", "it was made, and is not here")

    def _found_again(self) -> None:
        """A request of unknown fate clears up by itself where the provider can be asked for it."""
        if self.status != Status.UNCONFIRMED or self.generation.provider != "kling":
            return
        sent = self.generation.submitted_at
        account = self._account()
        there = [e for e in self.made if e.visible < self.world.clock.elapsed - LOOKUP_LAG and e.account == account]
        if there and sent and not self.generation.credential.changed_since(sent):
            self._broken("what can be found is found", f"{there[0].task_id} is at the provider")

    def _account(self) -> str:
        secrets = self.generation.credential.secrets
        return self.world.providers.accounts.get(secrets.get("api_key", ""), "")

    def _due(self) -> None:
        latest = self.world.clock.now + LONGEST_PAUSE
        pending = [each.due_at for each in self.pictures if each.state in Image.ON_ITS_WAY]
        moments: Iterable[datetime] = pending if self.status in TERMINAL else [self.generation.due_at, *pending]
        if any(each > latest for each in moments):
            self._broken("nothing is put off for ever", f"due at {self.generation.due_at}")

    def _money(self, charge: Charge | None) -> None:
        """reserved = settled + released, each closed once, at the end."""
        if charge is None:
            self._broken("money is closed once", "nothing was reserved")
            return
        if charge.credential_id != self.generation.credential_id:
            self._broken("money is closed once", "another key pays")
        was_made = self.status == Status.SUCCEEDED or bool(self.pictures)
        ended = Charge.State.SETTLED if was_made else Charge.State.RELEASED
        expected = ended if self.status in TERMINAL else Charge.State.RESERVED
        if charge.state != expected:
            self._broken("money is closed once", f"its money is {charge.state}")
        elif charge.state == Charge.State.SETTLED and charge.pictures != len(self.pictures):
            self._broken("money is closed once", f"settled for {charge.pictures} of {len(self.pictures)}")
        own = self._own()
        if self.status == Status.SUCCEEDED and own and own.slug == "kling" and charge.settled != UNITS * own.pictures:
            self._broken("what the provider charged is settled", f"{charge.settled} for {own.pictures} pictures")
