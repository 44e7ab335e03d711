"""A team's secret values for one provider."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from klingweb.accounts.models import Team
from klingweb.secrets import SecretsField


class Credential(models.Model):
    """A key and where it is used. `slots` are counted in the provider's own unit: pictures or requests at once.

    `last_four` is the only part of a secret that is ever shown. While `paused_at` is set nothing is sent with it and
    its queued work waits.
    """

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="credentials")
    provider = models.SlugField(max_length=32)
    name = models.CharField(max_length=80)
    base_url = models.CharField(max_length=300)
    secrets = SecretsField()
    last_four = models.CharField(max_length=4, blank=True)
    slots = models.PositiveSmallIntegerField()
    created = models.DateTimeField(default=timezone.now, editable=False)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["team", "provider", "name"], name="one_credential_per_name")]

    def __str__(self) -> str:
        return f"{self.name} ••{self.last_four}"


class SendingPause(models.Model):
    """While a team has one, nothing is sent for it; what is running is followed as ever."""

    team = models.OneToOneField(Team, on_delete=models.CASCADE, primary_key=True, related_name="sending_pause")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True)

    def __str__(self) -> str:
        return f"{self.team} since {self.at}"
