"""A team's secret values for one provider."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from klingweb.accounts.models import Team
from klingweb.secrets import SecretsField


class Standing(models.TextChoices):
    """What is known of a credential, the worst first. Only `paused` keeps anything from being sent with it."""

    PAUSED = "paused"
    REFUSED = "refused"
    SILENT = "silent", "No answer"
    UNTESTED = "untested", "Never tested"
    WORKING = "working"


class Credential(models.Model):
    """A key and where it is used. `slots` are counted in the provider's own unit: pictures or requests at once.

    `last_four` is the only part of a secret that is ever shown. While `paused_at` is set nothing is sent with it and
    its queued work waits; without `paused_by` it was paused by what the provider said. `daily_pictures` is the most
    that is sent within one day in UTC. The last test's result is kept: `tested_ok` is None where nobody answered.
    From `removed_at` on it is no longer offered, but its secrets stay until `erased_at`, when the last generation
    that needs them has ended.

    With `webhooks` its provider is asked to call us. `arrivals` are the moments, Unix seconds by operation, of the
    last generations in a row that such a call had told of before they were seen to have ended.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="credentials")
    provider = models.SlugField(max_length=32)
    name = models.CharField(max_length=80)
    base_url = models.CharField(max_length=300)
    secrets = SecretsField()
    last_four = models.CharField(max_length=4, blank=True)
    slots = models.PositiveSmallIntegerField()
    daily_pictures = models.PositiveIntegerField(null=True, blank=True)
    webhooks = models.BooleanField(default=True)
    arrivals = models.JSONField(default=dict, editable=False)

    created = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(null=True, editable=False)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    paused_reason = models.CharField(max_length=300, blank=True)
    removed_at = models.DateTimeField(null=True, editable=False)
    erased_at = models.DateTimeField(null=True, editable=False)

    tested_at = models.DateTimeField(null=True, editable=False)
    tested_ok = models.BooleanField(null=True, editable=False)
    balance = models.CharField(max_length=200, blank=True, editable=False)
    test_problem = models.CharField(max_length=300, blank=True, editable=False)
    test_details = models.CharField(max_length=400, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["team", "provider", "name"], condition=Q(removed_at=None), name="one_credential_per_name"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ••{self.last_four}"

    def changed_since(self, moment: datetime) -> bool:
        """Whether it may be another account by now, which knows nothing of what was sent before."""
        return self.changed_at is not None and self.changed_at > moment

    @property
    def standing(self) -> Standing:
        """Paused, or what the last test said."""
        if self.paused_at:
            return Standing.PAUSED
        if self.tested_ok is not None:
            return Standing.WORKING if self.tested_ok else Standing.REFUSED
        return Standing.SILENT if self.tested_at else Standing.UNTESTED


class CredentialAccount(models.Model):
    """One of several accounts that a provider keeps behind a credential, as the provider last told.

    `slots` are how many requests it takes at once. While `paused_at` is set nothing new is sent through it.
    """

    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="accounts")
    name = models.CharField(max_length=200)
    slots = models.PositiveSmallIntegerField()
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["credential", "name"], name="one_row_per_account")]

    def __str__(self) -> str:
        return self.name


class SendingPause(models.Model):
    """While a team has one, nothing is sent for it; what is running is followed as ever."""

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="sending_pause")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)

    def __str__(self) -> str:
        return f"{self.team} since {self.at}"
