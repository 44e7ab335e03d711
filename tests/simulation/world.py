"""One world: a team, its keys, a hundred generations and all that may happen to them. Its seed tells everything."""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils.module_loading import import_string

from generations import credentials
from generations.catalogue import Offer, offers
from generations.models import Credential
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation
from klingweb.accounts import services as accounts
from klingweb.accounts.models import Membership, Role
from tests.simulation import house
from tests.simulation.chaos import CALM, Chaos
from tests.simulation.clock import START, Clock, Process
from tests.simulation.invariants import Violation, Witness, check
from tests.simulation.network import Network
from tests.simulation.people import People
from tests.simulation.providers import ACCOUNT_SLOTS, LOOKUP_LAG, WORKS, Policy, Providers

OPERATIONS = {"kling": "text-to-image", "useapi": "kolors", "kkiai": "text-to-image", "apimodels": "text-to-image"}
NAMES = ("Alice", "Bob", "Carol", "Dan")
COUNTS = {"kling": "n", "useapi": "imageCount", "kkiai": "n", "apimodels": "n"}
LISTS = ((WORKS,), (WORKS, "unknown", "gone"), ("broken",), ("unknown",), ("gone",))  # what they may answer
KEYS = (1, 1, 1, 2, 3)  # of one provider
MANY = 100  # slots of a key with which most ask at once
WORKERS = {"fast": 2, "klingweb": 8}
IDLE = 5.0  # seconds without work after which a turn is over: then the next one begins when there is some
LONG = 2 * 3600.0  # seconds in which everything must have come to rest


@dataclass
class Life:
    """One thing that a person asks for."""

    number: int
    person: Membership
    offer: Offer
    operation: Operation
    credential: Credential  # as far as is known
    pictures: int
    count_field: str
    open: bool  # whichever key of the provider has a free slot
    pk: uuid.UUID | None = None
    deleted: list[float] = field(default_factory=list)  # when: the same form makes a new one after that
    decided: list[float] = field(default_factory=list)  # when somebody had it sent again, by the log
    misled: set[str] = field(default_factory=set)  # wrong ids that a person pasted


@dataclass
class Disk:
    """Files: those that arrive, and those that are kept."""

    arriving: dict[Path, bytes] = field(default_factory=dict)
    kept: dict[str, bytes] = field(default_factory=dict)


