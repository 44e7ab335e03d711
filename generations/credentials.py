"""Credentials: where their requests go, as whom, and when they rest."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

import httpx
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from generations.models import Credential, Generation, SendingPause, Status
from generations.providers.client import HostPolicy, host_port
from generations.providers.exchange import Account, Capacity
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from klingweb.accounts.models import Team, User
from klingweb.secrets import Secrets, Undecryptable

SANDBOX = "sandbox:"  # a base URL that is resolved at call time, so that the demo works on any port
DIALECT = re.compile(r"sandbox:([a-z0-9-]*)")  # the name of another dialect may follow
AWAKE: dict[str, Any] = {"paused_at": None, "paused_by": None, "paused_reason": ""}
UNTESTED: dict[str, Any] = {
    "tested_at": None,
    "tested_ok": None,
    "balance": "",
    "test_problem": "",
    "test_details": "",
}


SECRET = re.compile(r"[!-~]*")  # what can stand in a header
MOST_SLOTS = 1000  # more than any provider gives


class BadCredential(Exception):
    """The credential cannot be used as entered. The text is a sentence that says what to do, and never a secret."""

    def __init__(self, sentence: str, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True)
class Key:
    """The secret values of one way to sign in, and the address that they are for."""

    secrets: Mapping[str, str] = field(repr=False)
    base_url: str


def ensure(
    *, team: Team, provider: str, name: str, secrets: Mapping[str, str], base_url: str = "", slots: int | None = None
) -> tuple[Credential, Literal["added", "replaced", "kept"]]:
    """Make the team's credential of this name or bring it up to date; returns it and what became of its key.

    One that is there stays paused if it is, keeps its address and slots where none are given, and its last test for as
    long as its key.
    Raises BadCredential for an unknown provider, a missing or unknown secret, an address that may not be called, or
    a number of slots that nobody has.
    """
    declared = PROVIDERS.get(provider)
    if not declared:
        raise BadCredential(f"There is no provider {provider}. Choose one of: {', '.join(PROVIDERS)}.")
    same = Credential.objects.filter(team=team, provider=provider, name=name, removed_at=None).first()
    values = fields_of(declared, Key(secrets, base_url or (same.base_url if same else declared.base_urls[0])))
    if slots is not None and not 1 <= slots <= MOST_SLOTS:
        raise BadCredential(f"A credential has between 1 and {MOST_SLOTS} slots.")
    if not same:
        values["slots"] = slots or declared.default_slots
        return Credential.objects.create(team=team, provider=provider, name=name, **values), "added"
    kept = _is_key_of(same, values)
    changes: dict[str, Any] = {} if kept else values | {"changed_at": timezone.now(), "changed_by": None}
    changes |= {"slots": slots or same.slots}
    with transaction.atomic():
        Credential.objects.filter(pk=same.pk).update(**changes)
        if not kept:
            forget_accounts(same)
    same.refresh_from_db()
    return same, "kept" if kept else "replaced"


def _is_key_of(credential: Credential, values: Mapping[str, Any]) -> bool:
    """Whether the credential holds this key already, for this address."""
    try:
        return dict(credential.secrets) == dict(values["secrets"]) and credential.base_url == values["base_url"]
    except Undecryptable:
        return False


def fields_of(provider: Provider, key: Key) -> dict[str, Any]:
    """What a row holds of a key that has not been tested yet. Raises BadCredential."""
    check_secrets(provider, key.secrets)
    return {
        "base_url": check_base_url(provider, key.base_url),
        "secrets": Secrets({name: value.strip() for name, value in key.secrets.items() if value.strip()}),
        "last_four": _last_four(provider, key.secrets),
        **UNTESTED,
    }


def check_secrets(provider: Provider, secrets: Mapping[str, str]) -> None:
    """Refuse anything but all secrets of one way to sign in. Raises BadCredential."""
    ways = [[each.name for each in way.fields if not each.optional] for way in provider.credential_ways]
    known = {each.name: each.optional for way in provider.credential_ways for each in way.fields}
    choice = " or ".join(" with ".join(names) for names in ways)
    if unknown := sorted(set(secrets).difference(known)):
        raise BadCredential(f"{provider.label} has no secret {', '.join(unknown)}. It takes {choice}.")
    given = {name for name, value in secrets.items() if value.strip() and not known[name]}
    if given not in [set(names) for names in ways]:
        half = next((set(names) - given for names in ways if given and given < set(names)), None)
        raise BadCredential(f"{provider.label} needs {' and '.join(sorted(half)) if half else choice}.")
    if strange := next((name for name, value in secrets.items() if not SECRET.fullmatch(value.strip())), None):
        raise BadCredential("No key has such characters or spaces inside. Copy it once more.", strange)
    for each in {each for way in provider.credential_ways for each in way.fields}:
        if (value := secrets.get(each.name, "").strip()) and (refusal := each.refuses(value)):
            raise BadCredential(refusal, each.name)


def check_base_url(provider: Provider, base_url: str) -> str:
    """The address without its last slash. Raises BadCredential where it may not be called."""
    address = base_url.strip().rstrip("/")
    if DIALECT.fullmatch(address):
        return address
    try:
        url = httpx.URL(address)
        pair = host_port(url)
    except (httpx.InvalidURL, ValueError):
        raise BadCredential("The base URL is not an address.") from None
    if url.userinfo or url.query or url.fragment:
        raise BadCredential("The base URL may hold a host, a port and a path, nothing else.")
    if address not in provider.base_urls and pair not in settings.TRUSTED_PROVIDER_HOSTS:
        raise BadCredential(
            f"{provider.label} is not at that address. Use {' or '.join(provider.base_urls)}, or list the address in "
            "KLINGWEB_TRUSTED_PROVIDER_HOSTS as host:port.",
        )
    return address


def account(credential: Credential, name: str = "") -> Account:
    """As whom and where requests with this credential are made, through the account of this name if there are several.

    Raises Undecryptable where no key opens it.
    """
    return Account(_address(credential), credential.secrets, name)


def api_policy(credential: Credential) -> HostPolicy:
    """Where requests with this credential may go: its own address alone."""
    pair = host_port(httpx.URL(_address(credential)))
    return HostPolicy(hosts=frozenset({pair}), trusted=_trusted(credential))


def result_policy(credential: Credential) -> HostPolicy:
    """Where its pictures may be fetched: any public https host; a trusted one only if its API is trusted as well."""
    pair = host_port(httpx.URL(_address(credential)))
    trusted = _trusted(credential)
    return HostPolicy(hosts=None, trusted=trusted if pair in trusted else frozenset())


def working(team: Team) -> QuerySet[Credential]:
    """The team's credentials that may be chosen. Sandbox ones only while the sandbox is on."""
    found = team.credentials.filter(provider__in=PROVIDERS, removed_at=None)
    return found if settings.SANDBOX != "off" else found.exclude(base_url__startswith=SANDBOX)


