"""Who works together: people, their teams, the role each has in a team, and invitations to join one."""

import datetime as dt
import re
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.functional import cached_property

INVITATION_DAYS = 14
TEAM_NAME_LENGTH = 80


def in_lower_case(name: str) -> models.CheckConstraint:
    """Addresses are kept in lower case, so that being unique and being found do not depend on how one types them."""
    return models.CheckConstraint(condition=Q(email=Lower("email")), name=name)


class UserManager(BaseUserManager["User"]):
    """People are made from an address alone; everything else can follow."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A new person. Without a password nobody can sign in as them until one is chosen by a link."""
        person = self.model(email=email.strip().lower(), **fields)
        person.set_password(password or None)  # an empty one would let anybody in
        person.save(using=self._db)
        return person


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The e-mail address is the only login."""

    email = models.EmailField("e-mail", unique=True)
    name = models.CharField(max_length=80, blank=True)
    is_active = models.BooleanField(default=True)
    created = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = EMAIL_FIELD = "email"

    class Meta:
        constraints = [in_lower_case("user_email_in_lower_case")]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        """What others see: the name, else what stands before the @."""
        return self.name or self.email.partition("@")[0]

    @property
    def initials(self) -> str:
        """Two letters at most, for the mark in the bar."""
        words: list[str] = re.findall(r"[^\W_]+", self.display_name) or ["?"]
        return (words[0][0] + words[-1][0] if len(words) > 1 else words[0][:2]).upper()

    @cached_property
    def own_memberships(self) -> list["Membership"]:
        """With their teams, by the team's name. Asked once per person object, which is once per request."""
        return list(self.memberships.select_related("team").order_by("team__name"))


class Team(models.Model):
    """People who share credentials and everything made with them."""

    name = models.CharField(max_length=TEAM_NAME_LENGTH, unique=True)
    slug = models.SlugField(max_length=TEAM_NAME_LENGTH, unique=True)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Role(models.TextChoices):
    """What a person may do in one team."""

    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class Membership(models.Model):
    """One person in one team."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user}, {self.role} of {self.team}"

    @property
    def is_admin(self) -> bool:
        """May change the team itself: people, credentials, limits."""
        return self.role == Role.ADMIN

    @property
    def may_act(self) -> bool:
        """May make pictures and change what was made; a viewer only looks."""
        return self.role in (Role.ADMIN, Role.MEMBER)


def two_weeks_from_now() -> dt.datetime:
    """When an invitation made now ends."""
    return timezone.now() + dt.timedelta(days=INVITATION_DAYS)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Look-ups of invitations."""

    def open(self) -> "InvitationQuerySet":
        """Those that can still be accepted."""
        return self.filter(accepted_at=None, expires__gt=timezone.now())


class Invitation(models.Model):
    """A single-use way into a team, bound to one address. Of its token only the hash is kept."""

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations")
    email = models.EmailField("e-mail")
    role = models.CharField(max_length=8, choices=Role)
    token_sha256 = models.CharField(max_length=64, unique=True)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created = models.DateTimeField(default=timezone.now)
    expires = models.DateTimeField(default=two_weeks_from_now)
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            in_lower_case("invitation_email_in_lower_case"),
            models.UniqueConstraint(
                fields=["team", "email"], condition=Q(accepted_at=None), name="one_open_invitation_per_address"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.team} as {self.role}"

    @property
    def is_open(self) -> bool:
        """Whether it can still be accepted."""
        return self.accepted_at is None and self.expires > timezone.now()
