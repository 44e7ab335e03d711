"""The loop that submits and follows: one thread owns the database, the client's thread owns the network.

It knows no provider. A turn lasts `settings.FOLLOWER_TURN` seconds under a lease; then it hands on and lingers only for
its open paid calls. Whatever happens to it, the rows tell the next turn what to do.
"""

import contextlib
import logging
import math
import os
import queue as queues
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.db import DatabaseError, DataError, IntegrityError, close_old_connections
from django.db.models import Exists, Q, QuerySet
from django.utils import timezone

from generations import credentials, dispatch, images, queue
from generations.models import Credential, Generation, Lease, Status
from generations.providers import client
from generations.providers.exchange import Reply
from generations.services import following, listing, submission, switching, unconfirmed
from generations.services.common import WHOLE, paced
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

TICK = 0.1  # seconds; how late an accepted request or a webhook may be noticed
AT_ONCE = 0.005  # seconds; replies that are applied before the next step
OPEN_CALLS = client.CONNECTIONS  # per credential and kind, so that a slow provider delays nobody else
LONGER = 4  # times a turn, at most; with the longest paid call behind it, less than the cluster's timeout
SORE = 60  # seconds; how long a row that raised an error is left alone


def take_lease(token: str) -> bool:
    """Take or keep the follower's lease for `settings.FOLLOWER_LEASE` seconds; False while another holds it."""
    now = timezone.now()
    until = now + timedelta(seconds=settings.FOLLOWER_LEASE)
    if Lease.objects.filter(name=queue.FOLLOWER, token=token).update(expires_at=until):
        return True
    Lease.objects.get_or_create(name=queue.FOLLOWER, defaults={"expires_at": now})
    impossible = Q(expires_at__gt=now + timedelta(seconds=3 * settings.FOLLOWER_LEASE))  # the clock was set back
    free = Lease.objects.filter(Q(expires_at__lte=now) | impossible, name=queue.FOLLOWER)
    return bool(free.update(token=token, expires_at=until))


def release_lease(token: str) -> None:
    """Give the lease back before it ends."""
    Lease.objects.filter(name=queue.FOLLOWER, token=token).update(token="", expires_at=timezone.now(), nudged_at=None)


def asked_to_stop() -> bool:
    """Whether the supervisor is stopping, so that a turn should not use up its time."""
    named = os.environ.get("KLINGWEB_STOP_FILE")
    return bool(named) and Path(named or "").exists()


@dataclass(frozen=True)
class Open:
    """A call that is on its way: for which generation, if for one, with which credential, and who takes the reply."""

    generation: uuid.UUID | None
    credential: int
    call: client.Call
    finish: Callable[[Reply], None]


@dataclass(frozen=True)
class Answered:
    """What came back for an open call."""

    open: Open
    reply: Reply


class Look(Protocol):
    """A verb that asks about a generation, in halves."""

    def pause(self, generation: Generation, now: datetime) -> timedelta: ...
    def begin(self, generation: Generation) -> client.Call: ...
    def finish(self, asked: Generation, reply: Reply) -> None: ...