def pause(credential: Credential, reason: str, by: User | None = None) -> None:
    """Stop sending with this credential. Its queued work waits; the first reason stays.

    Without a person it is for what a provider said of the key in hand: one that was replaced meanwhile goes on.
    """
    awake = Credential.objects.filter(pk=credential.pk, paused_at=None)
    meant = awake if by else awake.filter(changed_at=credential.changed_at)
    if meant.update(paused_at=timezone.now(), paused_by=by, paused_reason=reason[:300]):
        show_waiting(Generation.objects.filter(credential=credential))


def resume(credential: Credential) -> None:
    """Send with this credential again, through all of its accounts."""
    Credential.objects.filter(pk=credential.pk).update(**AWAKE)
    credential.accounts.update(paused_at=None, paused_reason="")
    show_waiting(Generation.objects.filter(credential=credential))


def pause_team(team: Team, person: User) -> None:
    """Send nothing for this team until somebody resumes it."""
    SendingPause.objects.get_or_create(team=team, defaults={"by": person})
    show_waiting(Generation.objects.filter(team=team))


def note_accounts(credential: Credential, told: Iterable[Capacity]) -> None:
    """Remember which accounts there are, as the provider has just told. What is paused stays so."""
    usual = PROVIDERS[credential.provider].default_slots
    names = [each.name for each in told]
    known = {each.name: each for each in credential.accounts.all()}
    for each in told:
        slots = each.slots or usual
        if each.name not in known or known[each.name].slots != slots:
            credential.accounts.update_or_create(name=each.name, defaults={"slots": slots})
    if names and not known.keys() <= set(names):
        credential.accounts.exclude(name__in=names).delete()