class World:
    """See above. `run` lives it to its end; `trace` tells what happened, if it is kept."""

    def __init__(self, seed: int, lives: int = 100, *, traced: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.clock = Clock()
        self.trace: list[tuple[float, str, str, int | None]] | None = [] if traced else None
        self.tally: dict[str, int] = {}
        self.violations: list[Violation] = []
        self.processes: list[Process] = []
        self.backlog: dict[str, list[Callable[[], None]]] = {"fast": [], "klingweb": []}
        self.busy: dict[str, int] = {"fast": 0, "klingweb": 0}
        self.disk = Disk()
        self.chaos = Chaos(self.rng, self.clock, self.say, self.tally, self.disturb)
        self.calm_world = not any(vars(self.chaos.weather).values())
        self.hasty = not self.calm_world and self.rng.random() < 0.12  # answers go astray, and nobody waits for them
        self.crowded = not self.hasty and self.rng.random() < 0.7  # most ask at once, with the same key of Kling's
        rest = not (self.calm_world or self.hasty or self.crowded)
        self.listless = rest and self.rng.random() < 0.3  # useapi's lists are gone, and everybody waits for them
        if self.hasty or self.listless:
            self.chaos.forget_answers()
        self.witness = Witness(self)
        self.network = Network(self)
        self.retention = {slug: provider.deadlines.retention for slug, provider in PROVIDERS.items()}
        self.providers = Providers(self, self._policy())
        self.people = People(self)
        self.dirty = 0
        self.rested = (-1, 0.0)  # how dirty it was, and when, as a turn found nothing to do
        self.looks = 0
        self.slots: dict[str, int] = {}
        self.held_by: dict[str, str] = {}  # the credential of each account, by its name
        self.asked = self.calm = 0.0
        self.lives: list[Life] = []
        self.by_pk: dict[str, Life] = {}
        self.count = lives
        self.over = False
        self.tick = self.rng.choice((1.0, 2.0, 4.0))

    def _policy(self) -> Policy:
        rng = self.rng
        return Policy(
            refuses_duplicates=rng.random() < (1 if self.hasty else 0.5),
            limits_slots=rng.random() < 0.5,
            lag=LOOKUP_LAG if self.hasty else rng.choice((0.0, 5.0, 60.0, LOOKUP_LAG)),
            echoes=rng.random() < 0.5,
            lists=rng.choices(LISTS, (0, 0, 0, 1, 1) if self.listless else (16, 4, 2, 1, 1))[0],
            lasts=(10.0, 30.0) if self.crowded else (1.0, 6.0),
            stuck=0.0 if rng.random() < 0.9 else 0.05,
        )

    # Living -----------------------------------------------------------------------------------------------------------

    def run(self) -> list[Violation]:
        """Live to the end, and say which rules were broken."""
        with house.inhabited(self):
            self._furnish()
            self._plan()
            self._live(self.calm)
            self._calm_down()
            self._live(self.calm + LONG)
            self.over = True
            for process in [each for each in self.processes if each.alive]:
                process.kill()
            if not self.violations:
                check(self)
        return self.violations

    def _live(self, until: float) -> None:
        clock = self.clock
        while clock.agenda and clock.agenda[0][0] <= until and not self.violations:
            if self.chaos.weather is CALM and not self.calm_world and self._rests():
                return
            if self.calm_world and clock.elapsed > 130 and self._rests():
                return
            clock.step()

    def _rests(self) -> bool:
        """Whether nothing is going to change any more. Asked now and then: it costs a look at the database."""
        self.looks += 1
        if self.looks % 20:
            return False
        return not self.witness.unsettled()

    def _furnish(self) -> None:
        self.team = accounts.ensure_team("Halden Studio")
        self.people_of_team = [
            self._person(name) for name in ("Alice", "Bob", "Carol", "Dan")[: self.rng.randint(2, 4)]
        ]
        slugs = self.rng.sample(sorted(OPERATIONS), self.rng.randint(2, 3))
        if self.crowded:
            slugs = ["kling", *(each for each in slugs[1:] if each != "kling")]
        if self.listless:
            slugs = ["useapi", *(each for each in slugs[1:] if each != "useapi")]
        if self.hasty:
            slugs = ["kling", "useapi", self.rng.choice(("kkiai", "apimodels"))]
        self.credentials = [
            self._credential(slug, f"{slug}-{number}") for slug in slugs for number in range(self.rng.choice(KEYS))
        ]
        self.by_credential = {each.pk: each for each in self.credentials}
        self.offers = {each.provider.slug: each for each in offers(self.team)}

    def _person(self, name: str) -> Membership:
        user = accounts.ensure_person(f"{name.lower()}@example.com", name=name)
        accounts.ensure_membership(self.team, user, Role.ADMIN)
        return Membership.objects.select_related("user", "team").get(user=user)

    def _credential(self, slug: str, name: str) -> Credential:
        account = f"account of {name}"
        self.held_by[account] = name
        secrets = self._secrets(slug, account)
        slots = self.rng.randint(6, 60 if self.crowded else 20) if slug == "kling" else self.rng.randint(4, 12)
        slots = MANY if self.crowded and not self.slots else slots
        made, _ = credentials.ensure(team=self.team, provider=slug, name=name, secrets=secrets, slots=slots)
        self.slots[account] = slots
        if slug == "useapi":
            self.providers.emails[account] = [f"{n}@kling.example" for n in range(self.rng.randint(1, 2))]
        return made

    def _secrets(self, slug: str, account: str) -> dict[str, str]:
        key = f"key-{len(self.providers.accounts)}-of-{slug}"
        self.providers.accounts[key] = account
        return {"api_token" if slug == "useapi" else "api_key": key}

    def new_key(self, credential: Credential, *, same: bool) -> tuple[dict[str, str], str]:
        """The secrets of another key, and its account."""
        account = f"account of {credential.name}"
        if not same:
            old, account = account, f"another account of {credential.name}, {len(self.providers.accounts)}"
            self.held_by[account] = credential.name
            self.slots[account] = self.slots[old]
            self.providers.emails[account] = self.providers.emails.get(old, [])
        return self._secrets(credential.provider, account), account

    def slots_of(self, account: str, email: str) -> int:
        return ACCOUNT_SLOTS if email else self.slots[account]

    def _plan(self) -> None:
        """When people ask and meddle, when the machine does."""
        self.lives = [self._life(number) for number in range(self.count)]
        moment = 1.0
        for life in self.lives:
            moment += self.rng.expovariate(10 if self.crowded else 2.5) if self.rng.random() < 0.7 else 0.0
            self.clock.at(moment, partial(self.people.ask, life))
        self.asked = moment
        self.calm = moment + (
            self.rng.uniform(300, 900) if self.hasty or self.rng.random() < 0.3 else self.rng.uniform(30, 120)
        )
        if not self.calm_world:
            for _ in range(0 if self.listless else self.count // 2):
                self.clock.at(self.rng.uniform(2, moment + 40), self.people.meddle)
            few = self.rng.choice((self.count // 5, self.count // 5, self.count))
            for _ in range(self.count if self.hasty else 0 if self.listless else few):
                self.clock.at(self.rng.uniform(5, self.calm), self.people.decide)
            for _ in range(20 if self.hasty else 0):
                self.clock.at(self.rng.uniform(5, self.calm), self.people.mend)
            self._plan_weather(moment + 40)
        self.clock.at(self.rng.uniform(30, 60), self._sweep)

    def _plan_weather(self, until: float) -> None:
        weather, minutes = self.chaos.weather, until / 60
        for _ in range(int(weather.outages * minutes + self.rng.random())):
            self.clock.at(self.rng.uniform(0, until), self.chaos.outage)
        for _ in range(int(weather.power_cuts * minutes + self.rng.random())):
            self.clock.at(self.rng.uniform(0, until), self._power_cut)

    def _life(self, number: int) -> Life:
        credential = self.credentials[
            0 if self.crowded and self.rng.random() < 0.85 else self.rng.randrange(len(self.credentials))
        ]
        slug = credential.provider
        offer = self.offers[slug]
        person = self.rng.choice(self.people_of_team)
        pictures = self.rng.choice((1, 1, 1, 1, 1, 1, 2, 3))
        operation, left_open = offer.operation(OPERATIONS[slug]), self.rng.random() < 0.5
        return Life(number, person, offer, operation, credential, pictures, COUNTS[slug], left_open)

    def _power_cut(self) -> None:
        self.chaos.count("power cuts")
        self.say("machine", "power cut: everything dies")
        self.backlog = {name: [] for name in self.backlog}
        for process in [each for each in self.processes if each.alive]:
            process.kill()

    def _calm_down(self) -> None:
        """From now on nothing goes wrong any more: what is left must come to rest by itself."""
        self.say("world", "from here on nothing goes wrong any more")
        self.chaos.calm_down()
        for process in self.processes:
            process.fuse = 0
        if self.rng.random() < 0.8:
            self.people.mend(all_of_them=True)

    # Processes --------------------------------------------------------------------------------------------------------

    def running(self) -> Process:
        assert self.clock.running
        return self.clock.running

    def spawn(self, name: str, work: Callable[[], object], cluster: str = "") -> Process:
        process = Process(self.clock, name, work, partial(self._ended, cluster))
        process.fuse = self.chaos.fuse()
        self.processes.append(process)
        if cluster and self.trace is not None:
            self.say(name, "begins")
        if cluster:
            self.busy[cluster] += 1
        process.start()
        return process

    def _ended(self, cluster: str, process: Process) -> None:
        if process.name != "follow" or not process.done:
            self.disturb()
        self.processes.remove(process)
        if process.crash and not self.over:
            self.violate("nothing crashes", f"{process.name}: {process.crash!r}", error=process.crash)
        if connection.in_atomic_block or not connection.get_autocommit():
            self.violate("simulation", f"{process.name} left a transaction open")
        if cluster:
            self.busy[cluster] -= 1
            if self.backlog[cluster] and not self.over:
                self.clock.after(0.05, self.backlog[cluster].pop(0))

    def doubles(self, answered: Any) -> bool:
        """Whether an answer is given twice at once. One that comes again later comes to a process of its own."""
        if pause := self.chaos.again(paid=answered.open.call.paid):
            self.clock.after(pause, partial(self._hear_again, answered))
        return pause == 0

    def _hear_again(self, answered: Any) -> None:
        if not self.over:
            self.spawn("again", lambda: answered.open.finish(answered.reply))

    def disturb(self) -> None:
        """Something has changed: whoever found nothing to do has to look again."""
        self.dirty += 1

    # The queue --------------------------------------------------------------------------------------------------------

    def enqueue(self, task: str, *args: object, cluster: str = "klingweb") -> None:
        """Stands where `queue.enqueue` stood: a message comes once, twice, late or never."""
        self.chaos.at_send(task)
        rng, weather = self.rng, self.chaos.weather
        name = task.rpartition(".")[2]
        times = 1
        if rng.random() < weather.lost_messages:
            self.say("queue", f"loses {name}")
            times = 0
        elif rng.random() < weather.doubled_messages:
            times = 2
        for _ in range(times):
            late = rng.uniform(5, 120) if rng.random() < weather.late_messages else rng.choice((0.02, 0.1, 0.3))
            self.clock.after(late, partial(self._deliver, task, args, cluster))

    def _deliver(self, task: str, args: tuple[object, ...], cluster: str) -> None:
        if self.over:
            return
        name = task.rpartition(".")[2]
        if name == "follow" and (moment := self.witness.next_work()) > self.clock.elapsed:
            if moment < 1e9:
                self.clock.at(moment, partial(self._deliver, task, args, cluster))
            return
        if self.busy[cluster] >= WORKERS[cluster]:
            if name != "follow" or not self.backlog[cluster]:
                self.backlog[cluster].append(partial(self._deliver, task, args, cluster))
            return
        self.spawn(name, partial(import_string(task), *args), cluster)

    def _sweep(self) -> None:
        """Each minute, as long as there is anything to be found."""
        moment = self.witness.next_work(images=True)
        if moment <= self.clock.elapsed:
            self._deliver("generations.tasks.sweep", (), "klingweb")
            moment = self.clock.elapsed
        if moment < 1e9 or self.clock.elapsed < self.asked:
            moment = min(moment, max(self.clock.elapsed, self.asked))
            self.clock.at(60 * (1 + moment // 60) + 1, self._sweep)
        else:
            self.clock.at(self.clock.elapsed + 600, self._sweep)

    def patience(self, process: Process, timeout: float, looked: float) -> float:
        """Until when a turn of the follower waits that has nothing to do since it looked."""
        earliest = self.clock.elapsed + timeout
        if self.dirty != process.seen:
            process.seen = self.dirty
            return earliest
        work = self.witness.next_due(looked)
        if work > self.clock.elapsed + IDLE and not process.calls:
            process.spent += 60.0
            self.rested = (self.dirty, looked)
            return earliest
        return max(earliest, work)

    # Telling ----------------------------------------------------------------------------------------------------------

    def say(self, who: str, what: str, life: int | None = None) -> None:
        if self.trace is not None:
            self.trace.append((self.clock.elapsed, who, what, life))

    def violate(self, rule: str, what: str, life: int | None = None, error: Exception | None = None) -> None:
        self.violations.append(Violation(rule, what, life, error))

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the database past Django, and past all that goes wrong."""
        found: list[tuple[Any, ...]] = connection.connection.execute(query, values).fetchall()
        return found

    def life_of(self, pk: object) -> "Life | None":
        name = uuid.UUID(str(pk)).hex
        if name not in self.by_pk:
            row = self.rows("SELECT prompt FROM generations_generation WHERE id = ?", name)
            if not row:
                return None
            self.by_pk[name] = self.lives[int(row[0][0].split()[1])]
        return self.by_pk[name]

    def elapsed_at(self, moment: Any) -> float:
        return float((moment - START) / timedelta(seconds=1))
