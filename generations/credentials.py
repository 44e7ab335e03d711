"""Credentials: where their requests go, as whom, and when they rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from generations.models import Credential, Generation, SendingPause, Status
from generations.providers.client import HostPolicy, host_port
from generations.providers.exchange import Account
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Provider
from klingweb.accounts.models import Team, User
from klingweb.secrets import Secrets, Undecryptable

SANDBOX = "sandbox:"  # a base URL that is resolved at call time, so that the demo works on any port
AWAKE: dict[str, Any] = {"paused_at": None, "paused_by": None, "paused_reason": ""}
UNTESTED: dict[str, Any] = {
    "tested_at": None,
    "tested_ok": None,
    "balance": "",
    "test_problem": "",
    "test_details": "",
}


SECRET = re.compile(r"[!-~]*")  # what can stand in a header


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
) -> tuple[Credential, bool]:
    """Make the team's credential of this name or bring it up to date; returns it and whether it is new.

    Raises BadCredential for an unknown provider, a missing or unknown secret, an address that may not be called, or
    a number of slots below one.
    """
    declared = PROVIDERS.get(provider)
    if not declared:
        raise BadCredential(f"There is no provider {provider}. Choose one of: {', '.join(PROVIDERS)}.")
    values = fields_of(declared, Key(secrets, base_url or declared.base_urls[0]))
    if slots is not None and slots < 1:
        raise BadCredential("A credential needs at least one slot.")
    values |= {"slots": slots or declared.default_slots, **AWAKE}
    same = Credential.objects.filter(team=team, provider=provider, name=name, removed_at=None).first()
    if same and not _is_key_of(same, values):
        values["changed_at"] = timezone.now()
    return Credential.objects.update_or_create(
        team=team, provider=provider, name=name, removed_at=None, defaults=values
    )


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
    ways = [[each.name for each in way.fields] for way in provider.credential_ways]
    choice = " or ".join(" with ".join(names) for names in ways)
    if unknown := sorted(set(secrets).difference(*ways)):
        raise BadCredential(f"{provider.label} has no secret {', '.join(unknown)}. It takes {choice}.")
    given = {name for name, value in secrets.items() if value.strip()}
    if given not in [set(names) for names in ways]:
        half = next((set(names) - given for names in ways if given and given < set(names)), None)
        raise BadCredential(f"{provider.label} needs {' and '.join(sorted(half)) if half else choice}.")
    if strange := next((name for name, value in secrets.items() if not SECRET.fullmatch(value.strip())), None):
        raise BadCredential("No key has such characters or spaces inside. Copy it once more.", strange)


def check_base_url(provider: Provider, base_url: str) -> str:
    """The address without its last slash. Raises BadCredential where it may not be called."""
    address = base_url.strip().rstrip("/")
    if address == SANDBOX:
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


def account(credential: Credential) -> Account:
    """As whom and where requests with this credential are made. Raises Undecryptable where no key opens it."""
    return Account(_address(credential), credential.secrets)


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
    found = Credential.objects.filter(team=team, provider__in=PROVIDERS, removed_at=None)
    return found if settings.SANDBOX != "off" else found.exclude(base_url=SANDBOX)


def pause(credential: Credential, reason: str, by: User | None = None) -> None:
    """Stop sending with this credential. Its queued work waits; the first reason stays."""
    values = {"paused_at": timezone.now(), "paused_by": by, "paused_reason": reason[:300]}
    if Credential.objects.filter(pk=credential.pk, paused_at=None).update(**values):
        show_waiting(Generation.objects.filter(credential=credential))


def resume(credential: Credential) -> None:
    """Send with this credential again."""
    Credential.objects.filter(pk=credential.pk).update(**AWAKE)
    show_waiting(Generation.objects.filter(credential=credential))


def pause_team(team: Team, person: User) -> None:
    """Send nothing for this team until somebody resumes it."""
    SendingPause.objects.get_or_create(team=team, defaults={"by": person})
    show_waiting(Generation.objects.filter(team=team))


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
    if credential.base_url == SANDBOX:
        return f"{settings.SANDBOX_ADDRESS}/{credential.provider}"
    return credential.base_url


def _trusted(credential: Credential) -> frozenset[str]:
    if credential.base_url == SANDBOX:
        return frozenset({host_port(httpx.URL(settings.SANDBOX_ADDRESS))})
    return frozenset(settings.TRUSTED_PROVIDER_HOSTS)
