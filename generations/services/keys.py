"""What admins do with credentials: add, test, replace, change, pause, resume, remove. None of it costs anything."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from generations import credentials, ledger, queue
from generations.credentials import BadCredential, Key
from generations.dispatch import NEEDS_KEY
from generations.lifecycle import UNFINISHED
from generations.models import Credential, Generation, Status
from generations.providers import client, errors
from generations.providers.exchange import Capacity, Reply
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Accounts, Provider
from generations.services import switching
from generations.services.common import FREE, TWICE_SENT, fail, free_call
from klingweb.accounts.models import Membership, Team, User
from klingweb.secrets import Secrets, Undecryptable

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds that a person waits for a test at most
TEST_EVERY = timedelta(seconds=2)  # there are providers that answer such a question once a second


@dataclass(frozen=True)
class Limits:
    """What an admin may change of a credential without its secrets. No `daily_pictures` means no limit."""

    name: str
    slots: int
    daily_pictures: int | None
    webhooks: bool = True


# Adding and changing --------------------------------------------------------------------------------------------------


@transaction.atomic
def add(member: Membership, provider: Provider, key: Key, limits: Limits) -> Credential:
    """A new credential of the member's team. Raises BadCredential."""
    values = credentials.fields_of(provider, key) | vars(limits)
    with _name_free():
        made = Credential.objects.create(team=member.team, provider=provider.slug, created_by=member.user, **values)
    _log(made, member.user, "add key")
    return made


@transaction.atomic
def change(credential: Credential, person: User, limits: Limits) -> None:
    """Rename it, or change its limits. Raises BadCredential where the name is taken."""
    with _name_free():
        _write(credential, person, **vars(limits))
    said = f"{limits.slots} at once, {limits.daily_pictures or 'no limit'} a day"
    _log(credential, person, "change key", f"{said}, webhooks {'on' if limits.webhooks else 'off'}")
    _go_on(credential)


def replace(credential: Credential, person: User, key: Key) -> None:
    """Put another key in its place; the old one is gone. A pause stays. Raises BadCredential."""
    values = credentials.fields_of(PROVIDERS[credential.provider], key)
    with transaction.atomic():
        _write(credential, person, **values)
        _log(credential, person, "replace key")
        unready = credentials.forget_accounts(credential)
        transaction.on_commit(lambda: queue.enqueue_ready(unready))


@transaction.atomic
def pause(credential: Credential, person: User, reason: str) -> None:
    """Send nothing with it until somebody resumes it."""
    credentials.pause(credential, reason, person)
    _log(credential, person, "pause key", reason)


@transaction.atomic
def resume(credential: Credential, person: User) -> None:
    """Send with it again, beginning with what waits."""
    credentials.resume(credential)
    _log(credential, person, "resume key")
    _go_on(credential)


@transaction.atomic
def pause_team(team: Team, person: User) -> None:
    """Send nothing with any of the team's keys until somebody resumes."""
    credentials.pause_team(team, person)
    ledger.write(team, person, "pause sending", "all keys")


@transaction.atomic
def resume_team(team: Team, person: User) -> None:
    """Send with them again; a key that rests by itself goes on resting."""
    credentials.resume_team(team)
    ledger.write(team, person, "resume sending", "all keys")
    transaction.on_commit(queue.nudge_follower)


# Testing --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a test said. `ok` is None where nobody answered; `details` are the provider's own words."""

    ok: bool | None
    balance: str = ""
    problem: str = ""
    details: str = ""
    pauses: bool = False
    accounts: tuple[Capacity, ...] = ()


def test(credential: Credential) -> bool:
    """Ask the provider whether the key works, and note what it says. False where somebody asked a moment ago.

    A key that the account cannot send with is paused as anywhere else; success resumes nothing. The object in hand is
    brought up to date.
    """
    now = timezone.now()
    rested = Q(tested_at=None) | ~Q(tested_at__range=(now - TEST_EVERY, now + TEST_EVERY))
    if not _kept(credential).filter(rested).update(tested_at=now):
        return False
    credential.refresh_from_db()
    verdict = _ask(credential, now)
    noted = _note(credential, verdict, now)
    if noted and verdict.pauses:
        credentials.pause(credential, verdict.problem)
    log.info("%s tested: %s %s", credential.last_four, verdict.ok, verdict.details[:20])
    credential.refresh_from_db()
    return True


def _note(credential: Credential, verdict: Verdict, now: datetime) -> bool:
    """Keep what the test of this moment said. False where the key was replaced meanwhile."""
    said: dict[str, Any] = {
        "tested_ok": verdict.ok,
        "balance": verdict.balance[:200],
        "test_problem": verdict.problem[:300],
        "test_details": verdict.details,
    }
    with transaction.atomic():
        noted = bool(_kept(credential).filter(tested_at=now).update(**said))
        if noted:
            credentials.note_accounts(credential, verdict.accounts)
    return noted


