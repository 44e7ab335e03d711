"""The verbs about people. The commands, the pages and `prepare --demo` all use these."""

import hashlib
import secrets

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify

from klingweb.accounts.models import Invitation, Membership, Role, Team, User, two_weeks_from_now

RESET_DAYS = settings.PASSWORD_RESET_TIMEOUT // 86_400


class InvitationGoneError(Exception):
    """The invitation was accepted or replaced by someone else, has ended, or its address got an account meanwhile."""


# People and teams -----------------------------------------------------------------------------------------------------


def find_person(email: str) -> User | None:
    """Who has this address, however it is typed."""
    return User.objects.filter(email=email.strip().lower()).first()


@transaction.atomic
def ensure_person(email: str, password: str | None = None, name: str = "") -> User:
    """The person with this address, made if missing. A password or a name that exists is left alone."""
    person = find_person(email) or _new_person(email, password, name)
    if password and not person.has_usable_password():
        person.set_password(password)
        person.save(update_fields=["password"])
    return person


def find_team(name_or_slug: str) -> Team | None:
    """The team of this name, in whatever case, or else of this slug."""
    text = name_or_slug.strip()
    return Team.objects.filter(name__iexact=text).first() or Team.objects.filter(slug=text).first()


def ensure_team(name: str) -> Team:
    """The team of this name, made if missing."""
    return find_team(name) or Team.objects.create(name=name.strip(), slug=_free_slug(name))


def ensure_membership(team: Team, user: User, role: str) -> Membership:
    """The person is in the team, with this role, whatever was before."""
    return Membership.objects.update_or_create(team=team, user=user, defaults={"role": role})[0]


def reset_link(person: User) -> str:
    """An address where this person chooses a password. It works once, for RESET_DAYS at most."""
    return password_link(f"{user_pk_to_url_str(person)}-{default_token_generator.make_token(person)}")


def password_link(key: str) -> str:
    """The public address for such a key. Never from the request, whose Host header anybody may invent."""
    person, _, token = key.partition("-")
    return _public("account_reset_password_from_key", uidb36=person, key=token)


# Invitations ----------------------------------------------------------------------------------------------------------


def invite(team: Team, email: str, role: str = Role.MEMBER, created_by: User | None = None) -> str:
    """An address that lets the owner of `email` into the team, once. It replaces an earlier one that is still open."""
    token = secrets.token_urlsafe(32)
    values = {
        "role": role,
        "created_by": created_by,
        "token_sha256": digest(token),
        "created": timezone.now(),
        "expires": two_weeks_from_now(),
    }
    Invitation.objects.update_or_create(team=team, email=email.strip().lower(), accepted_at=None, defaults=values)
    return _public("invitation", token=token)


def digest(token: str) -> str:
    """What is kept of an invitation's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def find_invitation(token_sha256: str) -> Invitation | None:
    """The invitation of this token, open or not, with its team."""
    return Invitation.objects.select_related("team").filter(token_sha256=token_sha256).first()


@transaction.atomic
def accept(invitation: Invitation, person: User) -> None:
    """Put the invited person into the team. InvitationGoneError if someone was first or the address is not theirs."""
    still_open = Invitation.objects.open().filter(
        pk=invitation.pk, token_sha256=invitation.token_sha256, email=person.email
    )
    if not still_open.update(accepted_at=timezone.now(), accepted_by=person):
        raise InvitationGoneError
    Membership.objects.get_or_create(team=invitation.team, user=person, defaults={"role": invitation.role})


@transaction.atomic
def sign_up(invitation: Invitation, password: str, name: str = "") -> User:
    """Make an account for the invited address and put it into the team: both or neither."""
    try:
        with transaction.atomic():
            person = _new_person(invitation.email, password, name)
    except IntegrityError:
        raise InvitationGoneError from None
    accept(invitation, person)
    return person


def _new_person(email: str, password: str | None, name: str) -> User:
    person = User.objects.create_user(email, password, name=name)
    # The library looks here first. Whoever made the account or the invitation vouches for the address.
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=True)
    return person


def _free_slug(name: str) -> str:
    wanted = slugify(name)[:70] or "team"
    taken = set(Team.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    numbered = (f"{wanted}-{number}" for number in range(2, len(taken) + 3))
    return wanted if wanted not in taken else next(slug for slug in numbered if slug not in taken)


def _public(name: str, **kwargs: str) -> str:
    return f"{settings.PUBLIC_URL}{reverse(name, kwargs=kwargs)}"
