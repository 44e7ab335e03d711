"""Which faces a provider finds in a reference picture, so that a person can choose one. It is free."""

import logging
import time
from dataclasses import asdict

from django.utils import timezone

from generations import credentials
from generations.models import Asset, AssetCopy, Credential
from generations.providers import errors
from generations.providers.exchange import Face
from generations.providers.registry import PROVIDERS
from generations.providers.spec import Faces
from generations.services.readying import NotNow, answer, copy_of, free_account, pause_for
from klingweb.secrets import Undecryptable

log = logging.getLogger(__name__)

PATIENCE = 10.0  # seconds that a person waits for it at most
INSTEAD = "Look again in a moment, or enter the number of the face."


def known(asset: Asset, provider: str) -> tuple[Face, ...] | None:
    """The faces that the provider has found in this picture; None where it has not been asked."""
    copy = AssetCopy.objects.filter(asset=asset, credential__provider=provider, faces__isnull=False).first()
    return tuple(Face(**each) for each in copy.faces or ()) if copy else None


def look(asset: Asset, credential: Credential, account: str = "") -> str:
    """Ask the provider which faces are in a picture, and remember them. Says why where it could not; else nothing.

    An account that is not named is the credential's own, one that has the picture already, or a free one.
    """
    provider = PROVIDERS[credential.provider]
    if not provider.faces or known(asset, provider.slug) is not None:
        return ""
    if credential.paused_at:
        return f"{provider.label}, {credential} is paused, so nobody looks for faces. Enter the number of the face."
    try:
        return _look(provider.faces, asset, credential, account)
    except FileNotFoundError:
        return "The file of this picture is not here any more. Choose another picture."
    except (NotNow, Undecryptable) as error:
        return f"{provider.label} cannot be asked for faces. {error} {INSTEAD}"


def _look(finds: Faces, asset: Asset, credential: Credential, account: str) -> str:
    until = time.monotonic() + PATIENCE
    try:
        account = account or _account(asset, credential, until)
        found = _found(finds, asset, credential, account, until)
    except errors.ProviderError as error:
        return _heed(error, credential, account)
    copies = AssetCopy.objects.filter(asset=asset, credential=credential, account=account)
    copies.update(faces=[asdict(each) for each in found])
    return ""


def _account(asset: Asset, credential: Credential, until: float) -> str:
    """That of the credential, else one that has the picture, else a free one; empty where there are none."""
    operations = PROVIDERS[credential.provider].operations
    own = next(filter(None, (credential.secrets.get(each.account) for each in operations)), "")
    resting = credential.accounts.exclude(paused_at=None).values("name")
    lying = asset.copies.filter(credential=credential).exclude(account__in=resting).exclude(account="").first()
    return own or (lying.account if lying else "") or free_account(credential, _left(until))


def _found(finds: Faces, asset: Asset, credential: Credential, account: str, until: float) -> tuple[Face, ...]:
    """What the provider finds. A picture that it has lost is sent to it once more."""
    try:
        return _asked(finds, asset, credential, account, until)
    except errors.ReferenceUnknown:
        lost = AssetCopy.objects.filter(asset=asset, credential=credential, account=account)
        lost.update(expires_at=timezone.now())
        return _asked(finds, asset, credential, account, until)


def _asked(finds: Faces, asset: Asset, credential: Credential, account: str, until: float) -> tuple[Face, ...]:
    copy = copy_of(asset, credential, account, _left(until))
    request = finds.build(copy.address, credentials.account(credential, account), timezone.now())
    return finds.parse(answer(credential, request, _left(until)))


def _heed(error: errors.ProviderError, credential: Credential, account: str) -> str:
    log.info("%s: faces: %s %s", credential.last_four, type(error).__name__, error.code)
    if error.pauses_credential:
        pause_for(error, credential, account)
        return error.sentence
    if isinstance(error, errors.Refused):
        return error.sentence
    return f"{PROVIDERS[credential.provider].label} could not look for faces. {INSTEAD}"


def _left(until: float) -> float:
    return round(max(0.1, until - time.monotonic()), 1)
