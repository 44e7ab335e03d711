"""Whichever has a free slot: what was asked for with the credential left open may change over while it waits.

It waits in the line of one credential at a time, where people take turns as in any line, so that its place in it can be
told. It changes over where that credential cannot send it today, being paused, removed or at its day's limit; and where
the credential is full while another has slots that nothing in its own line needs. That happens before the POST, never
with it, and never again once an earlier POST may have arrived: only that account knows of it. What was prepared for one
account is of no use at another, so whatever needs preparing is made ready anew.
"""

from collections import defaultdict
from datetime import datetime

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from generations import credentials, dispatch, queue
from generations.dispatch import Room
from generations.lifecycle import switch
from generations.models import Credential, Generation
from generations.providers.registry import PROVIDERS
from generations.services import readying, weighing
from klingweb.accounts.models import Team

HELD = ("team", "provider", "credential")
BATCH = 100  # of one team and provider in one step


def spread(now: datetime) -> set[int]:
    """Have what waits in vain wait for another credential of the same team and provider.

    Returns the ids of the credentials that something changed over to.
    One query where nothing was left open; else a few for each team and provider, however many wait.
    """
    holders: defaultdict[tuple[int, str], set[int]] = defaultdict(set)
    for team, provider, credential in dispatch.open_ones(now).order_by().values_list(*HELD).distinct():
        holders[team, provider].add(credential)
    known = [(Team(pk=team), provider, those) for (team, provider), those in holders.items() if provider in PROVIDERS]
    return {target for each in known for target in _spread(*each, now)}


def _spread(team: Team, provider: str, holders: set[int], now: datetime) -> set[int]:
    """The same for a team and provider, where these credentials hold what waits."""
    prefetched = ["accounts"] if PROVIDERS[provider].accounts else []
    usable = list(credentials.working(team).filter(provider=provider).prefetch_related(*prefetched))
    gone = holders.difference(each.pk for each in usable)
    others = list(Credential.objects.filter(pk__in=gone)) if gone else []
    if len(usable) + len(others) < 2:
        return set()  # it waits for the only one
    rooms = {each.credential.pk: each for each in dispatch.rooms([*usable, *others], now)}
    targets = [rooms[each.pk] for each in usable]
    if not (any(each.has_spare for each in targets) or any(each.may_refuse for each in rooms.values())):
        return set()
    changed = set()
    for generation in _in_turn(dispatch.open_ones(now).filter(team=team, provider=provider)):
        own = rooms.get(generation.credential_id)
        other = dispatch.best([each for each in targets if each is not own], generation)
        if own and other and (why := _why(generation, own, other)):
            _switch(generation, own, other, why, now)
            changed.add(other.credential.pk)
    return changed


def _in_turn(waiting: QuerySet[Generation]) -> QuerySet[Generation]:
    """First what no key holds any more; then each person's oldest, then each one's second, and so on."""
    turn = Window(RowNumber(), partition_by="person", order_by=["created", "id"])
    found = waiting.defer("values", "prompt").annotate(turn=turn)
    stranded = F("credential__removed_at").asc(nulls_last=True)
    return found.order_by(stranded, "turn", "created")[:BATCH]


def _why(generation: Generation, own: Room, other: Room) -> str:
    """What is wrong with its own credential, where the other one is better; empty where it stays."""
    if own.credential.removed_at:
        return "was removed"
    if not other.is_able(generation):
        return ""
    if own.credential.paused_at:
        return "is paused"
    if not own.is_able(generation):
        return "may send no more today"
    return "has no free slot" if own.keeps_waiting(generation) and other.has_slots(generation) else ""


def _switch(generation: Generation, own: Room, other: Room, why: str, now: datetime) -> None:
    target, provider = other.credential, PROVIDERS[generation.provider]
    ready = not readying.needed(provider, references=generation.references.exists())
    own.lose(generation)
    other.take(generation, now)
    if switch(generation, target, reason=f"{own.credential} {why}, so it goes with {target}", ready=ready):
        weighing.ask_for_reading(target)
        queue.enqueue_ready([] if ready else [generation.pk])