def forget_accounts(credential: Credential) -> list[UUID]:
    """Another key may open other accounts: forget those that were there, and what was uploaded to them.

    What waits finds its way anew, unless a person chose its account. Returns what is to be made ready again. How much
    an account takes is still known while something is on its way through it: the same account may be behind the key.
    """
    on_its_way = Generation.objects.filter(credential=credential, status__in=(Status.SUBMITTING, Status.RUNNING))
    credential.accounts.exclude(name__in=on_its_way.values("account")).delete()
    credential.accounts.update(paused_at=None, paused_reason="")
    credential.copies.exclude(address="").delete()
    waiting = Generation.objects.filter(credential=credential, status=Status.QUEUED).exclude(account="")
    unready = [each.pk for each in waiting if not _chose_account(each)]
    Generation.objects.filter(pk__in=unready, status=Status.QUEUED).update(account="", ready=False)
    return unready


def _chose_account(generation: Generation) -> bool:
    operation = PROVIDERS[generation.provider].operation(generation.operation)
    return bool(operation and generation.values.get(operation.account))


def plain_values(credential: Credential) -> dict[str, str]:
    """What of its values is no secret and may be shown; nothing where no key opens them."""
    ways = PROVIDERS[credential.provider].credential_ways
    plain = {each.name for way in ways for each in way.fields if each.plain}
    try:
        return {name: value for name, value in credential.secrets.items() if name in plain}
    except Undecryptable:
        return {}


def pause_account(credential: Credential, name: str, reason: str) -> bool:
    """Send nothing more through this account. False where it was the last one, so that the credential has to rest."""
    credential.accounts.filter(name=name, paused_at=None).update(paused_at=timezone.now(), paused_reason=reason[:300])
    return credential.accounts.filter(paused_at=None).exists()


def resume_team(team: Team) -> None:
    """Send for this team again."""
    SendingPause.objects.filter(team=team).delete()
    show_waiting(Generation.objects.filter(team=team))


def show_waiting(generations: QuerySet[Generation]) -> None:
    """Open pages show anew those that wait: why they do has changed."""
    generations.filter(status=Status.QUEUED).update(changed=timezone.now())


def _last_four(provider: Provider, secrets: Mapping[str, str]) -> str:
    named = (secrets.get(way.fields[0].name, "").strip() for way in provider.credential_ways)
    first = next(filter(None, named))
    return first[-4:] if len(first) > 8 else ""


def _address(credential: Credential) -> str:
    """In the sandbox each dialect has the provider's own path below its name."""
    if dialect := DIALECT.fullmatch(credential.base_url):
        own = httpx.URL(PROVIDERS[credential.provider].base_urls[0]).path.rstrip("/")
        return f"{settings.SANDBOX_ADDRESS}/{dialect[1] or credential.provider}{own}"
    return credential.base_url


def _trusted(credential: Credential) -> frozenset[str]:
    if DIALECT.fullmatch(credential.base_url):
        return frozenset({host_port(httpx.URL(settings.SANDBOX_ADDRESS))})
    return frozenset(settings.TRUSTED_PROVIDER_HOSTS)
