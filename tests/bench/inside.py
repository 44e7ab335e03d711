"""What the bench does to an installation's own database, in a process with its settings.

Each line of standard input names a verb and its values as JSON; the answer is a line of JSON. It ends with its input.
"""

import json
import os
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")
django.setup()

from django.conf import settings  # noqa: E402 - all of these need settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import default_storage  # noqa: E402
from django.db import transaction  # noqa: E402

from generations import credentials, queue  # noqa: E402
from generations.lifecycle import TERMINAL  # noqa: E402
from generations.models import Credential, Event, Generation, Heartbeat, Image, Lease, Status  # noqa: E402
from generations.providers.registry import find  # noqa: E402
from klingweb.accounts import services  # noqa: E402
from klingweb.accounts.models import Membership, Role, User  # noqa: E402

TEAM = "Bench"
OPERATION = "text-to-image"
BATCH = 500


def furnish(people: int, provider: str) -> dict[str, Any]:
    """A team, its people, signed in, and keys: `polled`, `called` by webhooks, `relay` without a list, `narrow`."""
    team = services.ensure_team(TEAM)
    made = {
        name: credentials.ensure(
            team=team,
            provider="kkiai" if name == "relay" else "kling",
            name=name,
            base_url=provider,
            secrets={"api_key": "a-key-that-opens-nothing"},
        )[0]
        for name in ("polled", "called", "relay", "narrow")
    }
    Credential.objects.update(slots=30_000)  # more than a person may give it
    Credential.objects.exclude(name="called").update(webhooks=False)
    with transaction.atomic():
        everybody = [services.ensure_person(f"person-{at}@bench.example") for at in range(people)]
        for each in everybody:
            services.ensure_membership(team, each, Role.MEMBER)
        sessions = [[each.pk, _signed_in(each)] for each in everybody]
    return {"people": sessions, "credentials": {name: each.pk for name, each in made.items()}}


def _signed_in(person: User) -> str:
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def slots(credential: int, count: int) -> None:
    """How many may be at the provider at once."""
    Credential.objects.filter(pk=credential).update(slots=count)


def add(credential: int, generations: list[list[str]], status: str) -> None:
    """Generations, by id and the provider's, that wait for this key or were sent with it within the last moments."""
    used = Credential.objects.get(pk=credential)
    operation = find(used.provider, OPERATION)[1]
    members = list(Membership.objects.filter(team=used.team).order_by("pk"))
    now, values = datetime.now(UTC), operation.clean({"prompt": "A lighthouse in the rain"}).values
    rows = [
        Generation(
            id=uuid.UUID(pk),
            team=used.team,
            person_id=members[at % len(members)].user_id,
            credential=used,
            key=pk,
            provider=used.provider,
            operation=OPERATION,
            model_name=str(operation.meant(values, "model") or ""),
            prompt=str(values["prompt"]),
            asked=1,
            values=dict(values),
            status=status,
            provider_task_id=task,
            created=now,
            changed=now,
            due_at=now + timedelta(seconds=2 * at / len(generations)),
            submitted_at=now if status == Status.RUNNING else None,
        )
        for at, (pk, task) in enumerate(generations)
    ]
    if status == Status.QUEUED:
        for row in rows:
            row.due_at = now
    Generation.objects.bulk_create(rows, batch_size=BATCH)
    queue.nudge_follower()


def moments(generations: list[str]) -> dict[str, dict[str, float]]:
    """When each of these entered each status that it has had."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    wanted = set(generations)
    for pk, after, at in Event.objects.order_by("at").values_list("generation_id", "after", "at").iterator():
        if str(pk) in wanted:
            found[str(pk)].setdefault(after, at.timestamp())
    return found


def turn() -> str:
    """Whose turn it is to follow; nothing where it is nobody's."""
    return Lease.objects.filter(name=queue.FOLLOWER).values_list("token", flat=True).first() or ""


def count(generations: list[str], statuses: list[str]) -> int:
    """How many of these are in one of the statuses."""
    found = dict(Generation.objects.filter(status__in=statuses).values_list("pk", "status"))
    return sum(uuid.UUID(each) in found for each in generations)


def archive(person: int, pictures: int, size: int) -> str:
    """A finished generation with pictures of so many bytes each; returns its id."""
    generation = uuid.uuid4()
    credential = Credential.objects.get(name="polled")
    add(credential.pk, [[str(generation), "archived"]], Status.SUCCEEDED)
    Generation.objects.filter(pk=generation).update(person_id=person, asked=pictures, finished_at=datetime.now(UTC))
    for index in range(pictures):
        name = default_storage.save(f"originals/{generation}-{index}.png", ContentFile(os.urandom(size)))
        Image.objects.create(
            generation_id=generation,
            index=index,
            state=Image.State.KEPT,
            file=name,
            media_type="image/png",
            size=size,
            width=2048,
            height=2048,
        )
    return str(generation)


def clear() -> None:
    """Let nothing be on its way any more."""
    Generation.objects.exclude(status__in=TERMINAL).update(status=Status.CANCELED, finished_at=datetime.now(UTC))
    Image.objects.filter(state=Image.State.PENDING).update(state=Image.State.LOST)


def alive(seconds: float) -> bool:
    """Wait until both clusters have run a task."""
    queue.enqueue("generations.tasks.beat", cluster=queue.FAST)
    queue.enqueue("generations.tasks.beat")
    until = time.monotonic() + seconds
    while Heartbeat.objects.count() < 2 and time.monotonic() < until:
        time.sleep(0.1)
    return Heartbeat.objects.count() == 2


VERBS: Mapping[str, Callable[..., Any]] = {
    each.__name__: each for each in (furnish, slots, add, moments, turn, count, archive, clear, alive)
}

if __name__ == "__main__":
    for line in sys.stdin:
        verb, values = json.loads(line)
        sys.stdout.write(json.dumps(VERBS[verb](**values)) + "\n")
        sys.stdout.flush()