def _ask(credential: Credential, now: datetime) -> Verdict:
    provider = PROVIDERS[credential.provider]
    try:
        account = credentials.account(credential)
        verdict = _judge(provider, credential, _reply(credential, provider.build_checkup(account, now)))
    except Undecryptable as error:
        return Verdict(False, problem=f"{error} An admin has to enter the secrets again.", pauses=True)
    if not provider.accounts or not verdict.accounts:
        return verdict
    told = _room(provider.accounts, _reply(credential, provider.accounts.build(account, now)))
    return _with_room(verdict, {each.name: each for each in told})


def _reply(credential: Credential, request: httpx.Request) -> Reply:
    deadline = min(PATIENCE / 2, PROVIDERS[credential.provider].deadlines.query)  # there may be two questions
    return client.shared().send(free_call(credential, request, deadline)).result()


def _room(accounts: Accounts, reply: Reply) -> tuple[Capacity, ...]:
    """How much room each account has; nothing where the provider did not say."""
    with suppress(errors.ProviderError):
        return accounts.parse(reply) if isinstance(reply, httpx.Response) else ()
    return ()


def _with_room(verdict: Verdict, told: Mapping[str, Capacity]) -> Verdict:
    """The verdict with what is free just now, where that is known of each of its accounts."""
    mine = tuple(told[each.name] for each in verdict.accounts if each.name in told)
    if len(mine) < len(verdict.accounts):
        return verdict
    room = f"{sum(each.free for each in mine)} of {sum(each.slots for each in mine)} slots free"
    return dataclasses.replace(verdict, accounts=mine, balance=", ".join(filter(None, [verdict.balance, room])))


def _judge(provider: Provider, credential: Credential, reply: Reply) -> Verdict:
    if not isinstance(reply, httpx.Response):
        return Verdict(None, problem=f"{provider.label} does not answer. {reply.reason}")
    try:
        checkup = provider.parse_checkup(reply)
        return Verdict(True, balance=checkup.balance, accounts=checkup.accounts)
    except errors.ProviderError as error:
        words = client.redact(f"{error.code} {error.details}".strip(), credential.secrets.values(), 400)
        if error.pauses_credential:
            return Verdict(False, problem=error.sentence, details=words, pauses=True)
        if isinstance(error, errors.Busy | errors.Unavailable):
            return Verdict(None, problem=f"{provider.label} could not say. Test again in a minute.", details=words)
        return Verdict(False, problem=f"{provider.label} refused the test.", details=words)


# Removing -------------------------------------------------------------------------------------------------------------


def remove(credential: Credential, person: User) -> None:
    """Offer it no longer. What waits for it fails; what is under way is followed to its end."""
    with transaction.atomic():
        _write(credential, person, removed_at=timezone.now())
        _log(credential, person, "remove key")
    settle_removed()


def settle_removed() -> None:
    """End what still waits for a removed credential, and erase the secrets that nothing needs any more.

    What may go with another one does so.
    """
    while switching.spread(timezone.now()):
        pass
    waiting = Generation.objects.filter(status=Status.QUEUED, credential__removed_at__isnull=False)
    for generation in waiting.select_related("credential"):
        cost = TWICE_SENT if generation.doubts else FREE
        sentence = f"The key {generation.credential} was removed before this was sent. {cost}"
        fail(generation, sentence, where=Q(credential=generation.credential_id))
    unfinished = Generation.objects.filter(status__in=[*UNFINISHED, *NEEDS_KEY], credential=OuterRef("pk"))
    removed = Credential.objects.filter(removed_at__isnull=False, erased_at=None)
    removed.filter(~Exists(unfinished)).update(secrets=Secrets(), erased_at=timezone.now())


# Rows -----------------------------------------------------------------------------------------------------------------


def _log(credential: Credential, person: User, verb: str, said: str = "") -> None:
    ledger.write(credential.team, person, verb, f"{credential} of {credential.provider}", said)


def _kept(credential: Credential) -> QuerySet[Credential]:
    return Credential.objects.filter(pk=credential.pk, removed_at=None)


def _write(credential: Credential, person: User, **values: Any) -> None:
    _kept(credential).update(**values, changed_by=person, changed_at=timezone.now())
    credential.refresh_from_db()


def _go_on(credential: Credential) -> None:
    credentials.show_waiting(Generation.objects.filter(credential=credential))
    transaction.on_commit(queue.nudge_follower)


@contextmanager
def _name_free() -> Iterator[None]:
    try:
        with transaction.atomic():
            yield
    except IntegrityError:
        raise BadCredential("Another credential of this provider has that name. Choose another.", "name") from None
