"""The first meeting with a real provider: free questions, then one picture at most, and all of it written down.

What an answer holds that is not read, and what is documented and missing, is found by taking each thing out of it.
"""

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
from django.conf import settings
from django.utils import timezone

from generations import credentials, dispatch, follower, images, interpretation, pricing
from generations.catalogue import Offer, offers
from generations.lifecycle import TERMINAL
from generations.models import Credential, Generation, Image, SendingPause, Status
from generations.pricing import Estimate
from generations.providers import client, errors
from generations.providers.exchange import Reply, Task
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Operation, Provider
from generations.services import asking, collecting, following, readying, submission
from generations.services.common import account_of, free_call
from klingweb.accounts.models import Membership, Role

PROMPT = "A plain white cup on a grey table"
PATIENCE = 900.0  # seconds until it is left to `serve`
MOST = 10**7  # characters of a recording
EMAIL = re.compile(r"[\w.+-]+(@|%40)[\w-]+(\.[\w-]+)+")
QUERY = re.compile(r"(https?://[^\s\"'?\\]+)\?[^\s\"'\\]+")  # what signs an address stands behind its question mark
UNKNOWN = "unknown"  # instead of a most that it may cost

Parse = Callable[[httpx.Response], object]


class NotNow(Exception):
    """It cannot be done as things are. The text is a sentence that says what to do."""


@dataclass(frozen=True)
class Told:
    """One question with its answer, how that was read, and how it differs from what is declared."""

    what: str
    request: str
    sent: Any
    status: int | None
    answer: Any
    read: str
    unread: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


@dataclass
class Meeting:
    """All that was asked and answered. `places` are the documented ones that no answer had."""

    credential: Credential
    told: list[Told] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    @property
    def provider(self) -> Provider:
        return PROVIDERS[self.credential.provider]

    def send(self, what: str, call: client.Call, parse: Parse) -> Reply:
        """Send a call and write down what came of it."""
        reply = client.shared().send(call).result()
        request = call.request
        sent = json.loads(request.content) if request.content else None
        asked, read = f"{request.method} {request.url}", repr(outcome(parse, reply))
        if not isinstance(reply, httpx.Response):
            self.told.append(Told(what, asked, sent, None, reply.reason, read))
            return reply
        body = _body(reply)
        unread, words = unread_of(self.provider, parse, reply), unknown_words(self.provider, body)
        self.told.append(Told(what, asked, sent, reply.status_code, body, read, unread, words))
        self.places |= {each for each in self.provider.answers.places if interpretation.stands(body, each)}
        return reply

    @property
    def missing(self) -> list[str]:
        """Documented places that no answer had."""
        return [each for each in self.provider.answers.places if each not in self.places]

    def recording(self) -> str:
        """All of it as JSON, fit to be shown."""
        whole = {"provider": self.provider.slug, "calls": [asdict(each) for each in self.told], "missing": self.missing}
        return self.shown(json.dumps(whole, indent=1, ensure_ascii=False))

    def shown(self, text: str) -> str:
        """The text without secrets, mail addresses and what signs an address."""
        text = client.redact(text, self.credential.secrets.values(), MOST)
        return EMAIL.sub("•••@•••", QUERY.sub(r"\1?•••", text))


# Free questions -------------------------------------------------------------------------------------------------------


def ask_what_is_free(meeting: Meeting) -> None:
    """Whether the key works, who is behind it, and what stands in the provider's lists."""
    for what, request, parse in _free(meeting.credential):
        meeting.send(what, free_call(meeting.credential, request, meeting.provider.deadlines.query), parse)


def _free(credential: Credential) -> Iterator[tuple[str, httpx.Request, Parse]]:
    provider, account, now = PROVIDERS[credential.provider], credentials.account(credential), timezone.now()
    yield "the account", provider.build_checkup(account, now), provider.parse_checkup
    if provider.accounts:
        yield "the accounts behind it", provider.accounts.build(account, now), provider.accounts.parse
    if provider.listing:
        request = provider.listing.build(provider.operations[0], account, 1, now)
        yield "the newest requests", request, provider.listing.parse
    for lookup in provider.lookups:
        yield "what was asked for of late", lookup.build(account, now - timedelta(days=1)), lookup.parse


# One picture ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """The cheapest thing that can be asked for with a prompt alone."""

    member: Membership
    offer: Offer
    operation: Operation
    values: dict[str, str]
    estimate: Estimate | None


def plan(credential: Credential) -> Plan:
    """What would be asked for. Raises NotNow where the credential cannot make a picture."""
    member = Membership.objects.filter(team=credential.team, role=Role.ADMIN).order_by("pk").first()
    offer = next((each for each in offers(credential.team) if credential in each.credentials), None)
    if not member or not offer:
        raise NotNow(f"{credential.team} has no admin, or is not offered this provider.")
    found = [Plan(member, offer, operation, *each) for operation in offer.operations for each in _asked(operation)]
    if not found:
        raise NotNow("Nothing can be asked for with a prompt alone.")
    return min(found, key=lambda each: _price(each.estimate))


def check_cost(estimate: Estimate | None, most: str) -> None:
    """Raises NotNow where the picture may cost more than somebody wants to pay."""
    known = estimate.usd if estimate else None
    told = f"The picture costs {estimate}." if estimate else "Nobody knows what the picture costs."
    if (known is None) != (most == UNKNOWN):
        raise NotNow(f"{told} Say --max-cost {UNKNOWN if known is None else known}.")
    if known is not None and known > Decimal(most):
        raise NotNow(f"{told} That is more than {most}.")