class Turn:
    """One turn of the loop."""

    def __init__(self, budget: float | None = None) -> None:
        self.token = str(uuid.uuid4())
        turn = settings.FOLLOWER_TURN if budget is None else budget
        self.ends = time.monotonic() + turn
        self.ends_at_last = time.monotonic() + turn * LONGER
        self.inbox: queues.SimpleQueue[Answered] = queues.SimpleQueue()
        self.asked: set[uuid.UUID] = set()  # generations with an open poll
        self.open: Counter[tuple[int, bool]] = Counter()  # open calls by credential and whether they are paid
        self.listed: dict[listing.Place, listing.Round] = {}  # lists that are being asked for
        self.rests: dict[listing.Place, float] = {}  # when the next list may be asked for
        self.misses: Counter[uuid.UUID] = Counter()  # how many lists in a row did not show a generation
        self.alone: set[uuid.UUID] = set()  # what no list answers for: it is asked about by itself
        self.renewed = -math.inf

    def run(self, *, until: Callable[[], bool] = asked_to_stop) -> None:
        """Follow until the time is up, the lease is lost or `until` says so; then hand on and wait for paid calls."""
        while self._goes_on() and not until():
            try:
                if not self._keep_lease():
                    break
                self._step()
            except DatabaseError as error:
                log.warning("The database does not answer (%s): trying again.", type(error).__name__)
                close_old_connections()
            self._receive()
        with contextlib.suppress(DatabaseError):
            for place, asked in self.listed.items():
                listing.let_go(place, asked, timezone.now())
            release_lease(self.token)
            if not until():
                queue.nudge_follower()
        while self._awaits_paid():
            self._receive()

    def _goes_on(self) -> bool:
        """Whether its time is not up. It has more while it would have to wait for paid calls without following."""
        now = time.monotonic()
        return now < self.ends or (now < self.ends_at_last and self._awaits_paid())

    def _awaits_paid(self) -> bool:
        return any(count for (_, paid), count in self.open.items() if paid)

    def _keep_lease(self) -> bool:
        if time.monotonic() - self.renewed > settings.FOLLOWER_LEASE / 4:
            if not take_lease(self.token):
                return False
            self.renewed = time.monotonic()
        return True

    def _step(self) -> None:
        """Whatever is to be done. Finding that there is nothing takes one query."""
        waiting = self._waiting(timezone.now())
        if waiting[Status.SUBMITTING]:
            submission.give_up_silent(self.token)
        if ids := waiting[Status.QUEUED]:
            self._submit(ids)
        if ids := waiting[Status.RUNNING]:
            self._list()
            self._ask(WHOLE.filter(status=Status.RUNNING), following, ids)
        if ids := waiting[Status.UNCONFIRMED]:
            lost = WHOLE.filter(unconfirmed.askable(), status=Status.UNCONFIRMED)
            self._ask(lost, unconfirmed, ids)

    def _waiting(self, now: datetime) -> Mapping[str, list[int]]:
        """The ids of the credentials with which something may be due, by its status.

        It is what others sent, what was left open, and what has its turn.
        """
        silent, left_open = submission.silent(self.token, now), Q(status=Status.QUEUED, open_credential=True)
        due = Q(status__in=(Status.QUEUED, Status.RUNNING), due_at__lte=now)
        lost = Q(unconfirmed.askable(), status=Status.UNCONFIRMED, due_at__lte=now)
        found = Generation.objects.filter(silent | left_open | due | lost).order_by()
        waiting: defaultdict[str, list[int]] = defaultdict(list)
        for status, credential in found.values_list("status", "credential").distinct():
            waiting[status].append(credential)
        return waiting

    def _submit(self, ids: Sequence[int]) -> None:
        """Paid calls for those that wait with these credentials, or change over to another one."""
        known, now = self._spread().union(ids), timezone.now()
        awake = Credential.objects.filter(paused_at=None, team__sending_pause=None, pk__in=known)
        for credential in [] if images.obstacle() else awake:
            while self.open[credential.pk, True] < OPEN_CALLS and (chosen := dispatch.next_for(credential, now)):
                with self._tending(chosen):
                    if not (call := submission.begin(chosen, self.token, where=self._is_mine())):
                        break
                    finish = partial(submission.finish, chosen.pk, self.token, sent=chosen.submitted_at)
                    self._send(Open(chosen.pk, credential.pk, call, finish))

    def _is_mine(self) -> Q:
        """Whoever has lost the lease while it stood still has counted slots that another one fills by now."""
        return Q(Exists(Lease.objects.filter(name=queue.FOLLOWER, token=self.token)))

    def _spread(self) -> set[int]:
        """What was left open may change over. Whatever goes wrong there must not end the turn: paid calls are open."""
        try:
            return switching.spread(timezone.now())
        except DatabaseError:
            raise
        except Exception:
            log.exception("What was left open stays where it is for now")
        return set()

    def _list(self) -> None:
        """Where many are due, the provider's list tells which of them have ended."""
        now = timezone.now()
        for place in listing.places(now):
            rested = time.monotonic() >= self.rests.get(place, 0)
            if rested and place not in self.listed and (asked := listing.begin(place, now, self.alone)):
                self.listed[place] = asked
                asked.open = len(asked.calls)
                for call in asked.calls:
                    self._post(Open(None, asked.sample.credential_id, call, partial(self._note_page, place, asked)))

    def _note_page(self, place: listing.Place, asked: listing.Round, reply: Reply) -> None:
        asked.take(reply)
        if not asked.open:
            del self.listed[place]
            self.rests[place] = time.monotonic() + asked.rest.total_seconds()
            self.alone |= listing.finish(place, asked, self.misses)

    def _ask(self, generations: QuerySet[Generation], verb: Look, ids: Sequence[int]) -> None:
        """Free calls about those that are due with these credentials: where they are, or whether they exist."""
        now = timezone.now()
        chosen = self._next(generations.filter(due_at__lte=now), ids)
        alike: dict[timedelta, list[Generation]] = defaultdict(list)
        for generation in chosen:
            alike[verb.pause(generation, now)].append(generation)
        for pause, those in alike.items():
            postpone(those, pause)
        for generation in chosen:
            with self._tending(generation):
                finish = partial(verb.finish, generation)
                self._send(Open(generation.pk, generation.credential_id, verb.begin(generation), finish))

    def _next(self, due: QuerySet[Generation], ids: Sequence[int]) -> list[Generation]:
        """Those that have been due for longest, as many as each credential has calls left."""
        due = due.exclude(pk__in=self.asked).order_by("due_at")
        chosen: list[Generation] = []
        for credential in ids:
            left = max(0, OPEN_CALLS - self.open[credential, False])
            chosen += due.filter(credential=credential)[:left]
        return chosen

    @contextlib.contextmanager
    def _tending(self, generation: Generation) -> Iterator[None]:
        """One row that cannot be handled must not hold up the others."""
        try:
            yield
        except DatabaseError:
            raise
        except Undecryptable as error:
            credentials.pause(generation.credential, f"{error} An admin has to enter the secrets again.")
            postpone([generation], paced(SORE))
        except Exception:
            log.exception("%s could not be handled and is left alone for a while", generation.pk)
            postpone([generation], paced(SORE))

    def _send(self, opened: Open) -> None:
        self.open[opened.credential, opened.call.paid] += 1
        if opened.generation and not opened.call.paid:
            self.asked.add(opened.generation)
        self._post(opened)

    def _post(self, opened: Open) -> None:
        future = client.shared().send(opened.call)
        future.add_done_callback(lambda done: self.inbox.put(Answered(opened, done.result())))

    def _receive(self) -> None:
        """Apply the replies that are here, waiting one tick for the first.

        Those that change something take a while, and each may have freed a slot: that is looked at in between.
        """
        with contextlib.suppress(queues.Empty):
            self._apply(self.inbox.get(timeout=TICK))
            until = time.monotonic() + AT_ONCE
            while time.monotonic() <= until:
                self._apply(self.inbox.get_nowait())

    def _apply(self, answered: Answered) -> None:
        opened = answered.open
        try:
            opened.finish(answered.reply)
        except (DataError, IntegrityError):
            log.exception("%s: the answer holds something that the database refuses", opened.generation)
        except DatabaseError as error:
            log.warning("%s: the answer could not be written yet (%s)", opened.generation, type(error).__name__)
            close_old_connections()
            if opened.call.paid:  # what was paid for is not dropped
                threading.Timer(TICK, self.inbox.put, [answered]).start()
                return
        except Exception:
            log.exception("%s: the answer could not be handled", opened.generation)
        if opened.generation:
            self.open[opened.credential, opened.call.paid] -= 1
            self.asked.discard(opened.generation)


def postpone(generations: Sequence[Generation], pause: timedelta) -> None:
    """Leave rows of one status alone for a while. Moving `due_at` is also the lease of one poll."""
    those = Generation.objects.filter(pk__in=[each.pk for each in generations], status=generations[0].status)
    those.update(due_at=timezone.now() + pause)
