"""System checks: what is wrong with an installation and how to mend it. `manage.py check` shows them."""

import difflib
import ipaddress
import os
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Info, register
from django.db import DatabaseError
from django.utils import timezone

from generations import deliveries, queue
from generations.models import Heartbeat
from klingweb import installation
from klingweb.env import PREFIX

NOT_OURS = (f"{PREFIX}TEST_",)  # for those who run the tests
CLUSTERS = (
    (queue.FAST, queue.DEFAULT, "nothing is sent or followed"),
    (queue.DEFAULT, queue.FAST, "no picture is brought home"),
)
PREPARE = "Run `manage.py prepare`, which makes it, or set {}{}."


@register("klingweb")
def check_keys(**_kwargs: Any) -> list[CheckMessage]:
    """Both keys are there and can be used."""
    found: list[CheckMessage] = [
        Error(f"There is no {PREFIX}{name}.", hint=PREPARE.format(PREFIX, name), id=f"klingweb.E00{number}")
        for number, name in enumerate(installation.KEYS, start=1)
        if name in installation.missing_keys()
    ]
    if not all(map(_is_fernet_key, settings.ENCRYPTION_KEYS)):
        found.append(
            Error(
                f"{PREFIX}ENCRYPTION_KEYS holds something that is not a key.",
                hint="Each is 32 bytes in URL-safe base64, as made by `manage.py prepare`; commas stand between them.",
                id="klingweb.E003",
            )
        )
    return found


@register("klingweb")
def check_data_directory(**_kwargs: Any) -> list[CheckMessage]:
    """The data directory can be written to, or made."""
    nearest = next(each for each in (settings.DATA_DIR, *settings.DATA_DIR.parents) if each.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"{settings.DATA_DIR} cannot be written to.",
            hint=f"Give this account the right to write there, or set {PREFIX}DATA_DIR to another directory.",
            id="klingweb.E004",
        )
    ]


@register("klingweb")
def check_restored(**_kwargs: Any) -> list[CheckMessage]:
    """Nothing is sent from half a backup."""
    if not installation.unfinished_restore().exists():
        return []
    return [
        Error(
            "A backup was being restored here and that came to no end.",
            hint="Run `manage.py restore` with the same backup again. It begins anew.",
            id="klingweb.E006",
        )
    ]


@register("klingweb")
def check_sandbox(**_kwargs: Any) -> list[CheckMessage]:
    """A sandbox that the internet can reach was meant to be."""
    if not (settings.HTTPS and settings.SANDBOX == "on"):
        return []
    return [
        Error(
            f"The sandbox is on, and {PREFIX}PUBLIC_URL is https: anybody could use it.",
            hint=f"Set {PREFIX}SANDBOX=off (or remove {settings.SANDBOX_SWITCH}); =public if that is what you want.",
            id="klingweb.E005",
        )
    ]


@register("klingweb")
def check_transport(**_kwargs: Any) -> list[CheckMessage]:
    """Passwords cross no network in the clear, and https ends at a proxy that is believed."""
    found: list[CheckMessage] = []
    reached_at = urlsplit(settings.PUBLIC_URL).hostname, settings.BIND
    if not settings.HTTPS and not all(map(_is_loopback, reached_at)):
        found.append(
            checks.Warning(
                "klingweb is reached from elsewhere without https: passwords and pictures cross the network in clear.",
                hint=f"Put a proxy with a certificate in front and set {PREFIX}PUBLIC_URL=https://…",
                id="klingweb.W001",
            )
        )
    if settings.HTTPS and not settings.TRUSTED_PROXY_COUNT:
        found.append(
            Info(
                f"{PREFIX}PUBLIC_URL is https, but no proxy is trusted: `serve` would redirect each request for ever.",
                hint=f"Set {PREFIX}TRUSTED_PROXY_COUNT=1 if one proxy stands in front of klingweb.",
                id="klingweb.I001",
            )
        )
    return found


@register("klingweb")
def check_webhooks(**_kwargs: Any) -> list[CheckMessage]:
    """An address that was set is one that providers can call, or nobody expects that they do."""
    if settings.PUBLIC_URL == settings.LOCAL_ADDRESS or deliveries.reachable():
        return []
    return [
        checks.Warning(
            f"No provider can call klingweb at {settings.PUBLIC_URL}, so it only asks them: webhooks are not used.",
            hint=f"Set {PREFIX}PUBLIC_URL to an https address on the internet. All works without, a little later.",
            id="klingweb.W004",
        )
    ]


@register("klingweb")
def check_names(**_kwargs: Any) -> list[CheckMessage]:
    """No variable is set in vain."""
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in settings.VARIABLES)
    return [
        checks.Warning(
            f"{name} is set, but klingweb knows no such variable.", hint=_suggestion(name), id="klingweb.W002"
        )
        for name in unknown
        if not name.startswith(NOT_OURS)
    ]


@register("running")
def check_clusters(**_kwargs: Any) -> list[CheckMessage]:
    """Whoever runs one queue cluster runs both. Nothing is said where none runs, or where nobody can tell."""
    alive = timezone.now() - timedelta(seconds=settings.HEARTBEAT_SILENCE)
    try:
        beating = set(Heartbeat.objects.filter(at__gt=alive).values_list("cluster", flat=True))
    except DatabaseError:
        return []
    return [
        checks.Warning(
            f"The queue cluster {missing} gives no sign of life, while {other} does: {without}.",
            hint=f"Start it: Q_CLUSTER_NAME={missing} manage.py qcluster, or everything by manage.py serve.",
            id="klingweb.W003",
        )
        for missing, other, without in CLUSTERS
        if other in beating and missing not in beating
    ]


def _suggestion(name: str) -> str:
    known = sorted(each.removeprefix(PREFIX) for each in settings.VARIABLES)
    near = difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1)
    return f"Did you mean {PREFIX}{near[0]}?" if near else "All of them are in .env.example."


def _is_fernet_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _is_loopback(host: str | None) -> bool:
    if host in (None, "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False