def make_one(meeting: Meeting, chosen: Plan) -> Generation:
    """Ask for it, and carry it to its end as the follower would. Raises NotNow where nothing was sent."""
    token = str(uuid.uuid4())
    if obstacle := _obstacle(meeting.credential):
        raise NotNow(obstacle)
    if not follower.take_lease(token):
        raise NotNow("klingweb is running. Stop `manage.py serve`, so that every answer can be written down.")
    try:
        key = f"first contact {token}"
        made = asking.ask(
            chosen.member, chosen.offer, chosen.operation, meeting.credential, chosen.values, key
        ).generation
        if not made:
            raise NotNow("The request was not accepted as planned.")
        return _carry(meeting, made, token)
    finally:
        follower.release_lease(token)


def _asked(operation: Operation) -> Iterator[tuple[dict[str, str], Estimate | None]]:
    for model in [each.model_name for each in operation.capabilities] or [""]:
        meant = {"prompt": PROMPT, "model": model, "count": "1"}
        values = {name: value for meaning, value in meant.items() if value and (name := operation.named(meaning))}
        cleaned = operation.clean(values)
        if not cleaned.errors and operation.meant(cleaned.values, "prompt"):
            yield values, pricing.estimate(operation, cleaned.values)


def _price(estimate: Estimate | None) -> tuple[bool, bool, Decimal]:
    """The cheapest known price first, then what has one in another unit, then what has none."""
    if estimate is None:
        return True, True, Decimal(0)
    return False, estimate.usd is None, estimate.amount if estimate.usd is None else estimate.usd


def _obstacle(credential: Credential) -> str:
    if credential.paused_at:
        return f"The key is paused: {credential.paused_reason}"
    if SendingPause.objects.filter(team=credential.team).exists():
        return f"All sending of {credential.team} is paused."
    if dispatch.slots_taken(credential):
        return "Something is under way with this key. Wait until it has ended."
    most = credential.daily_pictures
    if most is not None and dispatch.sent_today(credential, timezone.now()) >= most:
        return f"The key's limit of {most} pictures a day is reached."
    return images.obstacle()


def _carry(meeting: Meeting, generation: Generation, token: str) -> Generation:
    ends = time.monotonic() + PATIENCE
    while generation.status not in (*TERMINAL, Status.UNCONFIRMED) and time.monotonic() < ends:
        if not follower.take_lease(token):
            break
        _step(meeting, generation, token)
        generation = Generation.objects.select_related("credential", "team").get(pk=generation.pk)
        if generation.status in (Status.RUNNING, Status.COLLECTING):
            time.sleep(settings.PACE)
    _ask_what_it_cost(meeting, generation)
    return generation


def _step(meeting: Meeting, generation: Generation, token: str) -> None:
    provider = meeting.provider
    if generation.status == Status.QUEUED and not generation.ready:
        readying.make_ready(generation.pk)
    elif generation.status == Status.QUEUED and (call := submission.begin(generation, token)):
        submission.finish(generation.pk, token, meeting.send("one picture", call, provider.parse_create))
    elif generation.status == Status.RUNNING:
        call = following.begin(generation)
        following.finish(generation, meeting.send("where it is", call, provider.parse_query))
    elif generation.status == Status.COLLECTING:
        for pk in generation.images.filter(state__in=Image.ON_ITS_WAY).values_list("pk", flat=True):
            collecting.collect(pk)


def _ask_what_it_cost(meeting: Meeting, generation: Generation) -> None:
    costs = meeting.provider.costs
    if costs and generation.provider_task_id:
        task = Task(generation.provider_task_id, str(generation.pk))
        request = costs.build(task, account_of(generation), timezone.now())
        call = free_call(meeting.credential, request, meeting.provider.deadlines.query)
        meeting.send("what it cost", call, costs.parse)


# Differences ----------------------------------------------------------------------------------------------------------


def outcome(parse: Parse, reply: Reply) -> object:
    """What is read out of an answer, as something that can be compared."""
    if not isinstance(reply, httpx.Response):
        return reply
    try:
        return parse(reply)
    except errors.ProviderError as error:
        return type(error).__name__, error.code, error.details


def unread_of(provider: Provider, parse: Parse, response: httpx.Response) -> tuple[str, ...]:
    """The places in an answer that are not declared, and without which it would be read no differently."""
    body, read = _body(response), repr(outcome(parse, response))
    new = [each for each in dict.fromkeys(_paths(body)) if each not in provider.answers.places]
    return tuple(path for path in new if repr(_without(parse, response, body, path)) == read)


def unknown_words(provider: Provider, body: object) -> tuple[str, ...]:
    """Status words that are not declared."""
    found = {text for name, text in _named(body) if name in provider.answers.named}
    return tuple(sorted(word for word in found if word.lower() not in provider.answers.words))


def _without(parse: Parse, response: httpx.Response, body: Any, path: str) -> object:
    less = json.dumps(_taken_out(body, interpretation.steps(path)))
    return outcome(parse, httpx.Response(response.status_code, headers={"content-type": "x/y"}, text=less))


def _body(response: httpx.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return response.content.decode("utf-8", "replace")


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, each in value.items():
            yield from _paths(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value:
        for each in value:
            yield from _paths(each, f"{path}[]")
    elif path:
        yield path


def _taken_out(value: Any, steps: tuple[str, ...]) -> Any:
    head, rest = steps[0], steps[1:]
    if isinstance(value, list) and head == "[]":
        return [_taken_out(each, rest) for each in value] if rest else []
    if not isinstance(value, dict) or head not in value:
        return value
    less = {name: each for name, each in value.items() if name != head}
    return less | {head: _taken_out(value[head], rest)} if rest else less


def _named(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, str | int):
                yield name, str(each).strip()
            yield from _named(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named(each)
